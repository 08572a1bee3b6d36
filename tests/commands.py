"""Every command of ``nca-zoo``, for the tests that look at them all, and one that is run here."""

from collections.abc import Iterator

import click
from click.testing import CliRunner, Result

from nca_zoo_cli.main import COMMANDS, group


def leaves(command: click.Command | None, name: str) -> Iterator[tuple[str, click.Command | None]]:
    """A command, or the subcommands of a group, each with its name in full."""
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from leaves(sub, f"{name} {sub.name}")
    else:
        yield name, command


ALL = [pair for name in COMMANDS for pair in leaves(group.get_command(None, name), name)]


def run(*words: object, code: int = 0) -> Result:
    """What became of ``nca-zoo`` with these words, which is to end with ``code``."""
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result
