"""What the numbers of a picture mean: ink, or red, green, blue and alpha, of 0 to 255.

One rule for files, PIL images and arrays. A picture that is opaque and grey everywhere is ink: its
white is full ink and its black background, as in MNIST, whether it is stored as grey, as RGB, in a
palette or with an alpha channel. All else is straight RGBA.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures.colour_profiles import eight_bits, to_srgb

Pixels = npt.NDArray[np.uint8]

GREY_WITHIN = 2  # levels that red, green and blue of a grey may differ by: lossy formats round
SLACK = 1e-6  # of the scale, by which floats may lie beyond it: they round
PADDED = ("BMP", "DIB", "TGA", "ICO", "CUR", "DDS")  # alpha of zeros alone is filling
WELL_ABOVE = 8  # a picture of very many pixels is first reduced to so many times its size
WHOLE = 2**26  # pixels that are scaled at once

# Tags of TIFF
BITS, PHOTOMETRIC, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 338, 339
WHITE_IS_ZERO, UNSIGNED = 0, 1


class Unclear(ZooError):
    """Numbers that are no levels of a picture: what they are, and what to do."""


def pixels_of_image(
    image: Image.Image, scale: float | None = None, size: int | None = None
) -> Pixels:
    """``(H, W)`` ink or ``(H, W, 4)`` straight RGBA of an image, upright and in sRGB.

    scale: the number that is full ink, in greys of more than 8 bits; unless given, 65535 of 16
    bits, 4095 of 12, 1 of floats. size: that it will be scaled to, if any: an image of
    very many pixels is reduced to several times that.

    Raises Unclear for greys whose scale cannot be known, or that lie beyond it.
    """
    depth = _file_bits(image)
    image.load()
    profile = image.info.get("icc_profile")
    if _deep(image.mode):
        shown, alpha = _deep_grey(image, scale)
    else:
        shown, alpha = _apart(_reduced(_straight(image, depth), size))
    seen = to_srgb(shown, profile)
    if alpha is not None and not alpha.any() and _is_padding(image):
        alpha = None
    return _upright(_ink_or_rgba(_bytes(seen), alpha), _orientation(image))


def pixels_of_array(values: npt.ArrayLike, scale: float | None = None) -> Pixels:
    """``(H, W)`` ink or ``(H, W, 4)`` straight RGBA of an array.

    values: ink ``(H, W)`` or ``(H, W, 1)``, RGB ``(H, W, 3)`` or straight RGBA ``(H, W, 4)``;
    floats from 0 to 1, integers from 0 to 255, or numbers from 0 to ``scale``. Raises Unclear for
    other numbers, and ZooError for what is no picture.
    """
    array = np.asarray(values)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)) or not array.size:
        raise ZooError(
            f"an array of shape {array.shape} is no picture; expected ink (H, W), RGB (H, W, 3) or "
            "straight RGBA (H, W, 4)"
        )
    if array.dtype.kind not in "bfiu":
        raise ZooError(f"an array of {array.dtype} is no picture; expected floats or integers")
    full = {"b": 1.0, "f": 1.0}.get(array.dtype.kind, 255.0)
    levels = eight_bits(_levels(array, full, None if array.dtype.kind == "b" else scale))
    if levels.ndim == 2:
        return levels
    return _ink_or_rgba(levels[..., :3], levels[..., 3] if levels.shape[-1] == 4 else None)


def check_scale(scale: float | None) -> None:
    """Raises ZooError for a scale that is no number above 0."""
    if scale is not None and not 0 < scale < np.inf:
        raise ZooError(f"--scale {scale}: it must be a number above 0, that of full ink")


def _deep(mode: str) -> bool:
    """Whether a mode is grey of more than 8 bits."""
    return mode == "F" or mode.startswith("I")


def _deep_grey(image: Image.Image, scale: float | None) -> tuple[Image.Image, Pixels | None]:
    """Grey of 16 bits, and alpha if one of its values is transparent."""
    values, tags = np.array(image), _tags(image)
    if image.mode == "I" and tags and not _signed(tags):
        values = values.view(np.uint32)  # which Pillow does not know
    levels = _levels(values, _full(image), scale)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # which Pillow heeds up to 8 bits
        levels = 65535 - levels
    clear = image.info.get("transparency")
    alpha = None if clear is None else np.where(values == clear, 0, 255).astype(np.uint8)
    return Image.fromarray(levels), alpha


def _full(image: Image.Image) -> float | None:
    """The number that is full ink in a deep grey, if that can be known."""
    if image.mode == "F":
        return 1.0
    if tags := _tags(image):
        depth = int(tags.get(BITS, (1,))[0])
        return None if _signed(tags) or depth > 16 else float(2**depth - 1)
    scaled = ("PNG", "PPM", "JPEG2000")  # by Pillow, or as the format says
    known = image.format in scaled or (image.format is None and image.mode != "I")
    return 65535.0 if known else None


def _tags(image: Image.Image) -> Any:
    """Those of a TIFF file; of anything else none."""
    return getattr(image, "tag_v2", {})


def _signed(tags: Any) -> bool:
    return bool(tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] != UNSIGNED)


def _levels(
    values: npt.NDArray[Any], full: float | None, scale: float | None
) -> npt.NDArray[np.uint16]:
    """Numbers from 0 to the scale as 0 to 65535; raises Unclear, with their range, for others."""
    low, high = float(values.min()), float(values.max())
    top = full if scale is None else scale
    floats = values.dtype.kind == "f"
    span = (
        f"floats from {low:.6g} to {high:.6g}"
        if floats
        else f"integers from {low:.0f} to {high:.0f}"
    )
    if not np.isfinite([low, high]).all():
        raise Unclear("numbers that are not finite; a picture has none")
    if low < -SLACK * (top or 1):
        raise Unclear(f"{span}; a picture begins at 0, so shift them first")
    if top is None or high > top * (1 + SLACK):
        why = "of unknown scale" if top is None else f"beyond {top:.6g}"
        raise Unclear(f"{span}, {why}; say which is full ink: --scale, in Python scale=")
    if values.dtype.kind == "u" and top == 65535:
        return values.astype(np.uint16)
    return np.rint(values.astype(np.float64).clip(0, top) * (65535 / top)).astype(np.uint16)


def _straight(image: Image.Image, depth: int) -> Image.Image:
    """An image of 8 bits in mode L, LA, RGB, RGBA or CMYK, with all its transparency in alpha.

    depth: bits a sample in the file, in which PNG tells what is transparent.
    """
    clear = image.info.get("transparency")
    if image.mode in ("1", "L"):
        grey = image.convert("L")
        if clear is None:
            return grey
        level = 255 * (clear > 0) if image.mode == "1" else clear * (255 // (2**depth - 1))
        alpha = np.where(np.asarray(grey) == level, 0, 255).astype(np.uint8)
        return Image.merge("LA", (grey, Image.fromarray(alpha)))
    if image.mode == "RGB" and clear is not None and depth > 8:
        raise Unclear("one transparent colour of 16 bits; save it with an alpha channel")
    if image.mode == "La":
        return image.convert("LA")
    if image.mode in ("LA", "CMYK"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _file_bits(image: Image.Image) -> int:
    """Bits a sample in the file of an image that is not decoded yet, if it is PNG; else 8."""
    tiles = getattr(image, "tile", None) if image.format == "PNG" else None
    bits = re.search(r";(\d+)", str(tiles[0][3])) if tiles else None
    return int(bits[1]) if bits else 8


def _reduced(image: Image.Image, size: int | None) -> Image.Image:
    """An image of very many pixels at a fraction that is still well above ``size``."""
    if size is None or image.width * image.height <= WHOLE:
        return image
    return image.reduce(max(1, max(image.size) // (WELL_ABOVE * size)))


def _apart(image: Image.Image) -> tuple[Image.Image, Pixels | None]:
    """Colour and alpha apart."""
    if image.mode not in ("LA", "RGBA"):
        return image, None
    return image.convert(image.mode[:-1]), np.asarray(image.getchannel("A"))


def _bytes(image: Image.Image) -> Pixels:
    """Levels of 0 to 255 of an image in mode L, I;16, RGB or CMYK: ``(H, W)`` or ``(H, W, 3)``."""
    if image.mode == "I;16":
        return eight_bits(np.asarray(image))
    return np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)


def _is_padding(image: Image.Image) -> bool:
    """Whether an alpha of zeros alone says nothing, as the format has or declares none."""
    tags = _tags(image)
    return image.format in PADDED or (bool(tags) and EXTRA_SAMPLES not in tags)


def _ink_or_rgba(colours: Pixels, alpha: Pixels | None) -> Pixels:
    """The rule: opaque grey is ink, all else straight RGBA."""
    opaque = alpha is None or bool((alpha == 255).all())
    if colours.ndim == 3 and opaque:
        low, high = colours.min(axis=-1), colours.max(axis=-1)
        if (high - low <= GREY_WITHIN).all():
            sums = colours.sum(axis=-1, dtype=np.uint16)
            colours = ((sums + 1) // 3).astype(np.uint8)
    if colours.ndim == 2:
        if opaque:
            return colours
        colours = np.repeat(colours[..., None], 3, axis=-1)
    if alpha is None:
        alpha = np.full(colours.shape[:2], 255, np.uint8)
    return np.dstack([colours, alpha])


def _orientation(image: Image.Image) -> int:
    """Which side is up, 1 to 8, as EXIF says; broken EXIF says nothing."""
    try:
        told = int(image.getexif().get(0x0112, 1))
    except Exception:  # its decoder raises almost anything
        return 1
    return told if 1 <= told <= 8 else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turned and mirrored so that the first row is the top and the first column the left."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
