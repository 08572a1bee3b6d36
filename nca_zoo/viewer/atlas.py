"""The map as a picture: every NCA is its own picture, in the colour of its class."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nca_zoo.viewer.frames import BACKGROUNDS, Colour, Pixels

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.integer]

# Ten colours that differ in hue and lightness, all bright enough on the dark page.
PALETTE: tuple[Colour, ...] = (
    (255, 107, 107),
    (255, 169, 77),
    (255, 224, 102),
    (140, 214, 90),
    (56, 198, 150),
    (80, 208, 236),
    (92, 148, 255),
    (168, 128, 255),
    (246, 132, 220),
    (222, 226, 230),
)
UNKNOWN: Colour = (134, 142, 150)  # no class

MARGIN, HEADER, FOOTER = 36, 84, 72  # pixels
TITLE, TEXT = 28, 18


def colour_of(label: int, classes: list[int]) -> Colour:
    """The colour of a class; colours come round again after ten classes."""
    return PALETTE[classes.index(label) % len(PALETTE)] if label in classes else UNKNOWN


def tint(pictures: Bytes, labels: Ints, classes: list[int]) -> Bytes:
    """Premultiplied pictures ``(N, H, W, 4)`` as their brightness, in the colour of their class."""
    light = np.array([0.299, 0.587, 0.114])
    ink = (pictures[..., :3] @ light / 255)[..., None]  # (N, H, W, 1)
    colours = np.array([colour_of(int(label), classes) for label in labels])
    page = np.array(BACKGROUNDS["dark"].page)
    return np.round(ink * colours[:, None, None] + (1 - ink) * page).astype(np.uint8)


def atlas(
    pictures: Bytes,
    labels: Ints,
    cells: Ints,
    grid: tuple[int, int],
    title: str,
    caption: str,
    names: Mapping[int, str] = {},
) -> Pixels:
    """The map, uint8 RGB: picture i ``(H, W, 4)`` at cell ``cells[i]`` (row, column) of ``grid``.

    Above stand the title and a legend of the classes, by their ``names``; below the caption.
    """
    classes = sorted({int(label) for label in labels if label >= 0})
    height, width = pictures.shape[1:3]
    size = (
        HEADER + grid[0] * height + FOOTER,
        2 * MARGIN + grid[1] * width,
    )
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = BACKGROUNDS["dark"].page
    for picture, (row, column) in zip(tint(pictures, labels, classes), cells, strict=True):
        top, left = HEADER + row * height, MARGIN + column * width
        canvas[top : top + height, left : left + width] = picture
    called = {label: names.get(label, str(label)) for label in classes}
    image = Image.fromarray(canvas)
    _write(ImageDraw.Draw(image), size, title, caption, called, bool((labels < 0).any()))
    return np.asarray(image)


def _write(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    title: str,
    caption: str,
    names: Mapping[int, str],
    unknown: bool,
) -> None:
    colours = BACKGROUNDS["dark"]
    big, small = ImageFont.load_default(TITLE), ImageFont.load_default(TEXT)
    draw.text((MARGIN, HEADER / 2), title, colours.ink, big, anchor="lm")
    draw.text((MARGIN, size[0] - FOOTER / 2), caption, colours.muted, small, anchor="lm")
    entries = [(name, colour_of(label, list(names))) for label, name in names.items()]
    right, room = float(size[1] - MARGIN), MARGIN + big.getlength(title) + MARGIN
    for name, colour in reversed([*entries, ("no class", UNKNOWN)] if unknown else entries):
        length = big.getlength(name)
        if right - length < room:  # more classes than the line has room for
            draw.text((right, HEADER / 2), "…", colours.muted, big, anchor="rm")
            break
        draw.text((right, HEADER / 2), name, colour, big, anchor="rm")
        right -= length + TITLE * 0.7
