"""The terminal as a screen: half blocks in 24-bit colour, or plain characters where there is none.

A half block shows two cells, one above the other, as its two colours; so a pair of 28 x 28
pictures takes 60 columns and 14 lines. What does not fit is averaged down; where there is room for
more, a cell is so many characters wide and half as many lines high.
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import VISIBLE, seen
from nca_zoo.viewer.frames import Goal, Pixels, composite, due

GAP = 4  # columns between the automaton and its target
RAMP = " .:-=+*#%@"
LUMA = (0.2126, 0.7152, 0.0722)  # Rec. 709
HIDE_CURSOR, SHOW_CURSOR, PLAIN = "\x1b[?25l", "\x1b[?25h", "\x1b[0m"


@dataclass(frozen=True)
class Abilities:
    """What a stream can show."""

    colour: bool
    animate: bool

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> "Abilities":
        """Colour and pictures animated in place on terminals that are not dumb.

        No colour if ``NO_COLOR`` is set or a half block cannot be encoded; and in a file or a pipe
        no escape code at all.
        """
        able = stream.isatty() and environ.get("TERM") != "dumb"
        try:
            "▀".encode(stream.encoding or "ascii")
        except UnicodeEncodeError:
            blocks = False
        else:
            blocks = True
        return cls(colour=able and blocks and not environ.get("NO_COLOR"), animate=able)


def half_blocks(cells: Pixels) -> list[str]:
    """Lines that show ``cells`` (H, W, 3), two rows of cells a line, W columns wide."""
    lines = []
    for top in range(0, len(cells), 2):
        pair = cells[top : top + 2].tolist()
        line, held = [], ""
        for column, upper in enumerate(pair[0]):
            colours = "\x1b[38;2;{};{};{}".format(*upper)
            if len(pair) == 2:
                colours += ";48;2;{};{};{}".format(*pair[1][column])
            if colours != held:
                line.append(colours + "m")
                held = colours
            line.append("▀")
        lines.append("".join(line) + PLAIN)
    return lines


def shades(rgba: npt.NDArray[Any]) -> list[str]:
    """Lines as of ``half_blocks`` in plain characters: brightness over black, of (H, W, 4)."""
    light = np.clip(np.nan_to_num(rgba[..., :3]), 0, 1) @ LUMA
    if len(light) % 2:
        light = np.vstack([light, np.zeros_like(light[:1])])
    light = light.reshape(-1, 2, light.shape[1]).mean(axis=1)
    levels = np.round(light * (len(RAMP) - 1)).astype(int)
    return ["".join(RAMP[level] for level in line) for line in levels]


class Screen:
    """Draws an automaton beside its target, both premultiplied in [0, 1], as text.

    ``size`` is what the terminal holds, in columns and lines; trained: see ``rule.seen``.
    """

    def __init__(
        self,
        target: Goal,
        name: str,
        about: str = "",
        background: str = "dark",
        colour: bool = True,
        size: tuple[int, int] = (80, 24),
        trained: int = VISIBLE,
    ) -> None:
        self._name, self._background, self._colour = name, background, colour
        self._trained = trained
        height, width = due(target, 0).shape[:2]
        room = ((size[0] - GAP) // 2, 2 * (size[1] - 2))  # of a picture: columns, halves of lines
        self._grow = max(1, min(room[0] // width, room[1] // height))
        self._shrink = 1
        while self._shrink < max(height, width) and (
            -(-width // self._shrink) > room[0] or -(-height // self._shrink) > room[1]
        ):
            self._shrink += 1
        self._width = -(-width // self._shrink) * self._grow
        self._goal = target
        self._still = [] if callable(target) else self._picture(target)
        self._caption = self._line("target", about)

    def draw(self, step: int, state: npt.NDArray[Any]) -> list[str]:
        """Lines that show a state (H, W, 4 or more channels); always the same number of them."""
        between = " " * GAP
        wanted = self._still or self._picture(due(self._goal, step))
        pairs = zip(self._picture(seen(state, self._trained)), wanted, strict=True)
        caption = self._line(f"step {step}", self._name) + between + self._caption
        return [*(left + between + right for left, right in pairs), caption.rstrip()]

    def _picture(self, rgba: npt.NDArray[Any]) -> list[str]:
        cells = _average(rgba, self._shrink)
        if self._colour:
            return half_blocks(self._enlarged(composite(cells, self._background)))
        return shades(self._enlarged(cells))

    def _enlarged(self, cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return cells.repeat(self._grow, axis=0).repeat(self._grow, axis=1)

    def _line(self, left: str, right: str) -> str:
        """A caption as wide as a picture: texts at both edges, the right one only if it fits."""
        room = self._width - len(left)
        return left + (right.rjust(room) if len(right) < room else " " * room)


def _average(rgba: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Means of blocks of ``side`` x ``side`` cells; what a block lacks at the edge is empty."""
    if side == 1:
        return rgba
    height, width, channels = rgba.shape
    rows, cols = -(-height // side), -(-width // side)
    full = np.zeros((rows * side, cols * side, channels), rgba.dtype)
    full[:height, :width] = np.clip(rgba, 0, 1)
    return full.reshape(rows, side, cols, side, channels).mean(axis=(1, 3))


def play(pictures: Iterable[list[str]], fps: float, stream: TextIO, animate: bool) -> None:
    """Show pictures one over the other, ``fps`` a second; without ``animate`` only the last.

    However it ends, also by Ctrl-C, the cursor is back and stands below the picture.
    """
    if not animate:
        for last in deque(pictures, maxlen=1):
            stream.write("\n".join(last) + "\n")
        return
    stream.write(HIDE_CURSOR)
    lines = 0
    due = time.monotonic()
    try:
        for picture in pictures:
            if lines:
                stream.write(f"\x1b[{lines}F")
            lines = len(picture)
            stream.write("".join(f"{line}\x1b[K\n" for line in picture))
            stream.flush()
            due += 1 / fps
            time.sleep(max(0.0, due - time.monotonic()))
    finally:
        stream.write(PLAIN + SHOW_CURSOR)
        stream.flush()
