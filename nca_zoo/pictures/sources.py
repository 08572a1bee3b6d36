"""Pictures and their labels: sets of digits, letters and clothes, or a folder of image files.

Every picture has an id and a split that depend on its source alone, never on which pictures are
asked for: they stay the same when a zoo grows or zoos are merged. The official split of a
torchvision set is kept; in other sources every fifth picture of a class is for testing.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.memory import available
from nca_zoo.pictures.classes import NO_CLASS
from nca_zoo.pictures.folders import list_folder
from nca_zoo.pictures.image_files import fitted, read_file, read_files
from nca_zoo.pictures.image_sets import DIGITS, IDX_SETS, Source, read_digits, read_idx_set
from nca_zoo.pictures.left_out import PictureError, counted
from nca_zoo.pictures.levels import Pixels, check_scale
from nca_zoo.pictures.names import MOST_IN_ID, cleaned, true_name
from nca_zoo.pictures.targets import Target, TargetSettings, make_target

IntArray = npt.NDArray[np.int64]

SOURCES = (DIGITS.name, *(idx_set.name for idx_set in IDX_SETS))
SIZES = range(3, 1025)  # sides that pictures may be resized to, in cells
MOST_REPEATS = 9999  # fits of one picture
META_FROM = 400  # of a class's digits, the shared start may learn from the 401st onwards


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a source.

    ``pixels`` is uint8: ``(H, W)`` ink, where 0 is background, or ``(H, W, 4)`` straight (not
    premultiplied) RGBA.
    """

    id: str  # "7-012": the 13th picture of class 7 in the source's order; "cat-tom": cat/tom.png
    label: int  # class by its number in the source, -1 if none
    source_index: int  # which picture of the source
    split: str  # "train" or "test"
    pixels: Pixels
    name: str = ""  # its own, in any script: "cat/tom.png"; the id unless it has one
    repeat: int = 1  # which of several fits of it: each has random draws of its own
    frames: tuple[Pixels, ...] = ()  # of a film, of equal time, the first of them ``pixels``


def target_of(picture: Picture, settings: TargetSettings) -> Target:
    """``make_target`` of a picture; its ZooError names the picture."""
    try:
        return make_target(picture.pixels, settings)
    except ZooError as error:
        raise ZooError(f"{picture.id}: {error}") from None


@dataclass(frozen=True)
class _Listing:
    """All N pictures of a source in its order.

    ``read(rows, size, scale)`` gives their pixels, or of a file what is wrong with it.
    """

    source: Source
    labels: IntArray  # (N,)
    ids: list[str]
    splits: list[str]
    names: list[str]
    read: Callable[[IntArray, int | None, float | None], Sequence[Pixels | PictureError]]
    paths: Sequence[Path] = ()  # (N,) of a folder
    left_out: Sequence[PictureError] = ()


def load_pictures(
    source: str | Path = DIGITS.name,
    classes: str | Sequence[int | str] | None = None,
    per_class: int | None = None,
    data_dir: Path = Path("data"),
    size: int | None = None,
    *,
    scale: float | None = None,
    target: TargetSettings | None = None,
    strict: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Source, list[Picture]]:
    """The first ``per_class`` pictures of each of ``classes``, by label and then source order.

    source: ``digits`` (5,000 of MNIST, no download), ``mnist``, ``emnist`` (its balanced
        division), ``kmnist``, ``fashion``, or a folder of image files (see ``list_folder`` for
        classes and ``read_file`` for pixels; ``./digits`` if it has the name of a set).
    classes: as ``Classes.chosen`` reads a text, or numbers; None takes all, files without a class
        among them. per_class: None takes all.
    data_dir: for the cache and for downloads; raw files that lie there already are used.
    size: resize to ``size`` x ``size`` cells, proportions kept, on an empty ground.
    scale: the number that is full ink in greys of more than 8 bits, if files do not say.
    target: leave out pictures of which these settings make no target, such as empty ones.
    strict: stop at a file of a folder that cannot be used; else it is left out, and ``tell`` called
    with a line that counts and names those. No other picture's id or split depends on it.

    The split of digits, and of folders that have no official one, is ``test`` for ``k % 5 == 4``,
    where k counts the pictures of a class from 0, and ``train`` for the rest.

    Raises ZooError for unknown sources and classes, for too few pictures, for damaged sets,
    without a network where one is needed, for files of different sizes if no size is given, and if
    no picture is left.
    """
    _check_size(size)
    check_scale(scale)
    if isinstance(source, str):
        source = os.path.expanduser(source)
    listing = _list(source, data_dir)
    rows = _choose(listing, classes, per_class)
    _check_room(len(rows), size)
    pictures, left_out = [], list(listing.left_out)
    for row, pixels in zip(rows.tolist(), listing.read(rows, size, scale), strict=True):
        if listing.paths and target and not isinstance(pixels, PictureError):
            pixels = _growable(pixels, target, listing.paths[row])
        if isinstance(pixels, PictureError):
            left_out.append(pixels)
            continue
        label, split = int(listing.labels[row]), listing.splits[row]
        nca_id, name = listing.ids[row], listing.names[row]
        pictures.append(Picture(nca_id, label, row, split, pixels, name))
    if left_out:
        named = counted(left_out, Path(source))
        if strict:
            raise ZooError(f"{named}; repair them, take them away, or do without --strict")
        if not pictures:
            raise ZooError(f"no picture of {source} can be used: {named}")
        tell(f"{named}; --strict stops instead")
    return listing.source, pictures


