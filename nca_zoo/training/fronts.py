"""How growths should come on: which part of a picture is due on the way to all of it.

What grows from the end of a stroke, or into a wound, may settle as a piece of it, or in another
place. By then the last state says nothing about the first steps; so it is looked at while it grows,
too.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import ALIVE_THRESHOLD
from nca_zoo.life.engines import Goals
from nca_zoo.life.engines.goals import Steps

LOOKS = (12, 24, 36)  # CA steps after which growths are looked at on their way
PACE = 0.8  # cells of ink that they are to have come on in a CA step in which all cells fire
EDGE = 4.0  # cells in which what is due fades to nothing

Mask = npt.NDArray[np.bool_]


def ways(ink: Mask, begun: Mask) -> npt.NDArray[np.float64]:
    """How many cells each cell of ink is from where growth began, along ink: ``(..., H, W)``.

    From a cell to any of the eight around it is one. Infinite where no way leads, or no ink is.
    """
    far = np.where(begun, 0.0, np.inf)
    reached, steps = begun, 0
    while True:
        steps += 1
        new = _spread(reached) & ink & ~reached
        if not new.any():
            return far
        far[new] = steps
        reached = reached | new


def _spread(cells: Mask) -> Mask:
    """Cells ``(..., H, W)``, and all of the eight around each."""
    for axis in (-1, -2):
        moved = np.moveaxis(cells, axis, 0)
        wider = moved.copy()
        wider[1:] |= moved[:-1]
        wider[:-1] |= moved[1:]
        cells = np.moveaxis(wider, 0, axis)
    return cells


def on_the_way(
    goals: Goals,
    begun: Mask,
    which: npt.NDArray[np.int64],
    steps: Steps,
    looks: Sequence[int],
    fire_rate: float,
) -> Goals:
    """Goals of which the examples ``which`` ``(n,)`` are looked at on the way to the end, too.

    goals: those at the end of steps ``(K,)``. begun: ``(K, B, H, W)``, what lives when the examples
    begin. What is due after looks, CA steps, is as much of the picture as lies near, along ink.
    """
    rows = np.arange(len(steps))[:, None]
    pictures = goals.frames[rows, goals.when[rows, which, steps[:, None] - 1]]  # (K, n, H, W, C)
    far = ways(pictures[..., -1] > ALIVE_THRESHOLD, begun[:, which])
    frames, when = [goals.frames], goals.when.copy()
    for look in (look for look in looks if look < steps.max()):
        near = np.clip((PACE * fire_rate * look - far) / EDGE + 0.5, 0, 1).astype(np.float32)
        due = sum(some.shape[1] for some in frames) + np.arange(len(which))
        when[:, which, look - 1] = np.where(look < steps[:, None], due, when[:, which, look - 1])
        frames.append(pictures * near[..., None])
    return Goals(np.concatenate(frames, axis=1), when)
