"""Fitting one picture while somebody watches, and keeping the NCA in a zoo of its own."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nca_zoo.building.build import header, record
from nca_zoo.building.costs import cost_of
from nca_zoo.building.moving import further_columns
from nca_zoo.building.settings import BuildSettings, Tell, quiet
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.sources import Picture, Source
from nca_zoo.store.assemble import claimed
from nca_zoo.store.parts import zoo_path
from nca_zoo.store.zoowriter import write_zoo
from nca_zoo.training.cohort import Job
from nca_zoo.training.trainer import Fit, Watcher, train


def fit_alone(
    job: Job,
    settings: BuildSettings,
    threads: int = 1,
    watch: Watcher | None = None,
    tell: Tell = quiet,
) -> Fit:
    """Train one NCA; if ``watch`` ends the training early, it is judged as it is.

    The weights are those that ``build`` gives its picture with these settings, whatever the
    number of ``threads`` (sparse engine). tell: hears if it takes much memory. Raises ZooError
    before any training for what cannot fit into the memory that there is.
    """
    cost_of(job.target, settings, threads=threads).check(tell)
    engine = make_engine(settings.engine, settings.device, threads)
    (fit,) = train([job], settings.regime, engine, 1, watch)
    return fit


def longer(settings: BuildSettings, fit: Fit) -> BuildSettings:
    """Settings to go on with from a fit, for all their steps, however well it does already."""
    regime = settings.regime
    return dataclasses.replace(
        settings,
        regime=dataclasses.replace(regime, attempts=1, gate=regime.gate.until(math.inf)),
        init=dataclasses.replace(settings.init, name="continued", shared=fit.weights, writer=None),
    )


def went_on(before: Fit, after: Fit) -> Fit:
    """The better of a fit and what became of it ``longer``, with the steps and time of both."""
    better = max(before, after, key=lambda fit: (fit.status == "ok", fit.score))
    steps, wall = before.train_steps + after.train_steps, before.wall_s + after.wall_s
    return dataclasses.replace(better, train_steps=steps, wall_s=wall)


def keep(folder: Path, picture: Picture, fit: Fit, settings: BuildSettings) -> Path:
    """Write an NCA that was drawn as a zoo of one, in ``folder``, under a name that is free."""
    names = (f"{picture.id}{f'-{n}' if n > 1 else ''}.h5" for n in range(1, 10_000))
    path = next(folder / name for name in names if not (folder / name).exists())
    source = Source(f"{picture.id}.png", "unknown", "a drawing")
    with zoo_of_one(path, source, settings, None) as put:
        put(picture, fit)
    return path


@contextmanager
def zoo_of_one(
    path: Path,
    source: Source,
    settings: BuildSettings,
    size: int | None,
    replace: bool = False,
    scale: float | None = None,
) -> Iterator[Callable[[Picture, Fit], None]]:
    """A new zoo file at ``path``, locked from the beginning; call the result to put a fit there.

    An older file stays until the new one is whole. Raises ZooError if there is one and it is not
    to be replaced, or if nothing can be written there.
    """
    path, about = zoo_path(path), header(source, settings, size, scale)
    with claimed(path, replace, "give --replace to train anew, or another --out"):
        yield lambda picture, fit: write_zoo(
            path,
            about,
            [record(picture, fit)],
            further_columns(fit, settings.regime, "nca-zoo fit"),
        )
