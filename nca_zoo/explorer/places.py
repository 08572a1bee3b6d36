"""Where NCAs lie on the map: by the directions of any feature vectors.

Only UMAP is slow to load; all else here needs numpy and scipy alone, so that a page with a map by
principal components is there at once.
"""

import numpy as np
import numpy.typing as npt

from nca_zoo.studies.embedding import grid_for, lay_out, settle

Floats = npt.NDArray[np.float32]

NEAREST_OF_UMAP = 15  # rows that UMAP draws each row to
SPREAD = 0.3  # looser than a map on paper: pictures here can be zoomed
FEWEST_FOR_UMAP = 30  # for fewer rows UMAP has little to say, and takes ten seconds to start
MOST_SETTLED = 1000  # NCAs that get a place of their own; of more, tiles would be specks


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
    a cell. Of a few, one that lies far off would push all others into a corner: their order says as
    much as their distance. More are centred and never stretched, and lie over each other.
    """
    if len(flat) <= MOST_SETTLED:
        wide = flat.astype(np.float64)
        if len(wide) < FEWEST_FOR_UMAP:
            wide = _evened(wide)
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


def _evened(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Places three quarters of the way to where their ranks along both axes are; ties stay."""
    low, width = places.min(axis=0), np.ptp(places, axis=0)
    ranks = np.empty_like(places)
    for rank, column in zip(ranks.T, places.T, strict=True):
        ends = (np.searchsorted(np.sort(column), column, side) for side in ("left", "right"))
        rank[:] = (sum(ends) - 1) / 2
    return (places + 3 * (low + ranks / max(len(places) - 1, 1) * width)) / 4
