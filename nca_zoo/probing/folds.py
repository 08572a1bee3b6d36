"""Reading: every reader meets every feature on every side, in one process for each core."""

import itertools
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.features.catalogue import Feature, Vectors
from nca_zoo.features.measures import Floats, Ints
from nca_zoo.ground.children import isolated_children
from nca_zoo.ground.cores import usable_cores
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.networks.readers import NetworkReader
from nca_zoo.probing.readers import AnyReader, Fold
from nca_zoo.probing.splits import Side, Splits

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo


@dataclass(frozen=True)
class Cell:
    """One line of the table: who reads what."""

    feature: str
    kind: str  # "weights" or "control"
    reader: str
    shuffled: bool = False


@dataclass(frozen=True)
class Marks:
    """What the answers were worth, NCA by NCA.

    The score of a cell is ``mean(worth)`` for classes, 1 if right, and ``1 - mean(worth) /
    mean(base)`` for numbers: R2 from squared errors, of the reader and of the training mean.
    """

    cells: tuple[Cell, ...]
    worth: Floats  # (repeats, N, cells)
    base: Floats | None  # (repeats, N, cells); None for classes
    answers: Floats  # (N, cells) of the first repeat: codes of classes, or numbers


def applies(reader: AnyReader, feature: Feature, shape: tuple[int, ...]) -> bool:
    """Whether a reader can read a feature at all, one row of which has this shape."""
    if reader.sees == "units":
        return feature.kind == "weights" and shape == (N_PARAMS,)
    if reader.sees == "pictures":
        return feature.kind == "control" and len(shape) == 3
    return True


def read_all(
    zoo: "Zoo",
    features: list[Feature],
    readers: list[AnyReader],
    splits: Splits,
    jobs: int = -1,
    progress: Progress = silent,
) -> Marks:
    """Let every reader read every feature, and the first feature with its answers shuffled."""
    workers = jobs if jobs > 0 else usable_cores()
    with isolated_children(), warnings.catch_warnings():
        # Networks make a process grow; joblib then ends it between two tasks and begins another.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        starting = _start(workers, any(isinstance(r, NetworkReader) for r in readers))
        try:
            seen = [_Seen(feature, zoo, splits.sides, workers) for feature in features]
        finally:  # in any case: joblib warns of what it had begun when that is given up
            deque(starting, maxlen=0)
        return _marks(features, seen, readers, splits, workers, progress)


def _start(workers: int, torch: bool) -> Iterable[Any]:
    """Have processes import what they need while this one makes the features."""
    if workers == 1:
        return ()
    calls = (delayed(_ready)(torch) for _ in range(workers))
    return Parallel(workers, return_as="generator")(calls)


def _marks(
    features: list[Feature],
    seen: list["_Seen"],
    readers: list[AnyReader],
    splits: Splits,
    workers: int,
    progress: Progress,
) -> Marks:
    able = [
        [r for r in readers if applies(r, feature, one.shape)]
        for feature, one in zip(features, seen, strict=True)
    ]
    cells = [
        Cell(f.name, f.kind, r.name) for f, some in zip(features, able, strict=True) for r in some
    ]
    first = len(cells)
    cells += [Cell(features[0].name, "control", r.name, shuffled=True) for r in able[0]]
    starts = np.cumsum([0, *map(len, able)])
    tasks = list(itertools.product(range(len(features)), range(len(splits.sides))))
    calls = (
        delayed(_read)(
            seen[f].on(s),
            splits.sides[s],
            seen[f].shape,
            able[f],
            [splits.known, splits.shuffled[splits.sides[s].repeat]][: 2 if f == 0 else 1],
        )
        for f, s in tasks
    )
    results = Parallel(workers, return_as="generator")(calls)
    worth = np.zeros((splits.repeats, len(splits.known), len(cells)))
    numeric = np.issubdtype(splits.known.dtype, np.floating)
    base = np.zeros_like(worth) if numeric else None
    given = np.full(worth.shape[1:], np.nan)
    for done, ((f, s), answers) in enumerate(zip(tasks, results, strict=True), start=1):
        side = splits.sides[s]
        for known, start, found in zip(
            [splits.known, splits.shuffled[side.repeat]], (starts[f], first), answers, strict=False
        ):
            columns = slice(start, start + found.shape[1])
            wanted = known[side.test][:, None]
            if side.repeat == 0:
                given[side.test, columns] = found
            if base is None:
                worth[side.repeat, side.test, columns] = found == wanted
            else:
                worth[side.repeat, side.test, columns] = (found - wanted) ** 2
                base[side.repeat, side.test, columns] = (wanted - known[side.train].mean()) ** 2
        progress(done, len(tasks))
    tested = splits.tested
    base = None if base is None else base[:, tested]
    return Marks(tuple(cells), worth[:, tested], base, given[tested])


