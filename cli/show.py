"""``nca-zoo show``: roll out one NCA and look at it."""

import math
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.errors import ZooError

from .options import zoo_option

if TYPE_CHECKING:
    from nca_zoo.rollout import Damage, State
    from nca_zoo.viewer.video import Progress

    States = list[tuple[int, State]]

KINDS = (".mp4", ".gif", ".png")
BACKGROUNDS = ("dark", "light", "checker")  # as in the viewer, which `--help` should not wait for
FRAMES = 400  # at most in a film, unless --every is given
MOST = {"film": 20_000, "strip": 400}  # pictures at most, so that memory holds them
STRIP_STEPS = (0, 8, 16, 32, 64, 96, 200, 400)  # of a picture strip, unless --every is given
HEALING_STEPS = 16  # after damage, when a strip looks again


@click.command()
@click.argument("nca_id", metavar="ID")
@zoo_option
@click.option(
    "--steps", type=click.IntRange(1), default=400, show_default=True, help="CA steps to take."
)
@click.option(
    "--every",
    type=click.IntRange(1),
    help="Show every so manieth step.  [default: so that a film has up to 400 frames, "
    "a strip about 8 pictures]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Decides which cells fire. The quality gate judged seed 0.",
)
@click.option(
    "--damage",
    multiple=True,
    metavar="STEP[:ROW,COL,RADIUS]",
    help="Erase a circle of cells before this step; without a place, a large one in the middle "
    "of what is lit. May be given more than once.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .mp4, .gif, or .png for a strip of pictures.  "
    "[default: show/ID.mp4 beside the zoo]",
)
@click.option("--terminal", is_flag=True, help="Play in the terminal instead of writing a file.")
@click.option(
    "--fps",
    type=click.IntRange(1, 240),
    default=30,
    show_default=True,
    help="Frames a second; at most 50 in a GIF.",
)
@click.option(
    "--background",
    type=click.Choice(BACKGROUNDS),
    default="dark",
    show_default=True,
    help="What transparent cells show. Digits are white ink: hard to see on light.",
)
def show(
    nca_id: str,
    zoo: Path,
    steps: int,
    every: int | None,
    seed: int,
    damage: tuple[str, ...],
    out: Path | None,
    terminal: bool,
    fps: int,
    background: str,
) -> None:
    """Roll out one NCA: video, picture strip or in the terminal.

    Grows NCA ID of the zoo from its seed cell, beside the picture it was trained to grow.

    \b
    nca-zoo show 7-012
    nca-zoo show 7-012 --terminal
    nca-zoo show 7-012 --out seven.gif --steps 200 --fps 25
    nca-zoo show 7-012 --out seven.png --every 50
    nca-zoo show 7-012 --damage 200 --damage 300:10,14,4
    """
    from tqdm import tqdm

    from nca_zoo.quality import psnr
    from nca_zoo.rollout import parse_damage, rollout, seed_of
    from nca_zoo.zoofile import open_zoo

    if terminal and out is not None:
        raise click.UsageError("--terminal writes no file: leave out --terminal or --out")
    if out is not None and out.suffix.lower() not in KINDS:
        raise ZooError(f"--out {out}: the name must end in one of {', '.join(KINDS)}")
    wounds = tuple(map(parse_damage, damage))
    opened = open_zoo(zoo)
    nca = opened.subset([opened.index(nca_id)])
    judged = nca.status[0] != "unjudged"
    if not judged:
        click.echo(f"note: {nca_id} was imported without a picture to judge it by", err=True)
    elif nca.status[0] != "ok":
        click.echo(
            f"note: {nca_id} failed its fit ({nca.status[0]}): "
            f"PSNR {nca.psnr_96[0]:.1f} dB at step 96, {nca.psnr_400[0]:.1f} dB at step 400",
            err=True,
        )

    strip = out is not None and out.suffix.lower() == ".png"
    shown = _steps_shown(steps, every, wounds, strip)
    stride = math.gcd(*shown)
    path = rollout(nca.weights[0], seed_of(nca, 0), steps, seed, stride, wounds)
    watch = partial(tqdm, file=sys.stderr, delay=2, leave=False)
    states = [
        (step, state[..., :4].copy())
        for step, state in watch(path, "roll out", 1 + steps // stride, unit=" states")
        if step in shown
    ]
    look = {
        "target": nca.target[0] / 255,
        "name": nca_id,
        "about": f"class {nca.label[0]}" if nca.label[0] >= 0 else "",
        "background": background,
    }
    if terminal:
        _play(states, look, fps)
    else:
        out = out or _default_file(zoo, nca_id)
        _write(out, states, look, fps, partial(watch, desc=out.name, unit=" frames"))
        click.echo(out)
    if not judged:
        return
    reached = float(psnr(states[-1][1], look["target"]))
    click.echo(f"{nca_id} at step {steps}: PSNR {reached:.1f} dB against its target")


def _steps_shown(
    steps: int, every: int | None, wounds: tuple["Damage", ...], strip: bool
) -> set[int]:
    if strip and every is None:
        looks = {wound.step + after for wound in wounds for after in (0, HEALING_STEPS)}
        return {step for step in looks.union(STRIP_STEPS) if step < steps} | {steps}
    every = every or math.ceil(steps / FRAMES)
    most = MOST["strip" if strip else "film"]
    if steps > most * every:
        raise ZooError(
            f"--steps {steps} --every {every} is more than {most} pictures; "
            f"use --every {math.ceil(steps / most)} or more"
        )
    return {*range(0, steps, every), steps}


def _default_file(zoo: Path, nca_id: str) -> Path:
    folder = zoo.parent / "show"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ZooError(f"cannot make {folder}: {error.strerror}; name a file with --out") from None
    return folder / f"{nca_id}.mp4"


def _play(states: "States", look: dict[str, Any], fps: int) -> None:
    from nca_zoo.viewer.terminal import Abilities, Screen, play

    abilities = Abilities.of(sys.stdout)
    size = shutil.get_terminal_size()
    screen = Screen(**look, colour=abilities.colour, size=(size.columns, size.lines))
    play((screen.draw(*pair) for pair in states), fps, sys.stdout, abilities.animate)


def _write(
    out: Path, states: "States", look: dict[str, Any], fps: int, progress: "Progress"
) -> None:
    from nca_zoo.viewer.frames import Film, strip
    from nca_zoo.viewer.video import write_gif, write_mp4, write_png

    kind = out.suffix.lower()
    if kind == ".png":
        write_png(out, strip(states, **look))
    elif kind == ".gif":
        write_gif(out, Film(states, **look), fps, progress)
    else:
        write_mp4(out, Film(states, **look), fps, progress)
