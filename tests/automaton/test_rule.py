"""The rule against torch's convolutions, and against numbers worked out by hand."""

import numpy as np
import plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nca_zoo.automaton import noise, rule


def test_there_are_8336_weights_and_the_spec_says_where():
    assert rule.N_PARAMS == 48 * 128 + 128 + 128 * 16 + 16 == 8336
    slices = rule.param_slices()
    assert [s.stop - s.start for s in slices.values()] == [6144, 128, 2048, 16]
    assert list(slices) == [name for name, _ in rule.PARAM_SPEC]


def test_unflatten_names_the_right_numbers():
    flat = np.arange(8336, dtype=np.float32)
    tensors = rule.unflatten(flat)
    assert tensors["W1"][1, 0] == 48
    assert tensors["b1"][0] == 6144
    assert tensors["W2"][1, 0] == 6144 + 128 + 128
    assert tensors["b2"][-1] == 8335
    with pytest.raises(ValueError, match="expected 8336 weights, found 5"):
        rule.unflatten(flat[:5])


@given(hnp.arrays(np.float32, (2, 8336), elements=st.floats(-1, 1, width=32)))
def test_flatten_undoes_unflatten(weights):
    assert np.array_equal(rule.flatten(rule.unflatten(weights)), weights)


def test_flatten_names_the_tensor_with_a_wrong_shape():
    tensors = rule.unflatten(np.zeros(8336))
    with pytest.raises(ValueError, match="b1"):
        rule.flatten(tensors | {"b1": np.zeros(3)})


def test_perception_of_a_single_cell_by_hand():
    state = np.zeros((3, 3, 16))
    state[1, 1, 0] = 8.0
    seen = rule.perceive(state)
    x, y = seen[..., 16], seen[..., 32]
    assert np.array_equal(x, [[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    assert np.array_equal(y, x.T)
    assert np.array_equal(seen[..., :16], state)


def test_alive_reaches_one_cell_and_needs_more_than_a_tenth():
    state = np.zeros((5, 5, 16))
    state[0, 0, rule.ALPHA] = 0.11
    state[4, 4, rule.ALPHA] = 0.1
    assert np.array_equal(np.argwhere(rule.alive(state)), [[0, 0], [0, 1], [1, 0], [1, 1]])


def test_seed_state():
    seed = rule.seed_state(4, 5, 2, 3)
    assert seed.sum() == 13
    assert not seed[2, 3, :3].any()
    assert rule.seed_state(4, 5, 2, 3, hidden=False).sum() == 1
    with pytest.raises(ValueError, match="outside a grid"):
        rule.seed_state(4, 5, 4, 0)


@pytest.mark.parametrize("shape", [(28, 28), (9, 14)])
def test_the_rule_is_the_articles(lively_weights, shape):
    weights = lively_weights(3).astype(np.float64)
    state = rule.seed_state(*shape, 4, 5, dtype=np.float64)
    fires = [noise.fire_mask(11, t, *shape) for t in range(30)]
    _, _, expected = plain.rollout(weights, state, fires)
    for fire in fires:
        state = rule.step(weights, state, fire)
    assert np.count_nonzero(state[..., rule.ALPHA]) > 40
    np.testing.assert_allclose(state, expected, rtol=0, atol=1e-12)


def test_step_takes_many_states_at_once(lively_weights):
    weights = lively_weights(3)
    states = np.stack([rule.seed_state(8, 8, 4, 4), rule.seed_state(8, 8, 2, 3)])
    fires = noise.fire_mask(np.array([1, 2]), 0, 8, 8)
    together = rule.step(weights, states, fires)
    for state, fire, result in zip(states, fires, together, strict=True):
        np.testing.assert_allclose(rule.step(weights, state, fire), result, atol=1e-6)
