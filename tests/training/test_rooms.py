"""Learning to carry places through rooms, and the start that begins there."""

from pathlib import Path

import numpy as np
import pytest
from commands import run
from small_builds import draw

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.seeds import SeedKind
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.sources import meta_pictures
from nca_zoo.pictures.targets import make_target
from nca_zoo.training import init
from nca_zoo.training.init import find_start, read_early, read_start
from nca_zoo.training.rooms import FIRST, RATE, RoomCourse, Rooms, map_of, room_of


def corner(height=8, width=10):
    """An L of two strokes, two cells wide."""
    ink = np.zeros((height, width), np.uint8)
    ink[1:7, 2:4] = ink[5:7, 2:8] = 255
    ink[0, 9] = 20  # too faint to live
    return make_target(ink)


def test_a_map_shows_where_a_cell_is_and_how_far_the_room_goes():
    target = corner()
    room, shown = room_of(target), map_of(target)
    assert room.sum() == 20
    assert not room[0, 9]
    assert np.array_equal(shown[..., 3], room)
    assert not shown[~room].any()
    assert shown.min() >= 0
    assert shown.max() <= 1
    home = np.array([target.seed_row, target.seed_col])
    for row, col in ((1, 2), (6, 7)):
        down, right = np.array([row, col]) - home
        slow = [np.cos(a) - np.sin(a) for a in 2 * np.pi * np.array([down, right]) / 40]
        fast = [np.cos(a) - np.sin(a) for a in 2 * np.pi * np.array([down, right]) / 10]
        expected = 0.5 + 0.1 * np.array(slow) + 0.24 * np.array(fast)
        np.testing.assert_allclose(shown[row, col, :2], expected, atol=1e-6)
    cells = shown[room][:, :3]
    apart = np.abs(cells[:, None] - cells[None]).max(axis=-1) + np.eye(len(cells))
    assert apart.min() > 0.05  # no two places look alike


def bar():
    """Its middle looks the same everywhere, but for what seeds are told."""
    ink = np.zeros((7, 26), np.uint8)
    ink[2:5, 1:25] = 255
    return make_target(ink)


def test_training_learns_the_map():
    lessons = Rooms([corner()], make_engine(threads=2), RoomCourse(steps=120, begun=3))
    first = np.mean([lessons.step() for _ in range(10)])
    while lessons.taken < 120:
        losses = lessons.step()
    assert np.mean(losses) < 0.3 * first


def test_the_rooms_that_ship_carry_what_a_seed_is_told():
    target, engine = bar(), make_engine()
    home, shape = (target.seed_row, target.seed_col), target.rgba.shape[:2]
    cells = ((3, 4), (3, 21))
    starts = np.stack([SeedKind(True, home).state(shape, [cell]) for cell in cells])
    weights = np.repeat(find_start(init.ROOMS).shared[None], 2, axis=0)
    keys = np.arange(1, 3, dtype=np.uint64)[:, None]
    rooms = np.repeat(room_of(target)[None], 2, axis=0)
    ncas = Automata(weights, starts, keys, fire_rate=RATE, room=rooms)

    def wrong(states):
        """How far the colours of living cells are from those of their places."""
        grown = engine.rollout(ncas, states[:, None], 0, 60)[:, 0]
        living = grown[..., 3] > 0.5
        assert (living.sum(axis=(1, 2)) > 30).all()
        aside = np.abs(grown[..., :3] - map_of(target)[..., :3]).mean(axis=-1)
        return (aside * living).sum(axis=(1, 2)) / living.sum(axis=(1, 2))

    told, lied = wrong(starts), starts.copy()
    lied[..., 4:12] = starts[..., 3:4]  # each as if it stood at home
    assert told.max() < 0.1
    assert wrong(lied).mean() > 1.5 * told.mean()


def test_a_course_goes_on_as_if_nothing_had_stopped_it():
    course = RoomCourse(steps=12, begun=2, seeds=2)
    whole, part = (Rooms([corner()], make_engine(), course) for _ in range(2))
    for _ in range(12):
        whole.step()
    for _ in range(5):
        part.step()
    later = Rooms([corner()], make_engine(), course)
    later.go_on({name: np.array(value) for name, value in part.state.items()})
    for _ in range(7):
        later.step()
    assert np.array_equal(whole.weights, later.weights)
    assert np.array_equal(whole.early, later.early)
    with pytest.raises(ZooError, match="begun is 0; it must be more than 0"):
        RoomCourse(begun=0)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A short course in rooms of two pictures, by the command."""
    folder = tmp_path_factory.mktemp("rooms")
    draw(folder / "pictures", 1, 2)
    out = folder / "rooms.npz"
    told = run("metastart", "--rooms", 3, "--source", folder / "pictures", "--rounds", FIRST + 2,
               "--tasks", 2, "--threads", 1, "--out", out).output  # fmt: skip
    assert f"{FIRST + 2} rounds in rooms of 2 pictures" in told
    return out


def test_the_command_writes_where_several_seeds_begin(rooms):
    weights, recipe = read_start(rooms)
    assert recipe["seeds"]["course"]["steps"] == FIRST + 2
    assert not np.array_equal(weights, read_early(rooms))
    out, pictures = rooms.with_name("places.npz"), rooms.parent / "pictures"
    few = ["--rounds", 2, "--tasks", 2, "--first-steps", 2, "--last-steps", 2, "--threads", 1]
    run("metastart", "--seeds", 2, "--start", rooms, "--source", pictures, *few, "--out", out)
    _, recipe = read_start(out)
    regime = recipe["regime"]
    assert (regime["seeds"], regime["pieces"], regime["warm"]) == (2, 50, 60)
    assert not np.array_equal(find_start(str(out)).shared, weights)


@pytest.mark.parametrize("option", [["--seeds", 2], ["--lr", 0.1], ["--visible", "grey"]])
def test_what_rooms_do_not_know_is_refused(option, tmp_path):
    out = tmp_path / "rooms.npz"
    told = run("metastart", "--rooms", 3, *option, "--out", out, code=1).output
    assert f"--rooms learns to carry places, in another way; leave {option[0]} out" in told


def test_the_rooms_that_ship_are_those_of_their_command(kept_digits):
    """Its first training steps once more; only rounding may differ."""
    path = Path(init.__file__).parent / "starts" / f"{init.ROOMS}.npz"
    early, (_, recipe) = read_early(path), read_start(path)
    told = recipe["seeds"]
    targets = [make_target(picture.pixels) for picture in meta_pictures(kept_digits)]
    assert told["pictures"] == len(targets)
    lessons = Rooms(targets, make_engine(threads=2), RoomCourse(**told["course"]))
    begins = lessons.weights
    for _ in range(FIRST):
        lessons.step()
    moved = np.linalg.norm(early - begins)
    assert np.linalg.norm(lessons.early - early) < 0.05 * moved
