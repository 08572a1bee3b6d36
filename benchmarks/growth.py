"""What `nca-zoo build` costs as it grows: number of NCAs, size of pictures, batch, workers.

    python benchmarks/growth.py [--rows ncas,size,batch,jobs] [--out benchmarks/results/growth.md]

Every row is a build of its own, with its defaults but for what the row says, into a folder that is
removed afterwards. Memory is looked at ten times a second: resident bytes of the command itself
(the head) and of its worker processes, shared pages counted in each. Rows are printed, and
written, one by one, so that a long run that is stopped leaves what it had.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import click
import numpy as np
import psutil
from report import Report, cores, out_option, tell

from nca_zoo.store.zoofile import open_zoo

RUN = (sys.executable, "-c", "from nca_zoo_cli.main import main; main()")
LOOK = 0.1  # seconds
HEADER = (
    *("row", "NCAs", "size", "batch", "workers", "wall s", "CPU s", "NCAs/min"),
    *("head MB", "largest worker MB", "all MB", "training steps", "ms CPU a step", "ok"),
    "PSNR 96 / 400",
)


@dataclass(frozen=True)
class Row:
    """One build; None is the default of the command."""

    name: str
    per_class: int
    jobs: int
    size: int | None = None
    batch: int | None = None

    def arguments(self) -> list[str]:
        """What `nca-zoo build` is given."""
        given = ["--per-class", str(self.per_class), "--jobs", str(self.jobs)]
        given += ["--size", str(self.size)] if self.size else []
        return given + (["--batch", str(self.batch)] if self.batch else [])


@dataclass
class Peak:
    """Largest resident sizes seen, in bytes, and CPU seconds of every process when last seen."""

    head: int = 0
    worker: int = 0
    all: int = 0
    cpu: dict[int, float] = field(default_factory=dict)

    def look(self, head: psutil.Process) -> None:
        """Look at the head and everything that it started."""
        try:
            here = self._size(head)
            sizes = []
            for child in head.children(recursive=True):
                try:
                    sizes.append(self._size(child))
                except psutil.Error:
                    continue  # ended meanwhile
        except psutil.Error:
            return
        self.head = max(self.head, here)
        self.worker = max([self.worker, *sizes])
        self.all = max(self.all, here + sum(sizes))

    def _size(self, process: psutil.Process) -> int:
        times = process.cpu_times()
        self.cpu[process.pid] = times.user + times.system
        return process.memory_info().rss


def build(row: Row, classes: str, extra: list[str], keep: Path | None) -> list[str]:
    """Run one row; its cells of the table."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(keep or folder) / f"{'-'.join(map(str, astuple(row)))}.h5"
        arguments = ["build", "--digits", classes, "--out", str(out), *row.arguments(), *extra]
        before = _children_cpu()
        began = time.perf_counter()
        with (Path(folder) / "log").open("w+") as log:
            child = subprocess.Popen([*RUN, *arguments], stdout=log, stderr=log)
            head, peak = psutil.Process(child.pid), Peak()
            while child.poll() is None:
                peak.look(head)
                time.sleep(LOOK)
            wall = time.perf_counter() - began
            if child.returncode:
                log.seek(0)
                raise SystemExit(f"nca-zoo {' '.join(arguments)}: {log.read().strip()[-300:]}")
        # Workers that their parent did not wait for are missing from the first.
        waited, seen = _children_cpu() - before, sum(peak.cpu.values())
        cpu = max(waited, seen)
        zoo = open_zoo(out)
        steps = int(np.sum(zoo.train_steps))
        height, width = zoo.target.shape[1:3]
        megabytes = [f"{size / 2**20:.0f}" for size in (peak.head, peak.worker, peak.all)]
        return [
            row.name,
            str(len(zoo)),
            f"{height} x {width}",
            str(zoo.attrs["settings"]["regime"]["batch"]),
            str(row.jobs),
            f"{wall:.1f}",
            f"{cpu:.1f}",
            f"{60 * len(zoo) / wall:.1f}",
            *megabytes,
            str(steps),
            f"{1e3 * cpu / steps:.1f}",
            f"{100 * np.mean(zoo.good):.0f} %",
            f"{np.median(zoo.psnr_96):.1f} / {np.median(zoo.psnr_400):.1f}",
        ]


def _children_cpu() -> float:
    """CPU seconds of all processes that this one has waited for, and theirs."""
    times = os.times()
    return times.children_user + times.children_system


def rows_of(
    which: list[str], ncas: list[int], sizes: list[int], batches: list[int], jobs: list[int], n: int
) -> list[Row]:
    """The rows of the sweeps asked for. ``n`` NCAs a class where the number is not what varies."""
    most = max(jobs)
    usual = Row("", n, most)
    sweeps = {
        "ncas": [replace(usual, name="NCAs", per_class=max(1, count)) for count in ncas],
        "size": [replace(usual, name="size", size=size) for size in sizes],
        "batch": [replace(usual, name="batch", batch=batch) for batch in batches],
        "jobs": [replace(usual, name="workers", jobs=job) for job in jobs],
    }
    unknown = sorted(set(which) - set(sweeps))
    if unknown:
        raise SystemExit(f"--rows {unknown[0]}: there are {', '.join(sweeps)}")
    return [row for name in which for row in sweeps[name]]


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise click.UsageError(f"{text!r} is no list of whole numbers such as 1,2,4") from None


@click.command()
@click.option("--rows", "which", default="ncas,size,batch,jobs", show_default=True)
@click.option("--per-class", "ncas", default="5,50,500", show_default=True, help="Of `ncas`.")
@click.option("--sizes", default="28,40,64", show_default=True, help="Of `size`, in cells.")
@click.option("--batches", default="1,2,4,8", show_default=True, help="Of `batch`.")
@click.option("--jobs", default=f"1,{cores()}", show_default=True, help="Of `jobs`.")
@click.option("--usual", default=5, show_default=True, help="Digits of a class in other rows.")
@click.option("--digits", default="0-9", show_default=True, help="Classes.")
@click.option("--build-option", "extra", multiple=True, help="Passed on, as in --steps=50.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="An empty folder in which the zoos are kept.",
)
@out_option
def main(
    which: str,
    ncas: str,
    sizes: str,
    batches: str,
    jobs: str,
    usual: int,
    digits: str,
    extra: tuple[str, ...],
    keep: Path | None,
    out: Path | None,
) -> None:
    """Build many zoos, and print a table."""
    report = Report("Growth of a build", out, ["joblib", "h5py"])
    planned = rows_of(which.split(","), *(_numbers(t) for t in (ncas, sizes, batches, jobs)), usual)
    report.say(
        "Each row is `nca-zoo build` with its defaults but for what the row says, start of Python "
        "and of the workers included. Memory: largest resident size of the command (head), of one "
        "worker, of all together with shared pages counted in each. CPU a step: all CPU time by "
        "all training steps of all NCAs."
    )
    head = len(report.body)
    done: list[list[str]] = []
    for row in planned:
        tell(f"{row.name}: nca-zoo build {' '.join(row.arguments())}")
        done.append(build(row, digits, list(extra), keep))
        tell(f"  {', '.join(f'{k} {v}' for k, v in zip(HEADER, done[-1], strict=True))}")
        del report.body[head:]
        report.table(HEADER, done)
        report.save()
    report.finish()


if __name__ == "__main__":
    main()
