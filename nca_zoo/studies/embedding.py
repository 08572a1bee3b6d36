"""Embedding: two coordinates for every NCA, so that near means alike, and places on a grid.

UMAP (McInnes et al., 2018) lays the vectors out; ``settle`` then gives every point a place of its
own, so that a picture drawn there covers no other.
"""

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Floats, Ints, Vectors
from nca_zoo.features.nearness import directions

if TYPE_CHECKING:
    import types

LEAST = 10  # NCAs
ROOM = 2.5  # cells of the grid for each point: enough for UMAP's islands to keep their shape
ASPECTS = (1.0, 2.0)  # width over height


def embed(
    vectors: Vectors,
    seed: int = 0,
    neighbours: int = 15,
    spread: float = 0.1,
) -> Floats:
    """Places ``(N, 2)`` of vectors ``(N, D)`` in the plane; the same seed gives the same places.

    neighbours: how many a point is drawn to, small for detail and large for the whole; spread:
    UMAP's ``min_dist``, how tightly points may pack. Raises ``ZooError`` for too few rows.
    """
    if len(vectors) < LEAST:
        raise ZooError(f"a map needs {LEAST} NCAs and there are {len(vectors)}; build more")
    return lay_out(directions(vectors).astype(np.float32), seed, neighbours, spread)


def lay_out(scores: Vectors, seed: int = 0, neighbours: int = 15, spread: float = 0.1) -> Floats:
    """UMAP's places ``(N, 2)`` of a few components ``(N, D)``; arguments as for ``embed``."""
    model = _umap().UMAP(
        n_neighbors=min(neighbours, len(scores) - 1),
        min_dist=spread,
        random_state=seed % 2**32,  # numpy's older generator takes 32 bits
        n_jobs=1,  # with a seed UMAP runs on one thread, and warns if asked for more
    )
    return model.fit_transform(scores).astype(np.float64)


def _umap() -> "types.ModuleType":
    from nca_zoo.ground.compiling import forgive_caches

    forgive_caches()
    with warnings.catch_warnings():
        # Its parametric variant, which is not used here, asks for Tensorflow.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        import umap
    return umap


def grid_for(places: Floats) -> tuple[int, int]:
    """Rows and columns of a grid for places ``(N, 2)``: shaped as they are, roomy, and wide."""
    width, height = np.maximum(np.ptp(places, axis=0), 1e-9)
    aspect = np.clip(width / height, *ASPECTS)
    columns = math.ceil(math.sqrt(ROOM * len(places) * aspect))
    return math.ceil(ROOM * len(places) / columns), columns


def settle(places: Floats, cells: tuple[int, int]) -> Ints:
    """A free cell ``(N, 2)`` (row, column) of a grid of ``cells`` for each place ``(N, 2)``.

    Places are scaled to the grid, one number for both axes, y upwards. The most crowded choose
    first, and each takes the free cell nearest its place: no two share one. Raises ``ZooError`` if
    the grid has fewer cells than there are places.
    """
    rows, columns = cells
    if rows * columns < len(places):
        raise ZooError(f"{len(places)} NCAs do not fit into {rows} x {columns} cells")
    low, high = places.min(axis=0), places.max(axis=0)
    scale = min(
        (columns - 1) / max(high[0] - low[0], 1e-9), (rows - 1) / max(high[1] - low[1], 1e-9)
    )
    middle = (low + high) / 2
    x = (places[:, 0] - middle[0]) * scale + (columns - 1) / 2
    y = (rows - 1) / 2 - (places[:, 1] - middle[1]) * scale
    wanted = np.stack([y, x], axis=1)
    grid = np.stack(np.meshgrid(range(rows), range(columns), indexing="ij"), -1).reshape(-1, 2)
    some = range(1, min(8, len(wanted)) + 1)  # a list: for one place, too, a row of distances
    crowd = cKDTree(wanted).query(wanted, k=some)[0].sum(axis=1)
    free, taken = cKDTree(grid), np.zeros(len(grid), bool)
    found = np.empty((len(places), 2), int)
    for i in np.argsort(crowd, kind="stable"):
        cell = _nearest_free(free, taken, wanted[i])
        taken[cell] = True
        found[i] = grid[cell]
    return found


def _nearest_free(tree: cKDTree, taken: Ints, place: Floats) -> int:
    ask = min(16, len(taken))
    while True:
        near = np.atleast_1d(tree.query(place, k=ask)[1])
        open_cells = near[~taken[near]]
        if len(open_cells):
            return int(open_cells[0])
        ask = min(4 * ask, len(taken))
