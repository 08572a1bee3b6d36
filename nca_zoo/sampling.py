"""A part of a zoo that stands for the whole: some of its NCAs, drawn evenly over the classes."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo import noise

if TYPE_CHECKING:
    from nca_zoo.zoofile import Zoo


def sample_rows(labels: npt.NDArray[np.integer], most: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """At most ``most`` row numbers in ascending order, drawn as evenly over the classes as can be.

    labels: (N,). The same arguments always draw the same rows.
    """
    draws = noise.uniform(seed, len(labels))
    turn = np.empty(len(labels), int)  # when a row's class would give it away
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        turn[rows[np.argsort(draws[rows])]] = np.arange(len(rows))
    return np.sort(np.lexsort((draws, turn))[:most])


def sampled(zoo: "Zoo", most: int | None, keep: str | None = None) -> "Zoo":
    """``zoo``, or a sample of ``most`` of its NCAs if it has more; the same one every time.

    keep: the id of an NCA that is to be among them. None for ``most`` takes all.
    """
    if most is None or most >= len(zoo):
        return zoo
    rows = sample_rows(zoo.label, most)
    if keep is not None and (kept := zoo.index(keep)) not in rows:
        rows = np.sort(np.append(rows[:-1], kept))
    return zoo.subset(rows)
