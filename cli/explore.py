"""``nca-zoo explore``: one page in which the whole zoo grows."""

import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import published

from .options import FilePath, listed, progress, sample_option, sampled, zoo_option

if TYPE_CHECKING:
    from nca_zoo.explorer.exhibit import Exhibit


@click.command()
@zoo_option
@click.option(
    "--html",
    type=FilePath(dir_okay=False),
    help="Write one self-contained file that works from disk, instead of serving.",
)
@sample_option()
@click.option(
    "--features",
    default="weights,pixels",
    show_default=True,
    help="The maps to offer, separated by commas: the features of `probe`.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="To serve."
)
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
def explore(
    zoo: Path, html: Path | None, sample: int | None, features: str, port: int, no_browser: bool
) -> None:
    """One page in which the whole zoo grows.

    A map of all NCAs by their weights. Click one and it grows in the browser: wound it, plant
    seeds, walk in a straight line from its weights to another's, or set the two side by side. Of
    the default digits, draw one yourself: it grows at once, and can be trained in the browser. The
    page is served to this machine alone until Ctrl-C. It opens at once with a map by principal
    components; UMAP's follows, and is kept beside the zoo (FILE.layouts/) for the next time.

    \b
    nca-zoo explore
    nca-zoo explore --features weights,pixels,W2 --no-browser --port 8000
    nca-zoo explore --html zoo.html --sample 200
    """
    from nca_zoo.explorer.exhibit import make_exhibit
    from nca_zoo.explorer.page import MOST_IN_A_FILE
    from nca_zoo.store.zoofile import open_zoo

    opened = open_zoo(zoo)
    total = len(opened)
    most = sample
    if html and min(most or total, total) > MOST_IN_A_FILE:
        click.echo(
            f"note: a file holds at most {MOST_IN_A_FILE} NCAs; leave out --html to serve more",
            err=True,
        )
        most = MOST_IN_A_FILE
    opened = sampled(opened, most)
    exhibit = make_exhibit(opened, listed(features), total)
    if html:
        from nca_zoo.explorer.page import standalone_page
        from nca_zoo.ground.progress import counted

        with progress("lay out", " maps") as advance:
            for chart in counted(exhibit.charts, len(exhibit.charts), advance):
                chart.final()
        with published(html, "; name another --html file") as part:
            part.write_text(standalone_page(exhibit), encoding="utf-8")
        click.echo(html)
        return

    from nca_zoo.explorer.server import ExhibitServer

    with ExhibitServer(exhibit, port) as server:
        Thread(target=_begin, args=[exhibit], daemon=True).start()
        click.echo(f"{len(opened)} NCAs at {server.url} until Ctrl-C")
        if not no_browser:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):  # how a person ends it
            server.serve_forever()


def _begin(exhibit: "Exhibit") -> None:
    """Lay out the first map while the browser starts; the page is told what is wrong with it."""
    with suppress(ZooError):
        exhibit.charts[0].first()
