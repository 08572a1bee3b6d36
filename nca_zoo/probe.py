"""The probe: how well can a picture's class be read from each feature, and is it more than chance?

Every reader meets every feature on the same folds of the same pictures, so that differences
between features are paired, picture by picture. docs/probe.md explains the protocol, what the
intervals cover and what they do not.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from nca_zoo import noise
from nca_zoo.errors import ZooError
from nca_zoo.features import FEATURES, PIXEL_CONTROLS, Feature, Vectors, find_feature, readable
from nca_zoo.readers import READERS, Fold, Reader, find_reader
from nca_zoo.resampling import (
    COVERAGE,
    Floats,
    Ints,
    deal_folds,
    interval,
    resampled_means,
    shuffle_within,
)

if TYPE_CHECKING:
    from nca_zoo.zoofile import Zoo

Bools = npt.NDArray[np.bool_]

SHUFFLED = "shuffled"  # the control that reads the first feature with its labels shuffled
INNER_FOLDS = 3
MIN_PICTURES = 20
MIN_PER_CLASS = 4  # leaves two of a class for training and one to test, even with two folds


class Draw(IntEnum):
    """What a key derived from the probe's seed is for."""

    FOLDS = 1
    INNER_FOLDS = 2
    SHUFFLE = 3
    BOOTSTRAP = 4


@dataclass(frozen=True)
class Row:
    """How well one reader reads one feature."""

    feature: str
    kind: str  # "weights" or "control"
    reader: str
    accuracy: float  # share of NCAs read right, mean over repeats, in [0, 1]
    low: float  # 95 % interval
    high: float
    n: int  # pictures


@dataclass(frozen=True)
class Difference:
    """Accuracy of one feature and reader minus that of a control, paired picture by picture."""

    feature: str
    reader: str
    control: str
    control_reader: str
    difference: float  # in [-1, 1]
    low: float  # 95 % interval
    high: float
    n: int  # pictures


