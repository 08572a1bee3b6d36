"""Function queries: what does the rule answer when it is shown a fixed set of perceptions?

An NCA's update is a function of 48 numbers, and its answers to perceptions that matter describe it
without saying how its hidden units are ordered or scaled. Which perceptions matter is found by
letting the zoo's shared start live, or random weights if there is none.
"""

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.record import Automata, rollout_keys
from nca_zoo.automaton.rule import ALPHA, CHANNELS, VISIBLE, alive, perceive, seed_state, unflatten
from nca_zoo.life.engines import make_engine

Vectors = npt.NDArray[np.float32]

QUERIES = 256
LOOKS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96)  # CA steps at which perceptions are taken
SEEDS = 4  # rollouts of the start, under different fire masks
SIDE = 28
LARGEST_STATE = 1e3  # of a living NCA's states: they stay below 10
_KEY = 48  # of the random states, and of the first perception that is chosen
_AT_ONCE = 256  # NCAs that are asked at a time


def met_by(
    start: Vectors, seed_hidden: bool, queries: int = QUERIES, fire_rate: float = FIRE_RATE
) -> Vectors:
    """Perceptions ``(queries, 48)`` that living cells meet when ``start`` ``(P,)`` is let live.

    Four rollouts of 96 steps from a seed in the middle of 28 x 28 cells; of all perceptions met at
    the ``LOOKS`` before any value passes 1,000, those that are far from each other are taken
    (``spread_out``). If the start does not live, those of ``random_perceptions``.
    """
    seed = seed_state(SIDE, SIDE, SIDE // 2, SIDE // 2, seed_hidden)
    keys = np.stack([rollout_keys(s, 1)[0] for s in range(SEEDS)], axis=1)
    first = np.asarray(start, np.float32)[None]
    nca = Automata.grown(first, seed, fire_rate=fire_rate).under(keys)
    states, engine, now, met = nca.starts(), make_engine(), 0, []
    for look in LOOKS:
        states, now = engine.rollout(nca, states, now, look - now), look
        if not (np.abs(states) < LARGEST_STATE).all():  # false for NaN, too: it has exploded
            break
        met.append(perceive(states[0])[alive(states[0])])
    distinct = np.unique(np.concatenate([np.zeros((0, 48), np.float32), *met]), axis=0)
    return (
        spread_out(distinct, queries) if len(distinct) >= queries else random_perceptions(queries)
    )


def random_perceptions(queries: int = QUERIES) -> Vectors:
    """Perceptions ``(queries, 48)`` of smooth random states: for zoos whose NCAs share no start."""
    draws = noise.uniform(noise.fold(_KEY, np.arange(4)), SIDE * SIDE * CHANNELS)
    states = 2 * draws.reshape(4, SIDE, SIDE, CHANNELS) - 1
    for axis in (1, 2, 1, 2):  # neighbours in a living state are alike
        states = (np.roll(states, 1, axis) + 2 * states + np.roll(states, -1, axis)) / 2
    states[..., :VISIBLE] = np.clip(states[..., ALPHA:VISIBLE] + 0.5, 0, 1)
    return spread_out(perceive(states).reshape(-1, 3 * CHANNELS).astype(np.float32), queries)


def spread_out(points: Vectors, count: int) -> Vectors:
    """``count`` of ``points`` ``(M, D)``, each the farthest from all that were chosen before.

    That is how half of them are chosen. The other half come before, evenly from all points in order
    of their distance from one of them: the farthest are rare, and common ones matter, too.
    """
    chosen = [int(noise.uniform(_KEY, 1)[0] * len(points))]
    away = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    order = np.argsort(away, kind="stable")
    common = order[np.linspace(0, len(points) - 1, count - count // 2).astype(int)]
    for pick in common:
        away = np.minimum(away, ((points - points[pick]) ** 2).sum(axis=1))
    chosen = [int(pick) for pick in common]
    for _ in range(count // 2):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def answers(weights: Vectors, perceptions: Vectors) -> Vectors:
    """The updates ``(N, Q * 16)`` that NCAs ``(N, P)`` make of perceptions ``(Q, 48)``."""
    found = np.empty((len(weights), len(perceptions) * CHANNELS), np.float32)
    for first in range(0, len(weights), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        w = unflatten(weights[rows])
        hidden = np.maximum(perceptions @ w["W1"].swapaxes(1, 2) + w["b1"][:, None], 0)
        updates = hidden @ w["W2"].swapaxes(1, 2) + w["b2"][:, None]  # (n, Q, 16)
        found[rows] = updates.reshape(len(updates), -1)
    return found
