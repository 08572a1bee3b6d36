"""Neighbours: which NCAs are closest to one, by what they are and by what they do.

Three distances that need not agree: between weights, between weights once the other NCA is aligned
to the one asked about (nca_zoo/symmetry/alignment.py), and between rollouts: see
docs/neighbours.md.
"""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import sane
from nca_zoo.features.measures import Floats, Ints, Vectors
from nca_zoo.features.nearness import directions
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import make_engine
from nca_zoo.symmetry.alignment import align

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

AT_ONCE = 32  # NCAs that are aligned, or live, at a time
LOOKS = (16, 32, 64, 96)  # CA steps at which rollouts are compared


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest NCAs by one distance."""

    id: str
    class_name: str  # empty without a class
    distance: float | None  # None: what it grows is not finite


@dataclass(frozen=True)
class NeighboursResult:
    """The nearest NCAs by each distance, nearest first."""

    id: str
    class_name: str
    nearest: dict[str, tuple[Neighbour, ...]]  # by name of the distance
    n: int  # NCAs to choose from
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def neighbours(
    zoo: "Zoo", nca_id: str, count: int = 8, seed: int = 0, *, all_fits: bool = False
) -> NeighboursResult:
    """The ``count`` nearest NCAs by every distance in ``DISTANCES``.

    seed: of the fire masks, the same for all rollouts. all_fits: count NCAs whose fit failed, too;
    the one asked about may be a failure in any case. NCAs that diverged are near to nothing: left
    out. Raises ``ZooError`` for an unknown id, for one that diverged, and if there is no other NCA.
    """
    if count < 1:
        raise ZooError(f"count is {count}; it must be at least 1")
    asked = zoo.index(nca_id)
    kept = zoo.good | all_fits
    kept[asked] = False
    others = np.flatnonzero(kept)
    chosen = zoo.subset([asked, *others])  # the one asked about comes first
    sound = sane(chosen.weights)
    if not sound[0]:
        raise ZooError(f"{zoo.path}: {nca_id} has diverged: its weights are near to nothing")
    if not sound.all():
        chosen = chosen.subset(sound)
    if len(chosen) < 2:
        raise ZooError(
            f"{zoo.path}: no good NCA but {nca_id} itself; build more, or try --all-fits"
        )
    named, nearest = chosen.class_name, {}
    # One BLAS thread for all that follows: rounding must not depend on the number of cores, and
    # for matrices this small threads mostly wait for each other.
    with threadpool_limits(limits=1):
        distances = {name: of(chosen, seed) for name, of in DISTANCES.items()}
    for name, far in distances.items():
        order = np.argsort(far, kind="stable")[:count]  # NaN comes last
        known = [float(far[i]) if np.isfinite(far[i]) else None for i in order]
        nearest[name] = tuple(
            Neighbour(str(chosen.id[1 + i]), str(named[1 + i]), distance)
            for i, distance in zip(order, known, strict=True)
        )
    return NeighboursResult(nca_id, str(named[0]), nearest, len(chosen) - 1, seed)


def _of_weights(zoo: "Zoo", seed: int) -> Floats:
    return _from_the_first(zoo.weights, zoo.good)


def _from_the_first(vectors: Vectors, known: npt.NDArray[np.bool_]) -> Floats:
    towards = directions(vectors, known)
    return np.linalg.norm(towards[1:] - towards[0], axis=1)


def _of_aligned(zoo: "Zoo", seed: int) -> Floats:
    first, others = zoo.weights[0], zoo.weights[1:]
    some = [others[i : i + AT_ONCE] for i in range(0, len(others), AT_ONCE)]
    # Threads: to start processes takes longer than to align some hundred.
    with ThreadPoolExecutor(usable_cores()) as threads:
        moved = threads.map(lambda weights: align(weights, first, zoo.seed_hidden), some)
        aligned = np.concatenate(list(moved))
    return _from_the_first(np.concatenate([zoo.weights[:1], aligned]), zoo.good)


def _of_behaviour(zoo: "Zoo", seed: int) -> Floats:
    engine = make_engine(threads=usable_cores())

    def pictures(rows: Ints) -> Iterator[Floats]:
        """What NCAs show at each of the ``LOOKS``: ``(n, H, W, 4)``."""
        ncas = zoo.ncas(rows, seed)
        states, now = ncas.starts(), 0
        for look in LOOKS:
            states, now = engine.rollout(ncas, states, now, look - now), look
            yield np.clip(ncas.seen(states[:, 0]).astype(float), 0, 1)

    asked = list(pictures(np.arange(1)))
    total = np.zeros(len(zoo))
    for start in range(1, len(zoo), AT_ONCE):  # a state takes 64 bytes a cell: never those of all
        rows = np.arange(start, min(start + AT_ONCE, len(zoo)))
        for mine, theirs in zip(asked, pictures(rows), strict=True):
            total[rows] += ((theirs - mine) ** 2).mean(axis=(1, 2, 3))
    return total[1:] / len(LOOKS)


# Name -> distances (N - 1,) from the first NCA of a zoo to all others, given a rollout seed.
DISTANCES: dict[str, Callable[["Zoo", int], Floats]] = {
    "weights": _of_weights,
    "aligned": _of_aligned,
    "behaviour": _of_behaviour,
}
