"""Zoos of what moves, from the command line to the file and to everybody who plays or reads it."""

import h5py
import numpy as np
import pytest
from commands import run
from PIL import Image
from small_builds import arguments, draw, made
from wide import mostly_wide

import nca_zoo as nz
from nca_zoo.automaton import rule
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.building.settings import MOVING_LR, SLOW_LR, build_settings, chosen, quiet
from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.motions import Motion, moved
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo

PERIOD = 12


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("moving") / "pictures", 2, 2)


@pytest.fixture(scope="module", params=mostly_wide(["phase", "none"]))
def zoo(pictures, request):
    """Four NCAs, each with a motion of its own, some steps into their training."""
    out = pictures.parent / f"{request.param}.h5"
    command = [*arguments(pictures, out, steps=12), "--motion", "mixed", "--period", str(PERIOD)]
    made([*command, "--clock", request.param])
    return open_zoo(out)


def test_the_file_holds_each_film_its_motion_and_its_clock(zoo):
    assert verify(zoo.path) == []
    with h5py.File(zoo.path) as file:
        film, kinds = file["film"][:], file["motion"].asstr()[:].tolist()
        assert film.shape == (4, PERIOD, 8, 8, 4)
        assert file["period"][:].tolist() == [PERIOD] * 4
        assert ("clock" in file) == ("phase" in zoo.path.name)
        assert np.array_equal(file["target"][:], film[:, 0])
        drawn = (file[name][:] for name in ("direction", "amplitude", "cycles"))
        told = list(zip(kinds, *drawn, strict=True))
    assert kinds == ["sway", "turn", "walk", "pulse"]
    for row, motion in enumerate(told):
        expected = moved(zoo.target[row] / np.float32(255), Motion(*motion), PERIOD)
        assert np.array_equal(film[row], np.rint(expected * 255))
        for step in (0, 5, 96, 400):
            assert np.array_equal(zoo.due(step, row) * 255, film[row, step % PERIOD])


