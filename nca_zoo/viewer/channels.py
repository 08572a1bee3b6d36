"""States channel by channel: what the picture is made of, and what is hidden behind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.rule import CHANNELS, VISIBLE, alive
from nca_zoo.viewer.frames import (
    BACKGROUNDS,
    STRIP,
    Colour,
    Film,
    Layout,
    Panel,
    Pixels,
    Sheet,
    composite,
)

NAMES = ("red", "green", "blue", "alpha", *(f"hidden {i + 1}" for i in range(CHANNELS - VISIBLE)))
ZERO: Colour = BACKGROUNDS["dark"].cells[0]  # colour of a channel at 0
BELOW: Colour = (74, 163, 255)  # and at -1
HIDDEN: Colour = (255, 176, 66)  # a hidden one at +1
INKS: tuple[Colour, ...] = ((255, 96, 96), (96, 224, 128), (104, 152, 255), (255, 255, 255))
VIEWS = ("picture", "alive mask", *NAMES)

TABLE = Layout(panel=112, gap=16, caption=32, text=14)


def tint(values: npt.NDArray[Any], above: Colour = HIDDEN) -> Pixels:
    """Numbers (...) as colours (..., 3): blue at -1, dark at 0, ``above`` at +1.

    What lies beyond -1 and +1 looks like them; NaN counts as 0.
    """
    values = np.clip(np.nan_to_num(values), -1, 1)[..., None]
    zero = np.array(ZERO)
    goal = np.where(values < 0, np.array(BELOW), np.array(above))
    return np.round(zero + np.abs(values) * (goal - zero)).astype(np.uint8)


def shade(values: npt.NDArray[Any], channel: int) -> Pixels:
    """``tint`` with the colour of a channel, which a hidden one has not."""
    return tint(values, INKS[channel] if channel < len(INKS) else HIDDEN)


def look(state: npt.NDArray[Any], view: str, background: str = "dark") -> Pixels:
    """A state (H, W, 16) as colours (H, W, 3), in one of ``VIEWS``."""
    if view == "picture":
        return composite(state, background)
    if view == "alive mask":
        return shade(alive(state), 1)
    channel = NAMES.index(view)
    return shade(state[..., channel], channel)


class ChannelFilm(Film):
    """The frames of one rollout, its channels apart: picture, R, G, B, alpha, target, 12 hidden.

    rollout: pairs of step and state (H, W, 16); other arguments as for ``Film``.
    """

    columns, layout = 6, STRIP

    def arrange(self, states: npt.NDArray[Any], grown: Panel, wanted: Panel) -> list[Panel]:
        """See ``Film.arrange``."""
        channels = [Panel(shade(states[..., c], c), NAMES[c]) for c in range(CHANNELS)]
        return [grown, *channels[:VISIBLE], wanted, *channels[VISIBLE:]]


def channel_table(
    rollout: Sequence[tuple[int, npt.NDArray[Any]]],
    target: npt.NDArray[Any],
    name: str,
    about: str = "",
    background: str = "dark",
) -> Pixels:
    """A row for each state of a rollout: the picture, then every channel; last, the target's row.

    Arguments as for ``ChannelFilm``. Returns uint8 RGB.
    """
    height, width = target.shape[:2]
    columns = 1 + CHANNELS
    sheet = Sheet((len(rollout) + 1) * columns, columns, height, width, background, TABLE)
    for row, (step, state) in enumerate(rollout):
        sheet.draw(row * columns, composite(state, background))
        sheet.caption(row * columns, f"step {step}", "" if row else name)
        for c in range(CHANNELS):
            sheet.draw(row * columns + 1 + c, shade(state[..., c], c))
            sheet.caption(row * columns + 1 + c, NAMES[c])
    last = len(rollout) * columns
    sheet.draw(last, composite(target, background))
    sheet.caption(last, "target", about)
    for c in range(VISIBLE):
        sheet.draw(last + 1 + c, shade(target[..., c], c))
        sheet.caption(last + 1 + c, NAMES[c])
    return sheet.canvas
