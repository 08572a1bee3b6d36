"""The symmetry group of the rule: changes of the weights that no visible channel ever shows.

An element permutes the hidden units, scales each by a positive number (a ReLU lets it through),
and changes the basis of the state by ``T = [[I, 0], [B, A]]``: hidden channels may be mixed by an
invertible A and sheared along the visible ones by any B, as long as the seed stays the seed. That
is 128 + 180 continuous dimensions of 8,336. Nothing else of the rule looks at hidden channels: one
fire mask a cell, an alive mask that reads alpha alone, no clamping.

How the group acts is the table ``ACTION``: what becomes of which axis of which tensor. All
algebra is in float64. docs/symmetry.md has the derivation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import uniform
from nca_zoo.automaton.rule import (
    ALPHA,
    CHANNELS,
    HIDDEN,
    PARAM_SPEC,
    VISIBLE,
    Array,
    flatten,
    unflatten,
)

Ints = npt.NDArray[np.integer]

HIDDEN_CHANNELS = CHANNELS - VISIBLE


@dataclass(frozen=True)
class Element:
    """One element of the group, or with leading axes one for each of many NCAs.

    Unit j of the transformed NCA is unit ``permutation[j]`` of the old one, its incoming weights
    times ``scales[j]``; its state is ``basis`` times the old state.
    """

    permutation: Ints  # (..., 128)
    scales: Array  # (..., 128), above 0
    basis: Array  # (..., 16, 16), T

    def of(self, rows: Any) -> "Element":
        """The elements of some of the NCAs, by the first axis."""
        return Element(self.permutation[rows], self.scales[rows], self.basis[rows])


def _fixed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values.flags.writeable = False
    return values


# What leaves units and states as they are, and what is left so costs nothing: see ``identity``.
_STILL = Element(_fixed(np.arange(HIDDEN)), _fixed(np.ones(HIDDEN)), _fixed(np.eye(CHANNELS)))


def _permuted(values: npt.NDArray[Any], permutation: Ints) -> npt.NDArray[Any]:
    """``values[..., permutation]``, whose leading axes go together."""
    if permutation is _STILL.permutation:
        return values
    if (permutation == _STILL.permutation).all():  # what aligners find in most of their rounds
        return values if values.ndim > permutation.ndim else _as_many(values, permutation)
    if permutation.ndim == 1:
        return values[..., permutation]
    *lead, n = permutation.shape
    if values.ndim > permutation.ndim:  # whole rows are moved, which is quick
        flat = values.swapaxes(-1, -2).reshape(-1, n, values.shape[-2])
        rows = permutation.reshape(-1, n)
        moved = flat[np.arange(len(rows))[:, None], rows]
        return moved.reshape(*lead, n, -1).swapaxes(-1, -2)
    return np.take_along_axis(_as_many(values, permutation), permutation, axis=-1)


def _as_many(values: npt.NDArray[Any], permutation: Ints) -> npt.NDArray[Any]:
    return np.broadcast_to(values, permutation.shape)


def _scaled(x: Array, scales: Array, by: Callable[[Array, Array], Array]) -> Array:
    """``x`` ``(..., m, n)`` times or divided by scales ``(..., n)``."""
    if scales is _STILL.scales:
        return x
    return by(x, scales if scales.ndim in (1, x.ndim) else scales[..., None, :])


def _turned(x: Array, basis: Array, matrix: Callable[[Array], Array]) -> Array:
    """``x @ matrix(basis)`` for the last axis of ``x``, in parts as long as a side of it."""
    if basis is _STILL.basis:
        return x
    side, moves = basis.shape[-1], matrix(basis)
    return (x.reshape(*x.shape[: basis.ndim - 2], -1, side) @ moves).reshape(x.shape)


def _transposed(matrix: Array) -> Array:
    return matrix.swapaxes(-1, -2)


# How the last axis of an array moves. A starred axis takes the inverse transpose of the unstarred
# matrix, so that a sum over the two stays the same.
MOVES: dict[str, Callable[[Element, Array], Array]] = {
    "unit": lambda g, x: _scaled(_permuted(x, g.permutation), g.scales, np.multiply),
    "unit*": lambda g, x: _scaled(_permuted(x, g.permutation), g.scales, np.divide),
    "state": lambda g, x: _turned(x, g.basis, _transposed),
    "perception*": lambda g, x: _turned(x, g.basis, np.linalg.inv),
}
ACTION: dict[str, tuple[str, ...]] = {
    "W1": ("unit", "perception*"),
    "b1": ("unit",),
    "W2": ("state", "unit*"),
    "b2": ("state",),
}


def act(element: Element, weights: Array) -> Array:
    """The weights ``(..., P)`` moved; computed in float64, same dtype as given.

    By one element, or each by its own if it has the leading axes of the weights.
    """
    tensors = unflatten(np.asarray(weights, np.float64))
    for name, shape in PARAM_SPEC:
        for axis, move in enumerate(ACTION[name], start=-len(shape)):
            moved = MOVES[move](element, tensors[name].swapaxes(axis, -1))
            tensors[name] = moved.swapaxes(axis, -1)
    return flatten(tensors).astype(weights.dtype)


def act_on_state(element: Element, state: Array) -> Array:
    """The state ``(..., 16)`` that the transformed NCA has where the old one has ``state``."""
    return (np.asarray(state, np.float64) @ element.basis.T).astype(state.dtype)


def identity() -> Element:
    """The element that changes nothing."""
    return _STILL


def compose(second: Element, first: Element) -> Element:
    """First ``first``, then ``second``: ``act(compose(g, h), w) == act(g, act(h, w))``."""
    return Element(
        _permuted(first.permutation, second.permutation),
        second.scales * _permuted(first.scales, second.permutation),
        second.basis @ first.basis,
    )


def invert(element: Element) -> Element:
    """The element that undoes this one."""
    back = np.argsort(element.permutation, axis=-1)
    return Element(back, 1 / _permuted(element.scales, back), np.linalg.inv(element.basis))


def seed_vector(seed_hidden: bool = True) -> Array:
    """The 16 channels of the seed cell: alpha 1, hidden channels 1 if ``seed_hidden``."""
    seed = np.zeros(CHANNELS)
    seed[ALPHA] = 1
    seed[VISIBLE:] = float(seed_hidden)
    return seed


def random_element(key: int, seed_hidden: bool = True, spread: float = 1.0) -> Element:
    """An element drawn with ``key`` (nca_zoo.automaton.noise) that keeps the seed.

    Any permutation; scales and the singular values of A from ``2**-spread`` to ``2**spread``,
    uniform in the exponent, between rotations drawn uniformly; B normal with deviation ``spread``
    / 2 but for its alpha column, which the seed decides. seed_hidden: see ``seed_vector``.
    """
    h = HIDDEN_CHANNELS
    draws = uniform(key, 2 * HIDDEN + h + 2 * (2 * h * h + h * VISIBLE))
    order, scales, stretch, rest = np.split(draws, np.cumsum([HIDDEN, HIDDEN, h]))
    drawn = normals(rest)
    left, right = (np.linalg.qr(n)[0] for n in drawn[: 2 * h * h].reshape(2, h, h))
    basis = np.eye(CHANNELS)
    basis[VISIBLE:, VISIBLE:] = left * 2 ** (spread * (2 * stretch - 1)) @ right
    basis[VISIBLE:, :VISIBLE] = drawn[2 * h * h :].reshape(h, VISIBLE) * spread / 2
    seed = seed_vector(seed_hidden)
    basis[VISIBLE:, ALPHA] = (seed - basis[:, VISIBLE:] @ seed[VISIBLE:])[VISIBLE:]
    return Element(np.argsort(order), 2 ** (spread * (2 * scales - 1)), basis)


def normals(draws: Array) -> Array:
    """Half as many standard normal numbers as uniform draws (Box and Muller)."""
    radius, angle = np.split(draws, 2)
    return np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
