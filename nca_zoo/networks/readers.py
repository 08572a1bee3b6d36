"""Readers that are networks: over the hidden units of an NCA as a set, over tokens of its weights,
over what its rule answers, and over pictures.

All need torch, which is imported when one of them reads and not before. They are small and choose
nothing (``networks.learning``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nca_zoo.automaton.rule import param_slices, unflatten
from nca_zoo.features.measures import Floats, Ints, Vectors
from nca_zoo.networks.learning import Arrays, Schedule, answered, learnt

if TYPE_CHECKING:
    from torch import Tensor, nn

Answers = Floats | Ints
Shape = tuple[int, ...]
Sight = Callable[[Vectors], Arrays]  # rows (m, D) -> what a network sees of them
USUAL = Schedule()
QUERIES = 64  # perceptions that a query reader learns


@dataclass(frozen=True)
class Kind:
    """A kind of network: what it sees of rows, scaled by those that it learns from, and itself."""

    sight: Callable[[Vectors, Shape], Sight]  # training rows (n, D), shape of a row
    make: Callable[[list["Tensor"], int], "nn.Module"]  # training rows as seen, outputs


@dataclass(frozen=True)
class NetworkReader:
    """A network that is trained on the training rows; the same interface as ``readers.Reader``."""

    name: str
    description: str
    sees: Literal["units", "pictures"]
    kind: Kind
    schedule: Schedule = USUAL

    def predict(self, fold: Any, known: Answers, inner: Ints) -> Answers:
        """What the network answers for the fold's test rows, ``(m,)``; see ``readers.Reader``."""
        import torch

        numeric = np.issubdtype(np.asarray(known).dtype, np.floating)
        classes, codes = np.unique(known, return_inverse=True)
        mean, spread = (known.mean(), known.std() or 1.0) if numeric else (0.0, 1.0)
        wanted = ((known - mean) / spread)[:, None].astype(np.float32) if numeric else codes
        loss = torch.nn.functional.mse_loss if numeric else torch.nn.functional.cross_entropy
        outputs = 1 if numeric else len(classes)
        sight = self.kind.sight(fold.train, fold.shape)
        network = learnt(
            lambda seen: self.kind.make(seen, outputs),
            sight(fold.train),
            wanted,
            loss,
            self.schedule,
        )
        found = answered(network, sight(fold.test))
        return found[:, 0] * spread + mean if numeric else classes[found.argmax(axis=1)]

    def for_steps(self, steps: int) -> "NetworkReader":
        """The same, trained for so many steps."""
        return replace(self, schedule=replace(self.schedule, steps=steps))


def hidden_units(weights: Vectors) -> Vectors:
    """Every hidden unit as a vector ``(N, 128, 65)``: incoming weights, bias, outgoing weights.

    Each is scaled so that both sides are equally long, which changes nothing of what it does: the
    result depends on the units' order and on the state's basis, not on the units' scales.
    """
    units = _units(weights)
    incoming, outgoing = units[..., :-_OUT], units[..., -_OUT:]
    there = np.linalg.norm(incoming, axis=-1, keepdims=True)
    away = np.linalg.norm(outgoing, axis=-1, keepdims=True)
    ratio = away / np.where(there > 0, there, 1)
    scale = np.sqrt(np.where((there > 0) & (away > 0), ratio, 1))
    return np.concatenate([incoming * scale, outgoing / scale], axis=-1)


_OUT = 16  # outgoing weights of a unit


def _units(weights: Vectors) -> Vectors:
    """Every hidden unit ``(N, 128, 65)`` as it is."""
    w = unflatten(np.asarray(weights, np.float32))
    return np.concatenate([w["W1"], w["b1"][..., None], w["W2"].swapaxes(1, 2)], axis=-1)


def _as_a_set(train: Vectors, shape: Shape) -> Sight:
    """Units and b2, standardised by the training rows, alike for all units."""
    units, bias = hidden_units(train), unflatten(train)["b2"]
    means = [units.mean(axis=(0, 1)), bias.mean(axis=0)]
    spreads = [units.std(axis=(0, 1)), bias.std(axis=0)]
    spreads = [np.where(spread > 0, spread, 1) for spread in spreads]

    def seen(rows: Vectors) -> Arrays:
        sides = hidden_units(rows), unflatten(rows)["b2"]
        return [(x - m) / s for x, m, s in zip(sides, means, spreads, strict=True)]

    return seen


def _as_changes(train: Vectors, shape: Shape) -> Sight:
    """Units and b2 as differences from the mean, each tensor on a scale of its own."""
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = np.ones_like(mean)
    for part in param_slices().values():
        spread[part] = (train[:, part] - mean[part]).std() or 1.0

    def seen(rows: Vectors) -> Arrays:
        changes = (rows - mean) / spread
        return [_units(changes), unflatten(changes)["b2"]]

    return seen


def _as_they_are(train: Vectors, shape: Shape) -> Sight:
    return lambda rows: [rows]


def _as_pictures(train: Vectors, shape: Shape) -> Sight:
    mean, spread = train.mean(), train.std() or 1.0
    return lambda rows: [((rows - mean) / spread).reshape(-1, *shape).transpose(0, 3, 1, 2)]


def _set(seen: list["Tensor"], outputs: int) -> "nn.Module":
    from nca_zoo.networks.modules import Units

    return Units(outputs)


def _transformer(seen: list["Tensor"], outputs: int) -> "nn.Module":
    from nca_zoo.networks.modules import Tokens

    return Tokens(outputs)


def _queries(seen: list["Tensor"], outputs: int) -> "nn.Module":
    """Begins with perceptions that living cells meet, where the mean of all rules lives."""
    import torch

    from nca_zoo.features.queries import met_by
    from nca_zoo.networks.modules import Queries

    met = met_by(seen[0].mean(dim=0).numpy(), seed_hidden=True, queries=QUERIES)
    return Queries(outputs, torch.from_numpy(met), seen[0])


def _cnn(seen: list["Tensor"], outputs: int) -> "nn.Module":
    from nca_zoo.networks.modules import Pictures

    return Pictures(outputs, *seen[0].shape[1:])


SET = Kind(_as_a_set, _set)
TRANSFORMER = Kind(_as_changes, _transformer)
QUERY = Kind(_as_they_are, _queries)
PICTURES = Kind(_as_pictures, _cnn)
SET_READER = NetworkReader(
    "set", "a network over the 128 hidden units that does not know their order", "units", SET
)
TRANSFORMER_READER = NetworkReader(
    "transformer",
    "a transformer over tokens of the weights' differences from their mean",
    "units",
    TRANSFORMER,
    Schedule(rate=1e-3, decay=0.1),
)
QUERY_READER = NetworkReader(
    "query", "a network over what rules answer to learnt perceptions", "units", QUERY
)
CEILING = NetworkReader(
    "cnn", "a small convolutional network, on pictures alone", "pictures", PICTURES
)
