"""Which reading of a foreign NCA grows its picture: every one is grown, and the best is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.exchange.conventions import Convention, Floats
from nca_zoo.exchange.foreign import Foreign
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, measure
from nca_zoo.pictures.targets import Target
from nca_zoo.training.gate import Gate

CELLS = 1 << 16  # that are grown at once, of as many readings as that makes
ALIKE = 1.0  # dB within which two readings grow the same: a symmetric picture has several


@dataclass(frozen=True, eq=False)
class Reading:
    """A foreign NCA read one way: as what convention, and from what seed.

    tried: how many readings were grown, this one among them. grows: whether it passes the gate at
    CA step 96.
    """

    convention: Convention
    seed_hidden: bool
    weights: Floats  # (P,)
    tried: int
    grows: bool


def best_reading(
    nca: Foreign,
    target: Target,
    told: Mapping[str, Any],
    seeds_hidden: Sequence[bool],
    gate: Gate,
    likely: "Reading | None" = None,
    progress: Progress = silent,
) -> Reading:
    """The reading of an NCA, of all that agree with what is told, that grows its target best.

    seeds_hidden: whether the seed's hidden channels may start at 1, the usual first. likely: what
    another of the same origin was read as, instead of the usual. If the usual reading grows the
    target well no other is tried. Of readings that grow alike the one nearest to the usual is
    taken; if none grows the target it is the usual one.
    """
    criterion = gate.criteria[0]
    tries = [(c, hidden) for hidden in seeds_hidden for c in nca.readings(told)]
    if likely:
        tries.sort(key=lambda one: one != (likely.convention, likely.seed_hidden))
    reached = _reached(nca, target, tries[:1])
    if reached[0] < criterion.stops:
        reached = _reached(nca, target, tries, progress)
    enough = max(reached.max() - ALIKE, criterion.passes)
    alike = [row for row, psnr in enumerate(reached) if psnr >= enough]
    usual, usually_hidden = tries[0]

    def far(row: int) -> tuple[int, float]:
        convention, hidden = tries[row]
        departures = len(convention.departures(usual)) + (hidden != usually_hidden)
        return departures, -float(reached[row])

    convention, hidden = tries[min(alike, key=far, default=0)]
    grows = bool(len(alike))
    return Reading(convention, hidden, nca.weights(convention), len(reached), grows)


def _reached(
    nca: Foreign,
    target: Target,
    tries: Sequence[tuple[Convention, bool]],
    progress: Progress = silent,
) -> Floats:
    """PSNR in dB at step 96 of each reading, from each seed."""
    engine = make_engine("sparse")
    height, width = target.rgba.shape[:2]
    cell = height, width, target.seed_row, target.seed_col
    together = max(1, CELLS // (height * width))
    found = []
    for start in range(0, len(tries), together):
        some = tries[start : start + together]
        weights = np.stack([nca.weights(convention) for convention, _ in some])
        seeds = np.stack([seed_state(*cell, hidden=hidden) for _, hidden in some])
        targets = np.broadcast_to(target.trained, (len(some), *target.trained.shape))
        ncas = Automata.grown(weights, seeds, shows=target.channels)
        found.append(measure(engine, ncas, targets, (GROWN,))[GROWN.name].psnr)
        progress(start + len(some), len(tries))
    return np.concatenate(found)
