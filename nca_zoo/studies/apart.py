"""How far apart are NCAs of one picture, up to a symmetry? And what lies between them?

Of every picture that was fitted twice (`nca-zoo build --repeats 2`): the distance of the two as
they are and as near as a search over the group brings them (nca_zoo/symmetry/nearest.py), and the
barrier on the straight line before and after. Beside it two of different pictures, and what the
same search finds of scrambled copies with noise of known size: an answer is worth no more than
that.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import HIDDEN, Array
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import readable
from nca_zoo.ground.children import isolated_children
from nca_zoo.ground.cores import usable_cores
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP
from nca_zoo.pictures.targets import restored
from nca_zoo.probing.resampling import COVERAGE, interval, resampled_means
from nca_zoo.symmetry.group import act, compose, normals, random_element
from nca_zoo.symmetry.nearest import STARTS, nearest

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

SIZES = (0.001, 0.01, 0.1, 0.3, 0.6)  # of planted noise, in units of the weights' norm
PLANTED = 5  # NCAs whose copies are sought, for each size
POINTS = 9  # of a line, ends included


@dataclass(frozen=True)
class Pair:
    """Two NCAs; distances in units of the second's norm."""

    ids: tuple[str, str]
    same_picture: bool
    before: float  # distance of the weights as they are
    distance: float  # the least that a symmetry of the first makes of it, as far as was found
    barrier_before: float | None  # of the line between them as they are; None: two pictures
    barrier: float | None  # of the line after it


@dataclass(frozen=True)
class Mean:
    """The mean over pairs of one kind, with its interval, bootstrapped over pictures."""

    what: str  # a field of ``Pair``
    same_picture: bool
    mean: float
    low: float  # 95 % interval
    high: float
    n: int  # pairs


@dataclass(frozen=True)
class Planted:
    """What the search finds of scrambled copies with noise of one size."""

    size: float  # of the noise, in units of the weights' norm
    found: float  # median distance found, in units of the noise
    worst: float
    units: float  # share of hidden units that are recognised, mean
    n: int


@dataclass(frozen=True)
class Apart:
    """What was found, and how."""

    pairs: tuple[Pair, ...]
    means: tuple[Mean, ...]
    planted: tuple[Planted, ...]
    starts: int
    seed: int
    coverage: float = COVERAGE

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def apart(
    zoo: "Zoo",
    starts: int = STARTS,
    most: int = 12,
    seed: int = 0,
    *,
    sizes: Sequence[float] = SIZES,
    all_fits: bool = False,
    jobs: int = -1,
    progress: Progress = silent,
) -> Apart:
    """Distances and barriers of the first two NCAs of ``most`` pictures, and of copies with noise.

    starts: of each search. sizes: of the noise. all_fits: failed fits count, too. jobs: processes,
    -1 for one a usable core; the result does not depend on it. Raises ``ZooError`` if no picture
    has two NCAs.
    """
    zoo.must_stand_still("symmetry apart")
    read = readable(zoo, all_fits)
    twins = _twins(read.picture_numbers())[:most]
    if not len(twins):
        raise ZooError(
            f"{zoo.path}: no picture has two NCAs to compare; build with --repeats 2, or try "
            "--all-fits"
        )
    others = np.column_stack([twins[:, 0], np.roll(twins[:, 1], 1)])
    others = others[:0] if len(twins) == 1 else others
    rows = np.concatenate([twins, others])
    weights = read.weights.astype(np.float64)
    copies = [(size, row) for size in sizes for row in twins[:PLANTED, 0]]
    calls = [
        delayed(_searched)(weights[one], weights[other], read.seed_hidden, starts, seed)
        for one, other in rows
    ]
    calls += [
        delayed(_sought)(weights[row], size, read.seed_hidden, starts, noise.fold(seed, k))
        for k, (size, row) in enumerate(copies)
    ]
    found: list[Any] = []
    with isolated_children():
        workers = jobs if jobs > 0 else usable_cores()
        for answer in Parallel(workers, return_as="generator")(calls):
            found.append(answer)
            progress(len(found), len(calls))
    pairs = tuple(
        _pair(read, (int(one), int(other)), image, distance, number < len(twins), seed)
        for number, ((one, other), (image, distance)) in enumerate(zip(rows, found, strict=False))
    )
    planted = np.array(found[len(rows) :]).reshape(len(sizes), -1, 2)
    return Apart(
        pairs,
        tuple(_means(pairs, seed)),
        tuple(
            Planted(size, float(np.median(f)), float(f.max()), float(units.mean()), len(f))
            for size, (f, units) in zip(sizes, planted.swapaxes(1, 2), strict=True)
        ),
        starts,
        seed,
    )


