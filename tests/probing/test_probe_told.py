"""What the probe says of it: what is left out or refused, tables, verdict, curve, the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from small_zoo import SmallZoo, probe, row, small_zoo

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.store.schema import Header
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group
from nca_zoo_cli.probe import curve, summary, table, verdict

pytestmark = pytest.mark.usefixtures("quick_readers")


@pytest.mark.wide
def test_failed_fits_are_left_out_unless_asked_for() -> None:
    zoo = small_zoo(n=70, in_weights=0.2)
    zoo.good[:6] = False
    zoo.label[10] = -1
    zoo.weights[20, 5] = np.nan
    zoo.weights[21, 5] = 3e38
    found, everything = probe(zoo), probe(zoo, all_fits=True)
    assert (found.n, found.left_out) == (61, 9)
    assert (everything.n, everything.left_out) == (67, 3)


def test_a_small_class_lowers_the_number_of_folds() -> None:
    zoo = small_zoo()
    found = probe(zoo.subset(np.flatnonzero((zoo.label > 0) | (np.arange(60) < 12))))
    assert found.folds == 4
    assert any("smallest class has 4 pictures" in line for line in summary(found, 5))


def _cut(keep: str) -> SmallZoo:
    zoo = small_zoo()
    rows = np.arange(60)
    chosen = {
        "nothing": rows < 0,
        "few": rows < 19,
        "one class": zoo.label == 1,
        "rare": (zoo.label > 0) | (rows < 9),
    }
    return zoo.subset(np.flatnonzero(chosen[keep]))


@pytest.mark.parametrize(
    ("keep", "settings", "text"),
    [
        ("nothing", {}, "has 0 pictures"),
        ("few", {}, "has 19 pictures.*needs 20"),
        ("one class", {}, "are of class 1"),
        ("rare", {}, "class 0 has 3 pictures.*needs 4"),
        ("rare", {"features": ["wieghts"]}, "no feature 'wieghts'"),
        ("rare", {"readers": ["svn"]}, "no reader of classes is called 'svn'"),
        ("rare", {"target": "wdith"}, "nothing called 'wdith'"),
        ("rare", {"target": "width", "readers": ["logistic"]}, "no reader of numbers"),
        ("rare", {"readers": []}, "no reader"),
        ("rare", {"folds": 1}, "folds is 1"),
        ("rare", {"repeats": 0}, "repeats is 0"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    keep: str, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ZooError, match=text) as caught:
        probe(_cut(keep), **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.wide
def test_learning_curves_start_low_and_end_with_the_table() -> None:
    zoo = small_zoo(180, in_weights=0.6)
    found = probe(zoo, sizes=[9, 48], folds=3)
    mine = {p.size: p.row.score for p in found.curve if p.row.feature == "b1"}
    assert list(mine) == [9, 48, 120]
    assert mine[9] + 0.05 < mine[120] == row(found, "b1").score
    assert len(found.curve) == 3 * len(found.rows)
    assert "b1 knn" in "\n".join(curve(found))
    with pytest.raises(ZooError, match="size 130 is more than the 120 pictures"):
        probe(zoo, sizes=[130], folds=3)


def test_result_survives_json() -> None:
    found = probe(small_zoo(in_weights=0.2))
    again = json.loads(json.dumps(found.as_dict()))
    assert again["rows"][0]["score"] == found.rows[0].score
    assert tuple(again["differences"][0].values()) == tuple(vars(found.differences[0]).values())
    assert (again["n"], again["folds"], again["classes"]) == (60, 5, ["0", "1", "2"])


def test_the_table_shows_every_number_and_marks_controls() -> None:
    found = probe(small_zoo(in_weights=0.2), readers=["logistic", "knn"])
    text = table(found)
    for r in found.rows:
        line = next(t for t in text if t.split()[0] == r.feature and f" {r.reader} " in t)
        assert f"{100 * r.accuracy:.1f} %" in line
        assert ("control" in line) == (r.kind == "control")
    assert len(text) == len(found.rows) + len(found.differences) + 3
    assert "guessing: 33.3 %" in summary(found, 5)[0]


def test_the_verdict_is_as_plain_when_nothing_can_be_told() -> None:
    found = probe(small_zoo(in_weights=0.2), features=["weights"])
    close = replace(found.differences[0], difference=0.012, low=-0.02, high=0.043)
    best = replace(close, control="grown", low=0.001)
    assert verdict(replace(found, differences=(close, best))) == [
        "Weights and raw pixels cannot be told apart: +1.2 points "
        "(95 % interval -2.0 to 4.3; 60 pictures, knn).",
        "Weights read better than the best picture control (grown pictures, knn) by 1.2 points "
        "(95 % interval 0.1 to 4.3; 60 pictures, knn).",
    ]
    tensor = replace(close, feature="W1", low=-0.04, high=-0.01, difference=-0.025)
    assert verdict(replace(found, differences=(tensor,))) == [
        "W1 reads worse than raw pixels by 2.5 points "
        "(95 % interval -4.0 to -1.0; 60 pictures, knn)."
    ]
    assert "nothing to compare" in verdict(probe(small_zoo(), features=["pixels"]))[0]


@pytest.fixture
def zoo_file(tmp_path: Path) -> Path:
    """A real file of 30 NCAs of 3 classes; one fit failed."""
    zoo = small_zoo(30, in_weights=0.5)
    records = [
        {
            "id": f"{zoo.label[i]}-{i:03d}",
            "weights": zoo.weights[i],
            "label": zoo.label[i],
            "source_index": zoo.source_index[i],
            "split": "train",
            "seed_row": zoo.seed_row[i],
            "seed_col": zoo.seed_col[i],
            "rng_seed": i,
            "init": "shared",
            "target": zoo.target[i],
            "grown": zoo.grown[i],
            "psnr_96": 25.0,
            "psnr_400": 25.0,
            "alive_400": 0.2,
            "wall_s": 1.0,
            "loss": np.ones(5, np.float32),
            "train_steps": 100,
            "attempts": 1,
            "status": "ok" if i else "below_gate",
        }
        for i in range(30)
    ]
    start = np.full(N_PARAMS, 0.5, np.float32)
    header = Header({}, "made for a test", "none", "sparse", {}, init_weights=start)
    with ZooWriter(tmp_path / "zoo.h5", header) as writer:
        writer.add(records)
    return tmp_path / "zoo.h5"


@pytest.mark.wide
def test_the_command_prints_table_and_verdict_and_the_same_as_json(zoo_file: Path) -> None:
    options = ["probe", "--zoo", str(zoo_file), "--features", "b1, delta", "--folds", "3"]
    people = CliRunner().invoke(group, [*options, "--repeats", "1"])
    program = CliRunner().invoke(group, [*options, "--repeats", "1", "--json"])
    assert people.exit_code == program.exit_code == 0, people.output + program.output
    found = json.loads(program.stdout)
    assert (found["n"], found["left_out"], found["folds"]) == (29, 1, 3)
    for r in found["rows"]:
        assert f"{100 * r['score']:.1f} %   {100 * r['low']:.1f} to" in people.stdout
    assert "1 NCA left out" in people.stdout
    assert any(line.startswith("b1 reads") for line in people.stdout.splitlines())


def test_the_command_fails_in_one_line(zoo_file: Path) -> None:
    for options in (["--features", "W3"], ["--zoo", str(zoo_file.with_name("none.h5"))]):
        run = CliRunner().invoke(group, ["probe", "--zoo", str(zoo_file), *options])
        assert run.exit_code == 1
        assert run.stdout == ""
        assert run.stderr.startswith("Error: ")
        assert len(run.stderr.splitlines()) == 1
    assert CliRunner().invoke(group, ["probe", "--folds", "1"]).exit_code == 2
