"""``nca-zoo import``: put NCAs that were trained elsewhere into a zoo."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.choices import PERCEPTIONS, VISIBLE
from nca_zoo.errors import ZooError

from .options import FilePath, default_zoo

if TYPE_CHECKING:
    from nca_zoo.pictures.targets import Target, TargetSettings


def _cells(
    _: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[int, int] | None:
    """Two whole numbers, as in 28,28; None if there are none."""
    if text is None:
        return None
    pieces = text.split(",")
    if len(pieces) == 2 and all(piece.strip().isdecimal() for piece in pieces):
        return int(pieces[0]), int(pieces[1])
    raise click.BadParameter(f"{text!r}: write two whole numbers, as in 28,28", param=parameter)


@click.command(name="import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FilePath())
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    default=lambda: default_zoo().with_name("imported.h5"),
    show_default="data/imported.h5",
    help="The zoo file; NCAs are added to one that exists.",
)
@click.option(
    "--target",
    "pictures",
    multiple=True,
    type=FilePath(),
    help="The picture that they should grow: one for all, or one for each FILE in order.",
)
@click.option("--size", type=click.IntRange(3, 1024), help="Resize the pictures.")
@click.option(
    "--pad",
    type=click.IntRange(0, 512),
    default=0,
    show_default=True,
    help="Empty cells around a picture on every side; Distill's NCAs have 16.",
)
@click.option(
    "--grid",
    metavar="ROWS,COLS",
    callback=_cells,
    help="Grid of NCAs without a picture.  [default: 64,64]",
)
@click.option(
    "--seed-at",
    metavar="ROW,COL",
    callback=_cells,
    help="The seed cell, from 0.  [default: the middle]",
)
@click.option("--seed-alpha", is_flag=True, help="The seed's hidden channels start at 0, not 1.")
@click.option(
    "--perception",
    type=click.Choice(PERCEPTIONS),
    default="blocks",
    show_default=True,
    help="Order of the first layer's inputs: all channels of a filter, or all filters of a "
    "channel (a depthwise convolution).",
)
@click.option(
    "--visible",
    type=click.Choice(VISIBLE),
    help="What is seen of them: RGBA, or alpha alone as white ink.  [default: what an exported "
    "safetensors file says; else rgba]",
)
@click.option("--ignore", multiple=True, metavar="NAME", help="A tensor to leave out.")
@click.option(
    "--growing", is_flag=True, help="They were trained to grow, not to last: judge step 96 alone."
)
@click.option("--label", type=click.IntRange(-1, 32767), default=-1, help="Their class, if any.")
@click.option("--source", default="imported", show_default=True, help="Where they come from.")
def import_(
    files: tuple[Path, ...],
    out: Path,
    pictures: tuple[Path, ...],
    size: int | None,
    pad: int,
    grid: tuple[int, int] | None,
    seed_at: tuple[int, int] | None,
    seed_alpha: bool,
    perception: str,
    visible: str | None,
    ignore: tuple[str, ...],
    growing: bool,
    label: int,
    source: str,
) -> None:
    """Put NCAs that were trained elsewhere into a zoo.

    FILEs are safetensors, torch state dicts (.pt, .pth, .ckpt, .bin) or the JSON of the Distill
    demo, each with the four tensors of the rule under any names. With a picture an NCA is
    judged as every other; without one it can be shown and is marked as unjudged.

    \b
    nca-zoo import lizard.json --target lizard.png --size 40 --pad 16
    nca-zoo import mine.pt --perception interleaved --grid 72,72
    nca-zoo show lizard --zoo data/imported.h5
    """
    from nca_zoo.exchange.foreign import read_weights
    from nca_zoo.exchange.importing import Origin, imported, name_of
    from nca_zoo.pictures.targets import TargetSettings
    from nca_zoo.store.zoowriter import ZooWriter

    if len(pictures) not in (0, 1, len(files)):
        raise ZooError(
            f"{len(pictures)} pictures for {len(files)} files: give one for all, or one for each"
        )
    if pictures and grid:
        raise ZooError("--grid is for NCAs without a picture; leave out --grid or --target")
    weights = [read_weights(file, perception, ignore) for file in files]
    origin = Origin(source, not seed_alpha, not growing, visible or _visible(files))
    settings = TargetSettings(visible=origin.visible)  # type: ignore[arg-type]
    targets = [_from_picture(picture, settings, size, pad, seed_at) for picture in pictures]
    if not targets:
        targets = [_without_picture(settings, grid or (64, 64), seed_at)]
    with ZooWriter(out, origin.header()) as writer:
        held = len(writer.finished_ids())
        rows = []
        for number, (file, found) in enumerate(zip(files, weights, strict=True)):
            which = number % len(targets)
            # NCAs of one picture share its number, as the probe must not split them
            index = held + (which if pictures else number)
            rows.append(imported(name_of(file), found, targets[which], origin, label, index))
        writer.add(rows)
    for row in rows:
        judged = f"PSNR {row['psnr_96']:.1f} dB at step 96, {row['psnr_400']:.1f} dB at step 400"
        about = "no target to judge it by" if row["status"] == "unjudged" else judged
        click.echo(f"{row['id']}: {row['status']}; {about}")
    total = held + len(rows)
    click.echo(f"{out}: {total} NCA{'s' if total > 1 else ''}")
    click.echo(f"Next: nca-zoo show {rows[0]['id']} --zoo {out}")


def _visible(files: tuple[Path, ...]) -> str:
    """What is seen of the NCAs of all files, as the files say."""
    from nca_zoo.exchange.foreign import read_visible

    found = {read_visible(file): file for file in files}
    if len(found) > 1:
        raise ZooError(
            f"{found['grey']} is grey and {found['rgba']} does not say so: import them into two "
            "zoos, or say --visible grey"
        )
    return next(iter(found))


def _from_picture(
    picture: Path,
    settings: "TargetSettings",
    size: int | None,
    pad: int,
    seed_at: tuple[int, int] | None,
) -> "Target":
    import numpy as np

    from nca_zoo.pictures.image_files import read_files
    from nca_zoo.pictures.targets import make_target

    pixels = read_files([picture], size)[0]
    padded = np.pad(pixels, [(pad, pad), (pad, pad), (0, 0)][: pixels.ndim])
    row, col = seed_at or (padded.shape[0] // 2, padded.shape[1] // 2)
    return dataclasses.replace(make_target(padded, settings), seed_row=row, seed_col=col)


def _without_picture(
    settings: "TargetSettings", grid: tuple[int, int], seed_at: tuple[int, int] | None
) -> "Target":
    from nca_zoo.exchange.importing import blank
    from nca_zoo.pictures.targets import Target

    row, col = seed_at or (grid[0] // 2, grid[1] // 2)
    return Target(blank(*grid), row, col, settings.trained)
