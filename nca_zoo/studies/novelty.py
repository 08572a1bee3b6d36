"""How good and how new are imagined NCAs? By the yardstick of Zeng et al. (CVPR 2026).

What is imagined is compared with NCAs that were held out, in quality and in distance to what it was
made of; and with what knows less: copies with noise, averages, other models. docs/imagine.md says
what each column is.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.building.imagining import Imagined, own_jobs, settings_of, settled
from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Floats, Vectors, centre_on
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure
from nca_zoo.networks.flow import Flow
from nca_zoo.networks.imagining import (
    BLENDED,
    CLUSTERS,
    COMPONENTS,
    Draw,
    Way,
    average,
    by_shares,
    clusters,
    copies,
    gaussian,
)
from nca_zoo.networks.judge import Judge, centred_targets, judge_of
from nca_zoo.probing.resampling import deal_folds, interval, resampled_means
from nca_zoo.studies.imagining import (
    STEPS,
    check_enough,
    imaginable,
    imagine,
    imagined_from,
    learn_to_imagine,
)
from nca_zoo.symmetry.group import normals
from nca_zoo.training.trainer import Fit

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

FOLDS = 5  # of which one is held out
HELD_OUT = "NCAs held out"
Made = tuple[list[Fit], npt.NDArray[np.integer]]  # NCAs, and the class that each is to be of


@dataclass(frozen=True)
class Row:
    """What NCAs that were come by in one way are like."""

    name: str
    n: int
    read: float  # share that the judge reads as of their class at step 96
    low: float  # 95 % interval
    high: float
    read_400: float
    passed: float  # share that passes the gate on their own picture, at steps 96 and 400
    healed: float  # share of the standard wounds that close, mean
    weights: float  # distance to the nearest known weights, over that of NCAs held out: medians
    nearest_db: float  # PSNR against the nearest known picture, median
    frechet: float  # distance from all that is known, in what the judge answers


@dataclass(frozen=True)
class Comparison:
    """Ways to come by NCAs, side by side."""

    rows: tuple[Row, ...]
    learnt_from: int
    held_out: int
    distance: float  # of NCAs held out from the nearest known weights, median
    tried: int  # imagined by the last `imagine`, until as many as were wanted had passed
    judge: str  # what the judge learned from
    steps: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def compare(
    zoo: "Zoo",
    steps: int = STEPS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
    data_dir: Path = Path("data"),
    only: Sequence[str] = (),
) -> Comparison:
    """Imagine from four fifths of a zoo's pictures, in many ways, as many NCAs as are the rest.

    Reads the good NCAs that have a class, one of each picture. data_dir: where the judge's digits
    are kept. only: beside NCAs held out, measure the ways whose names are or hold one of these; all
    unless given. Raises ZooError as ``imagine``, and for one that no name is or holds.
    """
    good = imaginable(zoo)
    good = good.subset(np.unique(good.picture_numbers(), return_index=True)[1])
    if len(np.unique(good.label)) < 2:
        raise ZooError(f"{zoo.path}: a judge of classes needs NCAs of two classes; build more")
    judge, free = judge_of(good, data_dir)
    read = good.subset(free)
    dealt = noise.fold(seed, Study.FOLDS)
    fold = deal_folds(np.asarray(read.label), np.arange(len(read)), FOLDS, dealt)
    known, new = read.subset(fold > 0), read.subset(fold == 0)
    for label in np.unique(known.label).tolist():
        check_enough(known, label)
    yardstick = _Yardstick(known, new, judge, seed, jobs)
    ways = _Ways(known, new, yardstick, steps, seed, jobs)
    chosen = [HELD_OUT, *_chosen([name for name in ways.all if name != HELD_OUT], only)]
    rows = []
    for name in chosen:
        rows.append(yardstick.row(name, *ways.all[name]()))
        progress(len(rows), len(chosen))
    told = (yardstick.apart, ways.tried, judge.of, steps, seed)
    return Comparison(tuple(rows), len(known), len(new), *told)


def _chosen(names: list[str], only: Sequence[str]) -> list[str]:
    """The names that are or hold one of ``only``, or all; one that is a name is that alone."""
    if unknown := [part for part in only if not any(part in name for name in names)]:
        raise ZooError(f"no way to imagine is called {' or '.join(unknown)}; there are: {names}")
    parts = [part for part in only if part not in names]
    return [n for n in names if not only or n in only or any(part in n for part in parts)]


class _Ways:
    """Ways to come by as many NCAs of each class as are held out; each is taken when asked for."""

    def __init__(
        self, known: "Zoo", new: "Zoo", yardstick: "_Yardstick", steps: int, seed: int, jobs: int
    ) -> None:
        self._known, self._new, self._yardstick = known, new, yardstick
        self._steps, self._seed, self._jobs = steps, seed, jobs
        self._key = noise.fold(seed, Study.IMAGINE)
        self.tried = 0  # by `imagine`, the last time
        few = partial(gaussian, components=COMPONENTS)
        self.all: dict[str, Callable[[], Made]] = {
            HELD_OUT: lambda: self._judged(_as_they_are(new)),
            **self._both("one that is known, and noise", self._noisy),
            **self._both(f"average of {BLENDED}", lambda: self._drawn(average)),
            **self._both(
                f"a Gaussian for each of {CLUSTERS} clusters", lambda: self._drawn(clusters)
            ),
            f"Gaussian, {COMPONENTS} components": lambda: self._judged(self._drawn(few)),
            **self._both("Gaussian", lambda: self._drawn(gaussian)),
            **self._both("flow", lambda: _as_many(self._flow.draw, new, self._key)),
            "`imagine`: read, settled, gated": lambda: self._kept(None),
            "`imagine`: flow, read, settled, gated": lambda: self._kept(self._flow.draw),
        }

    def _both(self, name: str, made: Callable[[], Imagined]) -> dict[str, Callable[[], Made]]:
        """As they come, and trained to stay what they grow."""
        return {
            name: lambda: self._judged(made()),
            f"{name}, settled": lambda: self._judged(made(), self._steps),
        }

    def _judged(self, ncas: Imagined, steps: int = 0) -> Made:
        return self._yardstick.settled(ncas, steps), ncas.labels

    def _drawn(self, way: Way) -> Imagined:
        return _as_many(by_shares(self._known, way), self._new, self._key)

    def _noisy(self) -> Imagined:
        return _with_noise(self._drawn(copies), self._yardstick.apart, self._seed)

    @cached_property
    def _flow(self) -> Flow:
        return learn_to_imagine(self._known)

    def _kept(self, draw: Draw | None) -> Made:
        """What `imagine` keeps."""
        classes, counts = np.unique(self._new.label, return_counts=True)
        most, asked = int(counts.max()), (self._seed, self._steps, self._jobs)
        found = imagine(self._known, classes.tolist(), most, *asked, draw=draw)
        self.tried = found.tried
        return found.fits, np.asarray(found.labels)


def _as_they_are(zoo: "Zoo") -> Imagined:
    seeds = np.stack([zoo.seed_row, zoo.seed_col], axis=1).astype(int)
    return Imagined(zoo.weights, seeds, np.asarray(zoo.label, int))


def _as_many(draw: Draw, new: "Zoo", key: int) -> Imagined:
    """As many imagined NCAs of each class as there are held out."""
    each = [
        imagined_from(draw, new.grid, int(label), np.arange(count), key)
        for label, count in zip(*np.unique(new.label, return_counts=True), strict=True)
    ]
    names = [field.name for field in dataclasses.fields(Imagined)]
    return Imagined(*(np.concatenate([getattr(ncas, name) for ncas in each]) for name in names))


def _with_noise(ncas: Imagined, size: float, seed: int) -> Imagined:
    """The same, moved by so much in a random direction."""
    keys = noise.fold(noise.fold(seed, Study.PLANT), np.arange(len(ncas.weights)))
    aside = normals(noise.uniform(keys, 2 * ncas.weights.shape[1]).T).T
    aside *= size / np.linalg.norm(aside, axis=1, keepdims=True)
    return dataclasses.replace(ncas, weights=(ncas.weights + aside).astype(np.float32))


class _Yardstick:
    """What all ways are measured by."""

    def __init__(self, known: "Zoo", new: "Zoo", judge: Judge, seed: int, jobs: int) -> None:
        self._zoo, self._judge, self._seed, self._threads = known, judge, seed, jobs
        self._settings = settings_of(known, seed)
        self._weights = known.weights
        self._pictures = centred_targets(known)
        self._answers = judge.answers(self._pictures)
        self.apart = float(np.median(nearest(self._weights, new.weights)))

    def settled(self, ncas: Imagined, steps: int) -> list[Fit]:
        ids = [f"{label}-{k}" for k, label in enumerate(ncas.labels.tolist())]
        drawn = own_jobs(ncas, ids, self._zoo.grid, self._settings, self._threads)
        return settled(drawn, self._settings, steps, self._threads)

    def row(self, name: str, fits: list[Fit], labels: npt.ArrayLike) -> Row:
        """What these NCAs do under masks that decided nothing about them."""
        gate, wanted = self._settings.regime.gate, np.asarray(labels)
        weights = np.stack([fit.weights for fit in fits])
        targets = np.stack([fit.job.target.trained for fit in fits])
        seeds = np.stack([fit.job.seed_state(self._settings.regime) for fit in fits])
        shows, rate = self._settings.target.trained, self._settings.regime.fire_rate
        ncas = Automata.grown(weights, seeds, shows=shows, fire_rate=rate)
        looks = measure(make_engine(threads=self._threads), ncas, targets)
        rows, cols = np.array(
            [(j.target.seed_row, j.target.seed_col) for j in (f.job for f in fits)]
        ).T
        grown, late = (
            centre_on(np.clip(np.nan_to_num(looks[trial.name].pictures), 0, 1), rows, cols)
            for trial in (GROWN, STABLE)
        )
        right = self._judge.read(grown) == wanted
        bootstrap = noise.fold(self._seed, Study.BOOTSTRAP)
        means = resampled_means(right[None, :, None].astype(float), np.arange(len(fits)), bootstrap)
        cells = grown[0].size
        off = nearest(_flat(self._pictures), _flat(grown)) ** 2 / cells
        return Row(
            name,
            len(fits),
            float(right.mean()),
            *interval(means[:, 0]),
            float((self._judge.read(late) == wanted).mean()),
            float(gate.reached(looks, "passes").mean()),
            float(np.mean([fit.heals for fit in fits])),
            float(np.median(nearest(self._weights, weights))) / self.apart,
            float(np.median(-10 * np.log10(np.maximum(off, 1e-10)))),
            frechet(self._answers, self._judge.answers(grown)),
        )


def _flat(pictures: Vectors) -> Vectors:
    return pictures.reshape(len(pictures), -1)


def nearest(known: Vectors, new: Vectors) -> Floats:
    """How far each of ``(M, D)`` is from the nearest of ``(N, D)``: ``(M,)``."""
    ours, theirs = new.astype(np.float64), known.astype(np.float64)
    squares = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1) - 2 * ours @ theirs.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def frechet(one: Floats, other: Floats) -> float:
    """Fréchet distance of two Gaussians with the means and covariances of ``(N, D)``, ``(M, D)``.

    ``|m - n|^2 + tr(A + B - 2 (A B)^(1/2))``, as Heusel et al. (2017) compare sets of pictures.
    """
    apart = one.mean(axis=0) - other.mean(axis=0)
    A, B = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(A @ B).real, 0))
    return float(apart @ apart + np.trace(A) + np.trace(B) - 2 * roots.sum())
