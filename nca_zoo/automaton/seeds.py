"""Seeds: the cells that an NCA grows from, several at once or late in its life.

NCAs that grow from several seeds are told where these stand: a seed holds, in its hidden channels,
how far it is from the NCA's own cell, in two numbers that turn round with the row and two that do
with the column, slowly and four times as fast. An NCA's own seed, hidden channels of 1, is the one
that stands no cell away.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import uniform
from nca_zoo.automaton.rule import ALPHA, CHANNELS, VISIBLE, seed_state
from nca_zoo.automaton.signals import turned
from nca_zoo.errors import ZooError

State = npt.NDArray[np.float32]
Cell = tuple[int, int]  # row, column

MOST_SEEDS = 16  # that a growth may begin from in training
HALF_INK = 0.5  # alpha from which a cell counts as lit
TURNS = (
    40,
    10,
)  # cells after which what tells a place repeats: a grid has no more than the first
TOLD = slice(VISIBLE, VISIBLE + 4 * len(TURNS))  # the channels that hold a place
_PLANTED = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}),(\d{1,9})", re.ASCII)


@dataclass(frozen=True, eq=False)
class SeedKind:
    """What seeds that are planted hold."""

    hidden: bool = True  # hidden channels of 1, as ``rule.seed_state`` has it
    home: Cell | None = None  # the NCA's own cell, if seeds are told how far from it they stand

    def state(self, grid: tuple[int, int], cells: Sequence[Cell]) -> State:
        """A state ``(H, W, 16)`` with seeds in these cells and nothing else."""
        state = np.zeros((*grid, CHANNELS), np.float32)
        for cell in cells:
            state = self.planted(state, *cell)
        return state

    def planted(self, state: State, row: int, col: int) -> State:
        """A copy of ``state`` (H, W, 16) with a seed in a cell, whatever that was."""
        height, width = state.shape[:2]
        seed = seed_state(height, width, row, col, self.hidden)
        if self.home is not None:
            seed[row, col, TOLD] = place(row - self.home[0], col - self.home[1])
        here = np.zeros((height, width, 1), bool)
        here[row, col] = True
        return np.where(here, seed, state)


@dataclass(frozen=True)
class Seed:
    """A seed that is planted just before CA step ``step`` is taken; steps count from 0."""

    step: int
    row: int
    col: int


def place(down: int, right: int) -> npt.NDArray[np.float32]:
    """What tells a seed that it stands so many cells from its NCA's own cell: ``(8,)``.

    Of each angle, cosine less sine and cosine and sine: all ones where it stands no cell away.
    """
    numbers = []
    for turn in TURNS:
        for cells in (down, right):
            cosine, sine = (turned(cells % turn, turn, quarters) for quarters in (0, 3))
            numbers += [cosine - sine, cosine + sine]
    return np.array(numbers, np.float32)


@lru_cache(256)
def places(grid: tuple[int, int], home: Cell) -> npt.NDArray[np.float32]:
    """``place`` of every cell of a grid of H x W cells: ``(H, W, 8)``, read-only."""
    rows, cols = (range(-at, size - at) for at, size in zip(home, grid, strict=True))
    down = np.stack([place(row, 0) for row in rows])[:, None]
    right = np.stack([place(0, col) for col in cols])[None]
    of_rows = np.arange(TOLD.stop - TOLD.start) % 4 < 2
    told = np.where(of_rows, down, right)
    told.flags.writeable = False
    return told


def home_of(state: State) -> Cell:
    """The cell of the one seed of a state ``(H, W, 16)``."""
    row, col = np.unravel_index(int(state[..., ALPHA].argmax()), state.shape[:2])
    return int(row), int(col)


def lit_cells(alpha: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which cells of a picture are lit: bool ``(H, W)``, those with at least half ink, or else the
    most. alpha: ``(H, W)`` in [0, 1]."""
    return alpha >= min(HALF_INK, alpha.max())


def drawn_cells(
    key: int,
    alpha: npt.NDArray[np.floating],
    number: int,
    weights: npt.NDArray[np.floating] | None = None,
) -> list[Cell]:
    """So many different lit cells, drawn with ``key``; all of them if there are no more.

    alpha: ``(H, W)`` in [0, 1]. weights: ``(H, W)``, above 0: what weighs more is drawn more often,
    nearly in proportion if it is a small part of all.
    """
    lit = np.argwhere(lit_cells(alpha))
    draws = uniform(key, len(lit))
    if weights is not None:
        draws = draws / weights[tuple(lit.T)]
    order = np.argsort(draws, kind="stable")
    return [(int(row), int(col)) for row, col in lit[order[:number]]]


def parse_seed(text: str) -> Seed:
    """Read ``ROW,COL``, from the beginning, or ``STEP:ROW,COL``.

    >>> parse_seed("200:14,9")
    Seed(step=200, row=14, col=9)
    """
    match = _PLANTED.fullmatch(text.strip())
    if match is None:
        raise ZooError(
            f"plant {text!r} is not understood; write ROW,COL or STEP:ROW,COL in whole cells, such "
            "as 14,9 or 200:14,9"
        )
    step, row, col = match.groups()
    return Seed(int(step or 0), int(row), int(col))
