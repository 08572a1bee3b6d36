"""Seconds per training step: our engines, an NCA as people write it in torch, and CAX.

Same mathematics for all: growing regime, batch 8, 80 CA steps, 28 x 28 cells, alpha = ink. Ten
digits are trained with the sparse engine; along each run, every contender takes the very step that
the training took, from the same weights, states and fire masks, and they take turns. Each takes it
once to get going, since in training a step follows a step, and then three times, of which the
median counts. Losses and gradients are compared: a contender that computes something else
would be caught.

    python benchmarks/training_step.py [--steps 200] [--every 50] [--device cuda] [--out FILE]

A step is the loss and its gradient; the optimiser, which is the same for all, is not in it.
With --device, the dense engine takes the steps there too, and then those of many NCAs at once.
CAX is timed at a few of the points only: it computes every cell, so that they cost it the same.
"""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cax_step
import click
import numpy as np
import torch
from plain_torch import PlainTorch
from report import Report, out_option, tell

from nca_zoo.life.engines import Automata, Gradients
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES

PAUSE = 0.2  # seconds before each timing
REPEATS = 3  # a step takes 10 ms: one interruption by the machine would show in the mean

LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-2  # relative; float32 adds up in many orders
Call = list[Any]  # weights, states, targets, keys and CA steps of one training step


def asked(call: Call) -> tuple[Any, ...]:
    """A call as ``Engine.gradients`` takes it."""
    weights, states, targets, keys, steps = call
    goals = at_the_end(targets, steps, states.shape[1])
    return Automata(weights, states[:, 0], keys), states, goals, steps


class Recorder(SparseEngine):
    """The sparse engine with a fixed number of CA steps, keeping its last call."""

    def __init__(self, ca_steps: int) -> None:
        super().__init__()
        self.ca_steps = ca_steps
        self.last: Call = []

    def gradients(self, ncas, states, goals, steps) -> Gradients:
        steps = np.full_like(steps, self.ca_steps)
        targets = goals.frames[:, 0]
        self.last = [np.copy(a) for a in (ncas.weights, states, targets, ncas.keys, steps)]
        return super().gradients(ncas, states, at_the_end(targets, steps, states.shape[1]), steps)


def recorded(
    init: str, digits: int, steps: int, every: int, ca_steps: int
) -> Iterator[tuple[str, int, Call]]:
    """Train some digits one after the other: picture id, training step, and the call it took.

    Every ``every``-th step of 0 to ``steps`` is given.
    """
    regime = dataclasses.replace(REGIMES["growing"], batch=8, pool=0, damaged=0)
    start = make_init(init, "growing")
    pictures = load_pictures("digits", per_class=1, data_dir=Path("data"))[1][:digits]
    for number, picture in enumerate(pictures):
        engine = Recorder(ca_steps)
        cohort = Cohort(regime, engine, 28, 28)
        cohort.add(Member(Job(picture.id, make_target(picture.pixels), start, number)))
        for step in range(steps + 1):
            cohort.step()
            if step % every == 0:
                yield picture.id, step, engine.last
        tell(f"{picture.id}: done")


def contenders(device: str | None) -> dict[str, tuple[int, Callable[[Call], Gradients]]]:
    """Name -> (torch threads, the engine's answer to a call)."""
    one, two = SparseEngine(1), SparseEngine(2)
    dense, plain = DenseEngine(), PlainTorch()
    there = {}
    if device is not None:
        away = DenseEngine(device)
        there = {f"our dense engine on {device}": (1, lambda call: away.gradients(*asked(call)))}
    return {
        "sparse, 1 thread": (1, lambda call: one.gradients(*asked(call))),
        "sparse, 2 threads": (1, lambda call: two.gradients(*asked(call))),
        "our dense engine, 1 thread": (1, lambda call: dense.gradients(*asked(call))),
        "our dense engine, 2 threads": (2, lambda call: dense.gradients(*asked(call))),
        "plain torch, 1 thread": (1, lambda call: plain.gradients(*asked(call))),
        "plain torch, 2 threads": (2, lambda call: plain.gradients(*asked(call))),
    } | there


