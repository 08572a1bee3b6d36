"""Readers: what guesses a class or a number from a vector, and what it may know when it does.

A reader sees the training rows of one fold and answers for its test rows. Everything that adapts
to data does so on training rows alone: scaling, principal components, and the choice among a
reader's settings, which is made by inner folds. All features, weights and controls alike, meet the
same readers with the same choices (docs/notes/probe.md says why these).
"""

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC, SVR

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Floats, Ints, Vectors
from nca_zoo.features.reduction import MAX_COMPONENTS, SCALINGS, Scaling, projections, unit_rows
from nca_zoo.networks.readers import (
    CEILING,
    QUERY_READER,
    SET_READER,
    TRANSFORMER_READER,
    NetworkReader,
)
from nca_zoo.probing.logistic import Logistic
from nca_zoo.probing.nearest import NearestClasses, NearestNumbers
from nca_zoo.probing.pairs import Pairs, radial

FEW_ROWS = 1000  # training rows up to which settings are chosen by all inner folds, not by one
Answers = Floats | Ints
Sight = Callable[[Ints, Ints], Floats]  # what is seen of some rows by who learned from others


@dataclass(frozen=True)
class Fold:
    """One feature's rows on either side of a fold; projections are made once, for all readers."""

    train: Vectors  # (n, D)
    test: Vectors  # (m, D)
    shape: tuple[int, ...] = ()  # of a row: (D,), or (H, W, C) if it is a picture

    def scores(self, scaling: Scaling) -> tuple[Floats, Floats]:
        """Scores of the training and of the test rows."""
        return self._scores[scaling]

    @cached_property
    def _scores(self) -> dict[Scaling, tuple[Floats, Floats]]:
        return projections(self.train, self.test)


