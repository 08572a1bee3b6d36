"""Nearness: what *near* means wherever NCAs are compared: on the map, on the page, among
neighbours, in clusters.

Two NCAs are near if they differ from the mean NCA in the same direction. By plain distance of
their vectors the few that lie nearest the mean would be near to all: docs/near.md has figures.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.features.measures import Floats, Vectors
from nca_zoo.features.reduction import Basis, Scaling, find_basis, unit_rows

COMPONENTS = 50  # principal components that count
_AT_ONCE = 2**24  # distances that are held at a time


def directions(
    vectors: Vectors,
    known: npt.NDArray[np.bool_] | None = None,
    scaling: Scaling = "standardise",
) -> Floats:
    """Directions ``(N, at most 50)`` of length 1 of vectors ``(N, D)``, seen from their mean.

    See ``seen_from``. Values that are not finite, as failed fits may have, count as 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of what diverged
        scores = seen_from(vectors, known, scaling).scores(_finite(vectors))
        return unit_rows(_finite(scores))


def seen_from(
    vectors: Vectors,
    known: npt.NDArray[np.bool_] | None = None,
    scaling: Scaling = "standardise",
) -> Basis:
    """What ``directions`` of vectors ``(N, D)`` are seen in, for others to be seen in, too.

    Columns are scaled (see ``reduction.find_basis``) and reduced to principal components. known:
    which rows ``(N,)`` mean, scales and components are learned from, such as good fits; all if
    these are fewer than two.
    """
    finite = _finite(vectors)
    learned = finite if known is None or known.sum() < 2 else finite[known]
    with np.errstate(over="ignore", invalid="ignore"):
        return find_basis(learned, scaling, COMPONENTS)


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.nan_to_num(values, nan=0, posinf=0, neginf=0)


def nearest(
    rows: npt.NDArray[np.floating], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The ``min(k, N - 1)`` nearest other rows of each row, the nearest first: rows, distances.

    Of ``directions``, 0 is the same, 1.41 nothing in common, 2 the opposite.
    """
    from scipy.spatial.distance import cdist

    count = len(rows)
    k = min(k, count - 1)
    if k < 1:
        return np.zeros((count, 0), np.int64), np.zeros((count, 0), np.float32)
    near, apart = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    for first in range(0, count, max(1, _AT_ONCE // count)):
        some = slice(first, first + max(1, _AT_ONCE // count))
        distances = cdist(rows[some], rows)
        own = np.arange(first, first + len(distances))
        distances[np.arange(len(own)), own] = np.inf  # nobody is a neighbour of itself
        near[some] = least(distances, k)
        apart[some] = np.take_along_axis(distances, near[some], axis=1)
    return near, apart


def least(distances: Floats, k: int) -> npt.NDArray[np.int64]:
    """Columns ``(m, k)`` of the k least of each row, the least first; of equal ones the first.

    As sorting whole rows gives them, in a tenth of the time: few rows have ties at the k-th.
    """
    reach = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    within = distances <= reach
    clear = within.sum(axis=1) == k
    found = np.empty((len(distances), k), np.int64)
    found[clear] = np.nonzero(within[clear])[1].reshape(-1, k)
    order = np.argsort(np.take_along_axis(distances[clear], found[clear], axis=1), kind="stable")
    found[clear] = np.take_along_axis(found[clear], order, axis=1)
    found[~clear] = np.argsort(distances[~clear], axis=1, kind="stable")[:, :k]
    return found
