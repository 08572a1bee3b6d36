"""Seeds: the cells that an NCA grows from, several at once or late in its life.

NCAs that grow from several seeds grow from cuttings: a seed anywhere but in its own cell holds, in
its hidden channels, what the grown NCA's cell in that place does. So it is told where it stands, in
the NCA's own language, and growths fit together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import uniform
from nca_zoo.automaton.rule import CHANNELS, VISIBLE, seed_state
from nca_zoo.errors import ZooError

State = npt.NDArray[np.float32]
Cell = tuple[int, int]  # row, column

MOST_SEEDS = 16  # that a growth may begin from in training
HALF_INK = 0.5  # alpha from which a cell counts as lit
_PLANTED = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}),(\d{1,9})", re.ASCII)


@dataclass(frozen=True, eq=False)
class SeedKind:
    """What seeds that are planted hold."""

    hidden: bool = True  # hidden channels of 1, as ``rule.seed_state`` has it
    grown: State | None = None  # (H, W, 16), of which seeds are cuttings, where that lives

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
        if self.grown is not None and self.grown[row, col].any():
            seed[row, col, VISIBLE:] = self.grown[row, col, VISIBLE:]
        here = np.zeros((height, width, 1), bool)
        here[row, col] = True
        return np.where(here, seed, state)


@dataclass(frozen=True)
class Seed:
    """A seed that is planted just before CA step ``step`` is taken; steps count from 0."""

    step: int
    row: int
    col: int


def lit_cells(alpha: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which cells of a picture are lit: bool ``(H, W)``, those with at least half ink, or else the
    most. alpha: ``(H, W)`` in [0, 1]."""
    return alpha >= min(HALF_INK, alpha.max())


def drawn_cells(key: int, alpha: npt.NDArray[np.floating], number: int) -> list[Cell]:
    """So many different lit cells, drawn with ``key``; all of them if there are no more."""
    lit = np.argwhere(lit_cells(alpha))
    order = np.argsort(uniform(key, len(lit)), kind="stable")
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
