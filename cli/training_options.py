"""The options that decide how NCAs are trained, the same for every command that trains zoos."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nca_zoo.automaton.rule import TRAINED
from nca_zoo.choices import ENGINES
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.training.init import INITS, make_init
from nca_zoo.training.regime import REGIMES

if TYPE_CHECKING:
    from nca_zoo.building.build import BuildSettings
    from nca_zoo.pictures.image_files import Pixels

SOLO_STEPS = 1000  # at least, of an attempt: one picture may take its time to reach the gate
SLOW_LR = 7e-4  # with colours, or where most cells live, 2e-3 overshoots (docs/notes/fit.md)
FULL = 0.5  # share of the frame that is filled, from which that holds
SOLO = {  # the defaults of commands that train on one picture, in words
    "init": "meta; writeup: independent",
    "alpha": "ink; writeup of an opaque picture: opaque",
    "steps": f"{SOLO_STEPS}; writeup: {REGIMES['writeup'].steps}",
    "lr": f"the regime's; coloured or full pictures: {SLOW_LR}",
}

Command = TypeVar("Command", bound=Callable[..., Any])

_OVERRIDES = ("steps", "extra_steps", "attempts", "batch", "pool", "lr")  # of the regime

visible_option = click.option(
    "--visible",
    type=click.Choice(list(TRAINED)),
    default="rgba",
    show_default=True,
    help="Train all four visible channels, or alpha alone: white ink.",
)

_OPTIONS = (
    click.option(
        "--regime", type=click.Choice(list(REGIMES)), default="persistent", show_default=True
    ),
    click.option(
        "--start",
        type=click.Path(path_type=Path),
        help="A start file of `nca-zoo metastart`, for --init meta.",
    ),
    click.option(
        "--seed-at",
        type=click.Choice(["ink", "center"]),
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
    click.option("--batch", type=int, help="Examples per training step.  [default: the regime's]"),
    click.option("--pool", type=int, help="States in the pool.  [default: the regime's]"),
)


def training_options(
    init: str, alpha: str, steps: str = "the regime's", lr: str = "the regime's"
) -> Callable[[Command], Command]:
    """All of them. The arguments say, for the help page, what these options default to."""
    differing = (
        click.option(
            "--init", type=click.Choice(INITS), help=f"Where weights start.  [default: {init}]"
        ),
        click.option(
            "--alpha",
            type=click.Choice(["ink", "opaque"]),
            help=f"What lives: the ink or all.  [default: {alpha}]",
        ),
        click.option(
            "--steps", type=int, help=f"Training steps of an attempt.  [default: {steps}]"
        ),
        click.option("--lr", type=float, help=f"Adam's step size.  [default: {lr}]"),
    )

    def decorate(command: Command) -> Command:
        for option in reversed((*_OPTIONS, *differing)):
            command = option(command)
        return command

    return decorate


def build_settings(
    chosen: dict[str, Any], init: str, alpha: str, **overrides: float
) -> "BuildSettings":
    """The settings that these options stand for.

    Where none are given: ``init``, ``alpha``, and these settings of the regime.
    """
    from nca_zoo.building.build import BuildSettings

    named = {name: chosen[name] for name in _OVERRIDES if chosen[name] is not None}
    regime = dataclasses.replace(REGIMES[chosen["regime"]], **overrides | named)
    start, visible = chosen["start"], chosen["visible"]
    target = TargetSettings(chosen["alpha"] or alpha, chosen["seed_at"], visible)  # type: ignore[arg-type]
    first = make_init(chosen["init"] or init, chosen["regime"], chosen["seed"], start, visible)
    if start is not None and first.visible != visible:
        click.echo(
            f"note: {start} was learnt with --visible {first.visible}, and this is {visible}: "
            "training takes longer from there",
            err=True,
        )
    return BuildSettings(regime, first, target, chosen["seed"], chosen["engine"], chosen["device"])


def solo_settings(chosen: dict[str, Any], pixels: "Pixels") -> "BuildSettings":
    """``build_settings`` of a command that trains on one picture."""
    return build_settings(chosen, **solo_defaults(pixels, chosen["regime"], chosen["visible"]))


def solo_defaults(pixels: "Pixels", regime: str, visible: str = "rgba") -> dict[str, Any]:
    """``SOLO`` for a picture's pixels and what was chosen, as ``build_settings`` takes it."""
    ink = pixels if pixels.ndim == 2 else pixels[..., 3]
    if regime == "writeup":
        transparent = pixels.ndim == 3 and int(ink.min()) < 255
        return {"init": "independent", "alpha": "ink" if transparent else "opaque"}
    coloured = pixels.ndim == 3 and visible == "rgba"
    slow = coloured or float(ink.mean()) / 255 >= FULL
    steps = max(SOLO_STEPS, REGIMES[regime].steps)
    return {"init": "meta", "alpha": "ink", "steps": steps} | ({"lr": SLOW_LR} if slow else {})
