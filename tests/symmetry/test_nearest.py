"""The search over the whole group, on copies whose answer is known."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from nca_zoo.automaton import noise, rule
from nca_zoo.symmetry import nearest as search
from nca_zoo.symmetry.alignment import aligner
from nca_zoo.symmetry.group import act, compose, random_element
from nca_zoo.symmetry.nearest import nearest


@pytest.fixture(scope="module")
def weights(lively_weights):
    return lively_weights(3).astype(np.float64)


def apart(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def planted(weights, size, key):
    """Weights with noise of this size, in units of their norm."""
    noisy = np.random.default_rng(key).normal(size=len(weights))
    return weights + size * np.linalg.norm(weights) / np.linalg.norm(noisy) * noisy


@pytest.mark.parametrize("size", [0.001, 0.01, 0.1, 0.3])
def test_scrambled_copies_are_found_to_within_a_tenth_of_the_noise(weights, size):
    for key in range(3):
        g = random_element(key)
        found = nearest(act(g, planted(weights, size, key)), weights, starts=2)
        assert found.distance <= 1.1 * size
        assert found.distance >= 0.8 * size  # 308 of 8,336 directions cannot hide more than that
        kept = compose(found.element, g).permutation == np.arange(rule.HIDDEN)
        assert kept.mean() > 0.9


def test_a_graph_finds_what_the_aligner_loses(weights):
    """With more noise than descriptors of single units bear, whoever matches these alone."""
    g, noisy = random_element(4), planted(weights, 0.6, 4)
    found = nearest(act(g, noisy), weights, starts=2)
    assert found.starts[1] == found.distance <= 0.6
    plain = aligner(act(g, noisy), weights)
    assert apart(act(plain, act(g, noisy)), weights) > 0.6


def test_what_is_found_is_an_element_and_its_distance(weights, lively_weights):
    other = lively_weights(9).astype(np.float64)
    found = nearest(other, weights, starts=3)
    image = act(found.element, other)
    assert apart(image, weights) == pytest.approx(found.distance)
    assert sorted(found.element.permutation) == list(range(rule.HIDDEN))
    assert (found.element.scales > 0).all()
    old = new = rule.seed_state(7, 8, 3, 4, dtype="f8")
    for t in range(48):
        fire = noise.fire_mask(1, t, 7, 8)
        old, new = rule.step(other, old, fire), rule.step(image, new, fire)
    np.testing.assert_allclose(new[..., :4], old[..., :4], atol=1e-8)


def test_more_starts_never_find_less_and_none_depends_on_the_place_in_the_orbit(
    weights, lively_weights
):
    other = lively_weights(9).astype(np.float64)
    few, more = (nearest(other, weights, starts=n) for n in (2, 4))
    assert more.starts[:2] == few.starts
    assert more.distance <= few.distance < apart(act(aligner(other, weights), other), weights)
    moved = nearest(act(random_element(5), other), weights, starts=4)
    np.testing.assert_allclose(moved.starts, more.starts, atol=1e-3)


def test_units_are_matched_by_the_distance_itself(weights, lively_weights):
    """Against scales and costs of single pairs, found by a fine grid."""
    other = lively_weights(9).astype(np.float64)
    found = search._exact_units(other, weights)
    ours, theirs = (search.descriptors(w) for w in (other, weights))
    grid = np.exp(np.linspace(-3, 3, 6001))
    for i in (0, 17, 90):
        j = found.permutation[i]
        costs = [
            ((c * ours[0][j] - theirs[0][i]) ** 2).sum()
            + ((ours[1][j] / c - theirs[1][i]) ** 2).sum()
            for c in grid
        ]
        assert found.scales[i] == pytest.approx(grid[np.argmin(costs)], rel=5e-3)


@pytest.mark.parametrize("hidden", [True, False])
def test_the_slope_is_that_of_the_distance(weights, lively_weights, hidden, monkeypatch):
    seen = {}

    def caught(squares, start, **_):
        seen["f"] = squares
        return search_minimize(squares, start, **_)

    search_minimize = search.minimize
    monkeypatch.setattr(search, "minimize", caught)
    search._polish(lively_weights(9).astype(np.float64), weights, hidden)
    place = np.random.default_rng(0).normal(size=308) * 0.05
    slope = seen["f"](place)[1]
    error = check_grad(lambda x: seen["f"](x)[0], lambda x: seen["f"](x)[1], place, epsilon=1e-6)
    assert error < 1e-4 * np.linalg.norm(slope)


@pytest.mark.parametrize("empty", [np.zeros(rule.N_PARAMS), None])
def test_starts_that_say_nothing_give_finite_answers(weights, empty):
    from nca_zoo.training.init import glorot

    start = glorot(3).astype(np.float64) if empty is None else empty
    assert np.isfinite(nearest(weights, start, starts=3).distance)
    assert np.isfinite(nearest(start, weights, starts=3).distance)
