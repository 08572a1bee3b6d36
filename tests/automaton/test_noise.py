"""Threefry against its authors' test vectors; masks and keys against what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nca_zoo.automaton import noise
from nca_zoo.life.engines import planes

# threefry2x32, 20 rounds, from the known-answer tests of the Random123 library (D. E. Shaw
# Research): key, counter, result.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
words = st.integers(0, 2**32 - 1)
keys = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_known_answers(key, counter, expected):
    assert noise.threefry2x32(*key, *counter) == expected
    arrays = noise.threefry2x32(*(np.array([v], np.int64) for v in (*key, *counter)))
    assert tuple(int(a[0]) for a in arrays) == expected
    compiled = planes.threefry(*(np.uint64(v) for v in (*key, *counter)))
    assert tuple(int(v) for v in compiled) == expected


@pytest.mark.wide
@given(keys, words, words)
def test_fold_is_the_same_for_numbers_and_arrays(key, a, b):
    folded = noise.fold(key, a, b)
    assert 0 <= folded < 2**64
    assert noise.fold(np.array([key], np.uint64), a, b)[0] == folded


def test_fold_keeps_purposes_apart():
    folded = {noise.fold(key, a, b) for key in range(20) for a in range(20) for b in range(20)}
    assert len(folded) == 20**3


def test_fit_seeds_depend_on_both_the_build_and_the_id():
    seeds = {noise.fit_seed(seed, name) for seed in (0, 1) for name in ("7-012", "7-013", "gecko")}
    assert len(seeds) == 6


@given(keys, st.integers(0, 1000), st.integers(3, 20), st.integers(3, 20))
def test_fire_mask_bits_are_where_the_docstring_says(key, ca_step, height, width):
    mask = noise.fire_mask(key, ca_step, height, width).ravel()
    for cell in {0, len(mask) // 2, len(mask) - 1}:
        block = noise.threefry2x32(*noise.halves(key), ca_step, cell // 64)
        assert mask[cell] == (block[cell % 64 // 32] >> cell % 32) & 1


def test_masks_of_many_keys_are_the_masks_of_each():
    many = np.array([[3, 2**63], [5, 7]], np.uint64)
    masks = noise.fire_mask(many, 9, 6, 7)
    assert masks.shape == (2, 2, 6, 7)
    assert np.array_equal(masks[0, 1], noise.fire_mask(2**63, 9, 6, 7))


def test_half_of_the_cells_fire_and_they_do_so_independently():
    masks = np.stack([noise.fire_mask(4, t, 28, 28) for t in range(2000)]).reshape(2000, -1)
    n = masks.size
    assert abs(masks.mean() - 0.5) < 4 * 0.5 / np.sqrt(n)
    for other in (np.roll(masks, 1, axis=0), np.roll(masks, 1, axis=1)):
        assert abs((masks == other).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)


@given(keys, st.integers(0, 1000), st.integers(1, 256), st.integers(3, 20))
def test_a_fire_rate_compares_eight_bits_with_a_level(key, ca_step, level, width):
    """A cell fires if the number that its bits in the planes spell out lies below the level."""
    draws = np.zeros((9, width), int)
    for plane in range(8):
        block = [
            noise.threefry2x32(*noise.halves(key), ca_step, cell // 64 + plane * 2**24)
            for cell in range(draws.size)
        ]
        bits = [block[cell][cell % 64 // 32] >> cell % 32 & 1 for cell in range(draws.size)]
        draws += 2 ** (7 - plane) * (1 - np.reshape(bits, draws.shape))
    found = noise.fire_mask(key, ca_step, 9, width, level / 256)
    assert np.array_equal(found, draws < level)


@pytest.mark.wide
def test_a_rate_is_the_share_that_fires_and_nobody_rests_at_one():
    for rate in (0.1, 0.75, 0.9):
        masks = np.stack([noise.fire_mask(4, t, 28, 28, rate) for t in range(500)])
        assert abs(masks.mean() - rate) < 1 / 512 + 4 * 0.5 / np.sqrt(masks.size)
    assert noise.fire_mask(4, 0, 28, 28, 1.0).all()
    for rate in (0, -0.5, 1.01, float("nan")):
        with pytest.raises(ValueError, match="fire rate"):
            noise.fire_level(rate)


def test_uniform_is_uniform():
    draws = noise.uniform(12, 20_000)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    assert np.array_equal(noise.uniform(np.array([12, 13]), 5)[0], draws[:5])
