"""Alignment, standard forms and invariants, on scrambled copies whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from nca_zoo.automaton import noise, rule
from nca_zoo.symmetry.alignment import (
    align,
    aligner,
    assigned,
    canonicalise,
    canonicaliser,
    invariants,
)
from nca_zoo.symmetry.group import act, compose, invert, random_element
from nca_zoo.training.init import glorot

keys = st.integers(0, 2**64 - 1)
few = settings(max_examples=8)


@pytest.fixture(scope="module")
def weights(lively_weights):
    return lively_weights(3).astype(np.float64)


def nudged(weights, key, size):
    """An NCA near by, as another fit from the same start would be."""
    noisy = 2 * noise.uniform(key, len(weights)) - 1
    return weights + size * np.linalg.norm(weights) / np.linalg.norm(noisy) * noisy


def apart(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@few
@given(key=keys, hidden=st.booleans())
def test_a_scrambled_copy_is_recovered_whole(weights, key, hidden):
    """Permutation, scales and basis, not only the distance."""
    g = random_element(key, hidden)
    found = aligner(act(g, weights), weights, hidden)
    wanted = invert(g)
    np.testing.assert_array_equal(found.permutation, wanted.permutation)
    np.testing.assert_allclose(found.scales, wanted.scales, rtol=1e-6)
    np.testing.assert_allclose(found.basis, wanted.basis, atol=1e-6)


@few
@given(key=keys)
def test_a_copy_rounded_to_float32_is_recovered_to_rounding(weights, key):
    single = weights.astype(np.float32)
    scrambled = act(random_element(key), single)
    assert apart(scrambled, single) > 0.5
    aligned = align(scrambled[None], single)
    assert aligned.dtype == np.float32
    assert apart(aligned[0], single) < 1e-5


@few
@given(key=keys)
def test_a_near_neighbour_finds_its_units_again(weights, key):
    near = nudged(weights, 1, 0.05)
    g = random_element(key)
    found = aligner(act(g, near), weights)
    np.testing.assert_array_equal(compose(found, g).permutation, np.arange(rule.HIDDEN))
    assert apart(act(found, act(g, near)), weights) <= apart(near, weights)


@few
@given(key=keys)
def test_alignment_depends_on_the_orbit_alone(weights, lively_weights, key):
    other = lively_weights(9).astype(np.float64)
    once, again = align(np.stack([weights, act(random_element(key), weights)]), other)
    np.testing.assert_allclose(once, again, atol=1e-6)
    assert apart(once, other) < apart(weights, other)


@few
@given(key=keys, hidden=st.booleans())
def test_the_standard_form_is_one_for_the_whole_orbit(weights, key, hidden):
    g = random_element(key, hidden)
    once, again = canonicalise(np.stack([weights, act(g, weights)]), hidden)
    np.testing.assert_allclose(once, again, atol=1e-8)
    np.testing.assert_allclose(canonicalise(once[None], hidden)[0], once, atol=1e-8)


def test_different_orbits_have_different_standard_forms(weights):
    a, b = canonicalise(np.stack([weights, nudged(weights, 2, 0.01)]))
    assert apart(a, b) > 1e-3


@pytest.mark.parametrize("hidden", [True, False])
def test_what_aligners_do_is_a_symmetry(weights, lively_weights, hidden):
    state = rule.seed_state(7, 8, 3, 4, hidden, "f8")
    for g in (canonicaliser(weights, hidden), aligner(weights, lively_weights(9), hidden)):
        old = new = state
        for t in range(48):
            fire = noise.fire_mask(1, t, 7, 8)
            old, new = rule.step(weights, old, fire), rule.step(act(g, weights), new, fire)
        np.testing.assert_allclose(new[..., :4], old[..., :4], atol=1e-8)


@few
@given(key=keys, hidden=st.booleans())
def test_invariants_do_not_change(weights, key, hidden):
    two = np.stack([weights, act(random_element(key, hidden), weights)])
    once, again = invariants(two, hidden)
    np.testing.assert_allclose(once, again, atol=1e-6)


def test_invariants_tell_orbits_apart_and_start_with_plain_traces(weights):
    a, b = invariants(np.stack([weights, nudged(weights, 2, 0.01)]))
    assert np.abs(a - b).max() > 1e-4
    w = rule.unflatten(weights)
    trace = [np.trace(w["W2"] @ w["W1"][:, 16 * f : 16 * f + 16]) for f in range(3)]
    np.testing.assert_allclose(a[8:11], trace)
    np.testing.assert_allclose(a[:8].reshape(4, 2)[:, 0], w["b2"][:4])


def test_invariants_do_not_see_the_gates(weights):
    """Documented incompleteness: other orbits can share all invariants.

    W2 (16 outputs of 128 units) leaves 112 directions of unit space unseen, in which W1 may move
    without changing any J; units then open for other perceptions.
    """
    w = rule.unflatten(weights)
    unseen = np.linalg.svd(w["W2"])[2][-1]  # W2 @ unseen == 0
    other = rule.flatten(w | {"W1": w["W1"] + np.outer(unseen, np.ones(rule.PERCEPTION))})
    assert apart(other, weights) > 0.1
    once, again = invariants(np.stack([weights, other]))
    np.testing.assert_allclose(once, again, atol=1e-6)
    one = two = rule.seed_state(7, 8, 3, 4, dtype="f8")
    for t in range(24):
        fire = noise.fire_mask(1, t, 7, 8)
        one, two = rule.step(weights, one, fire), rule.step(other, two, fire)
    assert np.abs(one - two)[..., : rule.VISIBLE].max() > 1e-3  # they are other automata


@pytest.mark.parametrize("make", [lambda: np.zeros(rule.N_PARAMS), lambda: glorot(3)])
def test_empty_weights_give_finite_answers(weights, make):
    empty = make()[None].astype(np.float64)
    assert np.isfinite(canonicalise(empty)).all()
    assert np.isfinite(align(empty, weights)).all()
    assert np.isfinite(align(weights[None], empty[0])).all()
    assert np.isfinite(invariants(empty)).all()


def test_units_are_assigned_as_scipy_assigns_them() -> None:
    """Where every row has a least column of its own, where two share it, and among equals."""
    draws = np.random.default_rng(0).random((3, 8, 8))
    draws[0][np.arange(8), np.random.default_rng(1).permutation(8)] = -1
    draws[1][:, 3] -= 2
    costs = np.stack([*draws, np.zeros((8, 8))])
    assert [len(set(one.argmin(axis=1))) == 8 for one in costs] == [True, False, False, False]
    wanted = [linear_sum_assignment(one)[1] for one in costs]
    np.testing.assert_array_equal(assigned(costs), wanted)
