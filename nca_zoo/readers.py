"""Readers: what guesses the class from a vector, and what it may know when it does.

A reader sees the training rows of one fold and predicts the class of its test rows. Everything
that adapts to data does so on training rows alone: scaling, principal components, and the choice
among a reader's settings, which is made by an inner cross-validation. All features, weights and
controls alike, meet the same readers with the same choices (docs/probe.md says why these).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from nca_zoo.errors import ZooError
from nca_zoo.features import Vectors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]
Scaling = Literal["standardise", "centre"]
MAX_COMPONENTS = 200


def project(
    train: Vectors, test: Vectors, scaling: Scaling, components: int = MAX_COMPONENTS
) -> tuple[Floats, Floats]:
    """Scores on the leading principal components of the training rows, for both sets of rows.

    train: ``(n, D)``; test: ``(m, D)``. ``standardise`` brings every column to unit variance
    first, ``centre`` only moves its mean to 0. Returns ``(n, k)`` and ``(m, k)``, with
    ``k <= components``, divided by one number so that training rows have a mean squared length
    of 1: a penalty then means the same for 2 columns as for 8,336. Exact, by way of the smaller
    of the Gram matrix ``(n, n)`` and the scatter matrix ``(D, D)``.
    """
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    train, test = train - mean, test - mean
    if scaling == "standardise":
        spread = train.std(axis=0, dtype=np.float64).astype(np.float32)
        spread[spread == 0] = 1.0
        train, test = train / spread, test / spread
    n, columns = train.shape
    by_rows = n <= columns
    square = (train @ train.T if by_rows else train.T @ train).astype(np.float64)
    size = len(square)
    values, vectors = eigh(square, subset_by_index=(max(0, size - components), size - 1))
    # Rounding leaves eigenvalues near 0 where rows or columns depend on each other: drop them.
    keep = np.flatnonzero(values > 1e-6 * max(values[-1], np.finfo(np.float32).tiny))[::-1]
    values, vectors = values[keep], vectors[:, keep]
    if by_rows:
        scores = vectors * np.sqrt(values)
        test_scores = (test @ train.T) @ (vectors / np.sqrt(values))
    else:
        scores, test_scores = train @ vectors, test @ vectors
    if not len(keep):  # a feature that never changes has no components: one that is always 0
        return np.zeros((n, 1)), np.zeros((len(test), 1))
    length = np.sqrt(values.sum() / n)
    return scores / length, test_scores / length


@dataclass(frozen=True)
class Fold:
    """One feature's rows on either side of a fold; projections are made once, for all readers."""

    train: Vectors  # (n, D)
    test: Vectors  # (m, D)

    @cached_property
    def projections(self) -> dict[Scaling, tuple[Floats, Floats]]:
        """Scores of the training and of the test rows, by scaling."""
        return {scaling: project(self.train, self.test, scaling) for scaling in SCALINGS}


@dataclass(frozen=True)
class Setting:
    """One choice open to a reader: how to scale, how many components, which classifier."""

    scaling: Scaling
    components: int
    classifier: ClassifierMixin  # never fitted itself: a fresh clone is


@dataclass(frozen=True)
class Reader:
    """A classifier with the settings that it may choose from, the most cautious first."""

    name: str
    description: str
    grid: tuple[Setting, ...]

    def predict(self, fold: Fold, labels: Ints, inner: Ints) -> Ints:
        """The predicted classes ``(m,)`` of the fold's test rows.

        labels: ``(n,)``, classes of the training rows; inner: ``(n,)``, the inner fold of each.
        """
        setting = self.choose(fold, labels, inner)
        train, test = fold.projections[setting.scaling]
        classifier = clone(setting.classifier).fit(train[:, : setting.components], labels)
        return classifier.predict(test[:, : setting.components])

    def choose(self, fold: Fold, labels: Ints, inner: Ints) -> Setting:
        """The setting that reads most training rows right across the inner folds; first on ties."""
        right = np.zeros(len(self.grid))
        for i, setting in enumerate(self.grid):
            scores = fold.projections[setting.scaling][0][:, : setting.components]
            for k in np.unique(inner):
                held_out = inner == k
                classifier = clone(setting.classifier).fit(scores[~held_out], labels[~held_out])
                right[i] += (classifier.predict(scores[held_out]) == labels[held_out]).sum()
        return self.grid[int(np.argmax(right))]


SCALINGS: tuple[Scaling, ...] = ("standardise", "centre")
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader(
            "logistic",
            "multinomial logistic regression, its L2 penalty chosen inside the fold",
            tuple(
                Setting(scaling, MAX_COMPONENTS, LogisticRegression(C=c, solver="newton-cg"))
                for c in (3.0, 30.0, 300.0)
                for scaling in SCALINGS
            ),
        ),
        Reader(
            "knn",
            "5 nearest neighbours, the number of components chosen inside the fold",
            tuple(
                Setting(scaling, components, KNeighborsClassifier(5))
                for components in (20, 50, MAX_COMPONENTS)
                for scaling in SCALINGS
            ),
        ),
    )
}


def find_reader(name: str) -> Reader:
    """The reader of that name; a ``ZooError`` lists all names if there is none."""
    if name not in READERS:
        raise ZooError(f"there is no reader {name!r}; choose from {', '.join(READERS)}")
    return READERS[name]
