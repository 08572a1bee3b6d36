"""How long until an NCA grows its picture at 25 dB: Distill's recipe from a cold start, and ours.

    python benchmarks/time_to_quality.py [--per-class 2] [--out FILE]

Each picture is trained until its PSNR at CA step 96 reaches 25 dB, looked at every ten training
steps; looking is off the clock. Recipe and engine are kept apart:

- Distill's recipe (growing, batch 8, Adam 2e-3, every NCA from noise of its own) on our engine;
- the same on plain dense torch, for a few seconds a picture: it takes the very same steps, so the
  time it would need is the steps that the other run needed times its seconds per step;
- our default regime and start, on our engine;
- our default as `nca-zoo build` runs it, with its checks and its gate, one NCA a core.
"""

import dataclasses
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import torch
from plain_torch import PlainTorch
from report import Report, cores, out_option, spread, tell

from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.automaton.rule import VISIBLE
from nca_zoo.building.build import make_job
from nca_zoo.building.settings import BuildSettings
from nca_zoo.life.engines import Engine
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import GROWN_STEP, psnr
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.gate import gate
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo.training.trainer import Fit, train

CHECK_EVERY = 10
DISTILL = Regime("distill", batch=8, lr=2e-3, decay_at=2000, gate=gate(stable=False))


@dataclass(frozen=True)
class Run:
    """One picture's training: how far it came, in how many steps and seconds."""

    psnr: float  # dB at CA step 96, at the last look
    steps: int
    seconds: float  # of training steps alone
    losses: list[float]


def until(job: Job, regime: Regime, engine: Engine, goal: float, cap: int, limit: float) -> Run:
    """Train until ``goal`` dB, at most ``cap`` steps or ``limit`` seconds."""
    height, width = job.target.rgba.shape[:2]
    cohort, judge = Cohort(regime, engine, height, width), SparseEngine()
    cohort.add(Member(job))
    seconds, reached = 0.0, 0.0
    for step in range(1, cap + 1):
        began = time.perf_counter()
        cohort.step()
        seconds += time.perf_counter() - began
        over = seconds > limit or step == cap
        if step % CHECK_EVERY == 0:
            keys = np.full((1, 1), fold(fold(job.rng_seed, Stream.CHECK), step), np.uint64)
            nca = cohort.ncas(keys)
            grown = judge.rollout(nca, nca.starts(), 0, GROWN_STEP)
            reached = float(psnr(grown[0, 0, ..., :VISIBLE], job.target.rgba))
        if reached >= goal or over:
            break
    return Run(reached, step, seconds, cohort.members[0].losses)


def fit(job: Job, regime: Regime) -> Fit:
    """What one worker of a build does with one NCA."""
    return next(iter(train([job], regime, SparseEngine())))


def summary(name: str, runs: list[Run], goal: float) -> list[str]:
    """A row of the table: NCAs an hour counts the time of those that did not get there, too."""
    there = [run for run in runs if run.psnr >= goal]
    total = sum(run.seconds for run in runs)
    return [
        name,
        f"{len(there)} of {len(runs)}",
        spread([run.steps for run in there], 0),
        spread([run.seconds for run in there]),
        f"{3600 * len(there) / total:.0f}",
    ]


