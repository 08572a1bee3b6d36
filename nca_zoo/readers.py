"""Readers: what guesses a class or a number from a vector, and what it may know when it does.

A reader sees the training rows of one fold and answers for its test rows. Everything that adapts
to data does so on training rows alone: scaling, principal components, and the choice among a
reader's settings, which is made by inner folds. All features, weights and controls alike, meet the
same readers with the same choices (docs/probe.md says why these).
"""

import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

from nca_zoo.errors import ZooError
from nca_zoo.kernel import KernelSVC, KernelSVR
from nca_zoo.networks import CEILING, SET_READER, NetworkReader
from nca_zoo.pictures import Floats, Ints, Vectors
from nca_zoo.reduction import MAX_COMPONENTS, SCALINGS, Scaling, project

FEW_ROWS = 1000  # training rows up to which settings are chosen by all inner folds, not by one
Answers = Floats | Ints


@dataclass(frozen=True)
class Fold:
    """One feature's rows on either side of a fold; projections are made once, for all readers."""

    train: Vectors  # (n, D)
    test: Vectors  # (m, D)
    blocks: tuple[int, ...] = ()  # sizes of the tensors that a row is made of
    picture: tuple[int, ...] = ()  # (H, W, C) if a row is a picture
    _scores: dict[Scaling, tuple[Floats, Floats]] = field(default_factory=dict)

    def scores(self, scaling: Scaling) -> tuple[Floats, Floats]:
        """Scores of the training and of the test rows."""
        if scaling not in self._scores:
            self._scores[scaling] = project(self.train, self.test, scaling, blocks=self.blocks)
        return self._scores[scaling]


@dataclass(frozen=True)
class Setting:
    """One choice open to a reader: how to scale, how many components, which estimator."""

    scaling: Scaling
    components: int
    estimator: BaseEstimator  # never fitted itself: a fresh clone is
    even: float = 0.0  # scores are divided by their spread to this power: 0 as they are, 1 whitened

    def scores(self, fold: Fold) -> tuple[Floats, Floats]:
        """What the estimator sees of the training and of the test rows."""
        train, test = (scores[:, : self.components] for scores in fold.scores(self.scaling))
        if not self.even:
            return train, test
        spread = np.sqrt((train**2).mean(axis=0))
        spread = np.where(spread > 0, spread, 1) ** self.even
        length = np.sqrt(((train / spread) ** 2).sum(axis=1).mean()) or 1.0
        return train / spread / length, test / spread / length


@dataclass(frozen=True)
class Reader:
    """An estimator with the settings that it may choose from, the most cautious first."""

    name: str
    description: str
    grid: tuple[Setting, ...]
    sees: Literal["any", "units", "pictures"] = "any"

    def predict(self, fold: Fold, known: Answers, inner: Ints) -> Answers:
        """What the reader answers for the fold's test rows, ``(m,)``.

        known: ``(n,)``, answers of the training rows; inner: ``(n,)``, the inner fold of each.
        """
        if _numeric(known):  # penalties and learning rates mean the same in any units
            mean, spread = known.mean(), known.std() or 1.0
            return self._answers(fold, (known - mean) / spread, inner) * spread + mean
        return self._answers(fold, known, inner)

    def _answers(self, fold: Fold, known: Answers, inner: Ints) -> Answers:
        setting = self.choose(fold, known, inner)
        train, test = setting.scores(fold)
        return _fitted(setting.estimator, train, known).predict(test)

    def choose(self, fold: Fold, known: Answers, inner: Ints) -> Setting:
        """The setting that answers best for held-out training rows; the first on ties.

        By all inner folds in turn, or, with more than 1,000 training rows, by the first alone.
        """
        if len(self.grid) == 1:
            return self.grid[0]
        parts = np.unique(inner)[: 1 if len(known) > FEW_ROWS else None]
        score = np.zeros(len(self.grid))
        for i, setting in enumerate(self.grid):
            rows = setting.scores(fold)[0]
            for held_out in (inner == k for k in parts):
                model = _fitted(setting.estimator, rows[~held_out], known[~held_out])
                score[i] += _goodness(model.predict(rows[held_out]), known[held_out])
        return self.grid[int(np.argmax(score))]


def _numeric(known: Answers) -> bool:
    return np.issubdtype(known.dtype, np.floating)


