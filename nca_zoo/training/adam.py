"""Adam in numpy (Kingma and Ba, 2015), for what learns through a rollout, whose gradient is the
engine's: along a step size that falls to nothing."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.ground.arithmetic import cosine, power

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def descend(
    values: npt.NDArray[Any],
    gradient: npt.NDArray[Any],
    mean: npt.NDArray[Any],
    square: npt.NDArray[Any],
    rate: float | npt.NDArray[np.floating],
    t: int,
) -> None:
    """The ``t``-th step, from 1 on: values and both moments, which begin at 0, change in place.

    All arrays have one shape and type; rate: the size of this step, for all or column by column.
    """
    kind = values.dtype.type
    mean += kind(1 - BETA_1) * (gradient - mean)
    square += kind(1 - BETA_2) * (np.square(gradient) - square)
    correction = np.sqrt(1 - power(BETA_2, t)) / (1 - power(BETA_1, t))
    values -= np.asarray(rate * correction, kind) * mean / (np.sqrt(square) + EPSILON)


def fallen(step: int, steps: int) -> float:
    """What is left of the step size before a step, from 0 on: half a cosine, from 1 to nothing."""
    half = cosine(0.5 * math.pi * min(step / steps, 1.0))
    return half * half  # as (1 + cos of twice that) / 2
