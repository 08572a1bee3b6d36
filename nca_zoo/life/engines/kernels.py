"""The sparse engine's compiled kernels: rollouts and back-propagation that skip idle cells.

A cell that is dead, or does not fire, adds nothing to a step or to its gradient. So each step
lists the living, firing cells, gathers their perceptions as the rows of a matrix, and runs the
network on those rows alone. Every kernel is serial and releases the GIL.

Grids are padded by one dead cell on each side; a *site* is an index into the padded grid. Which
cells live, fire or have changed is kept in bit planes. Matrices are flat arrays whose rows come in
multiples of ``ROWS``.
"""

import numpy as np
from numba import njit

from nca_zoo.automaton.rule import (
    ALIVE_THRESHOLD,
    ALPHA,
    CHANNELS,
    HIDDEN,
    PERCEPTION,
    VISIBLE,
    param_slices,
)
from nca_zoo.ground.compiling import forgive_caches
from nca_zoo.life.engines import tile
from nca_zoo.life.engines.planes import dilate, fire_plane, row_mask, words
from nca_zoo.life.engines.tile import (
    GATE,
    RELU,
    ROWS,
    add_row,
    copy_row,
    lowest_bit,
    product,
    sobel_row,
    sobel_row_back,
)
from nca_zoo.life.engines.workspace import CHUNK_ROWS, W1_T, W2_T

forgive_caches()

# Numba's cache looks at a function's own file alone, so this one has to change with those that its
# kernels are made of: otherwise the old ones would run on. A test says what belongs here.
MADE_OF = "089e9e4c20ac0e79"  # planes.py, tile.py and workspace.py

# Much of the time to compile a kernel goes into its being callable from Python, so only `rollout`
# and `forward_backward` are: calling another from Python would crash.
ENTRY = tile.OPTIONS | {"cache": True}
OPTIONS = tile.OPTIONS | {"no_cpython_wrapper": True}

_THRESHOLD = np.float32(ALIVE_THRESHOLD)
_ONE = np.uint64(1)
_W1, _, _W2, _B2 = (s.start for s in param_slices().values())

# The products of a step, by what they make; strides as `product` takes them.
_hidden_product = product(HIDDEN, (PERCEPTION, 1), HIDDEN, 0, HIDDEN, RELU)
_update_product = product(CHANNELS, (HIDDEN, 1), CHANNELS, 0, CHANNELS)
_d_hidden_product = product(HIDDEN, (CHANNELS, 1), HIDDEN, HIDDEN, HIDDEN, GATE)
_d_perception_product = product(PERCEPTION, (HIDDEN, 1), PERCEPTION, 0, PERCEPTION)
_d_w1_product = product(PERCEPTION, (1, HIDDEN), PERCEPTION, PERCEPTION, PERCEPTION)
_d_w2_product = product(HIDDEN, (1, CHANNELS), HIDDEN, HIDDEN, HIDDEN)
_d_b1_product = product(HIDDEN, (0, 0), HIDDEN, 0, 0)
_d_b2_product = product(CHANNELS, (0, 0), CHANNELS, 0, 0)


@njit(**OPTIONS)
def _network(state, w, biases, heard, cells, perception, hidden, update, start, first, m, pitch):
    """Perceive and update the sites of rows ``first`` to ``first + m``, padded to whole tiles.

    Fills their perceptions and hidden activations, and the updates, whose rows count from
    ``start``, where the step's rows begin; ``heard`` is where in ``biases`` the hidden units' are.
    Returns the number of rows with the padding, whose site is 0: a corner of the border, always
    dead.
    """
    rows = (m + ROWS - 1) // ROWS * ROWS
    for i in range(first, first + m):
        at = cells[i] * CHANNELS
        sobel_row(state, at, pitch * CHANNELS, perception, i * PERCEPTION)
    cells[first + m : first + rows] = 0
    perception[(first + m) * PERCEPTION : (first + rows) * PERCEPTION] = 0
    p, h, u = first * PERCEPTION, first * HIDDEN, (first - start) * CHANNELS
    _hidden_product(perception, p, w, W1_T, biases, heard, hidden, h, rows, PERCEPTION)
    _update_product(hidden, h, w, W2_T, w, _B2, update, u, rows, HIDDEN)
    return rows


