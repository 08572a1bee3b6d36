"""Responses: how the state that grew answers to small changes, and where it is about to go.

An NCA is let live on a grid in whose middle it begins, under fire masks of its own. Its state at
step 96 is changed a little, one channel at a time, and goes on beside its unchanged twin under the
same masks: by how much they differ soon after says how stable it is, before any drift can be seen.
"""

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import CHANNELS, VISIBLE, alive, seed_state
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import Engine, Floats, make_engine
from nca_zoo.life.quality import GROWN_STEP

SOON = 16  # CA steps after step 96
MASKS = 4  # rollouts under different fire masks
RESPONSES = 4 * CHANNELS + 2
_SMALL = 1e-3  # a change, in units of states that mostly lie in [-1, 1]
_LEAST = 1e-6  # of what the logarithm is taken; rounding changes less
_LARGEST = 1e3  # of a living NCA's states: they stay below 10
_KEY = 64  # of the masks and of the changes


def responses(
    weights: npt.ArrayLike,
    grid: tuple[int, int],
    seed_hidden: bool = True,
    fire_rate: float = FIRE_RATE,
) -> Floats:
    """What NCAs ``(N, P)`` answer, ``(N, 66)`` float32: natural logarithms, means over four masks.

    By channel, 16 numbers each: how large the state is at step 96; how far it has come 16 steps
    later; what a change of this channel has then become in RGBA, for each unit of change; and in
    the hidden channels. All are roots of sums of squares per cell that lives at step 96. Then how
    many cells these are, and how many times as many live 16 steps later. Zeros for NCAs that under
    one of the masks are dead by then, or explode.

    grid: H, W in cells, in whose middle the seed is.
    """
    seed = seed_state(*grid, grid[0] // 2, grid[1] // 2, seed_hidden)
    engine = make_engine(threads=usable_cores())
    rows = np.ascontiguousarray(weights, np.float32)
    found = [_of_one(engine, row, seed, fire_rate) for row in rows]
    return np.array(found, np.float32).reshape(len(rows), RESPONSES)


def _of_one(engine: Engine, weights: Floats, seed: Floats, fire_rate: float) -> Floats:
    """What one NCA ``(P,)`` answers, ``(66,)``."""
    keys = noise.fold(_KEY, np.arange(MASKS))[None]
    nca = Automata.grown(weights[None], seed, fire_rate=fire_rate).under(keys)
    grown = engine.rollout(nca, nca.starts(), 0, GROWN_STEP)[0]  # (M, H, W, 16)
    if not _sound(grown):
        return np.zeros(RESPONSES, np.float32)
    changed = np.repeat(grown[None], CHANNELS + 1, axis=0)  # of each channel; the last of none
    living = alive(grown)
    for channel in range(CHANNELS):
        changed[channel, ..., channel] += _changes(grown.shape[1:3]) * living
    twins = nca.under(np.tile(keys, CHANNELS + 1))
    starts = changed.reshape(1, -1, *grown.shape[1:])
    later = engine.rollout(twins, starts, GROWN_STEP, SOON).reshape(changed.shape)
    if not _sound(later[-1]):
        return np.zeros(RESPONSES, np.float32)
    cells, still = living.sum(axis=(1, 2)), alive(later[-1]).sum(axis=(1, 2))
    apart = later[:-1] - later[-1]  # (16, M, H, W, 16)
    measured = [
        _size(grown, cells).T,  # (16, M)
        _size(later[-1] - grown, cells).T,
        _length(_size(apart[..., :VISIBLE], cells)) / _SMALL,
        _length(_size(apart[..., VISIBLE:], cells)) / _SMALL,
        cells[None],
        (still / cells)[None],
    ]
    return np.log(np.maximum(np.concatenate(measured), _LEAST)).mean(axis=1).astype(np.float32)


def _changes(grid: tuple[int, ...]) -> Floats:
    """What is added to a channel of every cell, ``(H, W)``: small, as often up as down."""
    draws = noise.uniform(noise.fold(_KEY, MASKS), grid[0] * grid[1]).reshape(grid)
    return (_SMALL * np.where(draws < 0.5, -1, 1)).astype(np.float32)


def _size(states: Floats, cells: npt.NDArray[np.int64]) -> Floats:
    """The root of the sum of squares of each channel, per living cell: ``(..., M, C)``."""
    squares = (states.astype(np.float64) ** 2).sum(axis=(-3, -2))
    return np.sqrt(squares / cells[:, None])


def _length(sizes: Floats) -> Floats:
    """Those of several channels together: ``(..., M)``."""
    return np.sqrt((sizes**2).sum(axis=-1))


def _sound(states: Floats) -> bool:
    """Whether something lives in each of these states, and none has exploded."""
    in_bounds = (np.abs(states) < _LARGEST).all()  # false for NaN, too
    return bool(in_bounds and alive(states).any(axis=(-2, -1)).all())
