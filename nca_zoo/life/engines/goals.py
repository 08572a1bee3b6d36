"""Goals: what the states of a rollout are compared with, and when.

The loss of an example is the mean squared error over H, W and C of the states that are compared,
averaged over these. A picture at the end, a picture at every step, a film that moves along: each is
a filling of one table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Steps = npt.NDArray[np.int64]

LATE, APART = 40, 8  # CA steps: the first that `at_late_steps` looks at, and from look to look
NEVER = -1  # in `when`: this state is compared with nothing


@dataclass(frozen=True, eq=False)
class Goals:
    """What K NCAs are compared with, in B rollouts each."""

    frames: Floats  # (K, F, H, W, C): C of the visible channels, from the last
    when: npt.NDArray[np.int32]  # (K, B, T): the frame for the state after step t, from 0; or NEVER

    @property
    def channels(self) -> int:
        """How many of the visible channels are compared, from the last."""
        return self.frames.shape[-1]


def at_the_end(targets: Floats, steps: Steps, examples: int) -> Goals:
    """The last state of every rollout is compared: targets ``(K, H, W, C)``, CA steps ``(K,)``."""
    when = np.full((len(steps), examples, int(steps.max())), NEVER, np.int32)
    when[np.arange(len(steps)), :, steps - 1] = 0
    return Goals(targets[:, None], when)


def at_every_step(targets: Floats, steps: Steps, examples: int) -> Goals:
    """Every state but the first is compared; arguments as above."""
    due = np.arange(int(steps.max())) < steps[:, None]  # (K, T)
    when = np.where(due, 0, NEVER).astype(np.int32)
    return Goals(targets[:, None], np.repeat(when[:, None], examples, axis=1))


def at_late_steps(targets: Floats, steps: Steps, examples: int) -> Goals:
    """The last state is compared, and every eighth before it from step 40 on; arguments as above.

    For what moves: of single last states it would learn the mean picture. Counted from the last,
    whose step is drawn, they come to be at all phases.
    """
    after = np.arange(int(steps.max())) + 1
    before = steps[:, None] - after
    due = (before == 0) | (before > 0) & (before % APART == 0) & (after >= LATE)
    when = np.where(due, 0, NEVER).astype(np.int32)
    return Goals(targets[:, None], np.repeat(when[:, None], examples, axis=1))


# What a regime calls its loss -> how the table is filled.
LOSSES: dict[str, Callable[[Floats, Steps, int], Goals]] = {
    "final": at_the_end,
    "every_step": at_every_step,
    "late": at_late_steps,
}
