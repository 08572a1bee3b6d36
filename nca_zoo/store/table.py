"""The table of a zoo: N rows, whose columns are read from its files when they are asked for."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError, nearest
from nca_zoo.store.columns import Column, decoded
from nca_zoo.store.parts import (
    Names,
    Part,
    Rows,
    classes_of,
    find_parts,
    locate,
    names_of,
    read_rows,
    retried,
    shared_columns,
)
from nca_zoo.store.schema import COLUMNS, OWN_NAMES, column_problem, picture_digests
from nca_zoo.store.settings import Settings

CLASS_NAME = "class_name"  # a column that is made of label and class_names
_MADE_UP_FOR = (OWN_NAMES, "picture_sha256")  # where a zoo of schema 1 has no such column


class Table:
    """N NCAs as rows: every column is an attribute, read when it is first asked for.

    What a row is, and what can be done with it, is for ``Zoo`` to say.
    """

    id: Names  # (N,)

    def __init__(self, path: Path, parts: Sequence[Part], rows: Rows, ids: Names) -> None:
        self.path = path
        self.classes = classes_of(parts)
        self._header = replace(parts[0].layout.header, class_names=self.classes)
        self.attrs: dict[str, Any] = self._header.attrs()
        self.settings = Settings(self.attrs["settings"])
        self._rows = rows
        self._values: dict[str, npt.NDArray[Any]] = {"id": _frozen(ids)}
        self._fileless = False
        self._see(parts)

    def _see(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        found = shared_columns(parts)
        schema = {c.name: c for c in COLUMNS if c.name in found or c.name in _MADE_UP_FOR}
        self._columns = schema | found

    def __len__(self) -> int:
        return len(self.id)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        columns = self.__dict__.get("_columns", {})  # not there yet while a copy is made
        if not name.startswith("_") and name in columns:
            return self.column(name)
        near = "" if name.startswith("_") else nearest(name, dir(self))
        raise AttributeError(f"a zoo has no {name!r}{near}")

    def __dir__(self) -> list[str]:
        named = (name for name in self._columns if name.isidentifier())
        return sorted({*super().__dir__(), *named})

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column ``(N, ...)`` by name; raises ZooError, naming the nearest, if there is none.

        The array is read-only, and the same one every time.
        """
        if name == CLASS_NAME and name not in self._columns:
            return self.classes.named(self.column("label"))
        if name not in self._columns:
            raise ZooError(f"{self.path}: no column {name!r}{nearest(name, self.columns)}")
        if name not in self._values:
            self._values[name] = _frozen(self._read(self._columns[name]))
        return self._values[name]

    def known(self, name: str) -> npt.NDArray[np.bool_]:
        """Which NCAs have a value in a column ``(N, ...)``: bool ``(N,)``.

        False where all of a row is missing: NaN, an empty text, or what stands for no integer.
        """
        values, column = self.column(name), self._columns[name]
        if column.is_text:
            has = values != ""
        elif column.is_float:
            has = ~np.isnan(values)
        elif column.missing is not None and values.dtype.kind != "b":
            has = values != column.missing
        else:
            has = np.ones(values.shape, bool)
        return has.any(axis=tuple(range(1, has.ndim)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(self._columns)

    @property
    def described(self) -> tuple[Column, ...]:
        """All columns with what is known about them: type, units, description, origin."""
        return tuple(self._columns.values())

    @property
    def kept(self) -> tuple[str, ...]:
        """What others put into the file and is no column: a name and why, in a line each."""
        within = [f"{kept.name}: {kept.why}" for p in self._parts for kept in p.layout.kept]
        strangers = [f"{path}: belongs to another zoo" for path in self._parts[0].strangers]
        return (*within, *strangers)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Names of the columns that hold one value for each NCA."""
        return tuple(name for name, column in self._columns.items() if not column.shape)

    @property
    def file_bytes(self) -> int:
        """Size on disk of all files of the zoo, in bytes."""
        return sum(part.n_bytes for part in self._parts)

    def index(self, nca_id: str) -> int:
        """The row of an NCA; raises ZooError, naming the nearest ids, if there is none."""
        found = np.flatnonzero(self.id == nca_id)
        if not len(found):
            if any(nca_id in part.ids for part in self._parts):
                raise ZooError(
                    f"{self.path}: {nca_id} is not among these {len(self)} NCAs of it; fits that "
                    "failed, or that nobody judged, are there if it is opened with failed=True"
                )
            raise ZooError(f"{self.path}: no NCA {nca_id!r}{nearest(nca_id, self.id)}")
        return int(found[0])

    def subset(self, rows: npt.ArrayLike) -> Self:
        """The zoo of some rows only: a bool mask ``(N,)``, or row numbers in the order wanted."""
        chosen = np.atleast_1d(np.asarray(rows))
        if not chosen.size:
            chosen = chosen.astype(int)
        part = copy(self)
        part._rows = self._rows[chosen]
        kept = self._values if self._fileless else {"id": self.id}
        part._values = {name: _frozen(held[chosen]) for name, held in kept.items()}
        return part

    def ids(self, names: Iterable[str]) -> Self:
        """The zoo of the NCAs of these ids, in this order; raises as ``index``."""
        return self.subset([self.index(name) for name in names])

    def in_memory(self) -> Self:
        """The same NCAs with all columns read: a zoo that needs no file any more, and has none."""
        held = self.subset(np.arange(len(self)))
        for name in held.columns:
            held.column(name)
        held._fileless = True
        return held

    def _read(self, column: Column) -> npt.NDArray[Any]:
        values = retried(
            lambda: read_rows(self._parts, column, self._rows), look_again=self._find_again
        )
        ok = self.column("status") == "ok" if column.is_float else np.ones(len(self), bool)
        sizes = self._parts[0].layout.sizes
        if problem := column_problem(column, values, self.id, ok, sizes):
            raise ZooError(f"{self.path}: {problem}")
        if column.is_text:
            values = decoded(values)
        return self._completed(column.name, values)

    def _completed(self, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A column in whose place rows of schema 1 have what it would hold."""
        if name in _MADE_UP_FOR and (lacking := values == "").any():
            rows = np.flatnonzero(lacking)
            values = values.astype(f"U{max(64, values.dtype.itemsize // 4)}")
            part = self.subset(rows)
            values[rows] = (
                part.id if name == OWN_NAMES else picture_digests(part.column("target")).astype(str)
            )
        return values

    def _find_again(self) -> None:
        """A build has merged parts since they were looked at: find the same rows once more."""
        parts, rows = looked(self.path)
        row_of = {nca_id: row for row, nca_id in enumerate(names_of(parts, rows).tolist())}
        mine, theirs = (some[0].layout.header for some in (self._parts, parts))
        same = mine.created == theirs.created and not mine.differences(theirs)
        if not same or not row_of.keys() >= set(self.id.tolist()):
            raise ZooError(f"{self.path}: became another zoo while it was read; open it again")
        self._rows = rows[[row_of[nca_id] for nca_id in self.id.tolist()]]
        self._see(parts)


def looked(path: Path) -> tuple[list[Part], Rows]:
    """The files of the zoo at ``path``, and its rows in them."""

    def look() -> tuple[list[Part], Rows]:
        parts = find_parts(path)
        return parts, locate(parts)

    return retried(look)


def _frozen(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values.flags.writeable = False
    return values