def timed(run: Callable[[Call], Gradients], call: Call) -> tuple[Gradients, float]:
    """The answer to a call, and the median seconds that it takes."""
    time.sleep(PAUSE)  # threads of the contender before it spin for a while
    run(call)  # threads wake, memory is at hand
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = run(call)
        seconds.append(time.perf_counter() - began)
    return found, float(np.median(seconds))


def many(device: str, call: Call, at_once: int, repeats: int = 3) -> tuple[float, int]:
    """Seconds per NCA of a step of so many NCAs, copies of a call's, and its chunk's rollouts."""
    engine = DenseEngine(device)
    ncas, states, goals, steps = asked([np.repeat(a, at_once, axis=0) for a in call])
    engine.gradients(ncas, states, goals, steps)  # warms up: captures, compiles
    began = time.perf_counter()
    for _ in range(repeats):
        engine.gradients(ncas, states, goals, steps)
    seconds = (time.perf_counter() - began) / repeats / at_once
    return seconds, engine.chunk(*ncas.grid, int(steps.max()), (1, goals.channels))


def distance(found: Gradients, expected: Gradients) -> tuple[float, float]:
    """Largest relative difference of losses, and relative distance of gradients."""
    losses = np.max(np.abs(found.losses / expected.losses - 1))
    off = np.linalg.norm(found.gradients - expected.gradients, axis=1)
    return float(losses), float(np.max(off / np.linalg.norm(expected.gradients, axis=1)))


def demand_agreement(name: str, off: tuple[float, float]) -> None:
    """Stop the benchmark if a contender computes something else."""
    if not (off[0] <= LOSS_TOLERANCE and off[1] <= GRADIENT_TOLERANCE):
        raise SystemExit(f"{name}: losses off by {off[0]:.1e}, gradients by {off[1]:.1e}")


class CaxRows:
    """CAX on 1 and 2 threads, timed at the first point of each of the first ``points`` digits."""

    def __init__(self, points: int, ca_steps: int) -> None:
        self.points, self.skipped = points, ""
        self.rivals: dict[str, cax_step.CaxProcess] = {}
        self.times: dict[str, list[float]] = defaultdict(list)
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.losses: list[tuple[float, float]] = []  # CAX's, with its own fire masks, and ours
        self.compiling: dict[str, float] = {}
        self.off: tuple[float, float] | None = None
        if not points:
            self.skipped = "CAX was left out (`--cax-points 0`)."
        elif not cax_step.installed():
            self.skipped = (
                "CAX was left out: it is not installed here "
                "(`pip install nca-zoo[benchmarks]` brings it and JAX)."
            )
        else:
            counts = (1, 2) if cax_step.can_limit_threads() else (2,)
            names = [f"CAX, {n} thread{'s' * (n > 1)}" for n in counts]
            self.rivals = {
                name: cax_step.CaxProcess(n, ca_steps)
                for name, n in zip(names, counts, strict=True)
            }

    def take(self, call: Call, ours: Gradients) -> None:
        """Time all, in turn, at one point; at the first, check that the mathematics is ours."""
        for name, rival in self.rivals.items():
            if self.off is None:
                tell("CAX: comparing with our fire masks")
                answer = rival.check(call)
                found = Gradients(answer["losses"][None], answer["gradient"][None], ours.states)
                self.off = distance(found, ours)
                demand_agreement("CAX", self.off)
            tell(f"{name}: point {len(self.times[name]) + 1} of {self.points}")
            answer = rival.step(call)
            self.times[name].append(answer["seconds"])
            self.cpu[name].append(answer["cpu_seconds"])
            self.compiling.setdefault(name, answer["compile_seconds"])
            self.losses.append((answer["loss"], float(ours.losses.mean())))

    def close(self) -> None:
        for rival in self.rivals.values():
            rival.close()

    def notes(self) -> str:
        """What must be known to read CAX's rows."""
        if self.skipped:
            return self.skipped
        used = ", ".join(
            f"{name.removeprefix('CAX, ')}: {np.sum(cpu) / np.sum(self.times[name]):.2f} cores busy"
            for name, cpu in self.cpu.items()
        )
        compiling = max(self.compiling.values())
        theirs, ours = np.mean(self.losses, axis=0)
        return (
            f"CAX: its GrowingNCA example, jitted; compiling (with a first run, {compiling:.0f} s) "
            "is not in its times. XLA has no one switch for its threads: each row is a process of "
            f"its own, bound to as many cores before JAX was imported ({used}). It computes every "
            f"cell, so it is timed at {len(next(iter(self.times.values())))} points only, and its "
            "ratio is to the sparse engine's mean over all points; one step is timed there, after "
            "one that is not. It draws its fire masks itself, "
            "so that losses agree on average only "
            f"(mean {theirs:.5f}, ours {ours:.5f}); under our masks, losses differ by "
            f"{self.off[0]:.1e} and gradients by {self.off[1]:.1e} (relative)."
        )


