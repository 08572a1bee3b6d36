"""Pairs: how near each row is to each other, which support vectors see in place of the rows.

By one product, in bands of rows that stay in the cache, and once for all inner folds: several times
faster than libsvm's own for the numbers of components that readers use.
"""

from collections.abc import Callable

import numpy as np

from nca_zoo.features.measures import Floats

BAND = 128  # rows at a time

Pairs = Callable[[Floats, Floats], Floats]  # of rows (m, D) and (n, D): (m, n)


def radial(left: Floats, right: Floats, gamma: float) -> Floats:
    """``exp(-gamma |x - y|^2)`` for rows ``(m, D)`` and ``(n, D)``: ``(m, n)``.

    Half the work if both are the same array.
    """
    same = left is right
    found, band_of = np.empty((len(left), len(right))), np.empty(BAND * len(right))
    doubled, lengths = 2 * left, (left**2).sum(axis=1)
    others = lengths if same else (right**2).sum(axis=1)
    for first in range(0, len(left), BAND):
        rows = slice(first, min(first + BAND, len(left)))
        n, until = rows.stop - first, rows.stop if same else len(right)
        band = band_of[: n * until].reshape(n, until)
        np.matmul(doubled[rows], right[:until].T, out=band)
        np.subtract(lengths[rows, None] + others[:until], band, out=band)
        np.maximum(band, 0, out=band)
        band *= -gamma
        np.exp(band, out=band)
        found[rows, :until] = band
        if same:
            found[:first, rows] = band[:, :first].T
    return found
