"""Pictures of states: composited over a background, enlarged without blur, with captions.

Every picture is a ``Sheet``: panels of cells, each with a caption below. A ``Reel`` is a sheet
whose panels move: a ``Film`` shows a rollout beside its target, a ``ContactFilm`` many rollouts at
once. A ``strip`` sets chosen steps and the target in rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nca_zoo.automaton.rule import VISIBLE, seen

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Cells = Sequence[tuple[int, int]]  # rows and columns
# What should grow: a picture (H, W, 4), premultiplied in [0, 1], or what is due at a CA step.
Goal = npt.NDArray[Any] | Callable[[int], npt.NDArray[Any]]

MARKED_STEPS = 16  # CA steps for which a film shows where the seed is: half a second
MOST_MARKED = 9  # seed cells; more are a picture themselves
FRAME = 2  # pixels around a marked cell
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
    foot: int = 0  # height of a line below all panels


FILM = Layout(panel=448, gap=32, caption=64, text=24)
STRIP = Layout(panel=168, gap=24, caption=40, text=16)
CONTACT_WIDTH = 1536  # pixels of a contact sheet, about
CONTACT_PANEL = (56, 224)  # and of its panels: the least and the most


def composite(rgba: npt.NDArray[Any], background: str, trained: int = VISIBLE) -> Pixels:
    """Premultiplied RGBA (..., H, W, 4 or more channels), clipped to [0, 1], over a background.

    trained: see ``rule.seen``. Returns uint8 (..., H, W, 3). NaN counts as 0.
    """
    height, width = rgba.shape[-3:-1]
    visible = np.clip(np.nan_to_num(seen(rgba, trained)), 0, 1)
    rows, cols = np.ogrid[:height, :width]
    behind = np.array(BACKGROUNDS[background].cells)[(rows // 2 + cols // 2) % 2] / 255
    rgb = visible[..., :3] + (1 - visible[..., 3:]) * behind
    return np.round(255 * np.minimum(rgb, 1)).astype(np.uint8)


def cell_size(height: int, width: int, panel: int) -> int:
    """Pixels a cell, so that the longer side is near ``panel``: even, as video halves colour."""
    return 2 * max(1, round(panel / max(height, width) / 2))


def due(goal: Goal, step: int) -> npt.NDArray[Any]:
    """The picture (H, W, 4) that is due at a CA step."""
    return goal(step) if callable(goal) else goal


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


def seeds_in(rollout: Sequence[tuple[int, npt.NDArray[Any]]], trained: int = VISIBLE) -> Cells:
    """The cells that a rollout begins with: black, or nearly, so that nobody sees them.

    None if it does not begin at step 0, or with more than ``MOST_MARKED``.
    """
    step, state = rollout[0]
    cells = np.argwhere(np.nan_to_num(seen(state, trained)[..., 3]) > 0)
    if step or len(cells) > MOST_MARKED:
        return []
    return [(int(row), int(column)) for row, column in cells]


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
            layout.gap + rows * (self._picture[0] + layout.caption) + layout.foot,
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

    def mark(self, panel: int, cells: Cells) -> None:
        """Draw a frame around each of these (row, column) of a panel's cells."""
        (height, width), scale = self._picture, self._scale
        top, left = self._corner(panel)
        left += (self._width - width) // 4 * 2
        area = self.canvas[top : top + height, left : left + width]
        for row, column in cells:
            (y0, y1), (x0, x1) = (
                (max(0, scale * place - FRAME), scale * (place + 1) + FRAME)
                for place in (row, column)
            )
            inside = area[scale * row : scale * (row + 1), scale * column : scale * (column + 1)]
            kept = inside.copy()
            area[y0:y1, x0:x1] = self._colours.ink
            inside[:] = kept

    def caption(self, panel: int, left: str, right: str = "") -> None:
        """Write below a panel, at its edges: ``left``, and muted ``right``, shortened to fit."""
        top, edge = self._corner(panel)
        self._write(top + self._picture[0], edge, self._width, self._layout.caption, left, right)

    def foot(self, left: str, right: str = "") -> None:
        """Write in the line below all panels, as ``caption`` does."""
        height, gap = self._layout.foot, self._layout.gap
        top, edge = self.canvas.shape[0] - height - self._margin[0], self._margin[1] + gap
        width = self._columns * (self._width + gap) - gap
        self._write(top, edge, width, height, left, right)

    def _write(self, top: int, edge: int, width: int, height: int, left: str, right: str) -> None:
        layout, colours = self._layout, self._colours
        line = Image.new("RGB", (width, height), colours.page)
        draw, font = ImageDraw.Draw(line), _font(layout.text)
        middle = height / 2 - 1
        draw.text((0, middle), left, colours.ink, font, anchor="lm")
        if right:
            right = _shorten(right, width - font.getlength(left) - layout.text, layout.text)
            draw.text((width, middle), right, colours.muted, font, anchor="rm")
        self.canvas[top : top + height, edge : edge + width] = np.asarray(line)


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel of a ``Reel`` shows, and the two texts below it.

    ``cells`` is uint8 (T, H, W, 3): one picture a frame, or a single one that stands still. Without
    ``left`` the panel tells the step. ``seeds`` are marked until they can be told by what grows.
    """

    cells: Pixels
    left: str | None = None
    right: str = ""
    seeds: Cells = ()


class Reel(Sequence[Pixels]):
    """The frames of a sheet whose panels move, drawn when asked for.

    ``steps`` has the CA step of each frame; ``foot`` stands at the right below all panels, beside
    the step, if the layout has a line there. A frame is uint8 RGB, its sides multiples of 16.
    """

    def __init__(
        self,
        steps: Sequence[int],
        panels: Sequence[Panel],
        columns: int,
        background: str,
        layout: Layout,
        foot: str = "",
    ) -> None:
        self._steps, self._panels, self._layout, self._foot = steps, panels, layout, foot
        height, width = panels[0].cells.shape[1:3]
        self._sheet = Sheet(len(panels), columns, height, width, background, layout)
        for number, panel in enumerate(panels):
            self._sheet.draw(number, panel.cells[0])
            if panel.left is not None:
                self._sheet.caption(number, panel.left, panel.right)

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        step = f"step {self._steps[index]}"
        for number, panel in enumerate(self._panels):
            if len(panel.cells) > 1:
                self._sheet.draw(number, panel.cells[index])
                if self._steps[index] <= MARKED_STEPS:
                    self._sheet.mark(number, panel.seeds)
            if panel.left is None:
                self._sheet.caption(number, step, panel.right)
        if self._layout.foot:
            self._sheet.foot(step, self._foot)
        return self._sheet.canvas.copy()


class Film(Reel):
    """The frames of one rollout: the automaton, and its target beside it.

    rollout: pairs of step and state (H, W, 4 or more channels), premultiplied in [0, 1]. ``name``
    stands below the automaton, ``about`` below the target, which moves along if it does; trained:
    see ``rule.seen``.
    """

    columns, layout = 2, FILM

    def __init__(
        self,
        rollout: Sequence[tuple[int, npt.NDArray[Any]]],
        target: Goal,
        name: str,
        about: str = "",
        background: str = "dark",
        trained: int = VISIBLE,
    ) -> None:
        states = np.stack([state for _, state in rollout])
        seeds = seeds_in(rollout, trained)
        grown = Panel(composite(states, background, trained), None, name, seeds)
        moments = [step for step, _ in rollout] if callable(target) else [0]
        goals = np.stack([due(target, step) for step in moments])
        wanted = Panel(composite(goals, background), "target", about)
        panels = self.arrange(states, grown, wanted, trained)
        super().__init__(
            [step for step, _ in rollout], panels, self.columns, background, self.layout
        )

    def arrange(
        self, states: npt.NDArray[Any], grown: Panel, wanted: Panel, trained: int
    ) -> list[Panel]:
        """The panels in their order; states (T, H, W, channels) are what ``grown`` shows."""
        return [grown, wanted]


class ContactFilm(Reel):
    """The frames of many rollouts side by side, all at the same step; the last is a contact sheet.

    steps: of the frames; panels: one an NCA; columns: 0 chooses; foot: a word on all of them.
    """

    def __init__(
        self,
        steps: Sequence[int],
        panels: Sequence[Panel],
        foot: str = "",
        columns: int = 0,
        background: str = "dark",
    ) -> None:
        columns = min(columns or even_columns(len(panels)), len(panels))
        least, most = CONTACT_PANEL
        panel = min(most, max(least, CONTACT_WIDTH // columns - 16))
        text = 16 if panel > 140 else 12
        layout = Layout(panel, gap=16, caption=2 * text, text=text, foot=40)
        super().__init__(steps, panels, columns, background, layout, foot)


def even_columns(count: int) -> int:
    """Columns for ``count`` panels on a sheet that lies: full rows if they can be had."""
    wanted = math.sqrt(1.6 * count)
    full = [n for n in range(1, count + 1) if count % n == 0 and count <= n * n <= 5 * count]
    return min(full, key=lambda n: abs(n - wanted)) if full else math.ceil(wanted)


def strip(
    rollout: Sequence[tuple[int, npt.NDArray[Any]]],
    target: Goal,
    name: str,
    about: str = "",
    background: str = "dark",
    longest: int = 10,
    trained: int = VISIBLE,
) -> Pixels:
    """All states of a rollout in even rows of at most ``longest`` panels, the target last.

    Of a target that moves it is what is due at the last step. Other arguments as for ``Film``.
    Returns uint8 RGB.
    """
    goal = due(target, rollout[-1][0])
    height, width = goal.shape[:2]
    panels = len(rollout) + 1
    columns = -(-panels // -(-panels // longest))
    sheet = Sheet(panels, columns, height, width, background, STRIP)
    for panel, (step, state) in enumerate(rollout):
        sheet.draw(panel, composite(state, background, trained))
        if step == 0:
            sheet.mark(panel, seeds_in(rollout, trained))
        sheet.caption(panel, f"step {step}", "" if panel else name)
    sheet.draw(panels - 1, composite(goal, background))
    sheet.caption(panels - 1, "target", about)
    return sheet.canvas
