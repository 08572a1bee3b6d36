"""Splits: which NCAs a reader learns from and which it is asked about.

Pictures are never on both sides. The same splits serve every feature and every reader, so that
their answers can be compared picture by picture.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.probing.quantities import CLASS, Quantity, quantity
from nca_zoo.probing.resampling import Ints, deal_folds, shuffle_within

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Bools = npt.NDArray[np.bool_]

INNER_FOLDS = 3
DRAWS = 5  # of training sets, where fewer pictures than there are are learned from
MIN_PICTURES = 20
MIN_PER_CLASS = 4  # leaves two of a class for training and one to test, even with two folds
BINS = 10  # of a number's values, over which folds are stratified


@dataclass(frozen=True)
class Side:
    """One time that readers learn and are asked; all ``(N,)``."""

    repeat: int
    train: Bools
    test: Bools
    inner: Ints  # inner fold of each NCA; of meaning for training rows alone
    inner_shuffled: Ints  # the same for shuffled answers


@dataclass(frozen=True)
class Splits:
    """All sides of a probe, and the answers that readers are to give."""

    known: npt.NDArray[np.generic]  # (N,) codes of classes, or float64
    groups: Ints  # (N,) pictures
    shuffled: tuple[npt.NDArray[np.generic], ...]  # of each repeat: answers shuffled within folds
    sides: tuple[Side, ...]
    repeats: int
    folds: int  # 1: the zoo's own split
    key: int

    @property
    def tested(self) -> Bools:
        """Which NCAs are asked about, ``(N,)``: all of them in a cross-validation."""
        return np.any([side.test for side in self.sides], axis=0)

    def thinned(self, size: int) -> "Splits":
        """The same, with ``size`` of each side's training pictures: stratified draws, several.

        As many draws as there could be training sets that share no picture, at most 5. Each side
        of each draw has a key of its own, and a draw of few is part of that of more. Every draw
        counts as a repeat: what is resampled by repeats is resampled by draws.
        """
        learned = [np.unique(self.groups[side.train]).size for side in self.sides]
        if size > min(learned):
            raise ZooError(
                f"size {size} is more than the {min(learned)} pictures that a reader learns from; "
                "name smaller sizes"
            )
        draws = min(DRAWS, min(learned) // size)
        strata, key = strata_of(self.known), noise.fold(self.key, Study.THIN)

        def thin(number: int, side: Side, draw: int) -> Side:
            order = _picture_order(strata, self.groups, side.train, noise.fold(key, number, draw))
            repeat = side.repeat * draws + draw
            return replace(side, repeat=repeat, train=side.train & (order < size))

        return replace(
            self,
            sides=tuple(
                thin(number, side, draw)
                for draw in range(draws)
                for number, side in enumerate(self.sides)
            ),
            shuffled=tuple(answers for answers in self.shuffled for _ in range(draws)),
            repeats=self.repeats * draws,
        )


def cross_validation(
    quantity: Quantity, groups: Ints, folds: int, repeats: int, seed: int
) -> Splits:
    """Repeated stratified folds; fewer than asked for if the smallest class has fewer pictures."""
    strata = strata_of(quantity.values)
    folds = _possible_folds(quantity, strata, groups, folds)
    sides, shuffled = [], []
    for repeat in range(repeats):
        fold = deal_folds(strata, groups, folds, noise.fold(seed, Study.FOLDS, repeat))
        shuffled.append(
            shuffle_within(quantity.values, fold, noise.fold(seed, Study.SHUFFLE, repeat))
        )
        for k in range(folds):
            key = noise.fold(noise.fold(seed, Study.INNER, repeat), k)
            train = fold != k
            inner = [
                _inner(strata_of(v), groups, train, key) for v in (quantity.values, shuffled[-1])
            ]
            sides.append(Side(repeat, train, ~train, *inner))
    return Splits(quantity.values, groups, tuple(shuffled), tuple(sides), repeats, folds, seed)


def can_be_probed(zoo: "Zoo") -> bool:
    """Whether a zoo has the pictures and classes that a probe of classes needs."""
    known = zoo.subset(np.flatnonzero(zoo.label >= 0))
    asked = quantity(known, CLASS)
    try:
        _possible_folds(asked, strata_of(asked.values), known.picture_numbers(), 2)
    except ZooError:
        return False
    return True


def fixed_split(quantity: Quantity, groups: Ints, split: npt.NDArray[np.str_], seed: int) -> Splits:
    """The zoo's own split: readers learn from ``train`` and are asked about ``test``."""
    train, test = split == "train", split == "test"
    _possible_folds(quantity, strata_of(quantity.values), groups, 2)
    for name, side in (("train", train), ("test", test)):
        if np.unique(groups[side]).size < MIN_PER_CLASS:
            raise ZooError(
                f"the zoo's own split has {np.unique(groups[side]).size} pictures in {name}, "
                f"{MIN_PER_CLASS} are needed; build more, or cross-validate without --split"
            )
    both = np.intersect1d(groups[train], groups[test])
    if both.size:
        raise ZooError(
            f"picture {both[0]} is on both sides of the zoo's own split; leave out --split"
        )
    if not quantity.numeric and np.unique(quantity.values[train]).size < 2:
        raise ZooError("all NCAs in train are of one class; cross-validate without --split")
    shuffled = shuffle_within(quantity.values, test + 2 * train, noise.fold(seed, Study.SHUFFLE))
    inner = [
        _inner(strata_of(v), groups, train, noise.fold(seed, Study.INNER))
        for v in (quantity.values, shuffled)
    ]
    side = Side(0, train, test, *inner)
    return Splits(quantity.values, groups, (shuffled,), (side,), 1, 1, seed)


