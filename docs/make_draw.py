"""The picture of the window in docs/draw.md: ``make figures``. Needs Xvfb (Debian: xvfb).

A fish is drawn by mouse events on a display that nobody sees, grown, and photographed.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from PIL import ImageGrab

from nca_zoo.building.settings import BuildSettings
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.viewer.drawing import Drawing
from nca_zoo.viewer.drawing_window import DrawingWindow
from nca_zoo.viewer.window import Window

FILE = Path(__file__).parent / "figures" / "draw.png"
GROWN = 120  # CA steps until the photograph
# Colour, radius in cells, and the places (row, column) that the mouse goes through.
STROKES = (
    ("#3e8ef7", 3.2, ((14, 8), (12, 12), (13, 17), (14, 19))),
    ("#3e8ef7", 3.0, ((15, 9), (16, 14), (14, 18))),
    ("#f5a524", 1.6, ((14, 21), (10, 25), (14, 23), (18, 25), (14, 21))),
    ("#f7d747", 1.2, ((8, 12), (9, 16), (9, 13))),
    ("#f7d747", 1.0, ((19, 13), (20, 16))),
    ("#8e5cf0", 0.7, ((11, 13), (17, 13))),
    ("#8e5cf0", 0.7, ((11, 17), (17, 17))),
    ("#ffffff", 1.2, ((12.5, 7.5), (12.5, 7.5))),
    ("#20242c", 0.3, ((12.5, 7.2), (12.5, 7.2))),
)


def photograph() -> None:
    """Draw, grow and save the picture of the window."""
    root = Window("nca-zoo draw")
    root.geometry("+0+0")
    regime = REGIMES[DEFAULT_REGIME]
    settings = BuildSettings(regime, make_init("meta", regime.name))
    window = DrawingWindow(root, Drawing.blank(28), lambda _: settings, Path("fish.png"), Path("."))
    root.update()
    for colour, radius, places in STROKES:
        window.choose(colour)
        window.radius.set(radius)
        for event, (row, col) in zip(
            ("<ButtonPress-1>", *["<B1-Motion>"] * len(places), "<ButtonRelease-1>"),
            (places[0], *places, places[-1]),
            strict=True,
        ):
            x, y = (int((value + 0.5) * window.canvas.scale) for value in (col, row))
            window.canvas.event_generate(event, x=x, y=y)
            root.update()
    window.grow()
    while window.player.step < GROWN:
        root.update()
        time.sleep(0.01)
    box = (0, 0, root.winfo_width(), root.winfo_height())
    ImageGrab.grab(box, xdisplay=os.environ["DISPLAY"]).save(FILE, optimize=True)
    window.close()


def main() -> None:
    """Start a display, photograph, end it."""
    if shutil.which("Xvfb") is None:
        raise SystemExit("Xvfb is missing: apt-get install xvfb")
    reads, writes = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1280x800x24"], pass_fds=[writes]
    )
    with os.fdopen(reads) as told:
        os.environ["DISPLAY"] = f":{told.readline().strip()}"
        try:
            photograph()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
