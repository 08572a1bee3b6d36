from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rows import header, record

from nca_zoo.probing.probe import Point, ProbeResult, Row
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.viewer.curve import _looks, write_curve
from nca_zoo_cli.main import group


def result() -> ProbeResult:
    rows = [
        Row(feature, kind, reader, score, score - 0.05, score + 0.05, 100)
        for feature, kind in (("weights", "weights"), ("pixels", "control"))
        for reader in ("knn", "svm")
        for score in (0.7,)
    ]
    curve = tuple(Point(size, row) for size in (20, 40, 80) for row in rows)
    return ProbeResult(
        rows=tuple(rows),
        differences=(),
        best=None,
        curve=curve,
        n=100,
        n_ncas=100,
        n_train=80,
        left_out=0,
        target="class",
        measure="accuracy",
        units="",
        classes=(0, 1),
        chance=0.5,
        folds=5,
        repeats=1,
        seed=0,
    )


@pytest.mark.wide
def test_the_curve_is_drawn_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        write_curve(tmp_path / name, result())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert {(214, 51, 108), (25, 113, 194)} <= {tuple(p) for p in pixels.tolist()}  # both features
    drawing = (tmp_path / "a.svg").read_text()
    assert "<svg" in drawing


def test_no_two_features_look_alike():
    one = result().curve[0]
    kinds = ["control"] * 12 + ["weights"] * 7
    curve = [Point(20, replace(one.row, feature=str(i), kind=kind)) for i, kind in enumerate(kinds)]
    assert len(set(_looks(curve).values())) == 19


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--plot", "x.png"], "name some, such as --sizes"),
        (["--plot", "x.gif", "--sizes", "20"], "must end in .png"),
        (["--sizes", "20,x"], "expected whole numbers"),
        (["--sizes", "3"], "needs 10 pictures"),
    ],
)
def test_wrong_wishes_are_said_in_one_line(tmp_path: Path, options: list[str], text: str) -> None:
    run = CliRunner().invoke(group, ["probe", "--zoo", str(tmp_path / "none.h5"), *options])
    assert run.exit_code == 1
    assert text in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.wide
def test_the_command_draws_what_it_prints(tmp_path: Path) -> None:
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(i) for i in range(24)])
    call = ["probe", "--zoo", str(tmp_path / "zoo.h5"), "--features", "b1", "--readers", "knn"]
    plot = tmp_path / "deep" / "curve.png"
    call += ["--folds", "2", "--repeats", "1", "--sizes", "10", "--plot", str(plot)]
    run = CliRunner().invoke(group, call)
    assert run.exit_code == 0, run.output
    assert "By pictures learned from:" in run.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
