"""Reading image files: what their pixels are, whatever the file calls them."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from nca_zoo.errors import ZooError, one_line

Pixels = npt.NDArray[np.uint8]

FILE_TYPES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


def read_files(paths: list[Path], size: int | None) -> list[Pixels]:
    """The pixels of image files, fitted into ``size`` x ``size`` if a size is given.

    Files with transparency are read as straight RGBA ``(H, W, 4)``; files saved as greyscale as
    ink ``(H, W)``, where white is full ink and black is background, as in MNIST; the rest, and
    every WebP file without transparency, as opaque RGBA. Pictures are turned upright as their EXIF
    data says, and an animation is its first frame.

    Raises ZooError naming the file that cannot be read, or that has not the size of the others.
    """
    pixels = [fitted(_read_file(path), size) for path in paths]
    sizes = Counter(picture.shape[:2] for picture in pixels)
    if len(sizes) > 1:
        (height, width), _ = sizes.most_common(1)[0]
        odd, shape = next(
            (path, picture.shape)
            for path, picture in zip(paths, pixels, strict=True)
            if picture.shape[:2] != (height, width)
        )
        raise ZooError(
            f"{odd} is {shape[1]} x {shape[0]} pixels, others are {width} x {height}: make all "
            f"the same size, or resize them with --size {max(height, width)}"
        )
    return pixels


def fitted(pixels: Pixels, size: int | None) -> Pixels:
    """Scale so that the longer side is ``size``, and centre in a square of empty pixels."""
    height, width = pixels.shape[:2]
    if size is None or (height, width) == (size, size):
        return pixels
    scale = size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Pillow premultiplies RGBA while it resizes: the colour of transparent pixels does not bleed.
    scaled = np.asarray(Image.fromarray(pixels).resize(inner, Image.Resampling.LANCZOS))
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    square = np.zeros((size, size, *pixels.shape[2:]), np.uint8)
    square[top : top + inner[1], left : left + inner[0]] = scaled
    return square


def _read_file(path: Path) -> Pixels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage that can be read past
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened)
                if image.has_transparency_data:
                    return np.array(image.convert("RGBA"))
                if image.mode.startswith("I"):  # 16 bits of grey
                    return np.rint(np.array(image) / 257).astype(np.uint8)
                if image.mode in ("1", "L"):
                    return np.array(image.convert("L"))
                colours = np.array(image.convert("RGBA"))
                if image.mode == "P" and (colours[..., :3] == colours[..., :1]).all():
                    return colours[..., 0]  # how GIF stores greyscale
                return colours
        except Exception as error:  # Pillow's decoders raise almost anything
            raise ZooError(
                f"{path} cannot be read as a picture ({one_line(error)}): repair it or take it away"
            ) from error
