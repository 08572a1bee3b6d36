"""``nca-zoo mix``: grow what lies between NCAs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .groups import Group
from .options import (
    NCA_ID,
    FilePath,
    cores_option,
    data_folder,
    json_option,
    png_file,
    print_json,
    progress,
    seed_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.studies.mixing import Line, Survey

_seed = seed_option("Decides fire masks, pairs and resamples.")
_jobs = cores_option(does="Threads that let NCAs live.")


@click.group(cls=Group)
def mix() -> None:
    """Grow what lies between NCAs: straight lines, class means, directions.

    \b
    nca-zoo mix line 3-000 3-007         what grows on the way from one to the other?
    nca-zoo mix survey                   how often is it a digit, over many pairs?
    """


@mix.command()
@click.argument("start", metavar="ID", type=NCA_ID)
@click.argument("end", metavar="ID", type=NCA_ID)
@zoo_option
@click.option(
    "--points", type=click.IntRange(2, 100), default=9, show_default=True, help="NCAs to grow."
)
@click.option("--align", is_flag=True, help="First bring the second close to the first.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The PNG file to write.  [default: mix-ID-ID.png in data]",
)
@_seed
@_jobs
@json_option
def line(
    start: str,
    end: str,
    zoo: Path,
    points: int,
    align: bool,
    out: Path | None,
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Grow the straight line between two NCAs.

    \b
    nca-zoo mix line 3-000 3-007
    nca-zoo mix line 3-000 8-001 --align --points 13
    """
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.mixing import line as grow_line
    from nca_zoo.viewer.medley import line_sheet
    from nca_zoo.viewer.video import write_png

    out = png_file(out or data_folder() / f"mix-{start}-{end}{'-aligned' * align}.png")
    found = grow_line(open_zoo(zoo), start, end, points, align, seed, jobs)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, line_sheet([found]))
    if as_json:
        print_json(found.as_dict() | {"figure": str(out)})
    else:
        click.echo("\n".join([*steps(found), "", str(out)]))


@mix.command()
@zoo_option
@click.option(
    "--pairs",
    type=click.IntRange(10),
    default=100,
    show_default=True,
    help="Random pairs of NCAs for each kind of mixture.",
)
@click.option("--all-fits", is_flag=True, help="Mix NCAs whose fit failed, too.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The PNG file to write, of the class means.  [default: mix-means.png in data]",
)
@_seed
@_jobs
@json_option
def survey(
    zoo: Path, pairs: int, all_fits: bool, out: Path | None, seed: int, jobs: int, as_json: bool
) -> None:
    """How often is a mixture of NCAs a digit?

    Half-way between two NCAs, with and without alignment, mixtures of four, class means, and NCAs
    moved from one class to another; pictures averaged in the same way as a control.

    \b
    nca-zoo mix survey
    nca-zoo mix survey --zoo data/growing.h5 --pairs 300 --json
    """
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.mixing import survey as run_survey
    from nca_zoo.viewer.medley import means_sheet
    from nca_zoo.viewer.video import write_png

    out = png_file(out or data_folder() / "mix-means.png")
    with progress("mix", " kinds") as advance:
        opened = open_zoo(zoo)
        found = run_survey(opened, pairs, seed, jobs, advance, data_folder(), all_fits)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, means_sheet(found))
    if as_json:
        print_json(found.as_dict() | {"figure": str(out)})
    else:
        click.echo("\n".join([*kinds(found), "", str(out)]))


def steps(found: "Line") -> list[str]:
    """The line, point by point."""
    how = ", aligned" if found.aligned else ""
    lines = [
        f"From {found.start} to {found.end}{how}: {found.distance:.2f} apart.",
        f"{'t':>6}{'alive':>9}{f'PSNR to {found.start}':>18}{f'PSNR to {found.end}':>18}",
    ]
    unknown = (None,) * len(found.t)
    ends = found.psnr_start or unknown, found.psnr_end or unknown
    for t, living, a, b in zip(found.t, found.alive, *ends, strict=True):
        lines.append(f"{t:>6.2f}{100 * living:>7.1f} %{decibels(a, 15)}{decibels(b, 15)}")
    return lines


def decibels(value: float | None, width: int) -> str:
    """A PSNR with its unit, or a dash where there is none to tell."""
    return f"{'-':>{width + 3}}" if value is None else f"{value:>{width}.1f} dB"


def kinds(found: "Survey") -> list[str]:
    """One line for every kind of mixture."""
    lines = [
        f"{found.n} NCAs of {len(found.classes)} classes; what grew by step 96, read by support "
        f"vectors that learned from {found.judge}.",
        f"{'what':<48}{'n':>5}{'alive':>8}{'its class':>11}   {'95 % interval':<16}"
        f"{'nearest target':>14}{'sharp':>7}",
    ]
    for k in found.kinds:
        span = f"{100 * k.low:.0f} to {100 * k.high:.0f}"
        lines.append(
            f"{k.name:<48}{k.n:>5}{100 * k.alive:>6.0f} %{100 * k.read:>9.0f} %   {span:<16}"
            f"{decibels(k.nearest_db, 11)}"
            f"{'-' if k.sharpness is None else format(k.sharpness, '.2f'):>7}"
        )
    return lines
