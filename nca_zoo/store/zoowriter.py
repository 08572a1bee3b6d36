"""Writing a zoo so that a kill, a crash or a full disk at any moment loses nothing finished.

Finished NCAs become *shards*: small zoo files, written under another name, synced to the disk and
renamed. Shards are merged into the main file in the same way and then deleted. What is cut short
is either not there yet or there twice, and readers take a row once (``parts.py``). Columns that are
added later begin in the same way, as files of their own (``beside.py``).
"""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import patiently, sync_folder
from nca_zoo.ground.locks import FileLock
from nca_zoo.pictures.classes import Classes
from nca_zoo.store.assemble import disk, merge, write_rows
from nca_zoo.store.beside import columns_folder, find_columns, read_beside
from nca_zoo.store.columns import Column, Sizes
from nca_zoo.store.layout import Layout
from nca_zoo.store.parts import (
    classes_of,
    find_parts,
    find_shards,
    leftovers,
    read_part,
    shards_folder,
    zoo_path,
)
from nca_zoo.store.schema import (
    BY_NAME,
    COLUMNS,
    OWN_NAMES,
    SCHEMA,
    Header,
    column_problem,
    digests,
    picture_digests,
)

SMALL_BYTES = 64 << 20  # a main file of up to so many is written anew for every added column
LARGE_SHARE = 4  # and a larger one, once columns beside it come to this part of it
FAN_BITS = 4  # 16 shards of about one size become one


