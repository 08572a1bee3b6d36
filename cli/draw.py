"""``nca-zoo draw``: a window to draw in, and to watch the drawing grow."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from nca_zoo.errors import ZooError

from .options import FilePath, cores_option, data_folder, scale_option
from .training_options import SOLO, solo_settings, training_options

SIZES = (8, 64)  # cells a side


@click.command(short_help="Draw a picture, and watch it grow.")
@click.argument("picture", required=False, type=FilePath(dir_okay=False), metavar="[PICTURE]")
@click.option(
    "--size", type=click.IntRange(*SIZES), default=28, show_default=True, help="Cells a side."
)
@scale_option
@cores_option("--threads")
@training_options(**SOLO)
def draw(
    picture: Path | None, size: int, scale: float | None, threads: int, **training: Any
) -> None:
    """Open a window to draw in. Grow trains an NCA on the drawing and plays it.

    \b
    nca-zoo draw
    nca-zoo draw gecko.png --size 40
    nca-zoo draw new.png --regime regenerating

    PICTURE is opened if it exists, scaled to the grid, and saved to.
    """
    try:
        from nca_zoo.viewer.drawing_window import open_window
    except ImportError:
        raise ZooError(
            "this Python has no tkinter, so it cannot open a window; install it "
            "(on Debian and Ubuntu apt-get install python3-tk)"
        ) from None
    from nca_zoo.viewer.drawing import Drawing

    def settings_for(pixels: Any) -> Any:
        return solo_settings(training, pixels)

    drawing = Drawing.blank(size)
    settings_for(drawing.pixels)  # says at once what will not do
    if picture is not None and picture.exists():
        drawing = Drawing.opened(picture, size, scale)
    file = picture.with_suffix(".png") if picture is not None else None
    open_window(drawing, settings_for, file, data_folder() / "draw", threads, _page)


def _page(zoo: Path) -> Path:
    """Write the page of a zoo beside it, and open it in the browser."""
    from nca_zoo.explorer.exhibit import make_exhibit
    from nca_zoo.explorer.page import standalone_page
    from nca_zoo.ground.files import published
    from nca_zoo.store.zoofile import open_zoo

    html = zoo.with_suffix(".html")
    held = open_zoo(zoo)
    with published(html) as part:
        part.write_text(
            standalone_page(make_exhibit(held, ["weights"], len(held), draws=False)), "utf-8"
        )
    webbrowser.open(html.resolve().as_uri())
    return html
