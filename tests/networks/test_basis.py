"""Few numbers along a basis: algebra by hand, and fits that stay in it and get better."""

from dataclasses import replace

import numpy as np
import pytest

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import N_PARAMS, seed_state
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.networks.basis import Basis, fit_numbers, principal
from nca_zoo.pictures.targets import Target

GRID = (8, 9)


def test_components_are_the_leading_ones_with_a_spread_of_one():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(50, 3)))[0].T
    weights = (2 + rng.normal(size=(400, 3)) * [5, 2, 0.1] @ axes).astype(np.float32)
    basis = principal(weights, 2)
    numbers = basis.numbers(weights)
    np.testing.assert_allclose(numbers.std(axis=0, ddof=1), 1, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(basis.axes, axis=1), [5, 2], rtol=0.1)
    left = weights - basis.weights(numbers)
    assert np.abs(left @ basis.axes.T).max() < 1e-3  # nearest: what is left out is at right angles
    assert np.linalg.norm(left, axis=1).mean() < 0.2
    np.testing.assert_allclose(basis.numbers(basis.weights(numbers)), numbers, atol=1e-4)


@pytest.fixture(scope="module")
def basis(lively_weights):
    axes = np.random.default_rng(0).normal(size=(3, N_PARAMS))
    return Basis(lively_weights(0), 0.3 * np.linalg.qr(axes.T)[0].T)


def grown(weights, steps=80):
    ncas = Automata.grown(weights, seed_state(*GRID, 4, 4), seed=9)
    return SparseEngine().rollout(ncas, ncas.starts(), 0, steps)[:, 0, ..., :4]


def test_a_fit_comes_nearer_to_each_target_by_its_numbers_alone(basis):
    wanted = np.array([[1.0, -1, 0.5], [-1, 1, 1]])
    targets = [Target(np.clip(rgba, 0, 1), 4, 4) for rgba in grown(basis.weights(wanted))]
    begun = np.zeros((2, 3))
    found = fit_numbers(basis, begun, targets, SparseEngine(), steps=40, rate=0.2)
    assert not begun.any()
    due = np.stack([target.rgba for target in targets])
    for steps in (80, 160):  # also on from where it ended
        shown, at_first = (grown(basis.weights(each), steps) for each in (found, begun))
        if steps == 80:
            off, before = (((x - due) ** 2).mean(axis=(1, 2, 3)) for x in (shown, at_first))
            assert (off < 0.5 * before).all()
        assert np.isfinite(shown).all()


def test_a_fit_is_the_same_again_and_of_each_picture_alone(basis):
    targets = [Target(np.full((*GRID, 4), level, np.float32), 4, 4) for level in (0.2, 0.8)]
    both, again = (
        fit_numbers(basis, np.zeros((2, 3)), targets, SparseEngine(), 3, 0.1) for _ in range(2)
    )
    np.testing.assert_array_equal(both, again)
    other = [targets[0], replace(targets[1], rgba=targets[0].rgba)]
    first = fit_numbers(basis, np.zeros((2, 3)), other, SparseEngine(), 3, 0.1)
    np.testing.assert_array_equal(first[0], both[0])
    assert np.abs(first[1] - both[1]).max() > 1e-3