def _growable(pixels: Pixels, target: TargetSettings, path: Path) -> Pixels | PictureError:
    """Pixels, or why there can be no target of them."""
    try:
        make_target(pixels, target)
    except ZooError as error:
        why = str(error).split(":")[0].removeprefix("the picture is ")
        return PictureError(f"{path}: {error}", path, why)
    return pixels


def repeated(pictures: Sequence[Picture], times: int) -> list[Picture]:
    """Every picture ``times`` times, to be fitted as often: ids ``3-007``, ``3-007+02``, ...

    The first keeps the picture's id, and with it all draws, so that its NCA is the one of a build
    without repeats; no file name makes an id with a plus. Raises ZooError for ``times`` that no
    id can count, and for ids that have no room for it.
    """
    if not 1 <= times <= MOST_REPEATS:
        raise ZooError(f"--repeats {times}: it must be from 1 to {MOST_REPEATS}")
    found = [
        replace(
            picture, id=f"{picture.id}+{k:02d}", name=picture.name or picture.id, repeat=k
        ) if k > 1 else picture
        for picture in pictures
        for k in range(1, times + 1)
    ]  # fmt: skip
    for picture in found:
        if len(picture.id) > MOST_IN_ID:
            raise ZooError(f"{picture.name}: its name is too long to be fitted several times")
    return found


def load_picture(
    path: Path, size: int | None = None, scale: float | None = None
) -> tuple[Source, Picture]:
    """One image file, whatever its name ends in, as a source of one picture without a class.

    Its id is the name of the file. Pixels, ``size`` and ``scale`` as for ``load_pictures``.
    """
    _check_size(size)
    check_scale(scale)
    return lone_picture(read_file(path, size, scale), path, size)


def lone_picture(pixels: Pixels, path: Path, size: int | None = None) -> tuple[Source, Picture]:
    """Pixels as a source of one picture without a class, called as if they lay at ``path``."""
    _check_size(size)
    name = true_name(path.name)
    source = Source(name, licence="unknown", origin="an image file")
    picture = fitted(pixels, size)
    return source, Picture(cleaned(path.stem), NO_CLASS, 0, "train", picture, name)


def _check_size(size: int | None) -> None:
    if size is not None and size not in SIZES:
        raise ZooError(f"--size {size}: it must be from {SIZES[0]} to {SIZES[-1]}")


def _check_room(pictures: int, size: int | None) -> None:
    """Pictures are held while a zoo is built: raises ZooError if the memory has no room for all."""
    needed, most = pictures * (size or 0) ** 2, available()
    if most is not None and needed > most:
        raise ZooError(
            f"{pictures} pictures of {size} x {size} cells take {needed / 1e9:.1f} GB of memory, "
            f"and this process may have {most / 1e9:.1f} GB; choose a smaller size or fewer "
            "pictures"
        )


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
        ids,
        read=lambda rows, size, _: [fitted(picture, size) for picture in images[rows]],
    )


def _list_files(folder: Path) -> _Listing:
    found = list_folder(folder)
    source = Source(
        true_name(folder.resolve().name),
        licence="unknown",
        origin="a folder of image files",
        classes=found.classes,
    )
    labels = np.array(found.labels, np.int64)
    fifths = zip(found.splits, _fifths(labels), strict=True)
    return _Listing(
        source,
        labels,
        found.ids,
        [official or fifth for official, fifth in fifths],
        found.names,
        lambda rows, size, scale: read_files([found.paths[row] for row in rows], size, scale),
        found.paths,
        found.left_out,
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


def _choose(
    listing: _Listing, classes: str | Sequence[int | str] | None, per_class: int | None
) -> IntArray:
    """The rows of a listing that are asked for, by label and then source order."""
    source, labels = listing.source, listing.labels
    if classes is not None:
        asked = [classes] if isinstance(classes, str) else map(str, classes)
        among = f"among the pictures of {source.name}"
        wanted = np.unique([n for text in asked for n in source.classes.chosen(text, among)])
    else:
        wanted = np.unique(labels)
    if per_class is not None:
        if per_class < 1:
            raise ZooError(f"--per-class {per_class}: it must be 1 or more")
        count, label = min((int(np.sum(labels == label)), int(label)) for label in wanted)
        if per_class > count:
            name = source.classes.name(label)
            owner = f"class {name} has" if name else "the files without a class are"
            pictures = "1 picture" if count == 1 else f"{count} pictures"
            raise ZooError(f"--per-class {per_class}: {owner} {pictures}; ask for no more")
    order = np.argsort(labels, kind="stable")
    chosen = np.isin(labels, wanted) & (_ranks(labels) < (per_class or len(labels)))
    return order[chosen[order]]
