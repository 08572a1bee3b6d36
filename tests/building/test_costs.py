"""What a size costs is said, and what cannot fit is refused, before any training."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import nca_zoo as nz
from nca_zoo.building import costs
from nca_zoo.building.build import record
from nca_zoo.building.costs import cost_of
from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.solo import fit_alone
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.workspace import buffer_bytes, workspace
from nca_zoo.pictures import sources
from nca_zoo.pictures.sources import Picture
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.schema import COLUMNS
from nca_zoo.training import cohort
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo_cli.main import group

GB = 1 << 30


def settings(regime="persistent", engine="sparse"):
    return BuildSettings(REGIMES[regime], Init("independent"), engine=engine)


def target(side, ink=1.0):
    pixels = np.zeros((side, side), np.uint8)
    pixels[: max(1, int(ink * side))] = 255
    return make_target(pixels)


@pytest.mark.parametrize("steps", [1, 96])
def test_the_buffers_of_an_engine_are_what_is_said(steps):
    arrays = workspace(20, 30, steps, looks=2)[:-1]
    assert [a.nbytes for a in arrays] == buffer_bytes(20, 30, steps, 2, living=600)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_what_is_small_is_said_to_be(regime, engine):
    cost = cost_of(target(28, 0.2), settings(regime, engine))
    assert 1e6 < cost.memory < GB
    cost.check(pytest.fail)


def test_it_grows_with_the_area_the_ink_and_what_runs_side_by_side():
    one = cost_of(target(128, 0.25), settings())
    assert cost_of(target(256, 0.25), settings()).memory == pytest.approx(4 * one.memory, rel=0.1)
    assert cost_of(target(128, 1), settings()).memory > 2 * one.memory
    assert cost_of(target(128, 1), settings()).reserved == one.reserved
    assert cost_of(target(128, 0.25), settings(), processes=3).memory == 3 * one.memory
    more = cost_of(target(128, 0.25), settings(), threads=2)
    assert one.memory < more.memory < 2 * one.memory
    assert cost_of(target(128, 0.25), settings(), threads=64).memory == more.memory  # a batch of 2


def test_a_row_of_the_file_is_what_one_takes(tmp_path):
    picture = Picture("a", 0, 0, "train", np.full((40, 40), 255, np.uint8))
    one = Regime("growing", batch=1, steps=1, extra_steps=0, attempts=1)
    job = Job("a", make_target(picture.pixels), Init("independent"), 1)
    fit = fit_alone(job, BuildSettings(one, Init("independent")))
    stored = record(picture, fit) | {"weights_sha256": "0" * 64}
    sizes = {"H": 40, "W": 40, "L": len(stored["loss"])}
    bound = sum(column.row_bytes(sizes) for column in COLUMNS)
    assert cost_of(job.target, settings()).row == bound
    values = sum(np.asarray(v).nbytes for k, v in stored.items() if not isinstance(v, str | int))
    assert bound == pytest.approx(values, rel=0.02)


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (60, 60), (90, 120, 200)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def no_training(monkeypatch):
    def never(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(cohort.Cohort, "step", never)


def run(*arguments):
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    return line


@pytest.mark.wide
def test_a_size_that_cannot_fit_is_one_line_everywhere(photo, tmp_path, monkeypatch, no_training):
    monkeypatch.setattr(costs, "total", lambda: 16 * GB)
    words = "1024 x 1024 cells: training takes about "
    said = run("fit", photo, "--size", 1024, "--out", tmp_path / "a.h5", "--film", "none")
    assert words in said
    assert "of the file" in said
    assert "use a smaller size" in said
    out = tmp_path / "b.h5"
    call = ["--source", tmp_path, "--per-class", "all", "--size", 1024, "--out", out]
    assert words in run("build", *call, "--jobs", 1)
    with pytest.raises(nz.ZooError, match=words):
        nz.fit(photo, size=1024)
    with pytest.raises(nz.ZooError, match=words):
        nz.build(tmp_path, per_class="all", size=1024, out=out, jobs=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.png"]


@pytest.mark.parametrize("limit", ["available", "addressable"])
def test_what_the_process_may_have_counts(photo, monkeypatch, no_training, limit):
    monkeypatch.setattr(costs, limit, lambda: 10_000_000)
    with pytest.raises(ZooError, match=r"10 MB: use a smaller size") as told:
        nz.fit(photo, size=40)
    assert len(str(told.value).splitlines()) == 1


def test_much_memory_is_told(photo, monkeypatch, no_training):
    monkeypatch.setattr(costs, "MUCH", 1 << 20)
    with (
        pytest.warns(nz.ZooWarning, match="40 x 40 cells: training takes about .* kB of the file"),
        pytest.raises(AssertionError, match="training began"),
    ):
        nz.fit(photo, size=40)


def test_pictures_that_cannot_all_be_held(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(sources, "available", lambda: 1_000_000)
    call = ["--source", tmp_path, "--per-class", "all", "--size", 1024, "--out", tmp_path / "b.h5"]
    assert "1 pictures of 1024 x 1024 cells take 0.0 GB" in run("build", *call)


def test_memory_that_is_not_given_is_one_line(photo, tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError("Unable to allocate 51.5 GiB")

    monkeypatch.setattr(cohort.Cohort, "step", refuse)
    said = run("fit", photo, "--out", tmp_path / "a.h5", "--film", "none")
    assert "not enough memory (Unable to allocate 51.5 GiB); use a smaller size" in said
    assert not list(tmp_path.glob("a.h5*"))
