"""``nca-zoo import``: put NCAs that were trained elsewhere into a zoo."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.choices import PERCEPTIONS, RGBA_AT, SOBEL_ORDERS, SOBEL_SIGNS, VISIBLE
from nca_zoo.errors import ZooError

from .options import (
    FilePath,
    default_zoo,
    json_option,
    print_json,
    progress,
    scale_option,
)

if TYPE_CHECKING:
    from nca_zoo.exchange.foreign import Foreign
    from nca_zoo.exchange.importing import Origin
    from nca_zoo.exchange.trying import Reading
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
    help="The picture that they should grow: one for all, or one for each in order.",
)
@click.option("--size", type=click.IntRange(3, 1024), help="Resize the pictures.")
@scale_option
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
@click.option(
    "--seed-hidden/--seed-alpha",
    default=None,
    help="The seed's hidden channels start at 1, or at 0.  [default: with a picture, whichever "
    "grows it; else 1]",
)
@click.option(
    "--perception",
    type=click.Choice(PERCEPTIONS),
    help="Order of the first layer's inputs: all channels of a filter, or all filters of a "
    "channel (a depthwise convolution).",
)
@click.option("--sobel", type=click.Choice(SOBEL_ORDERS), help="Which Sobel filter comes first.")
@click.option(
    "--sobel-sign",
    type=click.Choice(SOBEL_SIGNS),
    help="Of Sobel x and y: + grows to the right and downwards.",
)
@click.option(
    "--sobel-scale",
    type=click.FloatRange(0, min_open=True),
    help="What [1, 2, 1] x [-1, 0, 1] is multiplied by: 0.125 if the filters are divided by 8.",
)
@click.option(
    "--rgba", type=click.Choice(RGBA_AT), help="Whether RGBA are the first channels or the last."
)
@click.option(
    "--step-size",
    type=click.FloatRange(0, min_open=True),
    help="What updates are multiplied by: 2 where dropout at 0.5 doubles those that survive.",
)
@click.option(
    "--visible",
    type=click.Choice(VISIBLE),
    help="What is seen of them: RGBA, or alpha alone as white ink.  [default: what an exported "
    "file says; else rgba]",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="NAME",
    help="A tensor to leave out, or what the names of several begin with.",
)
@click.option(
    "--id", "ids", multiple=True, metavar="NAME", help="Its id in the zoo; one for each NCA."
)
@click.option(
    "--growing", is_flag=True, help="They were trained to grow, not to last: judge step 96 alone."
)
@click.option("--label", metavar="NAME", help="What their class is called, if they have one.")
@click.option("--source", default="imported", show_default=True, help="Where they come from.")
@json_option
def import_(
    files: tuple[Path, ...],
    out: Path,
    pictures: tuple[Path, ...],
    size: int | None,
    scale: float | None,
    pad: int,
    grid: tuple[int, int] | None,
    seed_at: tuple[int, int] | None,
    seed_hidden: bool | None,
    visible: str | None,
    ignore: tuple[str, ...],
    ids: tuple[str, ...],
    growing: bool,
    label: str | None,
    source: str,
    as_json: bool,
    **told: Any,
) -> None:
    """Put NCAs that were trained elsewhere into a zoo.

    FILEs are safetensors, NPZ, Keras' HDF5, torch state dicts (.pt, .pth, .ckpt, .bin), checkpoints
    and graphs of TensorFlow (.index, .json), Flax's msgpack, or the JSON of the Distill demo, with
    the four tensors of the rule under any names. With a picture they are read every way that code
    bases use until one grows it, and judged as every other NCA; without one they can be shown and
    are marked as unjudged.

    \b
    nca-zoo import lizard.json --target lizard.png --size 40 --pad 16
    nca-zoo import mine.pt --perception interleaved --sobel yx --grid 72,72
    nca-zoo show lizard --zoo data/imported.h5
    """
    from nca_zoo.exchange.foreign import read_ncas
    from nca_zoo.exchange.importing import Origin, ids_for, imported
    from nca_zoo.pictures.classes import NO_CLASS, numbered
    from nca_zoo.pictures.names import true_name
    from nca_zoo.pictures.targets import TargetSettings
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.store.zoowriter import ZooWriter

    if pictures and grid:
        raise ZooError("--grid is for NCAs without a picture; leave out --grid or --target")
    ncas = [nca for file in files for nca in read_ncas(file, ignore)]
    if len(pictures) not in (0, 1, len(ncas)):
        raise ZooError(
            f"{len(pictures)} pictures for {len(ncas)} NCAs: give one for all, or one for each"
        )
    taken = set(open_zoo(out).id.tolist()) if out.exists() else set()
    names = ids_for(ncas, ids, taken, out)
    seen = visible or _visible(ncas)
    settings = TargetSettings(visible=seen)  # type: ignore[arg-type]
    targets = [_from_picture(picture, settings, size, scale, pad, seed_at) for picture in pictures]
    if not targets:
        targets = [_without_picture(settings, grid or (64, 64), seed_at)]
    pairs = [(nca, targets[number % len(targets)]) for number, nca in enumerate(ncas)]
    origin = Origin(source, seed_hidden is not False, not growing, seen)
    told = {name: value for name, value in told.items() if value is not None}
    if pictures:
        seeds = (True, False) if seed_hidden is None else (seed_hidden,)
        readings = _tried(pairs, told, seeds, origin)
        # One zoo has one kind of seed: that of the first that grew
        grew = next((reading for reading in readings if reading.grows), readings[0])
        origin = dataclasses.replace(origin, seed_hidden=grew.seed_hidden)
    else:
        readings = [_usual(nca, told, origin) for nca in ncas]
    classes = numbered([label] if label else [])
    of = next(iter(classes), NO_CLASS)
    with ZooWriter(out, dataclasses.replace(origin.header(), class_names=classes)) as writer:
        held = len(writer.finished_ids())
        rows = []
        for number, (name, nca, reading) in enumerate(zip(names, ncas, readings, strict=True)):
            which = number % len(targets)
            # NCAs of one picture share its number, as the probe must not split them
            index = held + (which if pictures else number)
            target = targets[which]
            row = imported(name, reading.weights, target, origin, of, index)
            rows.append(row | {"name": true_name(nca.name)})
        writer.add(rows)
    total = held + len(rows)
    if as_json:
        found = [_findings(*each) for each in zip(rows, ncas, readings, strict=True)]
        print_json({"zoo": str(out), "ncas": total, "imported": found})
        return
    for row, nca, reading in zip(rows, ncas, readings, strict=True):
        click.echo(f"{row['id']}: {row['status']}; {_judged(row)}{_how_read(nca, reading)}")
    click.echo(f"{out}: {total} NCA{'s' if total > 1 else ''}")
    click.echo(f"Next: nca-zoo show {rows[0]['id']} --zoo {out}")


def _usual(nca: "Foreign", told: dict[str, Any], origin: "Origin") -> "Reading":
    """An NCA as it is usually read, with what is told."""
    from nca_zoo.exchange.trying import Reading

    convention = next(nca.readings(told))
    return Reading(convention, origin.seed_hidden, nca.weights(convention), 1, grows=False)


def _tried(
    pairs: "list[tuple[Foreign, Target]]",
    told: dict[str, Any],
    seeds_hidden: tuple[bool, ...],
    origin: "Origin",
) -> "list[Reading]":
    """Each NCA as it grows its picture; what one was read as comes first for the next."""
    from nca_zoo.exchange.trying import best_reading

    readings: list[Reading] = []
    for nca, target in pairs:
        likely = next((reading for reading in reversed(readings) if reading.grows), None)
        seeds = (likely.seed_hidden,) if likely else seeds_hidden
        with progress(f"readings of {nca.name}", "") as advance:
            reading = best_reading(nca, target, told, seeds, origin.gate, likely, advance)
        readings.append(reading)
    return readings


def _findings(row: dict[str, Any], nca: "Foreign", reading: "Reading") -> dict[str, Any]:
    """An imported NCA, and the options that read it so."""
    about = {name: row[name] for name in ("id", "status")}
    scores = {name: float(row[name]) for name in ("psnr_96", "psnr_400")}
    return about | scores | {"tried": reading.tried, "read_with": _options(nca, reading)}


def _judged(row: dict[str, Any]) -> str:
    if row["status"] == "unjudged":
        return "no target to judge it by"
    return f"PSNR {row['psnr_96']:.1f} dB at step 96, {row['psnr_400']:.1f} dB at step 400"


def _how_read(nca: "Foreign", reading: "Reading") -> str:
    """What a person should know of how an NCA was read."""
    if reading.tried > 1 and not reading.grows:
        return f"; none of {reading.tried} ways to read it grows the picture"
    options = _options(nca, reading)
    return f"; read with {options}" if options else ""


def _options(nca: "Foreign", reading: "Reading") -> str:
    seed = "" if reading.seed_hidden else " --seed-alpha"
    return (reading.convention.options(nca.usual) + seed).strip()


def _visible(ncas: "list[Foreign]") -> str:
    """What is seen of all NCAs, as their files say."""
    found = {nca.visible: nca.path for nca in ncas}
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
    scale: float | None,
    pad: int,
    seed_at: tuple[int, int] | None,
) -> "Target":
    import numpy as np

    from nca_zoo.pictures.image_files import read_file
    from nca_zoo.pictures.targets import make_target

    pixels = read_file(picture, size, scale)
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
