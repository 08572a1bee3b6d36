"""The options that decide how NCAs are trained, the same for every command that trains zoos."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nca_zoo.building.settings import MOVING_LR, SLOW_LR, SOLO_STEPS
from nca_zoo.choices import (
    ALPHAS,
    CLOCKS,
    DEFAULT_REGIME,
    ENGINES,
    INITS,
    MIXED,
    MOTIONS,
    SEEDS_AT,
    VISIBLE,
)
from nca_zoo.training.regime import REGIMES

from .options import FilePath

if TYPE_CHECKING:
    from nca_zoo.building.settings import BuildSettings
    from nca_zoo.pictures.image_files import Pixels

SOLO = {  # the defaults of commands that train on one picture, in words
    "init": "meta; writeup: independent",
    "alpha": "ink; writeup of an opaque picture: opaque",
    "steps": f"{SOLO_STEPS}; writeup: {REGIMES['writeup'].steps}",
    "lr": f"the regime's; coloured or full pictures: {SLOW_LR}; films: {MOVING_LR}",
}

Command = TypeVar("Command", bound=Callable[..., Any])

visible_option = click.option(
    "--visible",
    type=click.Choice(VISIBLE),
    default="rgba",
    show_default=True,
    help="Train all four visible channels, or alpha alone: white ink.",
)

_OPTIONS = (
    click.option(
        "--start",
        type=FilePath(),
        help="A start file of `nca-zoo metastart`, for --init meta, or of `nca-zoo writer learn`, "
        "for --init written.",
    ),
    click.option(
        "--seed-at",
        type=click.Choice(SEEDS_AT),
        default="ink",
        show_default=True,
        help="Seed on the lit cell nearest the centre, or at the centre.",
    ),
    visible_option,
    click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True),
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        help="cpu, cuda, cuda:1, mps: anything torch knows.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Decides all random draws."
    ),
    click.option(
        "--extra-steps",
        type=int,
        help="Granted to an attempt short of the gate.  [default: the regime's]",
    ),
    click.option(
        "--attempts",
        type=int,
        help="Attempts before an NCA counts as failed.  [default: the regime's]",
    ),
    click.option(
        "--until",
        type=float,
        metavar="DB",
        help="Train until this PSNR, or until steps are spent.  [default: the regime's]",
    ),
    click.option(
        "--until-heals",
        type=float,
        metavar="SHARE",
        help="Train until this share of wounds heals, 0 to 1.  [default: the regime's]",
    ),
    click.option("--batch", type=int, help="Examples per training step.  [default: the regime's]"),
    click.option(
        "--fire-rate",
        type=float,
        metavar="RATE",
        help="Chance of a cell to be updated in a step; at 1 nothing is left to chance.  "
        "[default: 0.5]",
    ),
    click.option("--pool", type=int, help="States in the pool.  [default: the regime's]"),
    click.option(
        "--seeds",
        type=int,
        metavar="N",
        help="Learn to grow from up to so many seeds, too, on any lit cells.  "
        "[default: 1, its own seed]",
    ),
    click.option(
        "--train",
        metavar="TENSORS",
        help="Fit these alone, as in b1,b2, of W1, b1, W2 and b2; the others stay the start's.  "
        "[default: all]",
    ),
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """All these options, in their order on the help page."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


moving = _with(
    click.option(
        "--motion",
        type=click.Choice((*MOTIONS, MIXED)),
        help="Let the target move; mixed: each picture in a way of its own, drawn.",
    ),
    click.option("--period", type=int, metavar="STEPS", help="CA steps of a round.  [default: 64]"),
    click.option(
        "--clock",
        type=click.Choice(CLOCKS),
        help="Whether cells hear the phase, or have to keep time themselves.  [default: phase]",
    ),
)


def training_options(
    init: str,
    alpha: str,
    steps: str = "the regime's",
    lr: str = "the regime's",
    regime: str = DEFAULT_REGIME,
) -> Callable[[Command], Command]:
    """All of them. The arguments say, for the help page, what these options default to."""
    differing = (
        click.option(
            "--regime",
            type=click.Choice(list(REGIMES)),
            help=f"What training asks for.  [default: {regime}]",
        ),
        click.option(
            "--init", type=click.Choice(INITS), help=f"Where weights start.  [default: {init}]"
        ),
        click.option(
            "--alpha",
            type=click.Choice(ALPHAS),
            help=f"What lives: the ink or all.  [default: {alpha}]",
        ),
        click.option(
            "--steps", type=int, help=f"Training steps of an attempt.  [default: {steps}]"
        ),
        click.option("--lr", type=float, help=f"Adam's step size.  [default: {lr}]"),
    )

    return _with(*_OPTIONS, *differing)


def solo_settings(chosen: dict[str, Any], pixels: "Pixels") -> "BuildSettings":
    """``build_settings`` of a command that trains on one picture."""
    from nca_zoo.building.settings import solo_settings as settings_of

    return settings_of(chosen, pixels, tell)


def tell(text: str) -> None:
    """Say on stderr what a person should know."""
    click.echo(f"note: {text}", err=True)