@njit(**OPTIONS)
def _list_cells(plane, cells, first, height, width):
    """List the sites of a plane's cells as rows from ``first`` on; returns how many."""
    n, i = words(width), first
    for row in range(1, height + 1):
        for word in range(n):
            bits = plane[row * n + word]
            base = row * (width + 2) + 64 * word + 1
            while bits:
                cells[i] = base + lowest_bit(bits)
                bits &= bits - _ONE
                i += 1
    return i - first


@njit(**OPTIONS)
def _ripen(plane, state, cells, update, start, first, mature, height, width):
    """Write into ``mature`` which of a plane's cells, listed from row ``first`` on, will be so."""
    n, i = words(width), 0
    for at in range(n, (height + 1) * n):
        bits = plane[at]
        ripe = np.uint64(0)
        while bits:
            bit = bits & (~bits + _ONE)
            site = cells[first + i]
            alpha = state[site * CHANNELS + ALPHA] + update[(first - start + i) * CHANNELS + ALPHA]
            if alpha > _THRESHOLD:
                ripe |= bit
            bits ^= bit
            i += 1
        mature[at] = (mature[at] & ~plane[at]) | ripe


@njit(**OPTIONS)
def _clear(plane, values, height, width):
    """Set all 16 channels of a plane's cells to zero."""
    n = words(width)
    for row in range(1, height + 1):
        for word in range(n):
            bits = plane[row * n + word]
            base = row * (width + 2) + 64 * word + 1
            while bits:
                at = (base + lowest_bit(bits)) * CHANNELS
                values[at : at + CHANNELS] = 0
                bits &= bits - _ONE


@njit(inline="always", **OPTIONS)  # or it would be compiled twice, by itself and in its callers
def _step(ws, height, width, biases, hears, key, fire_level, room, ca_step, first):
    """One CA step in place, its rows from ``first`` on; leaves the alive mask in ``ws.post``.

    Returns the number of rows, a multiple of ROWS.
    """
    pitch, n = width + 2, words(width)
    inner = range(n, (height + 1) * n)
    pre, post, fire, mature, filled = ws.pre, ws.post, ws.fire, ws.mature, ws.filled
    across, spread, draws = ws.across, ws.spread, ws.draws
    state, w, cells = ws.state, ws.weights, ws.cells
    perception, hidden, update = ws.perception, ws.hidden, ws.update
    heard = hears[ca_step % hears.size] * HIDDEN
    dilate(mature, across, pre, 0, height, width)
    fire_plane(key, ca_step, fire_level, draws, fire, height, width)
    for at in inner:
        fire[at] &= room[at]
        spread[at] = fire[at] & pre[at]
    m = _list_cells(spread, cells, first, height, width)
    rows = _network(
        state, w, biases, heard, cells, perception, hidden, update, first, first, m, pitch
    )
    _ripen(spread, state, cells, update, first, first, mature, height, width)
    dilate(mature, across, post, 0, height, width)

    # A dead cell's update is erased at the end of the step, but the second alive mask sees it: for
    # the length of the step it may come alive and save a neighbour that is about to die.
    threatened = False
    for at in inner:
        spread[at] = pre[at] & ~post[at]
        threatened |= spread[at] != 0
    if threatened:
        dilate(spread, across, spread, 0, height, width)
        for at in inner:
            spread[at] &= fire[at] & ~pre[at]
        below = first + rows
        ghosts = _list_cells(spread, cells, below, height, width)
        _network(
            state, w, biases, heard, cells, perception, hidden, update, first, below, ghosts, pitch
        )
        fire[:] = 0
        _ripen(spread, state, cells, update, first, below, fire, height, width)
        dilate(fire, across, spread, 0, height, width)
        for at in inner:
            post[at] |= spread[at]

    for i in range(m):
        add_row(update, i * CHANNELS, state, cells[first + i] * CHANNELS)
    for at in inner:
        post[at] &= pre[at]
        spread[at] = (filled[at] | pre[at]) & ~post[at]
        filled[at] = post[at]
        mature[at] &= post[at]
    _clear(spread, state, height, width)
    return rows


