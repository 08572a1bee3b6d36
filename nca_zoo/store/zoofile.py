"""A zoo as it is read and added to: the file, and whatever a build has finished since."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.record import Automata, check_array
from nca_zoo.automaton.rule import CHANNELS, HIDDEN, Array
from nca_zoo.automaton.seeds import Seed, SeedKind
from nca_zoo.automaton.signals import HANDS, Signal, clock
from nca_zoo.errors import ZooError
from nca_zoo.pictures.targets import restored
from nca_zoo.store.assemble import claimed, write_rows
from nca_zoo.store.columns import Column, encoded, new_column
from nca_zoo.store.layout import Layout
from nca_zoo.store.parts import (
    Names,
    names_of,
    zoo_path,
)
from nca_zoo.store.schema import (
    BY_NAME,
    digest_lines,
    digest_of,
    made_here,
    picture_digests,
)
from nca_zoo.store.settings import Moving
from nca_zoo.store.table import CLASS_NAME, Table, looked
from nca_zoo.store.zoowriter import ZooWriter

if TYPE_CHECKING:
    import pandas as pd


class Zoo(Table):
    """N NCAs: every column of the file is an attribute, read when it is first asked for.

    ``zoo.weights`` is the array itself, not a promise of one: for a part of a big zoo, take a
    ``subset`` first. No file stays open. Columns and units: docs/zoo-file.md.
    """

    id: Names  # (N,)
    name: Names  # (N,), the pictures' own; their ids in zoos of schema 1
    weights: npt.NDArray[np.float32]  # (N, P)
    label: npt.NDArray[np.int16]  # (N,)
    source_index: npt.NDArray[np.int32]  # (N,)
    split: Names  # (N,)
    seed_row: npt.NDArray[np.int16]  # (N,)
    seed_col: npt.NDArray[np.int16]  # (N,)
    rng_seed: npt.NDArray[np.uint64]  # (N,)
    init: Names  # (N,)
    target: npt.NDArray[np.uint8]  # (N, H, W, 4)
    picture_sha256: Names  # (N,), of the targets
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

    @classmethod
    def opened(cls, path: str | Path, failed: bool = True) -> Self:
        """The zoo at ``path``: the file, and whatever a build has finished beside it.

        failed: with the fits that did not pass the gate, which ``nca_zoo.open`` leaves out, and
        those that nobody judged, unless that is all of them.

        Reads ids and order, nothing else. Raises ZooError, one line that names the file, for
        anything that is no whole zoo. Never runs code from the file nor follows it to other files.
        """
        path = zoo_path(path)
        parts, rows = looked(path)
        zoo = cls(path, parts, rows, names_of(parts, rows))
        return zoo if failed else zoo.subset(zoo.by_default)

    def __repr__(self) -> str:
        height, width = self.grid
        return f"<Zoo {self.path}: {len(self)} NCAs of {height} x {width} cells>"

    @property
    def class_names(self) -> dict[int, str]:
        """What the numbers in ``label`` stand for."""
        return dict(self.classes)

    @property
    def class_name(self) -> Names:
        """What the class of each picture is called, ``(N,)``; nothing where it has none."""
        return self.classes.named(self.label)

    def picture_numbers(self) -> npt.NDArray[np.int64]:
        """Which NCAs are of one picture, ``(N,)``: its number, in the order of the rows.

        NCAs whose picture nobody knows are each of their own.
        """
        blank = np.zeros((1, *self.grid, 4), np.uint8)
        unknown = self.picture_sha256 == picture_digests(blank)[0].decode()
        names = np.where(unknown, self.id, self.picture_sha256)
        _, first, which = np.unique(names, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[which]

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
        return self._told("seed_hidden")

    @property
    def seeds(self) -> int:
        """How many seeds its NCAs learnt to grow from, at most."""
        return self._told("seeds")

    @property
    def fire_rate(self) -> float:
        """Chance of its cells to be updated in a CA step: see ``noise.fire_mask``."""
        return self._told("fire_rate")

    @property
    def moving(self) -> Moving | None:
        """How its targets move, if they do."""
        return self._told("moving")

    @property
    def code(self) -> int:
        """How many numbers each code has, if its NCAs are of one rule; else 0."""
        return self._told("code")

    @property
    def codes(self) -> Array:
        """The codes ``(N, d)`` of NCAs of one rule."""
        return self._checked("s", np.float32, (self.code,))

    def _told(self, name: str) -> Any:
        """What its settings say; what they cannot mean is said with the name of the file."""
        try:
            return getattr(self.settings, name)
        except ZooError as error:
            raise ZooError(f"{self.path}: {error}") from None

    def must_stand_still(self, what: str) -> None:
        """Raise ZooError if its targets move, of which ``what`` knows nothing."""
        if self.moving is not None:
            raise ZooError(
                f"{self.path}: its targets move, and {what} knows only those that stand still; "
                "nca-zoo show plays them"
            )

    def due(self, step: int, rows: npt.ArrayLike | None = None) -> Array:
        """What its NCAs should look like at a CA step: ``(n, H, W, 4)`` in [0, 1], premultiplied.

        rows: row numbers ``(n,)``, or one for a single picture; all unless given.
        """
        chosen = slice(None) if rows is None else np.asarray(rows, int)
        if self.moving is None:
            return restored(self.target[chosen])
        film, period = self.films, self.moving.period
        return restored(film[chosen][..., step % period * film.shape[1] // period, :, :, :])

    @property
    def films(self) -> npt.NDArray[np.uint8]:
        """All frames of targets that move, ``(N, F, H, W, 4)``, premultiplied."""
        return self._checked("film", np.uint8, (None, *self.grid, 4))

    def goal(self, row: int) -> Array | Callable[[int], Array]:
        """What the NCA in a row is to look like: a picture ``(H, W, 4)``; or, of one that moves,
        what is due at a CA step."""
        return self.due(0, row) if self.moving is None else partial(self.due, rows=row)

    def signal(self, rows: npt.ArrayLike | None = None) -> Signal | None:
        """What its NCAs, or those of row numbers ``(n,)``, hear from step to step, if anything."""
        if self.moving is None or not self.moving.clocked:
            return None
        S = self._checked("clock", np.float32, (HIDDEN, HANDS))
        S = S if rows is None else S[np.asarray(rows, int)]
        hands = np.repeat(clock(self.moving.period)[None], len(S), axis=0)
        steps = np.arange(self.moving.period, dtype=np.int32)
        return Signal(S, hands, np.broadcast_to(steps, (len(S), 1, len(steps))))

    def _checked(self, name: str, dtype: type, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
        """A column that its settings ask for; raises ZooError if it is not as they want it."""
        values = self.column(name)
        try:
            check_array(name, values, (len(self), *shape), dtype)
        except ValueError as error:
            raise ZooError(f"{self.path}: {error}") from None
        return values

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which NCAs passed the gate: bool ``(N,)``."""
        return self.status == "ok"

    @property
    def by_default(self) -> npt.NDArray[np.bool_]:
        """Which NCAs ``(N,)`` are meant if nobody says: the good, or all if none was judged."""
        unjudged = self.status == "unjudged"
        return unjudged if unjudged.all() else self.good

    @property
    def digest(self) -> str:
        """64 hex digits that stand for ids and weights, whatever their order and other columns."""
        blocks = np.array_split(np.arange(len(self)), len(self) // 1000 + 1)  # 33 MB each
        parts = map(self.subset, blocks)
        return digest_of(line for part in parts for line in digest_lines(part.id, part.weights))

    def seed_states(self, rows: npt.ArrayLike | None = None) -> Array:
        """The states ``(n, H, W, 16)`` that NCAs were trained to grow from.

        rows: row numbers ``(n,)``, or one for a single state ``(H, W, 16)``; all unless given.
        Raises ZooError if the file does not say what its seeds are like.
        """
        kind = SeedKind(self.seed_hidden)
        if rows is not None and np.ndim(rows) == 0:
            return self.seed_states(np.atleast_1d(np.asarray(rows)))[0]
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, int)
        states = np.zeros((len(chosen), *self.grid, CHANNELS), np.float32)
        cells = zip(self.seed_row[chosen].tolist(), self.seed_col[chosen].tolist(), strict=True)
        for state, cell in zip(states, cells, strict=True):
            state[:] = kind.state(self.grid, [cell])
        return states

    def seed_kind(self, row: int) -> SeedKind:
        """What seeds hold that are planted in the NCA in a row."""
        told = self.seeds > 1
        home = (int(self.seed_row[row]), int(self.seed_col[row])) if told else None
        return SeedKind(self.seed_hidden, home)

    def start(self, row: int, seeds: Sequence[Seed] = ()) -> Array:
        """The state ``(H, W, 16)`` that an NCA begins in before these seeds are planted.

        That of its own seed; nothing at all if some are planted at step 0, in place of that.
        """
        state = self.seed_states(row)
        return np.zeros_like(state) if any(seed.step == 0 for seed in seeds) else state

    def ncas(self, rows: npt.ArrayLike | None = None, seed: int = 0) -> Automata:
        """Its NCAs, or those of row numbers ``(n,)``, as they run under rollout seed ``seed``."""
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, int)
        states = self.seed_states(chosen)
        look = self.trained, self.fire_rate, self.signal(chosen)
        return Automata.grown(self.weights[chosen], states, seed, *look)

    def frame(self) -> "pd.DataFrame":
        """A pandas frame of all ``scalars``, indexed by id, and what the classes are called."""
        import pandas as pd

        frame = pd.DataFrame({name: self.column(name) for name in self.scalars}).set_index("id")
        if CLASS_NAME not in frame:
            frame.insert(list(frame.columns).index("label") + 1, CLASS_NAME, self.class_name)
        return frame

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

    def save(self, path: str | Path, replace: bool = False) -> Path:
        """Write these NCAs, with all columns, into a zoo file of their own; as many as fit memory.

        The file appears whole or not at all. replace: one that is there. Raises ZooError if there
        is one, or if the disk refuses.
        """
        out = zoo_path(path)
        if not len(self):
            raise ZooError(f"{self.path}: no NCA to save")
        with claimed(out, replace, "replace=True puts this in its place"):
            values = {}
            for name, column in self._columns.items():
                held = self.column(name)
                values[name] = encoded(held, column) if column.is_text else held
            layout = self._parts[0].layout
            whole = Layout(len(self), layout.sizes, self.described, self._header)
            write_rows(out, whole, values)
        return out

    def consolidate(self) -> None:
        """Bring all that lies beside the file into it, so that h5py alone finds it there."""
        self._must_have_a_file()
        with ZooWriter(self.path, self._parts[0].layout.header) as writer:
            writer.consolidate()
        self._find_again()


def open_zoo(path: str | Path, failed: bool = True) -> Zoo:
    """Open a zoo for reading: see ``Zoo.opened``. Commands choose their NCAs for themselves."""
    return Zoo.opened(path, failed)
