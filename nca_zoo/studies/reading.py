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
from nca_zoo.features.measures import Vectors
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.quality import psnr
from nca_zoo.networks.learning import Schedule
from nca_zoo.networks.practice import grown_centred, practice
from nca_zoo.networks.readers import QUERY, TRANSFORMER, Kind
from nca_zoo.networks.reading import NetworkPictureReader, PictureReader
from nca_zoo.probing.resampling import RESAMPLES, interval
from nca_zoo.studies.writing import FEWEST, FEWEST_NEW, nearest

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

PRACTICE = 4000  # NCAs drawn from classes, for readers to learn from, too
STEPS = 1500  # of a network's training with practice
EARLY = 400  # and without: in more it would only learn by heart what few NCAs there are
SLOW = Schedule(STEPS, rate=2e-3, decay=0.1)


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
    practice: int
    steps: int
    seed: int
    rows: tuple[Told, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


Found = tuple[Vectors, int]  # pictures that are told of the NCAs held out, numbers learnt for it
Way = Callable[[Vectors, Vectors, Vectors], Found]  # known weights and pictures, new weights
RIDGE = "ridge"
JOINT = "mean of ridge and both of these"


def reading(
    zoo: "Zoo",
    sizes: Sequence[int] = (),
    count: int = PRACTICE,
    steps: int = STEPS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
) -> Reading:
    """Learn from a zoo's training split, and from as few of it as ``sizes`` say, to tell what NCAs
    of the test split grow by step 96.

    Reads the good NCAs, one of each picture. count: NCAs between the known ones that are grown for
    networks to learn from, too; steps: of their training. Raises ZooError if NCAs share no start,
    for fewer than 20, fewer than 2 of test pictures, and for sizes that there are not.
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
            for name, told, numbers, spent in _told(some, new, count, steps, seed, jobs)
        }
        usual = reached[RIDGE][0]
        rows += [_row(name, size, *found, usual, seed) for name, found in reached.items()]
        progress(number + 1, len(asked))
    return Reading(len(new), count, steps, seed, tuple(rows))


def thinned(zoo: "Zoo", size: int, seed: int) -> "Zoo":
    """``size`` NCAs of a zoo, evenly over classes; fewer are part of more."""
    draws = noise.uniform(noise.fold(seed, Study.THIN), len(zoo))
    place, labels = np.zeros(len(zoo)), np.asarray(zoo.label)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        place[mine[np.argsort(draws[mine])]] = (np.arange(len(mine)) + 0.5) / len(mine)
    return zoo.subset(np.sort(np.argsort(place, kind="stable")[:size]))


def _told(
    known: "Zoo", new: "Zoo", count: int, steps: int, seed: int, jobs: int
) -> Iterator[tuple[str, Vectors, int, float]]:
    """What each way tells, ``(M, H, W, C)``, the numbers it learnt, and CPU seconds."""
    start, examples = time.process_time(), (known.weights, grown_centred(known))
    more = practice(known, count, seed, jobs)
    grown = time.process_time() - start
    every = tuple(np.concatenate(both) for both in zip(examples, more, strict=True))
    long, short = (replace(SLOW, steps=n) for n in (steps, min(steps, EARLY)))
    networks = {"transformer": TRANSFORMER, "query reader": QUERY}
    ways: dict[str, tuple[Way, Sequence[Vectors]]] = {
        "mean picture": (_mean, examples),
        "picture of the nearest weights": (_nearest, examples),
        RIDGE: (_ridge, examples),
    }
    ways |= {name: (partial(_network, kind, short), examples) for name, kind in networks.items()}
    ways[f"{RIDGE}, and practice"] = _ridge, every
    ways |= {
        f"{name}, and practice": (partial(_network, kind, long), every)
        for name, kind in networks.items()
    }
    joint: list[tuple[Vectors, int, float]] = []
    for name, (way, seen) in ways.items():
        start = time.process_time()
        told, numbers = way(seen[0], seen[1], new.weights)
        spent = time.process_time() - start
        yield name, told, numbers, spent + grown * (seen is every)
        if name == RIDGE or (seen is every and way is not _ridge):
            joint.append((told, numbers, spent))
    pictures = np.mean([told for told, _, _ in joint], axis=0)
    numbers = sum(numbers for _, numbers, _ in joint)
    yield JOINT, pictures, numbers, grown + sum(spent for _, _, spent in joint)


def _mean(weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    return np.broadcast_to(pictures.mean(axis=0), (len(new), *pictures.shape[1:])), 0


def _nearest(weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    return pictures[nearest(weights, new)], 0


def _ridge(weights: Vectors, pictures: Vectors, new: Vectors) -> Found:
    reader = PictureReader().fit(weights, pictures)
    return reader.read(new), reader.parameters


def _network(
    kind: Kind, schedule: Schedule, weights: Vectors, pictures: Vectors, new: Vectors
) -> Found:
    reader = NetworkPictureReader(kind, schedule).fit(weights, pictures)
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
