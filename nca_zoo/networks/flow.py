"""A flow that imagines: from noise, step by step, to where NCAs of a class lie in weight space.

Flow matching (Lipman et al., *Flow Matching for Generative Modeling*, 2023; rectified flows are the
same with straight paths): on the way ``x_t = (1 - t) noise + t z`` from noise to known scores z a
network learns the velocity ``z - noise``, and follows it from new noise. Scores are those of the
leading principal components, each with a spread of 1; what lies beyond them is a Gaussian of the
class. Learning needs torch, drawing does not.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.noise import fold
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Floats, Ints, Vectors
from nca_zoo.ground.archives import read_archive, write_archive
from nca_zoo.networks.imagining import Keys, normal
from nca_zoo.networks.learning import Schedule, learnt

Halves = npt.NDArray[np.float16]

STEPS = 50  # of the way from noise to weights
WIDTH = 256  # of the network's two hidden layers
WAVES = 8  # sines and cosines that tell the time
LONG = Schedule(steps=2000, batch=256, rate=2e-3)
MADE_BY = "nca-zoo imagine --learn"
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Size:
    """How large a flow is, and how long it learns."""

    components: int = 32  # of the weights, at most
    schedule: Schedule = LONG


SIZE = Size()
ARRAYS = ("mean", "axes", "labels", "middles", "beyond", "owners")


@dataclass(frozen=True, eq=False)
class Flow:
    """Draws weights ``(P,)`` and where their seed cell lies, of a class."""

    mean: Vectors  # (P + 2,), weights, row and column
    axes: Halves  # (K, P + 2), what 1 of each score adds
    labels: Ints  # (C,)
    middles: Vectors  # (C, P + 2), what the mean of a class adds beyond that
    beyond: Halves  # (N, P + 2), and each NCA beyond both, for a Gaussian of its class
    owners: Ints  # (N,), the class of each
    layers: tuple[Vectors, ...]  # weights (n, m) and biases (n,) in turn
    recipe: dict[str, Any]  # of which zoo, and how

    @cached_property
    def digest(self) -> str:
        """16 hex digits that stand for what it draws."""
        parts = (*(getattr(self, name) for name in ARRAYS), *self.layers)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def draw(self, label: int, keys: Keys) -> tuple[Vectors, Floats]:
        """Weights ``(n, P)`` and places ``(n, 2)`` of NCAs of a class, one for each key.

        Raises ZooError for a class that it has not met.
        """
        if label not in self.labels:
            raise ZooError(f"this model has met no class {label}; it knows {self.labels.tolist()}")
        known = np.zeros((len(keys), len(self.labels)))
        known[:, self.labels == label] = 1
        scores = normal(fold(keys, 1), len(self.axes))
        with threadpool_limits(limits=1):
            for step in range(STEPS):
                scores = scores + self._velocity(scores, step / STEPS, known) / STEPS
            rest = self.beyond[self.owners == label]
            found = self.mean + scores @ self.axes + self.middles[self.labels == label][0]
            found += normal(fold(keys, 2), len(rest)) @ rest
        return found[:, :N_PARAMS].astype(np.float32), found[:, N_PARAMS:]

    def _velocity(self, scores: Floats, t: float, known: Floats) -> Floats:
        x = np.concatenate([scores, known, np.broadcast_to(waves(t), (len(scores), 2 * WAVES))], 1)
        for weights, bias in zip(self.layers[:-2:2], self.layers[1:-2:2], strict=True):
            x = x @ weights.T + bias
            x = x / (1 + np.exp(-x))
        return np.asarray(x @ self.layers[-2].T + self.layers[-1], np.float64)


def waves(t: npt.ArrayLike) -> Floats:
    """Times ``(...)`` in [0, 1] as ``(..., 16)`` numbers that a network can tell apart."""
    turns = np.asarray(t)[..., None] * np.arange(1, WAVES + 1) * np.pi / 2
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=-1)


def learn_flow(
    weights: Vectors, places: npt.ArrayLike, labels: Ints, recipe: dict[str, Any], size: Size = SIZE
) -> Flow:
    """A flow from weights ``(N, P)``, their seeds' rows and columns ``(N, 2)`` and classes."""
    rows = np.concatenate([weights, np.asarray(places)], axis=1).astype(np.float64)
    mean, n = rows.mean(axis=0), len(rows)
    classes, codes = np.unique(labels, return_inverse=True)
    k = min(size.components, n - 1)
    with threadpool_limits(limits=1):
        scores = np.sqrt(n) * np.linalg.svd((rows - mean)[:, :N_PARAMS], full_matrices=False)[0]
        axes = scores[:, :k].T @ (rows - mean) / n  # places come along with the weights
        left = rows - mean - scores[:, :k] @ axes
    members = np.bincount(codes)
    middles = np.stack([left[codes == code].mean(axis=0) for code in range(len(classes))])
    beyond = (left - middles[codes]) / np.sqrt(np.maximum(members - 1, 1))[codes, None]
    return Flow(
        mean=mean.astype(np.float32),
        axes=axes.astype(np.float16),
        labels=classes.astype(np.int64),
        middles=middles.astype(np.float32),
        beyond=beyond.astype(np.float16),
        owners=classes[codes].astype(np.int64),
        layers=_learnt(scores[:, :k].astype(np.float32), codes, size),
        recipe=recipe | {"components": k, "steps": size.schedule.steps, "ncas": n},
    )


