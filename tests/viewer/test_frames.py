"""Frames and strips, cell by cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readback import HEIGHT, PANEL, TARGET_PANEL, WIDTH, middles, pictures

from nca_zoo.viewer.frames import (
    BACKGROUNDS,
    FILM,
    ContactFilm,
    Film,
    Layout,
    Panel,
    Reel,
    Sheet,
    cell_size,
    composite,
    even_columns,
    seeds_in,
    strip,
)


@pytest.fixture(scope="module")
def film():
    return Film(list(enumerate(pictures(11))), pictures(1, seed=1)[0], "7-012", "class 7")


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_composite_is_premultiplied_over(background):
    picture = pictures(1)[0]
    behind = BACKGROUNDS[background].cells
    found = composite(picture, background)
    assert found.dtype == np.uint8
    for row, col in np.ndindex(HEIGHT, WIDTH):
        *ink, alpha = picture[row, col]
        under = behind[(row // 2 + col // 2) % 2]
        for c in range(3):
            over = 255 * ink[c] + (1 - alpha) * under[c]
            assert abs(found[row, col, c] - over) <= 0.51
    assert (len(set(behind)) == 2) == (background == "checker")


def test_composite_clips_and_survives_nan():
    state = np.zeros((1, 3, 16))
    state[0, 0, :4] = 9
    state[0, 1, :4] = -9
    state[0, 2, :4] = np.nan
    found = composite(state, "dark")
    assert found[0, 0].tolist() == [255] * 3
    assert found[0, 1].tolist() == found[0, 2].tolist() == list(BACKGROUNDS["dark"].cells[0])


def test_white_ink_can_be_seen_on_every_background():
    for background in BACKGROUNDS.values():
        assert all(255 - np.mean(colour) > 25 for colour in background.cells)


def test_cells_are_a_whole_even_number_of_pixels():
    assert [cell_size(n, n, FILM.panel) for n in (1, 28, 40, 72, 300, 4000)] == [
        448,
        16,
        12,
        6,
        2,
        2,
    ]


@settings(max_examples=15)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 7), st.integers(1, 4))
def test_sheets_have_video_sides_and_room_for_every_panel(height, width, panels, columns):
    sheet = Sheet(panels, columns, height, width, "dark", FILM)
    assert sheet.canvas.shape[0] % 16 == sheet.canvas.shape[1] % 16 == 0
    for panel in range(panels):
        sheet.draw(panel, np.full((height, width, 3), 200 + panel, np.uint8))
        sheet.caption(panel, "step 1000000", "a name that is much too long " * 3)
    area = height * width * cell_size(height, width, FILM.panel) ** 2
    painted = sheet.canvas[sheet.canvas.min(axis=-1) == sheet.canvas.max(axis=-1)][:, 0]
    assert (np.bincount(painted, minlength=256)[200 : 200 + panels] >= area).all()


def test_film_draws_every_cell_sharp(film):
    states, target = pictures(11), pictures(1, seed=1)[0]
    assert len(film) == 11
    for index in (0, 7, -1):
        frame = film[index]
        assert frame.shape == (544, 864, 3)
        expected = composite(states[index], "dark").repeat(32, axis=0).repeat(32, axis=1)
        np.testing.assert_array_equal(frame[PANEL], expected)
        np.testing.assert_array_equal(middles(frame[TARGET_PANEL]), composite(target, "dark"))


def frame_of(picture, size):
    """What a ring of two pixels around the cell (5, 3) of a panel holds, and the cell."""
    top, left = 5 * size - 2, 3 * size - 2
    outer = picture[top : top + size + 4, left : left + size + 4].copy()
    inner = outer[2:-2, 2:-2].copy()
    outer[2:-2, 2:-2] = outer[0, 0]
    return {tuple(colour) for colour in outer.reshape(-1, 3).tolist()}, inner


def test_a_seed_can_be_seen_in_films_and_strips():
    states = np.zeros((3, HEIGHT, WIDTH, 16), np.float32)
    states[:, 5, 3, 3:] = 1
    rollout = list(zip((0, 16, 17), states, strict=True))
    film = Film(rollout, states[0], "7-012")
    ink = {BACKGROUNDS["dark"].ink}
    for number, marked in ((0, True), (1, True), (2, False)):
        ring, cell = frame_of(film[number][PANEL], 32)
        assert (ring == ink) is marked
        assert (cell == 0).all()  # as it is
    assert frame_of(film[0][TARGET_PANEL], 32)[0] != ink
    cells = composite(states, "dark")
    contact = ContactFilm([0, 16, 17], [Panel(cells, "a", "", seeds_in(rollout))], "zoo")
    assert (contact[0] != contact[2])[:-56].any()
    picture = strip(rollout, states[0], "7-012")
    unmarked = strip([(1, states[0]), *rollout[1:]], states[0], "7-012")
    changed = np.argwhere((picture != unmarked).any(axis=-1) & (picture == [*ink]).all(axis=-1))
    assert np.ptp(changed[changed[:, 0] < 24 + 12 * HEIGHT], axis=0).tolist() == [15, 15]
    assert seeds_in(rollout[1:]) == seeds_in([(0, np.ones((5, 5, 16)))]) == []


def test_film_captions_tell_the_step(film):
    captions = [frame[480:544] for frame in film]
    assert all((caption != caption[0, 0]).any() for caption in captions)
    assert len({caption.tobytes() for caption in captions}) == len(film)
    right = {caption[:, 432:].tobytes() for caption in captions}
    assert len(right) == 1
    np.testing.assert_array_equal(film[3], film[3:4][0])


def test_strip_sets_states_in_even_rows_and_the_target_last():
    states, target = pictures(11), pictures(1, seed=1)[0]
    found = strip(list(enumerate(states)), target, "7-012", "class 7", longest=10)
    cell, gap, caption = 12, 24, 40
    across, down = WIDTH * cell + gap, HEIGHT * cell + caption
    top, left = gap, gap + (-(gap + 6 * across) % 16) // 4 * 2
    top += (-(gap + 2 * down) % 16) // 4 * 2
    for panel, picture in enumerate([*states, target]):
        row, column = divmod(panel, 6)
        y, x = top + row * down, left + column * across
        cells = found[y : y + HEIGHT * cell, x : x + WIDTH * cell]
        np.testing.assert_array_equal(middles(cells, cell), composite(picture, "dark"))


def test_a_reel_moves_what_moves_and_leaves_the_rest():
    moving, still = (composite(pictures(n, seed=n), "dark") for n in (3, 1))
    layout = Layout(panel=56, gap=16, caption=24, text=12, foot=40)
    reel = Reel([0, 5, 9], [Panel(moving, "a"), Panel(still, "b", "c")], 2, "dark", layout, "zoo")
    frames = list(reel)
    assert len(frames) == len(reel) == 3
    changed = np.argwhere((frames[0] != frames[2]).any(axis=-1))
    scale = cell_size(HEIGHT, WIDTH, 56)
    foot = frames[0].shape[0] - 40 - 16
    assert changed[:, 0].max() >= foot  # the step
    upper = changed[changed[:, 0] < foot]
    assert np.ptp(upper[:, 0]) < HEIGHT * scale
    assert np.ptp(upper[:, 1]) < WIDTH * scale


@given(st.integers(1, 400))
def test_a_sheet_lies_and_wastes_little(count):
    columns = even_columns(count)
    rows = -(-count // columns)
    assert 1 <= columns <= count
    assert rows <= columns or count == 2
    assert columns * rows - count < columns
    if columns * rows > count:
        assert columns <= 1.3 * np.sqrt(count) + 1


def test_digits_five_of_each_stand_in_rows_of_ten():
    assert [even_columns(n) for n in (1, 3, 10, 20, 50, 100)] == [1, 3, 5, 5, 10, 10]
