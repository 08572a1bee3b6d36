"""``nca-zoo neighbours``: the nearest NCAs, by what they are and by what they do."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    NCA_ID,
    json_option,
    print_json,
    sample_option,
    sampled,
    seed_option,
    zoo_option,
)

MOST = 1000  # NCAs: aligning one takes 6 ms

if TYPE_CHECKING:
    from nca_zoo.studies.neighbours import NeighboursResult


@click.command()
@click.argument("nca_id", metavar="ID", type=NCA_ID)
@zoo_option
@click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="How many.")
@seed_option("Decides which cells fire in the rollouts, the same for all.")
@click.option("--all-fits", is_flag=True, help="Count NCAs whose fit failed, too.")
@sample_option(MOST)
@json_option
def neighbours(
    nca_id: str,
    zoo: Path,
    count: int,
    seed: int,
    all_fits: bool,
    sample: int | None,
    as_json: bool,
) -> None:
    """The nearest NCAs, by what they are and by what they do.

    Three distances side by side: between weights, between aligned weights, and between rollouts.

    \b
    nca-zoo neighbours 7-012
    nca-zoo neighbours 7-012 --count 20 --json
    """
    # Imported here so that --help does not wait for the engine.
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.neighbours import neighbours as find

    opened = open_zoo(zoo)
    read = sampled(opened, sample, keep=nca_id)
    result = find(read, nca_id, count, seed, all_fits=all_fits)
    if as_json:
        print_json({"total": len(opened)} | result.as_dict())
    else:
        click.echo("\n".join(table(result)))


def _far(distance: float | None) -> str:
    return "-" if distance is None else f"{distance:.4g}"


def table(result: "NeighboursResult") -> list[str]:
    """One column for each distance, nearest first, and how many share the class."""
    about = f" (class {result.class_name})" if result.class_name else ""
    names = list(result.nearest)
    lines = [
        f"Nearest to {result.id}{about} of {result.n} NCAs, and how far:",
        "",
        "    " + "".join(f"{name:<24}" for name in names).rstrip(),
    ]
    for rank, row in enumerate(zip(*result.nearest.values(), strict=True), start=1):
        cells = "".join(f"{near.id:<12}{_far(near.distance):<12}" for near in row)
        lines.append(f"{rank:>2}  {cells.rstrip()}")
    if result.class_name:
        same = [
            sum(n.class_name == result.class_name for n in nearest)
            for nearest in result.nearest.values()
        ]
        of = len(next(iter(result.nearest.values())))
        lines.append("    " + "".join(f"{f'{k} of {of} same class':<24}" for k in same).rstrip())
    return lines