def strata_of(values: npt.NDArray[np.generic]) -> Ints:
    """What folds are stratified over ``(N,)``: classes, or tenths of a number's values."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.asarray(values, int)
    if not values.size:  # which has no quantiles
        return np.zeros(0, int)
    edges = np.quantile(values.astype(float), np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, values.astype(float))


def _inner(strata: Ints, groups: Ints, train: Bools, key: int) -> Ints:
    inner = np.zeros(len(strata), int)
    inner[train] = deal_folds(strata[train], groups[train], INNER_FOLDS, key)
    return inner


def _picture_order(strata: Ints, groups: Ints, train: Bools, key: int) -> Ints:
    """The place of each training NCA's picture in a random order, ``(N,)``.

    Every beginning of it is stratified: pictures are shuffled, then dealt from every stratum in
    turn by how much of the stratum has been dealt.
    """
    pictures, first = np.unique(groups, return_index=True)
    place = noise.uniform(key, len(pictures))
    rank = np.empty(len(pictures))
    kept = np.zeros(len(pictures), bool)
    kept[np.searchsorted(pictures, groups[train])] = True
    of = strata[first]
    for stratum in np.unique(of):
        mine = np.flatnonzero((of == stratum) & kept)
        mine = mine[np.argsort(place[mine], kind="stable")]
        rank[mine] = (np.arange(len(mine)) + place[mine]) / max(len(mine), 1)
    order = np.full(len(pictures), len(pictures))
    chosen = np.flatnonzero(kept)
    order[chosen[np.argsort(rank[chosen], kind="stable")]] = np.arange(len(chosen))
    return order[np.searchsorted(pictures, groups)]


def _possible_folds(quantity: Quantity, strata: Ints, groups: Ints, folds: int) -> int:
    """As many folds as asked for, or as the smallest class has pictures if that is fewer."""
    if folds < 2:
        raise ZooError(f"folds is {folds}; it must be at least 2")
    pictures = np.unique(groups, return_index=True)[1]
    if len(pictures) < MIN_PICTURES:
        known = "" if quantity.name == CLASS else f" of which {quantity.name} is known"
        raise ZooError(
            f"the zoo has {len(pictures)} pictures with an NCA to read{known} and the probe needs "
            f"{MIN_PICTURES}; build more, or read failed fits too with --all-fits"
        )
    if quantity.numeric:
        if np.ptp(quantity.values.astype(float)) == 0:
            raise ZooError(f"{quantity.name} is {quantity.values[0]:g} for all NCAs to read")
        return folds
    classes, counts = np.unique(strata[pictures], return_counts=True)
    if len(classes) < 2:
        raise ZooError(
            f"all NCAs to read are of class {quantity.classes[classes[0]]} and the probe tells "
            "classes apart; build a zoo of two or more classes"
        )
    smallest = int(np.argmin(counts))
    if counts[smallest] < MIN_PER_CLASS:
        raise ZooError(
            f"class {quantity.classes[classes[smallest]]} has {counts[smallest]} pictures with an "
            f"NCA to read and the probe needs {MIN_PER_CLASS} of each class; build more, or try "
            "--all-fits"
        )
    return min(folds, int(counts[smallest]))
