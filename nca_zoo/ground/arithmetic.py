"""Arithmetic that gives the same bits on every processor and under every numpy, BLAS and libm.

IEEE 754 fixes ``+ - * /`` and square roots to the last bit, so an elementwise operation of numpy is
the same everywhere. It does not fix the order of a sum, which numpy and BLAS choose by processor,
nor the last bit of a power, a logarithm or a cosine, in which libraries differ. What weights depend
on, or a decision on the way to them, takes those from here.
"""

import math
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

LN_2, LN_10, SQRT_HALF = 0.6931471805599453, 2.302585092994046, 0.7071067811865476


def total(values: Array, axis: int = -1) -> Any:
    """Sum over one axis of one entry or more, in the array's own precision.

    The second half is added to the first until one entry is left, so rounding errors grow with the
    logarithm of their number.
    """
    values = np.moveaxis(values, axis, 0)
    while (n := len(values)) > 1:
        half = (n + 1) // 2
        sums = values[:half].copy(order="K")
        sums[: n - half] += values[half:]
        values = sums
    return values[0]


def mean(values: Array, axis: int = -1) -> Any:
    """Mean over one axis, as ``total``."""
    return total(values, axis) / values.dtype.type(values.shape[axis])


def norm(values: Array) -> Any:
    """Euclidean norm over the last axis ``(..., n)``: float64 ``(...)``, whatever goes in."""
    return np.sqrt(total(np.square(values, dtype=np.float64)))


def power(base: float, times: int) -> float:
    """``base ** times`` for whole numbers from 0 on, multiplied one by one."""
    return math.prod(repeat(base, times), start=1.0)


def ten_to(exponent: float) -> float:
    """``10 ** exponent``, to 1e-15 of it: whole powers, times the Taylor series of the rest."""
    whole = round(exponent)
    term = series = 1.0
    for n in range(1, 28):
        term *= (exponent - whole) * LN_10 / n
        series += term
    return series * power(10.0, whole) if whole >= 0 else series / power(10.0, -whole)


def cosine(angle: float) -> float:
    """Cosine of an angle from 0 to pi / 2, to 1e-15: its Taylor series."""
    term = sum_so_far = 1.0
    for n in range(2, 26, 2):
        term *= -angle * angle / (n * (n - 1))
        sum_so_far += term
    return sum_so_far


def log10(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Logarithm to base 10 of finite numbers above 0, to 1e-15 of it or of 1.

    ``log(2**e m) = e log 2 + 2 artanh((m - 1) / (m + 1))``, for m next to 1 by its Taylor series.
    """
    m, e = np.frexp(np.asarray(values, np.float64))  # exact, m from 0.5 to 1
    small = m < SQRT_HALF
    m, e = np.where(small, 2 * m, m), np.where(small, e - 1, e)
    z = (m - 1) / (m + 1)
    series = np.zeros_like(z)
    for odd in range(23, 0, -2):
        series = series * (z * z) + 1 / odd
    return (e * LN_2 + 2 * z * series) / LN_10
