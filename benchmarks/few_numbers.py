"""How few numbers tell a picture, along directions of the weights?

    python benchmarks/few_numbers.py [--zoo data/zoo.h5] [--out FILE]

Two kinds of directions: principal components of a zoo's training split, and of what the writer that
ships writes for the training split of the digits. For pictures of the zoo's test split, which
neither has seen: what grows of the trained or the written NCA if all else is left out (no
training), and what grows when as many numbers are fitted by gradient, everything else fixed.
"""

import dataclasses
import time
from pathlib import Path

import click
import numpy as np
from report import Report, out_option, tell

from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure
from nca_zoo.networks.basis import fit_numbers, principal
from nca_zoo.networks.writing import targets_of
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import Target, make_target
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.training.init import shipped_writer

HEADER = ("directions", "numbers", "how", "PSNR 96", "PSNR 400", "20 dB at both", "CPU s")


def evenly(there: int, wanted: int) -> list[int]:
    """``wanted`` places of ``there``, or all."""
    return np.unique(np.linspace(0, there - 1, min(there, wanted)).round().astype(int)).tolist()


def measured(zoo: Zoo, weights: np.ndarray) -> tuple[str, str, str]:
    """Median PSNR at steps 96 and 400, and the share at 20 dB at both, of weights for a zoo."""
    ncas = dataclasses.replace(zoo.ncas(), weights=weights)
    targets = np.stack([target.trained for target in targets_of(zoo)])
    looks = measure(make_engine(), ncas, targets)
    first, last = looks[GROWN.name].psnr, looks[STABLE.name].psnr
    solid = np.mean(np.minimum(first, last) >= 20)
    return f"{np.median(first):.1f}", f"{np.median(last):.1f}", f"{100 * solid:.0f} %"


def written(targets: list[Target]) -> np.ndarray:
    """Weights ``(N, P)`` that the writer that ships writes."""
    writer = shipped_writer()
    return np.stack([writer.weights(target) for target in targets])


@click.command()
@click.option("--zoo", "path", type=click.Path(path_type=Path), default=Path("data/zoo.h5"))
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), help="Of digits.")
@click.option("--numbers", default="16,32,64,128", show_default=True)
@click.option("--fitted", default="16,32", show_default=True, help="Of these, fit by gradient.")
@click.option("--steps", default=100, show_default=True, help="Training steps of a fit.")
@click.option("--rate", default=0.2, show_default=True, help="Adam's step size of a fit.")
@click.option("--pictures", default=100, show_default=True, help="Of the zoo's test split.")
@click.option("--learnt", default=1000, show_default=True, help="Pictures to write for directions.")
@out_option
def main(
    path: Path,
    data: Path,
    numbers: str,
    fitted: str,
    steps: int,
    rate: float,
    pictures: int,
    learnt: int,
    out: Path | None,
) -> None:
    """Print a table of few numbers a picture."""
    report, rows = Report("Few numbers a picture", out), []
    zoo = open_zoo(path)
    good = zoo.subset(zoo.good)
    known, new = (good.subset(good.split == split) for split in ("train", "test"))
    new = new.subset(evenly(len(new), pictures))
    targets = targets_of(new)
    digits = [one for one in load_pictures(data_dir=data)[1] if one.split == "train"]
    asked = [make_target(digits[i].pixels) for i in evenly(len(digits), learnt)]
    kinds = {
        "of trained NCAs": (known.weights, np.ascontiguousarray(new.weights)),
        "of written NCAs": (written(asked), written(targets)),
    }
    for name, (of, theirs) in kinds.items():
        rows.append((name, "all", "as it is", *measured(new, theirs), ""))
        for count in map(int, numbers.split(",")):
            tell(f"{count} {name}")
            basis = principal(of, count)
            told = basis.numbers(theirs)
            rows.append((name, f"{count}", "left out", *measured(new, basis.weights(told)), ""))
            if str(count) in fitted.split(","):
                before = time.process_time()
                found = fit_numbers(basis, 0 * told, targets, make_engine(), steps, rate)
                spent = f"{time.process_time() - before:.0f}"
                grown = measured(new, basis.weights(found))
                rows.append((name, f"{count}", "fitted", *grown, spent))
    report.table(HEADER, rows)
    report.say(
        f"{len(new)} pictures; directions of {len(known)} trained NCAs, or of what is written for "
        f"{len(asked)} pictures; fits of {steps} training steps, two rollouts each. Medians, dB."
    )
    report.finish()


if __name__ == "__main__":
    main()
