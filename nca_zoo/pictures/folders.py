"""A folder of image files: which of them are pictures, of which class, and what they are called."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nca_zoo.errors import ZooError
from nca_zoo.pictures.image_files import is_picture
from nca_zoo.pictures.left_out import PictureError, unreadable

MAX_CLASS = 32767  # labels are stored as int16


@dataclass(frozen=True)
class ImageFolder:
    """The pictures of a folder: those of its classes in order, then those without a class."""

    paths: list[Path]
    labels: list[int]  # -1 without a class
    ids: list[str]
    class_names: dict[int, str]
    left_out: list[PictureError]  # whatever else lies there


def list_folder(folder: Path) -> ImageFolder:
    """Find the pictures of a folder: files of any format that Pillow opens.

    A suffix is believed; a file that has none, or an unknown one, is known by its first bytes.

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
        raise ZooError(
            f"{folder} holds no pictures: expected image files, or a folder of them for each class"
        )
    return ImageFolder(paths, labels, _unique(ids), class_names, _others(folder))


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of names, without hidden files."""
    return sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")),
        key=lambda path: path.name,  # the same on every system
    )


def _pictures_in(folder: Path) -> list[Path]:
    return [p for p in _visible(folder) if p.is_file() and is_picture(p)]


def _others(folder: Path, depth: int = 0) -> list[PictureError]:
    """What lies in a folder and its classes and is no picture."""
    found = []
    for path in _visible(folder):
        if path.is_dir():
            deeper = unreadable(path, "a folder inside a class")
            found += [deeper] if depth else _others(path, depth + 1)
        elif not path.is_file():
            found.append(unreadable(path, "no file"))
        elif not is_picture(path):
            found.append(unreadable(path, "no picture"))
    return found


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
