"""A basis: a few directions of the weights, along which a picture is told by as many numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.features.measures import Floats, Vectors
from nca_zoo.life.engines import Engine
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.pictures.targets import Target
from nca_zoo.training.adam import EPSILON, descend, fallen
from nca_zoo.training.regime import CA_STEPS


@dataclass(frozen=True, eq=False)
class Basis:
    """Weights ``middle + numbers @ axes``."""

    middle: Vectors  # (P,)
    axes: Floats  # (K, P), orthogonal; each as long as one standard deviation of what it is of

    def numbers(self, weights: Vectors) -> Floats:
        """Those ``(N, K)`` of which the weights are nearest to ``(N, P)``."""
        squares = (self.axes**2).sum(axis=1)
        return np.asarray((weights - self.middle) @ self.axes.T / squares, np.float64)

    def weights(self, numbers: Floats) -> Vectors:
        """The weights ``(N, P)`` of numbers ``(N, K)``."""
        return (self.middle + numbers @ self.axes).astype(np.float32)


def principal(weights: Vectors, components: int) -> Basis:
    """The leading principal components of weights ``(N, P)``."""
    middle = weights.mean(axis=0, dtype=np.float64)
    with threadpool_limits(limits=1):
        _, sizes, axes = np.linalg.svd(weights - middle, full_matrices=False)
    spreads = sizes[:components, None] / np.sqrt(len(weights) - 1)
    return Basis(middle.astype(np.float32), spreads * axes[:components])


def fit_numbers(
    basis: Basis,
    numbers: Floats,
    targets: Sequence[Target],
    engine: Engine,
    steps: int,
    rate: float,
    seed: int = 0,
) -> Floats:
    """Numbers ``(N, K)`` after so many training steps from ``numbers``, each NCA for its target.

    All else stays as it is. Every step an NCA grows from its seed, and on from where that ended the
    step before; the gradient by its numbers has length 1 (Growing NCA), and Adam's step size falls
    from ``rate``, in standard deviations, to nothing.
    """
    numbers, n = np.array(numbers, np.float64), len(targets)
    height, width = targets[0].rgba.shape[:2]
    seeds = np.stack([rule.seed_state(height, width, t.seed_row, t.seed_col) for t in targets])
    trained = np.stack([target.trained for target in targets])
    states = np.repeat(seeds[:, None], 2, axis=1)
    mean, square = np.zeros_like(numbers), np.zeros_like(numbers)
    shortest, longest = CA_STEPS
    for step in range(steps):
        key = fold(fold(seed, Stream.TRAIN_DRAWS), step)
        lasting = (shortest + uniform(key, n) * (longest - shortest + 1)).astype(np.int64)
        keys = fold(fold(seed, Stream.TRAIN_MASKS, step), np.arange(2 * n)).reshape(n, 2)
        ncas = Automata(basis.weights(numbers), seeds, keys, trained.shape[-1])
        found = engine.gradients(ncas, states, at_the_end(trained, lasting, 2), lasting)
        states = np.stack([seeds, found.states[:, 0]], axis=1)
        gradient = np.nan_to_num(found.gradients.astype(np.float64)) @ basis.axes.T
        gradient /= np.linalg.norm(gradient, axis=1, keepdims=True) + EPSILON
        descend(numbers, gradient, mean, square, rate * fallen(step, steps), step + 1)
    return numbers