class ZooWriter:
    """Adds finished NCAs to the zoo at ``path``: a new one, or one with the same settings.

    A context manager. Raises ZooError, one line, if another process writes this zoo, if it was
    built with other settings (naming them), or if the disk refuses.
    """

    def __init__(self, path: str | Path, header: Header) -> None:
        self.path = zoo_path(path)
        self.header = header
        self._folder = shards_folder(self.path)
        self._given = header.class_names  # what the numbers of labels mean to who adds NCAs
        self._sizes: Sizes = {}  # set by the first rows
        self._ids: set[str] = set()
        self._main_rows = 0
        self._shards: dict[Path, int] = {}  # and their rows
        with disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(
                self.path.with_name(self.path.name + ".lock"),
                f"{self.path} is being written already; wait, or use another --out. The writer is",
            )
        try:
            self._resume()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(ZooError):  # the rows are safe, and what came first is what matters
                self.close()

    def finished_ids(self) -> set[str]:
        """Ids of all NCAs that are safe on disk."""
        return set(self._ids)

    def add(self, records: Sequence[Mapping[str, Any]], further: Sequence[Column] = ()) -> None:
        """Store NCAs, each a value for every column but optional ones; checksums are made here.

        further: columns beside the schema's, of which all of these have a value. Once this returns
        they are safe on disk. A label stands for the class of that number in the header that this
        writer was given, whatever its number is in the file.

        Raises ZooError, naming NCA and column, for a value that the schema does not allow, and
        for an id that is there already.
        """
        if not records:
            return
        sizes = self._sizes or _sizes_of(records[0])
        values = _checked(records, sizes, further)
        values["label"] = self._as_here(values["label"])
        ids = values["id"].astype(str).tolist()
        new: set[str] = set()
        for nca_id in ids:
            if nca_id in self._ids or nca_id in new:
                raise ZooError(f"{nca_id} is in {self.path} already")
            new.add(nca_id)
        shard = self._next_shard()
        with disk(self.path):
            self._folder.mkdir(exist_ok=True)
        write_rows(shard, Layout(len(ids), sizes, (*COLUMNS, *further), self.header), values)
        self._sizes = sizes
        self._ids |= new
        self._shards[shard] = len(ids)
        self._tidy()

    def _as_here(self, labels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Labels of who adds NCAs by the numbers that their classes have in this file."""
        given = self._given.with_labels(labels.tolist())
        joined, numbers = self.header.class_names.joined(given)
        self.header = replace(self.header, class_names=joined)
        return np.array([numbers.get(n, n) for n in labels.tolist()], labels.dtype)

    def call_classes(self, names: Mapping[int, str]) -> None:
        """Give classes of this file other names: where it is of schema 1, it has none."""
        called = Classes({**self.header.class_names, **names})
        self.header = replace(self.header, class_names=called)

    def drop(self, ids: Container[str]) -> None:
        """Take NCAs out of the zoo; at a kill they are all gone or all there."""
        left = {nca_id for nca_id in self._ids if nca_id not in ids}
        files = [*find_shards(self.path), *find_columns(self.path)]
        if left:
            self._main_rows = merge(find_parts(self.path), self.path, without=ids)
        elif self.path.exists():
            files.append(self.path)
        self._remove(files)
        self._shards.clear()
        self._ids = left
        self._main_rows = len(left)

    def consolidate(self) -> None:
        """Merge the main file, all shards and all columns beside it into one main file."""
        shards, columns = find_shards(self.path), find_columns(self.path)
        if shards or columns:
            parts = find_parts(self.path)
            self._main_rows = merge(parts, self.path)
            self._delete(shards)
            # The oldest first: were the last to go before it, an older value would count again.
            self._remove(sorted({added.path for added in parts[0].beside}))

    def add_columns(self, columns: Mapping[Column, npt.NDArray[Any]], ids: Sequence[str]) -> None:
        """Store a value ``(n, ...)`` of each column for the NCAs ``ids`` ``(n,)``.

        They replace columns of the same names; other NCAs have no value. Once this returns they are
        safe on disk, whole, in a file beside the main one: ``close`` may leave them there.
        """
        named = np.array(list(ids), BY_NAME["id"].dtype)
        for column, values in columns.items():
            if values.shape != (expected := (len(named), *column.row_shape(self._sizes))):
                raise ZooError(f"{column.name}: expected shape {expected}, found {values.shape}")
        older = find_columns(self.path)
        file = columns_folder(self.path) / f"{_next_number(older):08d}.h5"
        with disk(self.path):
            file.parent.mkdir(exist_ok=True)
        layout = Layout(len(named), self._sizes, (BY_NAME["id"], *columns), self.header)
        write_rows(file, layout, {"id": named} | {c.name: v for c, v in columns.items()})
        names = {column.name for column in columns}
        self._remove([p for p in older if {c.name for c in read_beside(p).columns} <= names])

    def close(self) -> None:
        """Consolidate unless the columns alone are new and the file is large; let the next in."""
        try:
            if find_shards(self.path) or self._columns_are_due():
                self.consolidate()
            for folder in (self._folder, columns_folder(self.path)):
                with suppress(OSError):
                    folder.rmdir()
        finally:
            self._lock.release()

    def _columns_are_due(self) -> bool:
        """Whether columns lie beside the file, and it is small or they are not."""
        files = (read_beside(path) for path in find_columns(self.path))
        beside = sum(file.stamp[0] for file in files if file.belongs_to(self.header))
        main = self.path.stat().st_size if self.path.exists() else 0
        return beside > 0 and (main <= SMALL_BYTES or LARGE_SHARE * beside >= main)

    def _resume(self) -> None:
        with disk(self.path):
            unfinished = [*leftovers(self.path), *columns_folder(self.path).glob("*.tmp")]
            for left in unfinished:
                left.unlink()
        if not self.path.exists() and not find_shards(self.path):
            return
        parts = find_parts(self.path)
        first = parts[0].layout
        if differ := first.header.differences(self.header):
            raise ZooError(
                f"{self.path} was built with other settings: {', '.join(differ)}; "
                "use the same settings, or another --out"
            )
        self.header = replace(first.header, class_names=classes_of(parts), schema=SCHEMA)
        self._sizes = first.sizes
        for part in parts:
            self._ids.update(part.ids.tolist())
            if part.path == self.path:
                self._main_rows = part.layout.rows
            else:
                self._shards[part.path] = part.layout.rows

    def _tidy(self) -> None:
        """Keep files few, while each row is rewritten only about log N times."""
        if sum(self._shards.values()) >= self._main_rows:
            self.consolidate()
            return
        tiers = defaultdict(list)
        for shard, rows in self._shards.items():
            tiers[(rows.bit_length() - 1) // FAN_BITS].append(shard)
        for shards in tiers.values():
            if len(shards) >= 1 << FAN_BITS:
                merged = self._next_shard()
                self._shards[merged] = merge([read_part(shard) for shard in shards], merged)
                self._delete(shards)

    def _next_shard(self) -> Path:
        return self._folder / f"{_next_number(find_shards(self.path)):08d}.h5"

    def _delete(self, shards: Sequence[Path]) -> None:
        self._remove(shards)
        for shard in shards:
            self._shards.pop(shard, None)

    def _remove(self, files: Sequence[Path]) -> None:
        with disk(self.path):
            for file in files:
                patiently(file.unlink)
            if files:
                sync_folder(files[0].parent)


def _next_number(files: Sequence[Path]) -> int:
    return max((int(file.stem) for file in files if file.stem.isdecimal()), default=0) + 1


def write_zoo(
    path: Path,
    header: Header,
    records: Sequence[Mapping[str, Any]],
    further: Sequence[Column] = (),
) -> None:
    """A whole zoo file at ``path`` in one go, of NCAs as ``ZooWriter.add`` takes them."""
    sizes = _sizes_of(records[0])
    values = _checked(records, sizes, further)
    names = header.class_names.with_labels(values["label"].tolist())
    named = replace(header, class_names=names)
    write_rows(path, Layout(len(records), sizes, (*COLUMNS, *further), named), values)


def _checked(
    records: Sequence[Mapping[str, Any]], sizes: Sizes, further: Sequence[Column]
) -> dict[str, npt.NDArray[Any]]:
    """All columns ``(n, ...)`` of NCAs; raises ZooError for what the schema does not allow."""
    values = {
        column.name: _stack(column, records, sizes)
        for column in (*COLUMNS, *further)
        if not column.name.endswith("_sha256")
    }
    values["weights_sha256"] = digests(values["weights"])
    values["picture_sha256"] = picture_digests(values["target"])
    ok = values["status"] == b"ok"
    for column in COLUMNS:
        if problem := column_problem(column, values[column.name], values["id"], ok, sizes):
            raise ZooError(problem)
    return values


def _sizes_of(record: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of a zoo whose first row this is."""
    height, width = np.shape(record["target"])[:2]
    return {"H": height, "W": width, "L": np.size(record["loss"])}


def _stack(column: Column, records: Sequence[Mapping[str, Any]], sizes: Sizes) -> npt.NDArray[Any]:
    """One column of all records, in its own type; raises ZooError if a value does not fit it."""
    dtype, shape = np.dtype(column.dtype), column.row_shape(sizes)
    stacked = np.empty((len(records), *shape), dtype)
    for row, record in enumerate(records):
        lacking = record["id"] if column.name == OWN_NAMES else column.fill
        value = record.get(column.name, lacking) if column.optional else record[column.name]
        given = np.asarray(value.encode() if isinstance(value, str) else value)
        fits = given.shape == shape and given.dtype.kind in _TAKES[dtype.kind]
        if fits:
            with np.errstate(over="ignore"):
                stacked[row] = given.astype(dtype)
            fits = column.is_float or np.array_equal(stacked[row], given)
        if not fits:
            expected = f"text of {dtype.itemsize} bytes" if column.is_text else f"{dtype} {shape}"
            found = f"{given.dtype} {given.shape}" if given.shape else repr(value)
            raise ZooError(f"{record['id']}: {column.name}: expected {expected}, found {found}")
    return stacked


_TAKES = {"f": "fiu", "i": "iu", "u": "iu", "S": "S"}  # kinds of numpy types, by the column's
