"""`nca-zoo write` and `writer learn`: picture files to zoos, and starts that are written."""

import json

import h5py
import numpy as np
import pytest
from commands import run
from PIL import Image
from rows import header, record

from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.networks.end_to_end import EndToEnd
from nca_zoo.pictures.targets import Target, restored
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import glorot, make_init
from nca_zoo.training.writer import read_writer
from nca_zoo_cli import going

ONE_STEP = ["--steps", 1, "--extra-steps", 0, "--attempts", 1]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Fifteen NCAs near the start that ships, each with its own picture of 9 x 9 cells."""
    start, rng = make_init("meta", "persistent").shared, np.random.default_rng(0)
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    own = header()
    object.__setattr__(own, "init_weights", start)
    with ZooWriter(path, own) as writer:
        for i in range(15):
            ink = np.zeros((9, 9), np.uint8)
            ink[3:6, 2 : 4 + i % 5] = rng.integers(100, 255)
            writer.add(
                [
                    record(
                        i,
                        (9, 9),
                        weights=start + 1e-3 * glorot(i),
                        target=np.repeat(ink[..., None], 4, axis=-1),
                        seed_row=4,
                        seed_col=4,
                    )
                ]
            )
    return path


@pytest.fixture
def picture(tmp_path):
    ink = np.zeros((9, 9), np.uint8)
    ink[3:7, 3:6] = 220
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "pictures" / "bar.png"
    Image.fromarray(ink).save(path)
    return path


def test_what_is_written_is_a_zoo_like_any_other(zoo, picture, tmp_path):
    out, file = tmp_path / "w.h5", tmp_path / "writer.npz"
    run("writer", "learn", zoo, "--out", file, "--components", 4)
    said = json.loads(run("write", picture, "--writer", file, "--out", out, "--json").stdout)
    written = open_zoo(out)
    assert (written.id.tolist(), written.init.tolist()) == (["bar"], ["written"])
    assert written.train_steps.tolist() == [0]
    assert np.isnan(written.loss).all()
    target = Target(restored(written.target)[0], int(written.seed_row[0]), int(written.seed_col[0]))
    writer = read_writer(file)
    np.testing.assert_array_equal(written.weights[0], writer.weights(target))
    *_, (_, state) = rollout(written.weights[0], written.seed_states(0), 96)
    reached = psnr(state[None, ..., :4], target.rgba[None])[0]
    assert said["written"][0]["psnr_96"] == pytest.approx(reached, abs=0.01)
    assert said["writer"] == writer.digest
    with h5py.File(out) as raw:
        settings = json.loads(raw.attrs["settings"])
        assert settings["writer"] == writer.digest
        assert settings["regime"]["steps"] == 0
        assert raw.attrs["init_weights"].shape == (0,)
    assert run("verify", out).exit_code == 0
    run("info", out)


def test_a_zoo_is_learnt_from_at_once(zoo, picture, tmp_path):
    run("writer", "learn", zoo, "--out", tmp_path / "writer.npz")
    run("write", picture, "--writer", tmp_path / "writer.npz", "--out", tmp_path / "a.h5")
    run("write", picture, zoo, "--out", tmp_path / "b.h5")
    found = [open_zoo(tmp_path / name).weights for name in ("a.h5", "b.h5")]
    np.testing.assert_array_equal(*found)


def test_several_pictures_of_one_name_are_told_apart(zoo, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path / "data"))
    result = run("write", picture, picture, "--zoo", zoo)
    written = open_zoo(tmp_path / "data" / "written" / "bar.h5")
    assert sorted(written.id.tolist()) == ["bar", "bar-2"]
    assert "2 NCAs, written without training" in result.stdout
    again = run("write", picture, "--zoo", zoo, code=1)
    assert "--replace" in again.output
    run("write", picture, "--zoo", zoo, "--replace")


def test_the_writer_that_ships_writes_digits_of_its_size(picture, tmp_path):
    run("write", picture, "--out", tmp_path / "w.h5")
    assert open_zoo(tmp_path / "w.h5").grid == (28, 28)


def test_one_writer_at_a_time(zoo, picture):
    result = run("write", picture, "--zoo", zoo, "--writer", "x.npz", code=1)
    assert "leave one of them out" in result.output


def test_a_build_from_written_starts_says_so_and_keeps_to_its_writer(zoo, picture, tmp_path):
    for name, components in (("one", 2), ("two", 3)):
        run("writer", "learn", zoo, "--out", tmp_path / f"{name}.npz", "--components", components)
    out = tmp_path / "built.h5"
    build = ("build", "--source", picture.parent, "--per-class", "all", "--init", "written",
             "--jobs", 1, "--lr", 1e-12, *ONE_STEP, "--out", out)  # fmt: skip
    run(*build, "--start", tmp_path / "one.npz")
    built = open_zoo(out)
    assert built.init.tolist() == ["written"]
    assert built.attrs["init_weights"].shape == (0,)
    target = Target(restored(built.target)[0], int(built.seed_row[0]), int(built.seed_col[0]))
    expected = read_writer(tmp_path / "one.npz").weights(target)
    np.testing.assert_allclose(built.weights[0], expected, atol=1e-9)
    run(*build, "--start", tmp_path / "one.npz")  # goes on
    refused = run(*build, "--start", tmp_path / "two.npz", code=1)
    assert "writer" in refused.output


def test_a_fit_starts_from_what_is_written_and_several_together_do_not(zoo, picture, tmp_path):
    run("writer", "learn", zoo, "--out", tmp_path / "one.npz")
    fit = ("--init", "written", "--start", tmp_path / "one.npz", "--film", "none", *ONE_STEP)
    run("fit", picture, *fit, "--out", tmp_path / "fit.h5")
    assert open_zoo(tmp_path / "fit.h5").init.tolist() == ["written"]
    other = picture.with_name("other.png")
    other.write_bytes(picture.read_bytes())
    result = run("fit", picture, other, *fit, "--out", tmp_path / "both.h5", code=1)
    assert "several pictures begin at a rule of `nca-zoo metastart --code`" in result.output


def test_a_writer_learnt_end_to_end_goes_on_after_an_interruption(zoo, tmp_path, monkeypatch):
    learn = ("writer", "learn", zoo, "--components", 4, "--threads", 1)
    run(*learn, "--end-to-end", 3, "--out", tmp_path / "whole.npz")
    assert read_writer(tmp_path / "whole.npz").recipe["end_to_end"]["steps"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["whole.npz"]
    step = EndToEnd.step

    def two_steps(lessons):
        if lessons.taken == 2:
            raise KeyboardInterrupt
        return step(lessons)

    monkeypatch.setattr(going, "SAVED_EVERY", 1)
    monkeypatch.setattr(EndToEnd, "step", two_steps)
    out = tmp_path / "parts.npz"
    stopped = run(*learn, "--end-to-end", 3, "--out", out, code=1).output
    assert f"Stopped: 2 of 3 training steps are safe in {out}.going" in stopped
    assert not out.exists()
    refused = run(*learn, "--end-to-end", 4, "--out", out, code=1)
    assert "begun in another way" in refused.output
    taken = []
    monkeypatch.setattr(EndToEnd, "step", lambda lessons: taken.append(1) or step(lessons))
    run(*learn, "--end-to-end", 3, "--out", out)
    assert len(taken) == 1
    assert read_writer(out).digest == read_writer(tmp_path / "whole.npz").digest
    assert not list(tmp_path.glob("*.going"))


def test_pictures_of_a_source_teach_end_to_end_alone(zoo, picture, tmp_path):
    learn = ("writer", "learn", zoo, "--out", tmp_path / "w.npz", "--source", picture.parent)
    assert "--source goes with --end-to-end" in run(*learn, code=1).output
    for number in range(6):
        ink = np.zeros((9, 9), np.uint8)
        ink[2:7, 2 : 4 + number % 3] = 200 + number
        Image.fromarray(ink).save(picture.parent / f"{number}.png")
    steps = ("--end-to-end", 1, "--components", 3, "--threads", 1)
    run(*learn, *steps)
    recipe = read_writer(tmp_path / "w.npz").recipe
    assert recipe["end_to_end"]["pictures"] == 6  # one of seven is for testing
    assert recipe["end_to_end"]["source"] == str(picture.parent)
