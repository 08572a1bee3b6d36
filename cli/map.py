"""``nca-zoo map``: all NCAs as a picture in which near means alike."""

from pathlib import Path

import click

from nca_zoo.errors import ZooError
from nca_zoo.features import FEATURES

from .options import data_folder, sample_option, sampled, zoo_option


@click.command()
@zoo_option
@click.option(
    "--feature",
    default="weights",
    show_default=True,
    help=f"What to map: {', '.join(FEATURES)}.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The PNG file to write.  [default: map-FEATURE.png in data]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Decides UMAP's layout.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(2),
    default=15,
    show_default=True,
    help="How many a point is drawn to: few for detail, many for the whole.",
)
@click.option("--all-fits", is_flag=True, help="Map NCAs whose fit failed, too.")
@sample_option()
def map(
    zoo: Path,
    feature: str,
    out: Path | None,
    seed: int,
    neighbours: int,
    all_fits: bool,
    sample: int | None,
) -> None:
    """Draw all NCAs as a map: near means alike.

    UMAP lays the NCAs out by their weights, or any other feature, without seeing a class. Every
    point is the picture that its NCA was trained to draw, in the colour of its class.

    \b
    nca-zoo map
    nca-zoo map --feature pixels --out pixels.png
    nca-zoo map --zoo data/growing.h5 --seed 3
    """
    # Imported here so that --help does not wait for UMAP.
    from nca_zoo.embedding import embed, grid_for, settle
    from nca_zoo.features import find_feature, readable
    from nca_zoo.viewer.atlas import atlas
    from nca_zoo.viewer.video import write_png
    from nca_zoo.zoofile import open_zoo

    chosen = find_feature(feature)
    out = out or data_folder() / f"map-{feature}.png"
    if out.suffix.lower() != ".png":
        raise ZooError(f"--out {out}: the name must end in .png")
    opened = open_zoo(zoo)
    read = readable(sampled(opened, sample), all_fits)
    click.echo(f"map: {len(read)} NCAs by {feature}; UMAP takes some seconds", err=True)
    places = embed(chosen.vectors(read), seed, neighbours)
    grid = grid_for(places)
    of_all = f" of {len(opened)}" if sample is not None and sample < len(opened) else ""
    caption = f"{len(read)}{of_all} NCAs, laid out by UMAP of {chosen.description}; seed {seed}"
    title = f"UMAP of {feature}"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, atlas(read.target, read.label, settle(places, grid), grid, title, caption))
    click.echo(out)