@njit(**OPTIONS)
def _load(weights, state, grid, mature, filled, w):
    """Copy a state ``(H, W, 16)`` onto the padded grid and lay out the weights both ways."""
    height, width = state.shape[0], state.shape[1]
    pitch, n = width + 2, words(width)
    mature[:] = 0
    for row in range(height):
        for col in range(width):
            at = ((row + 1) * pitch + col + 1) * CHANNELS
            for c in range(CHANNELS):
                grid[at + c] = state[row, col, c]
            if state[row, col, ALPHA] > _THRESHOLD:
                mature[(row + 1) * n + col // 64] |= _ONE << np.uint64(col % 64)
    _fill(filled, height, width)
    for at in range(W1_T):
        w[at] = weights[at]
    for j in range(HIDDEN):
        for k in range(PERCEPTION):
            w[W1_T + k * HIDDEN + j] = weights[_W1 + j * PERCEPTION + k]
        for c in range(CHANNELS):
            w[W2_T + j * CHANNELS + c] = weights[_W2 + c * HIDDEN + j]


@njit(**OPTIONS)
def _fill(plane, height, width):
    """Every cell."""
    n = words(width)
    for at in range(n, (height + 1) * n):
        plane[at] = row_mask(width, at % n)


@njit(**OPTIONS)
def _unload(grid, state):
    height, width = state.shape[0], state.shape[1]
    for row in range(height):
        for col in range(width):
            at = ((row + 1) * (width + 2) + col + 1) * CHANNELS
            for c in range(CHANNELS):
                state[row, col, c] = grid[at + c]


@njit(**ENTRY)
def rollout(weights, state, biases, hears, key, fire_level, room, first_step, n_steps, ws):
    """Take ``n_steps`` CA steps from ``first_step`` on; ``state`` ``(H, W, 16)`` is overwritten.

    The other arguments: as ``forward_backward``.
    """
    height, width = state.shape[0], state.shape[1]
    _load(weights, state, ws.state, ws.mature, ws.filled, ws.weights)
    ws.first_row[0] = 0
    first = ws.first_row[0]  # a literal 0 would have the step compiled once more, for it alone
    for ca_step in range(first_step, first_step + n_steps):
        _step(ws, height, width, biases, hears, key, fire_level, room, ca_step, first)
    _unload(ws.state, state)


@njit(**OPTIONS)
def _back(cells, w, hidden, grad, update, d_hidden, d_perception, zeros, pitch, first, m, out):
    """Carry ``grad`` back over one step's network, on its rows ``first`` to ``first + m``.

    Leaves the gradients of updates and hidden activations from row ``out`` of the chunk on.
    """
    for i in range(m):
        row, site = (out + i) * CHANNELS, cells[first + i] * CHANNELS
        if site > 0:
            copy_row(grad, site, update, row)
        else:
            copy_row(zeros, 0, update, row)
    u, h, at = out * CHANNELS, first * HIDDEN, out * HIDDEN
    _d_hidden_product(update, u, w, _W2, hidden, h, d_hidden, at, m, CHANNELS)
    _d_perception_product(d_hidden, at, w, _W1, zeros, 0, d_perception, 0, m, HIDDEN)
    for i in range(m):
        site = cells[first + i] * CHANNELS
        if site > 0:
            sobel_row_back(d_perception, i * PERCEPTION, grad, site, pitch * CHANNELS)


@njit(**OPTIONS)
def _add_up(g, perception, hidden, update, d_hidden, ones, first, m):
    """Add the shares of the chunk's rows, ``first`` to ``first + m``, to ``g``, but for ``b1``."""
    if m == 0:
        return
    _d_w1_product(d_hidden, 0, perception, first * PERCEPTION, g, _W1, g, _W1, HIDDEN, m)
    _d_w2_product(update, 0, hidden, first * HIDDEN, g, _W2, g, _W2, CHANNELS, m)
    # Sums over rows are products with ones, ROWS times over into one place.
    _d_b2_product(ones, 0, update, 0, g, _B2, g, _B2, ROWS, m)


@njit(**OPTIONS)
def _add_up_biases(d_biases, hears, first_row, d_hidden, ones, start, stop):
    """Add the shares of the chunk's steps, ``start`` to ``stop``, to those of what they heard."""
    t = start
    while t < stop:
        heard, then = hears[t % hears.size], t + 1
        while then < stop and hears[then % hears.size] == heard:
            then += 1
        m, row = first_row[then] - first_row[t], first_row[t] - first_row[start]
        if m > 0:
            at = heard * HIDDEN
            _d_b1_product(ones, 0, d_hidden, row * HIDDEN, d_biases, at, d_biases, at, ROWS, m)
        t = then


@njit(**OPTIONS)
def _add_loss_gradient(visible, target, scale, grad, height, width, offset):
    """Add ``scale * (visible - target)`` to the gradient; returns the sum of squared errors."""
    untrained = VISIBLE - target.shape[2]  # of the visible channels, from the first
    total = 0.0
    for row in range(height):
        for col in range(width):
            site = (row + 1) * (width + 2) + col + 1
            cell = row * width + col
            for c in range(untrained, VISIBLE):
                error = visible[offset + cell * VISIBLE + c] - target[row, col, c - untrained]
                total += np.float64(error) * np.float64(error)
                grad[site * CHANNELS + c] += scale * error
    return total


@njit(**OPTIONS)
def _first_of_chunk(first_row, stop):
    """The first step of the chunk of steps that ends before step ``stop``."""
    start = stop - 1
    while start > 0 and first_row[stop] - first_row[start - 1] <= CHUNK_ROWS:
        start -= 1
    return start


@njit(**ENTRY)
def forward_backward(
    weights, state, biases, hears, frames, when, key, level, room, steps, gradient, d_biases, ws
):
    """One example: roll out ``steps`` CA steps from ``state`` and back-propagate through them.

    weights ``(P,)``, of which ``b1`` plays no part; state ``(H, W, 16)`` (overwritten by the final
    state); biases ``(G * 128,)`` of the hidden units, hears ``(S,)``: which G of them holds in each
    step, over again after S; frames ``(F, H, W, C)``, when ``(T,)``: the frame that the state after
    each step is compared with, or below 0; level: the fire rate in 256ths; room: a plane of the
    cells that may fire; gradient ``(P,)`` (overwritten, 0 for ``b1``) and d_biases ``(G * 128,)``
    (overwritten).

    Returns the loss: the mean squared error over H, W, the last C visible channels and all states
    that are compared, of which there must be one.
    """
    height, width = state.shape[0], state.shape[1]
    pitch, plane = width + 2, (height + 2) * words(width)
    pixels = height * width * VISIBLE
    _load(weights, state, ws.state, ws.mature, ws.filled, ws.weights)
    first_row, all_alive, visible = ws.first_row, ws.alive, ws.visible
    filled, spread, across = ws.filled, ws.spread, ws.across
    grid, grad, w, cells, g = ws.state, ws.grad, ws.weights, ws.cells, ws.gradient
    perception, hidden, update = ws.perception, ws.hidden, ws.update
    d_hidden, d_perception, zeros, ones = ws.d_hidden, ws.d_perception, ws.zeros, ws.ones
    first_row[0] = 0
    looks = 0
    for t in range(steps):
        rows = _step(ws, height, width, biases, hears, key, level, room, t, first_row[t])
        first_row[t + 1] = first_row[t] + rows
        all_alive[t * plane : (t + 1) * plane] = ws.post
        if when[t] >= 0:
            for row in range(height):
                for col in range(width):
                    site = (row + 1) * pitch + col + 1
                    for c in range(VISIBLE):
                        place = looks * pixels + (row * width + col) * VISIBLE + c
                        visible[place] = grid[site * CHANNELS + c]
            looks += 1
    _unload(ws.state, state)

    g[:] = 0
    d_biases[:] = 0
    grad[:] = 0
    compared = height * width * frames.shape[3] * looks
    scale = np.float32(2.0 / compared)
    total = 0.0
    _fill(filled, height, width)  # from here on: cells whose gradient may not be zero
    stop = steps
    while stop > 0:
        start = _first_of_chunk(first_row, stop)
        for t in range(stop - 1, start - 1, -1):
            if when[t] >= 0:
                looks -= 1
                target = frames[when[t]]
                total += _add_loss_gradient(
                    visible, target, scale, grad, height, width, looks * pixels
                )
                _fill(filled, height, width)
            alive = all_alive[t * plane : (t + 1) * plane]
            for at in range(plane):
                spread[at] = filled[at] & ~alive[at]
            _clear(spread, grad, height, width)
            first = first_row[t]
            m, out = first_row[t + 1] - first, first - first_row[start]
            _back(
                cells, w, hidden, grad, update, d_hidden, d_perception, zeros, pitch, first, m, out
            )
            # The rows' cells lie next to or in what lived before the step, their gradients go
            # to their neighbours.
            if t > 0:
                before = all_alive[(t - 1) * plane : t * plane]
                dilate(before, across, spread, 0, height, width)
                dilate(spread, across, filled, 0, height, width)
                for at in range(plane):
                    filled[at] |= alive[at]
        rows = first_row[stop] - first_row[start]
        _add_up(g, perception, hidden, update, d_hidden, ones, first_row[start], rows)
        _add_up_biases(d_biases, hears, first_row, d_hidden, ones, start, stop)
        stop = start
    gradient[:] = g
    return total / compared
