"""Of a grey NCA alpha alone is seen: what stands in R, G and B changes no picture and no number."""

import numpy as np
import pytest

from nca_zoo.dynamics import Case, measure
from nca_zoo.rule import ALPHA, N_PARAMS, seed_state, seen


def test_garbage_in_the_hidden_colours_is_not_seen():
    state = np.random.default_rng(0).normal(size=(2, 5, 6, 16))
    clean = state.copy()
    clean[..., :ALPHA] = clean[..., ALPHA : ALPHA + 1]
    np.testing.assert_array_equal(seen(state, 1), clean[..., :4])
    np.testing.assert_array_equal(seen(seen(state, 1), 1), clean[..., :4])
    np.testing.assert_array_equal(seen(state), state[..., :4])


def test_a_seed_that_stands_still_is_measured_by_alpha_alone():
    seed = seed_state(9, 9, 4, 4)
    target = seen(seed, 1)
    still = np.zeros(N_PARAMS, np.float32)
    grey = measure(Case(still, seed, target, trained=1), seeds=1)
    rgba = measure(Case(still, seed, target), seeds=1)
    assert grey["psnr_1000"] > 90
    # Three channels of four are wrong by 1 in one of 81 cells.
    assert rgba["psnr_1000"] == pytest.approx(10 * np.log10(81 * 4 / 3), abs=1e-3)
