"""Fitting one picture, building a zoo, opening one: what the commands do, from Python."""

import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from nca_zoo.building import settings
from nca_zoo.errors import ZooError, ZooWarning, one_line
from nca_zoo.exchange.fetching import fetched, is_address
from nca_zoo.face.nca import NCA
from nca_zoo.face.zoo import Zoo
from nca_zoo.ground.cores import usable_cores

if TYPE_CHECKING:
    from PIL.Image import Image

    from nca_zoo.pictures.levels import Pixels
    from nca_zoo.pictures.sources import Picture, Source


def open(path: str | Path | None = None, failed: bool = False) -> Zoo:
    """Open a zoo: its good fits, or with ``failed`` all that it holds.

    A zoo in which no NCA was judged, all imported without a picture, is opened whole.

    path: unless given, ``zoo.h5`` in the folder that the environment's NCA_ZOO_DATA names, or in
    ``data``; or an address, ``https://...`` or ``hf://...``, fetched once into that folder: see
    ``nca_zoo.exchange.fetching.fetched``. Reads ids and order; columns come when they are asked
    for. Raises ZooError, one line, for anything that is no whole zoo; never runs code from a file.
    """
    data = settings.data_folder()
    if isinstance(path, str) and is_address(path):
        path = fetched(path, data)
    return Zoo.opened(data / "zoo.h5" if path is None else path, failed)


def fit(
    picture: "str | Path | Image | npt.ArrayLike",
    size: int | None = None,
    *,
    scale: float | None = None,
    name: str | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    **choices: Any,
) -> NCA:
    """Train one NCA to grow a picture: the weights that `nca-zoo fit` gives it.

    picture: an image file; an animated one or a folder of frames, which is a film; a PIL image; or
    an array: ``(H, W)`` ink, 0 where nothing is;
    ``(H, W, 3)`` opaque RGB; ``(H, W, 4)`` RGBA with *straight* alpha, as image files have it, not
    premultiplied. Integers are 0 to 255, floats 0 to 1. Of whichever kind, it is ink if it is
    opaque and grey.
    scale: the number that is full ink, where that is another or a file does not say.
    size: scale to so many cells a side; unless given, only what has more than 64, to 40.
    name: its id, which decides the random draws; the file's name unless given, or ``picture``.
    progress: a bar on stderr; unless given, on a terminal and in a notebook.
    choices: as the command's options: regime, init, start, alpha, seed_at, visible, engine, device,
    seed, steps, extra_steps, attempts, batch, pool, lr, fire_rate, until, until_heals, motion,
    period, clock, seeds.

    Ctrl-C, or a notebook's stop, ends the training and gives the NCA as it is then, judged like any
    other; a second one while it is judged is a KeyboardInterrupt.

    Warns (``ZooWarning``) if it was stopped, if it is not ok by the regime's gate, and if training
    takes much memory. Raises ZooError, one line, for what
    is no picture and for settings that will not do.
    """
    from nca_zoo.building.build import make_job
    from nca_zoo.building.solo import fit_alone, zoo_of_one
    from nca_zoo.ground.interrupts import noted

    chosen = settings.chosen(**choices)
    source, drawn = _picture(picture, size, name, scale)
    chosen, drawn = settings.as_it_moves(chosen, drawn)
    shared = settings.solo_settings(chosen, drawn.pixels, _warn)
    job = make_job(drawn, shared)
    with (
        _bar(progress, shared.regime.steps, drawn.id, "step") as bar,
        noted([signal.SIGINT]) as interrupted,
    ):

        def watch(cohort: Any) -> bool:
            (member,) = cohort.members
            bar.total = max(bar.total, member.step)
            bar.set_postfix_str(f"loss {member.losses[-1]:.5f}", refresh=False)
            bar.update(member.step - bar.n)
            return interrupted()

        done = fit_alone(job, shared, threads or usable_cores(), watch, _warn)
        stopped = interrupted()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{drawn.id}.h5"
        with zoo_of_one(path, source, shared, size, scale=scale) as put:
            put(drawn, done)
        zoo = Zoo.opened(path).in_memory()  # the file goes, the NCA stays
    if stopped or done.status != "ok":
        ended = f", stopped after {done.train_steps} training steps" if stopped else ""
        _warn(
            f"{drawn.id} is {done.status}{ended}: PSNR {done.psnr_96:.1f} dB at step 96, "
            f"{done.psnr_400:.1f} dB at step 400; more steps, another size or regime may help"
        )
    return NCA(zoo)


