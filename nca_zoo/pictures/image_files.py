"""A folder of image files: which of them are pictures, of which class, and what they show."""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from nca_zoo.errors import ZooError, one_line

Pixels = npt.NDArray[np.uint8]

FILE_TYPES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
MAX_CLASS = 32767  # labels are stored as int16


@dataclass(frozen=True)
class ImageFolder:
    """The pictures of a folder: those of its classes in order, then those without a class."""

    paths: list[Path]
    labels: list[int]  # -1 without a class
    ids: list[str]
    class_names: dict[int, str]


def list_folder(folder: Path) -> ImageFolder:
    """Find the pictures of a folder, without opening them.

    Each folder inside that holds pictures is a class: numbered by its name if all of them are
    numbers, else by its place in sorted order. Ids are ``cat-012`` for the 13th picture of the
    class ``cat``, and the cleaned name of the file for a picture without a class.

    Raises ZooError for a folder without pictures.
    """
    inside = {path.name: _pictures_in(path) for path in _visible(folder) if path.is_dir()}
    names = [name for name, paths in inside.items() if paths]
    paths, labels, ids, class_names = [], [], [], {}
    for number, name in _numbered(names):
        class_names[number] = name
        for k, path in enumerate(inside[name]):
            paths.append(path)
            labels.append(number)
            ids.append(f"{cleaned(name)}-{k:03d}")
    for path in _pictures_in(folder):
        paths.append(path)
        labels.append(-1)
        ids.append(cleaned(path.stem))
    if not paths:
        types = ", ".join(suffix[1:] for suffix in FILE_TYPES)
        raise ZooError(f"{folder} holds no pictures: expected files of type {types}")
    return ImageFolder(paths, labels, _unique(ids), class_names)


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


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of names, without hidden files."""
    return sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")),
        key=lambda path: path.name,  # the same on every system
    )


def _pictures_in(folder: Path) -> list[Path]:
    return [p for p in _visible(folder) if p.suffix.lower() in FILE_TYPES and p.is_file()]


def _numbered(names: list[str]) -> list[tuple[int, str]]:
    """Class numbers and names: the names' own numbers if all have one, else counted from 0."""
    if all(re.fullmatch("[0-9]{1,5}", name) for name in names):
        numbers = sorted((int(name), name) for name in names)
        if len(dict(numbers)) == len(names) and (not names or numbers[-1][0] <= MAX_CLASS):
            return numbers
    return list(enumerate(names))


def cleaned(name: str) -> str:
    """A name fit for an id: up to 56 ASCII letters, digits, ``_``, ``.`` and single hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.]+", "-", plain).strip("-.")[:56] or "picture"


def _unique(ids: Iterable[str]) -> list[str]:
    """The ids, with ``-2``, ``-3``... behind those that are taken."""
    unique: dict[str, None] = {}
    for name in ids:
        candidate, count = name, 1
        while candidate in unique:
            count += 1
            candidate = f"{name}-{count}"
        unique[candidate] = None
    return list(unique)
