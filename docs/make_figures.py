"""The pictures of the README, made from a zoo: ``make figures``.

python docs/make_figures.py [ZOO]
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import nca_zoo
from nca_zoo.quality import psnr
from nca_zoo.rollout import rollout, seed_of
from nca_zoo.targets import restored
from nca_zoo.viewer.channels import channel_table
from nca_zoo.viewer.explorer.exhibit import make_exhibit
from nca_zoo.viewer.explorer.page import standalone_page
from nca_zoo.viewer.frames import ContactFilm, Panel, composite, strip
from nca_zoo.viewer.picking import sample_classes
from nca_zoo.viewer.video import write_gif, write_png
from nca_zoo.zoofile import Zoo

FIGURES = Path(__file__).parent / "figures"
FPS = 20
EVERY, LAST = 2, 160  # CA steps between frames, and of the last one
HELD = 20  # frames that the grown picture stands still
STRIP_STEPS = (0, 8, 16, 32, 64, 96, 400)
CHANNEL_STEPS = (8, 32, 96)


def population(zoo: Zoo, rows: list[int]) -> list[np.ndarray]:
    """Frames of NCAs ``rows`` growing side by side."""
    panels = []
    for row in rows:
        path = list(rollout(zoo.weights[row], seed_of(zoo, row), LAST, every=EVERY))
        cells = composite(np.stack([state for _, state in path]), "dark")
        panels.append(Panel(cells, zoo.id[row]))
    frames = list(ContactFilm([step for step, _ in path], panels, columns=len(rows) // 2))
    return frames + frames[-1:] * HELD


def sheet(zoo: Zoo) -> np.ndarray:
    """A contact sheet: five NCAs of every class, as `show --digits 0-9 --sample 5` makes it."""
    rows = sample_classes(zoo.label, 5)
    panels = []
    for row in rows:
        *_, (step, state) = rollout(zoo.weights[row], seed_of(zoo, row), STRIP_STEPS[-1], every=400)
        score = psnr(state[..., :4], restored(zoo.target[row]))
        panels.append(Panel(composite(state[None], "dark"), zoo.id[row], f"{score:.1f} dB"))
    return ContactFilm([step], panels, zoo.path.name)[0]


def page(zoo: Zoo) -> None:
    """A picture of the explorer's page, with one NCA growing."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(standalone_page(make_exhibit(zoo)))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(f"{file.as_uri()}#{zoo.id[len(zoo) * 3 // 4]}")
        tab.wait_for_timeout(5000)
        tab.screenshot(path=FIGURES / "explore.png")
        browser.close()


def main() -> None:
    """Draw all figures from the zoo that the first argument names."""
    zoo = nca_zoo.open(sys.argv[1] if len(sys.argv) > 1 else "data/zoo.h5")
    zoo = zoo.subset(zoo.good)
    FIGURES.mkdir(exist_ok=True)
    tenth = [np.flatnonzero(zoo.label == label)[k] for k in (0, 1) for label in range(10)]
    write_gif(FIGURES / "growing.gif", population(zoo, tenth), FPS)
    row = int(np.flatnonzero(zoo.label == 3)[0])
    moments = [
        (step, state)
        for step, state in rollout(zoo.weights[row], seed_of(zoo, row), STRIP_STEPS[-1])
        if step in STRIP_STEPS
    ]
    about = (restored(zoo.target[row]), zoo.id[row], f"class {zoo.label[row]}")
    write_png(FIGURES / "strip.png", strip(moments, *about))
    apart = [(step, state) for step, state in moments if step in CHANNEL_STEPS]
    write_png(FIGURES / "channels.png", channel_table(apart, *about))
    write_png(FIGURES / "sheet.png", sheet(zoo))
    page(zoo)


if __name__ == "__main__":
    main()
