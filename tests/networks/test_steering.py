"""Directions of weights that are linear in the properties, by construction."""

import numpy as np
import pytest

from nca_zoo.features.measures import extent
from nca_zoo.networks.steering import PROPERTIES, learn_steering, measured

N, P = 90, 40


@pytest.fixture(scope="module")
def known():
    """Weights that change along three directions, and with the class; properties that go together,
    and differ between classes, too."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 3
    properties = rng.normal(size=(N, 3)) @ [[1, 0.6, 0], [0, 1, 0.5], [0, 0, 2]]
    directions = rng.normal(size=(3, P))
    of_class = rng.normal(size=(3, P))
    weights = 5 + properties @ directions + 10 * of_class[labels]
    return (
        weights + 0.01 * rng.normal(size=(N, P)),
        properties + labels[:, None],
        labels,
        directions,
    )


def test_directions_are_found_whatever_the_classes_do(known):
    weights, properties, labels, directions = known
    directions_of_shifted = learn_steering(weights, properties - labels[:, None], labels).directions
    np.testing.assert_allclose(directions_of_shifted, directions, atol=0.02)
    np.testing.assert_allclose(
        learn_steering(weights, properties, labels).directions, directions, atol=0.02
    )


def test_what_is_asked_is_standard_deviations_within_a_class(known):
    weights, properties, labels, directions = known
    steering = learn_steering(weights, properties, labels)
    within = properties - np.stack([properties[labels == c].mean(axis=0) for c in range(3)])[labels]
    np.testing.assert_allclose(steering.spreads, within.std(axis=0))
    moved = steering.moved(weights[0], [0, 2, 0])
    np.testing.assert_allclose(
        moved - weights[0], 2 * within.std(axis=0)[1] * directions[1], atol=0.1
    )


def test_pictures_that_show_nothing_teach_nothing(known):
    weights, properties, labels, _ = known
    holed, wrong = properties.copy(), weights.copy()
    holed[4], wrong[4] = np.nan, 1e6
    without = np.arange(N) != 4
    expected = learn_steering(weights[without], properties[without], labels[without])
    np.testing.assert_allclose(learn_steering(wrong, holed, labels).directions, expected.directions)


def test_pictures_that_are_all_alike_cannot_be_told_apart(known):
    weights, properties, labels, _ = known
    with pytest.raises(ValueError, match="too much alike"):
        learn_steering(weights, properties[:, [0, 0, 1]], labels)


def test_properties_of_a_bar_by_hand():
    ink = np.zeros((1, 12, 12))
    ink[0, 2:10, 5:7] = 1  # 8 x 2 cells
    pictures = np.repeat(ink[..., None], 4, axis=-1).astype(np.float32)
    slant, width, size = measured(pictures)[0]
    assert [each.name for each in PROPERTIES] == ["slant", "width", "size"]
    assert (slant, width) == (0, 2)
    assert size == pytest.approx(np.sqrt((8**2 - 1 + 2**2 - 1) / 12))
    assert np.isnan(measured(0 * pictures)).all()


def test_extent_grows_with_the_drawing_and_not_with_its_place():
    ink = np.zeros((3, 20, 20))
    ink[0, 3:6, 3:6] = ink[1, 12:15, 9:12] = ink[2, 3:12, 3:12] = 1
    small, moved, large = extent(ink)
    assert small == pytest.approx(moved)
    assert large == pytest.approx(small * np.sqrt((81 - 1) / (9 - 1)))
