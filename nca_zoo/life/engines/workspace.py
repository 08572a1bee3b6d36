"""Scratch memory of the sparse kernels: one workspace a thread, kept from call to call."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import BLOCK_CELLS
from nca_zoo.automaton.rule import CHANNELS, HIDDEN, N_PARAMS, PERCEPTION, VISIBLE
from nca_zoo.life.engines.planes import words
from nca_zoo.life.engines.tile import LANES, ROWS

CHUNK_ROWS = 192  # rows whose shares of the weights' gradient are added up in one product
W1_T, W2_T = N_PARAMS, N_PARAMS + PERCEPTION * HIDDEN  # transposes in `Workspace.weights`


class Workspace(NamedTuple):
    """Scratch memory of one thread; ``rows`` is a bound that is rarely touched, so never filled."""

    state: npt.NDArray[np.float32]  # (sites * 16) the state, updated in place
    grad: npt.NDArray[np.float32]  # (sites * 16) the loss's gradient by that state
    mature: npt.NDArray[np.uint64]  # (plane) alpha above the threshold
    fire: npt.NDArray[np.uint64]  # (plane) fires in this step
    pre: npt.NDArray[np.uint64]  # (plane) alive before the update
    post: npt.NDArray[np.uint64]  # (plane) alive before and after
    filled: npt.NDArray[np.uint64]  # (plane) may hold anything but zeros
    across: npt.NDArray[np.uint64]  # (plane) scratch of `dilate`
    spread: npt.NDArray[np.uint64]  # (plane) a dilated plane for the moment
    draws: npt.NDArray[np.uint64]  # scratch of `fire_plane`
    alive: npt.NDArray[np.uint64]  # (steps * plane) alive before and after, of every step
    first_row: npt.NDArray[np.int64]  # (steps + 1) where each step's rows begin
    cells: npt.NDArray[np.int32]  # (rows) the site of each row; 0 for padding
    perception: npt.NDArray[np.float32]  # (rows * 48)
    hidden: npt.NDArray[np.float32]  # (rows * 128) after the ReLU
    update: npt.NDArray[np.float32]  # (chunk's rows * 16) updates or their gradients
    d_hidden: npt.NDArray[np.float32]  # (chunk's rows * 128)
    d_perception: npt.NDArray[np.float32]  # (step's rows * 48)
    visible: npt.NDArray[np.float32]  # (looks * H * W * 4) of the states that are compared
    weights: npt.NDArray[np.float32]  # (P), and W1^T and W2^T, flat
    gradient: npt.NDArray[np.float32]  # (P)
    zeros: npt.NDArray[np.float32]  # (48)
    ones: npt.NDArray[np.float32]  # (1)


class Buffer(NamedTuple):
    """One array of a workspace before it is made."""

    n: int  # numbers
    dtype: type
    filled: bool = False  # with zeros; else its memory is taken only where it is written


def layout(height: int, width: int, steps: int, looks: int, living: int) -> dict[str, Buffer]:
    """All buffers for rollouts of up to ``steps`` traced steps in which so many cells fire."""
    sites = (height + 2) * (width + 2)
    plane = (height + 2) * words.py_func(width)  # compiled it would cost every start half a second
    step_rows = living + 2 * ROWS  # a padded list of cells, and ghosts
    chunk_rows = max(CHUNK_ROWS, step_rows)
    rows = steps * step_rows
    f4, u8 = np.float32, np.uint64
    planes = ("mature", "fire", "pre", "post", "filled", "across", "spread")
    return {
        "state": Buffer(sites * CHANNELS, f4, filled=True),
        "grad": Buffer(sites * CHANNELS, f4, filled=True),
        **{name: Buffer(plane, u8, filled=True) for name in planes},
        "draws": Buffer(-(-height * width // BLOCK_CELLS) + 1, u8, filled=True),
        "alive": Buffer(steps * plane, u8, filled=True),
        "first_row": Buffer(steps + 1, np.int64, filled=True),
        "cells": Buffer(rows, np.int32),
        "perception": Buffer(rows * PERCEPTION, f4),
        "hidden": Buffer(rows * HIDDEN, f4),
        "update": Buffer(chunk_rows * CHANNELS, f4),
        "d_hidden": Buffer(chunk_rows * HIDDEN, f4),
        "d_perception": Buffer(step_rows * PERCEPTION, f4),
        "visible": Buffer(looks * height * width * VISIBLE, f4),
        "weights": Buffer(W2_T + HIDDEN * CHANNELS, f4),
        "gradient": Buffer(N_PARAMS, f4),
        "zeros": Buffer(PERCEPTION, f4, filled=True),
    }


def workspace(height: int, width: int, steps: int, looks: int = 0) -> Workspace:
    """Scratch for rollouts of up to ``steps`` traced steps, of which so many are compared.

    Without gradients, 1 step is enough.
    """
    buffers = layout(height, width, steps, looks, living=height * width)
    arrays = {name: _aligned(*buffer) for name, buffer in buffers.items()}
    return Workspace(**arrays, ones=np.ones(1, np.float32))


def buffer_bytes(height: int, width: int, steps: int, looks: int, living: int) -> list[int]:
    """Bytes of each array of a workspace in which so many cells fire in a step, at most."""
    buffers = layout(height, width, steps, looks, living).values()
    return [n * np.dtype(dtype).itemsize for n, dtype, _ in buffers]


def _aligned(n: int, dtype: Any, filled: bool = False) -> npt.NDArray[Any]:
    """An array that has its cache lines to itself, in pairs, as they are fetched.

    So no vector of LANES floats crosses one, and threads do not wait for each other's lines.
    """
    line = 2 * LANES * 4
    size = n * np.dtype(dtype).itemsize
    memory = np.zeros(size + line, np.uint8) if filled else np.empty(size + line, np.uint8)
    skipped = -memory.ctypes.data % line
    return memory[skipped : skipped + size].view(dtype)
