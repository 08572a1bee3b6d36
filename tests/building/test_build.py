"""Building: resumed, parallel or in one go, the zoo is the same; what is wrong takes a line."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nca_zoo.building.build import build, header
from nca_zoo.building.settings import BuildSettings
from nca_zoo.errors import ZooError
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import workers_for
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.gate import gate
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo_cli.main import group

GATE = gate(1, 99, stable=False)
QUICK = dataclasses.replace(
    REGIMES["growing"], batch=1, steps=3, extra_steps=0, attempts=1, gate=GATE
)
SETTINGS = BuildSettings(QUICK, make_init("shared", "growing"))
QUICKLY = ["--regime", "growing", "--steps", "2", "--extra-steps", "0", "--attempts", "1"]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """A folder of nine 8 x 8 pictures in three classes."""
    folder = tmp_path_factory.mktemp("drawings")
    for label in range(3):
        (folder / str(label)).mkdir()
        for k in range(3):
            ink = np.zeros((8, 8), np.uint8)
            ink[2 : 4 + label, 2 : 4 + k] = 200
            Image.fromarray(ink).save(folder / str(label) / f"{k}.png")
    return folder


def built(path, drawings, settings=SETTINGS, workers=1, cohort=2, stop_after=None, **choice):
    source, pictures = load_pictures(drawings, **choice)
    with ZooWriter(path, header(source, settings)) as writer:
        fits = build(pictures, settings, writer, workers, cohort)
        for n, _ in enumerate(fits):
            if n + 1 == stop_after:
                fits.close()
    return open_zoo(path)


def assert_same(zoo, other):
    for name in zoo.columns:
        if name != "wall_s":
            np.testing.assert_array_equal(zoo.column(name), other.column(name), err_msg=name)


@pytest.mark.wide
def test_the_same_zoo_whatever_the_workers_cohorts_and_stops(tmp_path, drawings):
    def zoo(name, **how):
        return built(tmp_path / name, drawings, per_class=2, **how)

    whole = zoo("whole.h5", cohort=3)
    assert len(whole) == 6
    assert_same(zoo("workers.h5", workers=2, cohort=2), whole)
    assert_same(zoo("one.h5", cohort=1), whole)
    assert 2 <= len(zoo("stopped.h5", stop_after=2)) < 6
    assert_same(zoo("stopped.h5"), whole)


def test_in_one_process_the_next_takes_the_place_of_the_first_that_is_done(
    tmp_path, drawings, monkeypatch
):
    """So that no device is left with the last few NCAs of a cohort, at all but the very end."""
    together = []

    class Counting(SparseEngine):
        def gradients(self, ncas, *arguments):
            together.append(len(ncas))
            return super().gradients(ncas, *arguments)

    # After three steps some reach 10 dB; the others get three steps more.
    harder = gate(10, 99, stable=False)
    unlike = dataclasses.replace(QUICK, gate=harder, extra_steps=3)
    monkeypatch.setattr("nca_zoo.building.build.make_engine", lambda *_: Counting())
    zoo = built(tmp_path / "zoo.h5", drawings, BuildSettings(unlike, SETTINGS.init), cohort=4)
    assert set(zoo.train_steps.tolist()) == {3, 6}
    assert sum(together) == zoo.train_steps.sum()
    assert together == sorted(together, reverse=True)  # 4 until none is waiting


def test_what_finishes_together_is_stored_together(tmp_path, drawings, monkeypatch):
    stored, add = [], ZooWriter.add

    def counted(self, rows, *more):
        stored.append(len(rows))
        add(self, rows, *more)

    monkeypatch.setattr(ZooWriter, "add", counted)
    assert len(built(tmp_path / "zoo.h5", drawings, cohort=4)) == 9
    assert stored == [4, 4, 1]


def test_a_zoo_grows_without_changing_what_it_holds(tmp_path, drawings):
    small = built(tmp_path / "zoo.h5", drawings, per_class=1)
    assert len(small) == 3
    grown = built(tmp_path / "zoo.h5", drawings)
    assert len(grown) == 9
    assert_same(grown.subset([grown.index(name) for name in small.id]), small)


def test_other_settings_are_refused_by_name(tmp_path, drawings):
    built(tmp_path / "zoo.h5", drawings, per_class=1)
    other = dataclasses.replace(QUICK, batch=2, lr=1e-3)
    with pytest.raises(ZooError, match=r"regime\.batch 1 -> 2, regime\.lr 0\.002 -> 0\.001"):
        built(tmp_path / "zoo.h5", drawings, BuildSettings(other, SETTINGS.init))


@pytest.mark.wide
def test_the_file_as_plain_h5py_sees_it(tmp_path, drawings):
    built(tmp_path / "zoo.h5", drawings)
    with h5py.File(tmp_path / "zoo.h5") as file:
        assert file["weights"].shape == (9, 8336)
        assert {len(dataset) for dataset in file.values()} == {9}
        assert set(file["label"][:]) == {0, 1, 2}
        assert file["target"].dtype == np.uint8
        moved = file["weights"][:] - file.attrs["init_weights"]
        assert (np.abs(moved).max(axis=1) > 0).all()
        assert file["train_steps"][:].tolist() == [3] * 9


def test_independent_starts_differ_and_no_shared_one_is_claimed(tmp_path, drawings):
    settings = BuildSettings(QUICK, make_init("independent", "growing"))
    zoo = built(tmp_path / "zoo.h5", drawings, settings, per_class=1)
    assert zoo.attrs["init_weights"].shape == (0,)
    starts = np.stack([settings.init.weights(int(seed), 0) for seed in zoo.rng_seed])
    moved = np.abs(zoo.weights - starts).max(axis=1)
    assert (moved < 0.02).all()  # three steps of Adam
    assert np.abs(starts[0] - starts[1]).max() > 0.1


def test_an_empty_picture_is_named(tmp_path, drawings):
    blank = tmp_path / "blank"
    blank.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(blank / "void.png")
    with pytest.raises(ZooError, match="void: the picture is empty"):
        built(tmp_path / "zoo.h5", blank)


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def test_the_command_builds_says_so_and_resumes(tmp_path, drawings):
    out = tmp_path / "zoo.h5"
    command = ["build", "--source", drawings, "--init", "shared", *QUICKLY, "--out", out]
    first = run(*command, "--per-class", 1, "--jobs", 1)
    assert first.exit_code == 0, first.output
    assert "3 NCAs;" in first.stdout
    assert "Fitted 3 in" in first.stdout
    assert "failed" in first.stdout  # two steps make no good NCA, and the summary says so
    second = run(*command, "--per-class", "all", "--jobs", 1)
    assert "holds 3 of 9 already; going on" in second.stderr
    assert "9 NCAs;" in second.stdout
    third = run(*command, "--per-class", "all", "--jobs", 1, "--batch", 4)
    assert third.exit_code == 1
    assert "regime.batch 2 -> 4" in third.stderr


@pytest.mark.wide
def test_the_dense_engine_builds_what_the_sparse_one_does(tmp_path, drawings):
    command = ["build", "--source", drawings, "--init", "shared", *QUICKLY, "--per-class", 1]
    zoos = []
    for engine in ("dense", "sparse"):
        out = tmp_path / f"{engine}.h5"
        result = run(*command, "--jobs", 1, "--engine", engine, "--cohort", 2, "--out", out)
        assert result.exit_code == 0, result.output
        zoos.append(open_zoo(out))
    dense, sparse = zoos
    assert dense.attrs["settings"]["engine"] == "dense"
    assert dense.id.tolist() == sparse.id.tolist()
    np.testing.assert_allclose(dense.column("loss"), sparse.column("loss"), rtol=1e-3)


def test_one_process_drives_a_gpu():
    assert workers_for("cuda") == workers_for("mps") == 1
    assert workers_for("cpu") == usable_cores()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--digits", "0-x"], "no class '0-x' among"),
        (["--per-class", "none"], "--per-class is 'none'"),
        (["--per-class", "600", "--digits", "3"], "class 3 has 500 pictures"),
        (["--source", "nowhere"], "nowhere"),
        (["--regime", "writeup", "--init", "meta"], "no meta-learned start ships"),
        (["--engine", "sparse", "--device", "cuda"], "CPU only"),
        (["--batch", "0"], "batch is 0"),
        (["--start", "missing.npz"], "no such start file"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(tmp_path, monkeypatch, arguments, message):
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path))
    result = run("build", *arguments, "--out", tmp_path / "zoo.h5")
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "zoo.h5").exists()


@pytest.mark.wide
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_keeps_what_it_reported(tmp_path, drawings, sent):
    out = tmp_path / "zoo.h5"
    command = [sys.executable, "-m", "nca_zoo_cli.main", "build", "--source", drawings, "--cohort"]
    command += ["1", "--jobs", "1", "--init", "shared", "--regime", "growing", "--steps", "400"]
    command += ["--extra-steps", "0", "--attempts", "1", "--per-class", "all", "--out", out]
    child = subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, sent)
    _, said = child.communicate(timeout=240)
    assert child.returncode == 1
    last = said.strip().splitlines()[-1]
    assert "the same command goes on from there" in last
    assert "Traceback" not in said
    kept = len(open_zoo(out))
    assert f"{kept} of 9 NCAs are safe" in last
    assert kept < 9
