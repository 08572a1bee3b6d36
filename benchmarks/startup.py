"""How long each command takes to start and to do its first useful thing.

    python benchmarks/startup.py [--zoo data/zoo.h5] [--out benchmarks/results/startup.md]

Every run is a process of its own, as when a person types the command. Without --zoo, only those
that need none are run. "Compiling" is `show` with an empty cache of compiled kernels, as right
after the installation.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from report import Report, out_option, tell

from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import COMMANDS

RUN = (sys.executable, "-c", "from nca_zoo_cli.main import main; main()")


def seconds(arguments: list[str], variables: dict[str, str]) -> float:
    """The time of one run of `nca-zoo`; stops the benchmark if the run fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [*RUN, *arguments], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"nca-zoo {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
    return taken


def commands(zoo: Path | None, folder: Path) -> dict[str, list[str]]:
    """What is run: name -> arguments."""
    runs = {"--help": ["--help"]}
    runs |= {f"{name} --help": [name, "--help"] for name in COMMANDS}
    if zoo is not None:
        where, nca = ["--zoo", str(zoo)], str(open_zoo(zoo).id[0])
        film, strip = str(folder / "film.mp4"), str(folder / "strip.png")
        runs |= {
            "info": ["info", *where],
            "verify": ["verify", *where],
            f"show {nca} --steps 400": ["show", nca, *where, "--steps", "400", "--out", film],
            f"show {nca} --out strip.png": ["show", nca, *where, "--out", strip],
            f"neighbours {nca}": ["neighbours", nca, *where],
            "probe": ["probe", *where],
        }
    return runs


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), help="A zoo to read.")
@click.option("--only", multiple=True, metavar="TEXT", help="Runs whose name has this in it.")
@click.option("--repeats", default=5, show_default=True)
@out_option
def main(zoo: Path | None, only: tuple[str, ...], repeats: int, out: Path | None) -> None:
    """Run every command several times, and print a table."""
    report = Report("Start-up", out)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [(run, arguments, False) for run, arguments in commands(zoo, folder).items()]
        runs += [
            (f"{run}, compiling", arguments, True)
            for run, arguments, _ in runs
            if run.startswith("show") and "--steps" in run
        ]
        for run, arguments, compiling in runs:
            if only and not any(text in run for text in only):
                continue
            taken = []
            for repeat in range(repeats):
                cache = {"NUMBA_CACHE_DIR": str(folder / f"{len(rows)}-{repeat}")}
                taken.append(seconds(arguments, cache if compiling else {}))
            tell(f"{run}: {np.median(taken):.2f} s")
            rows.append(
                [f"`nca-zoo {run}`", *(f"{f(taken):.2f}" for f in (np.min, np.median, np.max))]
            )
    held = f"a zoo of {len(open_zoo(zoo))} NCAs" if zoo else "no zoo"
    report.say(f"{held}; {repeats} runs each, in seconds, the first one included.")
    report.table(["", "min", "median", "max"], rows)
    report.finish()


if __name__ == "__main__":
    main()
