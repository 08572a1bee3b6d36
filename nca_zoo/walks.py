"""Walks: what cells would become, computed from the weights alone, the same for a whole orbit.

The rule is asked about neighbourhoods made of nothing but the seed, empty cells and its own earlier
answers, always in the same arrangements. All of these move along with a change of the state's
basis, and the order and scale of units never enter, so that the visible channels of every answer
are exact invariants of the group (nca_zoo/symmetry.py). Unlike the traces of
``nca_zoo.alignment.invariants`` they see which units a ReLU opens.
"""

import numpy as np

from nca_zoo import noise
from nca_zoo.rule import CHANNELS, VISIBLE, Array, perceive, unflatten
from nca_zoo.symmetry import seed_vector

GENERATIONS = 12  # how many answers deep
QUESTIONS = 24  # of a generation
RECENT = 3  # generations that neighbourhoods are made from, beside seed and emptiness
_KEY = 77  # of the arrangements
_AT_ONCE = 128  # NCAs


def walks(weights: Array, seed_hidden: bool = True) -> Array:
    """Numbers ``(N, D)`` that no element of the group changes, float64.

    The visible part of ``x + f(perception)`` for 24 arrangements in each of 12 generations,
    squeezed by ``arcsinh``: what the rule was never trained on may grow without bounds.
    """
    rows = np.asarray(weights, np.float64).reshape(-1, weights.shape[-1])
    parts = [
        _walk(rows[first : first + _AT_ONCE], seed_hidden)
        for first in range(0, len(rows), _AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, GENERATIONS * QUESTIONS * VISIBLE))


def arrangements(generation: int, known: int) -> Array:
    """Which known state lies in each cell of a 3 x 3 neighbourhood: ``(24, 3, 3)`` integers.

    State 0 is emptiness, 1 the seed. A neighbourhood mixes two states and emptiness, as real ones
    do: neighbours are alike. The first state is in the middle.
    """
    draws = noise.uniform(noise.fold(_KEY, generation, np.arange(QUESTIONS)), 2 + 9)
    recent = RECENT * QUESTIONS
    oldest = max(1, known - recent)
    pair = (oldest + draws[:, :2] * (known - oldest)).astype(int)  # (24, 2)
    choice = (draws[:, 2:] * 3).astype(int).reshape(-1, 3, 3)
    choice[:, 1, 1] = 0
    options = np.column_stack([pair, np.zeros(QUESTIONS, int)])  # (24, 3)
    return np.take_along_axis(options, choice.reshape(QUESTIONS, 9), axis=1).reshape(-1, 3, 3)


def _walk(weights: Array, seed_hidden: bool) -> Array:
    n, w = len(weights), unflatten(weights)
    states = np.stack([np.zeros(CHANNELS), seed_vector(seed_hidden)])
    known = np.broadcast_to(states, (n, *states.shape))  # (n, M, 16)
    seen = []
    for generation in range(GENERATIONS):
        patches = known[:, arrangements(generation, known.shape[1])]  # (n, 24, 3, 3, 16)
        asked = perceive(patches)[:, :, 1, 1]  # (n, 24, 48)
        units = np.maximum(asked @ w["W1"].swapaxes(1, 2) + w["b1"][:, None], 0)
        with np.errstate(over="ignore", invalid="ignore"):
            new = patches[:, :, 1, 1] + units @ w["W2"].swapaxes(1, 2) + w["b2"][:, None]
        seen.append(np.arcsinh(new[..., :VISIBLE]).reshape(n, -1))
        known = np.concatenate([known, new], axis=1)
    return np.nan_to_num(np.concatenate(seen, axis=1))
