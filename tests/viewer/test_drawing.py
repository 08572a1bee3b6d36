"""A drawing, cell by cell."""

import numpy as np
import pytest
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import load_picture
from nca_zoo.viewer.drawing import UNDO_STEPS, Drawing

RED, CLEAR = (200, 10, 20, 180), (200, 10, 20, 0)


def filled(drawing):
    return {(int(row), int(col)) for row, col in np.argwhere(drawing.pixels[..., 3])}


def test_a_stroke_sets_the_cells_within_its_radius_and_no_others():
    drawing = Drawing.blank(12)
    start, end, radius = (2.5, 3.0), (8.0, 9.5), 1.3
    drawing.stroke(start, end, RED, radius)
    along = np.linspace(start, end, 4001)
    for row, col in np.ndindex(12, 12):
        distance = np.hypot(*(along - (row + 0.5, col + 0.5)).T).min()
        if abs(distance - radius) > 1e-3 and (row, col) not in ((2, 3), (8, 9)):
            assert ((row, col) in filled(drawing)) == (distance < radius)
    assert all(tuple(drawing.pixels[cell]) == RED for cell in filled(drawing))


def test_the_thinnest_brush_paints_the_cell_below_it_even_outside():
    drawing = Drawing.blank(8)
    drawing.stroke((3.1, 4.9), (3.1, 4.9), RED, 0)
    assert filled(drawing) == {(3, 4)}
    drawing.stroke((-4, 2), (-3, 99), RED, 0.5)
    assert filled(drawing) == {(3, 4)}


def test_erasing_leaves_nothing_behind():
    drawing = Drawing.blank(8)
    drawing.stroke((4, 4), (4, 4), RED, 3)
    drawing.stroke((4, 4), (4, 4), CLEAR, 5)
    assert drawing.empty
    assert not drawing.pixels.any()


def test_undo_and_redo_bring_back_every_stroke():
    drawing = Drawing.blank(8)
    seen = [drawing.pixels.copy()]
    for row in range(5):
        drawing.begin()
        drawing.stroke((row, 1), (row, 6), RED, 0.4)
        seen.append(drawing.pixels.copy())
    for picture in seen[-2::-1]:
        assert drawing.undo()
        np.testing.assert_array_equal(drawing.pixels, picture)
    assert not drawing.undo()
    for picture in seen[1:]:
        assert drawing.redo()
        np.testing.assert_array_equal(drawing.pixels, picture)
    assert not drawing.redo()
    drawing.undo()
    drawing.begin()
    drawing.clear()
    assert not drawing.can_redo
    drawing.undo()
    np.testing.assert_array_equal(drawing.pixels, seen[-2])


def test_undo_does_not_grow_for_ever():
    drawing = Drawing.blank(3)
    for _ in range(UNDO_STEPS + 20):
        drawing.begin()
    assert sum(iter(drawing.undo, False)) == UNDO_STEPS


def test_what_is_saved_is_what_fit_reads(tmp_path):
    drawing = Drawing.blank(9)
    drawing.stroke((2, 2), (7, 5), RED, 1)
    path = tmp_path / "new folder" / "a.png"
    drawing.save(path)
    _, picture = load_picture(path)
    np.testing.assert_array_equal(picture.pixels, drawing.pixels)
    np.testing.assert_array_equal(Drawing.opened(path, 9).pixels, drawing.pixels)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]
    with pytest.raises(ZooError, match="cannot be made"):
        drawing.save(path / "b.png")


def test_a_grey_picture_opens_as_white_paint(tmp_path):
    ink = np.arange(100, dtype=np.uint8).reshape(10, 10)
    Image.fromarray(ink).save(tmp_path / "ink.png")
    opened = Drawing.opened(tmp_path / "ink.png", 10).pixels
    np.testing.assert_array_equal(opened[..., 3], ink)
    assert (opened[..., :3] == 255).all()