@dataclass(frozen=True)
class _Unmade:
    """A feature that one side alone sees so: made by who reads it, as many sides take long."""

    transformer: Any  # as it was fitted
    weights: Vectors  # of all NCAs

    def made(self) -> Vectors:
        """The vectors ``(N, D)``."""
        return self.transformer.transform(self.weights)


class _Seen:
    """A feature of all NCAs as each side sees it: one array unless something is learned."""

    def __init__(self, feature: Feature, zoo: "Zoo", sides: Sequence[Side], workers: int) -> None:
        self._weights = zoo.weights
        transformer: Any = feature.transformer(zoo) if feature.transforms else None
        learns = transformer is not None and transformer.learns
        found = feature.seen(zoo) if not learns else self._weights  # aligned: as many columns
        self.shape: tuple[int, ...] = found.shape[1:]  # of a row: (D,), or (H, W, C) of a picture
        self._fixed = None if learns else found.reshape(len(found), -1)
        self._learned: dict[bytes, Vectors] = {}
        # The transformer as each side learns it: a reference (P,).
        fits = (delayed(_fit)(transformer, self._weights, side.train) for side in sides)
        self._fitted: list[Any] = Parallel(workers)(fits) if learns else []
        self._sharing = Counter(fitted.reference_.tobytes() for fitted in self._fitted)
        self._to_come = self._sharing.copy()  # sides that learned a reference, and are to come

    def on(self, s: int) -> Vectors | _Unmade:
        """Vectors ``(N, D)``, with what was learned from the training rows of side ``s`` alone.

        To be asked for each side once. Sides that learned the same share them; they go with the
        last, since those of all sides are many times the weights of all NCAs.
        """
        if self._fixed is not None:
            return self._fixed
        fitted = self._fitted[s]
        reference = fitted.reference_.tobytes()
        unmade = _Unmade(fitted, self._weights)
        if self._sharing[reference] == 1:
            return unmade
        if reference not in self._learned:
            with threadpool_limits(limits=1):
                self._learned[reference] = unmade.made()
        self._to_come[reference] -= 1
        held = self._learned
        return held[reference] if self._to_come[reference] else held.pop(reference)


def _fit(transformer: Any, weights: Vectors, train: Ints) -> Any:
    """A copy of a transformer that has learned from these rows; on one thread, as in ``_read``."""
    with threadpool_limits(limits=1):
        return clone(transformer).fit(weights[train])


def _ready(torch: bool) -> None:
    """Nothing; but whoever is told to do it has imported this module, and torch if that will be
    needed: what it takes is then no leak to joblib, which ends processes that grow."""
    if torch:
        import torch as _  # noqa: F401


def _read(
    seen: Vectors | _Unmade,
    side: Side,
    shape: tuple[int, ...],
    readers: list[AnyReader],
    answers: list[npt.NDArray[Any]],
) -> list[npt.NDArray[Any]]:
    """What readers answer for the test rows, ``(m, readers)``, for each of ``answers``."""
    # One BLAS thread: folds already fill the cores, and rounding must not depend on their number.
    # Thousands of fits of a few milliseconds: what scikit-learn checks of each, we have checked.
    checked = config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(limits=1), checked:
        vectors = seen.made() if isinstance(seen, _Unmade) else seen
        fold = Fold(vectors[side.train], vectors[side.test], shape)
        found = []
        for known, inner in zip(answers, (side.inner, side.inner_shuffled), strict=False):
            given = known[side.train], inner[side.train]
            found.append(np.stack([r.predict(fold, *given) for r in readers], axis=1))
    return found
