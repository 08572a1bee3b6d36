"""Steering: directions of the weights along which one property of what grows changes.

Weights are regressed on measured properties of the pictures, all at once and within classes, so
that the direction of each leaves the others where they are, as far as a straight line can.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nca_zoo.features.measures import Floats, Ints, Vectors, extent, slant, stroke_width


@dataclass(frozen=True)
class Property:
    """What can be steered: how the ink ``(N, H, W)`` of pictures is measured, ``(N,)``."""

    name: str
    units: str
    description: str
    measure: Callable[[Floats], Floats]


PROPERTIES = (
    Property("slant", "degrees", "lean to the right", slant),
    Property("width", "pixels", "mean width of the strokes", stroke_width),
    Property("size", "pixels", "root mean square distance of the ink from its centre", extent),
)


def measured(pictures: Vectors) -> Floats:
    """Every property ``(N, 3)`` of pictures ``(N, H, W, 4)``; NaN of what shows nothing."""
    ink = pictures[..., -1].astype(np.float64)
    return np.stack([each.measure(ink) for each in PROPERTIES], axis=1)


@dataclass(frozen=True, eq=False)
class Steering:
    """Directions ``(3, P)``, a change of the weights for one of each unit, as ``PROPERTIES``."""

    directions: Floats
    spreads: Floats  # (3,), standard deviations within a class, in the properties' units

    def moved(self, weights: Vectors, asked: npt.ArrayLike) -> Vectors:
        """Weights ``(..., P)`` changed by ``asked`` ``(..., 3)`` standard deviations."""
        by = np.asarray(asked, np.float64) * self.spreads
        return (weights + by @ self.directions).astype(np.float32)


def learn_steering(weights: Vectors, properties: Floats, labels: Ints) -> Steering:
    """Least squares of weights ``(N, P)`` on properties ``(N, 3)``, less the means of classes.

    labels: ``(N,)``. Raises ValueError for fewer NCAs than can tell the properties apart.
    """
    known = np.isfinite(properties).all(axis=1)
    changes, varied = (
        _within(rows[known].astype(np.float64), labels[known]) for rows in (weights, properties)
    )
    if np.linalg.matrix_rank(varied) < varied.shape[1]:
        raise ValueError("too few pictures, or too much alike, to tell their properties apart")
    with threadpool_limits(limits=1):
        directions = np.linalg.lstsq(varied, changes, rcond=None)[0]
    return Steering(np.asarray(directions, np.float64), varied.std(axis=0))


def _within(rows: Floats, labels: Ints) -> Floats:
    """Rows less the mean of their class."""
    _, place = np.unique(labels, return_inverse=True)
    sums = np.zeros((place.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, place, rows)
    return rows - (sums / np.bincount(place)[:, None])[place]
