import numpy as np
import pytest
from plain import rollout as plain_rollout
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from nca_zoo.automaton import noise, rule
from nca_zoo.features.queries import QUERIES, answers, met_by, random_perceptions, spread_out
from nca_zoo.features.reduction import Scaling
from nca_zoo.features.tangent import CA_STEPS, start_gradients
from nca_zoo.features.transformers import (
    Aligned,
    Canonical,
    Delta,
    Invariants,
    Nearest,
    Queries,
    Raw,
    Reduced,
    Responses,
    Tensor,
)
from nca_zoo.symmetry import group as symmetry

KINDS = [
    Raw(),
    Delta(np.ones(rule.N_PARAMS)),
    Tensor("W2"),
    Canonical(),
    Invariants(),
    Queries(np.eye(7, 48, dtype=np.float32)),
    Responses((9, 8)),
    Aligned(),
    Nearest(),
]


@pytest.fixture(scope="module")
def weights(lively_weights) -> np.ndarray:
    return np.stack([lively_weights(seed) for seed in range(5)])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_transformers_are_scikit_learns(kind, weights: np.ndarray) -> None:
    fresh = clone(kind)
    assert fresh.get_params().keys() == kind.get_params().keys()
    found = make_pipeline(fresh, Reduced(components=2)).fit(weights[:4])
    assert found.transform(weights[4:]).shape == (1, 2)
    assert kind.learns == isinstance(kind, Aligned)


def test_a_reference_is_learned_from_the_rows_fitted_alone(weights: np.ndarray) -> None:
    aligned = Aligned().fit(weights[2:])
    np.testing.assert_array_equal(aligned.reference_, weights[2])
    np.testing.assert_allclose(aligned.transform(weights[2:3])[0], weights[2], atol=1e-4)
    given = Aligned(weights[0]).fit(weights[2:])
    np.testing.assert_array_equal(given.reference_, weights[0])
    assert not given.learns


def test_a_longer_search_finds_copies_that_the_aligner_loses(weights: np.ndarray) -> None:
    noisy = np.random.default_rng(4).normal(size=rule.N_PARAMS)
    noisy *= 0.6 * np.linalg.norm(weights[3]) / np.linalg.norm(noisy)
    copy = symmetry.act(symmetry.random_element(4), weights[3] + noisy)[None].astype(np.float32)
    far = {
        kind: np.linalg.norm(kind(weights[3]).fit(copy).transform(copy)[0] - weights[3])
        for kind in (Aligned, Nearest)
    }
    assert far[Nearest] < np.linalg.norm(noisy) < far[Aligned]


@pytest.mark.parametrize("scaling", ["standardise", "soft", "centre"])
def test_reduction_learns_from_the_rows_fitted_alone(scaling: Scaling) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    reduced = Reduced(scaling, 3).fit(rows[:20])
    expected = PCA(3).fit(rows[:20]) if scaling == "centre" else None
    found = reduced.transform(rows[20:])
    np.testing.assert_allclose(found[:1], reduced.transform(rows[20:21]), atol=1e-6)
    if expected is not None:
        theirs = expected.transform(rows[20:])
        np.testing.assert_allclose(
            np.abs(found / found[0]), np.abs(theirs / theirs[0]), rtol=1e-3, atol=1e-4
        )


def test_answers_are_the_rules_and_blind_to_order_and_scale(weights: np.ndarray) -> None:
    seen = np.random.default_rng(1).normal(size=(9, 48)).astype(np.float32)
    found = answers(weights, seen)
    for one, row in zip(found, weights, strict=True):
        w = rule.unflatten(row)
        plain = [w["W2"] @ np.maximum(w["W1"] @ p + w["b1"], 0) + w["b2"] for p in seen]
        np.testing.assert_allclose(one, np.concatenate(plain), atol=1e-5)
    drawn = symmetry.random_element(3)
    units = symmetry.Element(drawn.permutation, drawn.scales, np.eye(rule.CHANNELS))
    np.testing.assert_allclose(answers(symmetry.act(units, weights), seen), found, atol=1e-4)


def test_perceptions_are_met_by_the_start_and_the_same_every_time(weights: np.ndarray) -> None:
    met = met_by(weights[0], True)
    assert met.shape == (QUERIES, 48)
    assert len(np.unique(met, axis=0)) > 0.9 * QUERIES
    np.testing.assert_array_equal(met, met_by(weights[0], True))
    assert not np.array_equal(met, met_by(weights[1], True))
    dead = met_by(np.zeros(rule.N_PARAMS, np.float32), True)  # only the seed: too little to ask
    np.testing.assert_array_equal(dead, random_perceptions())


def test_points_are_spread_out() -> None:
    points = np.r_[np.zeros((500, 2)), [[9, 9], [-9, 9], [9, -9]]].astype(np.float32)
    chosen = spread_out(points, 8)
    assert {(9, 9), (-9, 9), (9, -9)} <= {tuple(p) for p in chosen.tolist()}


def test_a_start_that_explodes_has_no_gradient() -> None:
    wild = np.arange(rule.N_PARAMS, dtype=np.float32)
    targets = np.full((1, 5, 5, 4), 255, np.uint8)
    assert not start_gradients(wild, lambda row: rule.seed_state(5, 5, 2, 2), targets).any()


@pytest.mark.parametrize("channels", [4, 1])
def test_the_gradient_at_the_start_is_autograds(weights: np.ndarray, channels: int) -> None:
    targets = np.random.default_rng(2).integers(0, 256, (2, 6, 5, channels), dtype=np.uint8)
    seed = rule.seed_state(6, 5, 3, 2)
    found = start_gradients(weights[0], lambda row: seed, targets)
    key = noise.fold(0, noise.Stream.ROLLOUT)
    fires = [noise.fire_mask(key, t, 6, 5) for t in range(CA_STEPS)]
    for one, target in zip(found, targets, strict=True):
        gradients = plain_rollout(weights[0], seed, fires, target / 255)[1]
        for name, expected in zip(("W1", "b1", "W2", "b2"), gradients, strict=True):
            mine = one[rule.param_slices()[name]].reshape(expected.shape)
            np.testing.assert_allclose(mine, expected / np.linalg.norm(expected), atol=2e-3)
