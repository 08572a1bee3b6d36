"""Ways to imagine, against numpy's mean and covariance and cases that are plain by hand."""

import numpy as np
import pytest

from nca_zoo.automaton.noise import fold
from nca_zoo.networks.imagining import (
    CLUSTERS,
    EACH,
    average,
    clusters,
    combined,
    copies,
    gaussian,
    usual,
)

N, P = 12, 30
KEYS = fold(7, np.arange(4000))


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    return (3 + rng.normal(size=(N, P)) * np.linspace(3, 0.1, P)).astype(np.float32)


@pytest.mark.parametrize("way", [gaussian, average, clusters, copies, usual])
def test_shares_add_up_and_those_of_a_key_are_its_own(weights, way):
    shares = way(weights, KEYS[:50])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(way(weights, KEYS[7:9]), shares[7:9], atol=1e-12)


def test_a_gaussian_has_the_mean_and_covariance_of_what_is_known(weights):
    drawn = gaussian(weights, KEYS) @ weights
    due = np.cov(weights, rowvar=False)
    assert np.linalg.norm(np.cov(drawn, rowvar=False) - due) < 0.1 * np.linalg.norm(due)
    np.testing.assert_allclose(drawn.mean(axis=0), weights.mean(axis=0), atol=0.2)


def test_few_components_are_the_leading_ones(weights):
    drawn = gaussian(weights, KEYS, components=2) @ weights.astype(float)
    _, sizes, axes = np.linalg.svd(weights - weights.mean(axis=0))
    scores = (drawn - weights.mean(axis=0)) @ axes.T
    np.testing.assert_allclose(scores[:, :2].std(axis=0), sizes[:2] / np.sqrt(N - 1), rtol=0.05)
    assert np.abs(scores[:, 2:]).max() < 1e-4


def test_averages_are_of_four_and_lie_between_them(weights):
    shares = average(weights, KEYS)
    assert (shares >= 0).all()
    assert ((shares > 0).sum(axis=1) == 4).all()
    np.testing.assert_allclose(shares.mean(axis=0), 1 / N, atol=0.01)


def test_each_of_the_clusters_keeps_to_itself():
    rng = np.random.default_rng(1)
    far = np.repeat([[0.0], [100], [200]], [6, 3, 1], axis=0)  # the last is alone
    shares = clusters((far + rng.normal(size=(10, 8))).astype(np.float32), KEYS)
    inside = np.stack([shares[:, :6], np.pad(shares[:, 6:9], [(0, 0), (0, 3)])]).any(axis=2)
    alone = shares[:, 9] == 1
    assert (inside.sum(axis=0) + alone == 1).all()
    assert alone.mean() == pytest.approx(0.1, abs=0.02)


def test_copies_are_each_of_them_as_often(weights):
    shares = copies(weights, KEYS)
    assert set(np.unique(shares)) == {0.0, 1.0}
    np.testing.assert_allclose(shares.mean(axis=0), 1 / N, atol=0.02)


def test_weights_and_seed_cells_are_combined_alike():
    weights = np.array([[1, 2], [3, 6]], np.float32)
    found, places = combined(weights, [[10, 4], [14, 4]], np.array([[0.5, 0.5], [1.5, -0.5]]))
    np.testing.assert_allclose(found, [[2, 4], [0, 0]])
    assert places.tolist() == [[12, 4], [8, 4]]


def test_large_classes_have_clusters_and_small_ones_a_gaussian():
    many = np.random.default_rng(0).normal(size=(CLUSTERS * EACH, 8)).astype(np.float32)
    np.testing.assert_array_equal(usual(many, KEYS), clusters(many, KEYS))
    np.testing.assert_array_equal(usual(many[1:], KEYS), gaussian(many[1:], KEYS))
