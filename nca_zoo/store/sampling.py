"""A part of a zoo that stands for the whole: some of its NCAs, drawn evenly over the classes."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Labels = npt.NDArray[np.integer]
Rows = npt.NDArray[np.int64]


def sample_rows(labels: Labels, most: int, seed: int = 0) -> Rows:
    """At most ``most`` row numbers in ascending order, drawn as evenly over the classes as can be.

    labels: (N,). The same arguments always draw the same rows.
    """
    draws = noise.uniform(seed, len(labels))
    return np.sort(np.lexsort((draws, _turns(labels, draws)))[:most])


def sample_classes(labels: Labels, most: int, seed: int = 0) -> Rows:
    """At most ``most`` row numbers of each class, class by class. Arguments as above."""
    drawn = np.flatnonzero(_turns(labels, noise.uniform(seed, len(labels))) < most)
    return drawn[np.argsort(labels[drawn], kind="stable")]


def _turns(labels: Labels, draws: npt.NDArray[np.floating]) -> Rows:
    """When a row's class would give it away: 0, 1, ... within each class."""
    turns = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        turns[rows[np.argsort(draws[rows])]] = np.arange(len(rows))
    return turns


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