def build(
    source: str | Path = "digits",
    classes: str | int | Sequence[int | str] | None = None,
    per_class: int | str | None = 50,
    size: int | None = None,
    out: str | Path | None = None,
    *,
    repeats: int = 1,
    scale: float | None = None,
    strict: bool = False,
    jobs: int | None = None,
    cohort: int | None = None,
    refit: bool = False,
    failed: bool = False,
    progress: bool | None = None,
    **choices: Any,
) -> Zoo:
    """Fit one NCA to each picture of a source and open the zoo: the file of `nca-zoo build`.

    What the file holds already is not fitted again, so the same call goes on where it was stopped.

    source: ``digits``, ``mnist``, ``emnist``, ``kmnist``, ``fashion``, or a folder of image files.
    classes: ``"0-9"``, ``"cat,fox"``, a number or name or several; all unless given. per_class:
    pictures of each, or ``"all"``. repeats: fits of each picture (``3-007``, ``3-007+02``). size:
    resize to so many cells a side. out: the zoo file; as ``open`` unless given. scale: as ``fit``.
    strict: stop at a file of the folder that is no picture; else a warning (``ZooWarning``) counts
    and names what is left out. jobs: processes, one for each usable core unless given. cohort: NCAs
    that train together. refit: fit those pictures anew that have changed since. failed: as
    ``open``. progress, choices: as ``fit``. Raises ZooError, one line.
    """
    from nca_zoo.building.build import build as build_zoo
    from nca_zoo.building.build import header
    from nca_zoo.building.going_on import begun, settings_for
    from nca_zoo.life.engines import workers_for
    from nca_zoo.pictures.sources import load_pictures

    chosen = settings.chosen(**choices)
    wanted = [classes] if isinstance(classes, int) else classes
    each = None if per_class in (None, "all") else int(per_class)
    if each is not None and each < 1:
        raise ZooError(f"per_class is {per_class}; it must be a whole number above 0, or 'all'")
    data = settings.data_folder()
    path = data / "zoo.h5" if out is None else Path(out)
    shared = settings_for(path, chosen, _warn)
    origin, pictures = load_pictures(
        source,
        wanted,
        each,
        data,
        size,
        scale=scale,
        target=shared.target,
        strict=strict,
        tell=_warn,
    )
    about = header(origin, shared, size, scale)
    with begun(path, origin, pictures, shared, about, refit, repeats) as begin:
        writer, pictures = begin
        held = len({picture.id for picture in pictures} & writer.finished_ids())
        with _bar(progress, len(pictures), path.name, "NCA", held) as bar:
            workers = jobs or workers_for(shared.device)
            for _ in build_zoo(pictures, shared, writer, workers, cohort, tell=_warn):
                bar.update()
    return open(path, failed)


def _picture(
    picture: Any, size: int | None, name: str | None, scale: float | None
) -> "tuple[Source, Picture]":
    """A picture that is given in any of the ways of ``fit``."""
    from nca_zoo.pictures.levels import check_scale
    from nca_zoo.pictures.names import cleaned
    from nca_zoo.pictures.sources import lone_picture

    check_scale(scale)
    if isinstance(picture, str | Path):
        source, drawn = settings.picture_to_fit(Path(picture), size, _warn, scale)
    else:
        pixels = _pixels(picture, size, scale)
        height, width = pixels.shape[:2]
        path = Path(getattr(picture, "filename", "") or "picture.png")
        source, drawn = lone_picture(pixels, path, size or settings.cells_for(width, height))
    if name is not None:
        drawn = replace(drawn, id=cleaned(name))
    return source, drawn


def _pixels(picture: Any, size: int | None, scale: float | None) -> "Pixels":
    """Those of a PIL image or an array."""
    from PIL.Image import Image

    from nca_zoo.pictures.levels import Unclear, pixels_of_array, pixels_of_image

    try:
        if isinstance(picture, Image):
            return pixels_of_image(picture, scale, size)
        return pixels_of_array(picture, scale)
    except Unclear as error:
        raise ZooError(f"the picture holds {error}") from None
    except OSError as error:  # of an image that PIL had not decoded yet
        raise ZooError(f"the picture cannot be decoded ({one_line(error)})") from error


@contextmanager
def _bar(progress: bool | None, total: int, what: str, unit: str, done: int = 0) -> Iterator[Any]:
    """A bar on stderr, where somebody looks at it."""
    from tqdm import tqdm

    if progress is None:
        progress = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(
        total=total, desc=what, unit=unit, initial=done, disable=not progress, file=sys.stderr
    ) as bar:
        yield bar


def _warn(text: str) -> None:
    warnings.warn(text, ZooWarning, stacklevel=4)
