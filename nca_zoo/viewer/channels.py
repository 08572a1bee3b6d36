"""States channel by channel: what the picture is made of, and what is hidden behind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import CHANNELS, VISIBLE, alive
from nca_zoo.viewer.frames import (
    BACKGROUNDS,
    STRIP,
    Colour,
    Film,
    Goal,
    Layout,
    Panel,
    Pixels,
    Sheet,
    composite,
    due,
)

COLOURS = ("red", "green", "blue", "alpha")
ZERO: Colour = BACKGROUNDS["dark"].cells[0]  # colour of a channel at 0
BELOW: Colour = (74, 163, 255)  # and at -1
HIDDEN: Colour = (255, 176, 66)  # a hidden one at +1
INKS: tuple[Colour, ...] = ((255, 96, 96), (96, 224, 128), (104, 152, 255), (255, 255, 255))

TABLE = Layout(panel=112, gap=16, caption=32, text=14)


def named_channels(trained: int = VISIBLE) -> dict[str, int]:
    """Names of the 16 channels, the visible ones first, and where each stands in a state.

    trained: see ``rule.seen``. Red, green and blue of a grey NCA are its hidden 13 to 15.
    """
    first = VISIBLE - trained
    hidden = (*range(VISIBLE, CHANNELS), *range(first))
    names = (*COLOURS[first:], *(f"hidden {i + 1}" for i in range(len(hidden))))
    return dict(zip(names, (*range(first, VISIBLE), *hidden), strict=True))


def views(trained: int = VISIBLE) -> tuple[str, ...]:
    """What ``look`` can show of a state."""
    return ("picture", "alive mask", *named_channels(trained))


def tint(values: npt.NDArray[Any], above: Colour = HIDDEN) -> Pixels:
    """Numbers (...) as colours (..., 3): blue at -1, dark at 0, ``above`` at +1.

    What lies beyond -1 and +1 looks like them; NaN counts as 0.
    """
    values = np.clip(np.nan_to_num(values), -1, 1)[..., None]
    zero = np.array(ZERO)
    goal = np.where(values < 0, np.array(BELOW), np.array(above))
    return np.round(zero + np.abs(values) * (goal - zero)).astype(np.uint8)


def shade(values: npt.NDArray[Any], channel: int, trained: int = VISIBLE) -> Pixels:
    """``tint`` with the colour of a channel, which a hidden one has not."""
    return tint(values, INKS[channel] if VISIBLE - trained <= channel < VISIBLE else HIDDEN)


def look(
    state: npt.NDArray[Any], view: str, background: str = "dark", trained: int = VISIBLE
) -> Pixels:
    """A state (H, W, 16) as colours (H, W, 3), in one of ``views(trained)``."""
    if view == "picture":
        return composite(state, background, trained)
    if view == "alive mask":
        return shade(alive(state), 1)
    channel = named_channels(trained)[view]
    return shade(state[..., channel], channel, trained)


class ChannelFilm(Film):
    """The frames of one rollout, its channels apart: picture, R, G, B, alpha, target, 12 hidden.

    Of a grey NCA: picture, alpha, target, 15 hidden.

    rollout: pairs of step and state (H, W, 16); other arguments as for ``Film``.
    """

    columns, layout = 6, STRIP

    def arrange(
        self, states: npt.NDArray[Any], grown: Panel, wanted: Panel, trained: int
    ) -> list[Panel]:
        """See ``Film.arrange``."""
        channels = [
            Panel(shade(states[..., c], c, trained), name)
            for name, c in named_channels(trained).items()
        ]
        return [grown, *channels[:trained], wanted, *channels[trained:]]


def channel_table(
    rollout: Sequence[tuple[int, npt.NDArray[Any]]],
    target: Goal,
    name: str,
    about: str = "",
    background: str = "dark",
    trained: int = VISIBLE,
) -> Pixels:
    """A row for each state of a rollout: the picture, then every channel; last, the target's row.

    Arguments as for ``ChannelFilm``. Returns uint8 RGB.
    """
    target = due(target, rollout[-1][0])
    height, width = target.shape[:2]
    columns = 1 + CHANNELS
    channels = named_channels(trained)
    sheet = Sheet((len(rollout) + 1) * columns, columns, height, width, background, TABLE)
    for row, (step, state) in enumerate(rollout):
        sheet.draw(row * columns, composite(state, background, trained))
        sheet.caption(row * columns, f"step {step}", "" if row else name)
        for panel, (channel, c) in enumerate(channels.items(), start=row * columns + 1):
            sheet.draw(panel, shade(state[..., c], c, trained))
            sheet.caption(panel, channel)
    last = len(rollout) * columns
    sheet.draw(last, composite(target, background))
    sheet.caption(last, "target", about)
    for panel, (channel, c) in enumerate(list(channels.items())[:trained], start=last + 1):
        sheet.draw(panel, shade(target[..., c], c, trained))
        sheet.caption(panel, channel)
    return sheet.canvas
