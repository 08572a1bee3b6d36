"""A group of commands: how words become a command, its zoo and the rest.

A word that ends in ``.h5`` and is no option's value is the zoo, wherever it stands; a misspelt
command is answered with the nearest, and arguments
that can only be meant for one subcommand with that.
"""

from itertools import takewhile
from typing import Any

import click

from nca_zoo.errors import nearest

ZOO = "zoo"  # the parameter that is the zoo, of commands that have one


class _Word(str):
    """A word of the command line, and no other that reads the same."""

    __slots__ = ()


def _is_zoo(word: str) -> bool:
    place = word.partition("#")[0] if "://" in word else word  # without the digest of an address
    return place.lower().endswith(".h5")


def _zoo_first(args: list[str]) -> int:
    """How many words before the command name its zoo."""
    if args[:1] == [f"--{ZOO}"]:
        return min(2, len(args))
    return int(bool(args) and (_is_zoo(args[0]) or args[0].startswith(f"--{ZOO}=")))


class Group(click.Group):
    """A group whose commands take the zoo as a plain argument, too, before or after the others."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = _zoo_first(args)
        if named and len(args) == named and not ctx.resilient_parsing:
            raise click.UsageError(f"name a command, as in `nca-zoo info {args[-1]}`", ctx)
        return super().parse_args(
            ctx, [*args[named : named + 1], *args[:named], *args[named + 1 :]]
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            self._no_command(ctx, args)
        name, command, args = super().resolve_command(ctx, args)
        return name, command, args if command is None else zoo_named(command, ctx, args)

    def _no_command(self, ctx: click.Context, args: list[str]) -> None:
        if args[0].startswith("-"):
            return  # click says that there is no such option
        names = self.list_commands(ctx)
        near = nearest(args[0], names) or self._meant(ctx, args)
        said = near or f"; there are {', '.join(names)}"
        raise click.UsageError(f"no command {args[0]!r}{said}", ctx)

    def _meant(self, ctx: click.Context, args: list[str]) -> str:
        """The one subcommand that takes as many arguments, if its name was left out."""
        words = list(takewhile(lambda word: not word.startswith("-"), args))
        taking = [
            name
            for name, command in self.commands.items()
            if sum(isinstance(param, click.Argument) for param in command.params) == len(words)
        ]
        if len(taking) != 1:
            return ""
        return f"; did you mean `{ctx.command_path} {taking[0]} {' '.join(words)}`?"


def zoo_named(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """The words of a command with the zoo as ``--zoo``; raises UsageError if two are named."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    option = next((param for param in options if f"--{ZOO}" in param.opts), None)
    if option is None:
        return args
    words = [_Word(word) for word in args]
    # Options alone: what their parser leaves over are the arguments.
    parser = click.Command(command.name, params=list(options)).make_parser(
        click.Context(command, ctx, command.name, resilient_parsing=True)
    )
    given, left, _ = parser.parse_args(list(words))
    zoos = [word for word in left if _is_zoo(word)]
    if not zoos:
        return args
    if len(zoos) > 1 or option.name in given:
        named: list[Any] = [*zoos, *([given[option.name]] if option.name in given else [])]
        raise click.UsageError(
            f"{command.name} takes one zoo, and {len(named)} are named: {', '.join(named)}", ctx
        )
    taken = id(zoos[0])
    return [f"--{ZOO}", str(zoos[0]), *(str(word) for word in words if id(word) != taken)]
