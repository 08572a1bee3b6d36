"""A folder of image files: which of them are pictures, of which class, and what they are called."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nca_zoo.errors import ZooError
from nca_zoo.pictures.classes import MOST_LETTERS, NO_CLASS, Classes, numbered
from nca_zoo.pictures.image_files import is_picture
from nca_zoo.pictures.left_out import PictureError, unreadable
from nca_zoo.pictures.names import cleaned, natural, true_name, unique

OF_CLASS, OF_FILE = 28, 30  # of these at most, in the id of a picture that has a class
SPLITS = {  # how people call the folders of an official split, and what it is called here
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "test",
    "valid": "test",
    "validation": "test",
}


@dataclass(frozen=True)
class Found:
    """One picture of a folder."""

    path: Path
    name: str  # its path inside the folder, as it is written: "猫/0.png"
    of: str | None  # its class
    split: str | None  # where the folder itself says so
    wanted: str  # its id, unless another picture comes before it with the same


@dataclass(frozen=True)
class ImageFolder:
    """The pictures of a folder: those of its classes in order, then those without a class."""

    paths: list[Path]
    labels: list[int]  # ``NO_CLASS`` without a class
    ids: list[str]
    names: list[str]
    splits: list[str | None]
    classes: Classes
    left_out: list[PictureError]  # whatever else lies there


def list_folder(folder: Path) -> ImageFolder:
    """Find the pictures of a folder: files of any format that Pillow opens.

    A suffix is believed; a file that has none, or an unknown one, is known by its first bytes.

    Each folder inside that holds pictures is a class, called by the folder's name, and numbered by
    it if all names are numbers, else by its place in order. If the folders inside are ``train``
    and ``test`` and hold such folders, these are the classes, and the split is official. Files and
    folders are in natural order: ``2.png`` before ``10.png``.

    An id is made of the names of class and file, in ASCII: ``cat-tom`` for ``cat/tom.png``. Raises
    ZooError for a folder without pictures.
    """
    split_folders = _official(folder)
    tops = split_folders or [folder]
    found = [f for top in tops for f in _in_classes(top, folder, bool(split_folders))]
    classes = numbered(sorted({f.of for f in found if f.of is not None}, key=natural))
    number = {name: code for code, name in classes.items()}
    found.sort(key=lambda f: number[f.of or ""])
    found += [
        Found(path, true_name(path.name), None, None, cleaned(path.stem))
        for path in pictures_in(folder)
    ]
    if not found:
        raise ZooError(
            f"{folder} holds no pictures: expected image files, or a folder of them for each class"
        )
    return ImageFolder(
        [f.path for f in found],
        [NO_CLASS if f.of is None else number[f.of] for f in found],
        unique(f.wanted for f in found),
        [f.name for f in found],
        [f.split for f in found],
        classes,
        _others(folder, 2 if split_folders else 1),
    )


def _official(folder: Path) -> list[Path]:
    """The folders of an official split, training first; none if the folder is not divided so."""
    inside = [path for path in _visible(folder) if path.is_dir()]
    parts = [path for path in inside if path.name.casefold() in SPLITS]
    holds = [path for path in parts if any(map(pictures_in, filter(Path.is_dir, _visible(path))))]
    is_one = any(SPLITS[path.name.casefold()] == "train" for path in holds) and holds == inside
    return sorted(holds, key=lambda path: SPLITS[path.name.casefold()] != "train") if is_one else []


def _in_classes(top: Path, folder: Path, divided: bool) -> Iterable[Found]:
    """The pictures in the class folders of ``top``, in order."""
    split = SPLITS[top.name.casefold()] if divided else None
    for inside in filter(Path.is_dir, _visible(top)):
        for path in pictures_in(inside):
            of = true_name(inside.name, MOST_LETTERS)
            short = cleaned(inside.name, OF_CLASS)
            stem = cleaned(path.stem, OF_FILE)
            # A file that begins with the name of its class says it once: cat/cat_1.png is cat_1.
            again = re.match(re.escape(short) + r"[._-]", stem, re.IGNORECASE)
            wanted = (stem if again else f"{short}-{stem}") + ("-test" if split == "test" else "")
            yield Found(path, true_name(path.relative_to(folder).as_posix()), of, split, wanted)


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, in natural order, without hidden files."""
    there = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(there, key=lambda path: natural(path.name))


def pictures_in(folder: Path) -> list[Path]:
    """The image files that lie in a folder itself, in natural order."""
    return [p for p in _visible(folder) if p.is_file() and is_picture(p)]


def _others(folder: Path, levels: int) -> list[PictureError]:
    """What lies in a folder, and in so many levels of folders inside it, and is no picture."""
    found = []
    for path in _visible(folder):
        if path.is_dir():
            deeper = unreadable(path, "a folder inside a class")
            found += _others(path, levels - 1) if levels else [deeper]
        elif not path.is_file():
            found.append(unreadable(path, "no file"))
        elif not is_picture(path):
            found.append(unreadable(path, "no picture"))
    return found
