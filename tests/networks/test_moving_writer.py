"""A writer for films: what it is told of a film, how it begins, learns, and is a start."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from small_builds import draw

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import N_PARAMS, seed_state
from nca_zoo.automaton.signals import Signal, clock
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import write_archive
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.networks import end_to_end
from nca_zoo.networks.end_to_end import FIRST, OF_FILMS, Course, EndToEnd, found_in
from nca_zoo.networks.moving import films_begin
from nca_zoo.pictures.films import in_motion
from nca_zoo.pictures.motions import Motion, MotionSettings, moved, swings
from nca_zoo.pictures.targets import Target, TargetSettings
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training import init
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import FILM_WRITERS, FIRST_WRITER, make_init, shipped_writer
from nca_zoo.training.writer import CLOCK, Writer, in_bytes, read_writer, save_writer
from nca_zoo_cli.writer import lessons_of_films

GRID, HOW, LOOK = (12, 12), MotionSettings("walk", 16), TargetSettings()
COURSE = replace(OF_FILMS, steps=40, begun=2, rate=1e-3, changes_rate=1e-4, base_rate=3e-4,
                 clock_rate=3e-3, bent=1)  # fmt: skip
RECIPE = {"loss": "late", "ca_steps": (44, 60), "fire_rate": 0.5, "regime": "persistent"}


def bar(length):
    """A bar of two rows, that has room to walk."""
    rgba = np.zeros((*GRID, 4), np.float32)
    rgba[5:7, 4 : 4 + length] = 0.8
    return Target(rgba, 5, 5)


TARGETS = [bar(length) for length in (2, 3, 4)]


@pytest.fixture(scope="module")
def stills(lively_weights):
    """A writer for stills, of numbers that are drawn."""
    rng = np.random.default_rng(0)
    changes, scales = in_bytes(1e-4 * rng.normal(size=(3, N_PARAMS)))
    return Writer(
        lively_weights(0),
        TARGETS[1].rgba,
        rng.normal(size=(2, *GRID, 1)).astype(np.float16),
        rng.normal(size=(4, 2)).astype(np.float16),
        rng.normal(size=4).astype(np.float32),
        rng.normal(size=(3, 6)).astype(np.float16),
        changes,
        scales,
        {"seed_hidden": True},
    )


def moves(target, turn, key):
    return in_motion(target, HOW, turn, key, LOOK)


@pytest.fixture(scope="module")
def begun(stills):
    return films_begin(stills, [moves(one, 0, 0)[0].frames for one in TARGETS], RECIPE)


def lessons(begun):
    return EndToEnd(begun, TARGETS, SparseEngine(), COURSE, moves)


@pytest.fixture(scope="module")
def learnt(begun):
    taught = lessons(begun)
    return taught, [taught.step() for _ in range(COURSE.steps)]


@given(st.integers(2, 33), st.integers(1, 4), st.floats(0, 6))
def test_swings_are_harmonics_of_the_middle_and_the_spread(n, times, lag):
    """A block of 3 x 3 cells goes to and fro between two places, its ink beside it in shares."""
    phase = 2 * np.pi * times * np.arange(n) / n - lag
    share = 0.5 + 0.4 * np.cos(phase)
    film = np.zeros((n, 9, 9, 4), np.float32)
    film[:, 1:4, 1:4, 3] = share[:, None, None]
    film[:, 5:8, 1:4, 3] = 1 - share[:, None, None]
    told = swings(film).reshape(6, 4, 2)
    row = 6 - 4 * share  # of the middle; the ink stays
    variance = share * 4 + (1 - share) * 36 + 2 / 3 - row**2
    for k in range(1, 5):
        angle = 2 * np.pi * k * np.arange(n) / n
        for which, values in ((1, row - row.mean()), (3, (variance - variance.mean()) / 10)):
            wanted = [2 * np.mean(values * np.cos(angle)), 2 * np.mean(values * np.sin(angle))]
            np.testing.assert_allclose(told[which, k - 1], wanted, atol=1e-4)
    np.testing.assert_allclose(told[[0, 2, 4, 5]], 0, atol=1e-4)


@pytest.mark.parametrize("kind", ["sway", "walk", "pulse", "turn"])
def test_swings_tell_both_directions_apart_and_a_still_none(kind):
    rgba = np.zeros((20, 20, 4), np.float32)
    rgba[6:14, 8:11] = 1
    rgba[6:8, 8:13] = 1
    there, back = (swings(moved(rgba, Motion(kind, way), 32)) for way in (1, -1))
    assert np.abs(there - back).max() > 0.1
    assert np.abs(swings(np.repeat(rgba[None], 5, axis=0))).max() < 1e-5


def test_it_begins_as_the_writer_for_stills_and_hears_its_clock_by_the_swings(stills, begun):
    target, (film, _) = TARGETS[0], moves(TARGETS[0], 0, 0)
    weights, S = begun.begins(target, film.frames)
    assert S.shape == (128, 4)
    assert np.abs(weights - stills.weights(target)).max() < 0.05
    _, other = begun.begins(target, moved(target.rgba, Motion("walk", -1), 16))
    assert np.abs(S - other).max() > 0.01
    with pytest.raises(ZooError, match="and this is a still"):
        begun.weights(target)
    with pytest.raises(ValueError, match="begins at one for stills"):
        films_begin(begun, [film.frames], RECIPE)


def error(writer):
    """Mean squared error of the second and third round."""
    films = [moves(target, 0, 0) for target in TARGETS]
    found = [writer.begins(target, film.frames) for film, target in films]
    weights, S = (np.stack(each) for each in zip(*found, strict=True))
    seeds = np.stack([seed_state(*GRID, target.seed_row, target.seed_col) for _, target in films])
    hands = np.repeat(clock(16)[None], 3, axis=0)
    when = np.broadcast_to(np.arange(16, dtype=np.int32), (3, 1, 16))
    ncas = Automata.grown(weights, seeds, signal=Signal(S, hands, when))
    states, off = SparseEngine().rollout(ncas, ncas.starts(), 0, 32), []
    for step in range(33, 65):
        states = SparseEngine().rollout(ncas, states, step - 1, 1)
        due = np.stack([film.due(step) for film, _ in films])
        off.append(np.square(states[:, 0, ..., :4] - due).mean())
    return np.mean(off)


def test_what_grows_comes_nearer_to_the_films(begun, learnt):
    taught, _ = learnt
    writer = taught.writer("bars")
    assert error(writer) < 0.75 * error(begun)
    S = writer.begins(TARGETS[0], moves(TARGETS[0], 0, 0)[0].frames)[1]
    assert np.abs(S).max() > 0.02
    assert writer.recipe["end_to_end"]["taken"] == COURSE.steps
    assert writer.recipe["fire_rate"] == 0.5


def test_batches_move_each_in_its_own_way_and_go_on_where_they_were(begun):
    mixed = MotionSettings("mixed", 16)
    taught = EndToEnd(
        begun,
        TARGETS,
        SparseEngine(),
        COURSE,
        lambda *each: in_motion(each[0], mixed, *each[1:], LOOK),
    )
    kinds = set()
    for step in range(4):
        before = {name: taught.state[name].copy() for name in ("pictures", "phases")}
        taught.step()
        examples, phases = taught.state["pictures"], taught.state["phases"]
        np.testing.assert_array_equal(examples[2:], before["pictures"][:2])
        assert examples[:2, 1].tolist() == [2 * step, 2 * step + 1]
        films = [taught._example(*each).film for each in examples.tolist()]
        assert len({film.tobytes() for film in films}) == 4
        kinds |= {film.tobytes() for film in films}
        assert ((phases >= 0) & (phases < 16)).all()
    assert len(kinds) == 10


def test_it_goes_on_to_the_same_bits_and_its_file_writes_what_training_wrote(
    begun, learnt, tmp_path
):
    whole, _ = learnt
    part = lessons(begun)
    for _ in range(7):
        part.step()
    on = lessons(begun)
    on.go_on({name: array.copy() for name, array in part.state.items()})
    for _ in range(COURSE.steps - 7):
        on.step()
    assert on.writer("bars").digest == whole.writer("bars").digest
    save_writer(tmp_path / "mine.npz", whole.writer("bars"))
    back = read_writer(tmp_path / "mine.npz")
    assert back.digest == whole.writer("bars").digest
    film, target = moves(TARGETS[2], 0, 0)
    found = found_in(begun, [target], [film.frames])
    written = end_to_end._Written(found, whole.state).weights[0]
    weights, S = back.begins(target, film.frames)
    np.testing.assert_allclose(weights, written[:N_PARAMS], atol=0.02 * np.abs(written).max())
    np.testing.assert_allclose(S.ravel(), written[CLOCK], atol=0.03 * np.abs(written[CLOCK]).max())
    wrong = {name: getattr(back, name) for name in ("base", "mean", "patterns", "into", "bias")}
    wrong |= {name: getattr(back, name) for name in ("mix", "changes", "scales")}
    write_archive(tmp_path / "no.npz", {}, wrong | {"swings": back.swings[1:]}, compressed=False)
    with pytest.raises(ZooError, match=r"swings are float32 \(47,\)"):
        read_writer(tmp_path / "no.npz")
    write_archive(tmp_path / "no.npz", {}, wrong, compressed=False)
    with pytest.raises(ZooError, match=rf"base are float32 \({CLOCK.stop},\)"):
        read_writer(tmp_path / "no.npz")


def test_it_is_a_start_for_films_alone(begun, stills, tmp_path):
    save_writer(tmp_path / "films.npz", begun)
    save_writer(tmp_path / "stills.npz", stills)
    start = make_init("written", "persistent", start=tmp_path / "films.npz", clocked=True)
    film, target = moves(TARGETS[1], 0, 0)
    began = Job("a", target, start, 1, film=film).start(0)
    weights, S = begun.begins(target, film.frames)
    np.testing.assert_array_equal(began[:N_PARAMS], weights)
    np.testing.assert_array_equal(began[CLOCK], S.ravel())
    with pytest.raises(ZooError, match="learnt for targets that move, and these are stills"):
        make_init("written", "persistent", start=tmp_path / "films.npz")
    with pytest.raises(ZooError, match="learnt for stills, and these are targets that move"):
        make_init("written", "persistent", start=tmp_path / "stills.npz", clocked=True)
    with pytest.raises(ZooError, match="no writer for films ships for the regime 'growing'"):
        make_init("written", "growing", clocked=True)


@pytest.mark.wide
def test_the_one_that_ships_is_what_its_command_makes(kept_digits, monkeypatch):
    """The first training steps again: only rounding may differ, of which every step makes more, and
    cells that all fire at once much more."""
    monkeypatch.setenv("NCA_ZOO_DATA", str(kept_digits))
    ships = shipped_writer("persistent", films=True)
    assert {*FILM_WRITERS.values()} == {"moving-writer"}
    told = ships.recipe["end_to_end"]
    course = Course(**{field.name: told[field.name] for field in fields(Course)})
    assert course == replace(OF_FILMS, steps=course.steps, bent=31)
    assert (told["taken"], told["source"]) == (course.steps, "digits")
    taught = lessons_of_films(ships.recipe["motion"]["motion"], course, FIRST_WRITER)
    for name, value in taught.begun.recipe.items():
        assert ships.recipe[name] == (list(value) if isinstance(value, tuple) else value), name
    again = [taught.step() for _ in range(FIRST)]
    np.testing.assert_allclose(again[0], told["first_losses"][0], rtol=1e-3)
    np.testing.assert_allclose(again[1], told["first_losses"][1], rtol=2e-2)
    apart = np.abs(np.log(again) - np.log(told["first_losses"]))
    assert np.median(apart) < 0.02  # drawn otherwise they are some 0.13 apart


@pytest.mark.wide
def test_the_commands_learn_one_and_begin_there(stills, tmp_path):
    pictures = draw(tmp_path / "pictures", 2, 4)
    out, zoo = tmp_path / "mine.npz", tmp_path / "moving.h5"
    learn = ["writer", "learn", "--motion", "mixed", "--source", pictures, "--out", out]
    assert "say how long" in run(*learn, code=1).output
    short = ["--end-to-end", 1, "--bent", 0, "--threads", 1]
    assert "for targets that move" in run(*learn, *short).stdout
    own = [*learn[:-1], tmp_path / "own.npz"]
    save_writer(tmp_path / "stills.npz", stills)
    run(*own, *short, "--start", tmp_path / "stills.npz")
    assert read_writer(own[-1]).recipe["begun"] == stills.digest
    code = Path(init.__file__).parent / "starts" / "code.npz"
    for start, kind in (out, "a writer for films"), (code, "one rule for all"):
        assert f"{kind}; one for films is" in run(*own, *short, "--start", start, code=1).output
    told = run("writer", "learn", "--start", out, "--out", own[-1], code=1).output
    assert "goes with --motion" in told
    brief = ["--steps", 1, "--extra-steps", 0, "--attempts", 1, "--size", 28, "--jobs", 1,
             "--per-class", "all"]  # fmt: skip
    build = ["build", "--source", pictures, "--motion", "mixed", *brief, "--out", zoo]
    run(*build, "--init", "written", "--start", out, "--lr", "1e-12")
    made = open_zoo(zoo)
    assert set(made.init) == {"written"}
    writer = read_writer(out)
    assert made.attrs["settings"]["writer"] == writer.digest
    film = made.column("film")[0] / np.float32(255)
    target = Target(film[0], int(made.seed_row[0]), int(made.seed_col[0]))
    weights, S = writer.begins(target, film)
    np.testing.assert_allclose(made.weights[0], weights, atol=1e-5)
    np.testing.assert_allclose(made.column("clock")[0], S, atol=1e-5)
    one, kept = sorted(pictures.rglob("*.png"))[0], tmp_path / "written.h5"
    run("write", one, "--writer", out, "--motion", "sway", "--out", kept)
    written = open_zoo(kept)
    assert written.moving.period == 64
    assert written.column("motion").tolist() == ["sway"]
    assert written.column("clock").shape == (1, 128, 4)
    assert "say how, as in --motion sway" in run("write", one, "--writer", out, code=1).output
