"""Imagining: new NCAs from those of a class that a zoo holds, of which those are kept that pass.

Weights come from a Gaussian (nca_zoo/networks/imagining.py) or from a flow (networks/flow.py). How
good and how new what is kept is, against what knows less, is for nca_zoo/studies/novelty.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.building.imagining import Imagined, own_jobs, settings_of, settled
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import readable, shared_start
from nca_zoo.features.measures import Ints, centre_on
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.networks.flow import SIZE, Flow, Size, learn_flow
from nca_zoo.networks.imagining import Draw, by_shares, usual
from nca_zoo.networks.judge import Judge, centred_targets, inked
from nca_zoo.pictures.names import cleaned
from nca_zoo.training.cohort import Job
from nca_zoo.training.trainer import Fit

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

STEPS = 20  # training steps of what is imagined, at most, towards its own picture
FEWEST = 10  # NCAs of a class to imagine others from
AT_ONCE = 8  # NCAs that are imagined before anybody looks whether they are enough
MOST_TRIED = 20  # times as many as are wanted, before we give up


@dataclass(frozen=True, eq=False)
class Imagination:
    """NCAs that were imagined and passed."""

    labels: list[int]  # the class of each
    fits: list[Fit]
    tried: int
    misread: int  # of those tried, were not of their class by a reader of the zoo's own pictures
    failed: int  # of the others, did not pass the gate


def imagined_from(
    draw: Draw, grid: tuple[int, int], label: int, numbers: Ints, key: int
) -> Imagined:
    """NCAs of a class, the ``numbers``-th ``(K,)`` that a key gives."""
    keys = noise.fold(noise.fold(key, label), numbers)
    weights, places = draw(label, keys)
    inside = np.clip(np.rint(places), 0, np.array(grid) - 1).astype(np.int64)
    return Imagined(weights, inside, np.full(len(weights), label))


def learn_to_imagine(zoo: "Zoo", size: Size = SIZE) -> Flow:
    """A flow from the good NCAs of a zoo that have a class; raises ZooError as ``imagine``."""
    known = imaginable(zoo)
    for label in np.unique(known.label).tolist():
        check_enough(known, label)
    places = np.stack([known.seed_row, known.seed_col], axis=1)
    return learn_flow(known.weights, places, known.label, {"zoo": zoo.digest}, size)


def imagine(
    zoo: "Zoo",
    classes: Sequence[int],
    count: int,
    seed: int = 0,
    steps: int = STEPS,
    jobs: int = 1,
    progress: Progress = silent,
    draw: Draw | None = None,
) -> Imagination:
    """``count`` NCAs of each class, from ``draw``, or a Gaussian of the weights of its good NCAs.

    What each grows is read by a reader that learned from the zoo's own pictures; what is not of its
    class is dropped. The others are trained for up to ``steps`` steps to stay what they grow, and
    kept if they pass the gate. Raises ZooError if the NCAs share no start, for a class of less than
    10, and if too few pass.
    """
    known, settings = imaginable(zoo), settings_of(zoo, seed)
    for label in classes:
        check_enough(known, label)
    draw, reader = draw or by_shares(known, usual), _own_reader(known)
    key = noise.fold(seed, Study.IMAGINE)
    labels: list[int] = []
    fits: list[Fit] = []
    tried = misread = failed = 0
    for label in classes:
        kept, number = 0, 0
        while kept < count:
            if number >= MOST_TRIED * count + AT_ONCE:
                raise ZooError(
                    f"{zoo.path}: of {number} NCAs imagined of class {zoo.classes.name(label)} "
                    f"{kept} passed, and {count} are wanted; ask for fewer, or for more --steps"
                )
            numbers = number + np.arange(AT_ONCE)
            ncas = imagined_from(draw, zoo.grid, label, numbers, key)
            ids = [f"{cleaned(zoo.classes.name(label))}-i{n:03d}" for n in numbers.tolist()]
            drawn = own_jobs(ncas, ids, zoo.grid, settings, jobs)
            asked = [drawn[k] for k in np.flatnonzero(_right(reader, drawn, label))]
            done = settled(asked, settings, steps, jobs)
            good = [fit for fit in done if fit.status == "ok"][: count - kept]
            fits += good
            labels += [label] * len(good)
            kept, number = kept + len(good), number + AT_ONCE
            tried, misread = tried + AT_ONCE, misread + AT_ONCE - len(asked)
            failed += sum(fit.status != "ok" for fit in done)
            progress(len(fits), count * len(classes))
    return Imagination(labels, fits, tried, misread, failed)


def imaginable(zoo: "Zoo") -> "Zoo":
    """The good NCAs that have a class; raises ZooError if they share no start."""
    shared_start(zoo, "imagining")  # else weights cannot be added up
    read = readable(zoo)
    return read.subset(np.asarray(read.label) >= 0)


def check_enough(zoo: "Zoo", label: int) -> None:
    """Raise ZooError if a class has too few NCAs to imagine others from."""
    there = int((np.asarray(zoo.label) == label).sum())
    if there < FEWEST:
        raise ZooError(
            f"{zoo.path}: imagining needs {FEWEST} good NCAs of a class, and there are {there} of "
            f"class {zoo.classes.name(label)}; build more"
        )


def _own_reader(known: "Zoo") -> Judge | None:
    """Reads the class of a picture as it learned from the zoo's own; None for a single class."""
    alone = len(np.unique(known.label)) < 2
    return None if alone else Judge(centred_targets(known), known.label, "the zoo's own targets")


def _right(reader: Judge | None, jobs: Sequence[Job], label: int) -> npt.NDArray[np.bool_]:
    """Which jobs' own pictures are read as of a class, ``(K,)``; all with ink, if nobody reads."""
    rgba = np.stack([job.target.rgba for job in jobs])
    rows, cols = np.array([(job.target.seed_row, job.target.seed_col) for job in jobs]).T
    shown = centre_on(rgba, rows, cols)
    return inked(shown) if reader is None else reader.read(shown) == label
