import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record, still

from nca_zoo.building.regrow import regrow_problems
from nca_zoo.store.verify import REGROW_ROWS, verify
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

COUNT = 9


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([still(number) for number in range(COUNT)])
        writer.add([still(COUNT) | {"status": "below_gate", "psnr_96": 1.0}])
    return path


def change(path, name, row, value):
    with h5py.File(path, "r+") as file:
        file[name][row] = value


def test_nothing_wrong(path):
    assert verify(path) == []
    assert verify(path, regrow_problems) == []


@pytest.mark.parametrize("sample", [None, 0, 1, 4, 9, 100])
def test_the_sample_is_spread_over_the_good(path, sample):
    asked: list[str] = []

    def regrow(zoo: Zoo) -> list[str]:
        assert len(zoo) <= REGROW_ROWS
        asked.extend(zoo.id)
        return ["trouble"]

    problems = verify(path, regrow, sample)
    good = open_zoo(path).id[open_zoo(path).good].tolist()
    count = COUNT if sample is None else min(sample, COUNT)
    assert len(set(asked)) == len(asked) == count
    assert set(asked) <= set(good)
    assert problems == ["trouble"] * bool(count)
    if count >= 2:
        assert {good[0], good[-1]} <= set(asked)


def test_regrowing_finds_what_is_not_so(path):
    change(path, "psnr_96", 0, 25.0)
    change(path, "psnr_400", 1, 25.0)
    change(path, "grown", 2, 99)
    assert verify(path) == []  # every value is one that the schema allows
    problems = verify(path, regrow_problems)
    assert [problem.split()[1] for problem in problems] == open_zoo(path).id[:3].tolist()
    assert "at step 96, not 25.00 dB as stored" in problems[0]
    assert "at step 400, not 25.00 dB as stored" in problems[1]
    assert "another picture" in problems[2]


@pytest.mark.wide
def test_command_verify(path):
    run = CliRunner().invoke(group, ["verify", "--zoo", str(path)])
    assert run.exit_code == 0
    assert run.stdout == f"{path}: all is well: 10 NCAs, 27 columns\n"
    run = CliRunner().invoke(group, ["verify", "--zoo", str(path), "--all"])
    assert "9 grown again" in run.stdout
    change(path, "psnr_96", 0, np.nan)
    change(path, "psnr_96", 4, 25.0)
    run = CliRunner().invoke(group, ["verify", "--zoo", str(path)])
    assert run.exit_code == 1
    assert run.stdout.count("\n") == 1
    assert "psnr_96 of 0-000 is nan" in run.stdout
    change(path, "psnr_96", 0, still(0)["psnr_96"])
    run = CliRunner().invoke(group, ["verify", "--zoo", str(path), "--sample", "9", "--json"])
    assert run.exit_code == 1
    found = json.loads(run.stdout)
    assert not found["ok"]
    assert len(found["problems"]) == 1


def test_command_verify_without_a_zoo(tmp_path):
    run = CliRunner().invoke(group, ["verify", "--zoo", str(tmp_path / "no.h5")])
    assert run.exit_code == 1
    assert "no such file" in run.stdout


def test_command_info(path):
    run = CliRunner().invoke(group, ["info", "--zoo", str(path)])
    assert run.exit_code == 0
    lines = run.stdout.splitlines()
    assert lines[0].startswith(f"{path}: 10 NCAs, ")
    assert "NCAs      1 below_gate, 9 ok" in lines
    assert "grid      6 x 5 cells" in lines
    assert lines[-1].split() == ["all", "10", "9", "1", *lines[-1].split()[4:]]
    told = json.loads(CliRunner().invoke(group, ["info", "--zoo", str(path), "--json"]).stdout)
    assert told["ncas"] == 10
    assert told["bytes"] == path.stat().st_size
    assert [row["class"] for row in told["classes"]] == ["0", "1", "2"]
    assert [row["ncas"] for row in told["classes"]] == [4, 3, 3]
    assert [row["failed"] for row in told["classes"]] == [1, 0, 0]
    of_ones = [still(number)["psnr_96"] for number in (1, 4, 7)]
    assert told["classes"][1]["median_psnr_96"] == pytest.approx(np.median(of_ones))
    assert told["settings"]["regime"]["batch"] == 2
    assert told["visible"] == "rgba"
    assert "visible   RGBA" in lines


def test_command_info_of_a_grey_zoo(tmp_path):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header(target={"visible": "grey"})) as writer:
        writer.add([record(0)])
    told = CliRunner().invoke(group, ["info", "--zoo", str(path)]).stdout.splitlines()
    assert "visible   grey: alpha alone, as white ink" in told
    as_json = CliRunner().invoke(group, ["info", "--zoo", str(path), "--json"]).stdout
    assert json.loads(as_json)["visible"] == "grey"


def test_command_info_reads_no_weights(path):
    change(path, "weights", 0, 1.0)  # so that they can be found
    at = path.read_bytes().index(np.ones(200, np.float32).tobytes())
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert CliRunner().invoke(group, ["info", "--zoo", str(path)]).exit_code == 0
    assert CliRunner().invoke(group, ["info", "1-001", "--zoo", str(path)]).exit_code == 0
    assert CliRunner().invoke(group, ["verify", "--zoo", str(path)]).exit_code == 1


def test_command_info_of_one(path):
    run = CliRunner().invoke(group, ["info", "2-001", "--zoo", str(path), "--json"])
    told = json.loads(run.stdout)
    assert told["id"] == "2-001"
    assert told["rng_seed"] == record(5)["rng_seed"]
    assert told["status"] == "ok"
    assert "weights" not in told
    run = CliRunner().invoke(group, ["info", "2-001", "--zoo", str(path)])
    assert f"psnr_96        {still(5)['psnr_96']:.6g} dB" in run.stdout
    run = CliRunner().invoke(group, ["info", "2-1", "--zoo", str(path)])
    assert run.exit_code == 1
    assert run.stderr.count("\n") == 1
    assert "the nearest are" in run.stderr


def test_command_info_of_failed_fits(tmp_path):
    path = tmp_path / "zoo.h5"
    nothing = {"psnr_96": np.nan, "psnr_400": -np.inf, "status": "diverged", "label": -1}
    with ZooWriter(path, header()) as writer:
        writer.add([record(0, **nothing)])
    told = json.loads(CliRunner().invoke(group, ["info", "--zoo", str(path), "--json"]).stdout)
    assert told["all"]["median_psnr_96"] is None
    one = CliRunner().invoke(group, ["info", "0-000", "--zoo", str(path), "--json"]).stdout
    assert json.loads(one, parse_constant=pytest.fail)["psnr_400"] is None
    assert " none " in CliRunner().invoke(group, ["info", "--zoo", str(path)]).stdout


@pytest.mark.parametrize("command", ["info", "verify"])
def test_help_has_examples(command):
    run = CliRunner().invoke(group, [command, "--help"])
    assert run.exit_code == 0
    assert f"nca-zoo {command}\n" in run.stdout
