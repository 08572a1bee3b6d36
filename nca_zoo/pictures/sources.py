"""Pictures and their labels: sets of digits, letters and clothes, or a folder of image files.

Every picture has an id and a split that depend on its source alone, never on which pictures are
asked for: they stay the same when a zoo grows or zoos are merged. The official split of a
torchvision set is kept; in other sources every fifth picture of a class is for testing.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.pictures.folders import MAX_CLASS, cleaned, list_folder
from nca_zoo.pictures.image_files import Pixels, fitted, read_files
from nca_zoo.pictures.image_sets import DIGITS, IDX_SETS, Source, read_digits, read_idx_set

IntArray = npt.NDArray[np.int64]

SOURCES = (DIGITS.name, *(idx_set.name for idx_set in IDX_SETS))
SIZES = range(3, 1025)  # sides that pictures may be resized to, in cells
META_FROM = 400  # of a class's digits, the shared start may learn from the 401st onwards


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a source.

    ``pixels`` is uint8: ``(H, W)`` ink, where 0 is background, or ``(H, W, 4)`` straight (not
    premultiplied) RGBA.
    """

    id: str  # "7-012": the 13th picture of class 7 in the source's order; "gecko": gecko.png
    label: int  # class, -1 if none
    source_index: int  # which picture of the source
    split: str  # "train" or "test"
    pixels: Pixels


@dataclass(frozen=True)
class _Listing:
    """All N pictures of a source in its order, of which ``read(rows, size)`` gives the pixels."""

    source: Source
    labels: IntArray  # (N,)
    ids: list[str]
    splits: list[str]
    read: Callable[[IntArray, int | None], list[Pixels]]


def parse_classes(text: str) -> tuple[int, ...]:
    """The classes that ``"0-9"``, ``"3,5,8"`` or ``"0-4, 9"`` stand for, sorted, each once.

    Raises ZooError, naming the piece, for anything else.
    """
    classes: set[int] = set()
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_CLASS:
            raise ZooError(
                f"{piece.strip()[:30]!r} is no class and no range of classes: write 0-9, 3,5,8 or "
                f"0-4,9, with numbers up to {MAX_CLASS}"
            )
        classes.update(range(first, last + 1))
    return tuple(sorted(classes))


def load_pictures(
    source: str | Path = DIGITS.name,
    classes: Sequence[int] | None = None,
    per_class: int | None = None,
    data_dir: Path = Path("data"),
    size: int | None = None,
) -> tuple[Source, list[Picture]]:
    """The first ``per_class`` pictures of each of ``classes``, by label and then source order.

    source: ``digits`` (5,000 of MNIST, no download), ``mnist``, ``emnist`` (its balanced
        division), ``kmnist``, ``fashion``, or a folder of image files (see ``list_folder`` for
        classes and ``read_files`` for pixels; ``./digits`` if it has the name of a set).
    classes, per_class: None takes all; without classes, that includes files without a class.
    data_dir: for the cache and for downloads; raw files that lie there already are used.
    size: resize to ``size`` x ``size`` cells, proportions kept, on an empty ground.

    The split of digits and of folders is ``test`` for ``k % 5 == 4``, where k counts the pictures
    of a class from 0, and ``train`` for the rest: the same for every zoo of that source.

    Raises ZooError for unknown sources and classes, for too few pictures, for damaged files,
    without a network where one is needed, and for files of different sizes if no size is given.
    """
    _check_size(size)
    if isinstance(source, str):
        source = os.path.expanduser(source)
    listing = _list(source, data_dir)
    rows = _choose(listing, classes, per_class)
    pixels = listing.read(rows, size)
    return listing.source, [
        Picture(listing.ids[row], int(listing.labels[row]), row, listing.splits[row], picture)
        for row, picture in zip(rows.tolist(), pixels, strict=True)
    ]


def load_picture(path: Path, size: int | None = None) -> tuple[Source, Picture]:
    """One image file, whatever its name ends in, as a source of one picture without a class.

    Its id is the name of the file. Pixels and ``size`` as for ``load_pictures``.
    """
    _check_size(size)
    (pixels,) = read_files([path], size)
    source = Source(
        path.name, licence="unknown", origin="an image file", classes=(), class_names=()
    )
    return source, Picture(cleaned(path.stem), -1, 0, "train", pixels)


