"""Reading a zoo: the file, and whatever a build has finished since, as numpy arrays."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import CHANNELS, Array, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.ground.locks import FileLock
from nca_zoo.store.assemble import disk, write_rows
from nca_zoo.store.beside import find_columns
from nca_zoo.store.columns import Column, decoded, encoded, new_column
from nca_zoo.store.layout import Layout
from nca_zoo.store.parts import (
    Names,
    Part,
    PartMoved,
    Rows,
    find_parts,
    find_shards,
    locate,
    names_of,
    read_rows,
    shared_columns,
    zoo_path,
)
from nca_zoo.store.schema import BY_NAME, column_problem, made_here
from nca_zoo.store.settings import Settings
from nca_zoo.store.zoowriter import ZooWriter

if TYPE_CHECKING:
    import pandas as pd


class Zoo:
    """N NCAs: every column of the file is an attribute, read when it is first asked for.

    ``zoo.weights`` is the array itself, not a promise of one: for a part of a big zoo, take a
    ``subset`` first. No file stays open. Columns and units: docs/zoo-file.md.
    """

    id: Names  # (N,)
    weights: npt.NDArray[np.float32]  # (N, P)
    label: npt.NDArray[np.int16]  # (N,)
    source_index: npt.NDArray[np.int32]  # (N,)
    split: Names  # (N,)
    seed_row: npt.NDArray[np.int16]  # (N,)
    seed_col: npt.NDArray[np.int16]  # (N,)
    rng_seed: npt.NDArray[np.uint64]  # (N,)
    init: Names  # (N,)
    target: npt.NDArray[np.uint8]  # (N, H, W, 4)
    grown: npt.NDArray[np.uint8]  # (N, H, W, 4)
    psnr_96: npt.NDArray[np.float32]  # (N,) dB
    psnr_400: npt.NDArray[np.float32]  # (N,) dB
    alive_400: npt.NDArray[np.float32]  # (N,)
    heals_3: npt.NDArray[np.float32]  # (N,) these four: NaN, or missing, where nobody looked
    heals_5: npt.NDArray[np.float32]  # (N,)
    heals_7: npt.NDArray[np.float32]  # (N,)
    heals_half: npt.NDArray[np.float32]  # (N,)
    loss: npt.NDArray[np.float32]  # (N, L)
    train_steps: npt.NDArray[np.int32]  # (N,)
    attempts: npt.NDArray[np.int16]  # (N,)
    status: Names  # (N,)
    wall_s: npt.NDArray[np.float32]  # (N,) s
    weights_sha256: Names  # (N,), empty where a row was written before there were checksums

    def __init__(self, path: Path, parts: Sequence[Part], rows: Rows, ids: Names) -> None:
        self.path = path
        self.attrs: dict[str, Any] = parts[0].layout.header.attrs()
        self.settings = Settings(self.attrs["settings"])
        self._rows = rows
        self._values: dict[str, npt.NDArray[Any]] = {"id": _frozen(ids)}
        self._fileless = False
        self._see(parts)

    def _see(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._columns = shared_columns(parts)

    @classmethod
    def opened(cls, path: str | Path, failed: bool = True) -> Self:
        """The zoo at ``path``: the file, and whatever a build has finished beside it.

        failed: with the fits that did not pass the gate, which ``nca_zoo.open`` leaves out.

        Reads ids and order, nothing else. Raises ZooError, one line that names the file, for
        anything that is no whole zoo. Never runs code from the file nor follows it to other files.
        """
        path = zoo_path(path)
        while True:
            parts = find_parts(path)
            try:
                rows = locate(parts)
            except PartMoved:
                continue
            zoo = cls(path, parts, rows, names_of(parts, rows))
            return zoo if failed else zoo.subset(zoo.good)

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        height, width = self.grid
        return f"<Zoo {self.path}: {len(self)} NCAs of {height} x {width} cells>"

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
        return has.reshape(len(self), -1).any(axis=1)

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
    def grid(self) -> tuple[int, int]:
        """Height and width in cells, the same for all NCAs."""
        sizes = self._parts[0].layout.sizes
        return sizes["H"], sizes["W"]

    @property
    def visible(self) -> str:
        """What is seen of its NCAs: ``rgba``, or ``grey``, alpha alone (``TargetSettings``)."""
        return self.settings.visible

    @property
    def trained(self) -> int:
        """How many of the visible channels its NCAs show, from the last: see ``rule.seen``."""
        return self.settings.trained

    @property
    def seed_hidden(self) -> bool:
        """Whether its seeds light their hidden channels; raises ZooError if nobody says so."""
        try:
            return self.settings.seed_hidden
        except ZooError as error:
            raise ZooError(f"{self.path}: {error}") from None

    @property
    def file_bytes(self) -> int:
        """Size on disk of all files of the zoo, in bytes."""
        return sum(part.n_bytes for part in self._parts)

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which NCAs passed the gate: bool ``(N,)``."""
        return self.status == "ok"

    def index(self, nca_id: str) -> int:
        """The row of an NCA; raises ZooError, naming the nearest ids, if there is none."""
        found = np.flatnonzero(self.id == nca_id)
        if not len(found):
            if any(nca_id in part.ids for part in self._parts):
                raise ZooError(
                    f"{self.path}: {nca_id} is not among these {len(self)} NCAs of it; fits that "
                    "failed are there if it is opened with failed=True"
                )
            raise ZooError(f"{self.path}: no NCA {nca_id!r}{nearest(nca_id, self.id)}")
        return int(found[0])

    def subset(self, rows: npt.ArrayLike) -> Self:
        """The zoo of some rows only: a bool mask ``(N,)``, or row numbers in the order wanted."""
        chosen = np.atleast_1d(np.asarray(rows))
        if not chosen.size:
            chosen = chosen.astype(int)
        part = type(self)(self.path, self._parts, self._rows[chosen], self.id[chosen])
        if self._fileless:
            part._values = {name: _frozen(held[chosen]) for name, held in self._values.items()}
            part._fileless = True
        return part

    def ids(self, names: Iterable[str]) -> Self:
        """The zoo of the NCAs of these ids, in this order; raises as ``index``."""
        return self.subset([self.index(name) for name in names])

    def seed_states(self, rows: npt.ArrayLike | None = None) -> Array:
        """The states ``(n, H, W, 16)`` that NCAs were trained to grow from.

        rows: row numbers ``(n,)``, or one for a single state ``(H, W, 16)``; all unless given.
        Raises ZooError if the file does not say what its seeds are like.
        """
        hidden = self.seed_hidden
        if rows is not None and np.ndim(rows) == 0:
            return self.seed_states(np.atleast_1d(np.asarray(rows)))[0]
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, int)
        states = np.zeros((len(chosen), *self.grid, CHANNELS), np.float32)
        for state, row, col in zip(
            states, self.seed_row[chosen].tolist(), self.seed_col[chosen].tolist(), strict=True
        ):
            state[:] = seed_state(*self.grid, row, col, hidden)
        return states

    def frame(self) -> "pd.DataFrame":
        """A pandas frame of all ``scalars``, indexed by id."""
        import pandas as pd

        return pd.DataFrame({name: self.column(name) for name in self.scalars}).set_index("id")

    def add(
        self,
        name: str,
        values: npt.ArrayLike,
        description: str = "",
        units: str = "",
        *,
        made_by: str = "",
        replace: bool = False,
        missing: Any = None,
    ) -> None:
        """Add a column to the file: a value ``(N, ...)`` for each NCA of this zoo.

        values: numbers of any shape, true and false, or texts; NCAs of the file that are not in
        this zoo have none (``missing``, or ``Column.fill``). made_by: how they were made, a command
        or a sentence; the version of nca-zoo and the time are noted, too. replace: an earlier
        column of this name that was added in this way.

        Once this returns the column is safe, whole or not at all. Of a file of over 64 MB it lies
        in a folder beside it (docs/zoo-file.md says how long), where every reader of nca-zoo finds
        it. Raises ZooError for a name that is taken, for values that do not fit, and while another
        process writes the zoo.
        """
        made = made_here(made_by)
        column, stored = new_column(name, values, len(self), description, units, missing, **made)
        self.add_columns({column: stored}, replace)

    def add_columns(
        self, columns: Mapping[Column, npt.NDArray[Any]], replace: bool = False
    ) -> None:
        """Add columns as they are described, all or none; as ``add``, which see."""
        self._must_have_a_file()
        for column in columns:
            self._check_free(column.name, replace)
        with ZooWriter(self.path, self._parts[0].layout.header) as writer:
            writer.add_columns(columns, self.id.tolist())
        self._find_again()
        for column in columns:
            self._values.pop(column.name, None)

    def _must_have_a_file(self) -> None:
        if self._fileless:
            raise ZooError("these NCAs are in no file yet; save them, and open the zoo")

    def _check_free(self, name: str, replace: bool) -> None:
        """Raise ZooError if no column of this name can be added."""
        if name in BY_NAME or hasattr(type(self), name) or name in vars(self):
            raise ZooError(f"{name} is a zoo's own name; choose another for a column of yours")
        held = self._columns.get(name)
        if held is None:
            if any(kept.name == name for part in self._parts for kept in part.layout.kept):
                raise ZooError(f"{self.path} holds {name} already; choose another name")
        elif held.origin == "foreign":
            raise ZooError(f"{name} was written by another program; choose another name")
        elif not replace:
            raise ZooError(f"{name} is in {self.path} already; replace=True puts this in its place")

    def in_memory(self) -> Self:
        """The same NCAs with all columns read: a zoo that needs no file any more, and has none."""
        held = self.subset(np.arange(len(self)))
        for name in held.columns:
            held.column(name)
        held._fileless = True
        return held

    def save(self, path: str | Path, replace: bool = False) -> Path:
        """Write these NCAs, with all columns, into a zoo file of their own; as many as fit memory.

        The file appears whole or not at all. replace: one that is there. Raises ZooError if there
        is one, or if the disk refuses.
        """
        out = Path(path)
        if out.exists() and not replace:
            raise ZooError(f"{out} exists already; replace=True puts this in its place")
        if not len(self):
            raise ZooError(f"{self.path}: no NCA to save")
        values = {}
        for name, column in self._columns.items():
            held = self.column(name)
            values[name] = encoded(held, column) if column.is_text else held
        layout = self._parts[0].layout
        whole = Layout(len(self), layout.sizes, self.described, layout.header)
        with disk(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(
            out.with_name(out.name + ".lock"), f"{out} is being written already. The writer is"
        )
        try:
            if find_shards(out) or find_columns(out):
                raise ZooError(f"{out} is a zoo whose parts lie beside it; name another file")
            write_rows(out, whole, values)
        finally:
            lock.release()
        return out

    def consolidate(self) -> None:
        """Bring all that lies beside the file into it, so that h5py alone finds it there."""
        self._must_have_a_file()
        with ZooWriter(self.path, self._parts[0].layout.header) as writer:
            writer.consolidate()
        self._find_again()

    def _read(self, column: Column) -> npt.NDArray[Any]:
        try:
            values = read_rows(self._parts, column, self._rows)
        except PartMoved:
            self._find_again()
            values = read_rows(self._parts, column, self._rows)
        ok = self.good if column.is_float else np.ones(len(self), bool)
        sizes = self._parts[0].layout.sizes
        if problem := column_problem(column, values, self.id, ok, sizes):
            raise ZooError(f"{self.path}: {problem}")
        return decoded(values) if column.is_text else values

    def _find_again(self) -> None:
        """A build has merged parts since they were looked at: find the same rows once more."""
        again = open_zoo(self.path)
        row_of = {nca_id: row for row, nca_id in enumerate(again.id)}
        mine, theirs = self._parts[0].layout, again._parts[0].layout
        if mine.header.differences(theirs.header) or not row_of.keys() >= set(self.id):
            raise ZooError(f"{self.path}: became another zoo while it was read; open it again")
        self._rows = again._rows[[row_of[nca_id] for nca_id in self.id]]
        self._see(again._parts)


def _frozen(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values.flags.writeable = False
    return values


def nearest(name: str, names: Iterable[str]) -> str:
    """``"; the nearest are ..."``, or nothing if none is near."""
    near = difflib.get_close_matches(name, [str(known) for known in names], 3, 0.5)
    return f"; the nearest are {', '.join(near)}" if near else ""


def open_zoo(path: str | Path, failed: bool = True) -> Zoo:
    """Open a zoo for reading: see ``Zoo.opened``. Commands choose their NCAs for themselves."""
    return Zoo.opened(path, failed)