def _learnt(scores: Vectors, codes: Ints, size: Size) -> tuple[Vectors, ...]:
    """Weights and biases of the network."""

    from nca_zoo.networks.modules import Velocity

    known = np.eye(codes.max() + 1, dtype=np.float32)[codes]
    network = learnt(
        lambda seen: Velocity(scores.shape[1], known.shape[1], WIDTH, waves),
        [scores, known],
        scores,
        lambda off, _: off.square().mean(),
        size.schedule,
    )
    return tuple(each.detach().numpy().astype(np.float32) for each in network.parameters())


def save_flow(path: Path, flow: Flow) -> None:
    """Write a model file."""
    arrays = {name: getattr(flow, name) for name in ARRAYS}
    layers = {f"layer_{i}": layer for i, layer in enumerate(flow.layers)}
    write_archive(path, flow.recipe, arrays | layers, compressed=True)


def read_flow(path: Path) -> Flow:
    """The flow of a file of ``save_flow``; raises ZooError for any other file."""
    arrays, recipe = read_archive(path, "model file", MADE_BY, MOST_BYTES)
    k, c, n = (len(np.atleast_1d(arrays.get(name, ()))) for name in ("axes", "labels", "owners"))
    whole, seen = N_PARAMS + 2, k + c + 2 * WAVES
    expected: dict[str, tuple[type, tuple[int, ...]]] = {
        "mean": (np.float32, (whole,)),
        "axes": (np.float16, (k, whole)),
        "labels": (np.int64, (c,)),
        "middles": (np.float32, (c, whole)),
        "beyond": (np.float16, (n, whole)),
        "owners": (np.int64, (n,)),
    }
    ends = (seen, WIDTH, WIDTH, k)
    for i, (start, end) in enumerate(pairwise(ends)):
        expected |= {f"layer_{2 * i}": (np.float32, (end, start))}
        expected |= {f"layer_{2 * i + 1}": (np.float32, (end,))}
    for name, (dtype, shape) in expected.items():
        held = arrays.get(name)
        fits = held is not None and (held.dtype, held.shape) == (dtype, shape)
        if held is None or not (fits and np.isfinite(held).all()):
            found = "missing" if held is None else f"{held.dtype} {held.shape}, or not finite"
            raise ZooError(
                f"{path}: not a model file of `{MADE_BY}`: {name} is {found}; learn it anew"
            )
    layers = tuple(arrays[f"layer_{i}"] for i in range(2 * len(ends) - 2))
    return Flow(**{name: arrays[name] for name in ARRAYS}, layers=layers, recipe=recipe)