@dataclass(frozen=True)
class Setting:
    """One choice open to a reader: what it sees of the principal components, and the estimator.

    What it sees are rows, or, with ``pairs``, how near each of them is to each that it learned
    from, as scikit-learn's estimators with ``kernel="precomputed"`` want it.
    """

    components: int
    estimator: BaseEstimator  # never fitted itself: a copy is
    even: float = 0.0  # scores are divided by their spread to this power: 0 as they are, 1 whitened
    unit: bool = True  # whether every row is then brought to length 1: its direction alone counts
    pairs: Pairs | None = None

    def rows(self, scores: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """What is left of the scores of training and test rows."""
        train, test = (some[:, : self.components] for some in scores)
        if self.even:
            spread = np.sqrt((train**2).mean(axis=0))
            spread = np.where(spread > 0, spread, 1) ** self.even
            train, test = train / spread, test / spread
        if self.unit:
            return unit_rows(train), unit_rows(test)
        length = np.sqrt((train**2).sum(axis=1).mean()) or 1.0
        return train / length, test / length

    def seen(self, scores: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """What the estimator sees of the scores of training and test rows."""
        train, test = self.rows(scores)
        return (self.pairs(train, train), self.pairs(test, train)) if self.pairs else (train, test)

    def sight(self, train: Floats, often: bool) -> Sight:
        """What it sees of rows of ``train`` if it learns from others; ``often``: asked again."""
        pairs = self.pairs
        if pairs is None:
            return lambda some, learned: train[some]
        if often:  # all pairs at once are fewer
            whole = pairs(train, train)
            return lambda some, learned: whole[np.ix_(some, learned)]

        def between(some: Ints, learned: Ints) -> Floats:
            rows = train[learned]
            return pairs(rows if some is learned else train[some], rows)

        return between


@dataclass(frozen=True)
class Reader:
    """An estimator with the settings and scalings that it may choose from, the usual ones first."""

    name: str
    description: str
    settings: tuple[Setting, ...]
    scalings: tuple[Scaling, ...] = SCALINGS
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
        scaling, setting = self.choose(fold, known, inner)
        train, test = setting.seen(fold.scores(scaling))
        return _fitted(setting.estimator, train, known).predict(test)

    def choose(self, fold: Fold, known: Answers, inner: Ints) -> tuple[Scaling, Setting]:
        """The scaling, then the setting, that answer best for held-out training rows.

        The scaling is chosen with the first setting, the setting with that scaling; the first on
        ties. By all inner folds in turn, or, with more than 1,000 training rows, by one alone.
        """
        parts = np.unique(inner)[: 1 if len(known) > FEW_ROWS else None]

        def goodness(scaling: Scaling, setting: Setting) -> float:
            train, total = setting.rows(fold.scores(scaling))[0], 0.0
            sight = setting.sight(train, often=len(parts) > 1)
            for k in parts:
                held_out, learned = np.flatnonzero(inner == k), np.flatnonzero(inner != k)
                model = _fitted(setting.estimator, sight(learned, learned), known[learned])
                total += _goodness(model.predict(sight(held_out, learned)), known[held_out])
            return total

        scaling, first = self.scalings[0], self.settings[0]
        best = -np.inf
        if len(self.scalings) > 1 or len(self.settings) > 1:
            found = [goodness(scaling, first) for scaling in self.scalings]
            scaling, best = self.scalings[int(np.argmax(found))], max(found)
        others = [goodness(scaling, setting) for setting in self.settings[1:]]
        return scaling, self.settings[int(np.argmax([best, *others]))]


def _numeric(known: Answers) -> bool:
    return np.issubdtype(known.dtype, np.floating)


def _goodness(answers: Answers, known: Answers) -> float:
    """How many classes are right; or minus the squared errors of numbers."""
    if _numeric(known):
        return -float(((answers - known) ** 2).sum())
    return float((answers == known).sum())


def _fitted(estimator: BaseEstimator, rows: Floats, known: Answers) -> BaseEstimator:
    model = deepcopy(estimator)  # in a tenth of the time that scikit-learn's clone takes
    if getattr(model, "n_neighbors", 0) > len(rows):
        model.set_params(n_neighbors=len(rows))
    with warnings.catch_warnings():
        if isinstance(estimator, MLPClassifier | MLPRegressor):  # it trains for a fixed time
            warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, known)


AnyReader = Reader | NetworkReader
SIMPLE = ("logistic", "ridge", "knn", "svm")
_EPOCHS = 200


def _svc(gamma: float, even: float = 0.0, unit: bool = True) -> Setting:
    model = SVC(C=10.0, kernel="precomputed", cache_size=500)
    return Setting(MAX_COMPONENTS, model, even, unit, partial(radial, gamma=gamma))


def _svr(c: float, even: float, unit: bool) -> Setting:
    model = SVR(C=c, kernel="precomputed", cache_size=500)
    return Setting(MAX_COMPONENTS, model, even, unit, partial(radial, gamma=0.3))


def _mlp(kind: type[MLPClassifier] | type[MLPRegressor]) -> Setting:
    model = kind(hidden_layer_sizes=(128,), alpha=1e-3, max_iter=_EPOCHS, random_state=0)
    return Setting(MAX_COMPONENTS, model, even=0.5)


def _neighbours(kind: type[NearestClasses] | type[NearestNumbers]) -> tuple[Setting, ...]:
    return (
        Setting(60, kind(5)),
        Setting(60, kind(5), even=0.5),
        Setting(60, kind(3), even=0.5),
        Setting(30, kind(5)),
        Setting(30, kind(5), unit=False),
    )


READERS: dict[str, AnyReader] = {
    reader.name: reader
    for reader in (
        Reader(
            "logistic",
            "multinomial logistic regression with an L2 penalty",
            (
                Setting(MAX_COMPONENTS, Logistic(30.0)),
                Setting(MAX_COMPONENTS, Logistic(3.0)),
                Setting(MAX_COMPONENTS, Logistic(30.0), unit=False),
            ),
        ),
        Reader("knn", "nearest neighbours", _neighbours(NearestClasses)),
        Reader(
            "svm",
            "support vectors with a radial kernel",
            (_svc(1.0), _svc(0.3), _svc(1.0, even=0.5), _svc(0.3, unit=False)),
        ),
        Reader("mlp", "a network with one hidden layer of 128", (_mlp(MLPClassifier),)),
        SET_READER,
        TRANSFORMER_READER,
        QUERY_READER,
        CEILING,
    )
}
REGRESSORS: dict[str, AnyReader] = {
    reader.name: reader
    for reader in (
        Reader(
            "ridge",
            "linear regression with an L2 penalty",
            tuple(
                Setting(MAX_COMPONENTS, Ridge(alpha), unit=unit)
                for unit in (False, True)
                for alpha in (1.0, 10.0, 0.1, 0.01)
            ),
        ),
        Reader("knn", "nearest neighbours", _neighbours(NearestNumbers)),
        Reader(
            "svm",
            "support vectors with a radial kernel",
            tuple(
                _svr(c, even, unit)
                for unit in (False, True)
                for even in (0.0, 0.5)
                for c in (10.0, 1.0)
            ),
        ),
        Reader("mlp", "a network with one hidden layer of 128", (_mlp(MLPRegressor),)),
        SET_READER,
        TRANSFORMER_READER,
        QUERY_READER,
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
