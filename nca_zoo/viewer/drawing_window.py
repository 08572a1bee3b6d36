"""The window of ``nca-zoo draw``: a drawing on the left, and what grows from it on the right."""

import tkinter as tk
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tkinter import colorchooser, filedialog, ttk

from nca_zoo.building.background import BackgroundFit, Step
from nca_zoo.building.build import make_job
from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.solo import keep, longer, went_on
from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import Life
from nca_zoo.pictures.image_files import suffixes
from nca_zoo.pictures.levels import Pixels, pixels_of_array
from nca_zoo.pictures.names import cleaned
from nca_zoo.pictures.sources import Picture
from nca_zoo.training.trainer import Fit
from nca_zoo.viewer.drawing import Drawing, Place
from nca_zoo.viewer.frames import cell_size
from nca_zoo.viewer.player import CellView, Player
from nca_zoo.viewer.window import Window, quietly

PANEL = 392  # pixels of the drawing's side, about
POLL_MS = 50
PATIENCE_S = 10  # for the training step in work, when the window is closed
SWATCHES = (
    *("#ffffff", "#20242c", "#e5484d", "#f5a524", "#f7d747"),
    *("#46a758", "#3e8ef7", "#8e5cf0", "#e879c0", "#8b5e3c"),
)
OF_A_FIT = ("Train longer", "Replay", "Keep the NCA", "On the page")  # buttons
RADII = (0.0, 3.5, 0.8)  # of the brush in cells: least, most, at first

Settings = Callable[[Pixels], BuildSettings]


