"""How well weights can be written from pictures, and pictures read from weights, that neither the
writer nor the reader has seen? Against what knows less."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.features.catalogue import check_enough, readable, shared_start
from nca_zoo.features.measures import Vectors
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure, psnr
from nca_zoo.networks.reading import PictureReader
from nca_zoo.networks.writing import COMPONENTS, learn_writer, seen_centred, targets_of
from nca_zoo.probing.resampling import RESAMPLES, interval
from nca_zoo.training.writer import Writer

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Floats = npt.NDArray[np.float32]
FEWEST = 20  # NCAs, of different pictures
FEWEST_NEW = 2  # of them test pictures
LINEAR, GIVEN = "written, linear", "written by the writer given"
SOLID_DB = 20.0  # as `build` counts


@dataclass(frozen=True)
class Found:
    """How near to the pictures held out something came, in dB of PSNR."""

    name: str
    n: int
    median: float  # of what grew by step 96, or was read
    low: float  # 95 % interval of the median, over pictures
    high: float
    lasting: float | None = None  # median at step 400
    solid: float | None = None  # share of NCAs at 20 dB or more at both steps


@dataclass(frozen=True)
class BothWays:
    """From pictures to weights, and from weights to pictures."""

    learnt_from: int  # NCAs
    held_out: int
    components: int
    seed: int
    written: tuple[Found, ...]
    read: tuple[Found, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def both_ways(
    zoo: "Zoo",
    components: int = COMPONENTS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
    writer: Writer | None = None,
) -> BothWays:
    """Learn a linear writer and a reader from a zoo's training split, and try the test split.

    Reads the good NCAs, one of each picture. writer: another one, to be tried beside. Raises
    ZooError if they share no start, for fewer than 20, for fewer than 2 of test pictures, and for a
    writer that sees other channels.
    """
    start = shared_start(zoo, "a writer")
    good = readable(zoo)
    read = good.subset(np.unique(good.picture_numbers(), return_index=True)[1])
    check_enough(zoo, read, FEWEST, "a writer with pictures held out")
    known, new = (read.subset(read.split == split) for split in ("train", "test"))
    check_enough(new, new, FEWEST_NEW, "a writer with test pictures")
    return BothWays(
        learnt_from=len(known),
        held_out=len(new),
        components=components,
        seed=seed,
        written=_written(known, new, start, components, writer, seed, jobs, progress),
        read=_read(known, new, seed),
    )


def _written(
    known: "Zoo",
    new: "Zoo",
    start: Vectors,
    components: int,
    other: Writer | None,
    seed: int,
    jobs: int,
    progress: Progress,
) -> tuple[Found, ...]:
    """Weights for the pictures held out, come by in every way, and what they grow."""
    asked = targets_of(new)
    by = {LINEAR: learn_writer(known, components)}
    if other is not None:
        by = {GIVEN: other} | by
    closest = nearest(seen_centred(known), seen_centred(new))
    ways = {
        "trained on the picture itself": new.weights,
        **{name: np.stack([each.weights(one) for one in asked]) for name, each in by.items()},
        "trained on the nearest picture": known.weights[closest],
        "mean of the weights": known.weights.mean(axis=0),
        "the start": start,
    }
    engine, ncas = make_engine(threads=jobs), new.ncas(seed=seed)
    found = []
    for number, (name, weights) in enumerate(ways.items()):
        all_of_it = np.broadcast_to(weights, new.weights.shape).astype(np.float32)
        tried = dataclasses.replace(ncas, weights=np.ascontiguousarray(all_of_it))
        looks = measure(engine, tried, np.stack([each.trained for each in asked]))
        grown, lasting = looks[GROWN.name].psnr, looks[STABLE.name].psnr
        solid = float(np.mean(np.minimum(grown, lasting) >= SOLID_DB))
        row = _found(name, grown, seed)
        found.append(dataclasses.replace(row, lasting=float(np.median(lasting)), solid=solid))
        progress(number + 1, len(ways))
    return tuple(found)


def _read(known: "Zoo", new: "Zoo", seed: int) -> tuple[Found, ...]:
    """Pictures of the NCAs held out, told from their weights."""
    pictures, due = seen_centred(known), seen_centred(new)
    closest = nearest(known.weights, new.weights)
    ways = {
        "read from the weights": PictureReader().fit(known.weights, pictures).read(new.weights),
        "picture of the nearest weights": pictures[closest],
        "mean picture": np.broadcast_to(pictures.mean(axis=0), due.shape),
    }
    return tuple(_found(name, psnr(told, due), seed) for name, told in ways.items())


def nearest(known: Vectors, new: Vectors) -> npt.NDArray[np.integer]:
    """Which of ``(N, ...)`` each of ``(M, ...)`` is nearest to, ``(M,)``."""
    ours, theirs = (each.reshape(len(each), -1).astype(np.float64) for each in (new, known))
    squares = (theirs**2).sum(axis=1) - 2 * ours @ theirs.T
    return squares.argmin(axis=1)


def _found(name: str, reached: Floats, seed: int) -> Found:
    """A row; the median's interval is a bootstrap over pictures."""
    keys = noise.fold(noise.fold(seed, Study.BOOTSTRAP), np.arange(RESAMPLES))
    drawn = (noise.uniform(keys, len(reached)) * len(reached)).astype(int)
    medians = np.median(reached[drawn], axis=1)
    return Found(name, len(reached), float(np.median(reached)), *interval(medians))
