"""The files of one zoo: the main one and the shards that a build keeps beside it.

A build adds finished NCAs as *shards*, small zoo files in a folder beside the main file, and merges
them into it from time to time (``zoowriter.py``). Together they are one table, every row once, in
the order that the merged file will have: by label, source index and id. Columns that were added
meanwhile lie in files of their own (``beside.py``) and are read in place of the file's.
"""

import glob
import os
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.pictures.classes import Classes
from nca_zoo.store.beside import Beside, find_columns, read_beside
from nca_zoo.store.columns import ANY_LENGTH, Column, Sizes, in_common
from nca_zoo.store.hdf5 import DAMAGE, Stamp, opened, reason, stamp
from nca_zoo.store.layout import Layout, read_layout
from nca_zoo.store.schema import BY_NAME, column_problem

BLOCK_BYTES = 1 << 23  # what is read at a time
TEXTS_AT_ONCE = 256  # of any length
NAMED = 20  # ids that an error names at most
LOOKS = 100  # at a zoo that changes while it is read: a build merges ever more rarely

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
T = TypeVar("T")


class PartMoved(ZooError):
    """A part is no longer what it was when the zoo was opened: a build has merged it."""


def retried(read: Callable[[], T], look_again: Callable[[], object] = lambda: None) -> T:
    """What ``read`` gives; whenever a build moves a part meanwhile, after looking again.

    Raises PartMoved for files that never stand still.
    """
    for _ in range(LOOKS):
        try:
            return read()
        except PartMoved:
            look_again()
    return read()


@dataclass(frozen=True, eq=False)
class Part:
    """One file of a zoo, as it was when it was looked at."""

    path: Path
    stamp: Stamp
    layout: Layout
    ids: Names  # (n,)
    labels: Ints  # (n,)
    source_indices: Ints  # (n,)
    ids_in_file: Names  # (n,): others, if the zoo that it goes into calls them otherwise
    beside: tuple[Beside, ...] = ()  # columns added to its zoo that are not in the file
    strangers: tuple[Path, ...] = ()  # files of columns there that were added to another zoo

    @property
    def n_bytes(self) -> int:
        return self.stamp[0]

    @property
    def added(self) -> dict[str, tuple[Column, Beside]]:
        """By name, the columns that are read from beside it, and where they lie."""
        return {column.name: (column, file) for file in self.beside for column in file.columns}

    @property
    def columns(self) -> dict[str, Column]:
        """By name, all columns that can be read of its rows."""
        return self.layout.by_name | {name: column for name, (column, _) in self.added.items()}


@dataclass(frozen=True, eq=False)
class Held:
    """An open file of a zoo, and which of its columns can be read."""

    file: h5py.File
    columns: Mapping[str, Column]
    beside: Mapping[str, tuple[h5py.File, Ints]] = field(default_factory=dict)

    def find(self, name: str, rows: Ints) -> tuple[h5py.File | None, Ints]:
        """The file that holds a column, and where these rows ``(m,)`` of it lie; -1 for nowhere."""
        if name in self.beside:
            file, row_of = self.beside[name]
            return file, row_of[rows]
        return (self.file if name in self.columns else None), rows


def held(part: Part, stack: ExitStack, names: Container[str]) -> Held:
    """Open a part to read the columns of these names; what was opened closes with ``stack``.

    Raises PartMoved if a file is not what it was when it was looked at.
    """
    file = _opened_again(part.path, part.stamp, stack)
    files: dict[Path, tuple[h5py.File, Ints]] = {}
    beside = {}
    for name, (_, added) in part.added.items():
        if name in names:
            if added.path not in files:
                again = _opened_again(added.path, added.stamp, stack)
                files[added.path] = again, added.rows_of(part.ids_in_file)
            beside[name] = files[added.path]
    return Held(file, part.columns, beside)


def _opened_again(path: Path, seen: Stamp, stack: ExitStack) -> h5py.File:
    if not os.path.exists(path):
        raise PartMoved(f"{path}: gone while it was read; open the zoo again")
    file = stack.enter_context(opened(path))
    if stamp(file) != seen:
        raise PartMoved(f"{path}: changed while it was read; open the zoo again")
    return file


@dataclass(frozen=True, eq=False)
class Rows:
    """Where each of N rows lies: row ``row[i]`` of part ``part[i]``."""

    part: Ints
    row: Ints

    def __getitem__(self, which: Any) -> "Rows":
        return Rows(self.part[which], self.row[which])

    def __len__(self) -> int:
        return len(self.row)


def shards_folder(path: Path) -> Path:
    """Where the shards of the zoo at ``path`` lie."""
    return path.with_name(path.name + ".shards")


def find_shards(path: Path) -> list[Path]:
    """The finished shards of the zoo at ``path``, in the order they were made."""
    return sorted(shards_folder(path).glob("*.h5"))


def leftovers(path: Path) -> list[Path]:
    """What kills have left of files that were being written for the zoo at ``path``.

    Also by the names of version 0.1, which did not begin with a dot.
    """
    names = glob.escape(path.name)
    beside = [*path.parent.glob(f".{names}.*.tmp"), path.with_name(f"{path.name}.tmp")]
    return [*filter(Path.exists, beside), *shards_folder(path).glob("*.tmp")]


