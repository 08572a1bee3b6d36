"""The script for machines with a GPU, tried on the CPU: what it measures, and what it survives."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))
ABSENT = (
    "tqdm sklearn imageio imageio_ffmpeg PIL pandas scipy matplotlib mlxtend anyascii "
    "threadpoolctl torchvision umap pytest hypothesis"
)

sections = importlib.import_module("accelerator_sections")
accelerator = importlib.import_module("accelerator")


def plan(engines=("dense",), **changes):
    asked = {"ncas": (1, 2), "batches": (2,), "builds": (1,), "ca_steps": 3, "device": "cpu"}
    asked |= {"digits": Path("none.npz"), "until": time.monotonic() + 1e4}
    return sections.Plan(engines=engines, **asked | changes)


def rows(printed):
    """The rows of a table, as cells."""
    lines = [line for line in printed.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.wide
def test_the_checks_pass_and_see_what_is_off(capsys, monkeypatch):
    sections.checks(plan())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("- ok: ") for line in lines)
    engine = sections.DenseEngine

    class Wrong(engine):
        def _gradients(self, *arguments):
            found = super()._gradients(*arguments)
            noise = 1 + 1e-3 * np.random.default_rng().random(found.losses.shape)
            return found._replace(losses=found.losses * noise)

    monkeypatch.setattr(sections, "make_engine", lambda *_: Wrong())
    monkeypatch.setattr(sections, "DenseEngine", Wrong)
    sections.checks(plan())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("- OFF: dense, float64")
    assert lines[1] == "- DIFFERS: dense, the same call twice, bit for bit"


def test_all_engines_take_the_same_steps(capsys, monkeypatch):
    sections.parity(plan(("dense", "nonsense")))
    found = rows(capsys.readouterr().out)
    assert [row[0] for row in found] == ["dense on the CPU", "dense", "nonsense"]
    assert [row[-1] for row in found] == ["ok", "ok", "failed"]
    assert "no engine is called 'nonsense'" in found[2][1]
    assert float(found[1][2].split(" / ")[1]) < 1e-5


def test_steps_are_timed_until_there_is_no_time(capsys):
    sections.steps(plan())
    found = rows(capsys.readouterr().out)
    assert [row[1] for row in found] == ["1", "2"]
    assert all(float(row[3]) > 0 and float(row[5].removesuffix(" s")) > 0 for row in found)
    sections.steps(plan(until=time.monotonic()))
    assert [row[3] for row in rows(capsys.readouterr().out)] == ["left out: no time"] * 2


def test_the_roofline_counts_what_the_plain_rule_counts(capsys):
    asked = plan()
    arguments = sections.call_of(asked, 2, 2)
    ncas, states, _, steps = arguments
    count = importlib.import_module("roofline").count
    expected = sum(
        count(ncas.weights[k], states[k], ncas.keys[k], int(steps[k]), 4).firing for k in range(2)
    )
    assert sections.useful_cells(arguments, 4) == expected > 0
    sections.roofline(asked)
    (row,) = rows(capsys.readouterr().out)
    assert row[:2] == ["dense", "4"]
    cells = 4 * 28 * 28 * 3
    assert float(row[4]) == pytest.approx(cells * 61_440 / 1e9, rel=1e-2)
    assert float(row[3]) == pytest.approx(expected * 49_152 / 1e9, abs=0.01)


def test_a_build_goes_through_the_gate_and_says_where_the_time_went(capsys):
    sections.build(plan(("sparse",)))
    (row,) = rows(capsys.readouterr().out)
    assert row[:3] == ["1", "sparse", "1"]
    whole, *parts = (float(cell) for cell in row[3:7])
    assert sum(parts) == pytest.approx(whole, abs=0.21)
    assert float(row[9]) >= 10  # training steps: the first check
    sections.build(plan(("sparse",), until=time.monotonic()))
    assert rows(capsys.readouterr().out)[0][2] == "left out: no time"


def test_digits_are_grown_where_they_are_at_hand(tmp_path):
    image = np.zeros((5000, 28, 28), np.uint8)
    image[:, 10:20, 12:15] = 255
    np.savez(tmp_path / "digits.npz", images=image, labels=np.zeros(5000, int))
    mine = plan(digits=tmp_path / "digits.npz")
    assert (sections.targets(mine, 1)[0].rgba[12, 13] == 1).all()
    strokes = sections.targets(plan(), 20)
    inked = [np.count_nonzero(target.rgba[..., 3] > 0.1) for target in strokes]
    assert 30 < min(inked) < max(inked) < 150


def test_engines_are_named_with_the_precision_of_their_products():
    pytest.importorskip("triton")
    import interpreted

    asked = plan(("fused", "fused:tf32"), device=interpreted.DEVICE)
    made = [make() for make in sections.engines(asked).values()]
    assert [engine._precision for engine in made] == ["ieee", "tf32"]


def run(tmp_path, *arguments):
    out = tmp_path / "report.md"
    result = CliRunner().invoke(
        accelerator.main, ["--device", "cpu", "--out", str(out), *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return out.read_text()


@pytest.mark.wide
def test_a_section_that_fails_or_is_cut_costs_itself_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerator, "LEAST_S", 0.01)
    report = run(tmp_path, "--budget", "0.02", "--only", "checks,roofline")
    assert report.count("**Cut after") == 2
    monkeypatch.setattr(accelerator, "LEAST_S", 300)
    monkeypatch.setitem(accelerator.TITLES, "nothing", "No such section")
    monkeypatch.setitem(sections.SECTIONS, "nothing", (None, 0.1))
    report = run(tmp_path, "--engines", "nonsense", "--only", "roofline,nothing", "--ncas", "1")
    assert "no engine is called 'nonsense'" in report
    assert report.count("**Failed after") == 2
    assert "## No such section" in report
    assert "All of it took" in report


def test_without_a_gpu_it_says_so():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    result = CliRunner().invoke(accelerator.main, [])
    assert result.exit_code == 1
    assert "Error: torch sees no CUDA device here; --device cpu tries" in result.output


@pytest.mark.wide
def test_few_libraries_are_enough(tmp_path):
    """On a machine with torch, numpy, numba, h5py, click and joblib, and nothing installed."""
    for name in ABSENT.split():
        absent = f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n"
        (tmp_path / f"{name}.py").write_text(absent)
    sizes = ["--ncas", "1", "--batches", "1", "--builds", "1", "--ca-steps", "2", "--budget", "600"]
    command = [sys.executable, FOLDER / "accelerator.py", "--device", "cpu", *sizes]
    for engine, only in (("dense", "checks,steps"), ("sparse", "build")):
        out = tmp_path / f"{engine}.md"
        asked = ["--engines", engine, "--only", only, "--out", out, "--digits", "none.npz"]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        subprocess.run([*command, *asked], check=True, env=environment, cwd=tmp_path)
        report = out.read_text()
        assert "Failed" not in report
        assert "Cut" not in report
        for key in only.split(","):
            assert f"## {accelerator.TITLES[key]}" in report
