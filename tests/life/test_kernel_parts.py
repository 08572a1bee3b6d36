"""The parts that the sparse kernels are made of, against numpy: bit planes and register tiles."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wide import mostly_wide

from nca_zoo.automaton import noise
from nca_zoo.life.engines import kernels, planes, tile, workspace
from nca_zoo.life.engines.tile import ADD, GATE, RELU, product


def packed(cells):
    """Bool (H, W) as a plane, bit by bit."""
    height, width = cells.shape
    n = -(-width // 64)
    plane = np.zeros((height + 2, n), np.uint64)
    for row, col in np.argwhere(cells):
        plane[row + 1, col // 64] |= np.uint64(1) << np.uint64(col % 64)
    return plane.ravel()


shapes = st.tuples(st.integers(3, 12), st.integers(3, 200))


@settings(max_examples=60)
@given(shapes, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_dilation_is_a_maximum_over_neighbours(shape, seed, share):
    cells = np.random.default_rng(seed).random(shape) < share
    plane = packed(cells)
    out, across = np.zeros_like(plane), np.zeros_like(plane)
    planes.dilate(plane, across, out, 0, *shape)
    wide = np.pad(cells, 1)
    height, width = shape
    around = [wide[r : r + height, c : c + width] for r in range(3) for c in range(3)]
    np.testing.assert_array_equal(out, packed(np.any(around, axis=0)))


@settings(max_examples=60)
@given(shapes, st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(1, 256))
def test_the_fire_plane_is_the_fire_mask(shape, key, ca_step, level):
    height, width = shape
    draws = np.zeros(-(-height * width // 64) + 1, np.uint64)
    plane = np.zeros((height + 2) * -(-width // 64), np.uint64)
    planes.fire_plane(np.uint64(key), ca_step, level, draws, plane, height, width)
    np.testing.assert_array_equal(plane, packed(noise.fire_mask(key, ca_step, *shape, level / 256)))


SIZES, ENDS = [(4, 1, 0), (12, 7, 1), (44, 128, 0)], [ADD, RELU, GATE]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("n", mostly_wide([48, 16, 128]))
def test_products_against_numpy_with_wide_and_narrow_tiles(n, way):
    """Every size with every width and every end; not all three, as each is compiled anew."""
    m, depth, transposed = SIZES[way]
    end = ENDS[(way + [48, 16, 128].index(n)) % 3]
    rng = np.random.default_rng(0)
    a = rng.normal(size=(m, depth)).astype(np.float32)
    b = rng.normal(size=(depth, n)).astype(np.float32)
    e = rng.normal(size=(m, n)).astype(np.float32)
    strides = (1, m) if transposed else (depth, 1)
    exact = a.astype(float) @ b
    expected = {
        ADD: e + exact,
        RELU: np.maximum(e + exact, 0),
        GATE: np.where(e > 0, exact, 0),
    }[end]
    found = []
    for wide in (True, False):
        run = product(n, strides, n, n, n, end, wide=wide)
        c = np.full(5 + m * n, np.nan, np.float32)
        flat = np.ascontiguousarray(a.T if transposed else a).ravel()
        run(flat, 0, b.ravel(), 0, e.ravel(), 0, c, 5, m, depth)
        assert np.isnan(c[:5]).all()
        np.testing.assert_allclose(c[5:].reshape(m, n), expected, rtol=0, atol=1e-4)
        found.append(c[5:])
    np.testing.assert_array_equal(found[0], found[1])


def test_kernels_that_were_kept_are_of_these_parts():
    """Numba keeps compiled kernels by what ``kernels.py`` holds: it must change with its parts."""
    parts = (planes, tile, workspace)
    texts = "".join(Path(part.__file__).read_text("utf-8") for part in parts)
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == kernels.MADE_OF
