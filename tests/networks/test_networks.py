import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.networks.readers import CEILING, SET_READER, hidden_units
from nca_zoo.probing.readers import Fold
from nca_zoo.symmetry import group as symmetry


def units_only(key: int) -> symmetry.Element:
    drawn = symmetry.random_element(key)
    return symmetry.Element(drawn.permutation, drawn.scales, np.eye(rule.CHANNELS))


@pytest.fixture(scope="module")
def two_kinds() -> tuple[np.ndarray, np.ndarray]:
    """Weights whose units look at the red of one kind and at the blue of the other."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    weights = rng.normal(size=(60, rule.N_PARAMS)).astype(np.float32)
    w = rule.unflatten(weights)
    w["W1"][labels == 0, :32, 0] += 3
    w["W1"][labels == 1, :32, 2] += 3
    return rule.flatten(w), labels


def test_units_are_blind_to_scale_and_move_with_their_order(two_kinds) -> None:
    weights = two_kinds[0][:1]
    element = units_only(1)
    moved = symmetry.act(element, weights)
    expected = hidden_units(weights)[:, element.permutation]
    np.testing.assert_allclose(hidden_units(moved), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.wide
def test_scrambled_units_are_read_as_well_and_alike(two_kinds) -> None:
    weights, labels = two_kinds
    reader = SET_READER.for_steps(60)
    scrambled = np.stack([symmetry.act(units_only(i), w) for i, w in enumerate(weights)])
    inner = np.zeros(40, int)
    plain = reader.predict(Fold(weights[:40], weights[40:]), labels[:40], inner)
    after = reader.predict(Fold(weights[:40], scrambled[40:]), labels[:40], inner)
    assert (plain == labels[40:]).mean() > 0.9
    np.testing.assert_array_equal(plain, after)


@pytest.mark.wide
def test_numbers_come_back_in_their_units(two_kinds) -> None:
    weights, labels = two_kinds
    wanted = 500.0 + 100 * labels
    reader = SET_READER.for_steps(60)
    found = reader.predict(Fold(weights[:40], weights[40:]), wanted[:40], np.zeros(40, int))
    assert np.corrcoef(found, wanted[40:])[0, 1] > 0.9
    assert 450 < found.mean() < 650


@pytest.mark.wide
def test_the_convolutional_network_finds_a_stroke_wherever_it_is() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(160) % 2
    pictures = np.zeros((160, 12, 12, 1), np.float32)
    for picture, label in zip(pictures, labels, strict=True):
        row, col = rng.integers(1, 8, 2)
        picture[(slice(row, row + 4), col) if label else (row, slice(col, col + 4))] = 1
    flat = pictures.reshape(160, -1)
    fold = Fold(flat[:120], flat[120:], (12, 12, 1))
    reader = CEILING.for_steps(120)
    found = reader.predict(fold, labels[:120], np.zeros(120, int))
    assert (found == labels[120:]).mean() > 0.85
    np.testing.assert_array_equal(found, reader.predict(fold, labels[:120], np.zeros(120, int)))
