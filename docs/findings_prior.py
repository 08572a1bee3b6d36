"""What the prior buys: zoos from starts that were learnt from few digits, many, or none.

A stage of docs/make_findings.py. Every start is learnt in as few rounds from pictures of its own,
and beside the weights that grow from it stand k-means patches learnt from the very same pictures.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from nca_zoo.building.settings import data_folder
from nca_zoo.features.catalogue import Feature, find_feature, readable
from nca_zoo.features.descriptors import PatchBank
from nca_zoo.features.measures import pictures
from nca_zoo.pictures.sources import meta_pictures
from nca_zoo.probing.folds import read_all
from nca_zoo.probing.probe import scores
from nca_zoo.probing.quantities import CLASS, quantity
from nca_zoo.probing.readers import find_reader
from nca_zoo.probing.splits import cross_validation
from nca_zoo.store.zoofile import Zoo

Pixels = npt.NDArray[np.uint8]  # (N, 28, 28), ink

SIDE, FINE = 28, 4  # pixels a side, and how many times finer shapes are drawn
SHAPES = 800
ROUNDS = 100  # of each start, a tenth of what the one that ships took
PER_CLASS, STEPS = 10, 60  # digits of a class, and training steps of each at most
READERS = ("logistic", "svm")


def shapes(count: int = SHAPES) -> Pixels:
    """White strokes on black: lines, arcs and ellipses, two or three a picture."""
    draw_from = np.random.default_rng(0)
    found = np.empty((count, SIDE, SIDE), np.uint8)
    for i in range(count):
        sheet = Image.new("L", (SIDE * FINE, SIDE * FINE))
        pen = ImageDraw.Draw(sheet)
        for _ in range(draw_from.integers(2, 4)):
            middle, half = draw_from.uniform(11, 17, 2), draw_from.uniform(3, 8.5, 2)
            box = (FINE * np.concatenate([middle - half, middle + half])).tolist()
            turn, width = draw_from.uniform(0, 360), int(draw_from.uniform(1.5, 3.5) * FINE)
            kind = draw_from.integers(3)
            if kind == 0:
                falls = box if turn < 180 else [box[0], box[3], box[2], box[1]]
                pen.line(falls, fill=255, width=width)
            elif kind == 1:
                pen.arc(box, turn, turn + draw_from.uniform(90, 270), fill=255, width=width)
            else:
                pen.ellipse(box, outline=255, width=width)
        found[i] = np.asarray(sheet.resize((SIDE, SIDE), Image.Resampling.BOX))
    return found


def digits(each: int) -> Pixels:
    """So many digits of each class, of those from which the shared start is learnt."""
    known = meta_pictures(data_folder())
    labels = np.array([picture.label for picture in known])
    rows = np.concatenate([np.flatnonzero(labels == c)[:each] for c in np.unique(labels)])
    return np.stack([known[row].pixels for row in rows])


SOURCES: dict[str, Callable[[], Pixels] | None] = {  # what a start was learnt from
    "nothing: one random draw": None,
    "10 digits": lambda: digits(1),
    "100 digits": lambda: digits(10),
    "800 digits": lambda: digits(80),
    f"{SHAPES} drawn shapes": shapes,
}


def start_of(name: str, learnt: Pixels, folder: Path, threads: int) -> Path:
    """The start file learnt from pictures, made by the command unless it is there."""
    out = folder / f"start-{name.replace(' ', '-')}.npz"
    if not out.exists():
        source = folder / out.stem
        (source / "train" / "all").mkdir(parents=True, exist_ok=True)
        for i, ink in enumerate(learnt):
            Image.fromarray(ink).save(source / "train" / "all" / f"{i:03d}.png")
        making = out.with_name(f"making-{out.name}")  # so that one that was cut short is not taken
        command = [sys.executable, "-m", "nca_zoo_cli.main", "metastart", "--out", str(making)]
        command += ["--source", str(source), "--rounds", str(ROUNDS), "--threads", str(threads)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        making.rename(out)
    return out


def read(
    zoo: Zoo, features: list[Feature], readers: Sequence[str], jobs: int
) -> list[dict[str, Any]]:
    """How well the class is read from these features alone, of all fits, as ``probe`` reads it."""
    whole = readable(zoo, all_fits=True)
    asked, groups = quantity(whole, CLASS), whole.picture_numbers()
    splits = cross_validation(asked, groups, 5, 5, 0)
    able = [find_reader(name) for name in readers]
    rows, _ = scores(read_all(whole, features, able, splits, jobs), splits, 0)
    return [vars(row) for row in rows]


def beside(learnt: Pixels | None) -> list[Feature]:
    """Weights, pixels, and patches of what was learnt."""
    features = [find_feature(name) for name in ("weights", "pixels", "hog")]
    if learnt is not None:
        bank = PatchBank.learn(learnt.astype(np.float32) / np.float32(255))
        features.append(replace(find_feature("patches"), make=_answers_of(bank)))
    return features


def _answers_of(bank: PatchBank) -> Callable[[Zoo], Any]:
    return lambda zoo: bank.answers(pictures(zoo.target, zoo.target))


def prior(
    build: Callable[..., Zoo], about: Callable[[Zoo], Any], folder: Path, jobs: int
) -> dict[str, Any]:
    """A zoo from each start: how it came out, and what reads its weights."""
    found = {}
    common = ("--regime", "persistent", "--per-class", str(PER_CLASS), "--attempts", "1",
              "--steps", str(STEPS), "--extra-steps", "0")  # fmt: skip
    for name, source in SOURCES.items():
        learnt = None if source is None else source()
        start: Sequence[str] = ("--init", "shared")
        if learnt is not None:
            start = ("--start", str(start_of(name, learnt, folder, jobs)))
        zoo = build(folder / f"prior-{name.split(':')[0].replace(' ', '-')}.h5", *common, *start)
        found[name] = {"zoo": about(zoo), "rows": read(zoo, beside(learnt), READERS, jobs)}
    return found
