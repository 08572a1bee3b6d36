"""Mixing weights: what grows half-way between two NCAs, from a class's mean, or along a direction?

Nothing is trained. Weights are added up and let live, and what grows is judged by a reader of
pictures that knows none of their parents. docs/mix.md defines every row of ``survey``.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import alive, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import readable
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP, psnr
from nca_zoo.networks.judge import Judge, centred_targets, inked, judge_of, sharpness
from nca_zoo.probing.resampling import interval, resampled_means
from nca_zoo.studies.orbit import scramble
from nca_zoo.symmetry.alignment import align

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer]

MIXED = 4  # NCAs in a random mixture
KINDS = 13  # rows of a survey


@dataclass(frozen=True)
class Line:
    """What grows along the straight line from one NCA to another."""

    start: str  # ids
    end: str
    aligned: bool  # whether the end was first brought close to the start by symmetries
    t: tuple[float, ...]  # 0 at the start, 1 at the end
    psnr_start: tuple[float, ...] | None  # dB, against the start's target, both moved to the same
    psnr_end: tuple[float, ...] | None  # seed; None if nobody knows what it was to grow
    alive: tuple[float, ...]  # share of cells
    distance: float  # of the weights, from end to end
    pictures: Floats = dataclasses.field(repr=False, compare=False)  # (T, H, W, 4)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON; without pictures."""
        names = (field.name for field in dataclasses.fields(self))
        return {name: getattr(self, name) for name in names if name != "pictures"}


@dataclass(frozen=True)
class Kind:
    """What a number of mixtures of one kind grew."""

    name: str
    n: int
    alive: float  # share of mixtures with any ink at step 96
    read: float  # share that the judge reads as a class that went into the mixture
    low: float  # 95 % interval
    high: float
    nearest_db: float | None  # PSNR against the most alike target, median of those with ink
    sharpness: float | None  # squared frequency, radians a cell: median of those with ink


