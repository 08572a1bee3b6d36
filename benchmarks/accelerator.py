"""All that is to be known of a GPU, in minutes: is it right, how fast, what is it waiting for?

    python benchmarks/accelerator.py [--device cuda] [--budget 420] [--out FILE]

From a checkout, without installing anything: torch, numpy, numba, h5py, click and joblib are enough
(triton comes with torch on Linux; without it the fused engine is left out). No network. Take along
`data/cache/digits.npz`, which any command of nca-zoo leaves where it has digits; without it strokes
are grown, which the gate does not judge as it does digits.

Every section is a process of its own with its share of the time: one that fails or hangs costs
itself alone, and what was found before stays in the report, which is written line by line, under
the device's name if no file is given.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE)]  # nca_zoo need not be installed; if it is, that one

from report import Report, tell  # noqa: E402

ENGINES = "dense,fused"
TITLES = {
    "checks": "Is it right",
    "parity": "The same training steps, against the sparse engine",
    "build": "Through the gate",
    "steps": "A training step",
    "roofline": "Share of what the device can do",
}
START_S = 5  # of a section's process, before anything is measured
LEAST_S = 10  # of a section, however little is left


def numbers(text: str) -> tuple[int, ...]:
    """``1,16,256``; none for an empty text."""
    return tuple(int(part) for part in text.split(",") if part)


def card(device: str) -> str:
    """What the device calls itself."""
    import torch

    if not device.startswith("cuda"):
        return device
    if not torch.cuda.is_available():
        raise click.ClickException(
            "torch sees no CUDA device here; --device cpu tries everything out, small"
        )
    return torch.cuda.get_device_name(device)


def present(engines: str) -> str:
    """Those of the engines that can run here."""
    names = engines.split(",")
    return ",".join(name for name in names if find_spec("triton") or not name.startswith("fused"))


@click.command()
@click.option("--device", default="cuda", show_default=True)
@click.option("--budget", default=420.0, show_default=True, help="Seconds, of all sections.")
@click.option(
    "--engines",
    default=ENGINES,
    show_default=True,
    help="fused:tf32x3 and fused:tf32 too: minutes to compile.",
)
@click.option("--only", default=",".join(TITLES), show_default=True, help="Sections.")
@click.option("--ncas", default="1,16,256,2048,8192", show_default=True, help="In a step.")
@click.option("--batches", default="2,8", show_default=True, help="Rollouts an NCA in a step.")
@click.option("--builds", default="500,5000", show_default=True, help="NCAs of a build.")
@click.option("--ca-steps", default=80, show_default=True, help="CA steps of a training step.")
@click.option(
    "--digits", type=click.Path(path_type=Path), default=Path("data/cache/digits.npz"),
    show_default=True, help="Pictures to grow.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The report.  [default: benchmarks/results/accelerator-NAME-OF-THE-CARD.md]",
)
@click.option("--section", hidden=True, help="Run this section here.")
def main(device: str, budget: float, only: str, section: str | None, out: Path | None, **sizes):
    """Check and measure the engines on a device."""
    if section:
        run_section(section, device, budget, **sizes)
        return
    began, name = time.monotonic(), card(device)
    if out is None:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        out = HERE / "results" / f"accelerator-{slug}.md"
    report = Report(f"An accelerator: {name}", out, ("triton",))
    if not find_spec("triton"):
        report.say("triton is not installed here: the fused engine was left out.")
    sizes["engines"] = present(sizes["engines"])
    chosen = [key for key in TITLES if key in only.split(",")]
    from accelerator_sections import SECTIONS

    shares = {key: SECTIONS[key][1] for key in chosen}
    for key in chosen:
        report.say(f"## {TITLES[key]}")
        report.save()
        left = budget - (time.monotonic() - began)
        # What earlier sections did not need goes to the later ones.
        seconds = left * shares[key] / sum(shares[other] for other in chosen[chosen.index(key) :])
        tell(f"{TITLES[key]}: at most {seconds:.0f} s")
        for line in lines_of(key, device, seconds, sizes):
            report.body.append(line)
            report.save()
    report.say(f"All of it took {time.monotonic() - began:.0f} s.")
    report.finish()


def lines_of(section: str, device: str, seconds: float, sizes: dict):
    """What a section prints, line by line; how it ended, if not well."""
    yield ""
    command = [sys.executable, __file__, "--section", section, "--device", device]
    command += ["--budget", f"{max(1.0, seconds - START_S):.1f}"]
    for name, value in sizes.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    began = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        cut = threading.Timer(max(seconds, LEAST_S), process.kill)
        cut.start()
        for line in process.stdout:
            yield line.rstrip("\n")
        process.wait()
        late = not cut.is_alive()
        cut.cancel()
        errors.seek(0)
        error = errors.read()
    took = time.monotonic() - began
    if late:
        yield f"\n**Cut after {took:.0f} s.** What it had is above."
    elif process.returncode:
        last = (error.strip().splitlines() or [f"exit {process.returncode}"])[-1]
        yield f"\n**Failed after {took:.0f} s**: {last[:300]}"
        tell(error)
    else:
        yield f"\n({took:.0f} s)"


def run_section(section: str, device: str, budget: float, **sizes) -> None:
    """One section, in this process, to stdout."""
    import torch
    from accelerator_sections import SECTIONS, Plan

    if device == "cpu":
        torch.set_num_threads(1)  # a trial; on busy cores, several wait for each other
    lists = {name: numbers(sizes.pop(name)) for name in ("ncas", "batches", "builds")}
    engines = tuple(sizes.pop("engines").split(","))
    until = time.monotonic() + budget
    SECTIONS[section][0](Plan(device, engines, until=until, **lists, **sizes))


if __name__ == "__main__":
    main()