def built(jobs: list[Job], regime: Regime, workers: int) -> list[str]:
    """A row of the table: all jobs through the gate, one NCA at a time on each worker process."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        short = dataclasses.replace(regime, steps=1, extra_steps=0, attempts=1)
        list(pool.map(fit, jobs[:workers], [short] * workers))  # starts the workers
        began = time.perf_counter()
        fits = list(pool.map(fit, jobs, [regime] * len(jobs)))
        took = time.perf_counter() - began
    good = [f for f in fits if f.status == "ok"]
    return [
        f"our default as in a build, {workers} workers, gate at steps 96 and 400",
        f"{len(good)} of {len(fits)} pass the gate",
        spread([f.train_steps for f in good], 0),
        spread([f.wall_s for f in good]),
        f"{3600 * len(good) / took:.0f}",
    ]


@click.command()
@click.option("--per-class", default=2, show_default=True, help="Digits of each class.")
@click.option("--digits", "most", type=int, help="Take only the first so many of them.")
@click.option("--goal", default=25.0, show_default=True, help="dB at CA step 96.")
@click.option("--cap", default=3000, show_default=True, help="Training steps before giving up.")
@click.option("--torch-seconds", default=20.0, show_default=True, help="Of plain torch a picture.")
@click.option("--build/--no-build", "as_build", default=True, help="The row of whole builds, too.")
@click.option("--threads", default=2, show_default=True, help="For one NCA at a time.")
@out_option
def main(
    per_class: int,
    most: int | None,
    goal: float,
    cap: int,
    torch_seconds: float,
    as_build: bool,
    threads: int,
    out: Path | None,
) -> None:
    """Train the same pictures by both recipes, and print a table."""
    report = Report("Time to quality", out)
    torch.set_num_threads(threads)
    pictures = load_pictures("digits", per_class=per_class, data_dir=Path("data"))[1][:most]
    ours = REGIMES["persistent"]

    def jobs(init: str, regime: str) -> list[Job]:
        settings = BuildSettings(REGIMES[regime], make_init(init, regime))
        return [make_job(picture, settings) for picture in pictures]

    sparse = SparseEngine(threads)
    cold, warm = jobs("independent", "growing"), jobs("meta", "persistent")
    for engine in (sparse, PlainTorch()):  # compiles, and warms up
        until(cold[0], DISTILL, engine, goal, 1, np.inf)
    distill, default, plain = [], [], []
    for here, there in zip(cold, warm, strict=True):
        distill.append(until(here, DISTILL, sparse, goal, cap, np.inf))
        default.append(until(there, ours, sparse, goal, cap, np.inf))
        plain.append(until(here, DISTILL, PlainTorch(), goal, cap, torch_seconds))
        tell(
            f"{here.id}: Distill's recipe {distill[-1].steps} steps to {distill[-1].psnr:.1f} dB, "
            f"ours {default[-1].steps} to {default[-1].psnr:.1f} dB"
        )
    if any(abs(p.losses[0] / d.losses[0] - 1) > 1e-4 for p, d in zip(plain, distill, strict=True)):
        raise SystemExit("plain torch takes another first step: it computes something else")
    scaled = [
        p if p.psnr >= goal else Run(d.psnr, d.steps, d.steps * p.seconds / p.steps, [])
        for p, d in zip(plain, distill, strict=True)
    ]
    measured = sum(p.psnr >= goal for p in plain)

    rows = [
        summary("Distill's recipe, plain torch", scaled, goal),
        summary("Distill's recipe, sparse engine", distill, goal),
        summary("our default, sparse engine", default, goal),
    ]
    if as_build:
        rows.append(built(warm, ours, cores()))
    report.say(
        f"{len(pictures)} digits; until {goal:.0f} dB of PSNR at CA step 96, looked at every "
        f"{CHECK_EVERY} training steps off the clock, at most {cap} steps. One NCA at a time on "
        f"{threads} threads, but for the last row. Steps and seconds are of those that got there: "
        "median (5th to 95th percentile). NCAs an hour: those that got there, by the time of all."
    )
    report.table(["", "got there", "training steps", "seconds", "NCAs an hour"], rows)
    report.say(
        f"Plain torch: {measured} of {len(plain)} got there within {torch_seconds:g} s; the rest "
        "is **extrapolated**: the steps that the same recipe needed on the sparse engine (the "
        "same mathematics: first losses agree to 1e-4) times plain torch's own seconds per step, "
        f"{sum(p.seconds for p in plain) / sum(p.steps for p in plain):.3f} on average over "
        f"{sum(p.steps for p in plain)} steps. Distill's recipe starts growing only; it trains no "
        "stability, which our default does."
    )
    report.finish()


if __name__ == "__main__":
    main()
