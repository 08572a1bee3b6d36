"""The sparse engine's compiled kernels: rollouts and back-propagation that skip idle cells.

A cell that is dead, or does not fire, adds nothing to a step or to its gradient. So each step
lists the living, firing cells, gathers their perceptions as the rows of a matrix, and runs the
network on those rows alone. Every kernel is serial and releases the GIL.

Grids are padded by one dead cell on each side; a *site* is an index into the padded grid. Matrices
are flat arrays whose rows come in multiples of ``ROWS``, so that all products are made of one
register tile. (Numba's cache watches only a function's own file: after a change to ``tile.py``,
touch this one.)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from nca_zoo.engines.tile import (
    ADD,
    GATE,
    OPTIONS,
    RELU,
    ROWS,
    add_row,
    product,
    sobel_row,
    sobel_row_back,
)
from nca_zoo.rule import ALIVE_THRESHOLD, ALPHA, CHANNELS, HIDDEN, PERCEPTION, VISIBLE, param_slices

_THRESHOLD = np.float32(ALIVE_THRESHOLD)
_ONE = np.float32(1)
_W1, _B1, _W2, _B2 = (s.start for s in param_slices().values())


class Workspace(NamedTuple):
    """Scratch memory of one thread; ``rows`` is a bound that is rarely touched, so never filled."""

    state: npt.NDArray[np.float32]  # (sites * 16) the state, updated in place
    grad: npt.NDArray[np.float32]  # (sites * 16) the loss's gradient by that state
    filled: npt.NDArray[np.uint8]  # (sites) may hold anything but zeros
    mature: npt.NDArray[np.uint8]  # (sites) alpha above the threshold
    fire: npt.NDArray[np.uint8]  # (sites) fires in this step
    pre: npt.NDArray[np.uint8]  # (sites) alive before the update
    across: npt.NDArray[np.uint8]  # (sites) row-wise part of a dilation
    alive: npt.NDArray[np.uint8]  # (steps * sites) alive before and after, of every step
    first_row: npt.NDArray[np.int64]  # (steps + 1) where each step's rows begin
    cells: npt.NDArray[np.int32]  # (rows) the site of each row
    perception: npt.NDArray[np.float32]  # (rows * 48)
    hidden: npt.NDArray[np.float32]  # (rows * 128) after the ReLU
    update: npt.NDArray[np.float32]  # (step's rows * 16) an update or its gradient
    d_hidden: npt.NDArray[np.float32]  # (step's rows * 128)
    d_perception: npt.NDArray[np.float32]  # (step's rows * 48)
    visible: npt.NDArray[np.float32]  # (steps * H * W * 4) if the loss is taken at every step
    weights: npt.NDArray[np.float32]  # W1^T and W2^T, flat
    zeros: npt.NDArray[np.float32]  # (128)
    ones: npt.NDArray[np.float32]  # (1)


def workspace(height: int, width: int, steps: int, every_step: bool = False) -> Workspace:
    """Scratch for rollouts of up to ``steps`` traced steps; 1 is enough without gradients."""
    sites = (height + 2) * (width + 2)
    step_rows = height * width + 2 * ROWS  # a padded list of cells, and a ghost
    rows = steps * step_rows
    f4, u1 = np.float32, np.uint8
    return Workspace(
        state=np.zeros(sites * CHANNELS, f4),
        grad=np.zeros(sites * CHANNELS, f4),
        filled=np.zeros(sites, u1),
        mature=np.zeros(sites, u1),
        fire=np.zeros(sites, u1),
        pre=np.zeros(sites, u1),
        across=np.zeros(sites, u1),
        alive=np.zeros(steps * sites, u1),
        first_row=np.zeros(steps + 1, np.int64),
        cells=np.empty(rows, np.int32),
        perception=np.empty(rows * PERCEPTION, f4),
        hidden=np.empty(rows * HIDDEN, f4),
        update=np.empty(step_rows * CHANNELS, f4),
        d_hidden=np.empty(step_rows * HIDDEN, f4),
        d_perception=np.empty(step_rows * PERCEPTION, f4),
        visible=np.empty(steps * height * width * VISIBLE if every_step else 0, f4),
        weights=np.empty(PERCEPTION * HIDDEN + HIDDEN * CHANNELS, f4),
        zeros=np.zeros(HIDDEN, f4),
        ones=np.ones(1, f4),
    )


@njit(**OPTIONS)
def threefry(k0, k1, c0, c1):
    """Threefry-2x32-20, as ``noise.threefry2x32``, on uint64 values below 2**32."""
    m32 = np.uint64(0xFFFFFFFF)
    k2 = k0 ^ k1 ^ np.uint64(0x1BD11BDA)
    x0, x1 = (c0 + k0) & m32, (c1 + k1) & m32
    ks = (k0, k1, k2)
    for group in range(5):
        rotations = (13, 15, 26, 6) if group % 2 == 0 else (17, 29, 16, 24)
        for i in range(4):
            r = np.uint64(rotations[i])
            x0 = (x0 + x1) & m32
            x1 = x0 ^ (((x1 << r) & m32) | (x1 >> (np.uint64(32) - r)))
        x0 = (x0 + ks[(group + 1) % 3]) & m32
        x1 = (x1 + ks[(group + 2) % 3] + np.uint64(group + 1)) & m32
    return x0, x1


@njit(**OPTIONS)
def _dilate(plane, across, out, height, width):
    """3 x 3 maximum of a 0/1 plane over the inner sites of ``out``; all three have one pitch."""
    pitch = width + 2
    for site in range(1, (height + 2) * pitch - 1):
        across[site] = plane[site - 1] | plane[site] | plane[site + 1]
    for row in range(1, height + 1):
        base = row * pitch
        for site in range(base + 1, base + width + 1):
            out[site] = across[site - pitch] | across[site] | across[site + pitch]


@njit(**OPTIONS)
def _network(weights, ws, first, m, out, pitch):
    """Perceive and update the sites of rows ``first`` to ``first + m``, padded to whole tiles.

    Fills their perceptions and hidden activations, and the updates from row ``out`` on. Returns
    the number of rows with the padding, whose site is 0: a corner of the border, always dead.
    """
    rows = (m + ROWS - 1) // ROWS * ROWS
    p, h = first * PERCEPTION, first * HIDDEN
    for i in range(first, first + m):
        at = ws.cells[i] * CHANNELS
        sobel_row(ws.state, at, pitch * CHANNELS, ws.perception, i * PERCEPTION)
    ws.cells[first + m : first + rows] = 0
    ws.perception[p + m * PERCEPTION : p + rows * PERCEPTION] = 0
    product(
        ws.perception, p, PERCEPTION, 1, ws.weights, 0, HIDDEN,
        weights, _B1, 0, ws.hidden, h, HIDDEN, rows, HIDDEN, PERCEPTION, RELU,
    )  # fmt: skip
    product(
        ws.hidden, h, HIDDEN, 1, ws.weights, PERCEPTION * HIDDEN, CHANNELS,
        weights, _B2, 0, ws.update, out * CHANNELS, CHANNELS, rows, CHANNELS, HIDDEN, ADD,
    )  # fmt: skip
    return rows


@njit(**OPTIONS)
def _list_cells(ws, height, width, key, ca_step, first):
    """List the living cells that fire in this step as rows from ``first`` on; returns how many."""
    pitch = width + 2
    k0, k1 = key >> np.uint64(32), key & np.uint64(0xFFFFFFFF)
    m = 0
    bits, left = np.uint64(0), 0
    block = 0
    for row in range(height):
        for col in range(width):
            if left == 0:
                x0, x1 = threefry(k0, k1, np.uint64(ca_step), np.uint64(block))
                bits = x0 | (x1 << np.uint64(32))
                block += 1
                left = 64
            site = (row + 1) * pitch + col + 1
            fires = np.uint8(bits & np.uint64(1))
            ws.fire[site] = fires
            # Written always, kept only where it counts: no branch to mispredict.
            ws.cells[first + m] = site
            m += np.int64(fires & ws.pre[site])
            bits >>= np.uint64(1)
            left -= 1
    return m


@njit(**OPTIONS)
def _list_ghosts(ws, post, sites, pitch, first):
    """List dead cells that fire beside a cell about to die, as rows from ``first`` on.

    A dead cell's update is erased at the end of the step, but the second alive mask sees it: for
    the length of the step it may come alive and save its neighbours. It matters to no other cell.
    """
    m = 0
    for site in range(sites):
        if ws.pre[site] > post[site]:
            for dy in (-pitch, 0, pitch):
                for other in range(site + dy - 1, site + dy + 2):
                    if ws.fire[other] > ws.pre[other]:
                        ws.fire[other] = 0  # listed once
                        ws.cells[first + m] = other
                        m += 1
    return m


@njit(**OPTIONS)
def _step(weights, ws, height, width, key, ca_step, first, alive):
    """One CA step in place. Rows go from ``first`` on, the step's alive mask to offset ``alive``.

    Returns the number of rows, a multiple of ROWS.
    """
    pitch = width + 2
    sites = (height + 2) * pitch
    _dilate(ws.mature, ws.across, ws.pre, height, width)
    m = _list_cells(ws, height, width, key, ca_step, first)
    rows = _network(weights, ws, first, m, 0, pitch)
    for i in range(m):
        site = ws.cells[first + i]
        alpha = ws.state[site * CHANNELS + ALPHA] + ws.update[i * CHANNELS + ALPHA]
        ws.mature[site] = alpha > _THRESHOLD
    post = ws.alive[alive : alive + sites]
    _dilate(ws.mature, ws.across, post, height, width)

    ghosts = _list_ghosts(ws, post, sites, pitch, first + rows)
    if ghosts:
        _network(weights, ws, first + rows, ghosts, rows, pitch)
    for i in range(rows, rows + ghosts):
        site = ws.cells[first + i]
        if ws.state[site * CHANNELS + ALPHA] + ws.update[i * CHANNELS + ALPHA] > _THRESHOLD:
            for dy in (-pitch, 0, pitch):
                for other in range(site + dy - 1, site + dy + 2):
                    post[other] |= ws.pre[other]

    for i in range(m):
        add_row(ws.update, i * CHANNELS, _ONE, ws.state, ws.cells[first + i] * CHANNELS)
    for row in range(1, height + 1):
        for site in range(row * pitch + 1, row * pitch + width + 1):
            post[site] &= ws.pre[site]
            if (ws.filled[site] | ws.pre[site]) > post[site]:
                ws.mature[site] = 0
                ws.state[site * CHANNELS : (site + 1) * CHANNELS] = 0
            ws.filled[site] = post[site]
    return rows


@njit(**OPTIONS)
def _load(weights, state, ws):
    """Copy a state ``(H, W, 16)`` onto the padded grid and lay out the transposed weights."""
    height, width = state.shape[0], state.shape[1]
    pitch = width + 2
    for row in range(height):
        for col in range(width):
            site = (row + 1) * pitch + col + 1
            for c in range(CHANNELS):
                ws.state[site * CHANNELS + c] = state[row, col, c]
            ws.mature[site] = state[row, col, ALPHA] > _THRESHOLD
            ws.filled[site] = 1
    for j in range(HIDDEN):
        for k in range(PERCEPTION):
            ws.weights[k * HIDDEN + j] = weights[_W1 + j * PERCEPTION + k]
        for c in range(CHANNELS):
            ws.weights[PERCEPTION * HIDDEN + j * CHANNELS + c] = weights[_W2 + c * HIDDEN + j]


@njit(**OPTIONS)
def _unload(ws, state):
    height, width = state.shape[0], state.shape[1]
    for row in range(height):
        for col in range(width):
            site = (row + 1) * (width + 2) + col + 1
            for c in range(CHANNELS):
                state[row, col, c] = ws.state[site * CHANNELS + c]


@njit(**OPTIONS)
def rollout(weights, state, key, first_step, n_steps, ws):
    """Take ``n_steps`` CA steps from ``first_step`` on; ``state`` ``(H, W, 16)`` is overwritten."""
    height, width = state.shape[0], state.shape[1]
    _load(weights, state, ws)
    for ca_step in range(first_step, first_step + n_steps):
        _step(weights, ws, height, width, key, ca_step, 0, 0)
    _unload(ws, state)


@njit(**OPTIONS)
def _back(weights, ws, height, width, first, m, alive, gradient):
    """Carry ``ws.grad`` back over one step; adds the step's share to ``gradient`` ``(P,)``."""
    pitch = width + 2
    for site in range((height + 2) * pitch):
        if ws.alive[alive + site] == 0:
            for c in range(CHANNELS):
                ws.grad[site * CHANNELS + c] = 0
    for i in range(m):
        site = ws.cells[first + i] * CHANNELS
        ws.update[i * CHANNELS : (i + 1) * CHANNELS] = ws.grad[site : site + CHANNELS]
        add_row(ws.grad, site, _ONE, gradient, _B2)
    p, h = first * PERCEPTION, first * HIDDEN
    product(
        ws.update, 0, CHANNELS, 1, weights, _W2, HIDDEN,
        ws.hidden, h, HIDDEN, ws.d_hidden, 0, HIDDEN, m, HIDDEN, CHANNELS, GATE,
    )  # fmt: skip
    product(  # the sum over rows, as a product with ones whose rows all go to one place
        ws.ones, 0, 0, 0, ws.d_hidden, 0, HIDDEN,
        gradient, _B1, 0, gradient, _B1, 0, ROWS, HIDDEN, m, ADD,
    )  # fmt: skip
    product(
        ws.update, 0, 1, CHANNELS, ws.hidden, h, HIDDEN,
        gradient, _W2, HIDDEN, gradient, _W2, HIDDEN, CHANNELS, HIDDEN, m, ADD,
    )  # fmt: skip
    product(
        ws.d_hidden, 0, 1, HIDDEN, ws.perception, p, PERCEPTION,
        gradient, _W1, PERCEPTION, gradient, _W1, PERCEPTION, HIDDEN, PERCEPTION, m, ADD,
    )  # fmt: skip
    product(
        ws.d_hidden, 0, HIDDEN, 1, weights, _W1, PERCEPTION,
        ws.zeros, 0, 0, ws.d_perception, 0, PERCEPTION, m, PERCEPTION, HIDDEN, ADD,
    )  # fmt: skip
    for i in range(m):
        if ws.cells[first + i] > 0:
            at = ws.cells[first + i] * CHANNELS
            sobel_row_back(ws.d_perception, i * PERCEPTION, ws.grad, at, pitch * CHANNELS)