@dataclass(frozen=True)
class ProbeResult:
    """Everything that a probe found, and how it was run.

    ``differences`` compares each weight feature and reader with raw pixels read by the same
    reader, and with the most accurate pixel control, whichever reader reads it.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    n: int  # pictures
    n_ncas: int  # more than pictures only if several NCAs drew the same one
    left_out: int  # NCAs not read: failed fits, no class, or diverged weights (even with all_fits)
    classes: tuple[int, ...]
    chance: float  # share of the largest class
    folds: int  # fewer than asked for if the smallest class has fewer pictures
    repeats: int
    seed: int
    coverage: float = COVERAGE

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def probe(
    zoo: "Zoo",
    features: Sequence[str] = ("weights",),
    readers: Sequence[str] = ("logistic", "knn"),
    folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
    *,
    all_fits: bool = False,
    jobs: int = -1,
    progress: Callable[[int, int], None] | None = None,
) -> ProbeResult:
    """Read the class from each feature by repeated stratified cross-validation.

    features: names in ``FEATURES``; every control is added, as is the first feature with its
    labels shuffled. readers: names in ``READERS``. all_fits: read NCAs whose fit failed, too.
    jobs: processes, -1 for one per core; the result does not depend on it. progress: called with
    the number of folds read so far and in all. Raises ``ZooError`` for unknown names and for
    pictures too few to cross-validate.
    """
    controls = [name for name, feature in FEATURES.items() if feature.kind == "control"]
    chosen = [find_feature(name) for name in dict.fromkeys([*features, *controls])]
    reading = [find_reader(name) for name in dict.fromkeys(readers)]
    if not reading:
        raise ZooError(f"no reader was named; choose from {', '.join(READERS)}")
    if repeats < 1:
        raise ZooError(f"repeats is {repeats}; it must be at least 1")
    read = readable(zoo, all_fits)
    read = read.subset(read.label >= 0)
    labels, groups = np.asarray(read.label, int), np.asarray(read.source_index, int)
    folds = _possible_folds(labels, groups, folds)
    splits = [_split(labels, groups, folds, seed, repeat) for repeat in range(repeats)]
    right = _read_all(read, chosen, reading, splits, jobs, progress)

    rows, differences = _summary(right, chosen, reading, groups, noise.fold(seed, Draw.BOOTSTRAP))
    classes, counts = np.unique(labels, return_counts=True)
    return ProbeResult(
        rows=rows,
        differences=differences,
        n=len(np.unique(groups)),
        n_ncas=len(labels),
        left_out=len(zoo.label) - len(labels),
        classes=tuple(int(c) for c in classes),
        chance=float(counts.max() / counts.sum()),
        folds=folds,
        repeats=repeats,
        seed=seed,
    )


def _possible_folds(labels: Ints, groups: Ints, folds: int) -> int:
    """As many folds as asked for, or as the smallest class has pictures if that is fewer."""
    if folds < 2:
        raise ZooError(f"folds is {folds}; it must be at least 2")
    pictures = np.unique(groups, return_index=True)[1]
    if len(pictures) < MIN_PICTURES:
        raise ZooError(
            f"the zoo has {len(pictures)} pictures with an NCA to read and the probe needs "
            f"{MIN_PICTURES}; build more, or read failed fits too with --all-fits"
        )
    classes, counts = np.unique(labels[pictures], return_counts=True)
    if len(classes) < 2:
        raise ZooError(
            f"all NCAs to read are of class {classes[0]} and the probe tells classes apart; "
            "build a zoo of two or more classes"
        )
    smallest = int(np.argmin(counts))
    if counts[smallest] < MIN_PER_CLASS:
        raise ZooError(
            f"class {classes[smallest]} has {counts[smallest]} pictures with an NCA to read and "
            f"the probe needs {MIN_PER_CLASS} of each class; build more, or try --all-fits"
        )
    return min(folds, int(counts[smallest]))


@dataclass(frozen=True)
class _Split:
    """One repeat of the cross-validation, the same for every feature and reader; all ``(N,)``."""

    labels: Ints
    shuffled: Ints  # labels shuffled within folds
    groups: Ints
    fold: Ints
    key: int  # for the inner folds


def _split(labels: Ints, groups: Ints, folds: int, seed: int, repeat: int) -> _Split:
    fold = deal_folds(labels, groups, folds, noise.fold(seed, Draw.FOLDS, repeat))
    shuffled = shuffle_within(labels, fold, noise.fold(seed, Draw.SHUFFLE, repeat))
    return _Split(labels, shuffled, groups, fold, noise.fold(seed, Draw.INNER_FOLDS, repeat))


def _read_fold(
    vectors: Vectors, split: _Split, k: int, shuffled: bool, readers: list[Reader]
) -> Bools:
    """Which rows of fold k each reader gets right: ``(1, m, readers)``.

    If ``shuffled``, ``(2, m, readers)``: by the labels, and by the shuffled labels.
    """
    train, test = split.fold != k, split.fold == k
    labellings = [split.labels, split.shuffled] if shuffled else [split.labels]
    right = []
    # One BLAS thread: folds already fill the cores, and rounding must not depend on their number.
    with threadpool_limits(limits=1):
        fold = Fold(vectors[train], vectors[test])
        for labels in labellings:
            inner_key = noise.fold(split.key, k)
            inner = deal_folds(labels[train], split.groups[train], INNER_FOLDS, inner_key)
            predicted = [reader.predict(fold, labels[train], inner) for reader in readers]
            right.append(np.stack(predicted, axis=1) == labels[test][:, None])
    return np.stack(right)


def _read_all(
    zoo: "Zoo",
    features: list[Feature],
    readers: list[Reader],
    splits: list[_Split],
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> Floats:
    """Which NCAs are read right in each repeat: 0 or 1, ``(repeats, N, features + 1, readers)``.

    The feature after the last is the first with its labels shuffled.
    """
    vectors = [feature.vectors(zoo) for feature in features]
    folds = range(int(splits[0].fold.max()) + 1)
    tasks = list(itertools.product(range(len(features)), range(len(splits)), folds))
    calls = (delayed(_read_fold)(vectors[f], splits[r], k, f == 0, readers) for f, r, k in tasks)
    right = np.zeros((len(splits), len(zoo.label), len(features) + 1, len(readers)))
    found = Parallel(n_jobs=jobs, return_as="generator")(calls)
    for done, ((f, r, k), answers) in enumerate(zip(tasks, found, strict=True), start=1):
        test, columns = splits[r].fold == k, [f, len(features)]
        for column, answer in zip(columns, answers, strict=False):  # one answer, or two
            right[r, test, column] = answer
        if progress is not None:
            progress(done, len(tasks))
    return right


def _summary(
    right: Floats, features: list[Feature], readers: list[Reader], groups: Ints, key: int
) -> tuple[tuple[Row, ...], tuple[Difference, ...]]:
    """Accuracies and their differences, all with intervals from the same resamples."""
    named = [(feature.name, feature.kind) for feature in features] + [(SHUFFLED, "control")]
    cells = [(*name, reader.name) for name in named for reader in readers]
    right = right.reshape(*right.shape[:2], len(cells))
    means, resampled = right.mean(axis=(0, 1)), resampled_means(right, groups, key)
    n = len(np.unique(groups))
    rows = tuple(
        Row(*cell, float(means[i]), *interval(resampled[:, i]), n) for i, cell in enumerate(cells)
    )
    pixels = {row.reader: i for i, row in enumerate(rows) if row.feature == "pixels"}
    pixel_controls = [i for i, row in enumerate(rows) if row.feature in PIXEL_CONTROLS]
    best = max(pixel_controls, key=lambda i: means[i])
    pairs = [
        (i, j)
        for i, row in enumerate(rows)
        if row.kind == "weights"
        for j in dict.fromkeys((pixels[row.reader], best))
    ]
    differences = tuple(
        Difference(
            *(rows[i].feature, rows[i].reader, rows[j].feature, rows[j].reader),
            float(means[i] - means[j]),
            *interval(resampled[:, i] - resampled[:, j]),
            n,
        )
        for i, j in pairs
    )
    return rows, differences
