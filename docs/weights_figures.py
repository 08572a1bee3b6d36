"""Figures of weights that are written, and what grows of them, and that are read."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.features.measures import centre_on
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.networks.learning import Schedule
from nca_zoo.networks.reading import PictureReader, SeenPictureReader
from nca_zoo.networks.writing import learn_writer, seen_centred, targets_of
from nca_zoo.pictures.targets import Target, restored, stored
from nca_zoo.store.zoofile import Zoo
from nca_zoo.training.init import shipped_writer
from nca_zoo.viewer import figures
from nca_zoo.viewer.figures import SMALL, Panel
from nca_zoo.viewer.frames import composite
from nca_zoo.viewer.video import write_png

Pictures = npt.NDArray[np.float32]  # (N, H, W, 4)

COLUMNS = 10
UNET_STEPS = 400


def writing(zoo: Zoo, path: Path) -> None:
    """Digits that no writer has seen, drawn at random, and what grows by step 96 of what is written
    for them; then what is hard: large thin circles, and pictures half-way between two classes."""
    unseen, known = (zoo.subset(zoo.split == split) for split in ("test", "train"))
    drawn = unseen.subset(np.sort(np.random.default_rng(0).permutation(len(unseen))[:COLUMNS]))
    targets, linear = targets_of(drawn), learn_writer(zoo)
    near = [
        np.square(seen_centred(known) - one).sum((1, 2, 3)).argmin() for one in seen_centred(drawn)
    ]
    panels = row("picture", _shown(targets))
    for name, weights in (
        ("trained", drawn.weights),
        ("written", np.stack([shipped_writer().weights(target) for target in targets])),
        ("by a line", np.stack([linear.weights(target) for target in targets])),
        ("nearest", known.weights[near]),
    ):
        panels += row(name, *_grown(weights, targets))
    hard = _large_zeros(unseen, COLUMNS // 2) + _between(unseen, COLUMNS // 2)
    written = np.stack([shipped_writer().weights(target) for target in hard])
    panels += row("hard", _shown(hard))
    panels += row("written", *_grown(written, hard))
    write_png(path, figures.draw(panels, COLUMNS, SMALL))


def reading(zoo: Zoo, path: Path) -> None:
    """What grew of digits drawn at random, and what readers tell of their weights, the seed in the
    middle; below, of those whose weights were told worst."""
    unseen, known = (zoo.subset(zoo.split == split) for split in ("test", "train"))
    grown, taught = (
        centre_on(restored(each.grown)[..., -zoo.trained :], each.seed_row, each.seed_col)
        for each in (unseen, known)
    )
    readers = {
        "U-Net": SeenPictureReader(Schedule(UNET_STEPS)),
        "ridge": PictureReader(),
    }
    told = {
        name: reader.fit(known.weights, taught).read(unseen.weights)
        for name, reader in readers.items()
    }
    near = [np.square(known.weights - one).sum(1).argmin() for one in unseen.weights]
    told["nearest"] = taught[near]
    some = np.sort(np.random.default_rng(0).permutation(len(unseen))[:COLUMNS])
    worst = np.argsort(psnr(told["U-Net"], grown))[:COLUMNS]
    panels = row("what grew", grown[some])
    for name, pictures in told.items():
        panels += row(name, pictures[some], psnr(pictures, grown)[some])
    panels += row("worst", grown[worst])
    panels += row("U-Net", told["U-Net"][worst], psnr(told["U-Net"], grown)[worst])
    write_png(path, figures.draw(panels, COLUMNS, SMALL))


def _shown(targets: list[Target]) -> Pictures:
    return np.stack([target.trained for target in targets])


def _grown(weights: Pictures, targets: list[Target]) -> tuple[Pictures, Pictures]:
    """What grows by step 96, and its PSNR against the target."""
    height, width = targets[0].rgba.shape[:2]
    seeds = np.stack([seed_state(height, width, t.seed_row, t.seed_col) for t in targets])
    ncas = Automata.grown(weights, seeds)
    states = SparseEngine().rollout(ncas, ncas.starts(), 0, 96)[:, 0]
    visible = states[..., : targets[0].rgba.shape[-1]].clip(0, 1)
    return visible, psnr(visible, np.stack([target.rgba for target in targets]))


def row(name: str, pictures: Pictures, db: Pictures | None = None) -> list[Panel]:
    """A line of panels, whose first says what they are."""
    said = [""] * len(pictures) if db is None else [f"{each:.0f} dB" for each in db]
    names = [name] + [""] * (len(pictures) - 1)
    shown = [composite(picture, "dark") for picture in pictures]
    return list(zip(shown, names, said, strict=True))


def _large_zeros(zoo: Zoo, n: int) -> list[Target]:
    """The zeros whose ink lies farthest from its middle."""
    zeros = zoo.subset(zoo.label == 0)
    ink = zeros.target[..., 3] / 255.0
    rows, cols = np.mgrid[: ink.shape[1], : ink.shape[2]]
    total = ink.sum((1, 2))
    middle = [
        (ink * each).sum((1, 2))[:, None, None] / total[:, None, None] for each in (rows, cols)
    ]
    far = (ink * ((rows - middle[0]) ** 2 + (cols - middle[1]) ** 2)).sum((1, 2)) / total
    return targets_of(zeros.subset(np.sort(np.argsort(-far)[:n])))


def _between(zoo: Zoo, n: int) -> list[Target]:
    """Half of the first of one class, and half of the first of the next, laid over each other."""
    firsts = targets_of(zoo.subset(np.unique(zoo.label, return_index=True)[1]))
    found = []
    for one, other in zip(firsts[:n], firsts[n:], strict=False):
        both = restored(stored((one.rgba + other.rgba) / 2))
        found.append(Target(both, one.seed_row, one.seed_col, one.channels))
    return found
