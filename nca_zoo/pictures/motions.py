"""Motions: how one picture becomes a film that comes round to where it began.

Frames are numbered from 0, which is the picture itself; phases are shares of a round. A motion is
an affine map of the plane for every phase, about the middle of what is drawn.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import uniform
from nca_zoo.automaton.rule import ALPHA
from nca_zoo.automaton.signals import clock
from nca_zoo.choices import CLOCKS, MIXED, MOTIONS
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import cosine, mean, total
from nca_zoo.pictures.targets import Rgba, restored, stored

Matrix = npt.NDArray[np.float64]  # (2, 3), from the cells of a frame to those of the picture

PERIODS = range(8, 1025)  # CA steps of a round
MOST_FRAMES = 32  # of a round that is made here; each is due for several CA steps
SWAY = math.radians(25)  # to each side
WALK, HOP = 0.1, 0.04  # of the width to each side, and of the height upwards
PULSE = 0.2  # of the size, more and less
FILM, MORPH = "film", "morph"  # whose frames come with the picture
LEAST_AMPLITUDE = 0.5  # of those that are drawn
CYCLES = (1, 2)  # rounds within a period, of those that are drawn
HARMONICS, OF_THE_WHOLE = 4, 6  # of a round, and of what: see `swings`
SWINGS = 2 * HARMONICS * OF_THE_WHOLE
AT_ONCE = 1 << 15  # numbers of frames that are made together
TURN, LEAN, STRETCH = math.radians(10), 0.2, 0.1  # of what is bent, at most to each side


@dataclass(frozen=True)
class Motion:
    """How one picture moves."""

    kind: str  # of MOTIONS, or film or morph
    direction: int = 1  # 1 or -1: to which side it sets out, or which way round it goes
    amplitude: float = 1.0  # share of the full swing
    cycles: int = 1  # how often it comes round within a period


@dataclass(frozen=True)
class MotionSettings:
    """How the pictures of a zoo move.

    motion: one of MOTIONS; ``mixed``, for each picture one of them, drawn with direction, amplitude
    and cycles; ``film`` and ``morph``: the frames come with the picture.
    period: CA steps of a round. clock: whether cells hear its ``phase``, or nothing (``none``).
    """

    motion: str
    period: int = 64
    clock: Literal["phase", "none"] = "phase"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("motion", (*MOTIONS, MIXED, FILM, MORPH)),
            ("clock", CLOCKS),
        ):
            if getattr(self, name) not in allowed:
                raise ZooError(
                    f"{name} is {getattr(self, name)!r}; it must be {' or '.join(allowed)}"
                )
        if self.period not in PERIODS:
            raise ZooError(
                f"the period is {self.period} CA steps; it must be from {PERIODS[0]} to "
                f"{PERIODS[-1]}"
            )

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for the zoo file."""
        return asdict(self)

    def of(self, source_index: int, key: int) -> Motion:
        """How one picture moves: its place in the source and ``key`` decide what is drawn.

        Kinds, directions and cycles come equally often among any 16 pictures in a row.
        """
        if self.motion != MIXED:
            return Motion(self.motion)
        drawn, kind = divmod(source_index, len(MOTIONS))
        drawn, cycles = divmod(drawn, len(CYCLES))
        amplitude = LEAST_AMPLITUDE + (1 - LEAST_AMPLITUDE) * float(uniform(key, 1)[0])
        return Motion(MOTIONS[kind], 1 - 2 * (drawn % 2), amplitude, CYCLES[cycles])


