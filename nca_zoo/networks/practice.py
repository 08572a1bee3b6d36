"""Practice: more NCAs for a reader to learn from than anybody has trained.

Where NCAs share a start, what lies between two of them lives, too, and what it grows is seen by
letting it: thousands of examples at milliseconds each. They are made of the NCAs that are known
alone. (A mean of two pictures, as in mixup, is not what the mean of two NCAs grows.)
"""

from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.features.measures import Floats, Vectors, centre_on, informative_channels
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP
from nca_zoo.networks.imagining import combined
from nca_zoo.pictures.targets import restored

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

TOGETHER = 32  # NCAs that live at a time
FAR = 0.5  # of the way to another NCA: the most that one is moved towards it


def grown_centred(zoo: "Zoo") -> Vectors:
    """What NCAs grew by step 96, ``(N, H, W, C)``, the seed in the middle."""
    return _seen(restored(zoo.grown), zoo, np.stack([zoo.seed_row, zoo.seed_col], axis=1))


def between(zoo: "Zoo", count: int, seed: int = 0) -> tuple[Vectors, Floats]:
    """``count`` NCAs of a zoo moved towards others, up to half of the way: weights
    ``(count, P)``, and rows and columns of their seed cells ``(count, 2)``."""
    draws = noise.uniform(noise.fold(seed, Study.PRACTICE), 3 * count).reshape(3, count)
    one, other = (draws[:2] * len(zoo)).astype(int)
    shares, rows = np.zeros((count, len(zoo))), np.arange(count)
    shares[rows, one] = 1 - FAR * draws[2]
    np.add.at(shares, (rows, other), FAR * draws[2])
    return combined(zoo.weights, np.stack([zoo.seed_row, zoo.seed_col], axis=1), shares)


def practice(
    zoo: "Zoo", count: int, seed: int = 0, jobs: int = 1, progress: Progress = silent
) -> tuple[Vectors, Vectors]:
    """Weights ``(count, P)`` between those of a zoo, and what grows of each by step 96,
    ``(count, H, W, C)``, as ``grown_centred``."""
    weights, places = between(zoo, count, seed)
    cells = np.clip(np.rint(places), 0, np.array(zoo.grid) - 1).astype(int)
    keys = noise.fold(noise.fold(seed, Study.PRACTICE, 1), np.arange(count))
    (height, width), hidden = zoo.grid, zoo.seed_hidden
    engine, grown = make_engine(threads=jobs), []
    for first in range(0, count, TOGETHER):
        part = slice(first, first + TOGETHER)
        seeds = [seed_state(height, width, row, col, hidden) for row, col in cells[part].tolist()]
        ncas = Automata(
            weights[part], np.stack(seeds), keys[part, None], zoo.trained, zoo.fire_rate
        )
        states = engine.rollout(ncas, ncas.starts(), 0, GROWN_STEP)
        grown.append(np.clip(np.nan_to_num(ncas.seen(states)[:, 0]), 0, 1))
        progress(min(first + TOGETHER, count), count)
    return weights, _seen(np.concatenate(grown), zoo, cells)


def _seen(pictures: Vectors, zoo: "Zoo", cells: Floats) -> Vectors:
    """Pictures ``(N, H, W, 4)`` with one channel for each group that says the same in a zoo's
    targets, and the seed in the middle."""
    groups = informative_channels(zoo.target)
    merged = np.stack([pictures[..., group].mean(axis=-1) for group in groups], axis=-1)
    rows, cols = np.asarray(cells, int).T
    return centre_on(merged.astype(np.float32), rows, cols)
