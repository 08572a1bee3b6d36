"""Pictures of how an NCA learned: the training sheet, and the loss curve on a log scale."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nca_zoo.automaton.rule import VISIBLE
from nca_zoo.training.diary import Page
from nca_zoo.viewer.frames import BACKGROUNDS, Colour, Layout, Pixels, Sheet, composite

Floats = npt.NDArray[np.floating]

SHEET = Layout(panel=112, gap=12, caption=26, text=13)
CHANNELS = ("R", "G", "B", "alpha")

WIDTH, HEIGHT = 960, 540  # pixels of the curve
LEFT, TOP, RIGHT, BOTTOM = 76, 56, 28, 56  # around its axes
TEXT, TITLE = 15, 19
LINE: Colour = (92, 148, 255)
SMOOTH = 50  # a curve is drawn again, smoothed over so manieth part of it
LOWEST = 1e-8  # what a loss of zero is drawn as


def training_sheet(
    pages: Sequence[Page],
    target: Floats,
    name: str,
    background: str = "dark",
    trained: int = VISIBLE,
) -> Pixels:
    """A row for each page: the target, what the NCA grows, and its R, G, B and alpha in grey.

    target: ``(H, W, 4)`` in [0, 1], premultiplied, as the pages' pictures. ``name`` stands below
    the first target. trained: how many of these four are, from the last; the others are hidden,
    and left out. Returns uint8 RGB.
    """
    columns = 2 + trained
    height, width = target.shape[:2]
    sheet = Sheet(columns * len(pages), columns, height, width, background, SHEET)
    for row, page in enumerate(pages):
        first = row * columns
        sheet.draw(first, composite(target, background))
        sheet.caption(first, f"step {page.step}", "" if row else name)
        sheet.draw(first + 1, composite(page.grown, background))
        sheet.caption(first + 1, f"{page.psnr_96:.1f} dB")
        for panel, channel in enumerate(range(VISIBLE - trained, VISIBLE), start=first + 2):
            sheet.draw(panel, _grey(page.grown[..., channel]))
            sheet.caption(panel, CHANNELS[channel])
    return sheet.canvas


def _grey(channel: Floats) -> Pixels:
    """A channel ``(H, W)``, clipped to [0, 1], from black to white: ``(H, W, 3)``."""
    level = np.round(255 * np.clip(np.nan_to_num(channel), 0, 1)).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=-1)


def loss_curve(losses: Sequence[float], title: str) -> Pixels:
    """The training loss of every step, on a log scale: faint as it is, and smoothed on top.

    Losses that are not finite leave a gap. Returns uint8 RGB, 540 x 960.
    """
    colours = BACKGROUNDS["dark"]
    picture = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), colours.page)  # halved at the end
    draw = ImageDraw.Draw(picture)
    points = np.maximum(np.asarray(losses, float), LOWEST)
    axes = Axes(points)
    font, big = (ImageFont.load_default(2 * size) for size in (TEXT, TITLE))
    for value, label in axes.grid():
        y = axes.y(value)
        draw.line((axes.left, y, axes.right, y), _faint(colours.muted, 0.35), 2)
        draw.text((axes.left - 16, y), label, colours.muted, font, anchor="rm")
    for step in axes.ticks():
        x = axes.x(step)
        draw.line((x, axes.bottom, x, axes.bottom + 10), colours.muted, 2)
        draw.text((x, axes.bottom + 16), f"{step}", colours.muted, font, anchor="mt")
    draw.text((axes.left, TOP), title, colours.ink, big, anchor="lm")
    words = (axes.right, 2 * (HEIGHT - 12))
    draw.text(words, "training step", colours.muted, font, anchor="rs")
    _line(draw, axes, points, _faint(LINE, 0.45), 2)
    _line(draw, axes, smoothed(points), LINE, 5)
    return np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX))


class Axes:
    """Where a loss lies on the canvas of twice WIDTH x HEIGHT."""

    left, right = 2 * LEFT, 2 * (WIDTH - RIGHT)
    top, bottom = 2 * TOP, 2 * (HEIGHT - BOTTOM)

    def __init__(self, losses: Floats) -> None:
        finite = losses[np.isfinite(losses)]
        low, high = (finite.min(), finite.max()) if len(finite) else (1e-3, 1.0)
        self.low, self.high = np.log10(low) - 0.08, np.log10(high) + 0.08
        self.last = max(2, len(losses))

    def x(self, step: float) -> float:
        """Training step, counted from 1."""
        return self.left + (self.right - self.left) * (step - 1) / (self.last - 1)

    def y(self, loss: float) -> float:
        return self.bottom - (self.bottom - self.top) * (np.log10(loss) - self.low) / (
            self.high - self.low
        )

    def grid(self) -> list[tuple[float, str]]:
        """Values 1, 2 and 5 of every decade in sight, and what stands beside each."""
        decades = range(int(np.floor(self.low)), int(np.ceil(self.high)) + 1)
        values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        inside = [value for value in values if self.low <= np.log10(value) <= self.high]
        powers = [value for value in inside if f"{value:e}"[0] == "1"]
        named = powers if len(powers) > 2 else inside
        return [(value, f"{value:.6g}" if value in named else "") for value in inside]

    def ticks(self) -> list[int]:
        """Round training steps, about six of them, and the first."""
        rough = self.last / 6
        size = 10 ** np.floor(np.log10(max(rough, 1)))
        stride = int(min(n * size for n in (1, 2, 5, 10) if n * size >= rough or n == 10))
        return [1, *(step for step in range(stride, self.last + 1, stride) if step > 1)]


def smoothed(losses: Floats) -> Floats:
    """The running geometric mean of losses ``(N,)`` over a ``SMOOTH``-th of them."""
    half = len(losses) // SMOOTH // 2
    logs = np.log(losses)
    return np.exp([logs[max(0, i - half) : i + half + 1].mean() for i in range(len(losses))])


def _faint(colour: Colour, share: float) -> Colour:
    page = BACKGROUNDS["dark"].page
    red, green, blue = (
        round(share * c + (1 - share) * p) for c, p in zip(colour, page, strict=True)
    )
    return red, green, blue


def _line(
    draw: ImageDraw.ImageDraw, axes: Axes, losses: Floats, colour: Colour, width: int
) -> None:
    """A line through ``losses``, broken where they are not finite."""
    finite = np.isfinite(losses)
    for part in np.split(np.arange(len(losses)), np.flatnonzero(np.diff(finite)) + 1):
        if finite[part[0]]:
            points = [(axes.x(i + 1), axes.y(losses[i])) for i in part]
            draw.line(points * 2 if len(points) == 1 else points, colour, width, joint="curve")
