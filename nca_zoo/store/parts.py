"""The files of one zoo: the main one and the shards that a build keeps beside it.

A build adds finished NCAs as *shards*, small zoo files in a folder beside the main file, and merges
them into it from time to time (``zoowriter.py``). Together they are one table, every row once, in
the order that the merged file will have: by label, source index and id.
"""

import glob
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.store.layout import DAMAGE, Layout, opened, read_layout, reason, stamp
from nca_zoo.store.schema import BY_NAME, Column, Sizes, column_problem

BLOCK_BYTES = 1 << 23  # what is read at a time
NAMED = 20  # ids that an error names at most

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


class PartMoved(ZooError):
    """A part is no longer what it was when the zoo was opened: a build has merged it."""


@dataclass(frozen=True, eq=False)
class Part:
    """One file of a zoo, as it was when it was looked at."""

    path: Path
    stamp: tuple[int, int]  # bytes, time of writing
    layout: Layout
    ids: Names  # (n,)
    labels: Ints  # (n,)
    source_indices: Ints  # (n,)

    @property
    def n_bytes(self) -> int:
        return self.stamp[0]


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
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def find_parts(path: Path) -> list[Part]:
    """The main file, if there is one yet, and every finished shard, in order."""
    while True:
        # Shards first: one that is merged meanwhile is then found again in the main file.
        shards = find_shards(path)
        try:
            parts = [read_part(shard) for shard in shards]
            main = [read_part(path)] if os.path.exists(path) or not parts else []
            return main + parts
        except ZooError:
            if all(os.path.exists(shard) for shard in shards):
                raise


def read_part(path: Path) -> Part:
    """Look at one file: its layout, and what names and orders its rows."""
    with opened(path) as file:
        layout = read_layout(file)
        columns = [BY_NAME[name] for name in ("id", "label", "source_index")]
        everything = Rows(np.zeros(layout.rows, np.int64), np.arange(layout.rows))
        values = [gather({0: file}, column, layout.sizes, everything) for column in columns]
        seen = stamp(file)
    ids = values[0]
    if problem := column_problem(BY_NAME["id"], ids, ids, np.ones(len(ids), bool), layout.sizes):
        raise ZooError(f"{path}: {problem}")
    names, counts = np.unique(ids, return_counts=True)
    if len(names) < len(ids):
        raise ZooError(f"{path}: id {names[counts > 1][0].decode()} occurs more than once")
    return Part(path, seen, layout, ids.astype(str), *(v.astype(np.int64) for v in values[1:]))


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
    ids = np.concatenate([part.ids for part in parts])
    rows = Rows(
        np.repeat(np.arange(len(parts)), [len(part.ids) for part in parts]),
        np.concatenate([np.arange(len(part.ids)) for part in parts]),
    )
    _, kept, twin = np.unique(ids, return_index=True, return_inverse=True)
    again = np.flatnonzero(kept[twin] != np.arange(len(ids)))
    _check_same(parts, rows[again], rows[kept[twin[again]]], ids[again])
    labels = np.concatenate([part.labels for part in parts])[kept]
    indices = np.concatenate([part.source_indices for part in parts])[kept]
    return rows[kept[np.lexsort((ids[kept], indices, labels))]]


def names_of(parts: Sequence[Part], rows: Rows) -> Names:
    """The ids of the given rows."""
    ids = np.concatenate([part.ids for part in parts])
    first_row = np.cumsum([0, *(len(part.ids) for part in parts)])
    return ids[first_row[rows.part] + rows.row]


def _check_same(parts: Sequence[Part], rows: Rows, twins: Rows, ids: npt.NDArray[Any]) -> None:
    """A build that is killed between merging shards and deleting them leaves rows twice."""
    weights = BY_NAME["weights"]
    step = BLOCK_BYTES // weights.row_bytes({})
    differ = np.zeros(len(rows), bool)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        here, there = (read_rows(parts, weights, r[block]) for r in (rows, twins))
        differ[block] = (here.view(np.uint32) != there.view(np.uint32)).any(axis=1)
    if differ.any():
        at = int(np.argmax(differ))
        paths = [str(parts[r.part[at]].path) for r in (twins, rows)]
        others = np.unique(ids[differ & (ids != ids[at])])
        named = ", ".join(others[:NAMED]) + (" ..." if len(others) > NAMED else "")
        more = f"; and {len(others)} more: {named}" if len(others) else ""
        raise ZooError(f"{ids[at]} is in {paths[0]} and in {paths[1]} with other weights{more}")


def read_rows(parts: Sequence[Part], column: Column, rows: Rows) -> npt.NDArray[Any]:
    """One column ``(n, ...)`` of the given rows; opens the files that hold them."""
    with ExitStack() as stack:
        files = {}
        for number in np.unique(rows.part).tolist():
            part = parts[number]
            if not os.path.exists(part.path):
                raise PartMoved(f"{part.path}: gone while it was read; open the zoo again")
            files[number] = stack.enter_context(opened(part.path))
            if stamp(files[number]) != part.stamp:
                raise PartMoved(f"{part.path}: changed while it was read; open the zoo again")
        return gather(files, column, parts[0].layout.sizes, rows)


def gather(
    files: Mapping[int, h5py.File], column: Column, sizes: Sizes, rows: Rows
) -> npt.NDArray[Any]:
    """One column ``(n, ...)`` of rows that lie in open files.

    A file without the column gives NaN, or empty text. Reads at most 8 MB at a time, in the order
    of the files.
    """
    out = np.empty((len(rows), *column.row_shape(sizes)), column.dtype)
    step = max(1, BLOCK_BYTES // max(1, column.row_bytes(sizes)))
    for number, file in files.items():
        where = np.flatnonzero(rows.part == number)
        where = where[np.argsort(rows.row[where], kind="stable")]
        wanted = rows.row[where]
        if column.name not in file:
            out[where] = b"" if column.is_text else np.nan
            continue
        start = 0
        while start < len(wanted):
            stop = int(np.searchsorted(wanted, wanted[start] + step))
            first, last = int(wanted[start]), int(wanted[stop - 1])
            try:
                block = file[column.name][first : last + 1]
            except DAMAGE as error:
                words = f"{column.name}: damaged ({reason(error)})"
                raise ZooError(f"{file.filename}: {words}") from None
            out[where[start:stop]] = block[wanted[start:stop] - first]
            start = stop
    return out
