"""Reading image files: their pixels, whatever the file is called and whatever lies beside them."""

import io
import math
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from nca_zoo.errors import ZooError, one_line
from nca_zoo.pictures.bare_files import JPEG, PNG, bare
from nca_zoo.pictures.left_out import PictureError, unreadable
from nca_zoo.pictures.levels import WELL_ABOVE, WHOLE, Pixels, Unclear, pixels_of_image

NOT_READ = {  # formats that Pillow knows, and does not read on its own or in full
    *("BUFR", "GRIB", "HDF5", "MPEG", "WMF"),  # their names alone, without a loader
    "EPS",  # a program, for Ghostscript to run
    "FITS",  # whose numbers have a scale and an order of bytes that it passes over
}
LEAST = 3  # cells across, of a picture that had more: fewer show nothing of it
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # formats whose further frames are a film's
MOST_FRAMES = 1024  # of a film
USUAL_MS = 100  # that a frame is shown which does not say
MOST = 2**28  # pixels that are decoded at once: a gigabyte

_limit = threading.RLock()  # Pillow's limit is the whole process's


def read_file(path: Path, size: int | None = None, scale: float | None = None) -> Pixels:
    """The pixels of an image file, fitted into ``size`` x ``size`` if a size is given.

    What the numbers mean, and ``scale``: see ``pixels_of_image``. An animation is its first frame:
    ``read_frames`` has all.
    Texts and other data beside the pixels are passed over in any state.

    Raises PictureError, naming the file, for what cannot be read.
    """
    with _opened(path) as image:
        if size is not None and image.width * image.height > WHOLE:
            share = WELL_ABOVE * size / max(image.size)
            image.draft(None, (round(image.width * share), round(image.height * share)))  # of JPEG
        if image.width * image.height > MOST:
            raise unreadable(
                path,
                f"{image.width} x {image.height} pixels",
                f"scale it to {MOST // 10**6} million at most",
            )
        return fitted(pixels_of_image(image, scale, size), size)


def is_animated(path: Path) -> bool:
    """Whether an image file holds several frames of an animation."""
    with _opened(path, moving=True) as image:
        return image.format in ANIMATED and getattr(image, "n_frames", 1) > 1


def read_frames(
    path: Path, size: int | None = None, scale: float | None = None
) -> list[tuple[Pixels, int]]:
    """The frames of an animated file, and for how many milliseconds each is shown.

    Pixels and errors as for ``read_file``; and for more than ``MOST_FRAMES``.
    """
    with _opened(path, moving=True) as image:
        n = getattr(image, "n_frames", 1)
        if n > MOST_FRAMES:
            why = f"{n} frames, and a film has up to {MOST_FRAMES}"
            raise unreadable(path, why, "leave some of them out")
        first = int(getattr(image, "default_image", False))  # of an APNG, not part of its film
        frames = []
        for number in range(first, n):
            image.seek(number)
            pixels = fitted(pixels_of_image(image.copy(), scale, size), size)
            frames.append((pixels, round(image.info.get("duration") or USUAL_MS)))
        return frames


