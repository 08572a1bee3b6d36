"""Where NCAs lie on the map, and which are their nearest: by any feature vectors.

Only UMAP is slow to load; all else here needs numpy and scipy alone, so that a page with a map by
principal components is there at once.
"""

import numpy as np
import numpy.typing as npt

from nca_zoo.features.reduction import project
from nca_zoo.studies.embedding import grid_for, lay_out, settle

Floats = npt.NDArray[np.float32]

COMPONENTS = 50  # neighbours and UMAP see that many principal components
NEAREST_OF_UMAP = 15  # rows that UMAP draws each row to
SPREAD = 0.3  # looser than a map on paper: pictures here can be zoomed
FEWEST_FOR_UMAP = 30  # for fewer rows UMAP has little to say, and takes ten seconds to start
MOST_SETTLED = 1000  # NCAs that get a place of their own; of more, tiles would be specks
_AT_ONCE = 2**24  # distances that are held at a time


def components(vectors: Floats) -> Floats:
    """The first principal components ``(N, at most 50)`` of vectors ``(N, D)``.

    They are divided by one number, so that 1 is the root mean square distance from the mean. Values
    that are not finite, as failed fits may have, count as 0.
    """
    finite = np.nan_to_num(vectors, nan=0, posinf=0, neginf=0)
    return project(finite, finite[:1], "centre", COMPONENTS)[0].astype(np.float32)


def has_umap(reduced: Floats) -> bool:
    """Whether UMAP has anything to say of rows ``(N, D)``."""
    return len(reduced) >= FEWEST_FOR_UMAP and bool(np.ptp(reduced) > 0)


def by_umap(reduced: Floats, seed: int = 0) -> Floats:
    """UMAP (McInnes, Healy and Melville 2018) of rows ``(N, D)``: places ``(N, 2)``."""
    return lay_out(reduced, seed, NEAREST_OF_UMAP, SPREAD).astype(np.float32)


def by_components(reduced: Floats) -> Floats:
    """The first two columns of rows ``(N, D)``: places ``(N, 2)``."""
    flat = np.zeros((len(reduced), 2), np.float32)
    flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return flat


def arrange(flat: Floats) -> tuple[Floats, float | None]:
    """Places ``(N, 2)`` brought into the unit square, and the side of a place, or None.

    Up to 1,000 settle on a grid with room to spare, where no two share a cell; the side is that of
    a cell. More are centred and never stretched, and lie over each other.
    """
    if len(flat) <= MOST_SETTLED:
        wide = flat.astype(np.float64)
        rows, columns = grid_for(wide)
        cells = settle(wide, (rows, columns))
        side = 1 / max(rows, columns)
        return ((cells[:, ::-1] + 0.5 - np.array([columns, rows]) / 2) * side + 0.5).astype(
            np.float32
        ), side
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = max((high - low).max(), 1e-9)
    flat = (flat - (low + high) / 2) / scale * [1, -1]  # the page counts downwards
    return (flat + 0.5).astype(np.float32), None


def nearest(reduced: Floats, k: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """The ``min(k, N - 1)`` nearest other rows of each row, the nearest first: rows, distances."""
    from scipy.spatial.distance import cdist

    count = len(reduced)
    k = min(k, count - 1)
    if k < 1:
        return np.zeros((count, 0), np.int64), np.zeros((count, 0), np.float32)
    near, apart = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    for first in range(0, count, max(1, _AT_ONCE // count)):
        some = slice(first, first + max(1, _AT_ONCE // count))
        distances = cdist(reduced[some], reduced)
        own = np.arange(first, first + len(distances))
        distances[np.arange(len(own)), own] = np.inf  # nobody is a neighbour of itself
        near[some] = np.argsort(distances, axis=1, kind="stable")[:, :k]
        apart[some] = np.take_along_axis(distances, near[some], axis=1)
    return near, apart
