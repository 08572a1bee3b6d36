"""THE rule: what every cell of a neural cellular automaton (NCA) does in one step.

The rule is that of Mordvintsev et al., *Growing Neural Cellular Automata* (Distill, 2020),
https://distill.pub/2020/growing-ca. This module is its plain statement in numpy; the engines
compute the same thing fast and are tested against it.

A state is an array ``(..., H, W, 16)``: red, green, blue (premultiplied by alpha), alpha and
twelve hidden channels. A weight vector is flat, ``(P,)`` with ``P = 8336``, in the order of
``PARAM_SPEC``.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

CHANNELS = 16
VISIBLE = 4  # R, G, B, alpha
ALPHA = 3
TRAINED = {"rgba": VISIBLE, "grey": 1}  # of the visible channels, from the last: see `seen`
HIDDEN = 128
PERCEPTION = 3 * CHANNELS  # identity, Sobel x, Sobel y of every channel, in that order
ALIVE_THRESHOLD = 0.1

PARAM_SPEC: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("W1", (HIDDEN, PERCEPTION)),
    ("b1", (HIDDEN,)),
    ("W2", (CHANNELS, HIDDEN)),
    ("b2", (CHANNELS,)),
)
TENSORS = tuple(name for name, _ in PARAM_SPEC)
N_PARAMS = sum(int(np.prod(shape)) for _, shape in PARAM_SPEC)


@cache
def param_slices() -> Mapping[str, slice]:
    """Where each tensor lies in a flat weight vector: ``{"W1": slice(0, 6144), ...}``."""
    slices, start = {}, 0
    for name, shape in PARAM_SPEC:
        stop = start + int(np.prod(shape))
        slices[name] = slice(start, stop)
        start = stop
    return MappingProxyType(slices)


def unflatten(weights: Array) -> dict[str, Array]:
    """Split flat weights ``(..., P)`` into named tensors ``(..., *shape)``."""
    if weights.shape[-1] != N_PARAMS:
        raise ValueError(f"expected {N_PARAMS} weights, found {weights.shape[-1]}")
    shapes, slices = dict(PARAM_SPEC), param_slices()
    lead = weights.shape[:-1]
    return {name: weights[..., slices[name]].reshape(*lead, *shapes[name]) for name in shapes}


def flatten(tensors: dict[str, Array]) -> Array:
    """Join named tensors ``(..., *shape)`` into flat weights ``(..., P)``: undoes ``unflatten``."""
    flat = []
    for name, shape in PARAM_SPEC:
        tensor = tensors[name]
        if tensor.shape[tensor.ndim - len(shape) :] != shape:
            raise ValueError(f"{name}: expected shape (..., {shape}), found {tensor.shape}")
        flat.append(tensor.reshape(*tensor.shape[: tensor.ndim - len(shape)], -1))
    return np.concatenate(flat, axis=-1)


def seed_state(
    height: int, width: int, row: int, col: int, hidden: bool = True, dtype: npt.DTypeLike = "f4"
) -> Array:
    """One living cell ``(H, W, 16)``: alpha 1, RGB 0, hidden channels 1 if ``hidden``."""
    if not (0 <= row < height and 0 <= col < width):
        raise ValueError(f"seed ({row}, {col}) lies outside a grid of {height} x {width} cells")
    state = np.zeros((height, width, CHANNELS), dtype)
    state[row, col, ALPHA] = 1.0
    if hidden:
        state[row, col, VISIBLE:] = 1.0
    return state


def seen(state: Array, trained: int = VISIBLE) -> Array:
    """What is seen of a state ``(..., H, W, 16)``: premultiplied RGBA ``(..., H, W, 4)``.

    trained: how many of the visible channels, from the last, training compares with a picture. All
    four, or alpha alone, which then is the ink of a white drawing; R, G and B are hidden. What is
    seen of RGBA that was seen is the same again.
    """
    if trained == VISIBLE:
        return state[..., :VISIBLE]
    return np.repeat(state[..., ALPHA:VISIBLE], VISIBLE, axis=-1)


def compared(trained: int) -> slice:
    """Which channels of a state, or of an RGBA picture, training compares: see ``seen``."""
    return slice(VISIBLE - trained, VISIBLE)


def _neighbourhood(values: Array) -> dict[tuple[int, int], Array]:
    """The values ``(..., H, W, C)`` of each of the nine neighbours, zero beyond the border."""
    height, width = values.shape[-3:-1]
    lead = [(0, 0)] * (values.ndim - 3)
    padded = np.pad(values, [*lead, (1, 1), (1, 1), (0, 0)])
    return {
        (dy, dx): padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width, :]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }


def perceive(state: Array) -> Array:
    """What each cell sees: identity, Sobel x and Sobel y, ``(..., H, W, 48)``.

    The Sobel kernels are ``[1, 2, 1]`` across and ``[-1, 0, 1] / 8`` along the axis.
    """
    n = _neighbourhood(state)
    sobel_x = n[-1, 1] - n[-1, -1] + 2 * (n[0, 1] - n[0, -1]) + n[1, 1] - n[1, -1]
    sobel_y = n[1, -1] - n[-1, -1] + 2 * (n[1, 0] - n[-1, 0]) + n[1, 1] - n[-1, 1]
    return np.concatenate([state, sobel_x / 8, sobel_y / 8], axis=-1)


def alive(state: Array) -> BoolArray:
    """Which cells live ``(..., H, W)``: alpha above 0.1 in the cell or one of its 8 neighbours."""
    alpha = _neighbourhood(state[..., ALPHA : ALPHA + 1])
    return np.max(list(alpha.values()), axis=0)[..., 0] > ALIVE_THRESHOLD


def update(weights: Array, state: Array) -> Array:
    """What each cell adds to itself when it fires, ``(..., H, W, 16)``.

    weights: ``(P,)``; state: ``(..., H, W, 16)``.
    """
    w = unflatten(weights)
    hidden = np.maximum(perceive(state) @ w["W1"].T + w["b1"], 0)
    return hidden @ w["W2"].T + w["b2"]


def updated(state: Array, updates: Array, fire: BoolArray) -> Array:
    """The state after updates ``(..., H, W, 16)`` of the cells that ``fire`` ``(..., H, W)``."""
    grown = state + updates * fire[..., None]
    return grown * (alive(state) & alive(grown))[..., None]


def step(weights: Array, state: Array, fire: BoolArray) -> Array:
    """One step of the automaton.

    weights: ``(P,)``; state: ``(..., H, W, 16)``; fire: ``(..., H, W)``, which cells update.
    Returns the next state, of the same shape and dtype as ``state``.
    """
    return updated(state, update(weights, state), fire)
