"""Wounds: cells lose all that they hold, just before a step is taken."""

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import ALIVE_THRESHOLD, ALPHA
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import mean, total

State = npt.NDArray[np.float32]

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_WOUND = re.compile(rf"(\d{{1,9}})(?::{_NUMBER},{_NUMBER},{_NUMBER})?", re.ASCII)


def circle(
    height: int, width: int, row: npt.ArrayLike, col: npt.ArrayLike, radius: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """Which cells of a grid lie within ``radius`` of a place, or on it: bool ``(..., H, W)``.

    row, col, radius: in cells, of any shape ``(...)``.
    """
    row, col, radius = (np.asarray(value, float)[..., None, None] for value in (row, col, radius))
    rows, cols = np.ogrid[:height, :width]
    return np.square(rows - row) + np.square(cols - col) <= np.square(radius)


HALF = math.inf  # as a radius: one half of what lives
# Of other radii, by the smaller side of the grid: what is wider leaves little to heal from.
SMALLEST, LARGEST = 2 / 28, 9 / 28


def random_cells(
    state: State, radius: float, draws: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which cells of ``state`` (H, W, 16) a random wound hits: bool (H, W).

    A circle around a random mature cell; of radius ``HALF``, all on one side of a random line
    through the middle of them. None where no cell is mature. draws: 2 numbers in [0, 1).
    """
    height, width = state.shape[:2]
    mature = np.argwhere(state[..., ALPHA] > ALIVE_THRESHOLD)
    if not len(mature):
        return np.zeros((height, width), bool)
    if radius != HALF:
        row, col = mature[int(draws[0] * len(mature))]
        return circle(height, width, row, col, radius)
    row, col = mean(mature.astype(float), axis=0)
    down, right = draws - 0.5  # no sine: its last bit differs between machines
    rows, cols = np.ogrid[:height, :width]
    return (rows - row) * down + (cols - col) * right > 0


def wound_at_random(
    states: State, radii: npt.NDArray[np.float64], draws: npt.NDArray[np.float64]
) -> None:
    """Give each of states ``(..., H, W, 16)`` a random wound, in place: as ``random_cells``.

    radii ``(...)``; draws ``(..., 2)``.
    """
    for place in np.ndindex(radii.shape):
        states[place][random_cells(states[place], float(radii[place]), draws[place])] = 0


@dataclass(frozen=True)
class Wound:
    """A wound: just before CA step ``step`` is taken, all cells in a circle lose all 16 channels.

    Steps count from 0, so the wounded state is state number ``step`` of the rollout. ``row``,
    ``col`` and ``radius`` are in cells; a cell is hit if its centre lies within the radius or on
    it. Without a place, the centre is the centre of mass of the state's alpha at that moment (the
    middle of the grid if nothing is left); without a radius, it is a quarter of the smaller side,
    which takes half or more of the ink of most digits.
    """

    step: int
    row: float | None = None
    col: float | None = None
    radius: float | None = None

    def cells(self, state: State) -> npt.NDArray[np.bool_]:
        """Which cells of ``state`` (H, W, 16) are hit: bool (H, W)."""
        height, width = state.shape[:2]
        row, col = self.row, self.col
        if row is None or col is None:
            row, col = _lit_centre(state)
        radius = min(height, width) / 4 if self.radius is None else self.radius
        return circle(height, width, row, col, radius)

    def apply(self, state: State) -> State:
        """A copy of ``state`` (H, W, 16) with the wound."""
        return np.where(self.cells(state)[..., None], np.float32(0), state)


def _lit_centre(state: State) -> tuple[float, float]:
    """Centre of mass (row, col) of alpha clipped to [0, 1]."""
    height, width = state.shape[:2]
    alpha = np.clip(np.nan_to_num(state[..., ALPHA].astype(float)), 0, 1)
    rows, cols = total(alpha, axis=1), total(alpha, axis=0)
    lit = total(rows)
    if lit == 0:
        return (height - 1) / 2, (width - 1) / 2
    return (
        float(total(rows * np.arange(height)) / lit),
        float(total(cols * np.arange(width)) / lit),
    )


def parse_wound(text: str) -> Wound:
    """Read ``STEP`` (the standard damage) or ``STEP:ROW,COL,RADIUS``.

    >>> parse_wound("200:14,14,5")
    Wound(step=200, row=14.0, col=14.0, radius=5.0)
    """
    match = _WOUND.fullmatch(text.strip())
    if match is None:
        raise ZooError(
            f"damage {text!r} is not understood; write STEP or STEP:ROW,COL,RADIUS in cells, "
            "such as 200 or 200:14,14,5"
        )
    step, *circle = match.groups()
    if circle[0] is None:
        return Wound(int(step))
    row, col, radius = map(float, circle)
    return Wound(int(step), row, col, radius)
