"""``nca-zoo write``: from pictures to weights in one pass, with no training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.choices import MIXED, MOTIONS
from nca_zoo.errors import ZooError
from nca_zoo.ground.cores import usable_cores

from .options import (
    FilePath,
    ZooPath,
    data_folder,
    json_option,
    print_json,
    scale_option,
    seed_option,
)

if TYPE_CHECKING:
    from nca_zoo.training.writer import Writer


@click.command(short_help="Write the weights of an NCA for a picture, with no training.")
@click.argument("pictures", nargs=-1, required=True, type=FilePath(dir_okay=False))
@click.option(
    "--zoo",
    type=ZooPath(dir_okay=False),
    help="Learn to write from this zoo, at once; an argument that ends in .h5 is it, too.  "
    "[default: the writer that ships]",
)
@click.option(
    "--writer",
    "learnt",
    type=FilePath(dir_okay=False),
    help="A file of `nca-zoo writer learn`.  [default: the writer that ships]",
)
@click.option(
    "--size", type=int, help="Scale to SIZE x SIZE cells.  [default: as the writer's pictures]"
)
@scale_option
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The zoo file.  [default: data/written/NAME.h5]",
)
@click.option(
    "--motion", type=click.Choice((*MOTIONS, MIXED)), help="Write NCAs of pictures that move so."
)
@click.option("--replace", is_flag=True, help="Replace an earlier file of that name.")
@seed_option("Decides the masks under which an NCA is judged.")
@json_option
def write(
    pictures: tuple[Path, ...],
    zoo: Path | None,
    learnt: Path | None,
    size: int | None,
    scale: float | None,
    out: Path | None,
    motion: str | None,
    replace: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Write the weights of an NCA for each picture: one pass, no training.

    What is written is grown, judged and kept in a zoo like any other; most of it is below the gate,
    and a good place to train from (`fit --init written`).

    \b
    nca-zoo write 7.png
    nca-zoo write 3.png 5.png --zoo data/zoo.h5 --out written.h5
    nca-zoo write 3.png --motion sway --out swaying.h5
    nca-zoo show 7 data/written/7.h5
    """
    from dataclasses import replace as with_

    from nca_zoo.building.writing import keep_written, writers_settings
    from nca_zoo.pictures.motions import MotionSettings
    from nca_zoo.pictures.names import unique
    from nca_zoo.pictures.sources import Source, load_picture

    if zoo and learnt:
        raise ZooError("--zoo learns a writer and --writer is one; leave one of them out")
    writer = _writer(zoo, learnt, motion)
    moves = None if motion is None else MotionSettings(motion)
    cells = size or max(writer.grid)
    loaded = [load_picture(path, cells, scale) for path in pictures]
    ids = unique(picture.id for _, picture in loaded)
    drawn = [
        with_(picture, id=nca_id, source_index=place)
        for place, ((_, picture), nca_id) in enumerate(zip(loaded, ids, strict=True))
    ]
    source = loaded[0][0] if len(loaded) == 1 else Source("pictures", "unknown", "image files")
    out = out or data_folder() / "written" / f"{ids[0]}.h5"
    fits = keep_written(
        out, source, drawn, writers_settings(writer, seed, moves), usable_cores(), replace
    )
    found: list[dict[str, Any]] = [
        {
            "id": fit.job.id,
            "status": fit.status,
            "psnr_96": fit.psnr_96,
            "psnr_400": fit.psnr_400,
        }
        for fit in fits
    ]
    if as_json:
        print_json({"zoo": str(out), "writer": writer.digest, "written": found})
        return
    for one in found:
        click.echo(
            f"{one['id']}: {one['status'].replace('_', ' ')}; PSNR {one['psnr_96']:.1f} dB at step "
            f"96, {one['psnr_400']:.1f} dB at step 400"
        )
    click.echo(f"{out}: {len(fits)} NCA{'s' if len(fits) > 1 else ''}, written without training")
    click.echo(f"Next: nca-zoo show {found[0]['id']} --zoo {out}")


def _writer(zoo: Path | None, learnt: Path | None, motion: str | None) -> "Writer":
    from nca_zoo.training.init import shipped_writer
    from nca_zoo.training.writer import read_writer

    if zoo is None:
        if learnt is not None:
            return read_writer(learnt)
        return shipped_writer(films=motion is not None)
    from nca_zoo.networks.writing import learn_writer
    from nca_zoo.store.zoofile import open_zoo

    return learn_writer(open_zoo(zoo))
