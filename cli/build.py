"""``nca-zoo build``: fit one NCA per picture and write the zoo file."""

import shlex
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np

from nca_zoo.building.build import build as build_zoo
from nca_zoo.building.build import header
from nca_zoo.building.going_on import begun, settings_for
from nca_zoo.building.share import parse_share
from nca_zoo.building.workers import cluster
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import workers_for
from nca_zoo.pictures.sources import SOURCES, load_pictures
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.training.gate import Status

from .going import stoppable
from .info import healing_line, heals, summary
from .options import (
    FilePath,
    data_folder,
    default_zoo,
    json_option,
    print_json,
    progress_bar,
    scale_option,
    strict_option,
)
from .training_options import moving, tell, training_options

SOLID_DB = 20.0  # PSNR from which a digit is plainly itself
NAMED = 10  # failed NCAs named in the summary


@click.command(short_help="Fit one NCA per picture and write the zoo file.")
@click.option(
    "--source",
    default="digits",
    show_default=True,
    help=f"Pictures: {', '.join(SOURCES)}, or a folder of image files.",
)
@click.option(
    "--digits",
    "--classes",
    "classes",
    help="Classes by name or number, as in 0-9, 3,5,8 or cat,fox.  [default: all]",
)
@click.option("--per-class", default="50", show_default=True, help="Pictures per class, or all.")
@click.option(
    "--repeats",
    type=int,
    default=1,
    show_default=True,
    help="Fits of each picture, every one with random draws of its own: 3-007, 3-007+02, ...",
)
@click.option(
    "--size", type=int, help="Resize pictures to SIZE x SIZE cells.  [default: as they are]"
)
@scale_option
@strict_option
@click.option(
    "--out",
    "--zoo",
    "out",
    type=FilePath(dir_okay=False),
    default=default_zoo,
    show_default="data/zoo.h5",
    help="The zoo file; the same command again goes on where it stopped.",
)
@click.option(
    "--refit", is_flag=True, help="Fit pictures anew that have changed since they were fitted."
)
@click.option(
    "--part",
    metavar="I/N",
    help="Fit only the I-th of N equal parts of the pictures, into a file of its own beside --out.",
)
@click.option(
    "--code",
    type=int,
    metavar="N",
    help="One rule for all pictures: fit to each only a code of N numbers, which its NCA hears.  "
    "[default: all weights]",
)
@moving
@training_options(
    init="meta; writeup: independent",
    alpha="ink; writeup: opaque",
    regime=f"{DEFAULT_REGIME}; of a zoo that goes on, its own",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Worker processes.  [default: one per usable core; other devices: 1]",
)
@click.option(
    "--cluster",
    "address",
    metavar="ADDRESS",
    help="Fit on a Dask cluster instead: tcp://HOST:8786, or local:4 for four workers here.",
)
@click.option(
    "--cohort",
    type=click.IntRange(1),
    help="NCAs that train together.  [default: 4; other devices: 256]",
)
@json_option
def build(
    source: str,
    classes: str | None,
    per_class: str,
    repeats: int,
    size: int | None,
    scale: float | None,
    strict: bool,
    out: Path,
    refit: bool,
    part: str | None,
    jobs: int | None,
    address: str | None,
    cohort: int | None,
    as_json: bool,
    **training: Any,
) -> None:
    """Fit one NCA per picture and write weights and metadata to an HDF5 file.

    \b
    nca-zoo build --digits 0-9 --per-class 50
    nca-zoo build --digits 3,5,8 --per-class 10 --out small.h5
    nca-zoo build --source fashion --per-class 20 --out fashion.h5
    nca-zoo build --source my-pictures/ --per-class all --size 40 --out mine.h5
    nca-zoo build --regime growing --init shared --out growing.h5
    nca-zoo build --digits 0-9 --per-class 50 --visible grey --out grey.h5
    nca-zoo build --per-class 5 --repeats 20 --out repeats.h5
    nca-zoo build --motion mixed --period 128 --out moving.h5
    nca-zoo build --code 16 --out codes.h5
    nca-zoo build --digits 0-9 --per-class 50 --part 3/16
    nca-zoo build --source mnist --per-class all --cluster tcp://10.0.0.1:8786

    Pictures that the file already holds are not fitted again, so the same command goes on where
    it was stopped, and a larger --per-class, a new picture or a new class adds to the zoo. The
    files of all parts become one with `nca-zoo merge`.
    """
    if jobs and address:
        raise click.UsageError("--jobs is for workers of this machine; a --cluster has its own")
    began = time.monotonic()
    share = None if part is None else parse_share(part)
    if share is not None:
        out = share.file(out)
    settings = settings_for(out, training, tell)
    origin, pictures = load_pictures(
        source,
        classes,
        _count(per_class),
        data_folder(),
        size,
        scale=scale,
        target=settings.target,
        strict=strict,
        tell=tell,
    )
    if share is not None:
        pictures = list(share.take(pictures))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = header(origin, settings, size, scale)
    with begun(out, origin, pictures, settings, about, refit, repeats) as (writer, pictures):

        def safe() -> int:
            return len({picture.id for picture in pictures} & writer.finished_ids())

        if held := safe():
            click.echo(f"{out} holds {held} of {len(pictures)} already; going on.", err=True)
        done = failed = 0
        psnr: list[float] = []
        with (
            stoppable(safe, len(pictures), "NCA", out) as heed,
            cluster(address) if address else nullcontext() as client,
            progress_bar(total=len(pictures), initial=held, unit="NCA", smoothing=0.1) as shown,
        ):
            workers = jobs or workers_for(settings.device)
            for fit in build_zoo(pictures, settings, writer, workers, cohort, client, tell):
                done += 1
                failed += fit.status != "ok"
                psnr.append(fit.psnr_96)
                shown.set_postfix_str(
                    f"median PSNR {np.median(psnr):.1f} dB, {failed} failed", refresh=False
                )
                shown.update()
                heed()
    took = time.monotonic() - began
    if as_json:
        print_json(summary(open_zoo(out)) | {"fitted": done, "seconds": took})
    else:
        click.echo(_summary(out, done, took))


