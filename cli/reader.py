"""``nca-zoo reader``: how well what grows can be told from weights, without letting them run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .groups import Group
from .options import (
    json_option,
    print_json,
    progress,
    sample_option,
    sampled,
    seed_option,
    sizes_of,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.studies.reading import Reading

STEPS = 3000  # as in studies.reading, which a test compares


@click.group(cls=Group)
def reader() -> None:
    """From weights to what they will grow, without letting them: test readers.

    \b
    nca-zoo reader test
    nca-zoo reader test --sizes 100,200
    """


@reader.command()
@zoo_option
@click.option("--sizes", help="Learn from as few NCAs, too, as in 100,200.")
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=STEPS,
    show_default=True,
    help="Training steps of a network, at most; one an NCA, but 400 at least.",
)
@seed_option("Decides who is left out of few, and resamples.")
@sample_option()
@json_option
def test(
    zoo: Path,
    sizes: str | None,
    steps: int,
    seed: int,
    sample: int | None,
    as_json: bool,
) -> None:
    """Tell what NCAs of a zoo's test split grow by step 96, from their weights alone.

    By ridge regression, by kernel ridge regression, alone and with a network that looks at what it
    tells, by a transformer over tokens of the weights, and by a network over what rules answer to
    learnt perceptions; needs torch, and some minutes.

    \b
    nca-zoo reader test
    nca-zoo reader test --sizes 100,200 --json
    """
    from nca_zoo.features.catalogue import readable
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.reading import reading

    read = sampled(readable(open_zoo(zoo)), sample)
    with progress("read", " sizes") as advance:
        found = reading(read, sizes_of(sizes or ""), steps, seed, advance)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join(table(found)))


def table(found: "Reading") -> list[str]:
    """What was found, for people."""
    lines = [
        f"What {found.held_out} NCAs held out grow by step 96, told from weights: median PSNR, dB,",
        "and the mean difference to ridge regression from as many NCAs, with 95 % intervals.",
        "",
        f"{'':<32}{'NCAs':>5}{'numbers':>11}{'PSNR':>7}   {'interval':<14}{'gain':>6}   "
        f"{'interval':<14}{'CPU s':>6}",
    ]
    for row in found.rows:
        lines.append(
            f"{row.name:<32}{row.learnt_from:>5}{row.parameters:>11,}{row.median:>7.1f}   "
            f"{f'{row.low:.1f} to {row.high:.1f}':<14}{row.gain:>+6.1f}   "
            f"{f'{row.gain_low:+.1f} to {row.gain_high:+.1f}':<14}{row.cpu_s:>6.0f}"
        )
    return lines
