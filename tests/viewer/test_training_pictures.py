"""The training sheet, cell by cell, and the loss curve, by where its line lies."""

import numpy as np
import pytest
from readback import HEIGHT, WIDTH, pictures

from nca_zoo.training.diary import Page
from nca_zoo.viewer.frames import composite
from nca_zoo.viewer.training import Axes, loss_curve, smoothed, training_sheet

SCALE = 8  # pixels a cell of a sheet of 14 x 12 cells


def panels(canvas, rows, columns):
    """The cells of every panel, found by the sheet's even spacing: ``(rows, columns, H, W, 3)``."""
    found = np.empty((rows, columns, HEIGHT, WIDTH, 3), int)
    pitch = (HEIGHT * SCALE + 26, 8 * 13 + 12)  # a panel and its caption; 8 letters and a gap
    margin = (canvas.shape[1] - 12 - columns * pitch[1]) // 4 * 2 + (8 * 13 - WIDTH * SCALE) // 2
    for row, column in np.ndindex(rows, columns):
        top, left = 12 + row * pitch[0], 12 + margin + column * pitch[1]
        block = canvas[top : top + HEIGHT * SCALE, left : left + WIDTH * SCALE]
        found[row, column] = block[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
    return found


def test_the_sheet_shows_target_output_and_channels_of_every_page():
    target = pictures(1, seed=3)[0]
    pages = [Page(0, step, grown, 12.5) for step, grown in zip((0, 40), pictures(2), strict=True)]
    found = panels(training_sheet(pages, target, "gecko"), 2, 6)
    for row, page in enumerate(pages):
        np.testing.assert_array_equal(found[row, 0], composite(target, "dark"))
        np.testing.assert_array_equal(found[row, 1], composite(page.grown, "dark"))
        for channel in range(4):
            grey = np.round(255 * page.grown[..., channel])
            np.testing.assert_array_equal(found[row, 2 + channel, ..., 0], grey)


def test_of_a_grey_nca_the_sheet_shows_alpha_alone():
    target, *grown = np.repeat(pictures(3)[..., 3:], 4, axis=-1)
    pages = [Page(0, step, picture, 12.5) for step, picture in zip((0, 40), grown, strict=True)]
    found = panels(training_sheet(pages, target, "a seven", trained=1), 2, 3)
    for row, page in enumerate(pages):
        np.testing.assert_array_equal(found[row, 1], composite(page.grown, "dark"))
        np.testing.assert_array_equal(found[row, 2, ..., 0], np.round(255 * page.grown[..., 3]))


def test_a_decade_is_as_high_as_the_next():
    axes = Axes(np.array([1.0, 0.1, 0.001]))
    assert axes.y(1e-1) - axes.y(1) == pytest.approx(axes.y(1e-3) - axes.y(1e-2))
    assert axes.y(1) < axes.y(0.1)
    assert axes.x(1) == axes.left
    assert axes.x(3) == axes.right
    assert {label for _, label in axes.grid() if label} == {"1", "0.1", "0.01", "0.001"}


def test_the_line_lies_where_the_losses_are():
    losses = [0.1] * 100 + [0.001] * 100
    curve = loss_curve(losses, "a").astype(int)
    axes = Axes(np.array(losses))
    coloured = (curve[..., 2] - curve[..., 0]) > 60
    for step, loss in ((40, 0.1), (160, 0.001)):
        column = coloured[:, round(axes.x(step) / 2)]
        assert np.flatnonzero(column).mean() == pytest.approx(axes.y(loss) / 2, abs=2)


def test_curves_survive_what_diverged_and_what_is_short():
    for losses in ([0.5], [0.1, float("nan"), 0.2], [float("inf")], [0.0, 0.1], [0.3] * 2000):
        assert loss_curve(losses, "a").shape == (540, 960, 3)


def test_smoothing_keeps_a_constant_and_the_length():
    np.testing.assert_allclose(smoothed(np.full(300, 0.02)), 0.02)
    noisy = 0.01 * np.exp(np.random.default_rng(0).normal(size=500))
    assert len(smoothed(noisy)) == 500
    assert np.log(smoothed(noisy)).std() < 0.5 * np.log(noisy).std()
