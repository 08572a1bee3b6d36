"""Calls of an engine as the tests write them: plain arrays in a row."""

from dataclasses import replace

import numpy as np

from nca_zoo.automaton.record import Automata
from nca_zoo.life.engines import Engine, Gradients
from nca_zoo.life.engines.goals import LOSSES


def record(weights: np.ndarray, states: np.ndarray, keys: np.ndarray, shows: int = 4) -> Automata:
    """NCAs whose seeds do not matter, since every call says where rollouts begin."""
    return Automata(weights, states[:, 0].astype(np.float32), keys, shows)


def ask(
    engine: Engine,
    weights: np.ndarray,
    states: np.ndarray,
    targets: np.ndarray,
    keys: np.ndarray,
    steps: np.ndarray,
    every_step: bool = False,
    room: np.ndarray | None = None,
) -> Gradients:
    """``Engine.gradients`` against one picture each: at the end, or at every step."""
    goals = LOSSES["every_step" if every_step else "final"](targets, steps, states.shape[1])
    ncas = replace(record(weights, states, keys), room=room)
    return engine.gradients(ncas, states, goals, steps)


def walk(
    engine: Engine, weights: np.ndarray, states: np.ndarray, keys: np.ndarray, first: int, n: int
) -> np.ndarray:
    """``Engine.rollout``."""
    return engine.rollout(record(weights, states, keys), states, first, n)
