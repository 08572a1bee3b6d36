"""What of the dynamics is the fit's own? NCAs of one picture differ in random draws alone.

For zoos of pictures that were fitted several times (`nca-zoo build --repeats 20`): how much of the
variance of a quantity lies between pictures and how much within them, and whether the weights
predict the latter, which no picture can.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import Feature, find_feature, readable
from nca_zoo.features.measures import Floats, Ints
from nca_zoo.ground.progress import Progress, silent, stage
from nca_zoo.probing.folds import read_all
from nca_zoo.probing.probe import scores
from nca_zoo.probing.quantities import Quantity, quantity
from nca_zoo.probing.readers import find_reader
from nca_zoo.probing.resampling import COVERAGE, RESAMPLES, interval
from nca_zoo.probing.splits import cross_validation
from nca_zoo.studies.forecast import QUANTITIES, Prediction

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

CONTROL = "grown"  # what differs between fits of a picture and needs no weights


@dataclass(frozen=True)
class Share:
    """How the variance of a quantity is made up."""

    quantity: str
    between: float  # variance between pictures, in squared units of the quantity
    within: float  # between fits of a picture
    share: float  # of the latter in both
    low: float  # 95 % interval
    high: float
    n: int  # pictures
    n_ncas: int


@dataclass(frozen=True)
class Reliability:
    """How far two measurements agree on what NCAs of one picture differ in."""

    quantity: str
    r: float  # correlation within pictures
    low: float  # 95 % interval
    high: float
    n: int  # pictures
    n_ncas: int


@dataclass(frozen=True)
class Within:
    """What was found, and how."""

    shares: tuple[Share, ...]
    rows: tuple[Prediction, ...]  # R2 of the part within pictures
    readers: tuple[str, ...]
    folds: int
    repeats: int
    seed: int
    coverage: float = COVERAGE

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def within(
    zoo: "Zoo",
    features: Sequence[str] = ("weights",),
    quantities: Sequence[str] | None = None,
    readers: Sequence[str] = ("ridge",),
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    *,
    all_fits: bool = False,
    jobs: int = -1,
    progress: Progress = silent,
) -> Within:
    """Variance between and within pictures, and R2 of the latter from each feature.

    A quantity's part within pictures is what is left without the mean of its picture's NCAs, and
    so are the features that it is read from; readers learn from other pictures. Beside: the picture
    that grew, treated alike, and the first feature with answers shuffled. quantities: all of
    ``QUANTITIES`` that differ within pictures, unless given. Other arguments as for ``probe``.
    Raises ``ZooError`` as ``probe`` does, and if no picture has two NCAs of which one is known.
    """
    read = readable(zoo, all_fits)
    names = quantities or [name for name in QUANTITIES if name in zoo.scalars]
    asked = [_asked(read, name) for name in names]
    if not quantities:
        asked = [(rows, known) for rows, known in asked if _own(read, rows, known).any()]
    if not asked or not all(len(rows) for rows, _ in asked):
        raise ZooError(
            f"{zoo.path}: nothing that was measured differs between NCAs of one picture; build "
            "with --repeats, and run `nca-zoo dynamics`"
        )
    reading = [find_reader(name, numeric=True) for name in dict.fromkeys(readers)]
    seen = [_Seen(find_feature(name), read) for name in dict.fromkeys([*features, CONTROL])]
    shares, found, used = [], [], folds
    for number, (rows, known) in enumerate(asked):
        part = read.subset(rows)
        groups = part.picture_numbers()
        shares.append(share_within(known, groups, seed))
        own = replace(known, values=_own(read, rows, known))
        splits = cross_validation(own, groups, folds, repeats, seed)
        used = splits.folds
        told = stage(progress, number, len(asked))
        inside = [one.within(rows, groups) for one in seen]
        read_by = scores(read_all(part, inside, reading, splits, jobs, told), splits, seed)[0]
        for feature in dict.fromkeys(row.feature for row in read_by):
            best = max((r for r in read_by if r.feature == feature), key=lambda r: r.score)
            kind = "weights" if feature in features else "control"
            found.append(
                Prediction(known.name, feature, kind, best.reader, best.score, best.low, best.high)
            )
    return Within(tuple(shares), tuple(found), tuple(readers), used, repeats, seed)


def _asked(zoo: "Zoo", name: str) -> tuple[Ints, Quantity]:
    """The rows of the NCAs of which a quantity is known, and of another NCA of their picture; and
    the quantity of these."""
    asked = quantity(zoo, name)
    if not asked.numeric:
        raise ZooError(f"{name} is no number: its variance cannot be split")
    known = np.flatnonzero(asked.known)
    _, which, counts = np.unique(
        zoo.picture_numbers()[known], return_inverse=True, return_counts=True
    )
    rows = known[counts[which] > 1]
    return rows, replace(asked, values=asked.values[rows])


def _own(zoo: "Zoo", rows: Ints, known: Quantity) -> Floats:
    """The part within pictures of a quantity of some rows, ``(n,)``."""
    return without_means(known.values[:, None], zoo.picture_numbers()[rows])[:, 0]


def without_means(values: Floats, groups: Ints) -> Floats:
    """Values ``(N, D)`` less the means of their groups ``(N,)``."""
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, which, values)
    return values - (sums / counts[:, None])[which]


class _Seen:
    """A feature of all NCAs, made once for all quantities."""

    def __init__(self, feature: Feature, zoo: "Zoo") -> None:
        self._feature, self._vectors = feature, feature.vectors(zoo)

    def within(self, rows: Ints, groups: Ints) -> Feature:
        """The same of some rows, less its mean over those of each picture."""
        vectors = without_means(self._vectors[rows].astype(np.float64), groups).astype(np.float32)
        return replace(
            self._feature,
            kind="control",  # whatever it learns, it learns from all NCAs and from no answer
            make=lambda zoo: vectors,
        )


def reliability(known: Quantity, again: Floats, groups: Ints, seed: int = 0) -> Reliability:
    """What of the part within pictures is the NCA's own, and not the luck of measuring.

    again: ``(N,)``, the same quantity measured as well under other fire masks. Nobody who does not
    know the masks can predict the part within pictures with a greater R2 than this correlation. Its
    interval is bootstrapped over pictures.
    """
    both = np.flatnonzero(known.known & np.isfinite(again))
    _, which = np.unique(groups[both], return_inverse=True)
    one, other = without_means(np.stack([known.values[both], again[both]], axis=1), which).T
    products = np.stack([np.bincount(which, w) for w in (one * other, one**2, other**2)])
    drawn = _drawn(products.shape[1], seed)
    together, ours, theirs = products[:, drawn].sum(axis=2)
    scale = np.sqrt(ours * theirs)
    r = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0)
    return Reliability(known.name, float(r[0]), *interval(r[1:]), products.shape[1], len(both))


def _drawn(pictures: int, seed: int) -> Ints:
    """Pictures as they are ``(pictures,)``, then as they are drawn in each resample."""
    key = noise.fold(seed, Study.BOOTSTRAP)
    draws = noise.uniform(noise.fold(key, np.arange(RESAMPLES)), pictures)
    return np.concatenate([np.arange(pictures)[None], (draws * pictures).astype(int)])


def share_within(known: Quantity, groups: Ints, seed: int = 0) -> Share:
    """One-way analysis of variance with random effects; its interval, bootstrapped over pictures.

    within: the mean square within pictures. between: the mean square between them, less what that
    owes to the former, over the NCAs of a picture; not below 0.
    """
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(which, known.values)
    squares = np.bincount(which, (known.values - (sums / counts)[which]) ** 2)
    drawn = _drawn(len(counts), seed)
    n, k = counts[drawn].sum(axis=1), len(counts)
    mean = sums[drawn].sum(axis=1) / n
    inside = squares[drawn].sum(axis=1) / (n - k)
    off = (sums / counts)[drawn] - mean[:, None]
    outside = (counts[drawn] * off**2).sum(axis=1) / max(k - 1, 1)
    usual = (n - (counts[drawn] ** 2).sum(axis=1) / n) / max(k - 1, 1)  # NCAs of a picture
    between = np.maximum((outside - inside) / np.where(usual > 0, usual, 1), 0)
    whole = inside + between
    share = np.divide(inside, whole, out=np.zeros_like(whole), where=whole > 0)
    return Share(
        known.name,
        float(between[0]),
        float(inside[0]),
        float(share[0]),
        *interval(share[1:]),
        len(counts),
        len(which),
    )
