"""How near the sparse engine is to what one core can do, and where the rest of the time goes.

    python benchmarks/roofline.py [--digits 10] [--steps 200] [--every 100] [--out FILE]

Counts the floating-point operations of matrix products that one training step needs: those of
living, firing cells, by the plain rule. Divides by the time of ``forward_backward`` on one thread,
and by the rate of a large single-precision matrix product on one thread, measured in between. Both
are measured alike: once to wake the core and fill its caches, as the step before does in training,
and then the best of three. What the step takes that first time is told beside it.
Cells that exactness asks for beyond that (ghosts) and rows that fill up tiles are counted apart:
they cost time, but are not counted as useful work. The profile is of a second compilation of the
kernel that counts cycles around its statements (`statement_profile.py`).
"""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from report import Report, out_option
from statement_profile import Part, Profiler
from threadpoolctl import threadpool_limits
from training_step import recorded

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE, fire_level, fire_mask
from nca_zoo.automaton.signals import B1
from nca_zoo.life.engines import kernels
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.life.engines.tile import ROWS
from nca_zoo.life.engines.workspace import workspace

# Of one cell that lives and fires; a multiplication and an addition are two operations.
NETWORK = 2 * (rule.PERCEPTION * rule.HIDDEN + rule.HIDDEN * rule.CHANNELS)
FORWARD = NETWORK
BACKWARD = 2 * NETWORK  # of each matrix: the gradient of its input, and its own

HALF = fire_level(FIRE_RATE)
REPEATS = 3  # of everything that is timed: the best counts


@dataclass(frozen=True)
class Counts:
    """Cell-steps of some rollouts."""

    cells: int  # all of the grid
    firing: int  # alive before the step, and firing: what must be computed
    ghosts: int  # dead and firing beside a cell that the step would kill: forward only
    padding: int  # rows that fill up tiles, if every step of every example is padded by itself

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products that a training step needs."""
        return self.firing * (FORWARD + BACKWARD)

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Counts(*(a + b for a, b in pairs))


def count(
    weights: np.ndarray, states: np.ndarray, keys: np.ndarray, steps: int, rows: int = ROWS
) -> Counts:
    """Count along the rollouts of one NCA, with the plain rule.

    weights: ``(P,)``; states: ``(B, H, W, 16)``; keys: ``(B,)``; rows: a tile's height.
    """
    total = Counts(0, 0, 0, 0)
    for t in range(steps):
        fire = fire_mask(keys, t, *states.shape[1:3])
        before = rule.alive(states)
        firing = before & fire
        # What the second alive mask would be, had no dead cell fired.
        after = rule.alive(_updated(weights, states, firing))
        dying = np.zeros_like(states)
        dying[..., rule.ALPHA] = before & ~after
        ghosts = rule.alive(dying) & fire & ~before
        padding = sum(-int(n) % rows for part in (firing, ghosts) for n in part.sum(axis=(1, 2)))
        total += Counts(before.size, int(firing.sum()), int(ghosts.sum()), padding)
        states = rule.step(weights, states, fire)
    return total


def _updated(weights: np.ndarray, states: np.ndarray, fire: np.ndarray) -> np.ndarray:
    """The states with the updates of the cells in ``fire``, before any mask."""
    w = rule.unflatten(weights)
    hidden = np.maximum(rule.perceive(states) @ w["W1"].T + w["b1"], 0)
    return states + (hidden @ w["W2"].T + w["b2"]) * fire[..., None]


def matrix_rates(size: int) -> dict[str, float]:
    """GFLOP/s of a square single-precision product on one thread, by numpy and by torch."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    ta = torch.as_tensor(a)
    rates = {}
    with threadpool_limits(1):
        torch.set_num_threads(1)
        for name, run in (("numpy", lambda: a @ a), ("torch", lambda: ta @ ta)):
            run()
            rates[name] = 2e-9 * size**3 / _best(_timed, run)
    return rates


def _best(measure: Callable[..., float], *arguments: Any) -> float:
    """The least seconds of several measurements."""
    return min(measure(*arguments) for _ in range(REPEATS))


