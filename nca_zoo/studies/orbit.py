"""The orbit test of a representation: scramble every NCA by a symmetry and read them again.

What grows does not change, so a good representation should not either. Raw weights do; the test
says how much each reader loses, and how much alignment, standard forms and invariants save.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import Array, seen, step
from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, silent, stage
from nca_zoo.life.engines import make_engine
from nca_zoo.life.rollout import State
from nca_zoo.probing.probe import ProbeResult, probe
from nca_zoo.store.zoofile import Zoo
from nca_zoo.symmetry.group import Element, act, random_element

FEATURES = ("weights", "aligned", "canonical", "invariants")
EXACT = 3  # NCAs whose rollouts are compared in float64, by the plain rule
BATCH = 64  # NCAs whose rollouts are held at a time
LEVELS = 255


class ScrambledZoo(Zoo):
    """A zoo with other weights ``(N, P)`` in its rows; the file stays as it is."""

    def __init__(self, zoo: Zoo, weights: npt.NDArray[np.float32]) -> None:
        super().__init__(zoo.path, zoo._parts, zoo._rows, zoo.id)
        self._values["weights"] = weights

    def subset(self, rows: npt.ArrayLike) -> "ScrambledZoo":
        """As ``Zoo.subset``, with the scrambled weights of these rows."""
        part = Zoo(self.path, self._parts, self._rows, self.id).subset(rows)
        row_of = {nca_id: row for row, nca_id in enumerate(self.id)}
        return ScrambledZoo(part, self.weights[[row_of[nca_id] for nca_id in part.id]])


@dataclass(frozen=True)
class Standing:
    """How still rollouts stood while the weights moved."""

    n: int  # NCAs
    steps: int
    moved: float  # median distance of the weights, in units of their norm
    exact: float  # largest change of what is seen (``rule.seen``) in float64, over a few NCAs
    median: float  # the same in float32: the median over NCAs, in [0, 1]
    worst: float  # the same, of the NCA that changed most
    stood: float  # share of NCAs in which nothing seen changed by more than 1 / 255


@dataclass(frozen=True)
class Orbit:
    """What scrambling did to rollouts and to readers."""

    standing: Standing
    before: ProbeResult
    after: ProbeResult

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            "standing": dataclasses.asdict(self.standing),
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
        }


def scramble(zoo: Zoo, seed: int = 0, spread: float = 1.0) -> ScrambledZoo:
    """The zoo with every NCA moved by an element of its own, drawn with ``seed`` and its id."""
    pairs = zip(elements(zoo, seed, spread), zoo.weights, strict=True)
    return ScrambledZoo(zoo, np.stack([act(element, weights) for element, weights in pairs]))


def elements(zoo: Zoo, seed: int, spread: float) -> Iterator[Element]:
    """The element that ``scramble`` draws for each NCA."""
    key = noise.fold(seed, Study.SCRAMBLE)
    for nca_id in zoo.id:
        yield random_element(noise.fit_seed(key, str(nca_id)), zoo.seed_hidden, spread)


def standing(
    zoo: Zoo, scrambled: Zoo, steps: int = 96, seed: int = 0, spread: float = 1.0
) -> Standing:
    """Compare the rollouts of a zoo and of its ``scramble(zoo, seed, spread)``, row by row."""
    zoo.must_stand_still("symmetry orbit")
    seeds = zoo.seed_states()
    changes = []
    for first in range(0, len(zoo), BATCH):
        rows = slice(first, first + BATCH)
        pictures = [
            seen(_grown(z.weights[rows], seeds[rows], steps, seed, zoo.fire_rate), zoo.trained)
            for z in (zoo, scrambled)
        ]
        changes.append(np.abs(pictures[0] - pictures[1]).max(axis=(1, 2, 3)))
    change = np.concatenate(changes)
    lengths = np.linalg.norm(zoo.weights, axis=1)
    moved = np.linalg.norm(scrambled.weights - zoo.weights, axis=1) / np.maximum(lengths, 1e-30)
    return Standing(
        n=len(zoo),
        steps=steps,
        moved=float(np.median(moved)),
        exact=_exact_change(zoo, seeds, steps, seed, spread),
        median=float(np.median(change)),
        worst=float(change.max()),
        stood=float((change <= 1 / LEVELS).mean()),
    )


def _grown(weights: State, seeds: State, steps: int, seed: int, fire_rate: float) -> State:
    """States ``(K, H, W, 16)`` after so many steps, in float32."""
    ncas = Automata.grown(weights, seeds, seed, fire_rate=fire_rate)
    return make_engine().rollout(ncas, ncas.starts(), 0, steps)[:, 0]


def _exact_change(zoo: Zoo, seeds: State, steps: int, seed: int, spread: float) -> float:
    """The largest change of what is seen if weights and states are float64 throughout."""
    key = noise.fold(seed, noise.Stream.ROLLOUT)
    few = zoo.subset(np.arange(min(EXACT, len(zoo))))
    worst = 0.0
    for row, element in enumerate(elements(few, seed, spread)):
        here = few.weights[row].astype(np.float64)
        there = act(element, here)
        ours: Array = seeds[row].astype(np.float64)
        theirs = ours
        for t in range(steps):
            fire = noise.fire_mask(key, t, *zoo.grid, zoo.fire_rate)
            ours, theirs = step(here, ours, fire), step(there, theirs, fire)
        worst = max(worst, float(np.abs(seen(ours - theirs, zoo.trained)).max()))
    return worst


def orbit(
    zoo: Zoo,
    features: Sequence[str] = FEATURES,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    spread: float = 1.0,
    steps: int = 96,
    jobs: int = -1,
    progress: Progress = silent,
) -> Orbit:
    """Scramble the good NCAs of a zoo, check that rollouts stand, and probe before and after.

    features: names in ``nca_zoo.features.catalogue.FEATURES``; spread: see ``random_element``;
    steps: CA steps to compare; jobs: as in ``probe``; progress: called with the number of folds
    read so far and in all. Raises ``ZooError`` as ``probe`` does, and if no NCA is good.
    """
    good = zoo.subset(zoo.good)
    if not len(good):
        raise ZooError(f"{zoo.path}: none of its {len(zoo)} NCAs passed the gate; build more")
    moved = scramble(good, seed, spread)
    found = standing(good, moved, steps, seed, spread)

    before, after = (
        probe(
            z,
            features,
            folds=folds,
            repeats=repeats,
            seed=seed,
            jobs=jobs,
            progress=stage(progress, number, 2),
        )
        for number, z in enumerate((good, moved))
    )
    return Orbit(found, before, after)
