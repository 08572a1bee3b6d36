"""The group against the plain rule, in float64: what grows must not change; and its axioms."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nca_zoo.automaton import noise, rule
from nca_zoo.symmetry.group import (
    ACTION,
    MOVES,
    Element,
    act,
    act_on_state,
    compose,
    identity,
    invert,
    random_element,
    seed_vector,
)

keys = st.integers(0, 2**64 - 1)
STEPS, HEIGHT, WIDTH = 96, 7, 8


@pytest.fixture(scope="module")
def weights(lively_weights):
    return lively_weights(3).astype(np.float64)


def grow(weights, hidden=True, key=7):
    state = rule.seed_state(HEIGHT, WIDTH, 3, 4, hidden, "f8")
    for t in range(STEPS):
        state = rule.step(weights, state, noise.fire_mask(key, t, HEIGHT, WIDTH))
    return state


def same(g: Element, h: Element) -> bool:
    return np.array_equal(g.permutation, h.permutation) and all(
        np.allclose(getattr(g, part), getattr(h, part), rtol=1e-10, atol=1e-10)
        for part in ("scales", "basis")
    )


@settings(max_examples=12)
@given(key=keys, hidden=st.booleans(), spread=st.sampled_from([0.5, 1.0, 2.0]))
def test_any_element_moves_the_weights_and_leaves_the_visible_rollout(weights, key, hidden, spread):
    g = random_element(key, hidden, spread)
    moved = act(g, weights)
    assert np.linalg.norm(moved - weights) > 0.5 * np.linalg.norm(weights)
    old, new = grow(weights, hidden), grow(moved, hidden)
    assert np.abs(old[..., : rule.VISIBLE]).max() > 0.1  # it lives
    size = np.abs(old).max()
    np.testing.assert_allclose(new[..., :4], old[..., :4], rtol=0, atol=1e-10 * size)
    np.testing.assert_allclose(new, act_on_state(g, old), rtol=0, atol=1e-9 * size)
    assert np.abs(new - old)[..., rule.VISIBLE :].max() > 1e-3  # hidden channels did move


@pytest.mark.parametrize("hidden", [True, False])
def test_an_element_for_one_seed_does_not_serve_the_other(weights, hidden):
    moved = act(random_element(1, not hidden), weights)
    assert np.abs(grow(moved, hidden) - grow(weights, hidden))[..., :4].max() > 1e-6


@pytest.mark.parametrize("part", ["permutation", "scales", "basis"])
def test_each_part_of_an_element_is_a_symmetry_by_itself(weights, part):
    g = replace(identity(), **{part: getattr(random_element(2), part)})
    moved = act(g, weights)
    assert not np.allclose(moved, weights)
    np.testing.assert_allclose(grow(moved)[..., :4], grow(weights)[..., :4], rtol=0, atol=1e-10)


def test_what_is_no_symmetry_shows(weights):
    negative = random_element(3)
    negative.scales[5] *= -1  # a ReLU does not let it through
    mixed = random_element(3)
    mixed.basis[0, 7] = 0.1  # hidden into visible
    for g in (negative, mixed):
        assert np.abs(grow(act(g, weights)) - grow(weights))[..., :4].max() > 1e-6


@given(key=keys, hidden=st.booleans())
def test_the_seed_is_kept_and_visible_channels_are_their_own(key, hidden):
    basis = random_element(key, hidden).basis
    np.testing.assert_allclose(basis @ seed_vector(hidden), seed_vector(hidden), atol=1e-12)
    np.testing.assert_array_equal(basis[: rule.VISIBLE], np.eye(rule.CHANNELS)[: rule.VISIBLE])


@pytest.mark.parametrize("hidden", [True, False])
def test_the_seed_vector_is_the_seed_cell_of_the_rule(hidden):
    cell = rule.seed_state(3, 3, 1, 1, hidden)[1, 1]
    np.testing.assert_array_equal(seed_vector(hidden), cell)


@settings(max_examples=25)
@given(a=keys, b=keys, c=keys)
def test_it_is_a_group_and_it_acts(weights, a, b, c):
    g, h, k = (random_element(key) for key in (a, b, c))
    assert same(compose(compose(g, h), k), compose(g, compose(h, k)))
    assert same(compose(g, identity()), g)
    assert same(compose(identity(), g), g)
    assert same(compose(g, invert(g)), identity())
    assert same(compose(invert(g), g), identity())
    np.testing.assert_allclose(act(compose(g, h), weights), act(g, act(h, weights)), atol=1e-11)
    np.testing.assert_allclose(act(invert(g), act(g, weights)), weights, atol=1e-11)
    np.testing.assert_array_equal(act(identity(), weights), weights)


def test_the_action_is_the_formula_of_the_docs(weights):
    g = random_element(4)
    w, moved = rule.unflatten(weights), rule.unflatten(act(g, weights))
    units = g.scales[:, None] * np.eye(rule.HIDDEN)[g.permutation]
    inverse = np.linalg.inv(units)
    three = np.kron(np.eye(3), np.linalg.inv(g.basis))
    np.testing.assert_allclose(moved["W1"], units @ w["W1"] @ three, atol=1e-12)
    np.testing.assert_allclose(moved["b1"], units @ w["b1"], atol=1e-12)
    np.testing.assert_allclose(moved["W2"], g.basis @ w["W2"] @ inverse, atol=1e-12)
    np.testing.assert_allclose(moved["b2"], g.basis @ w["b2"], atol=1e-12)


def test_the_table_covers_every_axis_of_every_tensor():
    for name, shape in rule.PARAM_SPEC:
        assert len(ACTION[name]) == len(shape)
        for axis, size in zip(ACTION[name], shape, strict=True):
            np.testing.assert_array_equal(MOVES[axis](identity(), np.eye(size)), np.eye(size))


def test_many_at_once_and_in_their_own_dtype(weights):
    g, many = random_element(5), np.stack([weights, -weights]).astype(np.float32)
    moved = act(g, many)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, [act(g, w) for w in many])


def test_elements_differ_by_key_and_fill_the_group():
    """308 continuous dimensions: so many directions are spanned by random tangents."""
    assert not same(random_element(0), random_element(1))
    assert same(random_element(0), random_element(0))
    bases = np.stack([random_element(key).basis.ravel() for key in range(250)])
    assert np.linalg.matrix_rank(bases - bases.mean(axis=0)) == 180
    scales = np.stack([random_element(key).scales for key in range(250)])
    assert np.linalg.matrix_rank(scales - scales.mean(axis=0)) == 128
    assert scales.min() >= 0.5
    assert scales.max() <= 2.0
