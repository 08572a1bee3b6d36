"""``nca-zoo``: the group of all commands, and what happens when one of them fails."""

import codecs
import importlib
import io
import keyword
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import click

from nca_zoo.errors import ZooError, one_line

from .bringing import again, bring
from .groups import Group

# Command -> its line in `nca-zoo --help`. A command's module is imported only when it runs, so
# that help and reading commands do not wait for libraries they do not use.
COMMANDS = {
    "build": "Fit one NCA per picture and write the zoo file.",
    "info": "Say what a zoo file holds.",
    "verify": "Check a zoo file from end to end.",
    "show": "Watch NCAs grow: video, pictures, in the terminal or in a window.",
    "explore": "One page in which the whole zoo grows.",
    "probe": "Measure what the weights know about the pictures' classes.",
    "cluster": "Do the weights fall into the classes by themselves?",
    "map": "Draw all NCAs as a map: near means alike.",
    "neighbours": "The nearest NCAs, by what they are and by what they do.",
    "merge": "Make one zoo of several.",
    "export": "Write a zoo in formats that others read.",
    "import": "Put NCAs that were trained elsewhere into a zoo.",
    "dynamics": "Measure how every NCA moves, and predict it from the weights.",
    "mix": "Grow what lies between NCAs: straight lines, class means, directions.",
    "symmetry": "Scramble or align weights without changing what grows.",
    "fit": "Train one NCA on any picture, and show how it learned.",
    "draw": "Draw a picture, and watch it grow.",
    "write": "Write the weights of an NCA for a picture, with no training.",
    "writer": "From a picture to weights in one pass: learn a writer, and test it.",
    "reader": "From weights to what they will grow: how well do readers tell it?",
    "imagine": "New NCAs, from a model of the weights of a class.",
    "steer": "More slant, width or size of what an NCA grows.",
    "metastart": "Meta-learn the shared start that `build` uses.",
}


class LazyGroup(Group):
    """A group that knows its commands by name and imports each on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if keyword.iskeyword(name) else name  # `import`
        return getattr(importlib.import_module(f"{__package__}.{module}"), module)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ZooError as error:
            raise click.ClickException(str(error)) from None
        except (PermissionError, FileNotFoundError, IsADirectoryError) as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None
        except MemoryError as error:
            words = one_line(error) or "no more is given"
            raise click.ClickException(
                f"not enough memory ({words}); use a smaller size, fewer NCAs or fewer jobs"
            ) from None
        except EOFError as error:  # which click would take for Ctrl-D: no command asks anything
            raise click.ClickException(_unforeseen(error)) from error
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "torchvision"):
                raise
            bring(error.name)
            sys.exit(again())


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nca-zoo", prog_name="nca-zoo")
def group() -> None:
    """Grow a population of neural cellular automata, one per picture, and study their weights.

    \b
    nca-zoo build --digits 0-9 --per-class 50    fit 500 NCAs
    nca-zoo probe                                what do their weights know?
    nca-zoo show 7-012 --steps 400               watch one grow
    nca-zoo info data/growing.h5                 of another zoo: with every command
    """


def _unforeseen(error: Exception) -> str:
    """One line on an error that is nobody's fault but ours, and where it came up."""
    *_, place = traceback.extract_tb(error.__traceback__)
    return (
        f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}: what was "
        "being read ended too early; nothing finished is lost. Please report it with the command"
    )


def _note(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *more: Any
) -> None:
    """Our own warnings as one line on stderr, others as Python shows them."""
    from nca_zoo.errors import ZooWarning

    text = f"note: {message}"
    if not issubclass(category, ZooWarning):
        text = warnings.formatwarning(message, category, filename, lineno).rstrip()
    click.echo(text, err=True)


def _speak_any_encoding() -> None:
    """What a terminal or file has no letter for is a question mark there, never an error.

    Names of files that are no text, which Python holds as lone surrogates, come out as they are.
    """

    def sayable(error: UnicodeError) -> tuple[str | bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        letter = error.object[error.start]
        unread = "\udc80" <= letter <= "\udcff"
        return os.fsencode(letter) if unread else "?", error.start + 1

    codecs.register_error("sayable", sayable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="sayable")


def main() -> None:
    """Entry point: exit 0 done, 1 one-line error, 2 usage."""
    warnings.showwarning = _note  # type: ignore[assignment]
    _speak_any_encoding()
    try:
        group()
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
