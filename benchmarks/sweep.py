"""What training's settings are worth: one of them changed at a time, on the same digits.

    python benchmarks/sweep.py [--per-class 12] [--only lr,warm-up] [--out FILE]

Every row trains the same digits (those that the start was not learnt from) from the same start
until the gate stops it, as `nca-zoo build` does, one NCA a core, and differs from the first row in
one thing. Rows take turns, four digits at a time, so that all see the same weather of the machine.
The difference in training steps is paired: digit by digit.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from report import Report, cores, out_option, tell

from nca_zoo.automaton.rule import N_PARAMS, PARAM_SPEC, param_slices
from nca_zoo.building.build import make_job
from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.workers import run
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.probing.resampling import interval, resampled_means
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo.training.trainer import Fit, train

TOGETHER = 4  # NCAs


@dataclass(frozen=True)
class Tuned(Regime):
    """A regime with two settings that it does not have: nobody needed them so far."""

    warm_up: int = 0  # training steps over which the step size rises, in proportion, to its value
    scaled: str = ""  # names of tensors whose step size is ...
    by: float = 1.0  # ... multiplied by this

    def learning_rate(self, step: int) -> np.ndarray:  # type: ignore[override]
        """Step sizes ``(P,)`` at a training step."""
        rate = super().learning_rate(step)
        if self.warm_up:
            rate *= min(1, (step + 1) / self.warm_up)
        rates = np.full(N_PARAMS, rate)
        for name in self.scaled.split():
            rates[param_slices()[name]] *= self.by
        return rates


def variations(base: Tuned) -> dict[str, dict[str, Tuned]]:
    """What is varied -> name of a row -> its regime."""

    def rows(name: str, field: str, values: list) -> dict[str, Tuned]:
        return {f"{name} {v}": dataclasses.replace(base, **{field: v}) for v in values}

    def rated(*tensors: str) -> dict[str, Tuned]:
        name = " ".join(tensors)
        return {
            f"{' and '.join(tensors)}: step size x {by:g}": dataclasses.replace(
                base, scaled=name, by=by
            )
            for by in (0.5, 2.0)
        }

    matrices, biases = ("W1", "W2"), ("b1", "b2")
    return {
        "batch": rows("batch", "batch", [3, 4, 8]),
        "pool": rows("pool", "pool", [4, 8, 24]),
        "lr": rows("step size", "lr", [7e-4, 1e-3, 2e-3, 3e-3]),
        "schedule": {
            f"cosine to 0 at step {end}": dataclasses.replace(base, schedule="cosine", decay_at=end)
            for end in (200, 400)
        }
        | {
            f"a tenth from step {at} on": dataclasses.replace(base, decay_at=at) for at in (50, 100)
        },
        "warm-up": rows("warm-up over steps", "warm_up", [5, 10, 20]),
        "tensors": {
            row: regime
            for tensors in (*((name,) for name, _ in PARAM_SPEC), matrices, biases)
            for row, regime in rated(*tensors).items()
        },
        "normalisation": {
            "gradients not normalised": dataclasses.replace(base, normalise_gradient=False)
        },
    }


def fit(row: str, jobs: list[Job], regime: Regime) -> tuple[str, list[Fit]]:
    """What a worker does: some NCAs of one row, and the row's name."""
    return row, list(train(jobs, regime, SparseEngine(), cohort_size=len(jobs)))


def cells(fits: list[Fit], steps: np.ndarray, usual: np.ndarray) -> list[str]:
    """A row of the table; ``steps`` and the default's ``usual`` ``(N,)``, digit by digit."""
    more = (steps - usual).astype(float)
    low, high = interval(resampled_means(more[None, :, None], np.arange(len(more)), 0)[:, 0])
    middle, most = np.percentile(steps, [50, 90])
    good = [f for f in fits if f.status == "ok"]
    decibels = [np.median([getattr(f, f"psnr_{at}") for f in fits]) for at in (96, 400)]
    return [
        f"{np.mean([f.wall_s for f in fits]):.2f}",
        f"{steps.mean():.0f} / {middle:.0f} / {most:.0f}",
        "" if steps is usual else f"{more.mean():+.0f} ({low:+.0f} to {high:+.0f})",
        f"{len(good)} of {len(fits)}",
        " / ".join(f"{value:.1f}" for value in decibels),
    ]


@click.command()
@click.option("--per-class", default=12, show_default=True, help="Digits of each class.")
@click.option("--digits", "most", type=int, help="Take only the first so many of them.")
@click.option("--only", help="Vary only these: batch, pool, lr, schedule, warm-up, tensors, ...")
@click.option("--regime", "name", type=click.Choice(list(REGIMES)), default="persistent")
@click.option("--steps", type=int, help="A short run: one attempt of so many.")
@out_option
def main(
    per_class: int,
    most: int | None,
    only: str | None,
    name: str,
    steps: int | None,
    out: Path | None,
) -> None:
    """Train the same digits with one setting changed at a time, and print a table."""
    report = Report("A sweep of training's settings", out)
    base = Tuned(**vars(REGIMES[name]))
    if steps is not None:
        base = dataclasses.replace(base, steps=steps, extra_steps=0, attempts=1)
    varied = variations(base)
    chosen = only.split(",") if only else list(varied)
    if unknown := set(chosen) - varied.keys():
        raise click.UsageError(f"--only {', '.join(unknown)}: there are {', '.join(varied)}")
    usual = f"the default: batch {base.batch}, pool {base.pool}, step size {base.lr:g}"
    regimes = {usual: base}
    for what in chosen:
        regimes |= varied[what]

    pictures = load_pictures("digits", per_class=per_class, data_dir=Path("data"))[1][:most]
    settings = BuildSettings(base, make_init("meta", name))
    jobs = [make_job(picture, settings) for picture in pictures]
    tasks = (
        (row, jobs[i : i + TOGETHER], regime)
        for i in range(0, len(jobs), TOGETHER)
        for row, regime in regimes.items()
    )
    found: dict[str, dict[str, Fit]] = {row: {} for row in regimes}
    for row, fits in run(fit, tasks, cores()):
        found[row] |= {f.job.id: f for f in fits}
        if sum(map(len, found.values())) % (TOGETHER * len(regimes)) == 0:
            tell(f"{len(found[row])} of {len(jobs)} digits")

    taken = {
        row: np.array([fits[job.id].train_steps for job in jobs]) for row, fits in found.items()
    }
    report.say(
        f"{len(jobs)} digits, regime {name}, from its shipped start, until checks reach "
        + " and ".join(f"{c.stops:g} dB at step {c.trial.steps}" for c in base.gate.criteria)
        + ", through the gate as in a build, on one core each. Steps count all attempts."
    )
    report.table(
        [
            "",
            "CPU s an NCA",
            "training steps, mean / median / 90th percentile",
            "steps more than the default (95 % interval)",
            "ok",
            "dB at 96 / 400, median",
        ],
        [
            [row, *cells(list(fits.values()), taken[row], taken[usual])]
            for row, fits in found.items()
        ],
    )
    report.finish()


if __name__ == "__main__":
    main()
