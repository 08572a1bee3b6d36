"""Starts for targets that move: how the clock is heard is learnt with the weights."""

import numpy as np
import pytest
from commands import run
from small_builds import draw

from nca_zoo.automaton.rule import HIDDEN, N_PARAMS, param_slices
from nca_zoo.automaton.signals import HANDS
from nca_zoo.building.settings import build_settings, chosen, quiet
from nca_zoo.errors import ZooError
from nca_zoo.pictures.motions import Motion, MotionSettings, moved
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training import init
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import find_start, read_start, write_start
from nca_zoo.training.lessons import conditions, film, still
from nca_zoo_cli import metastart
from nca_zoo_cli.metastart import DEALT, rounds_done

SHORT = ["--tasks", 2, "--first-steps", 2, "--last-steps", 3, "--threads", 1]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("start") / "pictures", 2, 4)


@pytest.fixture(scope="module")
def learnt(pictures):
    """A start of three rounds, in one go."""
    out = pictures.parent / "whole.npz"
    learn(pictures, 3, out)
    return out


def learn(pictures, rounds, out, code=0):
    moving = ["--motion", "mixed", "--period", 16, "--start", "persistent", "--batch", 2]
    return run("metastart", "--source", pictures, *moving, *SHORT, "--rounds", rounds,
               "--out", out, code=code)  # fmt: skip


def test_it_learns_how_the_clock_is_heard_and_says_how(learnt):
    start, (weights, recipe) = find_start(str(learnt)), read_start(learnt)
    assert start.clock.shape == (HIDDEN, HANDS)
    assert np.abs(start.clock).max() > 1e-4  # it began with silence
    for part in param_slices().values():
        assert (weights[part] != find_start("persistent").shared[part]).any()
    assert recipe["motion"] == {"motion": "mixed", "period": 16, "clock": "phase"}
    assert (recipe["regime"]["loss"], recipe["regime"]["fire_rate"]) == ("late", 1)
    assert recipe["regime"]["batch"] == 2


def test_a_start_that_was_stopped_goes_on_as_if_it_had_not_been(
    pictures, learnt, tmp_path, monkeypatch
):
    """Rounds have no past but the start itself."""
    out, kept = tmp_path / "part.npz", metastart.write_start

    def stops(path, weights, recipe, *more):
        if recipe["rounds_done"] == 3:
            raise KeyboardInterrupt
        kept(path, weights, recipe, *more)

    monkeypatch.setattr(metastart, "CHECKPOINT_ROUNDS", 1)
    monkeypatch.setattr(metastart, "write_start", stops)
    stopped = learn(pictures, 3, out, code=1).stderr
    assert f"Stopped: 2 of 3 rounds are safe in {out}; the same command goes on" in stopped
    monkeypatch.undo()
    assert read_start(out)[1]["rounds_done"] == 2
    assert "goes on after 2 rounds" in learn(pictures, 3, out).stderr
    with np.load(out) as part, np.load(learnt) as whole:
        assert {*part} == {"weights", "early", "clock", "recipe"}
        for name in part:
            assert np.array_equal(part[name], whole[name]), name


def test_the_clock_of_a_start_is_where_films_begin_and_no_others(learnt):
    start, target = find_start(str(learnt)), make_target(np.full((5, 5), 200, np.uint8))
    frames = moved(target.rgba, Motion("walk"), 8)
    for lesson, hears in (
        (film(frames, 8), True),
        (film(frames, 8, clocked=False), True),
        (still(target.trained), False),
        (conditions(np.stack([target.trained] * 2)), False),
    ):
        params = Job("a", target, start, 0, lesson=lesson).start(0)
        S = params[N_PARAMS : N_PARAMS + HIDDEN * lesson.kind.d]
        assert np.array_equal(S, start.clock.ravel()) == hears
        assert S.any() == hears
        assert np.array_equal(params[:N_PARAMS], start.shared)


def test_a_zoo_says_which_clock_it_began_with_and_goes_on_with_no_other(pictures, learnt, tmp_path):
    out = tmp_path / "zoo.h5"
    few = ["--per-class", 1, "--steps", 1, "--extra-steps", 0, "--attempts", 1, "--jobs", 1]
    moving = ["--motion", "sway", "--period", 16]
    build = ["build", "--source", pictures, *few, *moving, "--out", out]
    run(*build, "--start", learnt)
    begun, zoo = find_start(str(learnt)), open_zoo(out)
    assert zoo.settings.values["init_clock"] == begun.clock_digest
    assert 0 < np.abs(zoo.clock - begun.clock).max() < 0.01  # a step away
    other = tmp_path / "other.npz"
    weights, recipe = read_start(learnt)
    write_start(other, weights, recipe, weights, begun.clock + np.float32(0.5))
    told = run(*build, "--start", other, code=1)
    assert "was built with other settings: init_clock" in told.output


def test_a_start_for_films_is_used_for_films_and_nowhere_else(learnt, monkeypatch):
    shipped = init._shipped
    monkeypatch.setattr(init, "MOVING_STARTS", {("persistent", "rgba"): "moving"})
    of_films = find_start(str(learnt))
    monkeypatch.setattr(
        init, "_shipped", lambda name: of_films if name == "moving" else shipped(name)
    )
    for asked, hears in (
        ({"motion": "mixed"}, True),
        ({"motion": "mixed", "clock": "none"}, True),
        ({"motion": "mixed", "visible": "grey"}, False),
        ({"regime": "persistent"}, False),
    ):
        found = build_settings(chosen(**asked), quiet, init="meta", alpha="ink").init
        assert (found.clock is not None) == hears, asked
        assert found.clock_digest == (of_films.clock_digest if hears else "")
    assert find_start("moving") is of_films


def test_a_clock_of_another_shape_is_refused_in_a_line(learnt, tmp_path):
    weights, recipe = read_start(learnt)
    for clock in (np.zeros((HIDDEN, 3), "f4"), np.full((HIDDEN, HANDS), np.nan, "f4")):
        write_start(tmp_path / "bad.npz", weights, recipe, weights, clock)
        with pytest.raises(ZooError, match="not a start file of `nca-zoo metastart`: clock"):
            find_start(str(tmp_path / "bad.npz"))


def test_rounds_of_eight_are_of_all_kinds_and_both_ways_round():
    mixed = MotionSettings("mixed")
    for first in range(0, 48, 8):
        told = [mixed.of(DEALT * turn, 0) for turn in range(first, first + 8)]
        assert sorted(m.kind for m in told) == sorted(["sway", "turn", "walk", "pulse"] * 2)
        assert sum(m.direction for m in told) == 0
        assert sum(m.cycles for m in told) == 12


def test_rounds_of_another_recipe_are_not_gone_on_with(learnt):
    told = {k: v for k, v in read_start(learnt)[1].items() if k != "rounds_done"}
    assert rounds_done(learnt, told) == 0  # all are done
    more = {**told, "recipe": told["recipe"] | {"rounds": 9}}
    assert rounds_done(learnt, more) == 0