class DrawingWindow(ttk.Frame):
    """Draw, grow, look, change, grow again.

    drawing: what is drawn on; settings_for: how to train on its pixels; file: where *Save* writes,
    asked for at the first time if None; zoos: the folder for the NCAs that are kept; to_page: shows
    such a zoo in the browser.
    """

    def __init__(
        self,
        root: tk.Tk,
        drawing: Drawing,
        settings_for: Settings,
        file: Path | None,
        zoos: Path,
        threads: int = 1,
        to_page: Callable[[Path], object] = str,
    ) -> None:
        super().__init__(root, padding=16)
        self.drawing, self.file, self._to_page = drawing, file, to_page
        self._settings_for, self._zoos, self._threads = settings_for, zoos, threads
        self._window = root
        self.work: BackgroundFit | None = None
        self.fit: Fit | None = None  # the last one
        self._grown_from: tuple[Picture, BuildSettings] | None = None
        self._before: Fit | None = None  # that training goes on from
        self._earlier: tuple[Picture, BuildSettings] | None = None  # of the fit before this one
        self._stroke: tuple[Place, bool] | None = None  # where the mouse was; whether it erases
        self.colour = tk.StringVar(self, SWATCHES[0])
        self.erasing = tk.BooleanVar(self)
        self.alpha = tk.IntVar(self, 255)
        self.radius = tk.DoubleVar(self, RADII[2])
        self.status = tk.StringVar(self, "Draw something, then Grow.")
        self._lay_out()
        self._bind()
        self._show()
        self.pack(fill="both", expand=True)

    def _lay_out(self) -> None:
        height, width = self.drawing.pixels.shape[:2]
        scale = cell_size(height, width, PANEL)
        self.canvas = CellView(self, height, width, scale, cursor="pencil")
        self.player = Player(self, height, width, scale)
        self.canvas.grid(row=0, column=0, padx=(0, 16), sticky="w")
        self.player.grid(row=0, column=1, sticky="w")
        self.buttons: dict[str, ttk.Button] = {}

        paints = ttk.Frame(self)
        self.swatches: dict[str, tk.Button] = {}
        for colour in SWATCHES:
            swatch = tk.Button(paints, bg=colour, activebackground=colour, padx=4)
            swatch.configure(command=partial(self.choose, colour))
            swatch.pack(side="left", padx=1)
            self.swatches[colour] = swatch
        self._button(paints, "More …", self._pick_colour)
        self.sample = tk.Label(paints, width=3, relief="sunken", bg=self.colour.get())
        self.sample.pack(side="left")
        ttk.Checkbutton(paints, text="Eraser", variable=self.erasing).pack(side="left", padx=8)

        brush = ttk.Frame(self)
        for name, variable, low, high in (
            ("Alpha", self.alpha, 26, 255),
            ("Brush", self.radius, RADII[0], RADII[1]),
        ):
            ttk.Label(brush, text=name).pack(side="left", padx=(0, 4))
            ttk.Scale(brush, variable=variable, from_=low, to=high, length=120).pack(
                side="left", padx=(0, 12)
            )

        files = ttk.Frame(self)
        for name, act in (
            ("Undo", self.undo),
            ("Redo", self.redo),
            ("Clear", self.clear),
            ("Open …", self._open),
            ("Save", self.save),
            ("Save as …", self._save_as),
        ):
            self._button(files, name, act)

        growth = ttk.Frame(self)
        for name, act in (
            ("Grow", self.grow),
            ("Stop", self.stop),
            ("Train longer", self.train_longer),
            ("Replay", self.replay),
            ("Keep the NCA", self.keep),
            ("On the page", self.show_page),
        ):
            self._button(growth, name, act)
        self.bar = ttk.Progressbar(self, length=width * scale)

        for row, left in enumerate((paints, brush, files), start=1):
            left.grid(row=row, column=0, sticky="w", pady=4)
        growth.grid(row=1, column=1, columnspan=2, sticky="w", pady=4)
        self.bar.grid(row=2, column=1, sticky="ew", pady=4)
        ttk.Label(self, textvariable=self.status, wraplength=width * scale).grid(
            row=3, column=1, sticky="w"
        )
        self.choose(self.colour.get())
        self._enable()

    def _button(self, parent: ttk.Frame, name: str, act: Callable[[], object]) -> None:
        self.buttons[name] = ttk.Button(parent, text=name, command=act, width=len(name))
        self.buttons[name].pack(side="left", padx=(0, 4))

    def _bind(self) -> None:
        for button, erases in ((1, False), (3, True)):
            self.canvas.bind(f"<Button-{button}>", partial(self._down, erases=erases))
            self.canvas.bind(f"<B{button}-Motion>", self._moved)
            self.canvas.bind(f"<ButtonRelease-{button}>", self._up)
        self.player.bind("<<Step>>", lambda _: self._tell_step())
        for key, act in (
            ("<Control-z>", self.undo),
            ("<Control-y>", self.redo),
            ("<Control-Z>", self.redo),
            ("<Control-s>", self.save),
            ("<Control-o>", self._open),
            ("<Control-g>", self.grow),
            ("<e>", lambda: self.erasing.set(not self.erasing.get())),
        ):
            self._window.bind(key, quietly(act))
        self._window.protocol("WM_DELETE_WINDOW", self.close)

    # Drawing

    def choose(self, colour: str) -> None:
        """Paint with a colour, ``#rrggbb``."""
        self.colour.set(colour)
        self.erasing.set(False)
        for name, swatch in self.swatches.items():
            swatch.configure(relief="sunken" if name == colour else "raised")
        self.sample.configure(bg=colour)

    def _pick_colour(self) -> None:
        chosen = colorchooser.askcolor(self.colour.get(), parent=self)[1]
        if chosen:
            self.choose(chosen)

    def _place(self, event: "tk.Event[tk.Misc]") -> Place:
        return event.y / self.canvas.scale, event.x / self.canvas.scale

    def _down(self, event: "tk.Event[tk.Misc]", erases: bool) -> None:
        self.drawing.begin()
        self._stroke = self._place(event), erases or self.erasing.get()
        self._moved(event)

    def _moved(self, event: "tk.Event[tk.Misc]") -> None:
        if self._stroke is None:
            return
        start, erases = self._stroke
        end = self._place(event)
        red, green, blue = bytes.fromhex(self.colour.get()[1:])
        colour = (red, green, blue, 0 if erases else self.alpha.get())
        self.drawing.stroke(start, end, colour, self.radius.get())
        self._stroke = end, erases
        self._show()

    def _up(self, _: "tk.Event[tk.Misc]") -> None:
        self._stroke = None
        self._enable()

    def undo(self) -> None:
        self.drawing.undo()
        self._show()

    def redo(self) -> None:
        self.drawing.redo()
        self._show()

    def clear(self) -> None:
        self.drawing.begin()
        self.drawing.clear()
        self._show()

    def _show(self) -> None:
        rgba = self.drawing.pixels / 255
        rgba[..., :3] *= rgba[..., 3:]
        self.canvas.show(rgba)
        self._enable()

    # Files

    def _open(self) -> None:
        types = [("Pictures", " ".join(f"*{suffix}" for suffix in suffixes()))]
        if name := filedialog.askopenfilename(parent=self, filetypes=types):
            self.open(Path(name))

    def open(self, path: Path) -> None:
        """Draw on a picture file, scaled to the grid; what was drawn can be brought back."""
        try:
            opened = Drawing.opened(path, self.drawing.pixels.shape[0])
        except ZooError as error:
            self.status.set(str(error))
            return
        self.drawing.begin()
        self.drawing.pixels = opened.pixels
        self.file = path if path.suffix.lower() == ".png" else path.with_suffix(".png")
        self._show()
        self.status.set(f"{path} opened.")

    def save(self) -> None:
        """Save as PNG, where it was saved before."""
        if self.file is None:
            self._save_as()
            return
        try:
            self.drawing.save(self.file)
        except ZooError as error:
            self.status.set(str(error))
        else:
            self.status.set(f"{self.file} saved.")

    def _save_as(self) -> None:
        name = filedialog.asksaveasfilename(
            parent=self, defaultextension=".png", filetypes=[("PNG", "*.png")]
        )
        if name:
            self.file = Path(name)
            self.save()

    # Growing

    def grow(self) -> None:
        """Train an NCA on the drawing as it is now."""
        if self.work is not None:
            return
        pixels = pixels_of_array(self.drawing.pixels)
        name = cleaned(self.file.stem) if self.file else "drawing"
        picture = Picture(name, -1, 0, "train", pixels)
        try:
            self._train(picture, self._settings_for(pixels))
        except ZooError as error:
            self.status.set(str(error))

    def train_longer(self) -> None:
        """Go on with the last NCA, for as many steps again; it stays if it becomes no better."""
        if self.work is None and self.fit is not None and self._grown_from is not None:
            picture, settings = self._grown_from
            self._train(picture, longer(settings, self.fit), self.fit)

    def _train(self, picture: Picture, settings: BuildSettings, before: Fit | None = None) -> None:
        job = make_job(picture, settings)
        self._earlier, self._before = self._grown_from, before
        self._grown_from = picture, settings
        self.player.empty()
        self.bar.configure(maximum=settings.regime.steps, value=0)
        self.status.set("The first training step may take a while: it compiles.")
        self.work = BackgroundFit(job, settings, self._threads)
        self._enable()
        self.after(POLL_MS, self._poll)

    def stop(self) -> None:
        """End the training; what has been learned plays."""
        if self.work is not None:
            self.work.stop()

    def _poll(self) -> None:
        if self.work is None:
            return
        for news in self.work.news():
            if isinstance(news, Step):
                self._follow(news)
            else:
                self._finish(news)
                return
        self.after(POLL_MS, self._poll)

    def _follow(self, news: Step) -> None:
        self.bar.configure(value=news.step)
        if news.page is not None:
            self.player.show(news.page.grown)
            again = f"attempt {news.attempt + 1}, " if news.attempt else ""
            self.status.set(
                f"Learning: {again}training step {news.step}, loss {news.loss:.4f}, "
                f"PSNR {news.page.psnr_96:.1f} dB."
            )

    def _finish(self, news: Fit | ZooError) -> None:
        self.work = None
        self.bar.configure(value=self.bar["maximum"])
        if isinstance(news, Fit):
            self.fit = news if self._before is None else went_on(self._before, news)
        if isinstance(news, ZooError) or (self.fit and self.fit.job is not news.job):
            self._grown_from = self._earlier  # the fit that there was is the one that stays
        self.replay()
        if isinstance(news, ZooError):
            self._say(str(news))
        self._enable()

    def replay(self) -> None:
        """Let the last NCA grow from its seed."""
        if self.fit is not None and self._grown_from is not None and self.work is None:
            regime = self._grown_from[1].regime
            job = self.fit.job
            seed, rate = job.seed_state(regime), regime.fire_rate
            life = Life(self.fit.weights, seed, fire_rate=rate)
            self.player.play(life, job.target.channels)

    def _tell_step(self) -> None:
        if self.fit is not None:
            words = self.fit.status.replace("_", " ")
            self.status.set(
                f"CA step {self.player.step}. Trained {self.fit.train_steps} steps: {words}, "
                f"PSNR {self.fit.psnr_96:.1f} dB at step 96, {self.fit.psnr_400:.1f} at 400."
            )

    def keep(self) -> None:
        """Write the last NCA as a zoo of one, under a name that is free."""
        self._hand_on(lambda path, name: f"Kept: nca-zoo show {name} {path}")

    def show_page(self) -> None:
        """Keep the last NCA, and let it live on the page of `nca-zoo explore`."""
        self._hand_on(lambda path, _: f"Kept as {path}; its page: {self._to_page(path)}")

    def _hand_on(self, told: Callable[[Path, str], str]) -> None:
        if self.fit is None or self._grown_from is None:
            return
        picture, settings = self._grown_from
        try:
            self._say(told(keep(self._zoos, picture, self.fit, settings), picture.id))
        except ZooError as error:
            self._say(str(error))

    def _say(self, text: str) -> None:
        """Say something that the playing does not talk over."""
        self.player.halt()
        self.status.set(text)

    def _enable(self) -> None:
        """Which buttons can be pressed now."""
        idle = self.work is None
        for name, can in (
            ("Undo", self.drawing.can_undo),
            ("Redo", self.drawing.can_redo),
            ("Clear", not self.drawing.empty),
            ("Grow", idle and not self.drawing.empty),
            ("Stop", not idle),
            *((name, idle and self.fit is not None) for name in OF_A_FIT),
        ):
            self.buttons[name].state(["!disabled" if can else "disabled"])

    def close(self) -> None:
        """End the training and the window."""
        self.player.halt()
        if self.work is not None:  # Tk must not be taken down while a thread may collect garbage
            self.work.stop()
            self.work.join(PATIENCE_S)
        self._window.destroy()


def open_window(
    drawing: Drawing,
    settings_for: Settings,
    file: Path | None,
    zoos: Path,
    threads: int,
    to_page: Callable[[Path], object],
) -> None:
    """Open the window and wait until it is closed. Raises ZooError without a display."""
    window = Window("nca-zoo draw", instead="use a desktop, ssh -X, or xvfb-run")
    DrawingWindow(window, drawing, settings_for, file, zoos, threads, to_page)
    window.run()
