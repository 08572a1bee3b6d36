"""Practice: more NCAs for a reader to learn from than anybody has trained.

Where NCAs share a start, those that are drawn from a Gaussian of a class's weights live, too, and
what they grow is seen by letting them: thousands of examples at milliseconds each, made of the NCAs
that are known alone, of pictures that nobody has drawn.
"""

from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import N_PARAMS, seed_state
from nca_zoo.features.measures import Floats, Vectors, centre_on, informative_channels
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP
from nca_zoo.networks.imagining import by_shares, gaussian
from nca_zoo.pictures.targets import restored

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

TOGETHER = 32  # NCAs that live at a time


def grown_centred(zoo: "Zoo") -> Vectors:
    """What NCAs grew by step 96, ``(N, H, W, C)``, the seed in the middle."""
    return _seen(restored(zoo.grown), zoo, np.stack([zoo.seed_row, zoo.seed_col], axis=1))


def practice(
    zoo: "Zoo", count: int, seed: int = 0, jobs: int = 1, progress: Progress = silent
) -> tuple[Vectors, Vectors]:
    """Weights ``(count, P)`` drawn from Gaussians of a zoo's classes in turn, and what grows of
    each by step 96, ``(count, H, W, C)``, as ``grown_centred``.

    NCAs without a class are one by themselves.
    """
    draw, labels = by_shares(zoo, gaussian), np.unique(zoo.label)
    keys = noise.fold(noise.fold(seed, Study.PRACTICE), np.arange(count))
    weights, places = np.empty((count, N_PARAMS), np.float32), np.empty((count, 2))
    for turn, label in enumerate(labels.tolist()):
        mine = slice(turn, count, len(labels))
        weights[mine], places[mine] = draw(label, keys[mine])
    cells = np.clip(np.rint(places), 0, np.array(zoo.grid) - 1).astype(int)
    masks = noise.fold(noise.fold(seed, Study.PRACTICE, 1), np.arange(count))
    (height, width), hidden = zoo.grid, zoo.seed_hidden
    engine, grown = make_engine(threads=jobs), []
    for first in range(0, count, TOGETHER):
        part = slice(first, first + TOGETHER)
        seeds = [seed_state(height, width, row, col, hidden) for row, col in cells[part].tolist()]
        ncas = Automata(
            weights[part], np.stack(seeds), masks[part, None], zoo.trained, zoo.fire_rate
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