def _timed(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def silence(weights: Any) -> tuple[Any, Any]:
    """What kernels take of NCAs that hear nothing: their own biases, always the first."""
    return weights[B1].copy(), np.zeros(1, np.int32)


def _examples(call: list[Any], kernel: Any, space: Any) -> float:
    """Seconds that ``kernel`` takes for the examples of a recorded call, one after the other."""
    weights, states, targets, keys, steps = call
    goals = at_the_end(targets, steps, 1)
    goal = goals.frames[0], goals.when[0, 0]
    gradient, d_biases = np.empty(rule.N_PARAMS, np.float32), np.empty(rule.HIDDEN, np.float32)
    starts, anywhere = states[0].copy(), np.full_like(space.fire, ~np.uint64(0))
    began = time.perf_counter()
    for state, key in zip(starts, keys[0], strict=True):
        kernel(
            weights[0], state, *silence(weights[0]), *goal, key, HALF, anywhere, int(steps[0]),
            gradient, d_biases, space,
        )  # fmt: skip
    return time.perf_counter() - began


def _rollouts(call: list[Any], space: Any) -> float:
    """Seconds that the same rollouts take without a backward pass."""
    weights, states, _, keys, steps = call
    starts, anywhere = states[0].copy(), np.full_like(space.fire, ~np.uint64(0))
    began = time.perf_counter()
    for state, key in zip(starts, keys[0], strict=True):
        said = *silence(weights[0]), key, HALF, anywhere
        kernels.rollout(weights[0], state, *said, 0, int(steps[0]), space)
    return time.perf_counter() - began


@click.command()
@click.option("--digits", default=10, show_default=True, help="How many digits are trained.")
@click.option("--steps", default=200, show_default=True, help="Training steps of a run.")
@click.option("--every", default=100, show_default=True, help="Training steps between points.")
@click.option("--ca-steps", default=80, show_default=True, help="CA steps of a training step.")
@click.option("--matrix", default=2048, show_default=True, help="Side of the large product.")
@click.option("--profile/--no-profile", default=True, help="Compile again, to count cycles.")
@out_option
def main(
    digits: int,
    steps: int,
    every: int,
    ca_steps: int,
    matrix: int,
    profile: bool,
    out: Path | None,
) -> None:
    """Count, time and profile training steps on one thread."""
    report = Report("Roofline", out)
    space, once = workspace(28, 28, ca_steps, 1), workspace(28, 28, 1)
    profiler = Profiler(kernels.forward_backward) if profile else None
    total = Counts(0, 0, 0, 0)
    seconds: dict[str, float] = defaultdict(float)
    rates: dict[str, list[float]] = defaultdict(list)
    shares = []
    warm = False
    for _, _, call in recorded("meta", digits, steps, every, ca_steps):
        if not warm:  # compiles
            _rollouts(call, once)
            if profiler:
                _examples(call, profiler.run, space)
                profiler.clear()
            warm = True
        with threadpool_limits(1):
            found = count(call[0][0], call[1][0], call[3][0], ca_steps)
        seconds["first"] += _examples(call, kernels.forward_backward, space)
        taken = _best(_examples, call, kernels.forward_backward, space)
        for name, rate in matrix_rates(matrix).items():
            rates[name].append(rate)
        best = max(rates["numpy"][-1], rates["torch"][-1])
        shares.append(1e-9 * found.operations / taken / best)
        total += found
        seconds["all"] += taken
        seconds["forward"] += _best(_rollouts, call, once)
        if profiler:
            seconds["counted"] += _best(_examples, call, profiler.run, space)

    _say_rates(report, total, seconds, rates, shares, ca_steps)
    if profiler:
        _say_profile(report, profiler.parts(), seconds)
    report.finish()


def _say_rates(
    report: Report,
    total: Counts,
    seconds: dict[str, float],
    rates: dict[str, list[float]],
    shares: list[float],
    ca_steps: int,
) -> None:
    medians = {name: float(np.median(found)) for name, found in rates.items()}
    best = max(medians, key=lambda name: medians[name])
    achieved = 1e-9 * total.operations / seconds["all"]
    points = len(shares)
    report.say(
        f"{points} training steps along the runs, batch 8, {ca_steps} CA steps, 28 x 28 cells, one "
        f"thread. A living, firing cell needs {FORWARD:,} operations forward and {BACKWARD:,} "
        f"backward in matrix products; biases, ReLUs and Sobel filters are not counted."
    )
    report.table(
        ["", "", "of all cells"],
        [
            ["cell-steps of the grid", f"{total.cells:,}", "100 %"],
            ["living and firing", f"{total.firing:,}", _share(total.firing, total.cells)],
            ["ghosts", f"{total.ghosts:,}", _share(total.ghosts, total.cells)],
            [f"padding to {ROWS} rows", f"{total.padding:,}", _share(total.padding, total.cells)],
        ],
    )
    report.table(
        ["", ""],
        [
            ["operations needed a step", f"{1e-6 * total.operations / points:,.0f} MFLOP"],
            ["time a step", f"{1e3 * seconds['all'] / points:.1f} ms"],
            [
                "of it, the same rollouts without gradient",
                _share(seconds["forward"], seconds["all"]),
            ],
            ["rate achieved", f"{achieved:.1f} GFLOP/s"],
            *[[f"large matrix product, {name}", f"{r:.1f} GFLOP/s"] for name, r in medians.items()],
            ["**share of the machine's rate**", f"**{100 * achieved / medians[best]:.0f} %**"],
            [
                "share of it the first time, after other work",
                f"{100 * achieved / medians[best] * seconds['all'] / seconds['first']:.0f} %",
            ],
            [
                "share at single steps",
                f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %",
            ],
        ],
    )
    report.say(f"The machine's rate is that of {best}, the faster of the two here.")


def _say_profile(report: Report, parts: list[Part], seconds: dict[str, float]) -> None:
    cycles = sum(part.cycles for part in parts)
    per_kind = {"matrix products": 0, "everything else": 0}
    for part in parts:
        kind = "matrix products" if "product" in part.calls else "everything else"
        per_kind[kind] += part.cycles
    report.say(
        "Where the time goes, by the processor's clock round every loop and call of the kernel (on "
        "which other programs must be quiet); counting "
        f"made it {100 * (seconds['counted'] / seconds['all'] - 1):+.0f} % slower."
    )
    merged: dict[tuple[str, str], int] = defaultdict(int)
    for part in parts:
        merged[part.function, part.text] += part.cycles
    rows = [[name, "", _share(found, cycles)] for name, found in per_kind.items()]
    for (function, text), found in sorted(merged.items(), key=lambda item: -item[1]):
        if found >= 0.005 * cycles:
            rows.append([f"`{function or text}`", f"`{text}`", _share(found, cycles)])
    report.table(["in", "statement", "of the time"], rows)


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


if __name__ == "__main__":
    main()
