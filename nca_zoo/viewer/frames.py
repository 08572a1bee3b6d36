"""Pictures of states: composited over a background, enlarged without blur, with captions.

Every picture is a ``Sheet``: panels of cells, each with a caption below. A ``Film`` draws the
frames of a rollout beside its target; a ``strip`` sets chosen steps and the target in rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

BLOCK = 16  # a canvas has sides of so many pixels times a whole number, as video is coded


@dataclass(frozen=True)
class Background:
    """Colours of a picture. Transparent cells show ``cells``, in squares of 2 x 2 cells."""

    page: Colour
    cells: tuple[Colour, Colour]
    ink: Colour
    muted: Colour


# Multiples of 4 survive the rounding of a GIF's colours.
_NIGHT = Background((12, 16, 20), ((24, 28, 36),) * 2, (232, 236, 240), (132, 140, 156))

# Digits are white ink on transparent cells, so white behind them would leave nothing to see.
BACKGROUNDS = {
    "dark": _NIGHT,
    "light": Background((255, 255, 255), ((220, 224, 232),) * 2, (28, 28, 36), (104, 112, 128)),
    "checker": replace(_NIGHT, cells=((44, 48, 56), (60, 64, 72))),
}


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels."""

    panel: int  # a picture's longer side, about: cells are a whole, even number of pixels
    gap: int  # between panels, and around them
    caption: int  # height of the line below a panel
    text: int  # size of its letters


FILM = Layout(panel=448, gap=32, caption=64, text=24)
STRIP = Layout(panel=168, gap=24, caption=40, text=16)


def composite(rgba: npt.NDArray[Any], background: str) -> Pixels:
    """Premultiplied RGBA (..., H, W, 4 or more channels), clipped to [0, 1], over a background.

    Returns uint8 (..., H, W, 3). NaN counts as 0.
    """
    height, width = rgba.shape[-3:-1]
    visible = np.clip(np.nan_to_num(rgba[..., :4]), 0, 1)
    rows, cols = np.ogrid[:height, :width]
    behind = np.array(BACKGROUNDS[background].cells)[(rows // 2 + cols // 2) % 2] / 255
    rgb = visible[..., :3] + (1 - visible[..., 3:]) * behind
    return np.round(255 * np.minimum(rgb, 1)).astype(np.uint8)


def cell_size(height: int, width: int, panel: int) -> int:
    """Pixels a cell, so that the longer side is near ``panel``: even, as video halves colour."""
    return 2 * max(1, round(panel / max(height, width) / 2))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shorten(text: str, width: float, size: int) -> str:
    """``text``, or as much of it as fits ``width`` pixels, with an ellipsis."""
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""


class Sheet:
    """Panels of ``height`` x ``width`` cells in rows of ``columns``, each with a caption below.

    ``canvas`` is the picture: uint8 (height, width, 3), both sides multiples of 16.
    """

    def __init__(
        self, panels: int, columns: int, height: int, width: int, background: str, layout: Layout
    ) -> None:
        self._layout, self._colours = layout, BACKGROUNDS[background]
        self._columns = min(columns, panels)
        self._scale = cell_size(height, width, layout.panel)
        self._picture = (height * self._scale, width * self._scale)
        self._width = max(self._picture[1], 8 * layout.text)  # room for a caption
        rows = -(-panels // self._columns)
        used = (
            layout.gap + rows * (self._picture[0] + layout.caption),
            layout.gap + self._columns * (self._width + layout.gap),
        )
        sides = [-(-side // BLOCK) * BLOCK for side in used]
        self._margin = [(side - use) // 4 * 2 for side, use in zip(sides, used, strict=True)]
        self.canvas: Pixels = np.empty((*sides, 3), np.uint8)
        self.canvas[:] = self._colours.page

    def _corner(self, panel: int) -> tuple[int, int]:
        """Upper left pixel of a panel."""
        row, column = divmod(panel, self._columns)
        gap = self._layout.gap
        return (
            self._margin[0] + gap + row * (self._picture[0] + self._layout.caption),
            self._margin[1] + gap + column * (self._width + gap),
        )

    def draw(self, panel: int, cells: Pixels) -> None:
        """Fill a panel with ``cells`` (H, W, 3)."""
        (height, width), scale = self._picture, self._scale
        top, left = self._corner(panel)
        left += (self._width - width) // 4 * 2
        area = self.canvas[top : top + height, left : left + width]
        rows = np.repeat(cells, scale, axis=1)
        area.reshape(-1, scale, width, 3)[:] = rows[:, None]

    def caption(self, panel: int, left: str, right: str = "") -> None:
        """Write below a panel, at its edges: ``left``, and muted ``right``, shortened to fit."""
        layout, colours = self._layout, self._colours
        line = Image.new("RGB", (self._width, layout.caption), colours.page)
        draw, font = ImageDraw.Draw(line), _font(layout.text)
        middle = layout.caption / 2 - 1
        draw.text((0, middle), left, colours.ink, font, anchor="lm")
        right = _shorten(right, self._width - font.getlength(left) - layout.text, layout.text)
        draw.text((self._width, middle), right, colours.muted, font, anchor="rm")
        top, edge = self._corner(panel)
        top += self._picture[0]
        self.canvas[top : top + layout.caption, edge : edge + self._width] = np.asarray(line)


class Film(Sequence[Pixels]):
    """The frames of one rollout, drawn when asked for: the automaton, and its target beside it.

    rollout: pairs of step and state (H, W, 4 or more channels); target: (H, W, 4); both in [0, 1],
    premultiplied. ``name`` stands below the automaton, ``about`` below the target. A frame is
    uint8 RGB, its sides multiples of 16.
    """

    def __init__(
        self,
        rollout: Sequence[tuple[int, npt.NDArray[Any]]],
        target: npt.NDArray[Any],
        name: str,
        about: str = "",
        background: str = "dark",
    ) -> None:
        height, width = target.shape[:2]
        self._name = name
        self._steps = [step for step, _ in rollout]
        self._cells = composite(np.stack([state[..., :4] for _, state in rollout]), background)
        self._sheet = Sheet(2, 2, height, width, background, FILM)
        self._sheet.draw(1, composite(target, background))
        self._sheet.caption(1, "target", about)

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        self._sheet.draw(0, self._cells[index])
        self._sheet.caption(0, f"step {self._steps[index]}", self._name)
        return self._sheet.canvas.copy()


def strip(
    rollout: Sequence[tuple[int, npt.NDArray[Any]]],
    target: npt.NDArray[Any],
    name: str,
    about: str = "",
    background: str = "dark",
    longest: int = 10,
) -> Pixels:
    """All states of a rollout in even rows of at most ``longest`` panels, the target last.

    Other arguments as for ``Film``. Returns uint8 RGB.
    """
    height, width = target.shape[:2]
    panels = len(rollout) + 1
    columns = -(-panels // -(-panels // longest))
    sheet = Sheet(panels, columns, height, width, background, STRIP)
    for panel, (step, state) in enumerate(rollout):
        sheet.draw(panel, composite(state, background))
        sheet.caption(panel, f"step {step}", "" if panel else name)
    sheet.draw(panels - 1, composite(target, background))
    sheet.caption(panels - 1, "target", about)
    return sheet.canvas
