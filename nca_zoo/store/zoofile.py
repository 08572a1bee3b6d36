"""Reading a zoo: the file, and whatever a build has finished since, as numpy arrays."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import CHANNELS, TRAINED, Array, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.store.parts import (
    Names,
    Part,
    PartMoved,
    Rows,
    find_parts,
    locate,
    names_of,
    read_rows,
    zoo_path,
)
from nca_zoo.store.schema import Column, column_problem, visible

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.data import TensorDataset


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
    loss: npt.NDArray[np.float32]  # (N, L)
    train_steps: npt.NDArray[np.int32]  # (N,)
    attempts: npt.NDArray[np.int16]  # (N,)
    status: Names  # (N,)
    wall_s: npt.NDArray[np.float32]  # (N,) s
    weights_sha256: Names  # (N,), empty where a row was written before there were checksums

    def __init__(self, path: Path, parts: Sequence[Part], rows: Rows, ids: Names) -> None:
        self.path = path
        self.attrs: dict[str, Any] = parts[0].layout.header.attrs()
        self._parts = parts
        self._rows = rows
        self._columns = {column.name: column for part in parts for column in part.layout.columns}
        self._values: dict[str, npt.NDArray[Any]] = {"id": ids}

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        height, width = self.grid
        return f"<Zoo {self.path}: {len(self)} NCAs of {height} x {width} cells>"

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        if name.startswith("_") or name not in self._columns:
            raise AttributeError(f"a zoo has no {name!r}")
        return self.column(name)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column ``(N, ...)`` by name; raises ZooError, naming the nearest, if there is none."""
        if name not in self._columns:
            raise ZooError(f"{self.path}: no column {name!r}{_nearest(name, self.columns)}")
        if name not in self._values:
            self._values[name] = self._read(self._columns[name])
        return self._values[name]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(self._columns)

    @property
    def described(self) -> tuple[Column, ...]:
        """All columns with what is known about them: type, units, description."""
        return tuple(self._columns.values())

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
        return visible(self.attrs["settings"])

    @property
    def trained(self) -> int:
        """How many of the visible channels its NCAs show, from the last: see ``rule.seen``."""
        return TRAINED[self.visible]

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
            raise ZooError(f"{self.path}: no NCA {nca_id!r}{_nearest(nca_id, self.id)}")
        return int(found[0])

    def subset(self, rows: npt.ArrayLike) -> "Zoo":
        """The zoo of some rows only: a bool mask ``(N,)``, or row numbers in the order wanted."""
        chosen = np.atleast_1d(np.asarray(rows))
        if not chosen.size:
            chosen = chosen.astype(int)
        return Zoo(self.path, self._parts, self._rows[chosen], self.id[chosen])

    def seed_states(self, rows: npt.ArrayLike | None = None) -> Array:
        """The states ``(n, H, W, 16)`` that NCAs were trained to grow from.

        rows: row numbers ``(n,)``, or one for a single state ``(H, W, 16)``; all unless given.
        Raises ZooError if the file does not say what its seeds are like.
        """
        try:
            hidden = bool(self.attrs["settings"]["regime"]["seed_hidden"])
        except (KeyError, TypeError):
            raise ZooError(
                f"{self.path}: its settings lack regime.seed_hidden, so its NCAs cannot be grown; "
                "build it again"
            ) from None
        if rows is not None and np.ndim(rows) == 0:
            return self.seed_states(np.atleast_1d(np.asarray(rows)))[0]
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, int)
        states = np.zeros((len(chosen), *self.grid, CHANNELS), np.float32)
        for state, row, col in zip(
            states, self.seed_row[chosen].tolist(), self.seed_col[chosen].tolist(), strict=True
        ):
            state[:] = seed_state(*self.grid, row, col, hidden)
        return states

    def xy(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """``(X, y)`` for scikit-learn: weights ``(n, P)`` and labels ``(n,)`` of the good NCAs."""
        good = self.subset(self.good)
        return good.weights, good.label

    def frame(self) -> "pd.DataFrame":
        """A pandas frame of all ``scalars``, indexed by id."""
        import pandas as pd

        return pd.DataFrame({name: self.column(name) for name in self.scalars}).set_index("id")

    def rollout(
        self, nca_id: str, steps: int, seed: int = 0, every: int = 1
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Grow an NCA from its seed: ``(step, state (H, W, 16))``, as ``nca_zoo.life.rollout``."""
        from nca_zoo.life.rollout import rollout

        row = self.index(nca_id)
        weights = self.subset([row]).weights[0]
        return rollout(weights, self.seed_states(row), steps, seed, every)

    def torch_dataset(self) -> "TensorDataset":
        """A torch ``Dataset`` of ``(weights (P,), label)`` of the good NCAs."""
        import torch
        from torch.utils.data import TensorDataset

        weights, labels = self.xy()
        return TensorDataset(torch.from_numpy(weights), torch.from_numpy(labels.astype(np.int64)))

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
        return values.astype(str) if column.is_text else values

    def _find_again(self) -> None:
        """A build has merged parts since they were looked at: find the same rows once more."""
        now = open_zoo(self.path)
        row_of = {nca_id: row for row, nca_id in enumerate(now.id)}
        mine, theirs = self._parts[0].layout, now._parts[0].layout
        if mine.header.differences(theirs.header) or not row_of.keys() >= set(self.id):
            raise ZooError(f"{self.path}: became another zoo while it was read; open it again")
        self._rows = now._rows[[row_of[nca_id] for nca_id in self.id]]
        self._parts = now._parts


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 3, 0.5)
    return f"; the nearest are {', '.join(near)}" if near else ""


def open_zoo(path: str | Path) -> Zoo:
    """Open a zoo for reading: the file at ``path`` and every finished shard beside it.

    Reads ids and order, nothing else. Raises ZooError, one line that names the file, for anything
    that is no whole zoo. Never runs code from the file nor follows it to other files.
    """
    path = zoo_path(path)
    while True:
        parts = find_parts(path)
        try:
            rows = locate(parts)
        except PartMoved:
            continue
        return Zoo(path, parts, rows, names_of(parts, rows))
