"""A picture in a Tk window on which a rollout plays."""

import tkinter as tk
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import VISIBLE, seen
from nca_zoo.viewer.frames import composite
from nca_zoo.viewer.window import show_cells

FRAME_MS = 33


class CellView(tk.Label):
    """Cells, each ``scale`` x ``scale`` pixels."""

    def __init__(self, parent: tk.Misc, height: int, width: int, scale: int, **look: Any) -> None:
        super().__init__(parent, borderwidth=0, **look)
        self.scale = scale
        self.show(np.zeros((height, width, 4)))

    def show(self, rgba: npt.NDArray[Any]) -> None:
        """Premultiplied RGBA ``(H, W, 4 or more channels)`` in [0, 1], over a checkerboard."""
        show_cells(self, composite(rgba, "checker"), self.scale)


class Player(CellView):
    """A view on which rollouts play: 30 states a second, until they end."""

    step = 0  # of the state in sight
    _timer = ""

    def play(self, rollout: Iterator[tuple[int, npt.NDArray[Any]]], trained: int = VISIBLE) -> None:
        """Play pairs of step and state ``(H, W, 16)`` from the start; trained: ``rule.seen``."""
        self.halt()
        self._rollout, self._trained = rollout, trained
        self._tick()

    def halt(self) -> None:
        """Stand still."""
        if self._timer:
            self.after_cancel(self._timer)
            self._timer = ""

    @property
    def playing(self) -> bool:
        return bool(self._timer)

    def _tick(self) -> None:
        self._timer = ""
        following = next(self._rollout, None)
        if following is not None:
            self.step, state = following
            self.show(seen(state, self._trained))
            self.event_generate("<<Step>>")
            self._timer = self.after(FRAME_MS, self._tick)