def zoo_path(path: str | Path) -> Path:
    """``path``, or what it points at: shards lie beside the file itself, not beside a link."""
    path = Path(os.path.expanduser(path))
    return path.resolve() if path.is_symlink() else path


def find_parts(path: Path) -> list[Part]:
    """The main file, if there is one yet, and every finished shard, in order."""
    while True:
        # These first: what is merged meanwhile is then found again in the main file.
        shards, files = find_shards(path), find_columns(path)
        try:
            beside = [read_beside(file) for file in files]
            parts = [read_part(shard) for shard in shards]
            main = [read_part(path)] if os.path.exists(path) or not parts else []
            return [_with_columns(part, beside) for part in main + parts]
        except ZooError:
            if all(os.path.exists(file) for file in (*shards, *files)):
                raise


def _with_columns(part: Part, beside: Sequence[Beside]) -> Part:
    """A part with those files of columns that belong to its zoo."""
    own = tuple(file for file in beside if file.belongs_to(part.layout.header))
    return replace(part, beside=own, strangers=tuple(f.path for f in beside if f not in own))


def read_part(path: Path) -> Part:
    """Look at one file: its layout, and what names and orders its rows."""
    with opened(path) as file:
        layout = read_layout(file)
        columns = [BY_NAME[name] for name in ("id", "label", "source_index")]
        everything = Rows(np.zeros(layout.rows, np.int64), np.arange(layout.rows))
        there = {0: Held(file, layout.by_name)}
        values = [gather(there, column, layout.sizes, everything) for column in columns]
        seen = stamp(file)
    ids = values[0]
    if problem := column_problem(BY_NAME["id"], ids, ids, np.ones(len(ids), bool), layout.sizes):
        raise ZooError(f"{path}: {problem}")
    names, counts = np.unique(ids, return_counts=True)
    if len(names) < len(ids):
        raise ZooError(f"{path}: id {names[counts > 1][0].decode()} occurs more than once")
    labels, indices = (v.astype(np.int64) for v in values[1:])
    own = ids.astype(str)
    return Part(path, seen, layout, own, labels, indices, own)


def locate(parts: Sequence[Part]) -> Rows:
    """Every row of all parts, each id once, by label, source index and id.

    Raises ZooError if the parts do not belong together: other settings or sizes, or two NCAs of
    one id that are not the same.
    """
    first = parts[0]
    for part in parts[1:]:
        if differ := first.layout.header.differences(part.layout.header):
            raise ZooError(f"{part.path}: other settings than {first.path}: {', '.join(differ)}")
        if part.layout.sizes != first.layout.sizes:
            mine, theirs = dict(first.layout.sizes), dict(part.layout.sizes)
            raise ZooError(f"{part.path}: sizes {theirs}, but {first.path} has {mine}")
    rows, ids, first_of = _all_rows(parts)
    if twice := _differing(parts, rows, ids, first_of):
        raise ZooError(twice.complaint)
    kept = np.unique(first_of)
    labels = np.concatenate([part.labels for part in parts])[kept]
    indices = np.concatenate([part.source_indices for part in parts])[kept]
    return rows[kept[np.lexsort((ids[kept], indices, labels))]]


def _all_rows(parts: Sequence[Part]) -> tuple[Rows, Names, Ints]:
    """Every row of all parts, one after the other, its id, and which row is the first of that."""
    rows = Rows(
        np.repeat(np.arange(len(parts)), [len(part.ids) for part in parts]),
        np.concatenate([np.arange(len(part.ids)) for part in parts]),
    )
    ids = np.concatenate([part.ids for part in parts])
    _, first, which = np.unique(ids, return_index=True, return_inverse=True)
    return rows, ids, first[which]


def classes_of(parts: Sequence[Part]) -> Classes:
    """What all classes that occur are called, in the parts of one zoo.

    Raises ZooError if one number stands for two.
    """
    joined = Classes()
    for part in parts:
        own = part.layout.header.class_names
        joined, numbers = joined.joined(own)
        for number, there in numbers.items():
            if there != number:
                raise ZooError(
                    f"{part.path}: class {number} is {own.name(number)}, but {joined.name(number)} "
                    f"in {parts[0].path}; move one of the two away"
                )
    return joined.with_labels(np.unique(np.concatenate([p.labels for p in parts])).tolist())


def shared_columns(parts: Sequence[Part]) -> dict[str, Column]:
    """By name, every column that some part has, wide enough for all.

    Raises ZooError for a column that is not the same kind of thing in all of them.
    """
    found: dict[str, tuple[Column, Part]] = {}
    for part in parts:
        for column in part.columns.values():
            other, where = found.setdefault(column.name, (column, part))
            common = in_common(other, column)
            if common is None:
                raise ZooError(
                    f"{part.path}: {column.name} is {column.dtype} {column.shape}, but "
                    f"{other.dtype} {other.shape} in {where.path}; rename or delete one of them"
                )
            found[column.name] = common, where
    return {name: column for name, (column, _) in found.items()}


