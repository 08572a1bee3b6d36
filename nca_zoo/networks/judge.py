"""A judge of pictures: which class does one show, says a reader that knows none of its parents.

Where the zoo's source can be had without a download, the judge learned from pictures of it that the
zoo does not hold, always the same: one judge for all zoos of these. Else a zoo lends it every other
picture of each class, and mixes the rest.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.rule import ALPHA
from nca_zoo.features.descriptors import gradient_histograms
from nca_zoo.features.measures import Floats, Ints, Vectors, centre_on, informative_channels
from nca_zoo.pictures.image_sets import DIGITS
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import TargetSettings, make_target, restored, stored
from nca_zoo.store.schema import picture_digests

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

LEAST_INK = 1e-3  # mean alpha below which a picture is empty and has no class
LAST = 300  # of a class's 500 digits: what the judge of digits learns from
ENOUGH = 50  # of each class, or the zoo has too many of them
FEWEST = 3  # pictures of a class, of which it can lend one


class Judge:
    """Support vectors on histograms of gradients, of pictures whose seed is in the middle."""

    def __init__(self, pictures: Vectors, labels: Ints, of: str) -> None:
        """Learn from pictures ``(M, H, W, 4)`` and labels ``(M,)``; of: whose they are."""
        self.of = of
        self._groups = informative_channels(stored(pictures))
        with threadpool_limits(limits=1):
            self._reader = SVC(C=10.0).fit(self._seen(pictures), labels)

    def _seen(self, pictures: Vectors) -> Vectors:
        channels = [pictures[..., group].mean(-1) for group in self._groups]
        return gradient_histograms(np.stack(channels, axis=-1))

    def answers(self, pictures: Vectors) -> Floats:
        """How far each class is spoken for: ``(K, classes)`` of pictures ``(K, H, W, 4)``."""
        with threadpool_limits(limits=1):
            found = self._reader.decision_function(self._seen(pictures))
        return found.reshape(len(pictures), -1)

    def read(self, pictures: Vectors) -> Ints:
        """Classes ``(K,)`` of pictures ``(K, H, W, 4)``; -1 for a picture without ink."""
        with threadpool_limits(limits=1):
            found = self._reader.predict(self._seen(pictures))
        return np.where(inked(pictures), found, -1)


def inked(pictures: Vectors) -> npt.NDArray[np.bool_]:
    """Which pictures ``(K, H, W, 4)`` have any ink."""
    return pictures[..., ALPHA].mean(axis=(1, 2)) > LEAST_INK


def sharpness(pictures: Vectors) -> Floats:
    """How sharp pictures ``(K, H, W, C)`` are, ``(K,)``; 0 if flat or empty.

    Squared differences of neighbouring cells over squared values: the mean squared frequency, in
    radians a cell. Blur lowers it, and noise raises it, so that it is of meaning where a digit is.
    """
    whole = pictures.astype(np.float64)
    steps = sum((np.diff(whole, axis=axis) ** 2).sum(axis=(1, 2, 3)) for axis in (1, 2))
    total = (whole**2).sum(axis=(1, 2, 3))
    return np.divide(steps, total, out=np.zeros(len(whole)), where=total > 0)


def centred_targets(zoo: "Zoo") -> Vectors:
    """Targets ``(N, H, W, 4)`` in [0, 1], moved so that the seed cell is in the middle."""
    return centre_on(restored(zoo.target), zoo.seed_row, zoo.seed_col)


def judge_of(zoo: "Zoo", data_dir: Path = Path("data")) -> tuple[Judge, npt.NDArray[np.bool_]]:
    """A judge for NCAs ``(N,)`` that have a class, and which of these it leaves to be mixed.

    Of classes too small to lend a picture it knows all: the one case in which it knows the parents.
    """
    others = _other_digits(zoo, data_dir)
    if others is not None:
        return others, np.ones(len(zoo), bool)
    rank, pictures = np.zeros(len(zoo), int), zoo.picture_numbers()
    fewest = len(zoo)
    for label in np.unique(zoo.label):
        mine = zoo.label == label
        rank[mine] = np.unique(pictures[mine], return_inverse=True)[1]
        fewest = min(fewest, int(rank[mine].max()) + 1)
    if fewest < FEWEST:
        return Judge(centred_targets(zoo), zoo.label, "these NCAs' own targets"), rank >= 0
    lent = rank % 2 == 1
    learned = zoo.subset(lent)
    return Judge(centred_targets(learned), learned.label, f"{lent.sum()} pictures apart"), ~lent


def _other_digits(zoo: "Zoo", data_dir: Path) -> Judge | None:
    """The judge of digits, from the last of each class; None if the zoo is not of those."""
    height, width = zoo.grid
    settings = zoo.settings.values.get("target")
    if zoo.settings.source != DIGITS.name or height != width or not isinstance(settings, dict):
        return None
    pictures = load_pictures(data_dir=data_dir, size=height)[1]
    last = [p for p in pictures if int(p.id.split("-")[1]) >= 500 - LAST]
    targets = [make_target(p.pixels, TargetSettings(**settings)) for p in last]
    rgba, labels = np.stack([t.rgba for t in targets]), np.array([p.label for p in last])
    known = np.isin(picture_digests(stored(rgba)), picture_digests(zoo.target))
    if np.bincount(labels[~known], minlength=10).min() < ENOUGH:
        return None
    rows, cols = np.array([(t.seed_row, t.seed_col) for t in targets]).T
    seen = centre_on(rgba, rows, cols)[~known]
    return Judge(seen, labels[~known], f"{len(seen):,} digits that are not in the zoo")
