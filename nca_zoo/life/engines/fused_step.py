"""One CA step of N rollouts with weights of their own, and its transpose, as Triton kernels.

As in the sparse engine, only cells that live and fire are computed: a kernel lists them, the next
one gathers what they perceive and runs the network over the list, a third one lets cells live or
die. No kernel reads what another program of it writes, and every sum has an order of its own: the
same call gives the same bits. States alone are kept; going back, all else is computed again.

All arrays are flat: states (slots, N, cells, 16), planes (slots, N, cells) of one byte a cell,
weights (N, P). ``at`` is the number of the step, on the device; ``slots`` states are kept, in turn;
``chunk`` cells are looked at together.
"""

import triton
import triton.language as tl

ROWS = tl.constexpr(32)  # listed cells that go through the network together ...
BACK_ROWS = tl.constexpr(16)  # ... and back: 32 spill two kilobytes a thread (sm_90, float32)
CHANNELS = tl.constexpr(16)
HIDDEN = tl.constexpr(128)
PERCEPTION = tl.constexpr(48)
ALPHA = tl.constexpr(3)
THRESHOLD = tl.constexpr(0.1)
B1 = tl.constexpr(48 * 128)  # where the tensors begin in a flat weight vector
W2 = tl.constexpr(48 * 128 + 128)
B2 = tl.constexpr(48 * 128 + 128 + 128 * 16)
PARAMS = tl.constexpr(48 * 128 + 128 + 128 * 16 + 16)


@triton.jit
def _mix(x0, x1, rotation: tl.constexpr):
    x0 = x0 + x1
    x1 = (x1 << rotation) | (x1 >> (32 - rotation))
    return x0, x0 ^ x1


@triton.jit
def _four(x0, x1, a: tl.constexpr, b: tl.constexpr, c: tl.constexpr, d: tl.constexpr):
    x0, x1 = _mix(x0, x1, a)
    x0, x1 = _mix(x0, x1, b)
    x0, x1 = _mix(x0, x1, c)
    return _mix(x0, x1, d)


@triton.jit
def threefry(k0, k1, c0, c1):
    """``noise.threefry2x32``, of unsigned 32-bit numbers."""
    k2 = k0 ^ k1 ^ 0x1BD11BDA
    x0, x1 = _four(c0 + k0, c1 + k1, 13, 15, 26, 6)
    x0, x1 = _four(x0 + k1, x1 + k2 + 1, 17, 29, 16, 24)
    x0, x1 = _four(x0 + k2, x1 + k0 + 2, 13, 15, 26, 6)
    x0, x1 = _four(x0 + k0, x1 + k1 + 3, 17, 29, 16, 24)
    x0, x1 = _four(x0 + k1, x1 + k2 + 4, 13, 15, 26, 6)
    return x0 + k2, x1 + k0 + 5


