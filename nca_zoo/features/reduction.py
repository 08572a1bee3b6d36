"""Reduction: columns scaled, then few principal components, learned from training rows alone.

Readers, clusters and maps all see features through this; every feature, weights and controls
alike, has the same choices (docs/notes/probe.md says why these).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular

from nca_zoo.features.measures import Floats, Vectors

Scaling = Literal["soft", "standardise", "centre"]
SCALINGS: tuple[Scaling, ...] = ("soft", "standardise", "centre")
MAX_COMPONENTS = 200
EXACT = 1200  # rows or columns up to which components are found exactly
FEW = 3  # times as many eigenvalues as are asked for: to find them all is faster then
DEPENDENT = 1e-3  # of the longest column: what is left of one that others almost make up
_EXTRA, _ROUNDS = 20, 4  # of the randomised search: more components than asked for, power steps


@dataclass(frozen=True)
class Basis:
    """What was learned: ``scores`` maps rows ``(m, D)`` to ``(m, k)``."""

    mean: Vectors  # (D,)
    spread: Vectors  # (D,), what columns are divided by
    axes: Vectors  # (D, k), principal axes
    length: float  # root mean square length of the training rows' scores

    def scores(self, rows: Vectors) -> Floats:
        """Scores ``(m, k)`` of rows ``(m, D)``."""
        return (((rows - self.mean) / self.spread) @ self.axes).astype(np.float64) / self.length


class Columns:
    """Training rows ``(n, D)`` moved to a mean of 0: what their bases in all scalings share."""

    def __init__(self, train: Vectors) -> None:
        self.mean: Vectors = train.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._rows = train - self.mean

    @cached_property
    def _deviation(self) -> Floats:
        """The standard deviation of each column, ``(D,)``; 1 where it never changes."""
        rows = self._rows
        deviation = np.sqrt(np.einsum("nd,nd->d", rows, rows, dtype=np.float64) / len(rows))
        return np.where(deviation > 0, deviation, 1.0)

    def _scaled(self, scaling: Scaling) -> tuple[Vectors, Vectors]:
        """The training rows as they are scaled, and what columns are divided by."""
        if scaling == "centre":
            return self._rows, np.ones(self._rows.shape[1], np.float32)
        power = 1.0 if scaling == "standardise" else 0.5
        spread = (self._deviation**power).astype(np.float32)
        return self._rows / spread, spread

    def basis(self, scaling: Scaling, components: int = MAX_COMPONENTS) -> Basis:
        """See ``find_basis``."""
        rows, spread = self._scaled(scaling)
        axes, squared = _principal(rows, components)
        return Basis(self.mean, spread, axes, _length(squared, len(rows)))

    def scores(
        self, test: Vectors, scaling: Scaling, components: int = MAX_COMPONENTS
    ) -> tuple[Floats, Floats]:
        """Scores of the training rows ``(n, k)`` and of others ``(m, k)``.

        Where rows are fewer than columns, by their products alone: axes are longer than these.
        """
        rows, spread = self._scaled(scaling)
        others = (test - self.mean) / spread
        if not _exactly(rows, components) or len(rows) > rows.shape[1]:
            axes, squared = _principal(rows, components)
            length = _length(squared, len(rows))
            mine, theirs = ((some @ axes).astype(np.float64) / length for some in (rows, others))
            return mine, theirs
        values, vectors = _leading(_products(rows), components)
        if not len(values):
            return np.zeros((len(rows), 1)), np.zeros((len(others), 1))
        length, roots = _length(float(values.sum()), len(rows)), np.sqrt(values)
        among = (others @ rows.T) @ (vectors / roots).astype(np.float32)
        return vectors * (roots / length), among.astype(np.float64) / length


def _length(squared: float, rows: int) -> float:
    """The root mean square length of rows' scores, from the sum of their squares; 1 if it is 0."""
    return float(np.sqrt(squared / rows)) or 1.0