def moved(picture: Rgba, motion: Motion, period: int, opaque: bool = False) -> Rgba:
    """A round ``(F, H, W, 4)`` of a picture ``(H, W, 4)``, both premultiplied, of whole levels.

    opaque: what comes into the frame from beyond it is black, not empty.
    """
    n = min(period, MOST_FRAMES)
    hands = clock(n)[:, :2].astype(np.float64)
    height, width = picture.shape[:2]
    middle = _middle(picture)
    alike = bool((picture == picture[..., ALPHA:]).all())  # ink: one channel says it all
    seen, maps = picture[..., ALPHA:] if alike else picture, []
    for i in range(n):
        cos, sin = hands[motion.direction * motion.cycles * i % n]
        linear, shift = _MAPS[motion.kind](cos, sin, motion.amplitude)
        maps.append(_about(middle, linear, np.array(shift) * (height, width)))
    at_once = max(1, AT_ONCE // seen.size)
    parts = [np.stack(maps[i : i + at_once]) for i in range(0, n, at_once)]
    frames = np.concatenate([_seen_through(seen, some) for some in parts])
    return _painted(np.repeat(frames, 4 if alike else 1, axis=-1), opaque)


def bent(picture: Rgba, key: int) -> Rgba:
    """The picture ``(H, W, 4)`` as another hand might have drawn it: turned, leant and stretched a
    little, as ``key`` draws it. Premultiplied, of whole levels, as it is given."""
    turn, lean, *stretch = 2 * uniform(key, 4) - 1
    high, wide = 1 + STRETCH * np.array(stretch)
    angle = TURN * abs(turn)
    turned = _turned(cosine(angle), math.copysign(cosine(0.5 * math.pi - angle), turn))
    linear = turned @ np.array([[1 / high, 0], [LEAN * lean, 1 / wide]])
    return _painted(_seen_through(picture, _about(_middle(picture), linear)[None])[0])


def morphed(one: Rgba, other: Rgba, period: int) -> Rgba:
    """A round ``(F, H, W, 4)`` that fades from one picture to another and back."""
    share = (1 - clock(min(period, MOST_FRAMES))[:, 0]) / 2
    film = one + share[:, None, None, None] * (other - one)
    return restored(stored(film))


def swings(frames: Rgba) -> Rgba:
    """How the whole of a film ``(F, H, W, 4)`` swings, ``(SWINGS,)``, the same bits anywhere.

    One after the other for its ink (1 is the mean), row and column of its middle (cells), and its
    spread (ten square cells: rows, both, columns): cosine and sine of each harmonic of the round,
    from the first on. Frames without ink have no middle.
    """
    ink = frames[..., ALPHA].astype(np.float64)
    rows, cols = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(np.float64)

    def of(places: Matrix) -> Matrix:
        weighed: Matrix = total((ink * places).reshape(len(ink), -1))
        return weighed

    whole = of(np.ones_like(rows))
    row, col = of(rows) / whole, of(cols) / whole
    spread = of(rows * rows) / whole - row * row, of(cols * cols) / whole - col * col
    both = of(rows * cols) / whole - row * col
    told = np.stack([whole / mean(whole), row, col, spread[0] / 10, both / 10, spread[1] / 10])
    told = told - mean(told)[:, None]  # of a few frames a harmonic does not change sign
    around, moments = clock(len(ink))[:, :2].astype(np.float64), np.arange(len(ink))
    hands = np.stack([around[k * moments % len(ink)].T for k in range(1, HARMONICS + 1)])
    found: Rgba = (2 * mean(told[:, None, None] * hands)).astype(np.float32).ravel()
    return found


# What each motion does, from cosine and sine of its phase and its amplitude: a matrix (2, 2) and a
# shift, rows before columns, in shares of the frame. The matrix leads back, from a frame's cells to
# the picture's; the shift is where the middle goes.
_Map = Callable[[float, float, float], tuple[Matrix, tuple[float, float]]]


def _sway(cos: float, sin: float, amplitude: float) -> tuple[Matrix, tuple[float, float]]:
    angle = amplitude * SWAY * abs(sin)
    return _turned(cosine(angle), math.copysign(cosine(0.5 * math.pi - angle), sin)), (0, 0)


def _turn(cos: float, sin: float, amplitude: float) -> tuple[Matrix, tuple[float, float]]:
    return _turned(cos, sin), (0, 0)  # whole rounds: there is no half of that


def _walk(cos: float, sin: float, amplitude: float) -> tuple[Matrix, tuple[float, float]]:
    return np.eye(2), (-amplitude * HOP * sin * sin, amplitude * WALK * sin)


def _pulse(cos: float, sin: float, amplitude: float) -> tuple[Matrix, tuple[float, float]]:
    return np.eye(2) / (1 + amplitude * PULSE * sin), (0, 0)


_MAPS: dict[str, _Map] = {"sway": _sway, "turn": _turn, "walk": _walk, "pulse": _pulse}


def _turned(cos: float, sin: float) -> Matrix:
    """Clockwise on the screen, whose rows go down."""
    return np.array([[cos, -sin], [sin, cos]])


def _about(middle: npt.NDArray[np.float64], linear: Matrix, away: npt.ArrayLike = (0, 0)) -> Matrix:
    """The map that leads back ``linear``-ly to the middle, which has gone so far."""
    return np.column_stack([linear, middle - np.asarray(linear) @ (middle + np.asarray(away))])


def _painted(pictures: Rgba, opaque: bool = False) -> Rgba:
    """Pictures ``(..., H, W, 4)`` of whole levels, of which none is brighter than its alpha."""
    if opaque:
        pictures[..., ALPHA] = 1
    pictures[..., :ALPHA] = np.minimum(pictures[..., :ALPHA], pictures[..., ALPHA:])
    return restored(stored(pictures))


def _middle(picture: Rgba) -> npt.NDArray[np.float64]:
    """Row and column of the middle of the box around what is drawn."""
    drawn = picture[..., ALPHA] > 0
    places = [np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0)]
    return np.array([(place[0] + place[-1]) / 2 for place in places])


def _seen_through(picture: Rgba, maps: Matrix) -> Rgba:
    """The picture ``(H, W, C)`` at ``map (row, column, 1)`` of every cell, cubic (Catmull and Rom)
    between, through each of maps ``(n, 2, 3)``: ``(n, H, W, C)``.

    Elementwise, so that films are the same bits on any processor.
    """
    height, width = picture.shape[:2]
    rows, cols = np.mgrid[:height, :width].astype(np.float64)
    by = maps[..., None, None]
    at_row, at_col = (by[:, i, 0] * rows + by[:, i, 1] * cols + by[:, i, 2] for i in (0, 1))
    padded = np.pad(picture.astype(np.float64), [(2, 2), (2, 2), (0, 0)])
    taps = []
    for row, row_share in _taps(at_row, height):
        for col, col_share in _taps(at_col, width):
            taps.append((row_share * col_share)[..., None] * padded[row, col])
    return total(np.stack(taps), axis=0).astype(np.float32)


def _taps(at: npt.NDArray[np.float64], size: int) -> list[tuple[npt.NDArray[np.intp], Matrix]]:
    """Four places in a padded axis and their shares, for places ``at`` in the axis itself."""
    low = np.floor(at)
    x = at - low
    shares = (
        ((-0.5 * x + 1) * x - 0.5) * x,
        (1.5 * x - 2.5) * x * x + 1,
        ((-1.5 * x + 2) * x + 0.5) * x,
        (0.5 * x - 0.5) * x * x,
    )
    first = low.astype(np.intp) + 1  # the padding is two, and the first tap one before
    inside = [np.clip(first + k, 0, size + 3) for k in range(4)]
    return list(zip(inside, shares, strict=True))