@triton.jit
def _fires(upper, lower, ca_step, cell):
    """``noise.fire_mask`` of some cells, for one key."""
    zero = tl.zeros_like(cell).to(tl.uint32)
    k0, k1 = zero + tl.load(upper).to(tl.uint32), zero + tl.load(lower).to(tl.uint32)
    block = (cell // 64).to(tl.uint32)
    x0, x1 = threefry(k0, k1, zero + ca_step.to(tl.uint32), block)
    word = tl.where(cell % 64 < 32, x0, x1)
    return ((word >> (cell % 32).to(tl.uint32)) & 1) != 0


@triton.jit
def _any_near(plane, cell, height, width, cells, reach: tl.constexpr):
    """Whether a plane is set at a cell or at one up to ``reach`` away, in a square."""
    row, col = cell // width, cell % width
    found = tl.zeros_like(cell)
    for down in tl.static_range(-reach, reach + 1):
        in_rows = _within(row + down, height) & (cell < cells)
        line = plane + cell + down * width
        for right in tl.static_range(-reach, reach + 1):
            there = in_rows & _within(col + right, width)
            found |= tl.load(line + right, there, 0)
    return found != 0


@triton.jit
def _within(place, size):
    return (place >= 0) & (place < size)


@triton.jit
def _at_neighbour(states, cell, row, col, valid, down, right, height, width):
    """States (rows, 16) of the cells' neighbours in one direction, zero beyond the border."""
    there = valid & _within(row + down, height) & _within(col + right, width)
    channel = tl.arange(0, CHANNELS)
    places = (cell + down * width + right)[:, None] * CHANNELS + channel[None, :]
    return tl.load(states + places, there[:, None], 0.0)


@triton.jit
def _perceive(states, cell, valid, height, width):
    """Identity, Sobel x and Sobel y of listed cells: three times (rows, 16)."""
    row, col = cell // width, cell % width
    here = _at_neighbour(states, cell, row, col, valid, 0, 0, height, width)
    x, y = here * 0.0, here * 0.0
    for down in tl.static_range(-1, 2):
        for right in tl.static_range(-1, 2):
            if down != 0 or right != 0:
                other = _at_neighbour(states, cell, row, col, valid, down, right, height, width)
                x += other * (right * (2 - down * down) * 0.125)
                y += other * (down * (2 - right * right) * 0.125)
    return here, x, y


@triton.jit
def _first_layer(weights, here, x, y, precision: tl.constexpr):
    """What goes into the ReLU of listed cells: (rows, 128)."""
    unit, channel = tl.arange(0, HIDDEN), tl.arange(0, CHANNELS)
    turned = weights + unit[None, :] * PERCEPTION + channel[:, None]  # a third of W1: (16, 128)
    before = tl.dot(here, tl.load(turned), input_precision=precision)
    before += tl.dot(x, tl.load(turned + CHANNELS), input_precision=precision)
    before += tl.dot(y, tl.load(turned + 2 * CHANNELS), input_precision=precision)
    return before + tl.load(weights + B1 + unit)[None, :]


@triton.jit
def _listed(chosen, cell, listed, found):
    """Append the chosen cells to a list of ``found``; how many are in it then."""
    place = found + tl.cumsum(chosen.to(tl.int32), 0) - 1
    tl.store(listed + place, cell, chosen)
    return found + tl.sum(chosen.to(tl.int32), 0)


@triton.jit
def list_growing(
    at, first, lengths, upper, lower, tape, mature, grown, listed, counts, slots, n, height, width,
    chunk: tl.constexpr,
):  # fmt: skip
    """List the cells that fire near a living one; all others begin the next state as they are.

    One program a rollout. A cell two away from a mature one may be dead, and yet let a neighbour
    live whose own alpha falls: the second alive mask sees what it grows.
    """
    rollout = tl.program_id(0)
    t, cells = tl.load(at), height * width
    running = t < tl.load(lengths + rollout)
    now = (t % slots * n + rollout) * cells
    after = ((t + 1) % slots * n + rollout) * cells
    here = rollout.to(tl.int64) * cells
    channel = tl.arange(0, CHANNELS)
    found = rollout * 0
    for begin in range(0, cells, chunk):
        cell = begin + tl.arange(0, chunk)
        inside = cell < cells
        near = _any_near(mature + now, cell, height, width, cells, 2)
        fires = _fires(upper + rollout, lower + rollout, tl.load(first) + t, cell)
        found = _listed(near & fires & inside & running, cell, listed + here, found)
        tl.store(grown + here + cell, tl.load(mature + now + cell, inside, 0), inside)
        places = cell[:, None] * CHANNELS + channel[None, :]
        state = tl.load(tape + now * CHANNELS + places, inside[:, None], 0.0)
        tl.store(tape + after * CHANNELS + places, state, inside[:, None])
    tl.store(counts + rollout, found)


@triton.jit
def grow(
    at, weights, tape, grown, listed, counts, slots, n, height, width, precision: tl.constexpr
):
    """Update the listed cells, ``ROWS`` a program; a grid of (rollouts, most such blocks)."""
    rollout, begin = tl.program_id(0), tl.program_id(1) * ROWS
    found = tl.load(counts + rollout)
    if begin >= found:
        return
    t, cells = tl.load(at), height * width
    now = (t % slots * n + rollout) * cells
    after = ((t + 1) % slots * n + rollout) * cells
    here = rollout.to(tl.int64) * cells
    place = begin + tl.arange(0, ROWS)
    valid = place < found
    cell = tl.load(listed + here + place, valid, 0)
    same, x, y = _perceive(tape + now * CHANNELS, cell, valid, height, width)
    own = weights + rollout.to(tl.int64) * PARAMS
    hidden = tl.maximum(_first_layer(own, same, x, y, precision), 0.0)
    unit, channel = tl.arange(0, HIDDEN), tl.arange(0, CHANNELS)
    second = tl.load(own + W2 + channel[None, :] * HIDDEN + unit[:, None])  # (128, 16)
    update = tl.dot(hidden, second, input_precision=precision) + tl.load(own + B2 + channel)[None]
    state = same + update
    places = cell[:, None] * CHANNELS + channel[None, :]
    tl.store(tape + after * CHANNELS + places, state, valid[:, None])
    alpha = tl.sum(tl.where(channel[None, :] == ALPHA, state, 0.0), 1)
    tl.store(grown + here + cell, (alpha > THRESHOLD).to(tl.int8), valid)


@triton.jit
def live_or_die(
    at, lengths, tape, mature, grown, keeps, slots, planes, n, height, width, chunk: tl.constexpr
):
    """Only cells that lived before the update and live after it keep what they have.

    A grid of (rollouts, chunks). keeps: ``planes`` of them, in turn, for the way back.
    """
    rollout = tl.program_id(0)
    cell = tl.program_id(1) * chunk + tl.arange(0, chunk)
    t, cells = tl.load(at), height * width
    inside = cell < cells
    now = (t % slots * n + rollout) * cells
    after = ((t + 1) % slots * n + rollout) * cells
    here = rollout.to(tl.int64) * cells
    lives = _any_near(mature + now, cell, height, width, cells, 1)
    lives = lives & _any_near(grown + here, cell, height, width, cells, 1)
    keep = lives | (t >= tl.load(lengths + rollout))
    still = tl.load(grown + here + cell, inside, 0)
    tl.store(mature + after + cell, tl.where(keep, still, 0), inside)
    tl.store(keeps + (t % planes * n + rollout) * cells + cell, keep.to(tl.int8), inside)
    places = cell[:, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    nothing = tl.zeros((chunk, CHANNELS), tape.dtype.element_ty)
    tl.store(tape + after * CHANNELS + places, nothing, (inside & (keep == 0))[:, None])


@triton.jit
def list_shrinking(
    at, first, lengths, upper, lower, keeps, d_state, chosen_plane, listed, counts, n,
    height, width, chunk: tl.constexpr,
):  # fmt: skip
    """List the cells whose update counted, and drop what came back for cells that died.

    One program a rollout.
    """
    rollout = tl.program_id(0)
    t, cells = tl.load(at), height * width
    running = t < tl.load(lengths + rollout)
    now = (t * n + rollout) * cells
    here = rollout.to(tl.int64) * cells
    found = rollout * 0
    for begin in range(0, cells, chunk):
        cell = begin + tl.arange(0, chunk)
        inside = cell < cells
        keep = tl.load(keeps + now + cell, inside, 0) != 0
        fires = _fires(upper + rollout, lower + rollout, tl.load(first) + t, cell)
        chosen = keep & fires & inside & running
        found = _listed(chosen, cell, listed + here, found)
        tl.store(chosen_plane + here + cell, chosen.to(tl.int8), inside)
        places = here * CHANNELS + cell[:, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :]
        nothing = tl.zeros((chunk, CHANNELS), d_state.dtype.element_ty)
        tl.store(d_state + places, nothing, (inside & (keep == 0))[:, None])
    tl.store(counts + rollout, found)


@triton.jit
def shrink(
    at, weights, tape, d_state, d_seen, listed, counts, g_w1, g_b1, g_w2, g_b2, n, height, width,
    precision: tl.constexpr,
):  # fmt: skip
    """Derivatives of the listed cells by what they perceived, and by the weights: added up.

    One program a rollout, block after block, so that sums have one order.
    """
    rollout = tl.program_id(0)
    found = tl.load(counts + rollout)
    if found == 0:
        return
    t, cells = tl.load(at), height * width
    states = tape + (t * n + rollout) * cells * CHANNELS
    here, wide = rollout.to(tl.int64) * cells, rollout.to(tl.int64)
    own = weights + wide * PARAMS
    unit, channel = tl.arange(0, HIDDEN), tl.arange(0, CHANNELS)
    second = tl.load(own + W2 + channel[:, None] * HIDDEN + unit[None, :])  # W2: (16, 128)
    first = own + unit[:, None] * PERCEPTION + channel[None, :]  # a third of W1: (128, 16)
    kind: tl.constexpr = tape.dtype.element_ty
    same_sum, x_sum = tl.zeros((HIDDEN, CHANNELS), kind), tl.zeros((HIDDEN, CHANNELS), kind)
    y_sum, w2_sum = tl.zeros((HIDDEN, CHANNELS), kind), tl.zeros((HIDDEN, CHANNELS), kind)
    b1_sum, b2_sum = tl.zeros((HIDDEN,), kind), tl.zeros((CHANNELS,), kind)
    for begin in range(0, found, BACK_ROWS):
        place = begin + tl.arange(0, BACK_ROWS)
        valid = place < found
        cell = tl.load(listed + here + place, valid, 0)
        same, x, y = _perceive(states, cell, valid, height, width)
        before = _first_layer(own, same, x, y, precision)
        places = (here + cell)[:, None] * CHANNELS + channel[None, :]
        d_update = tl.load(d_state + places, valid[:, None], 0.0)
        d_before = tl.dot(d_update, second, input_precision=precision)
        d_before = tl.where(before > 0, d_before, 0.0)
        turned = tl.trans(d_before)  # (128, rows)
        same_sum += tl.dot(turned, same, input_precision=precision)
        x_sum += tl.dot(turned, x, input_precision=precision)
        y_sum += tl.dot(turned, y, input_precision=precision)
        hidden = tl.trans(tl.maximum(before, 0.0))
        w2_sum += tl.dot(hidden, d_update, input_precision=precision)
        b1_sum += tl.sum(d_before, 0)
        b2_sum += tl.sum(d_update, 0)
        seen = d_seen + (here + cell)[:, None] * PERCEPTION + channel[None, :]
        for part in tl.static_range(3):
            back = tl.dot(d_before, tl.load(first + part * CHANNELS), input_precision=precision)
            tl.store(seen + part * CHANNELS, back, valid[:, None])
    w1 = g_w1 + wide * HIDDEN * PERCEPTION + unit[:, None] * PERCEPTION + channel[None, :]
    tl.store(w1, tl.load(w1) + same_sum)
    tl.store(w1 + CHANNELS, tl.load(w1 + CHANNELS) + x_sum)
    tl.store(w1 + 2 * CHANNELS, tl.load(w1 + 2 * CHANNELS) + y_sum)
    w2 = g_w2 + wide * HIDDEN * CHANNELS + channel[None, :] * HIDDEN + unit[:, None]
    tl.store(w2, tl.load(w2) + w2_sum)
    b1, b2 = g_b1 + wide * HIDDEN + unit, g_b2 + wide * CHANNELS + channel
    tl.store(b1, tl.load(b1) + b1_sum)
    tl.store(b2, tl.load(b2) + b2_sum)


@triton.jit
def spread(d_state, d_seen, chosen_plane, height, width, chunk: tl.constexpr):
    """What listed cells perceived came from their neighbours: gather it there.

    A grid of (rollouts, chunks). Turned by 180 degrees a Sobel filter is its own negative.
    """
    rollout = tl.program_id(0)
    cell = tl.program_id(1) * chunk + tl.arange(0, chunk)
    cells = height * width
    inside = cell < cells
    here = rollout.to(tl.int64) * cells
    row, col = cell // width, cell % width
    channel = tl.arange(0, CHANNELS)
    places = d_state + (here + cell)[:, None] * CHANNELS + channel[None, :]
    total = tl.load(places, inside[:, None], 0.0)
    for down in tl.static_range(-1, 2):
        in_rows = inside & _within(row + down, height)
        for right in tl.static_range(-1, 2):
            there = in_rows & _within(col + right, width)
            other = here + cell + down * width + right
            there = there & (tl.load(chosen_plane + other, there, 0) != 0)
            seen = d_seen + other[:, None] * PERCEPTION + channel[None, :]
            if down == 0 and right == 0:
                total += tl.load(seen, there[:, None], 0.0)
            if right != 0:
                x = tl.load(seen + CHANNELS, there[:, None], 0.0)
                total -= x * (right * (2 - down * down) * 0.125)
            if down != 0:
                y = tl.load(seen + 2 * CHANNELS, there[:, None], 0.0)
                total -= y * (down * (2 - right * right) * 0.125)
    tl.store(places, total, inside[:, None])
