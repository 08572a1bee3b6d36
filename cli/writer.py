"""``nca-zoo writer``: learn to write weights from a zoo, and say how well that goes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .groups import Group
from .options import (
    FilePath,
    cores_option,
    json_option,
    print_json,
    progress,
    sample_option,
    sampled,
    seed_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.studies.writing import BothWays

PATTERNS = 100  # as networks.writing.COMPONENTS, which a test compares

_components = click.option(
    "--components",
    type=click.IntRange(1),
    default=PATTERNS,
    show_default=True,
    help="Patterns that the writer looks for in a picture.",
)


@click.group(cls=Group)
def writer() -> None:
    """From a picture to weights in one pass: learn a writer, and test it.

    \b
    nca-zoo writer learn --out my-writer.npz         from all good NCAs of a zoo
    nca-zoo writer test                              on pictures that it has not seen
    """


@writer.command()
@zoo_option
@click.option(
    "--out", type=FilePath(dir_okay=False), required=True, help="The writer file to write, an .npz."
)
@_components
def learn(zoo: Path, out: Path, components: int) -> None:
    """Learn to write from the good NCAs of a zoo, which must share one start.

    \b
    nca-zoo writer learn --out my-writer.npz
    nca-zoo write 7.png --writer my-writer.npz
    nca-zoo build --init written --start my-writer.npz --out written.h5
    """
    from nca_zoo.networks.writing import learn_writer
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.training.writer import save_writer

    made = learn_writer(open_zoo(zoo), components)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_writer(out, made)
    size = out.stat().st_size / 1e6
    click.echo(
        f"{out}: {len(made.patterns)} patterns, from {made.recipe['ncas']} NCAs; {size:.1f} MB"
    )


@writer.command()
@zoo_option
@_components
@seed_option("Decides which pictures are held out, and fire masks and resamples.")
@sample_option()
@cores_option(does="Threads that let NCAs live.")
@json_option
def test(
    zoo: Path, components: int, seed: int, sample: int | None, jobs: int, as_json: bool
) -> None:
    """Write weights for pictures held out and read them back, against what knows less.

    \b
    nca-zoo writer test
    nca-zoo writer test --zoo data/growing.h5 --json
    """
    from nca_zoo.features.catalogue import readable
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.writing import both_ways

    read = sampled(readable(open_zoo(zoo)), sample)
    with progress("write", " ways") as advance:
        found = both_ways(read, components, seed, jobs, advance)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join(table(found)))


def table(found: "BothWays") -> list[str]:
    """What was found, for people."""
    lines = [
        f"Learnt from {found.learnt_from} NCAs; {found.held_out} other pictures. "
        "PSNR in dB, medians, and their 95 % intervals.",
        "",
        f"{'weights':<34}{'step 96':>8}   {'interval':<14}{'step 400':>9}{'20 dB at both':>15}",
    ]
    for row in found.written:
        lines.append(
            f"{row.name:<34}{row.median:>8.1f}   {row.low:.1f} to {row.high:<6.1f}"
            f"{row.lasting:>9.1f}{100 * (row.solid or 0):>13.0f} %"
        )
    lines += ["", f"{'pictures':<34}{'PSNR':>8}   {'interval':<14}"]
    for row in found.read:
        lines.append(f"{row.name:<34}{row.median:>8.1f}   {row.low:.1f} to {row.high:.1f}")
    return lines
