"""How far does what is written help training? Against the start that all share.

    python benchmarks/written_start.py [--zoo data/zoo.h5] [--out FILE]

Pictures of the zoo's test split, which neither writer nor start has seen, are trained in the
zoo's regime from what a writer writes for each, and from the meta-learned start, with the same
random seeds; no gate ends it. The mean of the weights is judged, as `build` keeps it.
"""

import time
from pathlib import Path

import click
import numpy as np
from report import Report, out_option, tell

from nca_zoo.automaton.record import rollout_keys
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure
from nca_zoo.networks.writing import learn_writer, targets_of
from nca_zoo.pictures.targets import Target
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import Init, make_init, shipped_writer
from nca_zoo.training.regime import REGIMES, Regime

SOLID_DB = 20.0  # as `build` counts


def few_of(zoo: Zoo, pictures: int) -> Zoo:
    """Evenly spread rows of the good NCAs of the test split, or all."""
    new = zoo.subset(zoo.good & (zoo.split == "test"))
    places = np.linspace(0, len(new) - 1, min(len(new), pictures))
    return new.subset(np.unique(places.round().astype(int)))


def reached(regime: Regime, init: Init, targets: list[Target], steps: list[int]) -> list[str]:
    """Median PSNR at step 96, and the share at 20 dB there and at step 400, after these steps."""
    engine, (height, width) = make_engine(), targets[0].rgba.shape[:2]
    jobs = [Job(f"{i}", target, init, i) for i, target in enumerate(targets)]
    cohort = Cohort(regime, engine, height, width, room=len(jobs))
    for job in jobs:
        cohort.add(Member(job))
    found = []
    for step in range(max(steps) + 1):
        if step in steps:
            looks = measure(engine, cohort.ncas(rollout_keys(0, len(jobs))), cohort.targets)
            first, last = looks[GROWN.name].psnr, looks[STABLE.name].psnr
            solid = 100 * np.mean(np.minimum(first, last) >= SOLID_DB)
            found.append(f"{np.median(first):.1f} dB, {solid:.0f} %")
        if step < max(steps):
            cohort.step()
    return found


@click.command()
@click.option("--zoo", "path", type=click.Path(path_type=Path), default=Path("data/zoo.h5"))
@click.option("--steps", default="0,5,10,20", show_default=True, help="Training steps.")
@click.option("--pictures", default=100, show_default=True, help="Of the zoo's test split.")
@out_option
def main(path: Path, steps: str, pictures: int, out: Path | None) -> None:
    """Print a table of three starts."""
    report, rows, zoo = Report("What is written, as a start", out), [], open_zoo(path)
    regime, asked = REGIMES[zoo.settings.regime], [int(step) for step in steps.split(",")]
    targets = targets_of(few_of(zoo, pictures))
    linear = learn_writer(zoo.subset(zoo.good & (zoo.split == "train")))
    starts = {
        "written, by the one that ships": Init("written", writer=shipped_writer()),
        "written, by a linear one": Init("written", writer=linear),
        "meta-learned start": make_init("meta", regime.name, visible=zoo.visible),
    }
    for name, init in starts.items():
        tell(name)
        before = time.process_time()
        found = reached(regime, init, targets, asked)
        rows.append((name, *found, f"{time.process_time() - before:.0f}"))
    report.table(("training steps", *map(str, asked), "CPU s"), rows)
    report.say(
        f"{len(targets)} pictures, regime {regime.name}. Median PSNR at step 96, and the share at "
        f"{SOLID_DB:g} dB or more there and at step 400."
    )
    report.finish()


if __name__ == "__main__":
    main()
