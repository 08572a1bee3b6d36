"""Films: what each motion does, by turns and shifts done by hand, and files of frames."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import slant
from nca_zoo.pictures.films import film_of, is_film, load_film, of_equal_time, paired
from nca_zoo.pictures.motions import Motion, MotionSettings, bent, morphed, moved
from nca_zoo.pictures.sources import Picture, load_picture
from nca_zoo.pictures.targets import TargetSettings, make_target, restored

rng = np.random.default_rng(5)
LEVELS = [rng.integers(30, 256, (5, 4), np.uint8) for _ in range(4)]


def drawn(height=25, width=20):
    """Premultiplied RGBA that fills a box in the middle, four channels alike."""
    ink = np.zeros((height, width), np.float32)
    ink[8:-8, 7:-7] = rng.integers(40, 256, (height - 16, width - 14)) / np.float32(255)
    return np.repeat(ink[..., None], 4, axis=-1)


def test_a_turn_goes_clockwise_round_the_middle_of_what_is_drawn():
    picture = drawn(21, 21)
    film = moved(picture, Motion("turn"), 64)
    assert film.shape == (32, 21, 21, 4)
    for quarter in range(4):
        expected = np.rot90(picture, -quarter)
        np.testing.assert_allclose(film[8 * quarter], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        moved(picture, Motion("turn", -1), 64)[8], np.rot90(picture), atol=1e-6
    )


def test_a_walk_steps_aside_and_hops():
    picture = drawn()
    film = moved(picture, Motion("walk"), 64)
    np.testing.assert_allclose(film[8], np.roll(picture, (-1, 2), (0, 1)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(film[24], np.roll(picture, (-1, -2), (0, 1)), rtol=0, atol=1e-6)
    half = moved(picture, Motion("walk", amplitude=0.5), 64)[8]
    between = ndimage.shift(picture, (-0.5, 1, 0), order=1)
    assert np.abs(half - between).mean() < 0.02


def test_a_sway_leans_by_25_degrees():
    picture = ndimage.gaussian_filter(drawn(31, 31), (1.5, 1.5, 0))
    film = moved(picture, Motion("sway"), 64)
    for frame, degrees in ((8, -25), (24, 25)):  # scipy turns the other way round
        expected = ndimage.rotate(picture, degrees, reshape=False, order=3)
        assert np.abs(film[frame] - expected).max() < 0.02
        assert np.abs(film[frame] - picture).max() > 0.1


def test_a_pulse_swells_and_shrinks_about_the_middle():
    picture = drawn(31, 31)
    film = moved(picture, Motion("pulse"), 64)[..., 3]
    whole = film[0].sum()
    for frame, size in ((8, 1.2), (24, 0.8)):
        assert film[frame].sum() == pytest.approx(whole * size**2, rel=0.03)
    box = [np.flatnonzero(film[8].any(axis=axis)) for axis in (1, 0)]
    assert [(places[0] + places[-1]) / 2 for places in box] == [15, 15]


@pytest.mark.parametrize("kind", ["sway", "turn", "walk", "pulse"])
def test_every_motion_begins_at_the_picture_and_comes_round(kind):
    picture = drawn()
    film = moved(picture, Motion(kind), 24)
    assert len(film) == 24
    assert np.array_equal(film[0], picture)
    assert np.array_equal(moved(picture, Motion(kind, -1), 24)[1:], film[:0:-1])
    twice = moved(picture, Motion(kind, cycles=2), 24)
    assert np.array_equal(twice[:12], film[::2])
    assert np.array_equal(twice[12:], film[::2])
    assert (film * 255 == np.rint(film * 255)).all()
    assert (film[..., :3] <= film[..., 3:]).all()


def test_paint_stays_below_its_alpha_and_the_opaque_stays_opaque():
    picture = drawn()
    picture[..., 1] *= 0.3
    film = moved(restored(np.rint(picture * 255).astype(np.uint8)), Motion("turn"), 50)
    assert (film[..., :3] <= film[..., 3:]).all()
    full = np.ones((12, 12, 4), np.float32)
    film = moved(full, Motion("turn"), 50, opaque=True)
    assert (film[..., 3] == 1).all()
    assert film[6, 0, 0, 0] == 0


def test_a_morph_fades_there_and_back():
    one, other = drawn(), drawn()
    film = morphed(one, other, 40)
    assert np.array_equal(film[0], one)
    assert np.array_equal(film[16], other)
    np.testing.assert_allclose(film[8], (one + other) / 2, atol=1 / 255)


def test_what_is_bent_leans_and_grows_to_all_sides_and_not_too_far():
    """By moments: a bar leans by 10 degrees of turning and 11 of leaning at most."""
    bar = np.zeros((41, 41, 4), np.float32)
    bar[8:-8, 19:22] = 1
    copies = np.stack([bent(bar, key) for key in range(200)])
    assert copies.dtype == np.float32
    np.testing.assert_allclose(255 * copies, np.rint(255 * copies), atol=1e-4)
    assert (copies[..., :3] <= copies[..., 3:]).all()
    ink = copies[..., 3].astype(float)
    lean = slant(ink)
    assert np.abs(lean).max() < 22.5
    assert lean.min() < -13
    assert lean.max() > 13
    assert abs(lean.mean()) < 2
    grown = ink.sum(axis=(1, 2)) / bar[..., 3].sum()
    assert 0.8 < grown.min() < 0.9
    assert 1.1 < grown.max() < 1.23
    np.testing.assert_array_equal(bent(bar, 7), copies[7])


def test_what_is_drawn_for_a_picture_is_balanced_and_its_own():
    mixed = MotionSettings("mixed")
    for first in (0, 7, 500):
        told = [mixed.of(k, key=k) for k in range(first, first + 16)]
        combinations = {(one.kind, one.direction, one.cycles) for one in told}
        assert len(combinations) == 16
        assert all(0.5 <= one.amplitude <= 1 for one in told)
        assert len({one.amplitude for one in told}) == 16
    assert MotionSettings("sway").of(3, 9) == Motion("sway")


def test_what_no_motion_is_is_said_in_a_line():
    for settings, words in (
        ({"motion": "jump"}, "motion is 'jump'"),
        ({"motion": "sway", "period": 4}, "the period is 4 CA steps"),
        ({"motion": "sway", "clock": "loud"}, "clock is 'loud'"),
    ):
        with pytest.raises(ZooError, match=words):
            MotionSettings(**settings)


def save(path, frames, **options):
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.png", {}), ("a.webp", {"lossless": True})],
)
def test_animated_files_are_films_of_equal_times(tmp_path, name, options):
    path = save(tmp_path / name, LEVELS[:3], duration=[100, 200, 100], **options)
    assert is_film(path)
    source, picture = load_film(path)
    assert (source.name, picture.id) == (name, "a")
    assert len(picture.frames) == 4
    for found, expected in zip(picture.frames, [0, 1, 1, 2], strict=True):
        np.testing.assert_array_equal(found, LEVELS[expected])
    assert np.array_equal(picture.pixels, LEVELS[0])
    _, still = load_picture(path)
    assert np.array_equal(still.pixels, LEVELS[0])
    assert not still.frames


def test_the_picture_for_those_who_know_no_apng_is_no_frame(tmp_path):
    path = save(tmp_path / "a.png", LEVELS[:3], duration=50, default_image=True)
    found = load_film(path)[1].frames
    assert [np.array_equal(f, e) for f, e in zip(found, LEVELS[1:3], strict=True)] == [True, True]


def test_a_folder_of_frames_is_a_film_in_natural_order(tmp_path):
    for number, frame in zip((1, 2, 10), LEVELS, strict=False):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    _, picture = load_film(tmp_path)
    assert picture.id == tmp_path.name
    for found, expected in zip(picture.frames, LEVELS, strict=False):
        np.testing.assert_array_equal(found, expected)


def test_one_coloured_frame_makes_all_of_them_coloured(tmp_path):
    red = np.dstack([LEVELS[1], LEVELS[1] // 2, LEVELS[1] // 3])
    Image.fromarray(LEVELS[0]).save(tmp_path / "0.png")
    Image.fromarray(red).save(tmp_path / "1.png")
    grey, coloured = load_film(tmp_path)[1].frames
    assert np.array_equal(grey, np.dstack([LEVELS[0]] * 3 + [np.full((5, 4), 255, np.uint8)]))
    assert np.array_equal(coloured[..., :3], red)


def test_times_that_do_not_divide_evenly_are_sampled():
    found = of_equal_time([np.full((3, 3), k, np.uint8) for k in range(3)], [1, 1000, 999])
    assert [frame[0, 0] for frame in found] == [0] + [1] * 32 + [2] * 31


def test_what_is_no_film_is_said_in_a_line(tmp_path):
    Image.fromarray(LEVELS[0]).save(tmp_path / "0.png")
    with pytest.raises(ZooError, match="holds one frame"):
        load_film(tmp_path)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "1.png")
    with pytest.raises(ZooError, match="make all the same size"):
        load_film(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ZooError, match="holds no frames"):
        load_film(tmp_path / "none")
    assert not is_film(tmp_path / "0.png")
    long = save(tmp_path / "long.gif", [np.full((3, 3), k % 200, np.uint8) for k in range(1100)])
    with pytest.raises(ZooError, match="1100 frames, and a film has up to 1024"):
        load_film(long)


def test_a_film_is_seeded_where_most_frames_are_lit_and_never_empty():
    frames = []
    for left in (0, 2, 4):
        frame = np.zeros((8, 8), np.uint8)
        frame[3, left : left + 4] = 255
        frames.append(frame)
    picture = Picture("a", -1, 0, "train", frames[0], frames=tuple(frames))
    look, motion = TargetSettings(), MotionSettings("film", 8, "none")
    film, target = film_of(picture, make_target(frames[0]), look, motion, 1)
    assert (target.seed_row, target.seed_col) == (3, 3)  # lit in frames 0 and 1, and central
    assert (film.period, film.clocked) == (8, False)
    shown = [[0, 0, 0, 1, 1, 1, 2, 2].index(k) for k in range(3)]
    for step, frame in zip(shown, frames, strict=True):
        for due in (film.due(step), film.due(step + 16)):
            assert np.array_equal(due[..., 3] * 255, frame)
    hollow = Picture("a", -1, 0, "train", frames[0], frames=(frames[0], 0 * frames[0]))
    with pytest.raises(ZooError, match="a: a frame: the picture is empty"):
        film_of(hollow, make_target(frames[0]), look, motion, 1)
    with pytest.raises(ZooError, match="their sizes are one"):
        paired(picture, Picture("b", -1, 0, "train", np.full((5, 5), 255, np.uint8)))
