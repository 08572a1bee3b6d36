"""Pictures of mixtures: lines between NCAs as rows, the means of all classes, many side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo.viewer.frames import Layout, Pixels, Sheet, composite, even_columns

if TYPE_CHECKING:
    from nca_zoo.studies.mixing import Line, Survey

LOOK = Layout(panel=112, gap=12, caption=28, text=11)


def line_sheet(lines: Sequence["Line"], background: str = "dark") -> Pixels:
    """One row for every line, all with as many points: uint8 RGB."""
    columns = len(lines[0].t)
    height, width = lines[0].pictures.shape[1:3]
    sheet = Sheet(columns * len(lines), columns, height, width, background, LOOK)
    for row, line in enumerate(lines):
        for i, (t, picture) in enumerate(zip(line.t, line.pictures, strict=True)):
            panel = row * columns + i
            sheet.draw(panel, composite(picture, background))
            name = {0: line.start, columns - 1: line.end}.get(i, f"t = {t:.2f}")
            sheet.caption(panel, name, "aligned" if line.aligned and i == columns - 1 else "")
    return sheet.canvas


def means_sheet(survey: "Survey", background: str = "dark") -> Pixels:
    """What the mean weights of each class grow, above the mean of its pictures: uint8 RGB."""
    n = len(survey.classes)
    height, width = survey.means.shape[1:3]
    sheet = Sheet(2 * n, n, height, width, background, LOOK)
    for i, name in enumerate(survey.classes):
        sheet.draw(i, composite(survey.means[i], background))
        sheet.caption(i, f"mean of {name}", f"read {survey.means_read[i] or 'nothing'}")
        sheet.draw(n + i, composite(survey.mean_pictures[i], background))
        sheet.caption(n + i, "in pixels")
    return sheet.canvas


def pictures_sheet(
    pictures: Sequence[npt.NDArray[np.float32]],
    captions: Sequence[tuple[str, str]],
    columns: int = 0,
    background: str = "dark",
) -> Pixels:
    """Pictures ``(H, W, 4)`` in rows, two texts below each: uint8 RGB. columns: 0 chooses."""
    height, width = pictures[0].shape[:2]
    n = len(pictures)
    sheet = Sheet(n, columns or even_columns(n), height, width, background, LOOK)
    for panel, (picture, texts) in enumerate(zip(pictures, captions, strict=True)):
        sheet.draw(panel, composite(picture, background))
        sheet.caption(panel, *texts)
    return sheet.canvas
