"""Healing: how many of the standard wounds an NCA closes. The one measure of it.

An NCA grows for ``WOUNDED`` steps and is then wounded anew for every trial: ``EACH`` circles of 3,
5 and 7 cells around random mature cells, and as many cuts that take one half. On a grid where
training knows no such circles, as they would leave little or nothing, they are as large as they are
there at most. It has healed if ``HEAL_STEPS`` steps later its picture is as good as the gate asks
of one that was not touched.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.wounds import HALF, LARGEST, wound_at_random
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Automata, Engine, Floats
from nca_zoo.life.quality import STABLE, Looks, whole

WOUNDED = 200  # the CA step before which the wound is made
HEAL_STEPS = 200
EACH = 4  # wounds of each kind
RADII = {"3": 3.0, "5": 5.0, "7": 7.0, "half": HALF}  # cells, by the name of the kind
HARDEST = [2, 1, 3, 0]  # their places, from the kind that heals least often
ASIDE = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]  # rows, columns


@dataclass(frozen=True, eq=False)
class Healing:
    """How many wounds of K NCAs closed, ``EACH`` of every kind."""

    healed: dict[str, Floats]  # (K,) by the kind's name: share that closed

    @property
    def share(self) -> Floats:
        """The share of all wounds that closed, ``(K,)``."""
        return mean(np.stack(list(self.healed.values())), axis=0)

    def stored(self) -> dict[str, Floats]:
        """What a zoo keeps: ``{"heals_3": (K,), ...}``."""
        return {f"heals_{kind}": share for kind, share in self.healed.items()}


@dataclass(frozen=True, eq=False)
class Wounded(Healing):
    """The same, and what became of the others: of B wounds each."""

    pictures: Floats  # (K, B, H, W, 4), what is seen after each
    goals: Floats  # (K, 1, H, W, C)

    @property
    def moved(self) -> Floats:
        """The share after which the picture stands whole, but one cell aside, ``(K,)``."""
        return _share(outcomes(self.pictures, self.goals) == "moved")

    @property
    def died(self) -> Floats:
        """The share of which nothing is left to be seen, ``(K,)``."""
        return _share(outcomes(self.pictures, self.goals) == "died")


def outcomes(pictures: Floats, targets: Floats) -> npt.NDArray[np.str_]:
    """What became of wounds, in a word for each of pictures ``(..., H, W, 4)``: ``(...)``.

    ``healed``; ``moved``: whole, but one cell aside; ``died``: there is nothing to be seen; or
    ``scarred``. targets: ``(..., H, W, C)``.
    """
    aside = [whole(np.roll(pictures, to, (-3, -2)), targets) for to in ASIDE]
    nothing = ~np.nan_to_num(pictures).any(axis=(-3, -2, -1))
    cases = [whole(pictures, targets), np.any(aside, axis=0), nothing]
    return np.select(cases, ["healed", "moved", "died"], "scarred")


def healing(engine: Engine, ncas: Automata, targets: Floats) -> Wounded:
    """Wound K NCAs, in one rollout each, and look whether they heal to ``targets (K, H, W, C)``.

    Where the wounds are and who fires afterwards follows from the keys of ``ncas``: other keys,
    other wounds.
    """
    grown = engine.rollout(ncas, ncas.starts(), 0, WOUNDED)  # (K, 1, H, W, 16)
    pictures = _wounded(engine, ncas, grown, np.arange(len(RADII) * EACH))
    goals = targets[:, None]
    closed = _share(whole(pictures, goals).reshape(len(ncas), len(RADII), EACH))
    return Wounded(dict(zip(RADII, closed.T, strict=True)), pictures, goals)


def heals_enough(
    engine: Engine, ncas: Automata, targets: Floats, least: float
) -> npt.NDArray[np.bool_]:
    """Which of K NCAs close that share of their wounds: ``healing(...).share >= least``, sooner.

    The kinds of wounds come one by one, the hardest first, and an NCA meets the next while it can
    still reach the share and has not.
    """
    if not len(ncas):
        return np.zeros(0, bool)
    grown = engine.rollout(ncas, ncas.starts(), 0, WOUNDED)
    kinds = np.arange(len(RADII) * EACH).reshape(len(RADII), EACH)[HARDEST]
    closed, left = np.zeros(len(ncas), int), kinds.size
    for which in kinds:
        rows = np.flatnonzero((closed < least * kinds.size) & (closed + left >= least * kinds.size))
        if not len(rows):
            break
        pictures = _wounded(engine, ncas[rows], grown[rows], which)
        closed[rows] += np.count_nonzero(whole(pictures, targets[rows, None]), axis=1)
        left -= len(which)
    return closed >= least * kinds.size


def _wounded(engine: Engine, ncas: Automata, grown: Floats, which: npt.NDArray[np.int64]) -> Floats:
    """What is seen of K NCAs after these of their wounds, B: ``(K, B, H, W, 4)``."""
    widest = LARGEST * min(grown.shape[2:4])
    kinds = [radius if radius == HALF else min(radius, widest) for radius in RADII.values()]
    radii = np.repeat(kinds, EACH)[which]
    many = ncas.under(fold(fold(ncas.keys, Stream.WOUNDS), which))  # (K, B)
    states = np.repeat(grown, len(which), axis=1)
    wound_at_random(states, np.broadcast_to(radii, many.keys.shape), uniform(many.keys, 2))
    return many.seen(engine.rollout(many, states, WOUNDED, HEAL_STEPS))


def _share(which: npt.ArrayLike) -> Floats:
    """How much of the last axis is true."""
    return (np.count_nonzero(which, axis=-1) / np.shape(which)[-1]).astype(np.float32)


def healing_of_whole(engine: Engine, ncas: Automata, targets: Floats, looks: Looks) -> Healing:
    """``healing`` of the NCAs that are whole at step 400; what is not has nothing to heal to: 0."""
    tried = whole(looks[STABLE.name].pictures, targets)
    shares = {kind: np.zeros(len(ncas), np.float32) for kind in RADII}
    if tried.any():
        for kind, share in healing(engine, ncas[tried], targets[tried]).healed.items():
            shares[kind][tried] = share
    return Healing(shares)
