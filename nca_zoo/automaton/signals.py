"""Signals: what all living cells of an NCA hear at once, from step to step.

A signal ``s`` of length d enters as a bias of the hidden layer, ``relu(W1 p + b1 + S s)``, by a
matrix ``S`` (128, d) that is learnt beside the 8,336 weights. A signal that stays is another
``b1``: see ``heard``. One that changes is a short table of vectors and which of them is heard in
each CA step: see ``Signal``.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import HIDDEN, param_slices
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import cosine, total

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

Circle = tuple[float, float, float]

B1 = param_slices()["b1"]
HANDS = 4  # of a clock: cosine and sine of the phase, and of twice the phase
_SIZE = r"(\d{1,9}(?:\.\d{1,9})?)"
_TOLD = re.compile(rf"(?:(\d{{1,9}}):)?([^:@\s]+)(?:@{_SIZE},{_SIZE},{_SIZE})?", re.ASCII)


def heard(weights: Floats, S: Floats, s: Floats) -> Floats:
    """Weights ``(..., P)`` of the NCAs that always hear ``s``: ``b1`` becomes ``b1 + S s``.

    S: ``(..., 128, d)``; s: ``(..., d)``. Every engine, viewer and page runs the result as it is.
    """
    bias = weights[..., B1] + product(S, s)
    lead = np.broadcast_shapes(bias.shape[:-1], weights.shape[:-1])
    changed = np.broadcast_to(weights, (*lead, weights.shape[-1])).copy()
    changed[..., B1] = bias
    return changed


def product(S: Floats, s: Floats) -> Floats:
    """``S s`` of S ``(..., 128, d)`` and s ``(..., d)``: ``(..., 128)``, the same bits anywhere."""
    terms = S * s[..., None, :]
    return total(terms) if terms.shape[-1] else np.zeros(terms.shape[:-1], np.float32)


@dataclass(frozen=True, eq=False)
class Signal:
    """What K NCAs hear in each of their rollouts.

    Raises ValueError for arrays that do not fit each other.
    """

    S: Floats  # (K, 128, d), how each hidden unit hears
    s: Floats  # (K, F, d), the vectors that there are
    when: Places  # (K, B, T) or (K, 1, T): which is heard in CA step t, over again after T

    def __post_init__(self) -> None:
        (k, hidden, d), (rows, n, length) = self.S.shape, self.s.shape
        if (hidden, rows, length) != (HIDDEN, k, d):
            raise ValueError(f"signal: S {self.S.shape} does not go with s {self.s.shape}")
        if self.when.ndim != 3 or len(self.when) != k or not self.when.shape[2]:
            raise ValueError(f"signal: expected when ({k}, B, T), found {self.when.shape}")
        if self.when.size and not 0 <= self.when.min() <= self.when.max() < n:
            raise ValueError(f"signal: when names a vector that is none of {n}")

    def __getitem__(self, rows: Any) -> "Signal":
        """What some of the NCAs hear: a slice, a mask or row numbers."""
        return Signal(self.S[rows], self.s[rows], self.when[rows])

    def biases(self, weights: Floats) -> Floats:
        """The hidden biases ``(K, F, 128)`` of weights ``(K, P)`` under each of the vectors."""
        return weights[:, None, B1] + product(self.S[:, None], self.s)

    def gradients(self, d_biases: Floats) -> tuple[Floats, Floats]:
        """A loss's derivatives by S ``(K, 128, d)`` and s ``(K, F, d)``, by the chain rule.

        d_biases: those by the hidden biases ``(K, F, 128)``.
        """
        d_S = total(d_biases[..., None] * self.s[:, :, None], axis=1)
        d_s = total(self.S[:, None] * d_biases[..., None], axis=2)
        return d_S, d_s


@dataclass(frozen=True, eq=False)
class Told:
    """From CA step ``step`` on, cells live by other weights; those outside the circle as they did.

    What stays to be heard from then on is part of the weights: see ``heard``.
    """

    step: int
    weights: Floats  # (P,)
    circle: Circle | None = None  # row, column and radius in cells; all cells unless given
    signal: Signal | None = None  # of one NCA, what they hear that changes from step to step


def parse_told(text: str, numbers: bool = True) -> tuple[int, str, Circle | None]:
    """Read ``[STEP:]WHAT[@ROW,COL,RADIUS]``: what cells are told, from when on, in which cells.

    numbers: whether WHAT may be those of a signal, beside an id; the error says so.

    >>> parse_told("200:0,1,0@14,9,5")
    (200, '0,1,0', (14.0, 9.0, 5.0))
    """
    match = _TOLD.fullmatch(text.strip())
    if match is None:
        what, such = (
            ("an id or numbers", "0,1 or 200:0.5,0.5") if numbers else ("an id", "200:8-003")
        )
        raise ZooError(
            f"{text!r} is not understood; write {what}, perhaps with a step before it and a circle "
            f"of cells behind it: 8-003, {such}@14,9,5"
        )
    step, what, *circle = match.groups()
    if circle[0] is None:
        return int(step or 0), what, None
    row, col, radius = map(float, circle)
    return int(step or 0), what, (row, col, radius)


def clock(period: int) -> Floats:
    """The hands of a clock at each of ``period`` steps, ``(T, HANDS)``.

    A hand for every pace at which motions are drawn to go round: a hidden unit cannot make one of
    the other by itself.
    """
    ways = [(times, quarters) for times in (1, 2) for quarters in (0, 3)]
    hands = [[turned(times * t % period, period, q) for times, q in ways] for t in range(period)]
    return np.array(hands, "f4")


def turned(step: int, period: int, quarters: int = 0) -> float:
    """Cosine of ``step / period`` and so many quarters of a turn; of three quarters, the sine.

    ``step``: from 0 to ``period - 1``. The same bits anywhere.
    """
    quarter, rest = divmod(4 * step + quarters * period, period)  # exact
    angle = 0.5 * math.pi * rest / period
    size = cosine(angle) if quarter % 2 == 0 else cosine(0.5 * math.pi - angle)
    return -size if quarter % 4 in (1, 2) else size
