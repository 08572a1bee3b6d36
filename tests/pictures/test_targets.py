"""Targets: exact levels, premultiplied colour, and where the seed lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nca_zoo.automaton.rule import alive, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.pictures.targets import TargetSettings, make_target, restored, stored

OPAQUE = TargetSettings(alpha="opaque")
GREY = TargetSettings(visible="grey")
grids = array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=9)
grey_pictures = arrays(np.uint8, grids)
rgba_pictures = arrays(np.uint8, grids.map(lambda shape: (*shape, 4)))


def seed_by_definition(ink):
    """The plain statement of the rule for the seed, cell by cell."""
    height, width = ink.shape
    cells = [(row, col) for row in range(height) for col in range(width)]
    lit = [cell for cell in cells if ink[cell] / 255 >= 0.5]
    lit = lit or [cell for cell in cells if ink[cell] == ink.max()]
    row_0, col_0 = (height - 1) / 2, (width - 1) / 2
    return min(lit, key=lambda cell: ((cell[0] - row_0) ** 2 + (cell[1] - col_0) ** 2, cell))


@given(grey_pictures)
def test_grey_ink_is_white_paint(pixels):
    if pixels.max() <= 25:
        with pytest.raises(ZooError, match="empty"):
            make_target(pixels)
        return
    target = make_target(pixels)
    assert target.rgba.dtype == np.float32
    assert target.rgba.shape == (*pixels.shape, 4)
    for channel in range(4):
        np.testing.assert_array_equal(target.rgba[..., channel], pixels / np.float32(255))
    assert (target.seed_row, target.seed_col) == seed_by_definition(pixels)


@given(rgba_pictures)
def test_rgba_is_premultiplied_to_the_nearest_level(pixels):
    alpha = pixels[..., 3]
    if alpha.max() <= 25:
        with pytest.raises(ZooError, match="empty"):
            make_target(pixels)
        return
    target = make_target(pixels)
    exact = pixels[..., :3] / 255 * (alpha[..., None] / 255)
    assert np.abs(target.rgba[..., :3] - exact).max() <= 0.5 / 255 + 1e-6
    np.testing.assert_array_equal(target.rgba[..., 3], alpha / np.float32(255))
    assert (target.rgba[..., :3] <= target.rgba[..., 3:]).all()
    assert (target.seed_row, target.seed_col) == seed_by_definition(alpha)


@given(st.one_of(grey_pictures, rgba_pictures).filter(lambda pixels: pixels.min() > 25))
def test_opaque_lies_on_black_with_the_same_colours_and_seed(pixels):
    ink, opaque = make_target(pixels), make_target(pixels, OPAQUE)
    np.testing.assert_array_equal(opaque.rgba[..., :3], ink.rgba[..., :3])
    assert (opaque.rgba[..., 3] == 1).all()
    assert (opaque.seed_row, opaque.seed_col) == (ink.seed_row, ink.seed_col)


@given(st.one_of(grey_pictures, rgba_pictures).filter(lambda pixels: pixels.min() > 25))
def test_storing_a_target_is_exact(pixels):
    rgba = make_target(pixels).rgba
    assert stored(rgba).dtype == np.uint8
    np.testing.assert_array_equal(restored(stored(rgba)), rgba)


def test_stored_undoes_restored_for_every_level():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(stored(restored(levels)), levels)


def test_stored_clips_rounds_and_survives_a_diverged_state():
    values = np.array([-3.0, 0.49 / 255, 0.51 / 255, 1.5, np.nan, np.inf, -np.inf], np.float32)
    assert stored(values).tolist() == [0, 0, 1, 255, 0, 255, 0]


def test_seed_avoids_an_empty_centre():
    ring = np.zeros((7, 7), np.uint8)
    ring[1:6, 1:6] = 200
    ring[2:5, 2:5] = 0
    target = make_target(ring)
    assert (target.seed_row, target.seed_col) == (1, 3)  # of four as near, the uppermost
    assert target.rgba[1, 3, 3] > 0.5


def test_seed_takes_the_leftmost_of_a_row():
    pixels = np.zeros((4, 4), np.uint8)
    pixels[1, 1:3] = 255
    target = make_target(pixels)
    assert (target.seed_row, target.seed_col) == (1, 1)


def test_half_ink_is_lit_and_less_is_not():
    pixels = np.zeros((5, 5), np.uint8)
    pixels[2, 2], pixels[0, 4] = 127, 128
    target = make_target(pixels)
    assert (target.seed_row, target.seed_col) == (0, 4)


def test_faint_pictures_are_seeded_on_their_strongest_cell():
    pixels = np.full((5, 5), 40, np.uint8)
    pixels[4, 0] = 60
    target = make_target(pixels)
    assert (target.seed_row, target.seed_col) == (4, 0)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 7), (28, 28), (33, 5)])
def test_seed_at_the_centre(height, width):
    pixels = np.zeros((height, width), np.uint8)
    pixels[0, 0] = 255
    target = make_target(pixels, TargetSettings(seed_at="center"))
    assert (target.seed_row, target.seed_col) == (height // 2, width // 2)


def test_the_faintest_picture_that_passes_is_alive_under_the_rule():
    for level, lives in ((25, False), (26, True)):
        pixels = np.full((3, 3), level, np.uint8)
        state = np.zeros_like(seed_state(3, 3, 1, 1))
        state[..., :4] = restored(np.repeat(pixels[..., None], 4, -1))
        assert alive(state).any() == lives
        if lives:
            make_target(pixels)
        else:
            with pytest.raises(ZooError, match="25 of 255"):
                make_target(pixels)


@pytest.mark.parametrize("settings", [TargetSettings(), OPAQUE, TargetSettings(seed_at="center")])
def test_empty_pictures_are_refused(settings):
    with pytest.raises(ZooError, match="empty"):
        make_target(np.zeros((8, 8), np.uint8), settings)
    with pytest.raises(ZooError, match="empty"):
        make_target(np.array([255, 255, 255, 0] * 64, np.uint8).reshape(8, 8, 4), settings)


@pytest.mark.parametrize("shape", [(2, 28), (28, 2), (1, 1, 4), (0, 0)])
def test_pictures_smaller_than_the_rule_are_refused(shape):
    with pytest.raises(ZooError, match="3 x 3 or more"):
        make_target(np.full(shape, 255, np.uint8))


@pytest.mark.parametrize(
    "pixels", [np.ones((8, 8)), np.ones((8, 8, 3), np.uint8), np.ones(8, np.uint8)]
)
def test_other_arrays_are_a_programming_error(pixels):
    with pytest.raises(ValueError, match="expected uint8 pixels"):
        make_target(pixels)


@pytest.mark.parametrize(
    "wrong", [{"alpha": "half"}, {"seed_at": "corner"}, {"visible": "gray"}, {"visible": 1}]
)
def test_settings_name_what_is_allowed(wrong):
    words = r"('half'|'corner'|'gray'|1); it must be (ink|rgba) or (opaque|center|grey)"
    with pytest.raises(ZooError, match=words):
        TargetSettings(**wrong)


def test_a_grey_target_is_white_ink_of_which_alpha_is_trained():
    pixels = np.zeros((5, 4), np.uint8)
    pixels[1:4, 1:3] = [[255, 40], [128, 200], [3, 77]]
    grey, rgba = make_target(pixels, GREY), make_target(pixels)
    assert (grey.seed_row, grey.seed_col) == (rgba.seed_row, rgba.seed_col)
    np.testing.assert_array_equal(grey.rgba, rgba.rgba)
    np.testing.assert_array_equal(grey.trained, pixels[..., None] / np.float32(255))
    np.testing.assert_array_equal(rgba.trained, rgba.rgba)
    white = np.full((5, 4, 4), 255, np.uint8)
    white[..., 3] = pixels  # the same ink, as a file with transparency has it
    np.testing.assert_array_equal(make_target(white, GREY).trained, grey.trained)


@pytest.mark.parametrize("paint", [(255, 255, 254), (200, 60, 30), (0, 0, 0)])
def test_grey_refuses_other_paint(paint):
    pixels = np.zeros((5, 4, 4), np.uint8)
    pixels[1:4, 1:3] = (*paint, 255)
    make_target(pixels)
    with pytest.raises(ZooError, match=r"is not white ink on nothing.*--visible rgba"):
        make_target(pixels, GREY)
    opaque = np.full((5, 4, 4), (128, 128, 128, 255), np.uint8)
    with pytest.raises(ZooError, match="is not white ink on nothing"):
        make_target(opaque, GREY)


def test_grey_cannot_be_opaque():
    with pytest.raises(ZooError, match=r"alpha cannot be opaque .* use --alpha ink"):
        TargetSettings(alpha="opaque", visible="grey")
    assert TargetSettings().as_dict() == {"alpha": "ink", "seed_at": "ink"}
    assert GREY.as_dict() == {"alpha": "ink", "seed_at": "ink", "visible": "grey"}


def test_the_picture_is_left_alone():
    pixels = np.full((4, 4, 4), 99, np.uint8)
    make_target(pixels, OPAQUE)
    assert (pixels == 99).all()
