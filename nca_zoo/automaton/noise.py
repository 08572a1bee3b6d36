"""Counter-based random numbers: every draw of the project is a function of a key and a place.

The generator is Threefry-2x32 with 20 rounds (Salmon et al., *Parallel random numbers: as easy as
1, 2, 3*, SC 2011). A draw depends on nothing but its key and counter, so an NCA meets the same
randomness in any batch, on any engine, after any resume, and in a browser.

A key is an unsigned 64-bit number, or an array of them. Keys for a purpose are derived with
``fold``: ``fold(fold(rng_seed, Stream.TRAIN_MASKS, train_step), example)``.
"""

import hashlib
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_M32 = 0xFFFFFFFF
BLOCK_CELLS = 64  # one Threefry block decides which of 64 consecutive cells fire
FIRE_RATE = 0.5
PLANES = 8  # of draws that a fire rate may take ...
RATES = 1 << PLANES  # ... so that rates are multiples of 1 / 256
PLANE_SHIFT = 24  # the number of a block's plane of draws lies above so many bits


class Stream(IntEnum):
    """What a key is for; keeps the draws of different purposes apart."""

    FIT = 1  # one picture's fit, from the build's seed
    INIT = 2  # starting weights
    TRAIN_MASKS = 3  # fire masks while training
    TRAIN_DRAWS = 4  # CA steps, pool entries and damage while training
    CHECK = 5  # rollouts that decide whether training may stop
    ROLLOUT = 6  # rollouts that people see, and that figures are of
    META = 7  # meta-learning of the shared start
    WOUNDS = 8  # where wounds are that measure healing, and the masks under which they heal
    GATE = 9  # rollouts that decide what an NCA is stored as
    OWN = 10  # rollouts that say what an imagined NCA is to grow
    SEEDS = 11  # which cells are seeds, where they are drawn
    BENDS = 12  # how the pictures are bent that a writer learns from


class Study(IntEnum):
    """What a key is for that a study derives from its seed: no two purposes share a number."""

    FOLDS = 1  # which pictures share a fold
    INNER = 2  # inner folds
    SHUFFLE = 3  # answers that lie
    BOOTSTRAP = 4
    SCRAMBLE = 5  # elements of the symmetry group
    THIN = 6  # fewer pictures to learn from
    PAIRS = 7  # which NCAs are mixed
    STARTS = 8  # from where symmetries are searched
    PLANT = 9  # noise whose size a search is to find
    IMAGINE = 10  # what NCAs that are imagined are made of


def threefry2x32(k0: Any, k1: Any, c0: Any, c1: Any) -> tuple[Any, Any]:
    """Threefry-2x32-20 of counter ``(c0, c1)`` under key ``(k0, k1)``.

    Takes Python integers, numpy integer arrays or torch int64 tensors, all with values in
    ``[0, 2**32)``, broadcast against each other; needs 64-bit arithmetic.
    """
    ks = (k0, k1, k0 ^ k1 ^ _PARITY)
    x0, x1 = (c0 + ks[0]) & _M32, (c1 + ks[1]) & _M32
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = (x0 + x1) & _M32
            x1 = ((x1 << rotation) & _M32) | (x1 >> (32 - rotation))
            x1 = x0 ^ x1
        x0 = (x0 + ks[(group + 1) % 3]) & _M32
        x1 = (x1 + ks[(group + 2) % 3] + (group + 1)) & _M32
    return x0, x1


def halves(key: Any) -> tuple[Any, Any]:
    """A 64-bit key as its upper and lower 32 bits, in int64 (or plain int) arithmetic."""
    if isinstance(key, int):
        return key >> 32, key & _M32
    key = np.asarray(key, np.uint64)
    return (key >> np.uint64(32)).astype(np.int64), (key & np.uint64(_M32)).astype(np.int64)


def fold(key: Any, a: Any, b: Any = 0) -> Any:
    """Derive a new key from ``key`` and two numbers in ``[0, 2**32)``; broadcasts over arrays."""
    x0, x1 = threefry2x32(*halves(key), a, b)
    if isinstance(x0, int):
        return (x0 << 32) | x1
    return (x0.astype(np.uint64) << np.uint64(32)) | x1.astype(np.uint64)


def fit_seed(build_seed: int, nca_id: str) -> int:
    """The 64-bit seed of one picture's fit: a function of the build's seed and the NCA's id."""
    digest = int.from_bytes(hashlib.blake2b(nca_id.encode(), digest_size=8).digest(), "big")
    return fold(fold(build_seed, Stream.FIT), *halves(digest))


def uniform(key: Any, n: int) -> npt.NDArray[np.float64]:
    """``n`` numbers in ``[0, 1)`` for every key: shape ``(*key.shape, n)``, 32 random bits each."""
    key = np.asarray(key, np.uint64)[..., None]
    x0, x1 = threefry2x32(*halves(key), np.arange((n + 1) // 2), 0)
    bits = np.stack([x0, x1], axis=-1).reshape(*x0.shape[:-1], 2 * x0.shape[-1])[..., :n]
    return bits / 2.0**32


def fire_level(rate: float) -> int:
    """A fire rate in 256ths, from 1 to 256, to which it is rounded.

    Raises ValueError unless it is above 0 and at most 1.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"the fire rate is {rate:g}; it must be above 0 and at most 1")
    return max(1, round(rate * RATES))


def fire_mask(
    key: Any, ca_step: Any, height: int, width: int, rate: float = FIRE_RATE
) -> npt.NDArray[np.bool_]:
    """Which cells fire in one CA step, each with chance ``rate``: bool ``(*key.shape, H, W)``.

    At 0.5, cell ``row * W + col`` is bit ``cell % 32`` of word ``cell % 64 // 32`` of the Threefry
    block with counter ``(ca_step, cell // 64)``. Steps count from 0. Other rates, in 256ths, join
    planes of such bits by the bits of the rate, from its lowest 1 on: ``fires = draw | fires`` for
    a 1, ``draw & fires`` for a 0. The bit worth 128 goes with plane 0, that worth 64 with plane 1,
    and so on; block b of plane p has counter ``(ca_step, b + 2**24 p)``. At 1 nothing is drawn.
    """
    key = np.asarray(key, np.uint64)[..., None]
    cells = height * width
    blocks = np.arange(-(-cells // BLOCK_CELLS))
    level = fire_level(rate)
    words: Any = np.full((*key.shape[:-1], len(blocks), 2), _M32 if level == RATES else 0)
    for plane in range(PLANES - 1, -1, -1):
        bit = RATES >> (plane + 1)
        if level & (2 * bit - 1):  # from its lowest 1 on
            counters = blocks + (plane << PLANE_SHIFT)
            draw = np.stack(threefry2x32(*halves(key), ca_step, counters), axis=-1)
            words = draw | words if level & bit else draw & words
    bits = (words[..., None] >> np.arange(32)) & 1
    return (
        bits.reshape(*key.shape[:-1], -1)[..., :cells]
        .astype(bool)
        .reshape(*key.shape[:-1], height, width)
    )
