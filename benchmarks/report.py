"""What every benchmark prints: the machine, a Markdown table, and how it was measured.

A figure without its machine is worth nothing, so no script prints one without the other.
"""

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import click
import llvmlite.binding as llvm
import numpy as np

LIBRARIES = ("nca-zoo", "numpy", "numba", "llvmlite", "torch")
# Vector registers by what LLVM calls the processor's features, widest first.
REGISTERS = (("avx512f", 512, "AVX-512"), ("avx2", 256, "AVX2"), ("neon", 128, "NEON"))
SPEED_VARIABLES = ("OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "XLA_", "ATEN_", "KMP_")
HERE = Path(__file__).parent

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report here too, as in benchmarks/results/NAME.md.",
)


def cpu_model() -> str:
    """The processor's name, as it calls itself."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def simd_width() -> tuple[int, str]:
    """Width of the widest vector registers in bits, and their name; (0, ...) if unknown."""
    features = llvm.get_host_cpu_features()
    for feature, bits, name in REGISTERS:
        if features.get(feature):
            return bits, name
    return 0, "unknown"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def commit() -> str:
    """The commit that is checked out, and whether the working tree differs from it."""
    head = _output("git", "rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown"
    changed = _output("git", "status", "--porcelain", "--", ":(top,exclude)benchmarks/results")
    return f"{head}, with uncommitted changes" if changed else head


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def machine(libraries: Iterable[str] = ()) -> list[str]:
    """The lines that a report opens with; ``libraries`` are named beside the usual ones."""
    bits, name = simd_width()
    versions = [f"Python {platform.python_version()}"]
    for library in (*LIBRARIES, *libraries):
        try:
            versions.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{library} absent")
    lines = [
        f"- processor: {cpu_model()} ({llvm.get_host_cpu_name()}), {cores()} cores, "
        f"{bits}-bit vectors ({name})",
        f"- system: {platform.system()} {platform.release()}, {platform.machine()}",
        f"- versions: {', '.join(versions)}",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"- load before: {os.getloadavg()[0]:.1f} (mean of the last minute)")
    told = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(SPEED_VARIABLES))
    if told:
        lines.append(f"- environment: {', '.join(told)}")
    return lines


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is to the left, the others are to the right."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    lines = [list(header), ruler, *[list(row) for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Report:
    """Collects what a benchmark finds; ``finish`` prints it, and writes it where ``out`` says."""

    def __init__(self, title: str, out: Path | None, libraries: Iterable[str] = ()) -> None:
        words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
        command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
        self.out = out
        self.head = [f"# {title}", "", f"`{command}`", "", *machine(libraries)]
        self.body: list[str] = []
        if out is not None:
            try:  # a place that cannot be written to must not be found out at the end
                out.parent.mkdir(parents=True, exist_ok=True)
                self._unfinished(out).touch()
                self._unfinished(out).unlink()
            except OSError as error:
                raise click.ClickException(f"{out}: {error.strerror}") from None

    def say(self, text: str) -> None:
        """Add a paragraph, or a table, to the report."""
        self.body += ["", text]

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table to the report."""
        self.say(table(header, rows))

    def save(self) -> None:
        """Write what there is so far, if there is a place for it."""
        if self.out is not None:
            unfinished = self._unfinished(self.out)
            unfinished.write_text("\n".join([*self.head, *self.body, ""]))
            unfinished.replace(self.out)

    @staticmethod
    def _unfinished(out: Path) -> Path:
        return out.with_name(f"{out.name}.unfinished")

    def finish(self) -> None:
        """Print the report, and write it."""
        click.echo("\n".join([*self.head, *self.body]))
        self.save()


def spread(values: Sequence[float], digits: int = 1) -> str:
    """``median (5th to 95th percentile)`` of some numbers; a dash for none."""
    if not len(values):
        return "-"
    low, median, high = np.percentile(values, [5, 50, 95])
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def tell(text: str) -> None:
    """A line of progress, on stderr."""
    click.echo(text, err=True)
