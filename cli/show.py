"""``nca-zoo show``: roll out NCAs and look at them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.errors import ZooError

from .options import (
    NCA_ID,
    FilePath,
    background_option,
    json_option,
    print_json,
    progress,
    seed_option,
    zoo_option,
)
from .showing import (
    Course,
    findings,
    in_words,
    picture_of,
    play_here,
    side_by_side,
    write,
)

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.viewer.frames import Pixels, Reel

KINDS = (".mp4", ".gif", ".png")
FRAMES = 400  # at most in a film, unless --every is given
# Pictures at most, in a film and in a file that stands still, so that memory holds them. A grid
# counts those of all its NCAs.
MOST = {"one": (20_000, 400), "channels": (4_000, 40), "grid": (200_000, 400)}
STRIP_STEPS = (0, 8, 16, 32, 64, 96, 200, 400)  # of a picture strip, unless --every is given
HEALING_STEPS = 16  # after damage, when a strip looks again


@click.command()
@click.argument("nca_ids", metavar="[ID]...", nargs=-1, type=NCA_ID)
@zoo_option
@click.option(
    "--digits", "--classes", "classes", help="The NCAs of these classes, as in 0-9 or cat,fox."
)
@click.option(
    "--sample", type=click.IntRange(1), help="So many NCAs of each class, always the same ones."
)
@click.option(
    "--grid",
    is_flag=True,
    help="All NCAs side by side, without their targets; more than one always are.",
)
@click.option(
    "--columns",
    type=click.IntRange(1),
    help="NCAs in a row of the grid.  [default: what lies well]",
)
@click.option(
    "--channels", is_flag=True, help="One NCA's channels apart: R, G, B, alpha and the hidden ones."
)
@click.option(
    "--steps", type=click.IntRange(1), default=400, show_default=True, help="CA steps to take."
)
@click.option(
    "--every",
    type=click.IntRange(1),
    help="Show every so manieth step.  [default: so that a film has up to 400 frames, "
    "a strip about 8 pictures]",
)
@seed_option("Decides which cells fire. Figures in the file are of seed 0.")
@click.option(
    "--damage",
    multiple=True,
    metavar="STEP[:ROW,COL,RADIUS]",
    help="Erase a circle of cells before this step; without a place, a large one in the middle "
    "of what is lit. May be given more than once.",
)
@click.option(
    "--plant",
    multiple=True,
    metavar="[STEP:]ROW,COL",
    help="Plant a seed in this cell, from the beginning in place of its own, or before a step. "
    "May be given more than once.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Grow from so many seeds, on lit cells that --seed draws, in place of its own.",
)
@click.option(
    "--signal",
    multiple=True,
    metavar="[STEP:]WHAT[@ROW,COL,RADIUS]",
    help="Let an NCA of several pictures hear what another of them does, by its id, or numbers; "
    "from a step on, in a circle of cells. May be given more than once.",
)
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="File to write: .mp4, .gif, or .png for a strip, a table or a contact sheet.  "
    "[default: show/ID.mp4 beside the zoo, for a grid show/grid.mp4]",
)
@click.option("--terminal", is_flag=True, help="Play in the terminal instead of writing a file.")
@click.option(
    "--window",
    is_flag=True,
    help="Open a window to play with it: pause, step, erase with the mouse, plant seeds.",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 240),
    default=30,
    show_default=True,
    help="Frames a second; at most 50 in a GIF.",
)
@background_option
@json_option
def show(
    nca_ids: tuple[str, ...],
    zoo: Path,
    classes: str | None,
    sample: int | None,
    grid: bool,
    columns: int | None,
    channels: bool,
    steps: int,
    every: int | None,
    seed: int,
    damage: tuple[str, ...],
    plant: tuple[str, ...],
    seeds: int | None,
    signal: tuple[str, ...],
    out: Path | None,
    terminal: bool,
    window: bool,
    fps: int,
    background: str,
    as_json: bool,
) -> None:
    """Watch NCAs grow: video, pictures, in the terminal or in a window.

    Grows the NCAs of the zoo that are named, or those of some classes, from their seed cells; a
    single one beside the picture it was trained to grow.

    \b
    nca-zoo show 7-012
    nca-zoo show 7-012 --terminal
    nca-zoo show 7-012 --window
    nca-zoo show 7-012 --out seven.gif --steps 200 --fps 25
    nca-zoo show 7-012 --out seven.png --every 50
    nca-zoo show 7-012 --channels --out channels.png
    nca-zoo show 7-012 --damage 200 --damage 300:10,14,4
    nca-zoo show 7-012 --seeds 3 --plant 200:20,9 --zoo seeded.h5
    nca-zoo show three --signal 200:eight --zoo several.h5
    nca-zoo show 3-000 7-012 --grid --out pair.gif
    nca-zoo show --digits 0-9 --sample 5 --out sheet.png --json
    """
    from nca_zoo.automaton.seeds import parse_seed
    from nca_zoo.automaton.wounds import parse_wound
    from nca_zoo.building.voices import voice_of
    from nca_zoo.store.zoofile import open_zoo

    if not nca_ids and classes is None and sample is None:
        raise click.UsageError("Missing argument 'ID': name NCAs, or --digits or --sample")
    if nca_ids and (classes is not None or sample is not None):
        raise click.UsageError("name NCAs, or choose them by --digits and --sample, not both")
    if out is not None and out.suffix.lower() not in KINDS:
        raise ZooError(f"--out {out}: the name must end in one of {', '.join(KINDS)}")
    whole = open_zoo(zoo)
    voices = tuple(voice_of(whole, text) for text in signal)
    wounds, planted = tuple(map(parse_wound, damage)), tuple(map(parse_seed, plant))
    course = Course(whole, seed, wounds, planted, seeds, voices)
    ncas = _choose(whole, nca_ids, classes, sample)
    grid = grid or len(ncas) > 1 or columns is not None
    kind = "grid" if grid else "channels" if channels else "one"
    _refuse(grid, channels, out, terminal, window, course, as_json)
    _note_failures(ncas)
    if window:
        course.open_window(ncas, background)
        return
    if not terminal:
        out = out or _default_file(zoo, "grid" if grid else ncas.id[0])
    still = out is not None and out.suffix.lower() == ".png"
    shown = _steps_shown(kind, still, steps, every, course, len(ncas))
    picture: Reel | Pixels
    if grid:
        picture, scores = side_by_side(ncas, course, steps, shown, columns or 0, background)
    else:
        with progress("roll out", " states") as advance:
            states = course.states(ncas, 0, steps, shown, channels, advance)
        scores = [course.score(ncas, 0, states)]
        look = course.look(ncas, background)
        if terminal:
            play_here(states, look, fps)
        else:
            picture = picture_of(kind, still, states, look)
    if out is not None:
        write(out, picture, fps)
    if as_json:
        print_json({"file": str(out), "step": steps, "ncas": findings(ncas, scores)})
        return
    if out is not None:
        click.echo(out)
    if said := in_words(ncas, steps, scores, grid):
        click.echo(said)


def _choose(zoo: "Zoo", ids: tuple[str, ...], classes: str | None, sample: int | None) -> "Zoo":
    """The NCAs that are named, in that order, or the good ones of some classes."""
    import numpy as np

    from nca_zoo.store.sampling import sample_classes

    if ids:
        chosen = zoo.subset([zoo.index(name) for name in ids])
    else:
        wanted = zoo.good
        if classes is not None:
            wanted &= np.isin(zoo.label, zoo.classes.chosen(classes, f"in {zoo.path}"))
        chosen = zoo.subset(wanted)
        chosen = chosen.subset(sample_classes(chosen.label, sample or len(chosen)))
        if not len(chosen):
            asked = "that passed its gate" if classes is None else f"of the classes {classes}"
            raise ZooError(f"{zoo.path}: no good NCA {asked}; nca-zoo info says what it holds")
    most = MOST["grid"][1]
    if len(chosen) > most:
        raise ZooError(
            f"{len(chosen)} NCAs are too many for a grid, {most} fit; see --digits and --sample"
        )
    return chosen


def _refuse(
    grid: bool, channels: bool, out: Path | None, terminal: bool, window: bool, course: Course,
    as_json: bool,
) -> None:  # fmt: skip
    """Say so if options exclude each other."""
    live = "--terminal" if terminal else "--window"
    for together, words in (
        (terminal and window, "choose one of --terminal and --window"),
        ((terminal or window) and out, f"{live} writes no file: leave out {live} or --out"),
        ((terminal or window) and grid, f"{live} shows one NCA: name one, without --grid"),
        ((terminal or window) and channels, f"leave out {live} or --channels"),
        (
            (terminal or window) and as_json,
            f"leave out {live} or --json",
        ),
        (
            window and course.wounds,
            "--window is wounded by the mouse: leave out --window or --damage",
        ),
        (
            window and any(seed.step for seed in course.planted),
            "--window is planted later by the mouse: leave out --window or the step of --plant",
        ),
        (window and course.voices, "--window hears nothing new: leave out --window or --signal"),
        (grid and channels, "--channels shows one NCA: name one, without --grid"),
    ):
        if together:
            raise click.UsageError(words)


def _note_failures(ncas: "Zoo") -> None:
    for row, status in enumerate(ncas.status):
        if status == "unjudged":
            note = "was imported without a picture to judge it by"
        elif status != "ok":
            note = (
                f"failed its fit ({status}): PSNR {ncas.psnr_96[row]:.1f} dB at step 96, "
                f"{ncas.psnr_400[row]:.1f} dB at step 400"
            )
        else:
            continue
        click.echo(f"note: {ncas.id[row]} {note}", err=True)


def _steps_shown(
    kind: str, still: bool, steps: int, every: int | None, course: Course, ncas: int
) -> set[int]:
    if kind == "grid" and still:
        return {steps}
    if still and every is None:
        looks = {step + after for step in course.steps for after in (0, HEALING_STEPS)}
        return {step for step in looks.union(STRIP_STEPS) if step < steps} | {steps}
    every = every or math.ceil(steps / FRAMES)
    most = MOST[kind][still] // ncas
    if steps > most * every:
        raise ZooError(
            f"--steps {steps} --every {every} is more than {most} pictures; "
            f"use --every {math.ceil(steps / most)} or more"
        )
    return {*range(0, steps, every), steps}


def _default_file(zoo: Path, name: str) -> Path:
    folder = zoo.parent / "show"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ZooError(f"cannot make {folder}: {error.strerror}; name a file with --out") from None
    return folder / f"{name}.mp4"
