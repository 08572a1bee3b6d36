"""Sets of cells as bit planes: which cells live, fire or have changed, 64 cells to a word.

A plane is a flat uint64 array of H + 2 rows of ``words(width)`` words; cell (row, col) is bit
``col % 64`` of word ``col // 64`` of row ``row + 1``. The first and last row stay empty. Taking
3 x 3 neighbourhoods and set differences of a whole grid is then a few dozen operations.
"""

import numpy as np
from numba import njit

from nca_zoo.automaton.noise import PLANE_SHIFT, PLANES, RATES
from nca_zoo.life.engines.tile import OPTIONS

_ONE, _WORD = np.uint64(1), np.uint64(64)


@njit(**OPTIONS)
def words(width):
    """Words in a row of a plane."""
    return (width + 63) // 64


@njit(**OPTIONS)
def row_mask(width, word):
    """The bits of word number ``word`` of a row that are cells."""
    left = width - 64 * word
    return ~np.uint64(0) if left >= 64 else (_ONE << np.uint64(left)) - _ONE


@njit(**OPTIONS)
def dilate(plane, across, out, offset, height, width):
    """3 x 3 maximum of ``plane`` into ``out[offset:]``; ``across`` is scratch of a plane's size."""
    n = words(width)
    for at in range(n, (height + 1) * n):
        word = at % n if n > 1 else 0
        here = plane[at]
        spread = here | (here << _ONE) | (here >> _ONE)
        if word > 0:
            spread |= plane[at - 1] >> np.uint64(63)
        if word + 1 < n:
            spread |= plane[at + 1] << np.uint64(63)
        across[at] = spread & row_mask(width, word)
    for at in range(n, (height + 1) * n):
        out[offset + at] = across[at - n] | across[at] | across[at + n]


@njit(**OPTIONS)
def _mix(x0, x1, a, b, c, d):
    """Four rounds of Threefry-2x32 on uint64 values below 2**32."""
    m32 = np.uint64(0xFFFFFFFF)
    for r in (a, b, c, d):
        x0 = (x0 + x1) & m32
        x1 = x0 ^ (((x1 << np.uint64(r)) & m32) | (x1 >> np.uint64(32 - r)))
    return x0, x1


@njit(**OPTIONS)
def threefry(k0, k1, c0, c1):
    """Threefry-2x32-20, as ``noise.threefry2x32``, on uint64 values below 2**32."""
    m32 = np.uint64(0xFFFFFFFF)
    k2 = k0 ^ k1 ^ np.uint64(0x1BD11BDA)
    x0, x1 = (c0 + k0) & m32, (c1 + k1) & m32
    x0, x1 = _mix(x0, x1, 13, 15, 26, 6)
    x0, x1 = (x0 + k1) & m32, (x1 + k2 + np.uint64(1)) & m32
    x0, x1 = _mix(x0, x1, 17, 29, 16, 24)
    x0, x1 = (x0 + k2) & m32, (x1 + k0 + np.uint64(2)) & m32
    x0, x1 = _mix(x0, x1, 13, 15, 26, 6)
    x0, x1 = (x0 + k0) & m32, (x1 + k1 + np.uint64(3)) & m32
    x0, x1 = _mix(x0, x1, 17, 29, 16, 24)
    x0, x1 = (x0 + k1) & m32, (x1 + k2 + np.uint64(4)) & m32
    x0, x1 = _mix(x0, x1, 13, 15, 26, 6)
    return (x0 + k2) & m32, (x1 + k0 + np.uint64(5)) & m32


@njit(**OPTIONS)
def draw_fires(key, ca_step, level, draws):
    """Which cells of the grid fire, 64 to a word of ``draws`` but for its last: see ``fire_mask``.

    level: the fire rate in 256ths.
    """
    k0, k1 = key >> np.uint64(32), key & np.uint64(0xFFFFFFFF)
    draws[: draws.size - 1] = ~np.uint64(0) if level == RATES else np.uint64(0)
    for plane in range(PLANES - 1, -1, -1):
        bit = RATES >> (plane + 1)
        if level & (2 * bit - 1) == 0:
            continue  # nobody fires yet, whatever is drawn
        for block in range(draws.size - 1):
            counter = np.uint64(block + (plane << PLANE_SHIFT))
            x0, x1 = threefry(k0, k1, np.uint64(ca_step), counter)
            draw = x0 | (x1 << np.uint64(32))
            draws[block] = draw | draws[block] if level & bit else draw & draws[block]


@njit(**OPTIONS)
def fire_plane(key, ca_step, level, draws, fire, height, width):
    """Which cells fire in this step, as ``noise.fire_mask`` at ``level`` 256ths.

    ``draws`` is scratch for the blocks of the whole grid and one word more, which stays 0.
    """
    draw_fires(key, ca_step, level, draws)
    n = words(width)
    for row in range(height):
        for word in range(n):
            bit = row * width + 64 * word
            shift = np.uint64(bit % 64)
            bits = draws[bit // 64] >> shift
            if shift:
                bits |= draws[bit // 64 + 1] << (_WORD - shift)
            fire[(row + 1) * n + word] = bits & row_mask(width, word)
