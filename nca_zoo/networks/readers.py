"""Readers that are networks: one over the hidden units of an NCA as a set, one over pictures.

Both need torch, which is imported when one of them reads and not before. They are small, trained
for a fixed number of steps from a fixed seed on one thread, and choose nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import unflatten
from nca_zoo.features.measures import Floats, Ints, Vectors

if TYPE_CHECKING:
    import torch

Answers = Floats | Ints
STEPS, BATCH, RATE, DECAY = 400, 64, 3e-3, 1e-2  # AdamW with a one-cycle rate


@dataclass(frozen=True)
class NetworkReader:
    """A network that is trained on the training rows; the same interface as ``readers.Reader``."""

    name: str
    description: str
    sees: Literal["units", "pictures"]
    steps: int = STEPS

    def predict(self, fold: Any, known: Answers, inner: Ints) -> Answers:
        """What the network answers for the fold's test rows, ``(m,)``; see ``readers.Reader``."""
        numeric = np.issubdtype(np.asarray(known).dtype, np.floating)
        classes, codes = np.unique(known, return_inverse=True)
        mean, spread = (known.mean(), known.std() or 1.0) if numeric else (0.0, 1.0)
        wanted = (known - mean) / spread if numeric else codes
        if self.sees == "units":
            make, inputs = _unit_network, _unit_inputs(fold.train, fold.test)
        else:
            make, inputs = _picture_network, _picture_inputs(fold.train, fold.test, fold.shape)
        outputs = 1 if numeric else len(classes)
        found = _train_and_answer(make, inputs, wanted, outputs, self.steps)
        if numeric:
            return found[:, 0] * spread + mean
        return classes[found.argmax(axis=1)]


def hidden_units(weights: Vectors) -> Vectors:
    """Every hidden unit as a vector ``(N, 128, 65)``: incoming weights, bias, outgoing weights.

    Each is scaled so that both sides are equally long, which changes nothing of what it does: the
    result depends on the units' order and on the state's basis, not on the units' scales.
    """
    w = unflatten(np.asarray(weights, np.float32))
    incoming = np.concatenate([w["W1"], w["b1"][..., None]], axis=-1)  # (N, 128, 49)
    outgoing = w["W2"].swapaxes(1, 2)  # (N, 128, 16)
    there = np.linalg.norm(incoming, axis=-1, keepdims=True)
    away = np.linalg.norm(outgoing, axis=-1, keepdims=True)
    ratio = away / np.where(there > 0, there, 1)
    scale = np.sqrt(np.where((there > 0) & (away > 0), ratio, 1))
    return np.concatenate([incoming * scale, outgoing / scale], axis=-1)


Inputs = tuple[list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]


def _unit_inputs(train: Vectors, test: Vectors) -> Inputs:
    """Units and b2 of both sides, standardised by the training rows, alike for all units."""
    sides = [[hidden_units(rows), unflatten(rows)["b2"]] for rows in (train, test)]
    units, bias = sides[0]
    means = [units.mean(axis=(0, 1)), bias.mean(axis=0)]
    spreads = [units.std(axis=(0, 1)), bias.std(axis=0)]
    spreads = [np.where(spread > 0, spread, 1) for spread in spreads]
    scaled = [
        [(x - mean) / spread for x, mean, spread in zip(side, means, spreads, strict=True)]
        for side in sides
    ]
    return scaled[0], scaled[1]


def _picture_inputs(train: Vectors, test: Vectors, picture: tuple[int, ...]) -> Inputs:
    mean, spread = train.mean(), train.std() or 1.0
    first, second = (
        np.ascontiguousarray(((x - mean) / spread).reshape(-1, *picture).transpose(0, 3, 1, 2))
        for x in (train, test)
    )
    return [first], [second]


def _unit_network(inputs: list["torch.Tensor"], outputs: int) -> "torch.nn.Module":
    """Deep sets with attention: every unit is embedded, pooled by learned queries and the mean."""
    import torch
    from torch import nn

    width, heads = 64, 8

    class Units(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Sequential(
                nn.Linear(inputs[0].shape[-1], 2 * width),
                nn.GELU(),
                nn.Linear(2 * width, width),
                nn.GELU(),
            )
            self.ask = nn.Linear(width, heads)
            self.read = nn.Sequential(
                nn.LayerNorm((heads + 2) * width + inputs[1].shape[-1]),
                nn.Dropout(0.3),
                nn.Linear((heads + 2) * width + inputs[1].shape[-1], 2 * width),
                nn.GELU(),
                nn.Dropout(0.3),
                nn.Linear(2 * width, outputs),
            )

        def forward(self, units: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            x = self.embed(units)  # (B, 128, width)
            looks = self.ask(x).softmax(dim=1).swapaxes(1, 2) @ x  # (B, heads, width)
            pooled = [looks.flatten(1), x.mean(dim=1), x.amax(dim=1), bias]
            return self.read(torch.cat(pooled, dim=1))

    return Units()


def _picture_network(inputs: list["torch.Tensor"], outputs: int) -> "torch.nn.Module":
    """Two convolutions and a hidden layer."""
    from torch import nn

    channels, height, width = inputs[0].shape[1:]
    after = (-(-height // 4)) * (-(-width // 4))
    return nn.Sequential(
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


def _train_and_answer(
    make: Callable[[list["torch.Tensor"], int], "torch.nn.Module"],
    inputs: Inputs,
    wanted: Answers,
    outputs: int,
    steps: int,
) -> npt.NDArray[np.float32]:
    """Train on the first inputs and answer the second: ``(m, outputs)``."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # folds fill the cores, and rounding must not depend on their number
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            train, test = ([torch.from_numpy(np.ascontiguousarray(x)) for x in s] for s in inputs)
            goal = torch.from_numpy(np.asarray(wanted))
            numeric = goal.dtype.is_floating_point
            goal = goal.float() if numeric else goal.long()
            loss_of = torch.nn.MSELoss() if numeric else torch.nn.CrossEntropyLoss()
            network = make(train, outputs)
            optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
            rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
            for _ in range(steps):
                batch = torch.randint(len(goal), (min(BATCH, len(goal)),))
                found = network(*(x[batch] for x in train))
                loss = loss_of(found[:, 0] if numeric else found, goal[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
            network.eval()
            with torch.no_grad():
                return torch.cat(
                    [network(*x) for x in zip(*(t.split(256) for t in test), strict=True)]
                ).numpy()
    finally:
        torch.set_num_threads(threads)


SET_READER = NetworkReader(
    "set", "a network over the 128 hidden units that does not know their order", "units"
)
CEILING = NetworkReader("cnn", "a small convolutional network, on pictures alone", "pictures")
