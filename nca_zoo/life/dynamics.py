"""Dynamics: how an NCA moves. Growth, drift, healing and the luck of the draw, by simulation.

Everything is measured on rollouts from the NCA's own seed cell under a few streams of fire masks.
What cannot be measured is NaN, never a good value: of an NCA that is dead nothing grows, drifts or
heals. docs/dynamics.md defines each measure.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.record import Automata, rollout_keys
from nca_zoo.automaton.wounds import Wound
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP, STABLE_STEP, psnr
from nca_zoo.life.rollout import State

LATE_STEP = 1000
HEALED_STEP = 2 * GROWN_STEP  # as long after the wound as growing took
NEAR_DB = 3.0  # an NCA has grown when its squared error is at most twice that at step 96
SEEDS = 4
COST = "dynamics_s"  # CPU time of measuring an NCA


@dataclass(frozen=True)
class Case:
    """One NCA to be measured."""

    weights: State  # (P,)
    seed: State  # (H, W, 16)
    target: State  # (H, W, 4), in [0, 1]
    judged: bool = True  # whether the target is known
    trained: int = rule.VISIBLE  # see ``rule.seen``
    fire_rate: float = FIRE_RATE


def measure(case: Case, seeds: int = SEEDS, first: int = 0) -> dict[str, float]:
    """A value for each measure, by its name; NaN where it cannot be measured.

    It is the mean over so many streams of fire masks, from that of rollout seed ``first`` on.

    NaN is where it needs a target and none is known; of what grows, where under any of the masks
    nothing lives at step 96, or nearer to the target than the seed was; of healing, where a wound
    changes nothing; and of pictures that are not finite.
    """
    began = time.thread_time()
    engine = make_engine()
    streams = range(first, first + seeds)
    keys = np.concatenate([rollout_keys(seed, 1) for seed in streams], axis=1)  # (1, B)
    nca = Automata.grown(
        case.weights[None], case.seed, shows=case.trained, fire_rate=case.fire_rate
    ).under(keys)
    state = nca.starts()  # (1, B, H, W, 16)

    def on(state: State, now: int, stop: int) -> State:
        return engine.rollout(nca, state, now, stop - now)

    def seen(state: State) -> State:
        return nca.seen(state[0])

    young = []  # PSNR (B,) at steps 1 to 96
    for now in range(GROWN_STEP):
        state = on(state, now, now + 1)
        young.append(psnr(seen(state), case.target))
    grown = state
    wound = Wound(GROWN_STEP)
    wounded = np.stack([wound.apply(one) for one in grown[0]])[None]
    healed = on(wounded, GROWN_STEP, HEALED_STEP)
    unharmed = on(grown, GROWN_STEP, HEALED_STEP)
    stable = on(unharmed, HEALED_STEP, STABLE_STEP)
    late = on(stable, STABLE_STEP, LATE_STEP)

    lives = rule.alive(np.nan_to_num(grown[0])).any(axis=(1, 2))  # (B,)
    nearer = young[-1] >= psnr(seen(nca.starts()), case.target)
    near = np.stack(young) >= young[-1] - NEAR_DB  # (96, B)
    lost = _squared(seen(wounded), seen(grown))
    hurt = np.where(lost > 0, lost, np.nan)
    regained = 1 - _squared(seen(healed), seen(unharmed)) / hurt

    def of(measured: npt.ArrayLike, values: npt.ArrayLike) -> Any:
        return np.where(measured, values, np.nan).mean()

    values = {
        "steps_to_grow": of(lives & nearer, 1.0 + near.argmax(axis=0)),
        f"drift_{STABLE_STEP}": of(lives, np.sqrt(_squared(seen(stable), seen(grown)))),
        f"drift_{LATE_STEP}": of(lives, np.sqrt(_squared(seen(late), seen(grown)))),
        f"psnr_{LATE_STEP}": psnr(seen(late), case.target).mean(),
        f"alive_{LATE_STEP}": rule.alive(np.nan_to_num(late[0])).mean(),
        f"spread_{GROWN_STEP}": of(
            lives.any() & (seeds > 1), np.sqrt(_clipped(seen(grown)).var(axis=0).mean())
        ),
        "psnr_wounded": of(lost > 0, psnr(seen(wounded), case.target)),
        "psnr_healed": of(lost > 0, psnr(seen(healed), case.target)),
        "recovery": np.maximum(regained, -1).mean(),
        COST: time.thread_time() - began,
    }
    blind = () if case.judged else ("steps_to_grow", "psnr_wounded", "psnr_healed", "psnr_1000")
    return {name: np.nan if name in blind else float(value) for name, value in values.items()}


def _clipped(picture: State) -> State:
    """A picture in [0, 1], ``(B, H, W, 4)`` float64; NaN where it is not finite."""
    picture = picture.astype(np.float64)
    return np.clip(np.where(np.isfinite(picture), picture, np.nan), 0, 1)


def _squared(one: State, other: State) -> State:
    """Mean squared difference of pictures, ``(B,)``."""
    return ((_clipped(one) - _clipped(other)) ** 2).mean(axis=(1, 2, 3))