@njit(**OPTIONS)
def _add_loss_gradient(visible, target, scale, grad, height, width, offset, stride):
    """Add ``scale * (visible - target)`` to the gradient; returns the sum of squared errors."""
    total = 0.0
    for row in range(height):
        for col in range(width):
            site = (row + 1) * (width + 2) + col + 1
            cell = site if stride == CHANNELS else row * width + col
            for c in range(VISIBLE):
                error = visible[offset + cell * stride + c] - target[row, col, c]
                total += np.float64(error) * np.float64(error)
                grad[site * CHANNELS + c] += scale * error
    return total


@njit(**OPTIONS)
def forward_backward(weights, state, target, key, steps, every_step, gradient, ws):
    """One example: roll out ``steps`` CA steps from ``state`` and back-propagate through them.

    weights ``(P,)``, state ``(H, W, 16)`` (overwritten by the final state), target ``(H, W, 4)``,
    gradient ``(P,)`` (overwritten). Returns the loss: the final state's mean squared error over
    H, W and RGBA, or with ``every_step`` its mean over all steps.
    """
    height, width = state.shape[0], state.shape[1]
    sites = (height + 2) * (width + 2)
    pixels = height * width * VISIBLE
    _load(weights, state, ws)
    ws.first_row[0] = 0
    for t in range(steps):
        first = ws.first_row[t]
        rows = _step(weights, ws, height, width, key, t, first, t * sites)
        ws.first_row[t + 1] = first + rows
        if every_step:
            for row in range(height):
                for col in range(width):
                    site = (row + 1) * (width + 2) + col + 1
                    for c in range(VISIBLE):
                        place = t * pixels + (row * width + col) * VISIBLE + c
                        ws.visible[place] = ws.state[site * CHANNELS + c]
    _unload(ws, state)

    gradient[:] = 0
    ws.grad[:] = 0
    terms = steps if every_step else 1
    scale = np.float32(2.0 / (pixels * terms))
    total = 0.0
    if not every_step:
        total = _add_loss_gradient(ws.state, target, scale, ws.grad, height, width, 0, CHANNELS)
    for t in range(steps - 1, -1, -1):
        if every_step:
            total += _add_loss_gradient(
                ws.visible, target, scale, ws.grad, height, width, t * pixels, VISIBLE
            )
        first = ws.first_row[t]
        rows = ws.first_row[t + 1] - first
        _back(weights, ws, height, width, first, rows, t * sites, gradient)
    return total / (pixels * terms)
