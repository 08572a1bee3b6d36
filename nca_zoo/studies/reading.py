"""What will grow, read from weights alone: how well do readers that saw other NCAs tell it, and how
does that change with the number of NCAs that they learnt from?"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import check_enough, readable, shared_start
from nca_zoo.features.measures import Vectors, centre_on, informative_channels
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.quality import psnr
from nca_zoo.networks.learning import Schedule
from nca_zoo.networks.readers import QUERY, TRANSFORMER
from nca_zoo.networks.reading import (
    KernelPictureReader,
    NetworkPictureReader,
    PictureReader,
    SeenPictureReader,
)
from nca_zoo.pictures.targets import restored
from nca_zoo.probing.resampling import RESAMPLES, interval
from nca_zoo.studies.writing import FEWEST, FEWEST_NEW, nearest

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

STEPS = 3000  # of a network's training, at most; one an NCA: in more it learns them by heart ...
FEWEST_STEPS = 400  # ... but at least so many
OVER_WEIGHTS = Schedule(rate=2e-3, decay=0.1)
OVER_PICTURES = Schedule(rate=2e-3)


@dataclass(frozen=True)
class Told:
    """How near to what NCAs held out grew something came that knows their weights alone."""

    name: str
    learnt_from: int  # NCAs
    parameters: int  # numbers that were learnt; 0 of what only compares
    median: float  # dB of PSNR
    low: float  # 95 % interval of the median, over NCAs
    high: float
    gain: float  # mean difference to ridge regression from as many, dB
    gain_low: float  # 95 % interval, over NCAs
    gain_high: float
    cpu_s: float  # to learn


@dataclass(frozen=True)
class Reading:
    """All ways, from fewer NCAs and more."""

    held_out: int
    steps: int
    seed: int
    rows: tuple[Told, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


Found = tuple[Vectors, int]  # pictures that are told of the NCAs held out, numbers learnt for it
Way = Callable[[Vectors, Vectors, Vectors], Found]  # known weights and pictures, new weights
RIDGE = "ridge"
Reader = PictureReader | KernelPictureReader | SeenPictureReader | NetworkPictureReader


def reading(
    zoo: "Zoo",
    sizes: Sequence[int] = (),
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress = silent,
) -> Reading:
    """Learn from a zoo's training split, and from as few of it as ``sizes`` say, to tell what NCAs
    of the test split grow by step 96.

    Reads the good NCAs, one of each picture. steps: of the training of networks, at most. Raises
    ZooError if NCAs share no start, for fewer than 20, fewer than 2 of test pictures, and for sizes
    that there are not.
    """
    zoo.must_stand_still("a reader")
    shared_start(zoo, "a reader")
    good = readable(zoo)
    read = good.subset(np.unique(good.picture_numbers(), return_index=True)[1])
    check_enough(zoo, read, FEWEST, "a reader with NCAs held out")
    known, new = (read.subset(read.split == split) for split in ("train", "test"))
    check_enough(new, new, FEWEST_NEW, "a reader with test pictures")
    asked = sorted({*sizes, len(known)})
    if asked[0] < 2 or asked[-1] > len(known):
        raise ZooError(
            f"--sizes must lie between 2 and the {len(known)} NCAs that there are to learn from"
        )
    due, rows = grown_centred(new), []
    for number, size in enumerate(asked):
        some = thinned(known, size, seed)
        reached = {
            name: (psnr(told, due), numbers, spent)
            for name, told, numbers, spent in _told(some, new, steps)
        }
        usual = reached[RIDGE][0]
        rows += [_row(name, size, *found, usual, seed) for name, found in reached.items()]
        progress(number + 1, len(asked))
    return Reading(len(new), steps, seed, tuple(rows))


def thinned(zoo: "Zoo", size: int, seed: int) -> "Zoo":
    """``size`` NCAs of a zoo, evenly over classes; fewer are part of more."""
    draws = noise.uniform(noise.fold(seed, Study.THIN), len(zoo))
    place, labels = np.zeros(len(zoo)), np.asarray(zoo.label)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        place[mine[np.argsort(draws[mine])]] = (np.arange(len(mine)) + 0.5) / len(mine)
    return zoo.subset(np.sort(np.argsort(place, kind="stable")[:size]))


def _told(known: "Zoo", new: "Zoo", steps: int) -> Iterator[tuple[str, Vectors, int, float]]:
    """What each way tells, ``(M, H, W, C)``, the numbers it learnt, and CPU seconds."""
    pictures = grown_centred(known)
    steps = min(steps, max(FEWEST_STEPS, len(known)))
    seeing = replace(OVER_PICTURES, steps=steps)
    ways: dict[str, Way] = {
        "mean picture": _mean,
        "picture of the nearest weights": _nearest,
        RIDGE: partial(_read, PictureReader()),
        "kernel ridge": partial(_read, KernelPictureReader()),
        "kernel ridge, then a U-Net": partial(_read, SeenPictureReader(seeing)),
    }
    for name, kind in {"transformer": TRANSFORMER, "query reader": QUERY}.items():
        reader = NetworkPictureReader(kind, replace(OVER_WEIGHTS, steps=steps))
        ways[name] = partial(_read, reader)
    for name, way in ways.items():
        start = time.process_time()
        told, numbers = way(known.weights, pictures, new.weights)
        yield name, told, numbers, time.process_time() - start


def grown_centred(zoo: "Zoo") -> Vectors:
    """What NCAs grew by step 96, ``(N, H, W, C)``, the seed in the middle; one channel for each
    group that says the same in all targets."""
    pictures, groups = restored(zoo.grown), informative_channels(zoo.target)
    merged = np.stack([pictures[..., group].mean(axis=-1) for group in groups], axis=-1)
    return centre_on(merged.astype(np.float32), zoo.seed_row, zoo.seed_col)


def _mean(weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    return np.broadcast_to(pictures.mean(axis=0), (len(new), *pictures.shape[1:])), 0


def _nearest(weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    return pictures[nearest(weights, new)], 0


def _read(reader: Reader, weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    reader.fit(weights, pictures)
    return reader.read(new), reader.parameters


def _row(
    name: str,
    size: int,
    reached: Vectors,
    parameters: int,
    cpu_s: float,
    usual: Vectors,
    seed: int,
) -> Told:
    """Medians, and differences to ridge regression; intervals are a bootstrap over NCAs."""
    keys = noise.fold(noise.fold(seed, Study.BOOTSTRAP), np.arange(RESAMPLES))
    drawn = (noise.uniform(keys, len(reached)) * len(reached)).astype(int)
    gains = reached - usual
    return Told(
        name,
        size,
        parameters,
        float(np.median(reached)),
        *interval(np.median(reached[drawn], axis=1)),
        float(gains.mean()),
        *interval(gains[drawn].mean(axis=1)),
        cpu_s,
    )
