"""Where NCAs lie on the map, and which are their nearest: by any feature vectors."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

COMPONENTS = 50  # neighbours and UMAP see that many principal components
SPREAD = 0.3  # looser than a map on paper: pictures here can be zoomed
FEWEST_FOR_UMAP = 30  # for fewer rows UMAP has little to say, and takes ten seconds to start


def components(vectors: Floats, seed: int = 0) -> Floats:
    """The first principal components ``(N, min(50, N, D))`` of vectors ``(N, D)``.

    Values that are not finite, as failed fits may have, count as 0.
    """
    from sklearn.decomposition import PCA

    finite = np.nan_to_num(vectors, nan=0, posinf=0, neginf=0)
    if len(finite) < 2 or np.ptp(finite, axis=0).max() == 0:
        return np.zeros((len(finite), 1), np.float32)
    size = min(COMPONENTS, *finite.shape)
    reduced = PCA(size, svd_solver="randomized", random_state=seed).fit_transform(finite)
    return reduced.astype(np.float32)


def places(reduced: Floats, seed: int = 0) -> Floats:
    """A point in the unit square for each row of ``(N, D)``: ``(N, 2)``, centred, never stretched.

    UMAP (McInnes, Healy and Melville 2018), or the first two columns of fewer than 30 rows.
    """
    if len(reduced) < FEWEST_FOR_UMAP or np.ptp(reduced) == 0:
        flat = np.zeros((len(reduced), 2), np.float32)
        flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    else:
        from nca_zoo.studies.embedding import lay_out

        flat = lay_out(reduced, seed, spread=SPREAD).astype(np.float32)
    low, high = flat.min(axis=0), flat.max(axis=0)
    return ((flat - (low + high) / 2) / (max((high - low).max(), 1e-9)) + 0.5).astype(np.float32)


def nearest(reduced: Floats, k: int) -> npt.NDArray[np.int64]:
    """The ``min(k, N - 1)`` nearest other rows of each row, the nearest first."""
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(reduced) - 1)
    if k < 1:
        return np.zeros((len(reduced), 0), np.int64)
    # Without a query, sklearn leaves each row out of its own neighbours.
    return NearestNeighbors(n_neighbors=k).fit(reduced).kneighbors(return_distance=False)
