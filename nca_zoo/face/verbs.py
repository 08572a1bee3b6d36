"""Fitting one picture, building a zoo, opening one: what the commands do, from Python."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.building import settings
from nca_zoo.errors import ZooError, ZooWarning
from nca_zoo.face.nca import NCA
from nca_zoo.face.zoo import Zoo

if TYPE_CHECKING:
    from PIL.Image import Image

    from nca_zoo.pictures.image_files import Pixels
    from nca_zoo.pictures.sources import Picture, Source


def open(path: str | Path | None = None, failed: bool = False) -> Zoo:
    """Open a zoo: its good fits, or with ``failed`` all that it holds.

    path: unless given, ``zoo.h5`` in the folder that the environment's NCA_ZOO_DATA names, or in
    ``data``. Reads ids and order; columns come when they are asked for. Raises ZooError, one line,
    for anything that is no whole zoo; never runs code from a file.
    """
    return Zoo.opened(settings.data_folder() / "zoo.h5" if path is None else path, failed)


def fit(
    picture: "str | Path | Image | npt.ArrayLike",
    size: int | None = None,
    *,
    name: str | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    **choices: Any,
) -> NCA:
    """Train one NCA to grow a picture: the weights that `nca-zoo fit` gives it.

    picture: an image file, a PIL image, or an array: ``(H, W)`` ink, 0 where nothing is;
    ``(H, W, 3)`` opaque RGB; ``(H, W, 4)`` RGBA with *straight* alpha, as image files have it, not
    premultiplied. Integers are 0 to 255, floats 0 to 1.
    size: scale to so many cells a side; unless given, only what has more than 64, to 40.
    name: its id, which decides the random draws; the file's name unless given, or ``picture``.
    progress: a bar on stderr; unless given, on a terminal and in a notebook.
    choices: as the command's options: regime, init, start, alpha, seed_at, visible, engine, device,
    seed, steps, extra_steps, attempts, batch, pool, lr, until, until_heals.

    Warns (``ZooWarning``) if it is not ok by the regime's gate. Raises ZooError, one line, for what
    is no picture and for settings that will not do.
    """
    from nca_zoo.building.build import make_job
    from nca_zoo.building.solo import fit_alone, zoo_of_one

    chosen = settings.chosen(**choices)
    source, drawn = _picture(picture, size, name)
    shared = settings.solo_settings(chosen, drawn.pixels, _warn)
    job = make_job(drawn, shared)
    with _bar(progress, shared.regime.steps, drawn.id, "step") as bar:

        def watch(cohort: Any) -> bool:
            (member,) = cohort.members
            bar.total = max(bar.total, member.step)
            bar.set_postfix_str(f"loss {member.losses[-1]:.5f}", refresh=False)
            bar.update(member.step - bar.n)
            return False

        done = fit_alone(job, shared, threads or os.cpu_count() or 1, watch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{drawn.id}.h5"
        with zoo_of_one(path, source, shared, size) as put:
            put(drawn, done)
        zoo = Zoo.opened(path).in_memory()  # the file goes, the NCA stays
    if done.status != "ok":
        _warn(
            f"{drawn.id} is {done.status}: PSNR {done.psnr_96:.1f} dB at step 96, "
            f"{done.psnr_400:.1f} dB at step 400; more steps, another size or regime may help"
        )
    return NCA(zoo)


def build(
    source: str | Path = "digits",
    classes: str | int | Sequence[int] | None = None,
    per_class: int | str | None = 50,
    size: int | None = None,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    cohort: int | None = None,
    failed: bool = False,
    progress: bool | None = None,
    **choices: Any,
) -> Zoo:
    """Fit one NCA to each picture of a source and open the zoo: the file of `nca-zoo build`.

    What the file holds already is not fitted again, so the same call goes on where it was stopped.

    source: ``digits``, ``mnist``, ``emnist``, ``kmnist``, ``fashion``, or a folder of image files.
    classes: ``"0-9"``, ``"3,5"``, a number or several; all unless given. per_class: pictures of
    each, or ``"all"``. size: resize to so many cells a side. out: the zoo file; as ``open`` unless
    given. jobs: processes, one for each CPU unless given. cohort: NCAs that train together.
    failed: as ``open``. progress, choices: as ``fit``. Raises ZooError, one line.
    """
    from nca_zoo.building.build import build as build_zoo
    from nca_zoo.building.build import header
    from nca_zoo.life.engines import workers_for
    from nca_zoo.pictures.sources import load_pictures, parse_classes
    from nca_zoo.store.zoowriter import ZooWriter

    shared = settings.zoo_settings(settings.chosen(**choices), _warn)
    wanted = parse_classes(classes) if isinstance(classes, str) else classes
    wanted = [wanted] if isinstance(wanted, int) else wanted
    each = None if per_class in (None, "all") else int(per_class)
    if each is not None and each < 1:
        raise ZooError(f"per_class is {per_class}; it must be a whole number above 0, or 'all'")
    data = settings.data_folder()
    path = data / "zoo.h5" if out is None else Path(out)
    origin, pictures = load_pictures(source, wanted, each, data, size)
    with ZooWriter(path, header(origin, shared, size)) as writer:
        held = len({picture.id for picture in pictures} & writer.finished_ids())
        with _bar(progress, len(pictures), path.name, "NCA", held) as bar:
            workers = jobs or workers_for(shared.device)
            for _ in build_zoo(pictures, shared, writer, workers, cohort):
                bar.update()
    return open(path, failed)


def _picture(picture: Any, size: int | None, name: str | None) -> "tuple[Source, Picture]":
    """A picture that is given in any of the ways of ``fit``."""
    from PIL import Image, ImageOps

    from nca_zoo.pictures.folders import cleaned

    if isinstance(picture, str | Path):
        source, drawn = settings.picture_to_fit(Path(picture), size, _warn)
    else:
        if isinstance(picture, Image.Image):
            image = ImageOps.exif_transpose(picture)
            name = name or cleaned(Path(getattr(picture, "filename", "") or "picture").stem)
            image = image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else image
        else:
            image = Image.fromarray(_pixels(picture))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture.png"
            image.save(file)
            source, drawn = settings.picture_to_fit(file, size)
    if name is not None:
        from dataclasses import replace

        drawn = replace(drawn, id=cleaned(name))
    return source, drawn


def _pixels(values: npt.ArrayLike) -> "Pixels":
    """An array of ink, RGB or straight RGBA as bytes."""
    array = np.asarray(values)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (3, 4)):
        raise ZooError(
            f"an array of shape {array.shape} is no picture; expected ink (H, W), RGB (H, W, 3) or "
            "straight RGBA (H, W, 4)"
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * 255
    top = 1 if array.dtype.kind == "f" else 255
    if array.dtype.kind not in "fiu" or not ((array >= 0) & (array <= top)).all():
        raise ZooError(
            f"a picture of {array.dtype} holds numbers from 0 to {top}; expected floats from 0 to "
            "1, or integers from 0 to 255"
        )
    return np.round(array * (255 / top)).astype(np.uint8)


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