def _twins(pictures: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The first two rows of every picture that has two: ``(n, 2)``."""
    rows = [np.flatnonzero(pictures == number)[:2] for number in np.unique(pictures)]
    return np.array([two for two in rows if len(two) == 2], int).reshape(-1, 2)


def _searched(
    weights: Array, reference: Array, seed_hidden: bool, starts: int, seed: int
) -> tuple[Array, float]:
    found = nearest(weights, reference, seed_hidden, starts, seed)
    return act(found.element, weights), found.distance


def _sought(
    weights: Array, size: float, seed_hidden: bool, starts: int, key: int
) -> tuple[float, float]:
    """Of a scrambled copy with noise: the distance found, in units of the noise, and the share of
    units recognised."""
    noisy = normals(noise.uniform(noise.fold(key, Study.PLANT), 2 * len(weights)))
    noisy *= size * np.linalg.norm(weights) / np.linalg.norm(noisy)
    element = random_element(noise.fold(key, Study.SCRAMBLE), seed_hidden)
    found = nearest(act(element, weights + noisy), weights, seed_hidden, starts)
    units = compose(found.element, element).permutation == np.arange(HIDDEN)
    return found.distance / size, float(units.mean())


def _pair(
    zoo: "Zoo", rows: tuple[int, int], image: Array, distance: float, same: bool, seed: int
) -> Pair:
    one, other = (zoo.weights[row].astype(np.float64) for row in rows)
    return Pair(
        ids=(str(zoo.id[rows[0]]), str(zoo.id[rows[1]])),
        same_picture=same,
        before=float(np.linalg.norm(one - other) / np.linalg.norm(other)),
        distance=distance,
        barrier_before=barrier(zoo, rows[1], one, other, seed) if same else None,
        barrier=barrier(zoo, rows[1], image, other, seed) if same else None,
    )


def barrier(zoo: "Zoo", row: int, start: Array, end: Array, seed: int = 0) -> float:
    """How much worse the line between weights ``(P,)`` grows a row's picture than its ends do.

    The most, over points of the line, by which the mean squared error at step 96 (RGBA, clipped to
    [0, 1]) exceeds what is linear between the ends (Frankle et al., 2020); 0 if it never does.
    """
    t = np.linspace(0, 1, POINTS)
    line = ((1 - t[:, None]) * start + t[:, None] * end).astype(np.float32)
    seeds = np.repeat(zoo.seed_states(row)[None], POINTS, axis=0)
    ncas = Automata.grown(line, seeds, seed, shows=zoo.trained)
    states = make_engine().rollout(ncas, ncas.starts(), 0, GROWN_STEP)[:, 0]
    off = np.clip(np.nan_to_num(ncas.seen(states)), 0, 1) - restored(zoo.target[row])
    error = (off.astype(np.float64) ** 2).mean(axis=(1, 2, 3))
    return float((error - ((1 - t) * error[0] + t * error[-1])).max())


def _means(pairs: Sequence[Pair], seed: int) -> list[Mean]:
    key = noise.fold(seed, Study.BOOTSTRAP)
    found = []
    for same in (True, False):
        some = [pair for pair in pairs if pair.same_picture == same]
        for what in ("before", "distance", "barrier_before", "barrier"):
            values = np.array([getattr(pair, what) for pair in some], float)
            if len(values) and np.isfinite(values).all():
                means = resampled_means(values[None, :, None], np.arange(len(values)), key)[:, 0]
                found.append(Mean(what, same, float(values.mean()), *interval(means), len(values)))
    return found
