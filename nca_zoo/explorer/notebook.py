"""The explorer's page inside a notebook: NCAs that grow, and heal or not, at a touch."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.page import standalone_page
from nca_zoo.explorer.places import FEWEST_FOR_UMAP
from nca_zoo.pictures.targets import restored
from nca_zoo.store.sampling import sample_rows
from nca_zoo.viewer.frames import Layout, Sheet, composite

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

MOST = min(20, FEWEST_FOR_UMAP - 1)  # NCAs that nobody named: without UMAP's slow start
SHOWN = 8  # in the still picture
THUMBNAILS = Layout(panel=112, gap=12, caption=24, text=14)


class Live:
    """What ``live`` returns: a notebook shows the page, and a reader of the saved file a picture.

    The page is an ``iframe`` that may run its own scripts and reach nothing: neither the notebook
    around it nor the network.
    """

    def __init__(self, page: str, still: bytes, height: int) -> None:
        self.page, self.still, self.height = page, still, height

    def __repr__(self) -> str:
        return "<NCAs, alive: run this cell>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        address = base64.b64encode(self.page.encode()).decode()
        frame = (
            f'<iframe src="data:text/html;base64,{address}" sandbox="allow-scripts" '
            f'title="NCAs, alive" width="100%" height="{self.height}" style="border:0"></iframe>'
        )
        return {"text/html": frame, "image/png": base64.b64encode(self.still).decode()}


def live(zoo: "Zoo", ids: Sequence[str] | None = None, height: int = 760) -> Live:
    """Show NCAs alive in a notebook: the page of ``nca-zoo explore``, with all its controls.

    ids: which, the first of them growing; otherwise up to 20 good ones, drawn evenly over the
    classes. height: of the page, in pixels. Weighs about 50 KB an NCA in the notebook. Raises
    ZooError, naming the nearest ids, for one that the zoo does not have.
    """
    if ids is None:
        good = zoo.subset(zoo.good)
        chosen = good.subset(sample_rows(good.label, MOST))
    else:
        chosen = zoo.subset([zoo.index(nca_id) for nca_id in ids])
    opening = None if ids is None else 0
    exhibit = make_exhibit(chosen, total=len(zoo), opening=opening, draws=False)  # 1.3 MB a pad
    page = standalone_page(exhibit)
    return Live(page, _still(chosen), height)


def _still(zoo: "Zoo") -> bytes:
    """A PNG of what the first few grew, for wherever the page cannot run."""
    few = zoo.subset(range(min(SHOWN, len(zoo))))
    sheet = Sheet(len(few), len(few), *zoo.grid, "dark", THUMBNAILS)
    for panel, (name, grown) in enumerate(zip(few.id, few.grown, strict=True)):
        sheet.draw(panel, composite(restored(grown), "dark"))
        sheet.caption(panel, name)
    content = io.BytesIO()
    Image.fromarray(sheet.canvas).save(content, "PNG", optimize=True)
    return content.getvalue()
