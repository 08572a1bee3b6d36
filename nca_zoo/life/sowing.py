"""Sowing: how well an NCA grows from other seeds than its own. The one measure of it.

It is sown ``EACH`` times with one seed, two, and so on, on lit cells of its picture that are drawn
anew for every trial.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.automaton.rule import CHANNELS, VISIBLE
from nca_zoo.automaton.seeds import SeedKind, drawn_cells, home_of
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Automata, Engine, Floats
from nca_zoo.life.quality import psnr, whole

EACH = 6  # trials of each number of seeds
NINE_TENTHS = 0.1  # the share of the trials that may be worse than what is told of them


@dataclass(frozen=True, eq=False)
class Sown:
    """What grew of K NCAs from drawn seeds: from n + 1 of them at place n of the second axis."""

    pictures: Floats  # (K, most, EACH, H, W, 4), what is seen in the end
    goals: Floats  # (K, 1, 1, H, W, C)

    @property
    def psnr(self) -> Floats:
        """dB against the target: ``(K, most, EACH)``."""
        return psnr(self.pictures, self.goals)

    def share(self, db: float) -> Floats:
        """The share of all trials that are whole, and reach so many dB: ``(K,)``."""
        return mean(self._whole(db).reshape(len(self.goals), -1))

    def _whole(self, db: float) -> Floats:
        return whole(self.pictures, self.goals, db).astype(np.float32)

    def stored(self, db: float) -> dict[str, Floats]:
        """What a zoo keeps, by the names of its columns: ``{"seeds_1": (K,), ...}``."""
        shares = mean(self._whole(db))
        kept = {f"seeds_{n + 1}": shares[:, n] for n in range(shares.shape[1])}
        reached = np.sort(self.psnr.reshape(len(self.goals), -1), axis=1)
        return kept | {"psnr_seeds": reached[:, int(NINE_TENTHS * reached.shape[1])]}


def sown_states(
    kind: SeedKind,
    target: Floats,
    keys: npt.NDArray[np.uint64],
    numbers: npt.NDArray[np.integer],
    weights: Floats | None = None,
) -> Floats:
    """States ``(n, H, W, 16)`` to grow a target ``(H, W, C)`` from: so many seeds in each.

    keys, numbers: ``(n,)``. weights: see ``drawn_cells``.
    """
    alpha, grid = target[..., -1], target.shape[:2]
    states = np.empty((len(keys), *grid, CHANNELS), np.float32)
    for state, key, number in zip(states, keys.tolist(), numbers.tolist(), strict=True):
        state[:] = kind.state(grid, drawn_cells(key, alpha, number, weights))
    return states


def sown(
    engine: Engine, ncas: Automata, targets: Floats, hidden: bool, most: int, steps: int
) -> Sown:
    """Sow K NCAs, in one rollout each, on targets ``(K, H, W, C)``: with up to ``most`` seeds.

    hidden: see ``SeedKind``. steps: in CA steps, when to look. Where seeds stand and who fires
    follows from the keys of ``ncas``: other keys, other places.
    """
    trials = np.arange(most * EACH)
    many = ncas.under(fold(fold(ncas.keys, Stream.SEEDS), trials))  # (K, B)
    kinds = (SeedKind(hidden, home_of(seed)) for seed in ncas.seeds)
    states = [
        sown_states(kind, target, keys, 1 + trials // EACH)
        for kind, target, keys in zip(kinds, targets, many.keys, strict=True)
    ]
    last = engine.rollout(many, np.stack(states), 0, steps)
    pictures = many.seen(last).reshape(len(ncas), most, EACH, *ncas.grid, VISIBLE)
    return Sown(pictures, targets[:, None, None])
