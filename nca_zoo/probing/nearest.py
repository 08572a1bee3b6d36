"""Nearest neighbours that count as much as they are near.

As scikit-learn finds and weighs them; what a search among some hundred rows costs there is mostly
checks, and equal rows come out apart.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from nca_zoo.features.measures import Floats, Ints
from nca_zoo.features.nearness import least


class _Nearest(BaseEstimator):
    known_: npt.NDArray[Any]  # (n,)

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def _learn(self, rows: Floats, known: npt.NDArray[Any]) -> Self:
        self.rows_, self.squares_ = rows, np.einsum("nd,nd->n", rows, rows)
        self.known_ = known
        return self

    def _weighed(self, rows: Floats) -> tuple[npt.NDArray[Any], Floats]:
        """What is known of the nearest ``(m, k)``, and what it counts; only equals, if any are."""
        nearest = least(self.squares_ - 2 * (rows @ self.rows_.T), self.n_neighbors)
        away = np.linalg.norm(rows[:, None] - self.rows_[nearest], axis=2)  # 0 of equals, exactly
        equal = away == 0
        with np.errstate(divide="ignore"):
            counts = np.where(equal.any(axis=1, keepdims=True), equal, 1 / away)
        return self.known_[nearest], counts


class NearestClasses(ClassifierMixin, _Nearest):
    """The neighbours vote; the first class on ties."""

    def fit(self, rows: Floats, classes: Ints) -> Self:
        """Learn from rows ``(n, D)`` and their classes ``(n,)``."""
        self.classes_, codes = np.unique(classes, return_inverse=True)
        return self._learn(rows, codes)

    def predict(self, rows: Floats) -> Ints:
        """Classes ``(m,)`` of rows ``(m, D)``."""
        codes, counts = self._weighed(rows)
        votes = np.zeros((len(codes), len(self.classes_)))
        for code, count in zip(codes.T, counts.T, strict=True):
            votes[np.arange(len(votes)), code] += count
        return self.classes_[votes.argmax(axis=1)]


class NearestNumbers(RegressorMixin, _Nearest):
    """The mean of the neighbours."""

    def fit(self, rows: Floats, numbers: Floats) -> Self:
        """Learn from rows ``(n, D)`` and their numbers ``(n,)``."""
        return self._learn(rows, numbers)

    def predict(self, rows: Floats) -> Floats:
        """Numbers ``(m,)`` of rows ``(m, D)``."""
        numbers, counts = self._weighed(rows)
        return (numbers * counts).sum(axis=1) / counts.sum(axis=1)
