"""The write-up reproduced: ``make writeup``. Fits, pictures and the table of docs/notes/writeup.md.

python docs/make_writeup.py                         all that is not fitted yet, and the pictures
python docs/make_writeup.py --only gecko-writeup    one of the four fits, and no pictures
python docs/make_writeup.py --as-is                 pictures of the fits as they are
python docs/make_writeup.py --steps 20              a trial of so few steps; the page stays as it is
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import nca_zoo
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import restored
from nca_zoo.store.zoofile import Zoo
from nca_zoo.viewer.frames import Layout, Sheet, composite
from nca_zoo.viewer.video import write_gif

DOCS = Path(__file__).parent
FIGURES, PAGE = DOCS / "figures" / "writeup", DOCS / "notes" / "writeup.md"
PICTURES, REGIMES = ("gecko", "digit"), ("writeup", "persistent")
DIGIT = (3, 0)  # the first three of the digits
FEWER = {("gecko", "writeup"): 800}  # training steps: the least that the write-up took
TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end of table -->)", re.DOTALL)

SIDE_BY_SIDE = Layout(panel=240, gap=16, caption=30, text=15)
EVERY, LAST, FPS = 4, 400, 20  # CA steps between frames, of the last one; frames a second
HELD = 20  # frames that the end stands still


def draw_digit(file: Path) -> None:
    """Save a digit as a grey PNG, as `nca-zoo fit` takes it."""
    label, number = DIGIT
    _, pictures = load_pictures(classes=[label], per_class=number + 1, data_dir=Path("data"))
    Image.fromarray(pictures[number].pixels).save(file)


def fit(picture: str, regime: str, folder: Path, steps: int | None) -> None:
    """Run `nca-zoo fit`, unless its zoo is there already and was not stopped half-way."""
    out = folder / f"{picture}-{regime}.h5"
    if out.exists() and is_whole(nca_zoo.open(out, failed=True)):
        print(f"{out} is there already")
        return
    command = ["fit", FIGURES / f"{picture}.png", "--regime", regime, "--out", out]
    steps = steps or FEWER.get((picture, regime))
    command += ["--replace", "--film", "none", *(["--steps", steps] if steps else [])]
    print("nca-zoo", *command, flush=True)
    subprocess.run(
        [sys.executable, "-m", "nca_zoo_cli.main", *(str(part) for part in command)], check=True
    )


def is_whole(zoo: Zoo) -> bool:
    """Whether its fit took all of its training steps, or reached the gate before."""
    return bool(zoo.good[0]) or int(zoo.train_steps[0]) >= zoo.attrs["regime"]["steps"]


def film(zoos: dict[str, Zoo]) -> list[np.ndarray]:
    """Frames of the NCAs of one picture, each growing under its regime's name, and the target."""
    first = next(iter(zoos.values()))
    sheet = Sheet(len(zoos) + 1, len(zoos) + 1, *first.grid, "dark", SIDE_BY_SIDE)
    sheet.draw(len(zoos), composite(restored(first.target[0]), "dark"))
    sheet.caption(len(zoos), "target")
    runs = [rollout(z.weights[0], z.seed_states(0), LAST, every=EVERY) for z in zoos.values()]
    frames = []
    for states in zip(*runs, strict=True):
        for panel, (regime, (step, state)) in enumerate(zip(zoos, states, strict=True)):
            sheet.draw(panel, composite(state, "dark"))
            sheet.caption(panel, f"step {step}", regime)
        frames.append(sheet.canvas.copy())
    return frames + frames[-1:] * HELD


def table(zoos: dict[tuple[str, str], Zoo]) -> str:
    """What the fits reached, in Markdown."""
    lines = [
        "| picture | regime | training steps | examples a step | minutes | "
        "PSNR at step 96 | at step 400 | alive at step 400 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (picture, regime), zoo in zoos.items():
        lines.append(
            f"| {picture} | `{regime}` | {zoo.train_steps[0]} | {zoo.attrs['regime']['batch']} | "
            f"{zoo.wall_s[0] / 60:.1f} | {zoo.psnr_96[0]:.1f} dB | {zoo.psnr_400[0]:.1f} dB | "
            f"{100 * zoo.alive_400[0]:.0f} % |"
        )
    if not all(map(is_whole, zoos.values())):
        lines += [
            "",
            "**A fit was stopped early: this page does not show the real comparison yet.**",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fit what is not fitted yet, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = [f"{picture}-{regime}" for picture in PICTURES for regime in REGIMES]
    parser.add_argument("--only", choices=every, help="run this fit alone")
    parser.add_argument("--steps", type=int, help="a trial with so few training steps")
    parser.add_argument("--as-is", action="store_true", help="fit nothing, draw what there is")
    chosen = parser.parse_args()
    folder = Path("data") / (f"writeup-{chosen.steps}" if chosen.steps else "writeup")
    figures = folder / "figures" if chosen.steps else FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    if not (FIGURES / "digit.png").exists():
        draw_digit(FIGURES / "digit.png")
    for picture in PICTURES:
        for regime in REGIMES:
            if not chosen.as_is and chosen.only in (None, f"{picture}-{regime}"):
                fit(picture, regime, folder, chosen.steps)
    if chosen.only:
        return
    zoos = {
        (picture, regime): nca_zoo.open(folder / f"{picture}-{regime}.h5", failed=True)
        for picture in PICTURES
        for regime in REGIMES
    }
    for picture in PICTURES:
        frames = film({regime: zoos[picture, regime] for regime in REGIMES})
        write_gif(figures / f"{picture}.gif", frames, FPS)
        for regime in REGIMES:
            for kind in ("sheet", "loss"):
                name = f"{picture}-{regime}-{kind}.png"
                shutil.copyfile(folder / name, figures / name)
    print(table(zoos))
    if not chosen.steps:
        PAGE.write_text(TABLE.sub(lambda _: table(zoos), PAGE.read_text()))


if __name__ == "__main__":
    main()
