"""NCAs that a writer writes, with no training step: judged and kept like any other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nca_zoo.building.build import header, make_job, record
from nca_zoo.building.moving import further_columns
from nca_zoo.building.settings import BuildSettings
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.motions import MotionSettings
from nca_zoo.pictures.sources import Picture, Source
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.assemble import claimed
from nca_zoo.store.parts import zoo_path
from nca_zoo.store.zoowriter import write_zoo
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import Fit, untrained
from nca_zoo.training.writer import Writer

TOGETHER = 8  # pictures that are grown at once
NONE = {"steps": 0, "extra_steps": 0, "attempts": 1}  # of the regime's training


def writers_settings(
    writer: Writer, seed: int = 0, motion: MotionSettings | None = None
) -> BuildSettings:
    """Settings under which what a writer writes runs and is judged: those that it learnt from.

    motion: how pictures move, for a writer for films. Raises ZooError if it is for others.
    """
    if writer.for_films != (motion is not None):
        kind, say = ("stills", "leave --motion out")
        if writer.for_films:
            kind, say = ("targets that move", "say how, as in --motion sway")
        raise ZooError(f"this writer writes for {kind}; {say}, or take another")
    begins = Init("written", visible=writer.visible, writer=writer)
    return replace(settings_like(writer.recipe, begins, seed), motion=motion)


def settings_like(told: Mapping[str, Any], init: Init, seed: int = 0) -> BuildSettings:
    """Settings under which NCAs run and are judged as others, of which ``told`` says the name of
    the regime, and perhaps ``seed_hidden`` and ``fire_rate``."""
    usual = REGIMES.get(str(told.get("regime")), REGIMES["persistent"])
    known = {name: told[name] for name in ("seed_hidden", "fire_rate") if name in told}
    target = TargetSettings(visible=init.visible)  # type: ignore[arg-type]
    return BuildSettings(replace(usual, **known), init, target, seed)


def write(pictures: Sequence[Picture], settings: BuildSettings, threads: int = 1) -> Iterator[Fit]:
    """The NCA that is written for each picture, all of one size, as a fit of no training steps."""
    jobs = (make_job(picture, settings) for picture in pictures)
    engine = make_engine(settings.engine, settings.device, threads)
    return untrained(jobs, settings.regime, engine, TOGETHER)


def keep_written(
    path: Path,
    source: Source,
    pictures: Sequence[Picture],
    settings: BuildSettings,
    threads: int = 1,
    replaces: bool = False,
) -> list[Fit]:
    """Write NCAs for pictures, as a zoo at ``path``; raises ZooError if there is one."""
    path, about = zoo_path(path), header(source, settings)
    regime = about.settings["regime"] | NONE
    about = replace(about, settings=about.settings | {"regime": regime})
    with claimed(path, replaces, "give --replace to write anew, or another --out"):
        fits = list(write(pictures, settings, threads))
        rows = [record(*each) for each in zip(pictures, fits, strict=True)]
        write_zoo(path, about, rows, further_columns(fits[0], settings.regime, "nca-zoo write"))
    return fits