def _goodness(answers: Answers, known: Answers) -> float:
    """How many classes are right; or minus the squared errors of numbers."""
    if _numeric(known):
        return -float(((answers - known) ** 2).sum())
    return float((answers == known).sum())


def _fitted(estimator: BaseEstimator, rows: Floats, known: Answers) -> BaseEstimator:
    with warnings.catch_warnings():
        if isinstance(estimator, MLPClassifier | MLPRegressor):  # it trains for a fixed time
            warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(estimator).fit(rows, known)


AnyReader = Reader | NetworkReader
SIMPLE = ("logistic", "ridge", "knn", "svm")
_EPOCHS = 200


def _grid(*settings: tuple[int, float, BaseEstimator]) -> tuple[Setting, ...]:
    """Settings (components, even, estimator), each with every scaling."""
    return tuple(
        Setting(scaling, components, estimator, even)
        for components, even, estimator in settings
        for scaling in SCALINGS
    )


READERS: dict[str, AnyReader] = {
    reader.name: reader
    for reader in (
        Reader(
            "logistic",
            "multinomial logistic regression, its L2 penalty chosen inside the fold",
            _grid(
                *(
                    (MAX_COMPONENTS, 0.0, LogisticRegression(C=c, max_iter=10_000))
                    for c in (3.0, 30.0, 300.0)
                )
            ),
        ),
        Reader(
            "knn",
            "nearest neighbours, their number and that of the components chosen inside the fold",
            _grid(
                *(
                    (components, even, KNeighborsClassifier(k, weights="distance"))
                    for k in (5, 3)
                    for components, even in ((30, 0.0), (60, 0.5), (MAX_COMPONENTS, 0.0))
                )
            ),
        ),
        Reader(
            "svm",
            "support vectors with a radial kernel, its width chosen inside the fold",
            _grid(
                *((MAX_COMPONENTS, 0.0, KernelSVC(gamma=gamma)) for gamma in (0.5, 1.0)),
                *((MAX_COMPONENTS, 0.5, KernelSVC(gamma=gamma)) for gamma in (0.5,)),
            ),
        ),
        Reader(
            "mlp",
            "a network with one hidden layer of 128",
            (
                Setting(
                    "soft",
                    MAX_COMPONENTS,
                    MLPClassifier((128,), alpha=1e-3, max_iter=_EPOCHS, random_state=0),
                    0.5,
                ),
            ),
        ),
        SET_READER,
        CEILING,
    )
}
REGRESSORS: dict[str, AnyReader] = {
    reader.name: reader
    for reader in (
        Reader(
            "ridge",
            "linear regression, its L2 penalty chosen inside the fold",
            _grid(*((MAX_COMPONENTS, 0.0, Ridge(alpha)) for alpha in (100.0, 10.0, 1.0, 0.1, 0.01))),
        ),
        Reader(
            "knn",
            "mean of the nearest neighbours, settings chosen inside the fold",
            _grid(
                *(
                    (components, even, KNeighborsRegressor(k, weights="distance"))
                    for k in (10, 5)
                    for components, even in ((30, 0.0), (60, 0.5), (MAX_COMPONENTS, 0.0))
                )
            ),
        ),
        Reader(
            "svm",
            "support vectors with a radial kernel, its width chosen inside the fold",
            _grid(
                *(
                    (MAX_COMPONENTS, even, KernelSVR(C=c, gamma=0.5))
                    for c in (1.0, 10.0)
                    for even in (0.0, 0.5)
                )
            ),
        ),
        Reader(
            "mlp",
            "a network with one hidden layer of 128",
            (
                Setting(
                    "soft",
                    MAX_COMPONENTS,
                    MLPRegressor((128,), alpha=1e-3, max_iter=_EPOCHS, random_state=0),
                    0.5,
                ),
            ),
        ),
        SET_READER,
        CEILING,
    )
}


def simple_readers(numeric: bool = False) -> tuple[str, ...]:
    """The readers that are asked unless others are named."""
    return tuple(name for name in (REGRESSORS if numeric else READERS) if name in SIMPLE)


def find_reader(name: str, numeric: bool = False) -> AnyReader:
    """The reader of that name, of classes or numbers; a ``ZooError`` lists all if there is none."""
    known = REGRESSORS if numeric else READERS
    if name not in known:
        what = "numbers" if numeric else "classes"
        raise ZooError(f"no reader of {what} is called {name!r}; choose from {', '.join(known)}")
    return known[name]