def find_basis(train: Vectors, scaling: Scaling, components: int = MAX_COMPONENTS) -> Basis:
    """Scales and leading principal components of training rows ``(n, D)``.

    All scalings move the mean to 0. ``centre`` does nothing else; ``standardise`` brings every
    column to variance 1; ``soft`` divides it by the root of its standard deviation, half-way
    between. Scores are divided by one number, so that training rows have a mean squared length of
    1: a penalty then means the same for 2 columns as for 8,336.

    Exact, by the smaller of the Gram matrix ``(n, n)`` and the scatter matrix ``(D, D)``, unless
    both are large: then by the randomised subspace iteration of Halko, Martinsson and Tropp
    (*Finding structure with randomness*, 2011), from a fixed start.
    """
    return Columns(train).basis(scaling, components)


def project(
    train: Vectors, test: Vectors, scaling: Scaling, components: int = MAX_COMPONENTS
) -> tuple[Floats, Floats]:
    """Scores of training rows ``(n, D)`` and of others ``(m, D)``: see ``find_basis``."""
    return projections(train, test, (scaling,), components)[scaling]


def projections(
    train: Vectors,
    test: Vectors,
    scalings: Sequence[Scaling] = SCALINGS,
    components: int = MAX_COMPONENTS,
) -> dict[Scaling, tuple[Floats, Floats]]:
    """``project`` in several scalings."""
    columns = Columns(train)
    return {scaling: columns.scores(test, scaling, components) for scaling in scalings}


def unit_rows(rows: Floats) -> Floats:
    """Rows ``(m, k)`` brought to length 1, so that their direction alone counts; 0 stays 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _principal(rows: Vectors, components: int) -> tuple[Vectors, float]:
    """Principal axes ``(D, k)`` of centred rows ``(n, D)``, and the sum of their squared scores."""
    n, columns = rows.shape
    if not _exactly(rows, components):
        return _randomised(rows, components)
    by_rows = n <= columns
    values, vectors = _leading(_products(rows if by_rows else rows.T), components)
    if not len(values):  # a feature that never changes has no components: one that is always 0
        return np.zeros((columns, 1), np.float32), 0.0
    axes = rows.T @ (vectors / np.sqrt(values)).astype(np.float32) if by_rows else vectors
    return axes.astype(np.float32), float(values.sum())


def _exactly(rows: Vectors, components: int) -> bool:
    """Whether components of rows ``(n, D)`` are found exactly: n or D is small."""
    return min(rows.shape) <= max(EXACT, 2 * components)


def _products(rows: Vectors) -> Floats:
    """Products ``(n, n)`` of rows with each other."""
    return (rows @ rows.T).astype(np.float64)


def _leading(square: Floats, components: int) -> tuple[Floats, Floats]:
    """The largest eigenvalues of a symmetric matrix, largest first, and their eigenvectors."""
    size = len(square)
    if size <= FEW * components:
        values, vectors = eigh(square, driver="evd")
        values, vectors = values[-components:], vectors[:, -components:]
    else:
        values, vectors = eigh(square, subset_by_index=(size - components, size - 1))
    # Rounding leaves eigenvalues near 0 where rows or columns depend on each other: drop them.
    keep = np.flatnonzero(values > 1e-6 * max(values[-1], np.finfo(np.float32).tiny))[::-1]
    return values[keep], vectors[:, keep]


def _randomised(rows: Vectors, components: int) -> tuple[Vectors, float]:
    draws = np.random.default_rng(0).standard_normal((len(rows), components + _EXTRA))
    span = _orthonormal(rows.T @ draws.astype(np.float32))  # (D, k + extra)
    for _ in range(_ROUNDS):
        span = _orthonormal(rows.T @ _orthonormal(rows @ span))
    scores = (rows @ span).astype(np.float64)
    values, vectors = _leading(scores.T @ scores, components)
    return (span @ vectors.astype(np.float32)).astype(np.float32), float(values.sum())


def _orthonormal(vectors: Vectors) -> Vectors:
    """Columns ``(m, k)`` made orthonormal, one after the other.

    By the Cholesky factor of their products, a fifth of the time of reflections; by these where
    columns nearly depend on each other, so that products would lose what is left of them.
    """
    wide = vectors.astype(np.float64)
    try:
        factor = cholesky(wide.T @ wide)  # upper
        independent = np.diag(factor).min() > DEPENDENT * np.diag(factor).max()
    except LinAlgError:
        independent = False
    if not independent:
        return np.linalg.qr(vectors)[0]
    return (wide @ solve_triangular(factor, np.eye(len(factor)))).astype(np.float32)