@dataclass(frozen=True)
class Survey:
    """All kinds of mixtures, and pictures of some."""

    kinds: tuple[Kind, ...]
    classes: tuple[str, ...]
    n: int  # NCAs that are mixed
    judge: str  # whose pictures the judge learned from
    seed: int
    means: Floats = dataclasses.field(repr=False, compare=False)  # (classes, H, W, 4): grown
    mean_pictures: Floats = dataclasses.field(repr=False, compare=False)  # averaged pixels
    means_read: tuple[str, ...] = ()  # class that each mean is read as, none if it is empty

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON; without pictures."""
        names = (field.name for field in dataclasses.fields(self) if "mean" not in field.name)
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        return plain | {
            "kinds": [dataclasses.asdict(kind) for kind in self.kinds],
            "means_read": self.means_read,
        }


def grow(zoo: "Zoo", weights: Floats, seed: int = 0, jobs: int = 1) -> tuple[Floats, Floats]:
    """Pictures ``(K, H, W, 4)`` at step 96 and living shares ``(K,)`` of weights ``(K, P)``.

    All start from a seed cell in the middle of the zoo's grid, so that pictures can be compared.
    """
    zoo.must_stand_still("mix")
    height, width = zoo.grid
    start = seed_state(height, width, height // 2, width // 2, zoo.seed_hidden)
    ncas = Automata.grown(weights, start, seed, zoo.trained, zoo.fire_rate)
    states = make_engine(threads=jobs).rollout(ncas, ncas.starts(), 0, GROWN_STEP)[:, 0]
    states = np.nan_to_num(states, posinf=0, neginf=0)
    return np.clip(ncas.seen(states), 0, 1), alive(states).mean(axis=(1, 2))


def line(
    zoo: "Zoo",
    start: str,
    end: str,
    points: int = 9,
    aligned: bool = False,
    seed: int = 0,
    jobs: int = 1,
) -> Line:
    """Let ``points`` NCAs live, evenly spread over the line between two NCAs of a zoo.

    Raises ``ZooError`` for an unknown id, and for weights that are not finite.
    """
    ends = zoo.subset([zoo.index(start), zoo.index(end)])
    first, last = ends.weights.astype(np.float64)
    if not np.isfinite(ends.weights).all():
        raise ZooError(f"{zoo.path}: {start} or {end} has weights that are not finite")
    if aligned:
        last = align(last[None], first, zoo.seed_hidden)[0]
    t = np.linspace(0, 1, points)
    pictures, living = grow(zoo, (first + t[:, None] * (last - first)), seed, jobs)
    targets = centred_targets(ends)

    def against(row: int) -> tuple[float, ...] | None:
        if ends.status[row] == "unjudged":
            return None
        return tuple(psnr(pictures, targets[[row]]).tolist())

    return Line(
        start=start,
        end=end,
        aligned=aligned,
        t=tuple(t.tolist()),
        psnr_start=against(0),
        psnr_end=against(1),
        alive=tuple(living.tolist()),
        distance=float(np.linalg.norm(last - first)),
        pictures=pictures,
    )


def _kind(
    name: str,
    pictures: Floats,
    wanted: Sequence[Sequence[int]],
    judge: Judge,
    targets: Floats,
    key: int,
) -> Kind:
    """One row, of pictures ``(K, H, W, 4)``; wanted: the classes that went into each mixture."""
    read = judge.read(pictures)
    right = np.array([c in some for c, some in zip(read, wanted, strict=True)], float)
    ours, theirs = (p.reshape(len(p), -1).astype(np.float64) for p in (pictures, targets))
    squares = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    living = inked(pictures)
    nearest = np.maximum(squares.min(axis=1) / ours.shape[1], 1e-10)[living]
    means = resampled_means(right[None, :, None], np.arange(len(right)), key)[:, 0]
    return Kind(
        name,
        len(pictures),
        float(living.mean()),
        float(right.mean()),
        *interval(means),
        float(np.median(-10 * np.log10(nearest))) if living.any() else None,
        float(np.median(sharpness(pictures[living]))) if living.any() else None,
    )


def survey(
    zoo: "Zoo",
    pairs: int = 100,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
    data_dir: Path = Path("data"),
    all_fits: bool = False,
) -> Survey:
    """Mixtures of many kinds, from ``pairs`` random pairs of NCAs each. See docs/mix.md.

    Reads the good NCAs that have a class, or all of them. data_dir: where the judge's digits are
    kept. Raises ``ZooError`` for fewer than two classes of two.
    """
    zoo = readable(zoo, all_fits)
    zoo = zoo.subset(zoo.label >= 0)
    if len(_mixable(zoo)) < 2:
        raise ZooError(f"{zoo.path}: mixing needs two classes with two good NCAs each; build more")
    judge, mixed = judge_of(zoo, data_dir)
    zoo = zoo.subset(mixed)
    classes, labels = _mixable(zoo), np.asarray(zoo.label, int)
    targets, weights, hidden = centred_targets(zoo), zoo.weights, zoo.seed_hidden
    members = {int(c): np.flatnonzero(labels == c) for c in classes}
    key = noise.fold(seed, Study.PAIRS)
    draws = noise.uniform(noise.fold(key, np.arange(pairs)), 4 + 2 * MIXED)
    kinds: list[Kind] = []

    def show(name: str, pictures: Floats, wanted: Sequence[Sequence[int]]) -> None:
        bootstrap = noise.fold(seed, Study.BOOTSTRAP)
        kinds.append(_kind(name, pictures, wanted, judge, targets, bootstrap))
        progress(len(kinds), KINDS)

    def add(name: str, mixed: Floats, wanted: Sequence[Sequence[int]]) -> None:
        show(name, grow(zoo, mixed, seed, jobs)[0], wanted)

    first = (draws[:, 0] * len(labels)).astype(int)
    first = first[np.isin(labels[first], classes)]
    draws = draws[: len(first)]
    own = [[int(c)] for c in labels[first]]
    partner = np.array(
        [_other(members[c[0]], i, d) for c, i, d in zip(own, first, draws[:, 1], strict=True)]
    )
    stranger = np.array(
        [_pick(np.flatnonzero(labels != c[0]), d) for c, d in zip(own, draws[:, 2], strict=True)]
    )
    both = [[*c, int(labels[j])] for c, j in zip(own, stranger, strict=True)]
    aligned = _aligned_pairs(weights, first, partner, hidden)
    aligned_far = _aligned_pairs(weights, first, stranger, hidden)
    moved = scramble(zoo, seed).weights
    back = _aligned_pairs(moved, first, partner, hidden)
    means = np.stack([weights[members[int(c)]].mean(axis=0) for c in classes])
    blends = np.stack(
        [_blend(weights, members[c[0]], d[4:]) for c, d in zip(own, draws, strict=True)]
    )
    goal = np.array(
        [_pick(classes[classes != c[0]], d) for c, d in zip(own, draws[:, 3], strict=True)]
    )
    at = {int(c): i for i, c in enumerate(classes)}
    shift = np.stack([means[at[int(g)]] - means[at[c[0]]] for g, c in zip(goal, own, strict=True)])

    show("their targets", targets[first], own)
    add("the NCAs themselves", weights[first], own)
    add("half-way, same class", (weights[first] + weights[partner]) / 2, own)
    add("half-way, same class, aligned", (weights[first] + aligned) / 2, own)
    add("half-way, same class, scrambled", (moved[first] + moved[partner]) / 2, own)
    add("half-way, same class, scrambled, then aligned", (moved[first] + back) / 2, own)
    add("half-way, two classes", (weights[first] + weights[stranger]) / 2, both)
    add("half-way, two classes, aligned", (weights[first] + aligned_far) / 2, both)
    add(f"mixture of {MIXED}, same class", blends, own)
    add("mean of a class", means, [[int(c)] for c in classes])
    add("moved from class to class", weights[first] + shift, [[int(g)] for g in goal])
    average = (targets[first] + targets[partner]) / 2
    show("pictures half-way, same class", average, own)
    flat = np.stack([targets[members[int(c)]].mean(axis=0) for c in classes])
    show("mean picture of a class", flat, [[int(c)] for c in classes])
    grown = grow(zoo, means, seed, jobs)[0]
    return Survey(
        kinds=tuple(kinds),
        classes=tuple(zoo.classes.named(classes).tolist()),
        n=len(labels),
        judge=judge.of,
        seed=seed,
        means=grown,
        mean_pictures=flat,
        means_read=tuple(zoo.classes.named(judge.read(grown)).tolist()),
    )


def _mixable(zoo: "Zoo") -> Ints:
    """Classes with two NCAs or more."""
    classes, counts = np.unique(np.asarray(zoo.label, int), return_counts=True)
    return classes[counts >= 2]


def _pick(choices: Ints, draw: float) -> int:
    return int(choices[int(draw * len(choices))])


def _other(choices: Ints, not_this: int, draw: float) -> int:
    return _pick(choices[choices != not_this], draw)


def _blend(weights: Floats, members: Ints, draws: npt.NDArray[np.float64]) -> Floats:
    """A random convex combination of a few members of a class, uniform over the simplex."""
    chosen = members[(draws[:MIXED] * len(members)).astype(int)]
    share = -np.log1p(-draws[MIXED:])
    return (share / share.sum()) @ weights[chosen]


def _aligned_pairs(weights: Floats, to: Ints, what: Ints, hidden: bool) -> Floats:
    """Rows ``what`` of weights, each brought close to the row of ``to`` beside it."""
    return np.concatenate(
        [align(weights[[j]], weights[i], hidden) for i, j in zip(to, what, strict=True)]
    )
