"""Quality: how well an NCA grows its target, how stable it is, and whether that is good enough.

An NCA is judged by a rollout that training never saw: its seed cell, the fire masks of rollout
seed 0 (the ones that ``nca-zoo show`` plays), the picture at CA steps 96 and 400.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.life.engines import Engine, Floats, Keys
from nca_zoo.training.regime import Gate

GROWN_STEP = 96
STABLE_STEP = 400
MAX_PSNR = 100.0  # what an exact match counts as, so that means and medians stay finite

Status = Literal["ok", "below_gate", "dead", "diverged"]


def psnr(rgba: Floats, target: Floats) -> npt.NDArray[np.float32]:
    """Peak signal-to-noise ratio in dB of pictures ``(..., H, W, 4)``: shape ``(...)``.

    target: ``(..., H, W, 4)``, or ``(..., H, W, 1)`` where all four channels are to be that one.

    ``10 log10(1 / MSE)`` with both pictures clipped to [0, 1] and the mean taken over H, W and
    RGBA. At most 100 dB; 0 dB where a picture is not finite.
    """
    error = np.clip(rgba, 0, 1).astype(np.float64) - np.clip(target, 0, 1)
    mse = np.mean(error**2, axis=(-3, -2, -1))
    mse = np.where(np.isfinite(mse), mse, 1.0)
    return (-10 * np.log10(np.maximum(mse, 10 ** (-MAX_PSNR / 10)))).astype(np.float32)


def rollout_keys(seed: int, k: int) -> Keys:
    """Fire-mask keys ``(K, 1)`` of the rollouts that people see, for rollout seed ``seed``."""
    return np.full((k, 1), fold(seed, Stream.ROLLOUT), np.uint64)


@dataclass(frozen=True)
class Quality:
    """What rollouts of K NCAs showed. PSNR in dB."""

    psnr_96: npt.NDArray[np.float32]  # (K,)
    psnr_400: npt.NDArray[np.float32]  # (K,), 0 where the rollout was cut short
    alive_96: npt.NDArray[np.float32]  # (K,) share of the cells that live
    alive_400: npt.NDArray[np.float32]  # (K,)
    grown: Floats  # (K, H, W, 4) the picture at step 96

    def reaches(self, db_96: float, db_400: float | None) -> npt.NDArray[np.bool_]:
        """Which NCAs are alive and at these PSNRs at steps 96 and 400; None asks nothing."""
        good = (self.psnr_96 >= db_96) & (self.alive_96 > 0)
        if db_400 is not None:
            good &= (self.psnr_400 >= db_400) & (self.alive_400 > 0)
        return good

    def score(self, gate: Gate) -> npt.NDArray[np.float32]:
        """What the gate weighs, in dB: the worse of the two PSNRs that it asks for."""
        return self.psnr_96 if gate.pass_400 is None else np.minimum(self.psnr_96, self.psnr_400)


def measure(
    engine: Engine,
    weights: Floats,
    seeds: Floats,
    targets: Floats,
    keys: Keys,
    enough_at_96: float = 0.0,
    to_400: bool = True,
) -> Quality:
    """Roll out K NCAs and compare them with their targets.

    weights ``(K, P)``, seeds ``(K, H, W, 16)``, targets ``(K, H, W, C)``, keys ``(K, 1)``. With
    C = 1, alpha alone is seen, as white ink. The rollout of an NCA below ``enough_at_96`` dB at
    step 96 ends there; without ``to_400`` all do.
    """
    states = engine.rollout(weights, seeds[:, None], keys, 0, GROWN_STEP)
    trained = targets.shape[-1]
    grown = rule.seen(states[:, 0], trained)
    psnr_96 = psnr(grown, targets)
    psnr_400, alive_400 = np.zeros_like(psnr_96), np.zeros_like(psnr_96)
    on = np.flatnonzero((psnr_96 >= enough_at_96) & to_400)
    if len(on):
        left = STABLE_STEP - GROWN_STEP
        late = engine.rollout(weights[on], states[on], keys[on], GROWN_STEP, left)
        psnr_400[on] = psnr(rule.seen(late[:, 0], trained), targets[on])
        alive_400[on] = _alive_share(late[:, 0])
    return Quality(psnr_96, psnr_400, _alive_share(states[:, 0]), alive_400, grown)


def _alive_share(states: Floats) -> npt.NDArray[np.float32]:
    return rule.alive(states).mean(axis=(1, 2)).astype(np.float32)


def verdict(quality: Quality, weights: Floats, gate: Gate) -> list[Status]:
    """Each NCA's status: fit to be used, or why not."""
    passed = quality.reaches(gate.pass_96, gate.pass_400)
    finite = [bool(np.isfinite(row).all()) for row in weights]
    alive = quality.alive_96 if gate.pass_400 is None else quality.alive_96 * quality.alive_400

    def one(k: int) -> Status:
        if not finite[k]:
            return "diverged"
        if passed[k]:
            return "ok"
        return "below_gate" if alive[k] > 0 else "dead"

    return [one(k) for k in range(len(weights))]
