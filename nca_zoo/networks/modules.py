"""The networks that readers train, as torch modules: over units, over tokens, over what the rule
answers, over pictures. Imported when one of them reads and not before."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nca_zoo.automaton.rule import CHANNELS, HIDDEN, PERCEPTION, param_slices

UNIT = PERCEPTION + 1 + CHANNELS  # numbers of a hidden unit: incoming, bias, outgoing
TOKENS = 16  # into which the hidden units of an NCA are cut


class Units(nn.Module):
    """Deep sets with attention: every unit is embedded, pooled by learned queries and the mean."""

    def __init__(self, outputs: int, width: int = 64, heads: int = 8) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(UNIT, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.GELU()
        )
        self.ask = nn.Linear(width, heads)
        seen = (heads + 2) * width + CHANNELS
        self.read = nn.Sequential(
            nn.LayerNorm(seen),
            nn.Dropout(0.3),
            nn.Linear(seen, 2 * width),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(2 * width, outputs),
        )

    def forward(self, units: Tensor, bias: Tensor) -> Tensor:
        """units: ``(B, 128, 65)``; bias: ``(B, 16)``, of the update."""
        x = self.embed(units)  # (B, 128, width)
        looks = self.ask(x).softmax(dim=1).swapaxes(1, 2) @ x  # (B, heads, width)
        return self.read(torch.cat([looks.flatten(1), x.mean(dim=1), x.amax(dim=1), bias], dim=1))


class Tokens(nn.Module):
    """A transformer over tokens of eight hidden units each, and one of the update's bias.

    Units are known by their places, which mean the same wherever NCAs share a start: each token has
    an embedding of its own.
    """

    def __init__(self, outputs: int, width: int = 32, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        size = HIDDEN // TOKENS * UNIT
        self.embed = nn.Parameter(torch.randn(TOKENS, size, width) * size**-0.5)
        self.bias = nn.Linear(CHANNELS, width)
        self.place = nn.Parameter(0.02 * torch.randn(TOKENS + 1, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.encode = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.read = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear((TOKENS + 1) * width, 8 * width),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(8 * width, outputs),
        )

    def forward(self, units: Tensor, bias: Tensor) -> Tensor:
        """units: ``(B, 128, 65)``; bias: ``(B, 16)``: scaled differences from a mean."""
        tokens = units.reshape(len(units), TOKENS, -1)
        embedded = torch.einsum("bts,tsw->btw", tokens, self.embed)
        x = torch.cat([embedded, self.bias(bias)[:, None]], dim=1) + self.place
        return self.read(self.encode(x).flatten(1))


class Queries(nn.Module):
    """What the rule answers to perceptions that are learnt, and two layers that read it."""

    def __init__(
        self, outputs: int, perceptions: Tensor, weights: Tensor, width: int = 256
    ) -> None:
        """perceptions: ``(Q, 48)``, to begin with; weights: ``(n, P)``, to learn from."""
        super().__init__()
        self.perceptions = nn.Parameter(perceptions.clone())
        answers = self.answers(weights[:256]).detach()
        self.mean, self.spread = answers.mean(dim=0), answers.std(dim=0) + 1e-6
        self.read = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(answers.shape[1], width),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(width, outputs),
        )

    def answers(self, weights: Tensor) -> Tensor:
        """The updates ``(B, Q * 16)`` that rules ``(B, P)`` make; see ``features.queries``."""
        at = param_slices()
        W1 = weights[:, at["W1"]].view(-1, HIDDEN, PERCEPTION)
        W2 = weights[:, at["W2"]].view(-1, CHANNELS, HIDDEN)
        b1, b2 = weights[:, None, at["b1"]], weights[:, None, at["b2"]]
        hidden = torch.relu(self.perceptions @ W1.mT + b1)
        return (hidden @ W2.mT + b2).flatten(1)

    def forward(self, weights: Tensor) -> Tensor:
        """weights: ``(B, P)``, as they are."""
        return self.read((self.answers(weights) - self.mean) / self.spread)


class Pictures(nn.Module):
    """Two convolutions and a hidden layer."""

    def __init__(self, outputs: int, channels: int, height: int, width: int) -> None:
        super().__init__()
        after = (-(-height // 4)) * (-(-width // 4))
        self.read = nn.Sequential(
            nn.Conv2d(channels, 16, 5, padding=2),
            nn.GELU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.GELU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(32 * after, 64),
            nn.GELU(),
            nn.Dropout(0.4),
            nn.Linear(64, outputs),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: ``(B, C, H, W)``."""
        found: Tensor = self.read(pictures)
        return found


class Velocity(nn.Module):
    """Where scores move on the way from noise to known ones; its error, while it learns."""

    def __init__(
        self,
        scores: int,
        classes: int,
        width: int,
        waves: Callable[[npt.ArrayLike], npt.NDArray[np.float64]],
    ) -> None:
        """waves: times ``(B,)`` as numbers ``(B, w)``."""
        super().__init__()
        self.waves, told = waves, waves(0.0).shape[-1]
        self.layers = nn.Sequential(
            nn.Linear(scores + classes + told, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, scores),
        )

    def forward(self, scores: Tensor, known: Tensor) -> Tensor:
        """By how much it is off for scores ``(B, K)`` of classes ``(B, C)``, one where they are:
        at random times, on the ways from random noise."""
        times, noise = torch.rand(len(scores), 1), torch.randn(scores.shape)
        there = (1 - times) * noise + times * scores
        told = torch.from_numpy(self.waves(times[:, 0].numpy())).float()
        velocity: Tensor = self.layers(torch.cat([there, known, told], dim=1))
        return velocity - (scores - noise)


class UNet(nn.Module):
    """A small U-Net: what is to be added to a picture, seen at three scales."""

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.at_whole, self.at_half = _looks(channels, width), _looks(width, 2 * width)
        self.at_quarter = _looks(2 * width, 4 * width)
        self.up_to_half, self.up = _looks(6 * width, 2 * width), _looks(3 * width, width)
        self.add = nn.Conv2d(width, channels, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: ``(B, C, H, W)``, of any size; so is what is answered."""
        height, width = pictures.shape[2:]
        x = nn.functional.pad(pictures, (0, -width % 4, 0, -height % 4))
        whole = self.at_whole(x)
        half = self.at_half(nn.functional.max_pool2d(whole, 2))
        quarter = self.at_quarter(nn.functional.max_pool2d(half, 2))
        half = self.up_to_half(torch.cat([_twice(quarter), half], dim=1))
        whole = self.up(torch.cat([_twice(half), whole], dim=1))
        return pictures + self.add(whole)[..., :height, :width]


def _looks(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2)
