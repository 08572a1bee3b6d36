"""One NCA for several pictures: which of them it grows is what it hears.

In the file each picture has a row of its own, the plain NCA that always hears its signal: the rows
differ in ``b1`` alone, and everything that knows NCAs knows them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nca_zoo.automaton.noise import fit_seed
from nca_zoo.automaton.signals import heard
from nca_zoo.building.build import header, make_job, record
from nca_zoo.building.costs import cost_of
from nca_zoo.building.moving import further_columns
from nca_zoo.building.settings import UNTOUCHED, BuildSettings, Tell, quiet, solo_settings
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import holds
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.levels import Pixels
from nca_zoo.pictures.sources import Picture, Source
from nca_zoo.pictures.targets import common_seed
from nca_zoo.store.assemble import claimed
from nca_zoo.store.parts import zoo_path
from nca_zoo.store.zoowriter import write_zoo
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import Init, several_init
from nca_zoo.training.lessons import conditions
from nca_zoo.training.trainer import Fit, Watcher, train

EXAMPLES = 8  # a training step, at most, unless a person says: each sees one condition
STATES_EACH = 4  # of the pool, for each condition
STEPS_EACH, AVERAGE, LR = 150, 0.95, 1e-3  # of training at least; 2e-3 ends in noise


@dataclass(frozen=True, eq=False)
class Together:
    """Pictures that one NCA learns."""

    pictures: Sequence[Picture]
    jobs: Sequence[Job]  # of each picture alone, but from one seed cell and start
    code: int  # length of the vectors, which are learnt; 0: one of so many

    @property
    def job(self) -> Job:
        """What the trainer needs."""
        first, frames = self.jobs[0], np.stack([job.target.trained for job in self.jobs])
        coder = first.init.coder
        if coder is None or coder.S is None:
            return replace(first, lesson=conditions(frames, self.code))
        codes = np.stack([coder.shares(job.target) for job in self.jobs])
        usual = mean(codes, axis=0)
        begins = replace(first.init, shared=heard(coder.base, coder.S, usual))
        lesson = conditions(frames, self.code, (coder.S, codes - usual))
        return replace(first, init=begins, lesson=lesson)

    def records(self, fits: Sequence[Fit]) -> list[dict[str, Any]]:
        """Fits as rows of the zoo file."""
        return [
            record(self.pictures[fit.place], replace(fit, job=self.jobs[fit.place])) for fit in fits
        ]


def together(pictures: Sequence[Picture], settings: BuildSettings, code: int = 0) -> Together:
    """Pictures of one size, each with an id of its own; raises ZooError for others.

    All grow from one cell: of those that most pictures light, the one nearest the centre.
    """
    ids = [picture.id for picture in pictures]
    if len(set(ids)) < len(ids):
        raise ZooError(f"two of these pictures are called {max(ids, key=ids.count)}; rename one")
    sizes = {f"{p.pixels.shape[1]} x {p.pixels.shape[0]}" for p in pictures}
    if len(sizes) > 1:
        raise ZooError(
            f"one NCA grows pictures of one size, and these have {' and '.join(sorted(sizes))} "
            "cells; give --size"
        )
    if settings.motion is not None or any(picture.frames for picture in pictures):
        raise ZooError("one NCA grows several pictures only if they stand still; fit a film alone")
    if settings.regime.seeds > 1:
        raise ZooError("one NCA grows several pictures from one seed; leave --seeds out")
    if code < 0:
        raise ZooError(f"a code of {code} numbers; it must be 1 or more, or 0 for one of so many")
    jobs = [make_job(picture, settings) for picture in pictures]
    if settings.target.seed_at == "ink":
        row, col = common_seed([job.target for job in jobs])
        jobs = [
            replace(job, target=replace(job.target, seed_row=row, seed_col=col)) for job in jobs
        ]
    seed = fit_seed(settings.seed, " ".join(ids))
    return Together(pictures, [replace(job, rng_seed=seed) for job in jobs], code)


def several_settings(choices: Mapping[str, Any], pixels: Sequence[Pixels]) -> BuildSettings:
    """``solo_settings`` of one NCA for pictures of these pixels.

    Unless they were chosen: it begins at a rule that has learnt to hear codes, if one ships for
    what is visible, with those that are written for the pictures; a batch and a pool see them all,
    and there is time to tell them apart, in steps that fall to nothing.
    """
    choices = {**choices, "regime": choices["regime"] or UNTOUCHED}
    init = _one_rule(choices)
    if init is not None:
        choices |= {"init": "meta", "start": None}
    settings, n = solo_settings(choices, pixels[0]), len(pixels)
    regime = settings.regime
    batch = choices["batch"] or max(regime.batch, min(n + 1, EXAMPLES))
    pool = choices["pool"]
    if pool is None:
        pool = regime.pool and max(regime.pool, STATES_EACH * n, batch)
    steps = choices["steps"] or max(regime.steps, STEPS_EACH * n)
    changed = replace(
        regime,
        batch=batch,
        pool=pool,
        steps=steps,
        lr=choices["lr"] or LR,
        schedule="cosine",
        decay_at=steps + regime.extra_steps,
        average=max(regime.average, AVERAGE),
    )
    return replace(settings, regime=changed, init=init or settings.init)


def _one_rule(choices: Mapping[str, Any]) -> Init | None:
    """The rule that these choices begin at, if they do not begin as one picture would."""
    named, start = choices["init"], choices["start"]
    if named == "written":
        init = several_init(choices["visible"], start)
        if init is None:
            raise ZooError(
                f"no rule ships for several pictures with --visible {choices['visible']}; use "
                "--init meta, or --start with a file of `nca-zoo metastart --code`"
            )
        return init
    begins_as_one = named is not None or choices["regime"] == "writeup"
    if begins_as_one or (start is not None and not holds(start, "changes")):
        return None
    return several_init(choices["visible"], start)


def fit_together(
    group: Together,
    settings: BuildSettings,
    threads: int = 1,
    watch: Watcher | None = None,
    tell: Tell = quiet,
) -> list[Fit]:
    """Train the one NCA; gives a fit for each picture. Arguments and errors: as ``fit_alone``."""
    job = group.job
    cost_of(job.target, settings, threads=threads).check(tell)
    engine = make_engine(settings.engine, settings.device, threads)
    return list(train([job], settings.regime, engine, 1, watch))


@contextmanager
def zoo_of_several(
    path: Path,
    source: Source,
    group: Together,
    settings: BuildSettings,
    size: int | None = None,
    replaces: bool = False,
    scale: float | None = None,
) -> Iterator[Callable[[Sequence[Fit]], None]]:
    """As ``zoo_of_one``; call the result to put all fits there, with ``S`` and ``s`` as columns."""
    path, about = zoo_path(path), header(source, settings, size, scale)
    with claimed(path, replaces, "give --replace to train anew, or another --out"):
        yield lambda fits: write_zoo(
            path,
            about,
            group.records(fits),
            further_columns(fits[0], settings.regime, "nca-zoo fit"),
        )