def names_of(parts: Sequence[Part], rows: Rows) -> Names:
    """The ids of the given rows."""
    return as_called(parts, "id", rows).astype(np.str_)


@dataclass(frozen=True, eq=False)
class Doubles:
    """Rows that have the id of another NCA: which row, and which comes first."""

    rows: Rows  # (n,)
    first: Rows  # (n,)
    ids: Names  # (n,)
    complaint: str


def doubles(parts: Sequence[Part]) -> Doubles | None:
    """Rows of an id that an earlier row has, with other weights; None if there is none.

    With the same weights they are the same NCA: a build that is killed between merging shards and
    deleting them leaves rows twice.
    """
    return _differing(parts, *_all_rows(parts))


def _differing(parts: Sequence[Part], rows: Rows, ids: Names, first_of: Ints) -> Doubles | None:
    """``doubles``, among all rows as ``_all_rows`` gives them."""
    again = np.flatnonzero(first_of != np.arange(len(ids)))
    ids, rows, first = ids[again], rows[again], rows[first_of[again]]
    weights = BY_NAME["weights"]
    step = BLOCK_BYTES // weights.row_bytes({})
    differ = np.zeros(len(rows), bool)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        here, there = (read_rows(parts, weights, r[block]) for r in (rows, first))
        differ[block] = (here.view(np.uint32) != there.view(np.uint32)).any(axis=1)
    if not differ.any():
        return None
    ids, rows, first = ids[differ], rows[differ], first[differ]
    paths = [str(parts[r.part[0]].path) for r in (first, rows)]
    others = np.unique(ids[ids != ids[0]])
    named = ", ".join(others[:NAMED]) + (" ..." if len(others) > NAMED else "")
    more = f"; and {len(others)} more: {named}" if len(others) else ""
    words = f"{ids[0]} is in {paths[0]} and in {paths[1]} with other weights{more}"
    return Doubles(rows, first, ids, words)


def read_rows(parts: Sequence[Part], column: Column, rows: Rows) -> npt.NDArray[Any]:
    """One column ``(n, ...)`` of the given rows; opens the files that hold them."""
    with ExitStack() as stack:
        numbers = np.unique(rows.part).tolist()
        files = {number: held(parts[number], stack, {column.name}) for number in numbers}
        return gather(files, column, parts[0].layout.sizes, rows)


def as_called(parts: Sequence[Part], name: str, rows: Rows) -> npt.NDArray[Any]:
    """The column ``id`` or ``label`` of rows, as the zoo that they go into calls them."""
    called = [part.ids if name == "id" else part.labels for part in parts]
    first_row = np.cumsum([0, *map(len, called)])
    return np.concatenate(called)[first_row[rows.part] + rows.row].astype(BY_NAME[name].dtype)


def gather(files: Mapping[int, Held], column: Column, sizes: Sizes, rows: Rows) -> npt.NDArray[Any]:
    """One column ``(n, ...)`` of rows that lie in open files.

    A file without the column gives ``column.fill``. Reads at most 8 MB at a time, in the order of
    the files. A text of any length comes as bytes, in an array of objects.
    """
    out = np.empty((len(rows), *column.row_shape(sizes)), column.dtype)
    for number, there in files.items():
        where = np.flatnonzero(rows.part == number)
        file, places = there.find(column.name, rows.row[where])
        if file is None:
            out[where] = column.fill
            continue
        out[where[places < 0]] = column.fill
        where, places = where[places >= 0], places[places >= 0]
        order = np.argsort(places, kind="stable")
        where, wanted = where[order], places[order]
        step, most = _step(file, column, sizes), stamp(file)[0]
        start, letters = 0, 0
        while start < len(wanted):
            stop = int(np.searchsorted(wanted, wanted[start] + step))
            first, last = int(wanted[start]), int(wanted[stop - 1])
            try:
                block = file[column.name][first : last + 1]
            except DAMAGE as error:
                words = f"{column.name}: damaged ({reason(error)})"
                raise ZooError(f"{file.filename}: {words}") from None
            if column.dtype == ANY_LENGTH:
                letters += sum(map(len, block))
                if letters > most:
                    words = f"{column.name}: says it holds more text than the {most} bytes of it"
                    raise ZooError(f"{file.filename}: {words}")
            out[where[start:stop]] = block[wanted[start:stop] - first]
            start = stop
        _agree_on_missing(out, where, column, there.columns[column.name])
    return out


def _step(file: h5py.File, column: Column, sizes: Sizes) -> int:
    """How many rows to read at a time. A text may be as long as the file says, and no longer."""
    if column.dtype == ANY_LENGTH:
        return max(1, min(TEXTS_AT_ONCE, 4 * BLOCK_BYTES // stamp(file)[0]))
    return max(1, BLOCK_BYTES // max(1, column.row_bytes(sizes)))


def _agree_on_missing(out: npt.NDArray[Any], where: Ints, column: Column, own: Column) -> None:
    """What stood for a missing value in one file stands for one among the rows of all."""
    if out.dtype.kind in "iu" and own.missing is not None and own.missing != column.fill:
        rows = out[where]
        rows[rows == own.missing] = column.fill
        out[where] = rows
