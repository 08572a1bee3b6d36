"""Walks are the same for a whole orbit, and tell apart what traces cannot."""

import numpy as np
import pytest

from nca_zoo import rule
from nca_zoo.alignment import invariants
from nca_zoo.symmetry import act, random_element, seed_vector
from nca_zoo.walks import QUESTIONS, arrangements, walks


@pytest.fixture(scope="module")
def weights(lively_weights):
    return lively_weights(3).astype(np.float64)


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("key", [1, 2, 3])
def test_no_symmetry_changes_them(weights, hidden, key):
    moved = act(random_element(key, hidden), weights)
    assert np.linalg.norm(moved - weights) > np.linalg.norm(weights)
    once, again = walks(np.stack([weights, moved]), hidden)
    np.testing.assert_allclose(once, again, atol=1e-8)
    assert np.abs(once).max() > 0.1


def test_a_change_that_is_no_symmetry_changes_them(weights):
    nudged = weights.copy()
    nudged[5] += 0.01
    once, again = walks(np.stack([weights, nudged]))
    assert np.abs(once - again).max() > 1e-5


def test_they_see_the_gates_that_traces_do_not(weights):
    w = rule.unflatten(weights)
    unseen = np.linalg.svd(w["W2"])[2][-1]  # W2 @ unseen == 0: traces do not see this change of W1
    other = rule.flatten(w | {"W1": w["W1"] + np.outer(unseen, np.ones(rule.PERCEPTION))})
    both = np.stack([weights, other])
    np.testing.assert_allclose(*invariants(both), atol=1e-6)
    assert np.abs(np.subtract(*walks(both))).max() > 1e-3


def test_the_first_generation_is_a_step_of_the_rule(weights):
    """Every cell fires, in a grid of 3 x 3 cells that nothing has killed yet."""
    states = np.stack([np.zeros(16), seed_vector()])
    grid = states[arrangements(0, 2)]  # (24, 3, 3, 16)
    w = rule.unflatten(weights)
    units = np.maximum(rule.perceive(grid) @ w["W1"].T + w["b1"], 0)
    updated = (grid + units @ w["W2"].T + w["b2"])[:, 1, 1, : rule.VISIBLE]
    found = walks(weights[None])[0, : QUESTIONS * rule.VISIBLE]
    np.testing.assert_allclose(found, np.arcsinh(updated).ravel(), atol=1e-12)


def test_batches_and_empty_input_make_no_difference(lively_weights):
    rows = np.stack([lively_weights(i) for i in range(3)])
    np.testing.assert_allclose(walks(rows)[1], walks(rows[1:2])[0], atol=1e-12)
    assert walks(rows[:0]).shape == (0, walks(rows).shape[1])
    assert np.isfinite(walks(np.full((1, rule.N_PARAMS), 1e3))).all()
