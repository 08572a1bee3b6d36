"""``nca-zoo map``: all NCAs as a picture in which near means alike."""

from pathlib import Path

import click

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import FEATURES

from .options import (
    FilePath,
    data_folder,
    png_file,
    sample_option,
    sampled,
    seed_option,
    store_option,
    zoo_option,
)


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
    type=FilePath(dir_okay=False),
    help="The PNG file to write.  [default: map-FEATURE.png in data]",
)
@seed_option("Decides UMAP's layout.")
@click.option(
    "--neighbours",
    type=click.IntRange(2),
    default=15,
    show_default=True,
    help="How many a point is drawn to: few for detail, many for the whole.",
)
@click.option("--all-fits", is_flag=True, help="Map NCAs whose fit failed, too.")
@click.option(
    "--html",
    type=FilePath(dir_okay=False),
    help="Write the map as a page in which every NCA grows, as `explore --html`, and no PNG.",
)
@sample_option()
@store_option
@click.pass_context
def map(
    ctx: click.Context,
    zoo: Path,
    feature: str,
    out: Path | None,
    seed: int,
    neighbours: int,
    all_fits: bool,
    html: Path | None,
    sample: int | None,
    store: bool,
) -> None:
    """Draw all NCAs as a map: near means alike.

    UMAP lays the NCAs out by their weights, or any other feature, without seeing a class. Every
    point is the picture that its NCA was trained to draw, in the colour of its class.

    \b
    nca-zoo map
    nca-zoo map --feature pixels --out pixels.png
    nca-zoo map --zoo data/growing.h5 --seed 3
    nca-zoo map --html data/map.html
    """
    if html is not None:
        _hand_over(ctx, zoo, feature, html, sample)
        return
    # Imported here so that --help does not wait for UMAP.
    from nca_zoo.features.catalogue import check_enough, find_feature, readable
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.embedding import LEAST, embed, grid_for, settle
    from nca_zoo.viewer.atlas import atlas
    from nca_zoo.viewer.video import write_png

    chosen = find_feature(feature)
    out = png_file(out or data_folder() / f"map-{feature}.png")
    opened = open_zoo(zoo)
    asked = sampled(opened, sample)
    read = readable(asked, all_fits)
    check_enough(asked, read, LEAST, "a map")
    click.echo(f"map: {len(read)} NCAs by {feature}; UMAP takes some seconds", err=True)
    places = embed(chosen.vectors(read), seed, neighbours)
    grid = grid_for(places)
    of_all = f" of {len(opened)}" if sample is not None and sample < len(opened) else ""
    caption = f"{len(read)}{of_all} NCAs, laid out by UMAP of {chosen.description}; seed {seed}"
    title = f"UMAP of {feature}"
    if store:
        read.add(
            f"map_{feature}",
            places.astype("<f4"),
            f"place on the map, x and y: UMAP of {chosen.description}, {neighbours} neighbours, "
            f"seed {seed}",
            made_by=f"nca-zoo map --feature {feature} --neighbours {neighbours} --seed {seed}",
            replace=True,
        )
        click.echo(f"stored in {zoo}: map_{feature}", err=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(
        out,
        atlas(read.target, read.label, settle(places, grid), grid, title, caption, read.classes),
    )
    click.echo(out)


def _hand_over(ctx: click.Context, zoo: Path, feature: str, html: Path, most: int | None) -> None:
    """The explorer writes the page: with a layout of its own, and all NCAs, failures marked."""
    from .explore import explore

    given = click.core.ParameterSource.COMMANDLINE
    for name in ("out", "seed", "neighbours", "all_fits", "store"):
        if ctx.get_parameter_source(name) is given:
            option = "--" + name.replace("_", "-")
            raise ZooError(f"{option} is for the PNG and --html lays out a page: leave out one")
    features = ",".join(dict.fromkeys((feature, "pixels")))
    ctx.invoke(explore, zoo=zoo, html=html, sample=most, features=features, port=0, no_browser=True)
