"""Dynamics: how an NCA moves. Growth, drift, healing and the luck of the draw, by simulation.

Everything is measured on rollouts from the NCA's own seed cell under a few streams of fire masks,
and becomes columns of the zoo file. docs/dynamics.md defines each.
"""

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.automaton import rule
from nca_zoo.automaton.wounds import Wound
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import GROWN_STEP, STABLE_STEP, psnr, rollout_keys
from nca_zoo.life.rollout import State
from nca_zoo.pictures.targets import restored
from nca_zoo.store.schema import Column

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

LATE_STEP = 1000
HEALED_STEP = 2 * GROWN_STEP  # as long after the wound as growing took
NEAR_DB = 3.0  # an NCA has grown when its squared error is at most twice that at step 96
SEEDS = 4
COST = "dynamics_s"  # the cost of a row; it is NaN until the row has been measured


def columns(seeds: int = SEEDS) -> tuple[Column, ...]:
    """What is measured. A description says all that decides the values, so that two files agree."""
    mean = f"mean over mask seeds 0 to {seeds - 1}"
    rms = "root mean square over cells and RGBA, clipped to [0, 1]"

    def column(name: str, units: str, text: str) -> Column:
        return Column(name, "<f4", (), units, text)

    return (
        column(
            "steps_to_grow",
            "CA steps",
            f"first step with PSNR within {NEAR_DB:g} dB of that at step {GROWN_STEP}; {mean}",
        ),
        column(
            f"drift_{STABLE_STEP}",
            "",
            f"picture at step {STABLE_STEP} minus that at step {GROWN_STEP}, {rms}; {mean}",
        ),
        column(
            f"drift_{LATE_STEP}",
            "",
            f"picture at step {LATE_STEP} minus that at step {GROWN_STEP}, {rms}; {mean}",
        ),
        column(
            f"psnr_{LATE_STEP}", "dB", f"PSNR against the target at CA step {LATE_STEP}; {mean}"
        ),
        column(f"alive_{LATE_STEP}", "", f"share of cells alive at CA step {LATE_STEP}; {mean}"),
        column(
            f"spread_{GROWN_STEP}",
            "",
            f"deviation of pictures at step {GROWN_STEP} over mask seeds 0 to {seeds - 1}, {rms}",
        ),
        column(
            "psnr_wounded",
            "dB",
            f"PSNR against the target after the standard wound at step {GROWN_STEP}; {mean}",
        ),
        column(
            "psnr_healed",
            "dB",
            f"PSNR against the target at step {HEALED_STEP}, wounded at {GROWN_STEP}; {mean}",
        ),
        column(
            "recovery",
            "",
            f"1 - squared difference between wounded and unharmed at step {HEALED_STEP}, in units "
            f"of that made by the wound at step {GROWN_STEP}; 1 healed, at least -1; {mean}",
        ),
        column(COST, "s", f"CPU time of measuring these columns; {mean}"),
    )


@dataclass(frozen=True)
class Case:
    """One NCA to be measured."""

    weights: State  # (P,)
    seed: State  # (H, W, 16)
    target: State  # (H, W, 4), in [0, 1]
    judged: bool = True  # whether the target is known
    trained: int = rule.VISIBLE  # see ``rule.seen``


def case_of(zoo: "Zoo", row: int) -> Case:
    """The NCA in a row of a zoo."""
    target = restored(zoo.target[row])
    judged = str(zoo.status[row]) != "unjudged"
    return Case(zoo.weights[row], zoo.seed_states(row), target, judged, zoo.trained)


def measure(case: Case, seeds: int = SEEDS) -> dict[str, float]:
    """A value for each of ``columns(seeds)``; NaN where it needs a target and none is known."""
    began = time.thread_time()
    engine = SparseEngine()
    weights = np.array(case.weights, np.float32, order="C")[None]
    keys = np.concatenate([rollout_keys(seed, 1) for seed in range(seeds)], axis=1)  # (1, B)
    state = np.repeat(case.seed[None, None], seeds, axis=1)  # (1, B, H, W, 16)

    def on(state: State, now: int, stop: int) -> State:
        return engine.rollout(weights, state, keys, now, stop - now)

    def seen(state: State) -> State:
        return rule.seen(state[0], case.trained)

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

    near = np.stack(young) >= young[-1] - NEAR_DB  # (96, B)
    lost = _squared(seen(wounded), seen(grown))
    missing = _squared(seen(healed), seen(unharmed))
    regained = 1 - np.divide(missing, lost, out=np.zeros_like(lost), where=lost > 0)
    values = {
        "steps_to_grow": 1.0 + near.argmax(axis=0).mean(),
        f"drift_{STABLE_STEP}": np.sqrt(_squared(seen(stable), seen(grown))).mean(),
        f"drift_{LATE_STEP}": np.sqrt(_squared(seen(late), seen(grown))).mean(),
        f"psnr_{LATE_STEP}": psnr(seen(late), case.target).mean(),
        f"alive_{LATE_STEP}": rule.alive(np.nan_to_num(late[0])).mean(),
        f"spread_{GROWN_STEP}": np.sqrt(_clipped(seen(grown)).var(axis=0).mean()),
        "psnr_wounded": psnr(seen(wounded), case.target).mean(),
        "psnr_healed": psnr(seen(healed), case.target).mean(),
        "recovery": np.maximum(regained, -1).mean(),
        COST: time.thread_time() - began,
    }
    blind = () if case.judged else ("steps_to_grow", "psnr_wounded", "psnr_healed", "psnr_1000")
    return {name: np.nan if name in blind else float(value) for name, value in values.items()}


def measure_all(
    zoo: "Zoo", rows: list[int], seeds: int = SEEDS, jobs: int = 1
) -> Iterator[tuple[int, dict[str, float]]]:
    """``(row, values)`` of the given rows as they finish, on ``jobs`` threads.

    The values depend on the NCA alone (but for its CPU time), not on their number or order.
    """
    with ThreadPoolExecutor(jobs) as pool:
        ahead = iter(rows)
        try:
            running = {
                pool.submit(measure, case_of(zoo, row), seeds): row
                for row in islice(ahead, 2 * jobs)
            }
            while running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
                    for row in islice(ahead, 1):
                        running[pool.submit(measure, case_of(zoo, row), seeds)] = row
        finally:  # a reader that stops early does not wait for what has not begun
            pool.shutdown(cancel_futures=True)


def _clipped(picture: State) -> State:
    """A picture in [0, 1], ``(B, H, W, 4)`` float64; what is not finite counts as 0."""
    return np.clip(np.nan_to_num(picture, posinf=0, neginf=0).astype(np.float64), 0, 1)


def _squared(one: State, other: State) -> State:
    """Mean squared difference of pictures, ``(B,)``."""
    return ((_clipped(one) - _clipped(other)) ** 2).mean(axis=(1, 2, 3))
