"""Building a zoo: pictures go in, and every finished NCA is in the file before it is reported.

One task is a cohort's worth of pictures, on one worker, here or elsewhere. Nothing about a fit
depends on the cohort, the worker or the order, so a build that was stopped goes on as if it had
not been.
"""

import contextlib
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from typing import Any

import numpy as np

from nca_zoo.automaton.noise import fit_seed
from nca_zoo.building.costs import cost_of
from nca_zoo.building.moving import further_columns, further_values
from nca_zoo.building.settings import BuildSettings, Tell, quiet
from nca_zoo.building.workers import run
from nca_zoo.ground.interrupts import finishing
from nca_zoo.life.engines import cohort_size as usual_cohort
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.films import film_of
from nca_zoo.pictures.sources import Picture, Source, target_of
from nca_zoo.pictures.targets import stored
from nca_zoo.store.schema import Header, resample_loss
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.cohort import Job
from nca_zoo.training.trainer import Fit, train_together
from nca_zoo.training.writer import Writer

LIBRARIES = ("nca-zoo", "numpy", "numba", "torch", "h5py")


def _versions() -> dict[str, str]:
    """Those of the libraries that are there: the sparse engine does without torch."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def header(
    source: Source,
    settings: BuildSettings,
    size: int | None = None,
    scale: float | None = None,
) -> Header:
    """What the zoo file says about all fits of a build.

    size, scale: as in ``load_pictures``. A scale is in the settings only if there is one.
    """
    init, shared = settings.init, settings.init.shared
    writes = init.writer or (init.coder if init.name == "written" else None)
    codes = None if init.name == "written" else init.coder
    return Header(
        settings={
            "source": source.name,
            "size": size,
            "target": settings.target.as_dict(),
            "regime": settings.regime.as_dict(),
            "init": init.name,
            "seed": settings.seed,
            "engine": settings.engine_used,
            **({} if writes is None else {"writer": writes.digest}),
            **({} if init.clock is None else {"init_clock": init.clock_digest}),
            **({} if codes is None else {"code": _code(codes)}),
            **({} if scale is None else {"scale": scale}),
            **({} if settings.motion is None else {"motion": settings.motion.as_dict()}),
        },
        source=f"{source.name}: {source.origin}",
        licence=source.licence,
        engine=f"{settings.engine_used} on {settings.device}, {platform.machine()}",
        versions=_versions() | {"python": platform.python_version()},
        init_weights=np.zeros(0, np.float32) if shared is None else shared,
        class_names=source.classes,
    )


def _code(coder: Writer) -> dict[str, Any]:
    return {"numbers": len(coder.changes), "rule": coder.digest}


def build(
    pictures: Sequence[Picture],
    settings: BuildSettings,
    writer: ZooWriter,
    workers: int = 1,
    cohort_size: int | None = None,
    client: Any = None,
    tell: Tell = quiet,
) -> Iterator[Fit]:
    """Fit all pictures that ``writer``'s zoo does not hold yet; yields each once it is on disk.

    workers: processes on this machine. client: of ``nca_zoo.building.workers.cluster``, which then
    fits. tell: hears if it takes much memory. Raises ZooError before any training for what cannot
    fit into the memory that there is here.
    """
    finished = writer.finished_ids()
    wanted = {picture.id: picture for picture in pictures if picture.id not in finished}
    # Much ink means many living cells and slow steps: those first, so that no worker ends late.
    # Targets are made again when their turn comes: those of 70,000 pictures would fill a gigabyte.
    ink = {name: _ink(picture, settings) for name, picture in wanted.items()}
    queue = sorted(wanted.values(), key=lambda picture: -ink[picture.id])
    cohort_size = cohort_size or usual_cohort(settings.device)
    if queue and client is None:
        most = make_job(queue[0], settings).target
        cost_of(most, settings, min(workers, len(queue)), min(cohort_size, len(queue))).check(tell)
    jobs = (make_job(picture, settings) for picture in queue)
    for fits in _fitted(jobs, settings, workers, cohort_size, client):
        with finishing():
            rows = [record(wanted[fit.job.id], fit) for fit in fits]
            writer.add(rows, further_columns(fits[0], settings.regime, "nca-zoo build"))
        yield from fits


def _fitted(
    jobs: Iterator[Job], settings: BuildSettings, workers: int, cohort_size: int, client: Any
) -> Iterator[list[Fit]]:
    """Fits of all jobs, some at a time.

    In this process the next NCA takes the place of each that is done, so that a GPU is never left
    with the last few of a cohort; a worker gets a cohort and sends it back.
    """
    if workers == 1 and client is None:
        yield from _train(jobs, settings, cohort_size)
    else:
        cohorts = iter(lambda: list(islice(jobs, cohort_size)), [])
        tasks = ((cohort, settings) for cohort in cohorts)
        yield from run(_fit_cohort, tasks, workers, client)


def _ink(picture: Picture, settings: BuildSettings) -> float:
    return float(make_job(picture, settings).target.rgba[..., -1].sum())


def make_job(picture: Picture, settings: BuildSettings) -> Job:
    """What the trainer needs to fit ``picture``; raises as ``target_of`` and ``film_of``."""
    target, film = target_of(picture, settings.target), None
    seed = fit_seed(settings.seed, picture.id)
    if settings.motion is not None:
        film, target = film_of(picture, target, settings.target, settings.motion, seed)
    return Job(picture.id, target, settings.init, seed, film=film)


def _train(jobs: Iterable[Job], settings: BuildSettings, cohort_size: int) -> Iterator[list[Fit]]:
    engine = make_engine(settings.engine, settings.device)
    return train_together(jobs, settings.regime, engine, cohort_size)


def _fit_cohort(jobs: list[Job], settings: BuildSettings) -> list[Fit]:
    return list(chain.from_iterable(_train(jobs, settings, len(jobs))))


def record(picture: Picture, fit: Fit) -> dict[str, Any]:
    """A fit as a row of the zoo file."""
    return {
        "id": picture.id,
        "name": picture.name or picture.id,
        "repeat": picture.repeat,
        "weights": fit.weights,
        "label": picture.label,
        "source_index": picture.source_index,
        "split": picture.split,
        "seed_row": fit.job.target.seed_row,
        "seed_col": fit.job.target.seed_col,
        "rng_seed": fit.job.rng_seed,
        "init": fit.job.init.name,
        "target": stored(fit.job.target.rgba),
        "grown": stored(fit.grown),
        **fit.measured,
        "loss": resample_loss(fit.losses or [np.nan]),  # none of what took no step
        "train_steps": fit.train_steps,
        "attempts": fit.attempts,
        "status": fit.status,
        "wall_s": fit.wall_s,
        **further_values(fit),
    }
