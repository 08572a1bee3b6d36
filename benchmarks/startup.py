"""How long each command takes to start and to do its first useful thing.

    python benchmarks/startup.py [--zoo data/zoo.h5] [--out benchmarks/results/startup.md]
    python benchmarks/startup.py --zoo data/zoo.h5 --only probe --against ../before

Every run is a process of its own, as when a person types the command. Without --zoo, only those
that need none are run. "Compiling" is `show` with an empty cache of compiled kernels, as right
after the installation. With --against, another checkout takes turns with this one, and the report
says whether both print the same.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from report import Report, out_option, tell

from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import COMMANDS

RUN = (sys.executable, "-c", "from nca_zoo_cli.main import main; main()")


@dataclass
class Timed:
    """Runs of one command from one checkout."""

    variables: dict[str, str]  # of the environment, that choose the checkout
    wall: list[float] = field(default_factory=list)  # seconds of every run
    cpu: list[float] = field(default_factory=list)  # of all its processes
    printed: set[str] = field(default_factory=set)

    def run(self, arguments: list[str], variables: dict[str, str]) -> None:
        """One run of `nca-zoo`; stops the benchmark if it fails."""
        environment = os.environ | self.variables | variables
        began, before = time.perf_counter(), os.times()
        done = subprocess.run(
            [*RUN, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        after = os.times()
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(sum(after[2:4]) - sum(before[2:4]))  # children, user and system
        self.printed.add(done.stdout)
        if done.returncode:
            raise SystemExit(f"nca-zoo {' '.join(arguments)}: {done.stderr.strip()[-300:]}")


def checkout(root: Path, folder: Path) -> dict[str, str]:
    """What has a process of ours import both packages from another checkout."""
    folder.mkdir()
    for package, place in (("nca_zoo", "nca_zoo"), ("nca_zoo_cli", "cli")):
        if not (root / place / "__init__.py").exists():
            raise click.ClickException(f"--against {root}: there is no {place} in it")
        (folder / package).symlink_to((root / place).resolve())
    return {"PYTHONPATH": str(folder)}


def commands(zoo: Path | None, folder: Path) -> dict[str, list[str]]:
    """What is run: name -> arguments."""
    runs = {"--help": ["--help"]}
    runs |= {f"{name} --help": [name, "--help"] for name in COMMANDS}
    if zoo is not None:
        where, nca = ["--zoo", str(zoo)], str(open_zoo(zoo).id[0])
        film, gif, strip = (str(folder / name) for name in ("film.mp4", "film.gif", "strip.png"))
        runs |= {
            "info": ["info", *where],
            "verify": ["verify", *where],
            f"show {nca} --steps 400": ["show", nca, *where, "--steps", "400", "--out", film],
            f"show {nca} --out film.gif": ["show", nca, *where, "--out", gif],
            f"show {nca} --out strip.png": ["show", nca, *where, "--out", strip],
            f"neighbours {nca}": ["neighbours", nca, *where],
            "probe": ["probe", *where],
        }
    return runs


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), help="A zoo to read.")
@click.option("--only", multiple=True, metavar="TEXT", help="Runs whose name has this in it.")
@click.option("--repeats", default=5, show_default=True)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another checkout, run in turn with this one.",
)
@out_option
def main(
    zoo: Path | None, only: tuple[str, ...], repeats: int, against: Path | None, out: Path | None
) -> None:
    """Run every command several times, and print a table."""
    report = Report("Start-up", out)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = {} if against is None else checkout(against, folder / "other")
        runs = [(run, arguments, False) for run, arguments in commands(zoo, folder).items()]
        runs += [
            (f"{run}, compiling", arguments, True)
            for run, arguments, _ in runs
            if run.startswith("show") and "--steps" in run
        ]
        for run, arguments, compiling in runs:
            if only and not any(text in run for text in only):
                continue
            timed = [Timed({}), *([Timed(other)] if other else [])]
            for repeat in range(repeats):
                for number, one in enumerate(timed):
                    place = str(folder / f"{len(rows)}-{repeat}-{number}")
                    one.run(arguments, {"NUMBA_CACHE_DIR": place} if compiling else {})
            tell(f"{run}: {np.median(timed[0].wall):.2f} s")
            rows.append([f"`nca-zoo {run}`", *figures(*timed)])
    held = f"a zoo of {len(open_zoo(zoo))} NCAs" if zoo else "no zoo"
    report.say(f"{held}; {repeats} runs each, in seconds, the first one included.")
    header = ["", "min", "median", "max", "CPU, median"]
    if against is not None:
        report.say(f"The other checkout: {against.resolve().name}.")
        header += ["other: min", "median", "max", "CPU, median", "prints the same"]
    report.table(header, rows)
    report.finish()


def figures(here: Timed, other: Timed | None = None) -> list[str]:
    """Cells of a row of the table."""
    found = [f"{f(here.wall):.2f}" for f in (np.min, np.median, np.max)]
    found.append(f"{np.median(here.cpu):.2f}")
    if other is None:
        return found
    return [*found, *figures(other), "yes" if here.printed == other.printed else "no"]


if __name__ == "__main__":
    main()
