"""The aligned mean finds what scrambled copies have in common."""

import numpy as np
import pytest

from nca_zoo.automaton import noise
from nca_zoo.features.transformers import Procrustes
from nca_zoo.symmetry.alignment import align
from nca_zoo.symmetry.group import act, random_element
from nca_zoo.symmetry.procrustes import aligned_mean, disagreement


@pytest.fixture(scope="module")
def family(lively_weights):
    """Eight relatives of one NCA, and the same, each scrambled by a symmetry of its own."""
    one = lively_weights(3).astype(np.float64)
    noisy = 2 * noise.uniform(np.arange(8, dtype=np.uint64), len(one)) - 1
    near = one + 0.05 * np.linalg.norm(one) * noisy / np.linalg.norm(noisy, axis=1)[:, None]
    moved = np.stack([act(random_element(10 + i), w) for i, w in enumerate(near)])
    return near, moved


def test_scrambled_relatives_agree_once_aligned(family):
    near, moved = family
    reference = aligned_mean(moved, rounds=2)
    back = align(moved, reference)
    assert disagreement(moved, moved.mean(axis=0)) > 1
    assert disagreement(back, reference) < 0.3
    # as near to each other as they were before scrambling, or nearly
    assert disagreement(back, back.mean(axis=0)) < 2 * disagreement(near, near.mean(axis=0))


def test_the_mean_serves_better_than_a_member(family):
    _, moved = family
    with_mean = align(moved, aligned_mean(moved, rounds=2))
    with_member = align(moved, moved[0])
    assert disagreement(with_mean, with_mean.mean(axis=0)) <= 1.05 * disagreement(
        with_member, with_member.mean(axis=0)
    )


def test_the_transformer_learns_from_the_rows_it_is_fitted_to(family):
    _, moved = family
    fitted = Procrustes().fit(moved[:4])
    assert fitted.learns
    np.testing.assert_allclose(fitted.reference_, aligned_mean(moved[:4]))
    assert fitted.transform(moved[4:]).shape == (4, moved.shape[1])
