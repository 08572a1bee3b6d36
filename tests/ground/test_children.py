"""Files planted in the current folder are not run by any process of ours."""

import os
import subprocess
import sys

import pytest
from rows import header, record
from small_builds import arguments, draw
from wide import mostly_wide

from nca_zoo.ground.children import isolated_children
from nca_zoo.store.zoowriter import ZooWriter

PLANTED = ("h5py", "numpy", "numba", "joblib", "json", "pickle", "multiprocessing", "torch")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, in which every library of ours lies once more, and tells if it is run."""
    here = tmp_path / "here"
    here.mkdir()
    for name in PLANTED:
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})")
    monkeypatch.chdir(here)
    return here


def run(*words):
    command = [sys.executable, "-P", "-m", "nca_zoo_cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def check(folder, done):
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (folder.parent / "run").exists(), (folder.parent / "run").read_text()


def test_the_plant_would_be_seen(folder):
    subprocess.run([sys.executable, "-c", "import joblib"], check=True)
    assert (folder.parent / "run").read_text() == "joblib"


def test_verify_reads_a_zoo_and_runs_nothing(folder):
    with ZooWriter(folder / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(3)])
    done = run("verify", "--zoo", "zoo.h5")
    check(folder, done)
    assert "all is well: 3 NCAs" in done.stdout


@pytest.mark.wide
@pytest.mark.parametrize("where", mostly_wide(["jobs", "cluster"]))
def test_workers_of_a_build_run_nothing(folder, where):
    words = arguments(draw(folder / "pictures", 2, 2), folder / "zoo.h5", jobs=2)
    if where == "cluster":
        pytest.importorskip("distributed")
        at = words.index("--jobs")
        words[at : at + 2] = ["--cluster", "local:2"]
    check(folder, run(*words))


@pytest.mark.wide
def test_readers_of_a_probe_run_nothing(folder, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # so that there are processes of readers
    with ZooWriter(folder / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(24)])
    check(folder, run("probe", "--zoo", "zoo.h5", "--readers", "knn", "--repeats", "1",
                      "--folds", "2", "--features", "b1"))  # fmt: skip


@pytest.mark.parametrize("before", [None, "", "1"])
def test_the_environment_is_as_it_was(monkeypatch, before):
    if before is None:
        monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONSAFEPATH", before)
    with isolated_children():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ.get("PYTHONSAFEPATH") == before
