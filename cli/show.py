"""``nca-zoo show``: roll out NCAs and look at them."""

import math
import shutil
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, counted, silent

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

if TYPE_CHECKING:
    from nca_zoo.automaton.wounds import Wound
    from nca_zoo.life.rollout import State
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.viewer.frames import Pixels, Reel

    States = list[tuple[int, State]]
    Walk = Callable[[int], States]  # the states to show of the NCA in a row

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
    nca-zoo show 3-000 7-012 --grid --out pair.gif
    nca-zoo show --digits 0-9 --sample 5 --out sheet.png --json
    """
    from nca_zoo.automaton.wounds import parse_wound
    from nca_zoo.store.zoofile import open_zoo

    if not nca_ids and classes is None and sample is None:
        raise click.UsageError("Missing argument 'ID': name NCAs, or --digits or --sample")
    if nca_ids and (classes is not None or sample is not None):
        raise click.UsageError("name NCAs, or choose them by --digits and --sample, not both")
    if out is not None and out.suffix.lower() not in KINDS:
        raise ZooError(f"--out {out}: the name must end in one of {', '.join(KINDS)}")
    wounds = tuple(map(parse_wound, damage))
    ncas = _choose(open_zoo(zoo), nca_ids, classes, sample)
    grid = grid or len(ncas) > 1 or columns is not None
    kind = "grid" if grid else "channels" if channels else "one"
    _refuse(grid, channels, out, terminal, window, bool(wounds), as_json)
    _note_failures(ncas)
    if window:
        _open_window(ncas, seed, background)
        return
    if not terminal:
        out = out or _default_file(zoo, "grid" if grid else ncas.id[0])
    still = out is not None and out.suffix.lower() == ".png"
    shown = _steps_shown(kind, still, steps, every, wounds, len(ncas))
    walk = partial(_walk, ncas, steps=steps, seed=seed, wounds=wounds, shown=shown)
    picture: Reel | Pixels
    if grid:
        picture, scores = _side_by_side(ncas, walk, columns or 0, background)
    else:
        with progress("roll out", " states") as advance:
            states = walk(0, channels=channels, advance=advance)
        scores = [_score(ncas, 0, states)]
        look = _look(ncas, background)
        if terminal:
            _play(states, look, fps)
        else:
            picture = _picture(kind, still, states, look)
    if out is not None:
        _write(out, picture, fps)
    if as_json:
        print_json({"file": str(out), "step": steps, "ncas": _findings(ncas, scores)})
        return
    if out is not None:
        click.echo(out)
    if said := _said(ncas, steps, scores, grid):
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
    grid: bool, channels: bool, out: Path | None, terminal: bool, window: bool, wounded: bool,
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
        (window and wounded, "--window is wounded by the mouse: leave out --window or --damage"),
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
    kind: str, still: bool, steps: int, every: int | None, wounds: tuple["Wound", ...], ncas: int
) -> set[int]:
    if kind == "grid" and still:
        return {steps}
    if still and every is None:
        looks = {wound.step + after for wound in wounds for after in (0, HEALING_STEPS)}
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


def _walk(
    ncas: "Zoo",
    row: int,
    steps: int,
    seed: int,
    wounds: tuple["Wound", ...],
    shown: set[int],
    channels: bool = False,
    advance: Progress = silent,
) -> "States":
    """The states to show of an NCA: all channels, or what is seen of them alone."""
    from nca_zoo.automaton.rule import seen
    from nca_zoo.life.rollout import rollout

    stride = math.gcd(*shown)
    look = seed, stride, wounds, ncas.fire_rate, ncas.signal([row])
    path = rollout(ncas.weights[row], ncas.seed_states(row), steps, *look)
    return [
        (step, state if channels else seen(state, ncas.trained).copy())
        for step, state in counted(path, 1 + steps // stride, advance)
        if step in shown
    ]


def _look(ncas: "Zoo", background: str) -> dict[str, Any]:
    """How the pictures of a single NCA are made and captioned."""
    return {
        "target": ncas.goal(0),
        "name": ncas.id[0],
        "about": f"class {ncas.class_name[0]}" if ncas.label[0] >= 0 else "",
        "background": background,
        "trained": ncas.trained,
    }


def _score(ncas: "Zoo", row: int, states: "States") -> float | None:
    """PSNR of the last picture against the target, dB; None if nobody knows what it should grow."""
    from nca_zoo.automaton.rule import seen
    from nca_zoo.life.quality import psnr

    if ncas.status[row] == "unjudged":
        return None
    step, last = states[-1]
    return float(psnr(seen(last, ncas.trained), ncas.due(step, row)))


def _findings(ncas: "Zoo", scores: list[float | None]) -> list[dict[str, Any]]:
    rows = zip(ncas.id.tolist(), ncas.status.tolist(), scores, strict=True)
    return [{"id": name, "status": status, "psnr": score} for name, status, score in rows]


def _said(ncas: "Zoo", step: int, scores: list[float | None], grid: bool) -> str:
    known = [score for score in scores if score is not None]
    if not known:
        return ""
    if not grid:
        return f"{ncas.id[0]} at step {step}: PSNR {known[0]:.1f} dB against its target"
    return (
        f"{len(known)} NCA{'s' * (len(known) > 1)} at step {step}: PSNR against their targets "
        f"{statistics.median(known):.1f} dB in the median, {min(known):.1f} dB at the least"
    )


def _side_by_side(
    ncas: "Zoo", walk: "Walk", columns: int, background: str
) -> tuple["Reel", list[float | None]]:
    """The film of many NCAs, and the score of the last picture of each."""
    import numpy as np

    from nca_zoo.viewer.frames import ContactFilm, Panel, composite, seeds_in

    panels, scores = [], []
    with progress("roll out", " NCAs") as advance:
        for row in counted(range(len(ncas)), len(ncas), advance):
            states = walk(row)
            scores.append(_score(ncas, row, states))
            cells = composite(np.stack([state for _, state in states]), background)
            known = len(states) == 1 and scores[-1] is not None  # a film's last is of another frame
            right = f"{scores[-1]:.1f} dB" if known else ""
            panels.append(Panel(cells, ncas.id[row], right, seeds_in(states)))
    steps = [step for step, _ in states]
    return ContactFilm(steps, panels, ncas.path.name, columns, background), scores


def _picture(kind: str, still: bool, states: "States", look: dict[str, Any]) -> "Reel | Pixels":
    from nca_zoo.viewer.channels import ChannelFilm, channel_table
    from nca_zoo.viewer.frames import Film, strip

    if kind == "channels":
        return channel_table(states, **look) if still else ChannelFilm(states, **look)
    return strip(states, **look) if still else Film(states, **look)


def _open_window(ncas: "Zoo", seed: int, background: str) -> None:
    from nca_zoo.life.rollout import Life
    from nca_zoo.viewer.window import watch

    rules = ncas.seed_hidden, ncas.fire_rate, ncas.signal([0])
    life = Life(ncas.weights[0], ncas.seed_states(0), seed, *rules)
    look = _look(ncas, background)
    if ncas.status[0] == "unjudged":
        look["target"] = None
    watch(life, **look)


def _play(states: "States", look: dict[str, Any], fps: int) -> None:
    from nca_zoo.viewer.terminal import Abilities, Screen, play

    abilities = Abilities.of(sys.stdout)
    size = shutil.get_terminal_size()
    screen = Screen(**look, colour=abilities.colour, size=(size.columns, size.lines))
    play((screen.draw(*pair) for pair in states), fps, sys.stdout, abilities.animate)


def _write(out: Path, picture: "Reel | Pixels", fps: int) -> None:
    from nca_zoo.viewer.frames import Reel
    from nca_zoo.viewer.video import write_gif, write_mp4, write_png

    if not isinstance(picture, Reel):
        write_png(out, picture)
    elif out.suffix.lower() == ".png":
        write_png(out, picture[-1])
    else:
        write = write_gif if out.suffix.lower() == ".gif" else write_mp4
        with progress(out.name, " frames") as advance:
            write(out, picture, fps, advance)