def test_what_is_stored_is_what_grows_by_the_rule_itself(zoo):
    row = 2
    seed = rule.seed_state(8, 8, zoo.seed_row[row], zoo.seed_col[row])
    phases = 2 * np.pi * np.arange(PERIOD) / PERIOD
    state, errors = seed.astype(float), []
    for t in range(96 + PERIOD):
        weights = zoo.weights[row].astype(float)
        if "clock" in zoo.columns:
            turns = np.array([1, 1, 2, 2]) * phases[t % PERIOD]
            hands = np.where([1, 0, 1, 0], np.cos(turns), np.sin(turns))
            weights[6144:6272] += zoo.clock[row] @ hands
        state = rule.step(weights, state, np.ones((8, 8), bool))
        if t + 1 == 96:
            grown = np.clip(state[..., :4], 0, 1) * 255
            assert np.abs(grown - zoo.grown[row]).max() <= 2
        if t + 1 in {96 + PERIOD * i // 8 for i in range(8)}:
            due = zoo.film[row, (t + 1) % PERIOD] / 255
            errors.append(np.square(np.clip(state[..., :4], 0, 1) - due).mean())
    assert zoo.psnr_96[row] == pytest.approx(-10 * np.log10(np.mean(errors)), abs=0.1)
    nca = nz.open(zoo.path, failed=True)[row]
    (_, found), *_ = list(nca.rollout(96, every=96, states=True))[1:]
    (_, all_found), *_ = list(nz.open(zoo.path, failed=True).rollout(96, every=96))[1:]
    assert np.array_equal(found[..., :4], all_found[row])
    np.testing.assert_allclose(np.clip(found[..., :4], 0, 1) * 255, grown, rtol=0, atol=1)


def test_stored_figures_can_be_had_again_from_the_film_that_is_stored(zoo, tmp_path):
    good = tmp_path / "good.h5"
    good.write_bytes(zoo.path.read_bytes())
    with h5py.File(good, "r+") as file:
        file["status"][:] = b"ok"
    assert list(regrow_problems(open_zoo(good))) == []
    with h5py.File(good, "r+") as file:
        file["film"][:] = 255 - file["film"][:]
    assert any("dB at step 96" in line for line in regrow_problems(open_zoo(good)))


@pytest.mark.wide
def test_they_are_shown_beside_what_is_due(zoo, tmp_path):
    row, name = 2, zoo.id[2]
    told = run("show", name, "--zoo", zoo.path, "--steps", "30", "--out", tmp_path / "a.png")
    look = zoo.seed_states(row), 30, 0, 30, (), zoo.fire_rate, zoo.signal([row])
    last = dict(rollout(zoo.weights[row], *look))[30]
    error = np.square(np.clip(last[..., :4], 0, 1) - zoo.film[row, 30 % PERIOD] / 255).mean()
    assert f"PSNR {-10 * np.log10(error):.1f} dB" in told.stdout
    run("show", name, "--zoo", zoo.path, "--steps", "20", "--out", tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as film:
        film.seek(0)
        first = np.asarray(film.convert("RGB"), int)
        film.seek(3)
        later = np.asarray(film.convert("RGB"), int)
    half = first.shape[1] // 2
    assert np.abs(first - later)[:400, half:].max() > 50  # the target's side moves, too
    text = run("show", name, "--zoo", zoo.path, "--steps", "9", "--terminal").stdout
    other = run("show", name, "--zoo", zoo.path, "--steps", "3", "--terminal").stdout
    assert text.splitlines()[4] != other.splitlines()[4]
    run("show", *zoo.id, "--zoo", zoo.path, "--steps", "9", "--out", tmp_path / "grid.gif")
    run("show", name, "--zoo", zoo.path, "--channels", "--steps", "9", "--out", tmp_path / "c.png")


def test_what_knows_stills_alone_says_so(zoo, tmp_path):
    for command in (
        ["mix", "line", zoo.id[0], zoo.id[1], "--out", tmp_path / "mix.png"],
        ["symmetry", "apart", "--all-fits"],
    ):
        told = run(*command, "--zoo", zoo.path, code=1)
        assert "its targets move" in told.output, command


@pytest.mark.wide
def test_a_build_goes_on_only_with_its_own_motion_and_stills_stay_apart(zoo, pictures, tmp_path):
    same = [*arguments(pictures, zoo.path, steps=12), "--period", PERIOD]
    clock = ["--clock", zoo.settings.values["motion"]["clock"]]
    before = zoo.digest
    run(*same, *clock, "--motion", "mixed")
    assert open_zoo(zoo.path).digest == before
    for other in ([*clock, "--motion", "sway"], ["--motion", "mixed", "--period", "20"]):
        told = run(*same, *other, code=1)
        assert "was built with other settings: motion." in told.output
    still = tmp_path / "still.h5"
    made([*arguments(pictures, still, steps=12), "--fire-rate", "1"])
    assert "film" not in open_zoo(still).columns
    with pytest.raises(ZooError, match="some targets move and some stand still"):
        merge_zoos([still, zoo.path], tmp_path / "both.h5", mix_settings=True)


def test_a_film_that_is_not_as_the_settings_want_it_is_one_line(zoo, tmp_path):
    bad = tmp_path / "bad.h5"
    bad.write_bytes(zoo.path.read_bytes())
    with h5py.File(bad, "r+") as file:
        del file["film"]
        file["film"] = np.zeros((4, PERIOD, 5, 8, 4), np.uint8)
    with pytest.raises(ZooError, match="film: expected uint8"):
        open_zoo(bad).due(3)
    assert "film" in run("show", zoo.id[0], "--zoo", bad, code=1).output


QUICKLY = ["--steps", "3", "--extra-steps", "0", "--attempts", "1", "--size", "9"]


@pytest.mark.wide
def test_a_film_is_fitted_from_a_gif_a_folder_a_motion_or_a_morph(tmp_path):
    frames = [np.zeros((9, 9), np.uint8) for _ in range(3)]
    for k, frame in enumerate(frames):
        frame[3:6, 1 + k : 5 + k] = 255
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "walk.gif", save_all=True, append_images=images[1:], duration=80)
    (tmp_path / "frames").mkdir()
    for k, image in enumerate(images):
        image.save(tmp_path / "frames" / f"{k}.png")
    images[0].save(tmp_path / "a.png")
    images[2].save(tmp_path / "b.png")
    found = {}
    for name, given in {
        "gif": ["walk.gif"],
        "folder": ["frames", "--clock", "none"],
        "sway": ["a.png", "--motion", "sway"],
        "morph": ["a.png", "--morph", tmp_path / "b.png"],
    }.items():
        out = tmp_path / f"{name}.h5"
        run("fit", tmp_path / given[0], *given[1:], *QUICKLY, "--film", "none", "--out", out)
        assert verify(out) == []
        found[name] = open_zoo(out)
    assert np.array_equal(found["gif"].film, found["folder"].film)
    assert np.array_equal(found["gif"].film[0, ..., 3], np.stack(frames))
    assert found["morph"].film.shape == found["sway"].film.shape == (1, 32, 9, 9, 4)
    assert np.array_equal(found["morph"].film[0, 16, ..., 3], frames[2])
    kinds = [found[name].motion[0] for name in ("gif", "sway", "morph")]
    assert kinds == ["film", "sway", "morph"]
    assert found["gif"].settings.moving.period == 64
    assert found["gif"].fire_rate == 1
    with pytest.warns(nz.ZooWarning):
        nca = nz.fit(tmp_path / "walk.gif", steps=3, extra_steps=0, attempts=1, progress=False)
    assert nca.zoo.digest == found["gif"].digest
    assert len(nca.film(8).frames()) == 9
    nca.film(8).save(tmp_path / "strip.png")


def test_a_film_in_colours_keeps_the_step_size_of_films():
    stills = {"init": "meta", "alpha": "ink", "lr": SLOW_LR}  # of `fit`, for pictures in colours
    moving = chosen(motion="sway")
    assert build_settings(moving, quiet, **stills).regime.lr == MOVING_LR
    assert build_settings(moving | {"lr": 3e-4}, quiet, **stills).regime.lr == 3e-4
    assert build_settings(chosen(), quiet, **stills).regime.lr == SLOW_LR


def test_half_of_the_training_of_what_keeps_time_by_itself_is_in_silence():
    solo = {"init": "meta", "alpha": "ink", "steps": 1000}  # of `fit`
    asked = chosen(motion="sway", clock="none")
    for more, overrides, steps in (
        ({}, {}, 1200),
        ({}, solo, 2000),
        ({"steps": 30}, solo, 30),
        ({"steps": 30, "extra_steps": 10}, {}, 40),
    ):
        regime = build_settings(
            asked | more, quiet, **{"init": "meta", "alpha": "ink"} | overrides
        ).regime
        assert regime.steps + regime.extra_steps == steps
        assert regime.weaned == steps // 2
        assert (regime.schedule, regime.decay_at) == ("cosine", steps)
    assert build_settings(chosen(motion="sway"), quiet, **solo).regime.weaned == 0


@pytest.mark.wide
def test_without_a_clock_it_keeps_time_by_its_weights_alone(tmp_path):
    """Far better than the mean picture, which is what is learnt of phases that nobody tells."""
    ink = np.zeros((12, 12), np.uint8)
    ink[3:9, 4:7] = ink[3:5, 4:9] = 255
    Image.fromarray(ink).save(tmp_path / "a.png")
    chosen = {"motion": "sway", "clock": "none", "steps": 400, "until": 99, "attempts": 1}
    nca = nz.fit(tmp_path / "a.png", progress=False, **chosen)
    assert "clock" not in nca.zoo.columns
    assert nca.zoo.signal() is None
    film = np.stack([nca.zoo.due(step, 0) for step in range(64)])
    of_mean = np.mean((film - film.mean(axis=0)) ** 2)
    for seed in (0, 9):  # nothing is left to chance
        states = dict(nca.rollout(528, every=1, seed=seed))
        errors = [(np.clip(states[t], 0, 1) - film[t % 64]) ** 2 for t in range(400, 528)]
        assert np.mean(errors) < of_mean / 3


def test_films_are_no_stills_and_stills_have_no_period(tmp_path):
    images = [Image.new("L", (9, 9), level) for level in (200, 250)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    images[0].save(tmp_path / "b.png")
    for given, words in (
        (["b.png", "--period", "32"], "--period is for targets that move"),
        (["b.png", "--clock", "none"], "--clock is for targets that move"),
        (["a.gif", "--motion", "sway"], "a is a film and moves already"),
        (["a.gif", "--morph", tmp_path / "b.png"], "one of these is a film"),
        (["a.gif", "b.png"], "only if they stand still"),
        (["a.gif", "--period", "3"], "the period is 3 CA steps"),
    ):
        paths = [tmp_path / part if str(part).endswith(("f", "g")) else part for part in given]
        told = run("fit", *paths, *QUICKLY, "--out", tmp_path / "no.h5", code=1)
        assert words in told.output, given
    assert not (tmp_path / "no.h5").exists()
