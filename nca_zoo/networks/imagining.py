"""Imagining: weights of NCAs that nobody trained, made of those of a class that are known.

Where NCAs share a start their weights can be added up. A way to imagine says how much of each known
NCA goes into a new one, its shares, which add up to 1. So what is imagined is an affine combination
of known weights, and where its seed cell lies comes along by the same shares.

How good that is, against what knows less, is for ``nca_zoo.studies.imagining``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.noise import fold, uniform
from nca_zoo.features.measures import Floats, Vectors
from nca_zoo.symmetry.group import normals

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Keys = npt.NDArray[np.uint64]
Way = Callable[[Vectors, Keys], Floats]  # known weights (n, P), K keys -> shares (K, n)
# Of a class, one for each of K keys: weights (K, P), and rows and columns of seed cells (K, 2).
Draw = Callable[[int, Keys], tuple[Vectors, Floats]]

BLENDED = 4  # NCAs that an average is of
COMPONENTS = 20  # of a Gaussian with few
CLUSTERS = 3  # of a mixture of Gaussians ...
EACH = 40  # ... for which a class has to have so many NCAs each (docs/notes/imagining.md)


def combined(weights: Vectors, seeds: npt.ArrayLike, shares: Floats) -> tuple[Vectors, Floats]:
    """The NCAs of shares ``(K, n)``: weights ``(K, P)``, rows and columns of seeds ``(K, 2)``."""
    with threadpool_limits(limits=1):
        found = shares @ weights.astype(np.float64)
    return found.astype(np.float32), shares @ np.asarray(seeds)


def by_shares(zoo: "Zoo", way: Way) -> Draw:
    """Draws what is made of a zoo's NCAs of the class, each with a share."""

    def draw(label: int, keys: Keys) -> tuple[Vectors, Floats]:
        members = np.flatnonzero(np.asarray(zoo.label) == label)
        seeds = np.stack([zoo.seed_row[members], zoo.seed_col[members]], axis=1)
        known = zoo.weights[members]
        return combined(known, seeds, way(known, keys))

    return draw


def normal(keys: Keys, n: int) -> Floats:
    """Standard normal numbers ``(K, n)`` for K keys, those of a key on its own."""
    return np.asarray(normals(uniform(keys, 2 * n).T).T, np.float64)


def gaussian(weights: Vectors, keys: Keys, components: int | None = None) -> Floats:
    """From the Gaussian with the mean and covariance of ``weights``, or its leading components;
    of one alone that one.

    Of a draw ``mean + sum z_j s_j v_j`` along principal axes v_j with standard deviations s_j, the
    shares are ``1/n + sum z_j u_j / sqrt(n - 1)``, where u_j are the axes of the Gram matrix.
    """
    n = len(weights)
    rank = min(components or n - 1, n - 1)
    centred = weights - weights.mean(axis=0, dtype=np.float64)
    with threadpool_limits(limits=1):
        axes = np.linalg.eigh(centred @ centred.T)[1][:, ::-1][:, :rank]
    return 1 / n + normal(keys, rank) @ axes.T / np.sqrt(max(n - 1, 1))


def average(weights: Vectors, keys: Keys, members: int = BLENDED) -> Floats:
    """Random convex combinations of some NCAs, uniform over the simplex."""
    n = len(weights)
    chosen = np.argsort(uniform(fold(keys, 1), n), axis=1)[:, :members]
    drawn = -np.log1p(-uniform(fold(keys, 2), chosen.shape[1]))
    shares = np.zeros((len(keys), n))
    np.put_along_axis(shares, chosen, drawn / drawn.sum(axis=1, keepdims=True), axis=1)
    return shares


def clusters(weights: Vectors, keys: Keys, number: int = CLUSTERS) -> Floats:
    """From a Gaussian for each of a few clusters (k-means), drawn as often as they are large."""
    with threadpool_limits(limits=1):
        cluster = KMeans(number, n_init=10, random_state=0).fit_predict(weights)
    picked = cluster[(uniform(fold(keys, 1), 1)[:, 0] * len(weights)).astype(int)]
    shares = np.zeros((len(keys), len(weights)))
    for one in np.unique(picked):
        mine, members = np.flatnonzero(picked == one), np.flatnonzero(cluster == one)
        shares[np.ix_(mine, members)] = gaussian(weights[members], keys[mine])
    return shares


def usual(weights: Vectors, keys: Keys) -> Floats:
    """Of large classes from a Gaussian for each of a few clusters, else from one."""
    way = clusters if len(weights) >= CLUSTERS * EACH else gaussian
    return way(weights, keys)


def copies(weights: Vectors, keys: Keys) -> Floats:
    """Any one of those known."""
    picked = (uniform(fold(keys, 1), 1)[:, 0] * len(weights)).astype(int)
    return np.eye(len(weights))[picked]