def read_files(
    paths: Sequence[Path], size: int | None = None, scale: float | None = None
) -> list[Pixels | PictureError]:
    """``read_file`` of each, or what is wrong with it.

    Raises ZooError, naming the odd one out, for pictures that have not all the same size.
    """
    read = [_read_or_error(path, size, scale) for path in paths]
    pixels = [(path, p) for path, p in zip(paths, read, strict=True) if isinstance(p, np.ndarray)]
    sizes = Counter(picture.shape[:2] for _, picture in pixels)
    if len(sizes) > 1:
        (height, width), _ = sizes.most_common(1)[0]
        odd, shape = next((path, p.shape) for path, p in pixels if p.shape[:2] != (height, width))
        raise ZooError(
            f"{odd} is {shape[1]} x {shape[0]} pixels, others are {width} x {height}: make all "
            f"the same size, or resize them with --size {max(height, width)}"
        )
    return read


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file as it is stored, without decoding its pixels."""
    with _opened(path) as image:
        return image.size


def fitted(pixels: Pixels, size: int | None) -> Pixels:
    """Scale so that the longer side is ``size``, and centre in a square of empty pixels.

    Raises Unclear for what is so long and thin that a line of ``LEAST`` cells would not be left.
    """
    height, width = pixels.shape[:2]
    if size is None or (height, width) == (size, size):
        return pixels
    scale = size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(inner) < min(LEAST, height, width):
        needed = math.ceil(LEAST / min(height, width) * max(height, width))
        raise Unclear(
            f"{width} x {height} pixels, of which {size} cells leave {inner[0]} x {inner[1]}: "
            f"crop it, or scale it to {needed} cells or more"
        )
    # Pillow premultiplies RGBA while it resizes: the colour of transparent pixels does not bleed.
    scaled = np.asarray(Image.fromarray(pixels).resize(inner, Image.Resampling.LANCZOS))
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    square = np.zeros((size, size, *pixels.shape[2:]), np.uint8)
    square[top : top + inner[1], left : left + inner[0]] = scaled
    return square


@cache
def suffixes() -> tuple[str, ...]:
    """What names of pictures may end in, such as ``.png``: all that Pillow opens."""
    known = Image.registered_extensions().items()
    return tuple(sorted(suffix for suffix, kind in known if kind in _readable()))


def is_picture(path: Path) -> bool:
    """Whether a file is meant to be a picture: by its suffix, or else by its first bytes."""
    if path.suffix.lower() in suffixes():
        return True
    try:
        with _opened(path):
            return True
    except PictureError:
        return False


def _read_or_error(path: Path, size: int | None, scale: float | None) -> Pixels | PictureError:
    try:
        return read_file(path, size, scale)
    except PictureError as error:
        return error


@contextmanager
def _opened(path: Path, moving: bool = False) -> Iterator[Image.Image]:
    """The image in a file, not decoded yet; whatever goes wrong with it is a PictureError.

    moving: with all frames of an animation.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage that can be read past
        try:
            # Given a path, Pillow maps some files to memory, and garbles a TIFF that is turned.
            with path.open("rb") as file, _limited(None):
                image = Image.open(_pixels_in(file, moving), formats=_formats(path.suffix.lower()))
                with image, _limited(MOST // 2):  # Pillow stops at twice this
                    yield image
        except PictureError:
            raise
        except Unclear as error:
            raise PictureError(f"{path} holds {error}", path, str(error)) from None
        except FileNotFoundError:
            raise PictureError(f"{path}: no such file", path, "no such file") from None
        except UnidentifiedImageError:
            raise unreadable(path, "no picture that Pillow opens") from None
        except Exception as error:  # Pillow's decoders raise almost anything
            raise unreadable(path, _why(error)) from error


def _why(error: Exception) -> str:
    if "trunca" in str(error).lower():
        return "cut short"
    return getattr(error, "strerror", None) or one_line(error)


@contextmanager
def _limited(pixels: int | None) -> Iterator[None]:
    """Pillow takes images of so many pixels; it counts before JPEG is decoded at a fraction."""
    with _limit:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _pixels_in(file: BinaryIO, moving: bool) -> BinaryIO:
    """A file, without what lies beside the pixels where that could keep Pillow from opening it."""
    start = file.read(8)
    file.seek(0)
    return io.BytesIO(bare(file.read(), moving)) if start.startswith((PNG, JPEG)) else file


@cache
def _readable() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in Image.ID if kind not in NOT_READ)


@cache
def _formats(suffix: str) -> list[str]:
    """What a file may be: any format with a signature, one without only by the suffix."""
    named = Image.registered_extensions().get(suffix)
    return [kind for kind in _readable() if Image.OPEN[kind][1] is not None or kind == named]
