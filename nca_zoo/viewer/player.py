"""A picture in a Tk window, in which an NCA lives and can be wounded."""

import tkinter as tk
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import VISIBLE, seen
from nca_zoo.automaton.wounds import Wound
from nca_zoo.life.rollout import Life
from nca_zoo.viewer.frames import composite
from nca_zoo.viewer.window import show_cells

FRAME_MS = 33
WOUND = 2.0  # radius in cells of what the mouse erases


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
    """A view in which an NCA lives, 30 steps a second; where the mouse drags, its cells die."""

    life: Life | None = None
    _timer = ""

    def __init__(self, parent: tk.Misc, height: int, width: int, scale: int) -> None:
        super().__init__(parent, height, width, scale, cursor="crosshair")
        for event in ("<Button-1>", "<B1-Motion>"):
            self.bind(event, self._wound)

    @property
    def step(self) -> int:
        """That of the state in sight."""
        return self.life.step if self.life else 0

    def play(self, life: Life, trained: int = VISIBLE) -> None:
        """Let an NCA live here from now on; trained: ``rule.seen``."""
        self.empty()
        self.life, self._trained = life, trained
        self._tick()

    def halt(self) -> None:
        """Stand still."""
        if self._timer:
            self.after_cancel(self._timer)
            self._timer = ""

    def empty(self) -> None:
        """Nobody lives here: what is shown is a picture."""
        self.halt()
        self.life = None

    @property
    def playing(self) -> bool:
        return bool(self._timer)

    def _tick(self) -> None:
        self._see()
        self._timer = self.after(FRAME_MS, self._grow)

    def _grow(self) -> None:
        assert self.life is not None
        self.life.grow()
        self._tick()

    def _see(self) -> None:
        assert self.life is not None
        self.show(seen(self.life.state, self._trained))
        self.event_generate("<<Step>>")

    def _wound(self, event: "tk.Event[tk.Misc]") -> None:
        if self.life is not None:
            row, column = event.y / self.scale - 0.5, event.x / self.scale - 0.5
            self.life.hurt(Wound(0, row, column, WOUND))
            self._see()
