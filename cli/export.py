"""``nca-zoo export``: a zoo in formats that others read."""

from pathlib import Path

import click

from nca_zoo.choices import FORMATS
from nca_zoo.errors import ZooError

from .options import NCA_ID, FilePath, progress, zoo_option


@click.command()
@click.argument("nca_ids", metavar="[ID...]", nargs=-1, type=NCA_ID)
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True)
@zoo_option
@click.option(
    "--out",
    type=FilePath(),
    help="File to write, or folder with --each.  [default: beside the zoo, named after it]",
)
@click.option(
    "--each",
    is_flag=True,
    help="A file for each NCA, with its tensors by name: safetensors and torch. Always so for "
    "distill.",
)
@click.option("--all-fits", is_flag=True, help="Export NCAs that did not pass the gate, too.")
def export(
    nca_ids: tuple[str, ...], kind: str, zoo: Path, out: Path | None, each: bool, all_fits: bool
) -> None:
    """Write a zoo, or the NCAs named, in a format that others read.

    Without an ID, all NCAs that passed the gate.

    \b
    nca-zoo export --format parquet
    nca-zoo export --format safetensors --each 7-012 3-007
    nca-zoo export --format torch --out zoo.pt
    nca-zoo export --format distill 7-012 --out for-the-demo/
    """
    from nca_zoo.exchange import exporting
    from nca_zoo.exchange.exporting import export as write
    from nca_zoo.store.zoofile import open_zoo

    opened = open_zoo(zoo)
    if nca_ids:
        chosen = opened.subset([opened.index(nca_id) for nca_id in dict.fromkeys(nca_ids)])
    else:
        chosen = opened if all_fits else opened.subset(opened.good)
    if not len(chosen):
        raise ZooError(f"{zoo}: no NCA passed the gate; --all-fits exports the others, too")
    form = exporting.FORMATS[kind]
    each = each or form.whole is None
    if out is None:
        out = zoo.with_name(f"{zoo.stem}-{kind}") if each else zoo.with_suffix(form.suffix)
    with progress("export", " files") as advance:
        files = write(chosen, kind, out, each, advance)
    if chosen.visible == "grey" and each and kind != "safetensors":
        demo = " and the demo does not know" if kind == "distill" else ""
        click.echo(
            f"note: alpha alone is the picture of these NCAs, which files of this format do not "
            f"say{demo}; `nca-zoo import` needs --visible grey for them",
            err=True,
        )
    left = len(opened) - len(chosen)
    others = f"; {left} that did not pass the gate left out" if left and not nca_ids else ""
    place = files[0] if len(files) == 1 else out
    click.echo(f"{place}: {len(chosen)} NCA{'s' if len(chosen) > 1 else ''}{others}")
