"""What training on pictures of a size takes, said before any of it: memory, and bytes of the file.

A wide grid is dear: the sparse engine keeps 708 bytes for every cell that fires in every CA step of
a rollout, and every state is 64 bytes a cell.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.automaton.rule import CHANNELS, N_PARAMS, VISIBLE, alive
from nca_zoo.building.settings import Tell
from nca_zoo.errors import ZooError
from nca_zoo.ground.memory import addressable, available, total
from nca_zoo.life.engines import make_engine
from nca_zoo.life.engines.goals import LOSSES, NEVER
from nca_zoo.pictures.films import MOST_TIMES
from nca_zoo.store.schema import COLUMNS, LOSS_POINTS

if TYPE_CHECKING:
    from nca_zoo.building.settings import BuildSettings
    from nca_zoo.pictures.targets import Target

MUCH = 1 << 30  # bytes of memory from which a person is told
COPIES = 4  # of a batch's states, at the fullest moment of a training step


@dataclass(frozen=True)
class Cost:
    """What training takes, in bytes. The grid is of ``height`` x ``width`` cells."""

    height: int
    width: int
    memory: int  # that is filled, of all processes together
    reserved: int  # that one process asks for, filled or not
    largest: int  # of that, in one piece
    row: int  # of the zoo file, an NCA

    def __str__(self) -> str:
        return (
            f"{self.height} x {self.width} cells: training takes about {_bytes(self.memory)} of "
            f"memory, and an NCA {_bytes(self.row)} of the file"
        )

    def check(self, tell: Tell) -> None:
        """Tell a person if it is much; raises ZooError, one line, if it cannot fit."""
        for needed, what, most in (
            (self.memory, "this process may have", available()),
            (self.largest, "in one piece this machine can give", total()),
            (self.reserved, "this process may ask for", addressable()),
        ):
            if most is not None and needed > most:
                least = "" if needed == self.memory else f" ({_bytes(needed)} to be reserved)"
                raise ZooError(
                    f"{self}{least}; {what} {_bytes(most)}: use a smaller size, fewer threads or "
                    "jobs, or a smaller batch, pool or cohort"
                )
        if self.memory > MUCH:
            tell(str(self))


def cost_of(
    target: "Target",
    settings: "BuildSettings",
    processes: int = 1,
    cohort: int = 1,
    threads: int = 1,
) -> Cost:
    """What it costs to train on targets of which ``target`` is the one with most ink.

    Living cells are counted in the target: while it trains, an NCA may have more. Raises ZooError
    if the device is too small.
    """
    regime = settings.regime
    height, width = target.rgba.shape[:2]
    _, steps = regime.ca_steps
    goals = LOSSES[regime.loss](target.trained[None], np.array([steps]), 1)
    looks = int(np.count_nonzero(goals.when != NEVER))
    state = height * width * CHANNELS * 4
    firing = int(regime.fire_rate * alive(target.rgba).sum())
    engine = make_engine(settings.engine, settings.device)
    one = engine.memory_of(height, width, steps, looks, target.channels, firing)
    held = state * (1 + regime.pool + COPIES * regime.batch) + regime.batch * N_PARAMS * 4
    motion, frames = settings.motion, 0
    if motion is not None:  # the trainer has a frame for every CA step, the file fewer
        held += motion.period * target.trained.nbytes
        frames = min(motion.period, MOST_TIMES) * height * width * VISIBLE
    at_once = min(threads, cohort * regime.batch)
    file = {"H": height, "W": width, "L": LOSS_POINTS}
    return Cost(
        height,
        width,
        memory=processes * (cohort * held + at_once * one.filled),
        reserved=cohort * held + at_once * one.reserved,
        largest=max(one.largest, cohort * state * max(1, regime.pool)),
        row=sum(column.row_bytes(file) for column in COLUMNS) + frames,
    )


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n >= size:
            return f"{n / size:.1f} {unit}" if n < 10 * size else f"{n / size:,.0f} {unit}"
    return f"{n / 1e3:.0f} kB"
