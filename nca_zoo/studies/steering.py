"""Steering NCAs, and whether what grows follows: asked and measured, side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import check_enough, readable, shared_start
from nca_zoo.features.measures import Floats, Vectors, centre_on
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure
from nca_zoo.networks.judge import Judge, judge_of
from nca_zoo.networks.steering import PROPERTIES, Steering, learn_steering, measured
from nca_zoo.pictures.targets import restored
from nca_zoo.probing.resampling import deal_folds, interval, resampled_means

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

NAMES = tuple(each.name for each in PROPERTIES)
FEWEST = 20  # NCAs to learn directions from
FOLDS = 5  # of which one is held out
ASKED = (-2.0, -1.0, 1.0, 2.0)  # standard deviations, of the test
MOST_ASKED = 10.0


@dataclass(frozen=True)
class Strip:
    """What grows on the way from an NCA to one that is steered."""

    id: str
    asked: dict[str, float]  # standard deviations, at the end of the way
    spreads: dict[str, float]  # one of each, in units of the property
    steps: tuple[dict[str, float], ...]  # what was measured of each picture, at step 96
    pictures: Vectors = field(repr=False, compare=False)  # (T, H, W, 4)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON; without pictures."""
        names = (each.name for each in dataclasses.fields(self) if each.name != "pictures")
        return {name: getattr(self, name) for name in names}


def learn(zoo: "Zoo") -> Steering:
    """Directions, from the good NCAs of a zoo and what they grew.

    Raises ZooError if they share no start, if they are too few, and if they are too much alike.
    """
    shared_start(zoo, "steering")  # else weights cannot be added up
    read = readable(zoo)
    check_enough(zoo, read, FEWEST, "steering")
    try:
        return learn_steering(read.weights, measured(restored(read.grown)), np.asarray(read.label))
    except ValueError as error:
        raise ZooError(f"{zoo.path}: {error}") from None


def steer(
    zoo: "Zoo", nca_id: str, asked: Mapping[str, float], points: int = 5, seed: int = 0
) -> Strip:
    """Let ``points`` NCAs live, from one of a zoo to the one with ``asked`` more of properties.

    asked: standard deviations of the zoo, by name. Directions are learnt without the NCA itself.
    Raises ZooError for an unknown id or property, for none, and for more than 10.
    """
    end = _asked(asked)
    row = zoo.index(nca_id)
    steering = learn(zoo.subset(zoo.id != nca_id))
    share = np.linspace(0, 1, points)
    weights = steering.moved(zoo.weights[row], share[:, None] * end)
    pictures = _grown(zoo.subset(np.full(points, row)), weights, seed, 1)[0]
    told = [dict(zip(NAMES, row.tolist(), strict=True)) for row in measured(pictures)]
    spreads = dict(zip(NAMES, steering.spreads.tolist(), strict=True))
    return Strip(nca_id, dict(asked), spreads, tuple(told), pictures)


def _asked(asked: Mapping[str, float]) -> Floats:
    """Standard deviations ``(3,)`` of all properties."""
    if not asked:
        raise ZooError(f"nothing to steer: say how much more {' or '.join(NAMES)}")
    for name, amount in asked.items():
        if name not in NAMES:
            raise ZooError(f"there is no property {name!r} to steer; there are {', '.join(NAMES)}")
        if not abs(amount) <= MOST_ASKED:
            raise ZooError(
                f"{name} {amount:g}: standard deviations of the zoo, at most {MOST_ASKED:g} either "
                "way"
            )
    return np.array([asked.get(name, 0.0) for name in NAMES])


def _grown(zoo: "Zoo", weights: Vectors, seed: int, jobs: int) -> tuple[Vectors, Vectors]:
    """What NCAs of a zoo, with other weights, show at steps 96 and 400: ``(K, H, W, 4)`` each."""
    ncas = dataclasses.replace(zoo.ncas(seed=seed), weights=weights)
    targets = restored(zoo.target)[..., -zoo.trained :]
    looks = measure(make_engine(threads=jobs), ncas, targets)
    shown = (looks[trial.name].pictures for trial in (GROWN, STABLE))
    grown, late = (np.clip(np.nan_to_num(pictures), 0, 1) for pictures in shown)
    return grown, late


@dataclass(frozen=True)
class Followed:
    """How NCAs that were held out followed when one property was asked for."""

    name: str
    units: str
    spread: float  # a standard deviation, in units
    n: int  # NCAs, each asked for every amount
    correlation: float  # of what was asked and what was measured to change, at step 96
    low: float  # 95 % interval, over NCAs
    high: float
    slope: float  # measured for 1 asked
    lasting: float  # correlation at step 400
    aside: dict[str, float]  # slope of the other properties, in their standard deviations
    read: float  # share still read as of their class
    read_before: float  # ... of the same NCAs, not steered


