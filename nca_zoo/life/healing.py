"""Healing: how many of the standard wounds an NCA closes. The one measure of it.

An NCA grows for ``WOUNDED`` steps and is then wounded anew for every trial: ``EACH`` circles of 3,
5 and 7 cells around random mature cells, and as many cuts that take one half. It has healed if
``HEAL_STEPS`` steps later its picture is as good as the gate asks of one that was not touched.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.wounds import HALF, random_cells
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Automata, Engine, Floats
from nca_zoo.life.quality import STABLE, WHOLE_DB, WHOLE_ERROR, Looks, whole

WOUNDED = 200  # the CA step before which the wound is made
HEAL_STEPS = 200
EACH = 4  # wounds of each kind
RADII = {"3": 3.0, "5": 5.0, "7": 7.0, "half": HALF}  # cells, by the name of the kind
ASIDE = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]  # rows, columns


@dataclass(frozen=True, eq=False)
class Healing:
    """What became of the wounds of K NCAs, ``EACH`` of every kind."""

    healed: dict[str, Floats]  # (K,) by the kind's name: share that closed
    moved: Floats  # (K,) share after which the picture stood whole, but one cell aside
    died: Floats  # (K,) share of which nothing was left alive

    @property
    def share(self) -> Floats:
        """The share of all wounds that closed, ``(K,)``."""
        return mean(np.stack(list(self.healed.values())), axis=0)

    def stored(self) -> dict[str, Floats]:
        """What a zoo keeps: ``{"heals_3": (K,), ...}``."""
        return {f"heals_{kind}": share for kind, share in self.healed.items()}


def healing(engine: Engine, ncas: Automata, targets: Floats) -> Healing:
    """Wound K NCAs, in one rollout each, and look whether they heal to ``targets (K, H, W, C)``.

    Where the wounds are and who fires afterwards follows from the keys of ``ncas``: other keys,
    other wounds.
    """
    grown = engine.rollout(ncas, ncas.starts(), 0, WOUNDED)  # (K, 1, H, W, 16)
    radii = np.repeat(list(RADII.values()), EACH)
    many = ncas.under(fold(fold(ncas.keys, Stream.WOUNDS), np.arange(len(radii))))  # (K, B)
    states = np.repeat(grown, len(radii), axis=1)
    draws = uniform(many.keys, 2)
    for k, wound in np.ndindex(many.keys.shape):
        state = states[k, wound]
        state[random_cells(state, float(radii[wound]), draws[k, wound])] = 0
    pictures = many.seen(engine.rollout(many, states, WOUNDED, HEAL_STEPS))
    goals = targets[:, None]
    closed = whole(pictures, goals)
    kinds = _share(closed.reshape(len(ncas), len(RADII), EACH))
    aside = np.any([whole(np.roll(pictures, to, (2, 3)), goals) for to in ASIDE], axis=0)
    lit = np.nan_to_num(pictures).any(axis=(2, 3, 4))
    return Healing(
        dict(zip(RADII, kinds.T, strict=True)),
        _share(np.logical_and(aside, ~closed)),
        _share(~lit),
    )


def _share(which: npt.ArrayLike) -> Floats:
    """How much of the last axis is true."""
    return (np.count_nonzero(which, axis=-1) / np.shape(which)[-1]).astype(np.float32)


def healing_of_whole(engine: Engine, ncas: Automata, targets: Floats, looks: Looks) -> Healing:
    """``healing`` of the NCAs that are whole at step 400; what is not has nothing to heal to: 0."""
    late = looks[STABLE.name]
    tried = (late.psnr >= WHOLE_DB) & (late.error <= WHOLE_ERROR)
    found = healing(engine, ncas[tried], targets[tried]) if tried.any() else None

    def spread(shares: Floats) -> Floats:
        every = np.zeros(len(ncas), np.float32)
        every[tried] = shares
        return every

    if found is None:
        nothing = np.zeros(len(ncas), np.float32)
        return Healing(dict.fromkeys(RADII, nothing), nothing, nothing)
    healed = {kind: spread(shares) for kind, shares in found.healed.items()}
    return Healing(healed, spread(found.moved), spread(found.died))
