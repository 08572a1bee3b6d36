"""Bring in torch when a command first needs it: most never do, and it is gigabytes."""

import shlex
import subprocess
import sys

import click

PACKAGE = "nca-zoo[torch]"
SIZE = "on Linux some 5 GB"


def bring(module: str) -> None:
    """Install torch and torchvision, if a person at a terminal agrees.

    Raises ClickException, with the command to type, if nobody can be asked or pip fails.
    """
    command = [sys.executable, "-m", "pip", "install", PACKAGE]
    how = f"install it ({SIZE}) with: {shlex.join(command)}"
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    if not asked or not click.confirm(
        f"This needs {module}, {SIZE}. Install it now?", default=False, err=True
    ):
        raise click.ClickException(f"this needs {module}, which is not installed; {how}")
    if subprocess.call(command, stdout=sys.stderr):
        raise click.ClickException(f"{module} could not be installed; {how}")


def again() -> int:
    """Run the same command once more, in a process that finds what was brought: its exit status."""
    # -P: no module that lies in the current folder is run.
    command = [sys.executable, "-P", "-m", f"{__package__}.main", *sys.argv[1:]]
    return subprocess.call(command)