@dataclass(frozen=True)
class SteeringTrial:
    """All properties, each on its own."""

    rows: tuple[Followed, ...]
    learnt_from: int
    amounts: tuple[float, ...]
    judge: str
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def try_steering(
    zoo: "Zoo",
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
    data_dir: Path = Path("data"),
    amounts: Sequence[float] = ASKED,
) -> SteeringTrial:
    """Learn directions from four fifths of a zoo's pictures, and steer the rest along each.

    Reads the good NCAs that have a class, one of each picture. data_dir: where the judge's digits
    are kept. Raises ZooError as ``learn``.
    """
    shared_start(zoo, "steering")
    good = readable(zoo)
    good = good.subset(np.asarray(good.label) >= 0)
    good = good.subset(np.unique(good.picture_numbers(), return_index=True)[1])
    judge, free = judge_of(good, data_dir)
    read = good.subset(free)
    key = noise.fold(seed, Study.FOLDS)
    fold = deal_folds(np.asarray(read.label), np.arange(len(read)), FOLDS, key)
    steering, new = learn(read.subset(fold > 0)), read.subset(fold == 0)
    looks = _Looks(steering, new, judge, seed, jobs)
    rows = []
    for place in range(len(PROPERTIES)):
        rows.append(looks.followed(place, np.asarray(amounts)))
        progress(len(rows), len(PROPERTIES))
    learnt_from = int((fold > 0).sum())
    return SteeringTrial(tuple(rows), learnt_from, tuple(amounts), judge.of, seed)


class _Looks:
    """NCAs that were held out, and what they grow, steered or not."""

    def __init__(self, steering: Steering, new: "Zoo", judge: Judge, seed: int, jobs: int) -> None:
        self._steering, self._new, self._judge = steering, new, judge
        self._seed, self._jobs = seed, jobs
        self._before = [measured(shown) for shown in self._grown(new.weights)]
        self._read_before = self._read

    def _grown(self, weights: Vectors) -> tuple[Vectors, Vectors]:
        pictures = _grown(self._new, weights, self._seed, self._jobs)
        centred = centre_on(pictures[0], self._new.seed_row, self._new.seed_col)
        self._read = float((self._judge.read(centred) == self._new.label).mean())
        return pictures

    def followed(self, place: int, amounts: Floats) -> Followed:
        """All NCAs, asked for every amount of the property at ``place``."""
        changes, reads = [], []  # (A, 2, N, 3): by amount, step, NCA, property
        for amount in amounts:
            asked = np.eye(len(PROPERTIES))[place] * amount
            shown = self._grown(self._steering.moved(self._new.weights, asked))
            pairs = zip(shown, self._before, strict=True)
            changes.append([measured(after) - before for after, before in pairs])
            reads.append(self._read)
        moved = np.array(changes) / self._steering.spreads
        sound = np.isfinite(moved).all(axis=(0, 1, 3))
        moved = moved[:, :, sound]
        n = int(sound.sum())
        asked = np.repeat(amounts[:, None], n, axis=1)
        key = noise.fold(self._seed, Study.BOOTSTRAP)
        draws = resampled_means(_moments(asked, moved[:, 0, :, place]), np.arange(n), key)
        others = [other for other in range(len(PROPERTIES)) if other != place]
        return Followed(
            NAMES[place],
            PROPERTIES[place].units,
            float(self._steering.spreads[place]),
            n,
            _correlation(asked, moved[:, 0, :, place]),
            *interval(_from_moments(draws)),
            _slope(asked, moved[:, 0, :, place]),
            _correlation(asked, moved[:, 1, :, place]),
            {NAMES[other]: _slope(asked, moved[:, 0, :, other]) for other in others},
            float(np.mean(reads)),
            self._read_before,
        )


def _moments(asked: Floats, found: Floats) -> Floats:
    """Of every NCA, the means over amounts ``(1, N, 5)`` that make a correlation."""
    parts = (asked, found, asked * asked, found * found, asked * found)
    return np.stack([part.mean(axis=0) for part in parts], axis=-1)[None]


def _from_moments(means: Floats) -> Floats:
    x, y, xx, yy, xy = means.T
    return (xy - x * y) / np.sqrt((xx - x * x) * (yy - y * y))


def _correlation(asked: Floats, found: Floats) -> float:
    return float(_from_moments(_moments(asked, found).mean(axis=1))[0])


def _slope(asked: Floats, found: Floats) -> float:
    return float((asked * found).sum() / (asked * asked).sum())
