"""``nca-zoo steer``: more or less of a property of what an NCA grows, by its weights."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

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
    from nca_zoo.studies.steering import SteeringTrial, Strip


@click.command(short_help="More slant, width or size of what an NCA grows.")
@click.argument("nca_id", metavar="ID", type=NCA_ID, required=False)
@zoo_option
@click.option("--slant", type=float, metavar="SD", help="Lean more to the right; less is left.")
@click.option("--width", type=float, metavar="SD", help="Wider strokes; less is thinner.")
@click.option("--size", type=float, metavar="SD", help="Larger; less is smaller.")
@click.option(
    "--points", type=click.IntRange(2, 100), default=5, show_default=True, help="NCAs to grow."
)
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The PNG file to write.  [default: steer-ID.png in data]",
)
@click.option(
    "--test", is_flag=True, help="Instead: steer many NCAs that were held out; do they follow?"
)
@seed_option("Decides fire masks, and which NCAs are held out.")
@cores_option(does="Threads that let NCAs live.")
@json_option
def steer(
    nca_id: str | None,
    zoo: Path,
    slant: float | None,
    width: float | None,
    size: float | None,
    points: int,
    out: Path | None,
    test: bool,
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Change an NCA's weights so that what it grows leans, widens or swells.

    Amounts are standard deviations of the zoo within a class; what grew is measured, and shown as
    a strip. Nothing is trained.

    \b
    nca-zoo steer 3-007 --slant +2
    nca-zoo steer 3-007 --width -1.5 --size 1 --points 9
    nca-zoo steer --test
    """
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.steering import steer as run
    from nca_zoo.studies.steering import try_steering
    from nca_zoo.viewer.medley import pictures_sheet
    from nca_zoo.viewer.video import write_png

    read = open_zoo(zoo)
    if test:
        with progress("steer", " properties") as advance:
            found = try_steering(read, seed, jobs, advance, data_folder())
        if as_json:
            print_json(found.as_dict())
        else:
            click.echo("\n".join(table(found)))
        return
    if nca_id is None:
        raise click.UsageError("name an NCA to steer, as in `nca-zoo steer 3-007 --slant 2`")
    out = png_file(out or data_folder() / f"steer-{nca_id}.png")
    given = {"slant": slant, "width": width, "size": size}
    asked = {name: amount for name, amount in given.items() if amount is not None}
    strip = run(read, nca_id, asked, points, seed)
    captions = [
        (nca_id if not step else _share(step, points), _measured(told, asked))
        for step, told in enumerate(strip.steps)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, pictures_sheet(list(strip.pictures), captions, columns=min(points, 10)))
    if as_json:
        print_json(strip.as_dict() | {"figure": str(out)})
    else:
        click.echo("\n".join([*steps(strip), "", str(out)]))


def _share(step: int, points: int) -> str:
    return f"{100 * step / (points - 1):.0f} %"


def _measured(told: dict[str, float], asked: dict[str, float]) -> str:
    return " ".join(f"{told[name]:.1f}" for name in asked)


def steps(strip: "Strip") -> list[str]:
    """What grew, from the NCA to the one that is steered."""
    from nca_zoo.networks.steering import PROPERTIES

    asked = ", ".join(f"{name} {amount:+g}" for name, amount in strip.asked.items())
    heads = "".join(f"{f'{each.name}, {each.units}':>17}" for each in PROPERTIES)
    lines = [f"{strip.id}, asked for {asked}, in standard deviations.", f"{'':<10}{heads}"]
    for step, told in enumerate(strip.steps):
        values = "".join(f"{told[each.name]:>17.2f}" for each in PROPERTIES)
        lines.append(f"{_share(step, len(strip.steps)):<10}{values}")
    one = "".join(f"{strip.spreads[each.name]:>17.2f}" for each in PROPERTIES)
    return [*lines, f"{'1 SD':<10}{one}"]


def table(found: "SteeringTrial") -> list[str]:
    """What was found, for people."""
    amounts = ", ".join(f"{amount:+g}" for amount in found.amounts)
    lines = [
        f"Learnt from {found.learnt_from} NCAs; others asked for {amounts} standard deviations of "
        "one property at a time.",
        f"Classes are read by support vectors that learned from {found.judge}.",
        "",
        f"{'asked for':<10}{'1 SD':>14}{'n':>5}{'correlation':>13}   {'95 %':<14}{'slope':>6}"
        f"{'at 400':>8}{'read':>7}{'before':>8}   others' slope",
    ]
    for row in found.rows:
        aside = ", ".join(f"{name} {slope:+.2f}" for name, slope in row.aside.items())
        lines.append(
            f"{row.name:<10}{f'{row.spread:.2f} {row.units}':>14}{row.n:>5}"
            f"{row.correlation:>13.2f}   {f'{row.low:.2f} to {row.high:.2f}':<14}{row.slope:>6.2f}"
            f"{row.lasting:>8.2f}{100 * row.read:>5.0f} %{100 * row.read_before:>6.0f} %   {aside}"
        )
    return lines
