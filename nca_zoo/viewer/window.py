"""A window in which an automaton lives: play, step, speed, restart; erase it, plant seeds.

``Tank`` is the part that can stand in any Tk window; ``watch`` opens one with nothing else in it.
Tk ships with Python, and shows pictures that are sent to it as PPM.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import VISIBLE, seen
from nca_zoo.automaton.wounds import Wound
from nca_zoo.errors import ZooError
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import Life
from nca_zoo.viewer.channels import look, views
from nca_zoo.viewer.frames import BACKGROUNDS, Goal, Pixels, cell_size, composite, due

try:
    import tkinter as tk
    from tkinter import ttk
except ImportError:
    raise ZooError(
        "this Python has no tkinter, so it cannot open windows; install it (on Debian and Ubuntu "
        "apt-get install python3-tk), or use --terminal or --out FILE"
    ) from None

PANEL = 448  # pixels of the automaton's longer side, about
STEPS_A_SECOND = 30  # at speed 1x
SPEEDS = {"1/10×": 0.1, "1/4×": 0.25, "1/2×": 0.5, "1×": 1.0, "2×": 2.0, "4×": 4.0, "fastest": 0.0}
TICK_MS = 16
PAUSE_MS = 2  # between two ticks at least, for the mouse to be heard
BUDGET_S = 0.012  # of computing in a tick, so that the window answers
BRUSH = (0.5, 8.0, 3.0)  # radius in cells: least, most, at first

Others = Mapping[str, npt.NDArray[np.float32]]

HEX = "#{:02x}{:02x}{:02x}"


class Tank(ttk.Frame):
    """An automaton with its controls, its picture beside it and its score.

    life: what grows; target: what it should grow, if anybody knows; name and about: words below the
    automaton and the target; trained: see ``rule.seen``; others: what it may become, by name, their
    weights ``(P,)``.
    """

    def __init__(
        self,
        parent: tk.Misc,
        life: Life,
        target: Goal | None = None,
        name: str = "",
        about: str = "",
        background: str = "dark",
        trained: int = VISIBLE,
        others: Others | None = None,
    ) -> None:
        super().__init__(parent, padding=16)
        self._others = others or {}
        self._other = tk.StringVar(self, next(iter(self._others), ""))
        self._share = tk.DoubleVar(self, 0.0)
        self._background = background
        self._status = tk.StringVar(self)
        self._playing = tk.StringVar(self)
        self._speed = tk.StringVar(self, "1×")
        self._view = tk.StringVar(self)
        self._tool = tk.StringVar(self, "erase")
        self._radius = tk.DoubleVar(self, BRUSH[2])
        self._alarm: str | None = None
        self._lay_out(life.state.shape[:2], name, about)
        self.bind("<Destroy>", self._end, add=True)
        self.start(life, target, trained)
        self._tick()

    def start(self, life: Life, target: Goal | None = None, trained: int = VISIBLE) -> None:
        """Let another automaton of the same grid live here."""
        self.life, self._target, self._trained = life, target, trained
        self._views.configure(values=views(trained))
        if self._view.get() not in views(trained):
            self._view.set(views(trained)[0])
        if target is None:
            self._beside.grid_remove()
        else:
            self._show_target()
            self._beside.grid()
        self.play(True)
        self._draw()

    def _show_target(self) -> None:
        assert self._target is not None
        goal = due(self._target, self.life.step)
        show_cells(self._aside, composite(goal, self._background), self._scale // 2)

    @property
    def playing(self) -> bool:
        return self._playing.get() == "Pause"

    def play(self, playing: bool) -> None:
        """Go on, or stand still."""
        self._playing.set("Pause" if playing else "Play")
        self._owed, self._taken, self._rate = 0.0, 0, ""
        self._ticked = self._counted = time.monotonic()
        self._tell()

    def one_step(self) -> None:
        self.play(False)
        self.life.grow()
        self._draw()

    def restart(self) -> None:
        self.life.restart()
        self._become()
        self._draw()

    def _become(self) -> None:
        """Let all cells live by as much of the chosen other as is set."""
        if self._others:
            share, other = self._share.get(), self._others[self._other.get()]
            self.life.become((1 - share) * self.life.weights + share * other)

    def touch(self, row: int, col: int) -> None:
        """Erase around a cell, or plant a seed in it: whichever tool is chosen."""
        if self._tool.get() == "erase":
            self.life.hurt(Wound(0, row, col, self._radius.get()))
        else:
            self.life.plant(row, col)
        self._draw()

    def _lay_out(self, grid: tuple[int, ...], name: str, about: str) -> None:
        height, width = grid
        self._scale = cell_size(height, width, PANEL)
        sides = (width * self._scale, height * self._scale)
        self._glass = _picture(self, sides, "crosshair")
        self._glass.grid(row=0, column=0, sticky="n")
        ttk.Label(self, text=name).grid(row=1, column=0, sticky="w", pady=(8, 0))
        self._beside = ttk.Frame(self)
        self._beside.grid(row=0, column=1, sticky="n", padx=(16, 0))
        self._aside = _picture(self._beside, (sides[0] // 2, sides[1] // 2), "")
        self._aside.pack()
        text = f"target, {about}" if about else "target"
        ttk.Label(self._beside, text=text).pack(anchor="w", pady=(8, 0))
        ttk.Label(self, textvariable=self._status).grid(
            row=2, column=0, columnspan=2, sticky="w", pady=(4, 8)
        )
        rows = [self._buttons(), self._choices(), self._tools()]
        rows += [self._ways()] if self._others else []
        for row, parts in enumerate(rows, start=3):
            parts.grid(row=row, column=0, columnspan=2, sticky="w", pady=4)
        for event in ("<Button-1>", "<B1-Motion>"):
            self._glass.bind(event, self._on_mouse)
        top = self.winfo_toplevel()
        keys = {"<space>": self._toggle, "<period>": self.one_step, "r": self.restart}
        for key, act in keys.items():
            top.bind(key, quietly(act), add=True)

    def _buttons(self) -> ttk.Frame:
        row = ttk.Frame(self)
        for text, act in (("", self._toggle), ("Step", self.one_step), ("Restart", self.restart)):
            button = ttk.Button(row, text=text, command=act, takefocus=True)
            if not text:
                button.configure(textvariable=self._playing)
            button.bind("<space>", quietly(button.invoke))  # and do not play or pause as well
            button.pack(side="left", padx=(0, 8))
        return row

    def _choices(self) -> ttk.Frame:
        row = ttk.Frame(self)
        for text, value, offered, act in (
            ("Speed", self._speed, tuple(SPEEDS), lambda: self.play(self.playing)),
            ("View", self._view, (), self._draw),
        ):
            ttk.Label(row, text=text).pack(side="left", padx=(0, 6))
            box = ttk.Combobox(row, textvariable=value, values=offered, state="readonly", width=10)
            box.bind("<<ComboboxSelected>>", quietly(act))
            box.pack(side="left", padx=(0, 16))
        self._views = box  # filled by ``start``: what there is to see depends on the automaton
        return row

    def _tools(self) -> ttk.Frame:
        row = ttk.Frame(self)
        ttk.Label(row, text="Mouse to").pack(side="left", padx=(0, 6))
        for text, value in (("erase", "erase"), ("plant a seed", "plant")):
            choice = ttk.Radiobutton(row, text=text, value=value, variable=self._tool)
            choice.bind("<space>", quietly(choice.invoke))
            choice.pack(side="left", padx=(0, 8))
        ttk.Label(row, text="Brush").pack(side="left", padx=(8, 6))
        ttk.Scale(row, from_=BRUSH[0], to=BRUSH[1], variable=self._radius, length=110).pack(
            side="left"
        )
        return row

    def _ways(self) -> ttk.Frame:
        """From what it is itself, on the left, to another."""
        row = ttk.Frame(self)
        ttk.Label(row, text="Becomes").pack(side="left", padx=(0, 6))
        names = tuple(self._others)
        box = ttk.Combobox(row, textvariable=self._other, values=names, state="readonly", width=14)
        box.bind("<<ComboboxSelected>>", quietly(self._become))
        box.pack(side="left", padx=(0, 8))
        ttk.Scale(row, variable=self._share, length=160, command=lambda _: self._become()).pack(
            side="left"
        )
        return row

    def _toggle(self) -> None:
        self.play(not self.playing)

    def _on_mouse(self, event: Any) -> None:
        row, col = event.y // self._scale, event.x // self._scale
        height, width = self.life.state.shape[:2]
        if 0 <= row < height and 0 <= col < width:
            self.touch(row, col)

    def _tick(self) -> None:
        began = time.monotonic()
        if self.playing:
            self._live(began)
        spent = round(1000 * (time.monotonic() - began))
        self._alarm = self.after(max(PAUSE_MS, TICK_MS - spent), self._tick)

    def _live(self, now: float) -> None:
        """Take the steps that are due."""
        speed = SPEEDS[self._speed.get()]
        self._owed = min(60.0, self._owed + speed * STEPS_A_SECOND * (now - self._ticked))
        self._ticked = now
        taken = 0
        while (self._owed >= 1 or not speed) and time.monotonic() - now < BUDGET_S:
            self.life.grow()
            self._owed, taken = max(0.0, self._owed - 1), taken + 1
        if taken:
            self._count(taken)
            self._draw()

    def _count(self, taken: int) -> None:
        self._taken += taken
        seconds = time.monotonic() - self._counted
        if seconds >= 0.5:
            self._rate = f"{self._taken / seconds:.0f} steps/s"
            self._taken, self._counted = 0, time.monotonic()

    def _draw(self) -> None:
        cells = look(self.life.state, self._view.get(), self._background, self._trained)
        show_cells(self._glass, cells, self._scale)
        if callable(self._target):
            self._show_target()
        self._tell()

    def _tell(self) -> None:
        words = [f"step {self.life.step}"]
        if self._target is not None:
            visible = seen(self.life.state, self._trained)
            goal = due(self._target, self.life.step)
            words.append(f"{float(psnr(visible, goal)):.1f} dB")
        words.append(self._rate if self.playing else "paused")
        self._status.set("   ".join(filter(None, words)))

    def _end(self, event: Any) -> None:
        if event.widget is self and self._alarm is not None:
            self.after_cancel(self._alarm)
            self._alarm = None


class Window(tk.Tk):
    """A window in the colours of a background; a failure inside ends it and reaches the caller.

    Raises ZooError, one line that ends in what to do ``instead``, where none can be opened.
    """

    def __init__(
        self,
        title: str,
        background: str = "dark",
        instead: str = "use --terminal, or --out FILE",
    ) -> None:
        try:
            super().__init__(className="nca-zoo")
        except tk.TclError as error:
            raise ZooError(f"no window can be opened here ({error}); {instead}") from None
        self._failure: BaseException | None = None
        self.title(title)
        self.resizable(False, False)
        colours = BACKGROUNDS[background]
        page, ink = HEX.format(*colours.page), HEX.format(*colours.ink)
        cells, muted = HEX.format(*colours.cells[0]), HEX.format(*colours.muted)
        self.configure(background=page)
        style = ttk.Style(self)
        style.theme_use("clam")
        edges = dict.fromkeys(("bordercolor", "lightcolor", "darkcolor", "troughcolor"), cells)
        style.configure(
            ".", background=page, foreground=ink, fieldbackground=cells, **edges, focuscolor=muted
        )
        style.configure("TButton", background=cells, padding=6)
        style.configure("TCombobox", arrowcolor=ink, background=cells)
        style.configure("Horizontal.TScale", background=muted)
        style.configure("TRadiobutton", indicatorbackground=cells, indicatorforeground=ink)
        style.map("TRadiobutton", background=[("active", page)], indicatorbackground=[])
        style.map("TButton", background=[("active", muted)])
        ink_always, cells_always = [("readonly", ink)], [("readonly", cells)]
        style.map(
            "TCombobox",
            foreground=ink_always,
            selectforeground=ink_always,
            fieldbackground=cells_always,
            selectbackground=cells_always,
        )
        for option, value in (("background", cells), ("foreground", ink)):
            self.option_add(f"*TCombobox*Listbox.{option}", value)
        style.configure("TCheckbutton", indicatorbackground=cells, indicatorforeground=ink)
        style.map("TCheckbutton", background=[("active", page)], indicatorbackground=[])
        style.configure("Horizontal.TProgressbar", background=muted)

    def report_callback_exception(
        self, exc: type[BaseException], val: BaseException, tb: TracebackType | None
    ) -> None:
        self._failure = val
        self.destroy()

    def run(self) -> None:
        """Stay open until it is closed."""
        self.mainloop()
        if self._failure is not None:
            raise self._failure


def watch(
    life: Life,
    target: Goal | None = None,
    name: str = "",
    about: str = "",
    background: str = "dark",
    trained: int = VISIBLE,
    others: Others | None = None,
) -> None:
    """Open a window with a ``Tank`` in it, and stay until it is closed."""
    window = Window(f"{name} · nca-zoo" if name else "nca-zoo", background)
    for key in ("<Escape>", "q"):
        window.bind(key, quietly(window.destroy))
    Tank(window, life, target, name, about, background, trained, others).pack()
    with suppress(KeyboardInterrupt):  # how a person in the terminal ends it
        window.run()


def quietly(act: Callable[[], Any]) -> Callable[[Any], str]:
    """``act`` as an answer to an event that then goes no further."""

    def answer(_: Any) -> str:
        act()
        return "break"

    return answer


def _picture(parent: tk.Misc, sides: tuple[int, int], cursor: str) -> tk.Label:
    blank = tk.PhotoImage(master=parent, width=sides[0], height=sides[1])
    return tk.Label(parent, image=blank, bd=0, cursor=cursor)


def show_cells(label: tk.Label, cells: Pixels, scale: int) -> None:
    """Let a label show cells (H, W, 3) as squares of ``scale`` pixels."""
    pixels = np.repeat(np.repeat(cells, scale, axis=0), scale, axis=1)
    header = b"P6 %d %d 255 " % (pixels.shape[1], pixels.shape[0])
    image = tk.PhotoImage(master=label, data=header + pixels.tobytes(), format="PPM")
    label.configure(image=image)
    label.picture = image  # type: ignore[attr-defined]  # Tk alone would let it be collected
