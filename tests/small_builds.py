"""Builds that take a second: tiny pictures, few steps; for the tests that get in their way."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from nca_zoo_cli.main import group

STOPPED = "the same command goes on from there"


def draw(folder: Path, classes: int = 3, each: int = 4) -> Path:
    """A folder of 8 x 8 pictures, ``each`` of so many classes."""
    for label in range(classes):
        (folder / str(label)).mkdir(parents=True)
        for k in range(each):
            ink = np.zeros((8, 8), np.uint8)
            ink[2 : 4 + label, 2 : 4 + k] = 200
            Image.fromarray(ink).save(folder / str(label) / f"{k}.png")
    return folder


def arguments(
    pictures: Path, out: Path, jobs: int = 1, cohort: int = 1, steps: int = 3
) -> list[str]:
    """Of ``nca-zoo`` for a build of these pictures, one attempt of ``steps`` steps for each."""
    options: dict[str, Any] = {
        "source": pictures, "per-class": "all", "init": "shared", "regime": "persistent",
        "steps": steps, "extra-steps": 0, "attempts": 1, "jobs": jobs, "cohort": cohort, "out": out,
    }  # fmt: skip
    given = ((f"--{name}", str(value)) for name, value in options.items())
    return ["build", *(part for pair in given for part in pair)]


def run(command: list[str]) -> Result:
    """``nca-zoo`` with these arguments, in this process, which has imported what takes seconds."""
    return CliRunner().invoke(group, command)


def made(command: list[str]) -> None:
    """The same, and it ends well."""
    result = run(command)
    assert result.exit_code == 0, result.output


def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """``nca-zoo`` with these arguments, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nca_zoo_cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(child: subprocess.Popen[str], code: int = 0, seconds: float = 600) -> str:
    """Wait for the end and the right exit; returns what was said on stderr, the bar left out."""
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        raise
    assert child.returncode == code, said
    assert "Traceback" not in said, said
    return said.strip().splitlines()[-1] if said.strip() else ""
