"""Letting an NCA live: any number of steps from any state, with damage on the way."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import ALPHA, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

State = npt.NDArray[np.float32]

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_DAMAGE = re.compile(rf"(\d{{1,9}})(?::{_NUMBER},{_NUMBER},{_NUMBER})?", re.ASCII)


@dataclass(frozen=True)
class Damage:
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
        rows, cols = np.ogrid[:height, :width]
        return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2

    def apply(self, state: State) -> State:
        """A copy of ``state`` (H, W, 16) with the wound."""
        return np.where(self.cells(state)[..., None], np.float32(0), state)


def _lit_centre(state: State) -> tuple[float, float]:
    """Centre of mass (row, col) of alpha clipped to [0, 1]."""
    height, width = state.shape[:2]
    alpha = np.clip(np.nan_to_num(state[..., ALPHA].astype(float)), 0, 1)
    total = alpha.sum()
    if total == 0:
        return (height - 1) / 2, (width - 1) / 2
    return (
        float(alpha.sum(axis=1) @ np.arange(height) / total),
        float(alpha.sum(axis=0) @ np.arange(width) / total),
    )


def parse_damage(text: str) -> Damage:
    """Read ``STEP`` (the standard damage) or ``STEP:ROW,COL,RADIUS``.

    >>> parse_damage("200:14,14,5")
    Damage(step=200, row=14.0, col=14.0, radius=5.0)
    """
    match = _DAMAGE.fullmatch(text.strip())
    if match is None:
        raise ZooError(
            f"damage {text!r} is not understood; write STEP or STEP:ROW,COL,RADIUS in cells, "
            "such as 200 or 200:14,14,5"
        )
    step, *circle = match.groups()
    if circle[0] is None:
        return Damage(int(step))
    row, col, radius = map(float, circle)
    return Damage(int(step), row, col, radius)


def seed_of(zoo: "Zoo", row: int) -> State:
    """The state (H, W, 16) that NCA ``row`` of a zoo was trained to grow from.

    Raises ZooError if the file does not say what its seeds are like.
    """
    try:
        hidden = zoo.attrs["settings"]["regime"]["seed_hidden"]
    except (KeyError, TypeError):
        raise ZooError(
            f"{zoo.path}: its settings lack regime.seed_hidden, so its NCAs cannot be grown; "
            "build it again"
        ) from None
    height, width = zoo.target.shape[1:3]
    return seed_state(height, width, int(zoo.seed_row[row]), int(zoo.seed_col[row]), hidden)


class Life:
    """One NCA alive: it grows when told to, and can be wounded, planted and begun again.

    weights: (P,); state: (H, W, 16), to which ``restart`` returns; seed: which fire masks, from 0
    to 2**64 - 1; hidden: whether planted seeds have hidden channels of 1, as the NCA's own may.
    Its ``state``, float32 (H, W, 16), is a new array after every change.
    """

    def __init__(
        self, weights: npt.ArrayLike, state: npt.ArrayLike, seed: int = 0, hidden: bool = True
    ) -> None:
        self._start = np.array(state, np.float32, order="C")
        weights = np.asarray(weights, np.float32)
        self._nca, self._hidden = Automata.grown(weights[None], self._start, seed), hidden
        self._engine = make_engine()
        self.restart()

    def restart(self) -> None:
        """Back to step 0."""
        self.state, self.step = self._start.copy(), 0

    def grow(self, steps: int = 1) -> None:
        """Take CA steps."""
        if not steps:
            return
        batch = self._engine.rollout(self._nca, self.state[None, None], self.step, steps)
        self.state, self.step = batch[0, 0], self.step + steps

    def hurt(self, wound: Damage) -> None:
        """Erase the cells of a wound now; its ``step`` does not matter."""
        self.state = wound.apply(self.state)

    def plant(self, row: int, col: int) -> None:
        """Make the cell a seed, whatever it was. Raises ValueError outside the grid."""
        height, width = self.state.shape[:2]
        seed = seed_state(height, width, row, col, self._hidden)
        here = np.zeros((height, width, 1), bool)
        here[row, col] = True
        self.state = np.where(here, seed, self.state)


def rollout(
    weights: npt.ArrayLike,
    state: npt.ArrayLike,
    steps: int,
    seed: int = 0,
    every: int = 1,
    damage: Sequence[Damage] = (),
) -> Iterator[tuple[int, State]]:
    """Let one NCA take ``steps`` CA steps and yield ``(step, state)`` on the way.

    weights: (P,); state: (H, W, 16), state number 0; seed: which fire masks, from 0 to 2**64 - 1.
    Yields state 0, then every ``every``-th, and the last in any case; a damaged state is yielded
    with its wound. The same arguments always give the same states. Raises ZooError for damage that
    would never happen or lies outside the grid.
    """
    if steps < 0 or every < 1:
        raise ValueError(f"expected steps >= 0 and every >= 1, found {steps} and {every}")
    start = np.array(state, np.float32, order="C")
    _check(damage, steps, *start.shape[:2])
    return _walk(np.ascontiguousarray(weights, np.float32), start, steps, seed, every, damage)


def _check(damage: Sequence[Damage], steps: int, height: int, width: int) -> None:
    for wound in damage:
        if wound.step >= steps:
            raise ZooError(
                f"damage at step {wound.step} would never be seen to heal: the rollout ends at "
                f"step {steps}; damage earlier or take more steps"
            )
        for name, place, size in (("row", wound.row, height), ("column", wound.col, width)):
            if place is not None and not 0 <= place <= size - 1:
                raise ZooError(
                    f"damage at {name} {place:g} lies outside the grid of {height} x {width} "
                    f"cells; {name}s go from 0 to {size - 1}"
                )


def _walk(
    weights: State, state: State, steps: int, seed: int, every: int, damage: Sequence[Damage]
) -> Iterator[tuple[int, State]]:
    life = Life(weights, state, seed)
    wounds = defaultdict(list)
    for wound in damage:
        wounds[wound.step].append(wound)
    for stop in sorted({*range(0, steps, every), *wounds, steps}):
        life.grow(stop - life.step)
        for wound in wounds[stop]:
            life.hurt(wound)
        if stop % every == 0 or stop == steps:
            yield stop, life.state
