"""The probe: how well can a quantity be read from each feature, and is it more than pictures say?

Every reader meets every feature on the same splits of the same pictures, so that differences
between features are paired, picture by picture. docs/protocol.md explains the protocol, what the
intervals cover and what they do not.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import (
    FILM_CONTROLS,
    STILL_CONTROLS,
    readable,
    with_controls,
)
from nca_zoo.features.measures import Floats, Ints
from nca_zoo.ground.progress import Progress, silent, stage
from nca_zoo.probing.folds import Marks, read_all
from nca_zoo.probing.quantities import CLASS, Quantity, quantity
from nca_zoo.probing.readers import CEILING, SIMPLE, AnyReader, find_reader, simple_readers
from nca_zoo.probing.resampling import COVERAGE, interval, resampled_means
from nca_zoo.probing.splits import Splits, cross_validation, fixed_split

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

SHUFFLED = "shuffled"  # the control that reads the first feature with its answers shuffled
ALSO_COMPARED = ("gradient", "components", *FILM_CONTROLS)  # beside pixels and the best control
FEW_PICTURES = 1000  # up to which folds are dealt three times over unless told otherwise


@dataclass(frozen=True)
class Row:
    """How well one reader reads one feature."""

    feature: str
    kind: str  # "weights" or "control"
    reader: str
    score: float  # accuracy in [0, 1], or R2, at most 1; mean over repeats
    low: float  # 95 % interval
    high: float
    n: int  # pictures

    @property
    def accuracy(self) -> float:
        """The score, where classes are read."""
        return self.score


@dataclass(frozen=True)
class Difference:
    """Score of one feature and reader minus that of a control, paired picture by picture."""

    feature: str
    reader: str
    control: str
    control_reader: str
    difference: float
    low: float  # 95 % interval
    high: float
    n: int  # pictures


@dataclass(frozen=True)
class Point:
    """One row of the table as it would be with fewer pictures to learn from."""

    size: int  # pictures that readers learned from
    row: Row


@dataclass(frozen=True, eq=False)
class Answered:
    """What a reader answered of NCAs that it had not learned from, in the first repeat."""

    feature: str
    reader: str
    ids: npt.NDArray[np.str_]  # (n,)
    values: npt.NDArray[Any]  # (n,): numbers, or names of classes


@dataclass(frozen=True)
class ProbeResult:
    """Everything that a probe found, and how it was run.

    ``differences`` compares each weight feature and reader with raw pixels read by the same
    reader, with the best picture control, whichever simple reader or convolutional network reads
    it, and with one gradient at the shared start, read by the same reader; of NCAs of one rule also
    with as many components of pixels, of targets that move with the film.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    best: Difference | None  # best simple reader of the first feature minus best picture control
    curve: tuple[Point, ...]  # scores by number of training pictures, where sizes were asked for
    n: int  # pictures that are asked about
    n_ncas: int  # more than pictures only if several NCAs drew the same one
    n_train: int  # pictures that a reader learns from, on the side with most
    left_out: int  # NCAs not read: failed fits, nothing known, or diverged weights
    target: str  # what is read
    measure: str  # "accuracy" or "R2"
    units: str  # of a number that is read
    classes: tuple[str, ...]  # none if a number is read
    chance: float  # share of the largest class; 0 for R2
    folds: int  # fewer than asked for if the smallest class has fewer pictures; 1: own split
    repeats: int
    seed: int
    coverage: float = COVERAGE
    answered: tuple["Answered", ...] = dataclasses.field(default=(), repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON; without the answers NCA by NCA."""
        fields = (field.name for field in dataclasses.fields(self))
        kept = {name: getattr(self, name) for name in fields if name != "answered"}
        return {name: _plain(value) for name, value in kept.items()}


def probe(
    zoo: "Zoo",
    features: Sequence[str] = ("weights",),
    readers: Sequence[str] | None = None,
    folds: int = 5,
    repeats: int | None = None,
    seed: int = 0,
    *,
    target: str = CLASS,
    split: bool = False,
    sizes: Sequence[int] = (),
    ceiling: bool = False,
    all_fits: bool = False,
    jobs: int = -1,
    progress: Progress = silent,
) -> ProbeResult:
    """Read a quantity from each feature by repeated stratified cross-validation.

    features: names in ``FEATURES``; every control is added, as is the first feature with its
    answers shuffled. readers: names in ``nca_zoo.probing.readers``, the simple ones unless given.
    repeats: 3, or 1 for more than 1,000 pictures, unless given. target: a name of
    ``quantities.names``. split: use the zoo's own split instead. sizes: numbers of training
    pictures to repeat it all with, in several draws (``Splits.thinned``). ceiling: also let a small
    convolutional network read the pictures; it then counts among the controls. all_fits: read NCAs
    whose fit failed, too. jobs: processes, -1 for one a usable core; the result does not depend on
    it. progress: called with what is done and in all. Raises ``ZooError`` for unknown names and for
    pictures too few.
    """
    read = readable(zoo, all_fits)
    asked = quantity(read, target)
    names = simple_readers(asked.numeric) if readers is None else readers
    reading = [find_reader(name, asked.numeric) for name in dict.fromkeys(names)]
    if not reading:
        raise ZooError(f"no reader was named; choose from {', '.join(SIMPLE)}")
    if ceiling:
        reading.append(CEILING)
    if repeats is not None and repeats < 1:
        raise ZooError(f"repeats is {repeats}; it must be at least 1")
    chosen = with_controls(zoo, features)
    read = read.subset(np.flatnonzero(asked.known))
    asked = dataclasses.replace(asked, values=asked.values[asked.known])
    groups = read.picture_numbers()
    if repeats is None:
        repeats = 3 if len(np.unique(groups)) <= FEW_PICTURES else 1
    splits = (
        fixed_split(asked, groups, read.split, seed)
        if split
        else cross_validation(asked, groups, folds, repeats, seed)
    )
    thinner = [splits.thinned(size) for size in sizes]
    stages = 1 + len(sizes)
    marks = read_all(read, chosen, reading, splits, jobs, stage(progress, 0, stages))
    rows, resampled = scores(marks, splits, seed)
    differences, best = _differences(rows, resampled, features, reading)
    curve: list[Point] = []
    for number, (size, thin) in enumerate(zip(sizes, thinner, strict=True), start=1):
        told = stage(progress, number, stages)
        fewer = scores(read_all(read, chosen, reading, thin, jobs, told), thin, seed)[0]
        curve += [Point(size, row) for row in fewer]
    n_train = max(len(np.unique(groups[side.train])) for side in splits.sides)
    if curve:
        curve += [Point(n_train, row) for row in rows]
    return ProbeResult(
        rows=rows,
        differences=differences,
        best=best,
        curve=tuple(curve),
        n=len(np.unique(groups[splits.tested])),
        n_ncas=int(splits.tested.sum()),
        n_train=n_train,
        left_out=len(zoo.label) - len(groups),
        target=asked.name,
        measure="R2" if asked.numeric else "accuracy",
        units=asked.units,
        classes=asked.classes,
        chance=_chance(asked, splits),
        folds=splits.folds,
        repeats=splits.repeats,
        seed=seed,
        answered=_answered(marks, asked, np.asarray(read.id)[splits.tested]),
    )


def _answered(marks: Marks, asked: Quantity, ids: npt.NDArray[np.str_]) -> tuple[Answered, ...]:
    """The answers of every reader of weights."""
    found = []
    for cell, answers in zip(marks.cells, marks.answers.T, strict=True):
        if cell.kind == "weights" and not cell.shuffled:
            values = answers if asked.numeric else np.array(asked.classes)[answers.astype(int)]
            found.append(Answered(cell.feature, cell.reader, ids, values))
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    is_record = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_record else value


def _chance(asked: Quantity, splits: Splits) -> float:
    if asked.numeric:
        return 0.0
    counts = np.bincount(asked.values[splits.tested])
    return float(counts.max() / counts.sum())


def scores(marks: Marks, splits: Splits, seed: int) -> tuple[tuple[Row, ...], Floats]:
    """Scores with their intervals, and the resampled scores ``(resamples, rows)``."""
    groups: Ints = splits.groups[splits.tested]
    key = noise.fold(seed, Study.BOOTSTRAP)
    means, resampled = marks.worth.mean(axis=(0, 1)), resampled_means(marks.worth, groups, key)
    if marks.base is not None:
        means = 1 - means / marks.base.mean(axis=(0, 1))
        resampled = 1 - resampled / resampled_means(marks.base, groups, key)
    n = len(np.unique(groups))
    rows = tuple(
        Row(
            SHUFFLED if cell.shuffled else cell.feature,
            cell.kind,
            cell.reader,
            float(means[i]),
            *interval(resampled[:, i]),
            n,
        )
        for i, cell in enumerate(marks.cells)
    )
    return rows, resampled


def _differences(
    rows: tuple[Row, ...], resampled: Floats, features: Sequence[str], readers: list[AnyReader]
) -> tuple[tuple[Difference, ...], Difference | None]:
    def between(i: int, j: int) -> Difference:
        return Difference(
            *(rows[i].feature, rows[i].reader, rows[j].feature, rows[j].reader),
            rows[i].score - rows[j].score,
            *interval(resampled[:, i] - resampled[:, j]),
            rows[i].n,
        )

    at = {(row.feature, row.reader): i for i, row in enumerate(rows)}
    plain = [reader.name for reader in readers if reader.sees == "any"]
    simple = [name for name in plain if name in SIMPLE] or plain
    able = [*simple, *(reader.name for reader in readers if reader.sees == "pictures")]
    seen = [i for i, row in enumerate(rows) if row.feature in STILL_CONTROLS and row.reader in able]
    if not seen:  # a network over units alone was asked for
        return (), None
    best = max(seen, key=lambda i: rows[i].score)
    differences = [
        between(i, j)
        for i, row in enumerate(rows)
        if row.kind == "weights"
        for j in dict.fromkeys(
            (
                at.get(("pixels", row.reader)),
                best,
                *(at.get((name, row.reader)) for name in ALSO_COMPARED),
            )
        )
        if j is not None
    ]
    mine = [i for i, row in enumerate(rows) if row.kind == "weights" and row.reader in simple]
    mine = [i for i in mine if rows[i].feature == rows[mine[0]].feature]
    headline = between(max(mine, key=lambda i: rows[i].score), best) if mine else None
    return tuple(differences), headline