def _check_size(size: int | None) -> None:
    if size is not None and size not in SIZES:
        raise ZooError(f"--size {size}: it must be from {SIZES[0]} to {SIZES[-1]}")


def meta_pictures(data_dir: Path = Path("data")) -> list[Picture]:
    """The 800 digits from which the shared start is meta-learned.

    They are training pictures from the 401st of their class onwards. So none is ever in the test
    split of a zoo, and a zoo of up to 400 digits a class holds none of them at all: what its
    weights know about its pictures cannot have come in with the start.
    """
    _, pictures = load_pictures(data_dir=data_dir)
    ranks = _ranks(np.array([picture.label for picture in pictures]))
    return [
        picture
        for picture, rank in zip(pictures, ranks, strict=True)
        if picture.split == "train" and rank >= META_FROM
    ]


def _list(source: str | Path, data_dir: Path) -> _Listing:
    """Everything the named source holds."""
    if source == DIGITS.name:
        return _list_arrays(DIGITS, *read_digits(data_dir))
    for idx_set in IDX_SETS:
        if source == idx_set.name:
            return _list_arrays(idx_set.source, *read_idx_set(idx_set, data_dir))
    if not Path(source).is_dir():
        raise ZooError(
            f"there is no source {str(source)!r}: name one of {', '.join(SOURCES)}, or a folder "
            "of image files"
        )
    return _list_files(Path(source))


def _list_arrays(
    source: Source, images: Pixels, labels: Pixels, splits: list[str] | None = None
) -> _Listing:
    """Pictures that are in memory: ``images`` (N, H, W) and ``labels`` (N,)."""
    numbers = labels.astype(np.int64)
    ids = [f"{label}-{k:03d}" for label, k in zip(numbers, _ranks(numbers), strict=True)]
    return _Listing(
        source,
        numbers,
        ids,
        splits or _fifths(numbers),
        read=lambda rows, size: [fitted(picture, size) for picture in images[rows]],
    )


def _list_files(folder: Path) -> _Listing:
    found = list_folder(folder)
    source = Source(
        folder.resolve().name,
        licence="unknown",
        origin="a folder of image files",
        classes=tuple(found.class_names),
        class_names=tuple(found.class_names.values()),
    )
    labels = np.array(found.labels, np.int64)
    return _Listing(
        source,
        labels,
        found.ids,
        _fifths(labels),
        read=lambda rows, size: read_files([found.paths[row] for row in rows], size),
    )


def _ranks(labels: IntArray) -> IntArray:
    """Of each picture, how many of its class come before it: ``(N,)``."""
    order = np.argsort(labels, kind="stable")
    in_order = labels[order]
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(labels)) - np.searchsorted(in_order, in_order)
    return ranks


def _fifths(labels: IntArray) -> list[str]:
    """The split of a source that has none of its own: every fifth picture of a class tests."""
    return np.where(_ranks(labels) % 5 == 4, "test", "train").tolist()


def _choose(listing: _Listing, classes: Sequence[int] | None, per_class: int | None) -> IntArray:
    """The rows of a listing that are asked for, by label and then source order."""
    source, labels = listing.source, listing.labels
    unknown = set(classes or ()) - set(source.classes)
    if unknown:
        raise ZooError(f"{source.name} has no class {min(unknown)}: {_known_classes(source)}")
    wanted = np.unique(labels if classes is None else np.array(classes, np.int64))
    if per_class is not None:
        if per_class < 1:
            raise ZooError(f"--per-class {per_class}: it must be 1 or more")
        count, label = min((int(np.sum(labels == label)), int(label)) for label in wanted)
        if per_class > count:
            owner = f"class {label} has" if label >= 0 else "the files without a class are"
            pictures = "1 picture" if count == 1 else f"{count} pictures"
            raise ZooError(f"--per-class {per_class}: {owner} {pictures}; ask for no more")
    order = np.argsort(labels, kind="stable")
    chosen = np.isin(labels, wanted) & (_ranks(labels) < (per_class or len(labels)))
    return order[chosen[order]]


def _known_classes(source: Source) -> str:
    if not source.classes:
        return "its pictures have no classes"
    named = zip(source.classes, source.class_names, strict=True)
    return "it has " + ", ".join(
        str(number) if name == str(number) else f"{number} ({name})" for number, name in named
    )
