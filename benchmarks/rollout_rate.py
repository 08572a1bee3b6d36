"""CA steps per second: one NCA, and 500 at once.

    python benchmarks/rollout_rate.py [--zoo data/zoo.h5] [--out benchmarks/results/rollout_rate.md]

Without --zoo, ten digits are fitted first. A zoo of fewer NCAs than --many is gone round several
times, with other fire masks each time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from report import Report, cores, out_option, spread, tell

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fit_seed, fold
from nca_zoo.automaton.record import Automata
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import train


def fitted(digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(N, P)`` and seeds ``(N, H, W, 16)`` of some digits, fitted now."""
    regime, start = REGIMES["persistent"], make_init("meta", "persistent")
    pictures = load_pictures("digits", per_class=1, data_dir=Path("data"))[1][:digits]
    jobs = [Job(p.id, make_target(p.pixels), start, fit_seed(0, p.id)) for p in pictures]
    tell(f"fitting {len(jobs)} digits")
    fits = [f for f in train(jobs, regime, SparseEngine(cores())) if f.status == "ok"]
    seeds = [f.job.seed_state(regime) for f in fits]
    return np.stack([f.weights for f in fits]), np.stack(seeds)


def stored(path: Path, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and seeds of the first good NCAs of a zoo."""
    zoo = open_zoo(path)
    rows = np.flatnonzero(zoo.good)[:most]
    return zoo.weights[rows], zoo.seed_states(rows)


def seconds(run: Callable[[], object], repeats: int) -> list[float]:
    """Times of ``repeats`` calls, after one to warm up."""
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return found[1:]


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), help="A zoo to roll out.")
@click.option("--digits", default=10, show_default=True, help="Digits to fit without --zoo.")
@click.option("--many", default=500, show_default=True, help="NCAs at once.")
@click.option("--steps", default=400, show_default=True, help="CA steps of a rollout.")
@click.option("--repeats", default=5, show_default=True)
@out_option
def main(
    zoo: Path | None, digits: int, many: int, steps: int, repeats: int, out: Path | None
) -> None:
    """Time rollouts from the seed, and print a table."""
    report = Report("Rollouts", out)
    weights, seeds = stored(zoo, many) if zoo else fitted(digits)
    if not len(weights):
        raise SystemExit("none of the NCAs passes its gate: nothing to roll out")
    turns = np.arange(many) % len(weights)
    keys = fold(fold(0, Stream.ROLLOUT), np.arange(many))[:, None]
    batch = Automata(np.ascontiguousarray(weights[turns]), seeds[turns], keys)
    ones = range(min(len(weights), 10))
    few = slice(0, len(ones))
    ends = SparseEngine().rollout(batch[few], batch[few].starts(), 0, steps)
    living = rule.alive(ends).mean()

    def one(every: int) -> list[float]:
        """Steps a second of single NCAs, by the Python function that people call."""
        rates = []
        for k in ones:
            run = lambda k=k: list(rollout(weights[k], seeds[k], steps, every=every))  # noqa: E731
            rates += [steps / s for s in seconds(run, repeats)]
        return rates

    rows = [
        ["one NCA, last state only", "1", *_cells(one(steps), 1)],
        ["one NCA, every state", "1", *_cells(one(1), 1)],
    ]
    for threads in sorted({1, 2, cores()}):
        engine = SparseEngine(threads)
        taken = seconds(lambda e=engine: e.rollout(batch, batch.starts(), 0, steps), repeats)
        rows.append([f"{many} at once", str(threads), *_cells([steps / s for s in taken], many)])
    source = f"the first good of {zoo.name}" if zoo else "digits fitted for this"
    report.say(
        f"{len(weights)} NCAs ({source}), {seeds.shape[1]} x {seeds.shape[2]} cells, {steps} steps "
        f"from the seed; {100 * living:.0f} % of the cells live at the end. {repeats} "
        "repeats after one to warm up; median (5th to 95th percentile)."
    )
    report.table(["", "threads", "steps/s", "NCA-steps/s"], rows)
    report.finish()


def _cells(rates: list[float], ncas: int) -> list[str]:
    return [spread(rates, 0), f"{ncas * np.median(rates):,.0f}"]


if __name__ == "__main__":
    main()
