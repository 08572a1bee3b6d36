"""``nca-zoo merge``: one zoo of several."""

from pathlib import Path

import click

from .options import FilePath, json_option, print_json, progress


@click.command()
@click.argument("zoos", metavar="ZOO...", nargs=-1, required=True, type=FilePath())
@click.option(
    "--out",
    required=True,
    type=FilePath(dir_okay=False),
    help="The new zoo file; must not exist yet.",
)
@click.option(
    "--mix-settings",
    is_flag=True,
    help="Take zoos that were built with other settings, too; the file then lists what differs.",
)
@click.option(
    "--rename",
    is_flag=True,
    help="Put the name of its zoo before an id that stands for another NCA in an earlier zoo.",
)
@json_option
def merge(
    zoos: tuple[Path, ...], out: Path, mix_settings: bool, rename: bool, as_json: bool
) -> None:
    """Make one zoo of several.

    The ZOOs are parts of one build, or builds of different pictures. An NCA that several hold
    comes once. Classes go by their names, whatever their numbers. An id that stands for two NCAs is
    refused and named, unless one of the two may be called otherwise: --rename, which
    --mix-settings does as well. The ZOOs stay as they are.

    \b
    nca-zoo merge data/zoo-part-*-of-16.h5 --out data/zoo.h5
    nca-zoo merge digits.h5 more-digits.h5 --out all.h5
    nca-zoo merge digits.h5 fashion.h5 --out both.h5 --mix-settings
    """
    from nca_zoo.store.merging import merge_zoos
    from nca_zoo.store.zoofile import open_zoo

    with progress("merge", "B") as advance:
        merged = merge_zoos(zoos, out, mix_settings, advance, rename)
    mixed = open_zoo(out).settings.mixed
    if as_json:
        about = {"zoo": str(out), "ncas": merged.rows, "twins": merged.twins}
        print_json(about | {"renamed": merged.renamed, "mixed": mixed})
        return
    were = "was" if merged.twins == 1 else "were"
    twins = f"; {merged.twins} {were} there twice" if merged.twins else ""
    click.echo(f"{out}: {merged.rows} NCAs of {len(zoos)} zoos{twins}")
    if merged.renamed:
        one = merged.renamed == 1
        ids, begin = ("id", "it begins") if one else ("ids", "they begin")
        click.echo(
            f"{merged.renamed} {ids} stood for two NCAs; in the later zoo {begin} with its name"
        )
    if mixed:
        click.echo(f"Mixed settings: {', '.join(sorted(mixed))}")