def _count(per_class: str) -> int | None:
    if per_class == "all":
        return None
    if per_class.isdecimal() and int(per_class) > 0:
        return int(per_class)
    raise ZooError(f"--per-class is {per_class!r}; it must be a whole number above 0, or all")


def _summary(out: Path, fitted: int, seconds: float) -> str:
    """What the zoo holds after a build, failures and all."""
    zoo = open_zoo(out)
    counts = {status: int((zoo.status == status).sum()) for status in get_args(Status)}
    failed = zoo.id[~zoo.good]
    lines = [
        f"{out}: {len(zoo)} NCAs; "
        + ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
    ]
    if fitted:
        rate = 60 * fitted / seconds
        lines.append(f"Fitted {fitted} in {seconds / 60:.1f} minutes, {rate:.0f} a minute.")
    for step, values in ((96, zoo.psnr_96), (400, zoo.psnr_400)):
        low, median = np.percentile(values, [5, 50])
        share = 100 * np.mean(values >= SOLID_DB)
        lines.append(
            f"Step {step}: median PSNR {median:.1f} dB, 5th percentile {low:.1f} dB, "
            f"{share:.1f} % at {SOLID_DB:.0f} dB or more."
        )
    if told := healing_line(heals(zoo)):
        lines.append(f"Heals {told}.")
    if len(failed):
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        lines.append(f"Marked as failed: {', '.join(failed[:NAMED])}{more}.")
    lines.append(f"Next: {_next(zoo)}")
    return "\n".join(lines)


def _next(zoo: Zoo) -> str:
    """Two commands that work on this zoo."""
    from nca_zoo.probing.splits import can_be_probed

    good = zoo.subset(zoo.good)
    where = shlex.quote(str(zoo.path))
    study = "probe" if can_be_probed(good) else "explore"
    first = zoo.id[0] if not len(good) else good.id[0]
    return f"nca-zoo {study} {where}   or   nca-zoo show {first} {where}"