@click.command()
@click.option("--steps", default=200, show_default=True, help="Training steps of a run.")
@click.option("--every", default=50, show_default=True, help="Training steps between points.")
@click.option("--digits", default=10, show_default=True, help="How many digits are trained.")
@click.option("--ca-steps", default=80, show_default=True, help="CA steps of a training step.")
@click.option("--init", default="meta", show_default=True, help="Where training starts.")
@click.option("--cax-points", default=2, show_default=True, help="Points at which CAX is timed.")
@click.option("--device", help="Also time the dense engine there, as cuda; cpu works too.")
@click.option("--at-once", default=256, show_default=True, help="NCAs on that device at once.")
@out_option
def main(
    steps: int,
    every: int,
    digits: int,
    ca_steps: int,
    init: str,
    cax_points: int,
    device: str | None,
    at_once: int,
    out: Path | None,
) -> None:
    """Time every contender along the training of ten digits, and print a table."""
    report = Report("A training step", out, cax_step.LIBRARIES)
    rivals = contenders(device)
    times: dict[str, dict[int, list[float]]] = {name: defaultdict(list) for name in rivals}
    off: dict[str, list[tuple[float, float]]] = defaultdict(list)
    cax = CaxRows(cax_points, ca_steps)
    trained: set[str] = set()
    for picture, step, call in recorded(init, digits, steps, every, ca_steps):
        trained.add(picture)
        expected = SparseEngine().gradients(*asked(call))
        for name, (threads, run) in rivals.items():
            torch.set_num_threads(threads)
            found, seconds = timed(run, call)
            times[name][step].append(seconds)
            off[name].append(distance(found, expected))
            demand_agreement(f"{name}, {picture}, step {step}", off[name][-1])
        if step == 0 and len(trained) <= cax_points:
            cax.take(call, expected)
    cax.close()

    points = sorted(next(iter(times.values())))
    means = {name: np.mean(np.concatenate(list(at.values()))) for name, at in times.items()}
    best = means["sparse, 1 thread"], means["sparse, 2 threads"]
    rows = []
    for name, at in times.items():
        ends = [f"{1e3 * np.mean(at[p]):.1f}" for p in (points[0], points[-1])]
        worst = np.max(off[name], axis=0)
        rows.append([name, *_cells(means[name], ends, best), f"{worst[0]:.0e} / {worst[1]:.0e}"])
    for name, found in cax.times.items():
        rows.append([name, *_cells(np.mean(found), ["", ""], best), "see below"])
    report.say(
        f"Growing regime from the start `{init}`, batch 8, {ca_steps} CA steps, 28 x 28 cells, "
        f"alpha = ink; {len(trained)} digits, {len(points)} points along each run of {steps} "
        "training steps; all contenders take the same steps, in turn. Last column: largest "
        "relative difference from the sparse engine, of losses / of gradients."
    )
    report.table(
        [
            "",
            "ms a step",
            f"at step {points[0]}",
            f"at step {points[-1]}",
            "times sparse, 1 thread",
            "times sparse, 2 threads",
            "off by",
        ],
        rows,
    )
    report.say(cax.notes())
    if device is not None:
        tell(f"{at_once} NCAs on {device}")
        seconds, chunk = many(device, call, at_once)
        report.say(
            f"{at_once} NCAs at once on {device}: {1e3 * seconds:.2f} ms a step and NCA, copies to "
            f"and from the device included; chunks of at most {chunk} rollouts."
        )
    report.finish()


def _cells(mean: float, ends: list[str], best: tuple[float, float]) -> list[str]:
    return [f"{1e3 * mean:.1f}", *ends, *[f"{mean / other:.2f}" for other in best]]


if __name__ == "__main__":
    main()
