"""What zoos and NCAs look like at a prompt and in a notebook: small tables with pictures."""

import base64
import html
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nca_zoo.errors import printable
from nca_zoo.pictures.targets import restored
from nca_zoo.viewer.frames import composite

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

ROWS = 8  # of a table; of more, the first and the last
SIDE = 56  # pixels of a small picture
COLUMNS = ("id", "class_name", "split", "psnr_96", "psnr_400", "status")
MOST_NAMED = 40  # columns


def table(zoo: "Zoo") -> str:
    """A few rows of a zoo, and the names of all columns."""
    rows = _some(len(zoo))
    cells = [list(COLUMNS)] + [[_text(zoo.column(name)[row]) for name in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    if len(rows) < len(zoo):
        lines.insert(1 + len(rows) // 2, "...")
    return "\n".join([_head(zoo), *(lines if rows else []), f"columns: {_columns(zoo)}"])


def zoo_html(zoo: "Zoo") -> str:
    """The same as HTML, with pictures: what each was to grow, and what it grew."""
    rows = _some(len(zoo))
    few = zoo.subset(rows)
    names = ("", "", *COLUMNS)
    body = []
    for row in range(len(few)):
        pictures = (picture(few.target[row]), picture(few.grown[row]))
        texts = (html.escape(_text(few.column(name)[row])) for name in COLUMNS)
        body.append(_row((*pictures, *texts), "td"))
    more = f"<p>{len(zoo) - len(rows)} more between them.</p>" if len(rows) < len(zoo) else ""
    return (
        f"<p><b>{html.escape(_head(zoo))}</b></p><table>{_row(names, 'th')}{''.join(body)}</table>"
        f"{more}<p>columns: {html.escape(_columns(zoo))}</p>"
    )


def nca_html(zoo: "Zoo", name: str) -> str:
    """A zoo of one: target and what it grew, and all that is one value."""
    values = ((column, _text(zoo.column(column)[0])) for column in zoo.scalars)
    listed = "".join(
        _row((html.escape(column), html.escape(text)), "td")
        for column, text in values
        if column != "weights_sha256"
    )
    return (
        f"<p><b>NCA {html.escape(name)}</b></p>{picture(zoo.target[0], 3 * SIDE)} "
        f"{picture(zoo.grown[0], 3 * SIDE)}<p>what it should grow, and what it grew</p>"
        f"<table>{listed}</table>"
    )


def picture(rgba: Any, side: int = SIDE) -> str:
    """Stored RGBA ``(H, W, 4)`` as an ``img`` that needs nothing else."""
    content = io.BytesIO()
    Image.fromarray(composite(restored(rgba), "dark")).save(content, "PNG")
    return image(content.getvalue(), "png", f"width:{side}px;image-rendering:pixelated")


def image(content: bytes, kind: str, style: str = "max-width:100%") -> str:
    """A PNG or GIF as an ``img`` that needs nothing else."""
    data = base64.b64encode(content).decode()
    return f'<img src="data:image/{kind};base64,{data}" style="{style}">'


def _head(zoo: "Zoo") -> str:
    height, width = zoo.grid
    path = printable(str(zoo.path))
    return f"{path}: {len(zoo)} NCAs of {height} x {width} cells"


def _columns(zoo: "Zoo") -> str:
    names = zoo.columns
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _some(count: int) -> list[int]:
    if count <= ROWS:
        return list(range(count))
    return [*range(ROWS // 2), *range(count - ROWS // 2, count)]


def _text(value: Any) -> str:
    if isinstance(value, np.floating):
        return f"{value:.4g}"
    return printable(str(value))


def _row(cells: tuple[str, ...], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>"
