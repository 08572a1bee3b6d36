"""Zoos of one visible channel, from the command to the file and back, beside the plain rule."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fire_mask, fold
from nca_zoo.automaton.record import Automata
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.building.settings import BuildSettings, build_settings, quiet
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import measure, stored_measures
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import TargetSettings, make_target, restored, stored
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training import init
from nca_zoo.training.metastart import Recipe, meta_learn
from nca_zoo.training.regime import REGIMES
from nca_zoo_cli.main import group

START = Path(init.__file__).parent / "starts" / "persistent-grey.npz"
QUICKLY = ["--extra-steps", "0", "--attempts", "1", "--steps"]
GREY = ["--visible", "grey"]


def run(*arguments, code=0):
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stderr.startswith("Error: ")
    return result


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """A folder of four 12 x 11 greyscale pictures."""
    folder = tmp_path_factory.mktemp("drawings")
    for k in range(4):
        ink = np.zeros((12, 11), np.uint8)
        ink[3 : 6 + k, 3:8], ink[4, 4 : 5 + k] = 255, 90
        Image.fromarray(ink).save(folder / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, drawings):
    """A grey zoo, trained until good."""
    out = tmp_path_factory.mktemp("zoo") / "grey.h5"
    run("build", "--source", drawings, "--per-class", "all", *GREY, "--regime", "persistent",
        "--jobs", 1, "--out", out)  # fmt: skip
    return out


@pytest.fixture
def pictures(tmp_path):
    """Folders of one picture each: colours, black ink, and white ink as an RGBA file."""
    for name, paint in (("colour", (200, 60, 30)), ("black", (0, 0, 0)), ("white", (255,) * 3)):
        rgba = np.zeros((9, 9, 4), np.uint8)
        rgba[3:6, 2:7] = (*paint, 255)
        (tmp_path / name).mkdir()
        Image.fromarray(rgba).save(tmp_path / name / "one.png")
    return tmp_path


def test_the_file_as_h5py_sees_it(zoo, drawings):
    with h5py.File(zoo) as file, np.load(START) as start:
        settings = json.loads(file.attrs["settings"])
        assert settings["target"] == {"alpha": "ink", "seed_at": "ink", "visible": "grey"}
        np.testing.assert_array_equal(file.attrs["init_weights"], start["weights"])
        assert file["weights"].shape == (4, 8336)
        for name in ("target", "grown"):
            pixels = file[name][:]
            assert pixels.shape == (4, 12, 11, 4)
            assert (pixels == pixels[..., 3:]).all()
        ids = file["id"].asstr()[:]
        for nca_id, target in zip(ids, file["target"][:], strict=True):
            with Image.open(drawings / f"{nca_id}.png") as drawn:
                np.testing.assert_array_equal(target[..., 3], np.asarray(drawn))


def test_its_ncas_grow_by_the_plain_rule_what_the_file_says(zoo):
    """In float64, the picture read from alpha, PSNR written out."""
    held = open_zoo(zoo)
    assert held.good.all()
    key = fold(0, Stream.ROLLOUT)
    for row in range(len(held)):
        weights, state = held.weights[row].astype(float), held.seed_states(row).astype(float)
        ink = held.target[row, ..., 3] / 255
        for step in range(400):
            state = rule.step(weights, state, fire_mask(key, step, 12, 11))
            alpha = np.clip(state[..., 3], 0, 1)
            if step + 1 == 96:
                grown = alpha
                at_96 = -10 * np.log10(((alpha - ink) ** 2).mean())
        at_400 = -10 * np.log10(((alpha - ink) ** 2).mean())
        assert np.abs(held.grown[row, ..., 3] - 255 * grown).max() < 1
        assert held.psnr_96[row] == pytest.approx(at_96, abs=0.01)
        assert held.psnr_400[row] == pytest.approx(at_400, abs=0.1)
        assert held.alive_400[row] == pytest.approx(rule.alive(state).mean(), abs=0.02)
        colours = np.clip(state[..., :3], 0, 1)  # are hidden, and grow no picture
        assert ((colours - ink[..., None]) ** 2).mean() > 10 * ((alpha - ink) ** 2).mean()


def test_its_ncas_grow_again_bit_for_bit(zoo, tmp_path):
    held = open_zoo(zoo)
    seeds = np.stack([held.seed_states(row) for row in range(len(held))])
    targets = restored(held.target)[..., 3:]
    looks = measure(SparseEngine(), Automata.grown(held.weights, seeds, shows=1), targets)
    np.testing.assert_array_equal(stored(looks["96"].pictures), held.grown)
    for name, values in stored_measures(looks).items():
        np.testing.assert_array_equal(values, held.column(name))
    assert verify(zoo, regrow_problems) == []
    lying = tmp_path / "lying.h5"
    lying.write_bytes(zoo.read_bytes())
    with h5py.File(lying, "r+") as file:
        settings = json.loads(file.attrs["settings"])
        del settings["target"]["visible"]
        file.attrs["settings"] = np.bytes_(json.dumps(settings))
    problems = verify(lying, regrow_problems)  # seen as RGBA they grow something else
    assert sum("grows another picture" in problem for problem in problems) == len(held)


@pytest.mark.wide
def test_it_goes_on_as_grey_and_as_nothing_else(zoo, tmp_path, drawings):
    out = tmp_path / "zoo.h5"
    command = ["build", "--source", drawings, "--jobs", 1, "--out", out]
    command += ["--regime", "persistent"]
    run(*command, *GREY, "--per-class", 2)
    refused = run(*command, "--per-class", "all", code=1).stderr
    assert "target.visible grey -> rgba" in refused
    assert "going on" in run(*command, *GREY, "--per-class", "all").stderr
    whole, parts = open_zoo(zoo), open_zoo(out)
    for name in whole.columns:
        if name != "wall_s":
            np.testing.assert_array_equal(parts.column(name), whole.column(name), err_msg=name)


def test_a_zoo_from_before_goes_on_as_rgba(tmp_path, drawings):
    out = tmp_path / "zoo.h5"
    command = ["build", "--source", drawings, "--jobs", 1, *QUICKLY, 2, "--out", out]
    run(*command, "--per-class", 1)
    with h5py.File(out) as file:  # what is written today is what was written then
        assert json.loads(file.attrs["settings"])["target"] == {"alpha": "ink", "seed_at": "ink"}
    refused = run(*command, *GREY, "--per-class", "all", code=1).stderr
    assert "target.visible rgba -> grey" in refused
    assert open_zoo(out).visible == "rgba"
    assert "1 of 2 already" in run(*command, "--visible", "rgba", "--per-class", 2).stderr
    assert len(open_zoo(out)) == 2


@pytest.mark.wide
def test_the_dense_engine_and_workers_build_the_same(tmp_path, drawings):
    command = ["build", "--source", drawings, "--per-class", 2, *GREY, *QUICKLY, 2]
    zoos = {}
    for name, more in {
        "sparse": ["--jobs", 1],
        "workers": ["--jobs", 2, "--cohort", 1],
        "dense": ["--jobs", 1, "--engine", "dense"],
    }.items():
        run(*command, *more, "--out", tmp_path / f"{name}.h5")
        zoos[name] = open_zoo(tmp_path / f"{name}.h5")
    np.testing.assert_array_equal(zoos["workers"].weights, zoos["sparse"].weights)
    np.testing.assert_allclose(zoos["dense"].loss, zoos["sparse"].loss, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "--source", "colour"], "one.png (not white ink on nothing"),
        (["build", "--source", "black"], "one.png (not white ink on nothing"),
        (["fit", "colour/one.png"], "one: the picture is not white ink on nothing"),
        (["metastart", "--source", "colour"], "one.png (not white ink on nothing"),
        (["build", "--source", "white", "--alpha", "opaque"], "alpha cannot be opaque"),
        (["fit", "white/one.png", "--alpha", "opaque"], "alpha cannot be opaque"),
        (["build", "--source", "white", "--regime", "writeup"], "default): use --alpha ink"),
        (["build", "--source", "white", "--regime", "growing"], "metastart --regime growing --vis"),
        (["fit", "white/one.png", "--regime", "growing"], "metastart --regime growing --visible"),
    ],
)
def test_what_grey_cannot_be_is_one_line(pictures, monkeypatch, arguments, words):
    monkeypatch.chdir(pictures)
    per_class = ["--per-class", "all"] if arguments[0] == "build" else []
    out = "start.npz" if arguments[0] == "metastart" else "zoo.h5"
    assert words in last_line(arguments[0] == "build", *arguments, *GREY, *per_class, "--out", out)
    assert not Path(out).exists()


def last_line(barred, *arguments):
    """The error of a command; a bar may stand before it."""
    result = CliRunner().invoke(group, list(arguments))
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.strip().splitlines()
    assert barred or len(lines) == 1
    return lines[-1]


def test_writeup_is_grey_if_it_is_not_opaque(pictures):
    out = pictures / "zoo.h5"
    options = ["--regime", "writeup", "--alpha", "ink", "--batch", 1, *QUICKLY, 2]
    run("build", "--source", pictures / "white", "--per-class", "all", *GREY, *options,
        "--jobs", 1, "--out", out)  # fmt: skip
    assert open_zoo(out).attrs["settings"]["target"]["visible"] == "grey"
    assert open_zoo(out).attrs["regime"]["loss"] == "every_step"


@pytest.mark.wide
def test_fit_trains_and_films_alpha(pictures):
    out = pictures / "fit.h5"
    picture = pictures / "white" / "one.png"
    run("fit", picture, *GREY, "--regime", "persistent", "--film", "gif", *QUICKLY, 3, "--out", out)
    zoo = open_zoo(out)
    assert zoo.visible == "grey"
    assert zoo.attrs["regime"]["lr"] == REGIMES["persistent"].lr  # nothing coloured to learn
    with Image.open(pictures / "fit.gif") as film:
        for frame in (0, 24, 100):
            film.seek(frame)
            red, _, blue = np.moveaxis(np.asarray(film.convert("RGB"), int), -1, 0)
            assert np.ptp(blue) > 100
            assert (blue - red).min() >= -8  # white ink on bluish black, nothing else
            assert (blue - red).max() <= 24
    run("build", "--source", picture.parent, "--per-class", "all", *GREY, *QUICKLY, 3,
        "--regime", "persistent", "--jobs", 1, "--out", pictures / "build.h5")  # fmt: skip
    np.testing.assert_array_equal(open_zoo(pictures / "build.h5").weights, zoo.weights)


def test_metastart_learns_a_grey_start_and_says_so(tmp_path, drawings):
    short = ["--rounds", 2, "--tasks", 2, "--first-steps", 2, "--last-steps", 2, "--threads", 1]
    command = ["metastart", "--source", drawings, *short, "--regime", "growing"]
    run(*command, *GREY, "--out", tmp_path / "grey.npz")
    run(*command, "--out", tmp_path / "rgba.npz")
    weights, told = init.read_start(tmp_path / "grey.npz")
    assert told["visible"] == "grey"
    assert "visible" not in init.read_start(tmp_path / "rgba.npz")[1]
    _, every = load_pictures(drawings)
    train = [picture for picture in every if picture.split == "train"]
    settings = TargetSettings(visible="grey")
    targets = [make_target(picture.pixels, settings) for picture in train]
    recipe = Recipe(rounds=2, tasks=2, first_steps=2, last_steps=2)
    *_, last = meta_learn(targets, REGIMES["growing"], SparseEngine(), recipe)
    np.testing.assert_array_equal(weights, last.weights)
    assert not np.array_equal(weights, init.read_start(tmp_path / "rgba.npz")[0])

    build = ["build", "--source", drawings, "--per-class", 1, "--regime", "growing", "--jobs", 1]
    build += [*QUICKLY, 1, "--start"]
    for start, options, note in (
        ("grey", GREY, ""),
        ("rgba", [], ""),
        ("rgba", GREY, "rgba.npz was learnt with --visible rgba, and this is grey"),
        ("grey", [], "grey.npz was learnt with --visible grey, and this is rgba"),
    ):
        out = tmp_path / f"{start}-{len(options)}.h5"
        said = run(*build, tmp_path / f"{start}.npz", *options, "--out", out).stderr
        assert said.count("note: ") == bool(note)
        assert note in said
        np.testing.assert_array_equal(
            open_zoo(out).attrs["init_weights"], init.read_start(tmp_path / f"{start}.npz")[0]
        )


def test_a_writeup_start_is_not_opaque_if_grey(tmp_path, drawings):
    short = ["--rounds", 1, "--tasks", 1, "--first-steps", 1, "--last-steps", 1]
    run("metastart", "--source", drawings, "--regime", "writeup", *GREY, *short,
        "--out", tmp_path / "start.npz")  # fmt: skip
    assert init.read_start(tmp_path / "start.npz")[1]["regime"]["name"] == "writeup"


def test_options_become_settings():
    names = ("steps", "extra_steps", "attempts", "batch", "pool", "lr", "init", "alpha", "start")
    names += ("until", "until_heals", "fire_rate", "train", "seeds")
    chosen = dict.fromkeys(names) | {
        "regime": "persistent", "seed_at": "center", "visible": "grey", "seed": 3,
        "engine": "sparse", "device": "cpu",
    }  # fmt: skip
    settings = build_settings(chosen, quiet, init="meta", alpha="ink")
    assert isinstance(settings, BuildSettings)
    assert settings.target == TargetSettings("ink", "center", "grey")
    with np.load(START) as start:
        np.testing.assert_array_equal(settings.init.shared, start["weights"])
    with pytest.raises(ZooError, match="alpha cannot be opaque"):
        build_settings(chosen | {"alpha": "opaque"}, quiet, init="meta", alpha="ink")
