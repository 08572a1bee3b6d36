"""What readers answered, left in the zoo: as h5py sees it, it is what the probe counted."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.probing.quantities import quantity
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

N = 42


@pytest.fixture
def path(tmp_path):
    rows = [record(number) for number in range(N)]
    for row in rows:  # something to read, and one failed fit
        row["weights"] = row["weights"] + np.float32(0.15) * (np.arange(8336) % 3 == row["label"])
    rows[5]["status"] = "below_gate"
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    return tmp_path / "zoo.h5"


def run(path, *words):
    call = ["probe", "--zoo", str(path), "--readers", "logistic,knn", "--repeats", "1", *words]
    call += ["--features", "weights"]
    found = CliRunner().invoke(group, [*call, "--store", "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.wide
def test_stored_answers_are_those_that_were_counted(path):
    told = run(path)
    assert "answered" not in told
    with h5py.File(path) as file:
        ok = file["status"][:] == b"ok"
        assert ok.sum() == N - 1
        for reader in ("logistic", "knn"):
            found = file[f"class_by_{reader}_from_weights"]
            assert (found[:][~ok] == b"").all()
            score = next(
                r["score"]
                for r in told["rows"]
                if (r["feature"], r["reader"]) == ("weights", reader)
            )
            assert np.mean(found[:][ok].astype(int) == file["label"][:][ok]) == pytest.approx(score)
            assert b"nca-zoo probe" in bytes(found.attrs["made_by"])
    again = quantity(open_zoo(path), "class_by_knn_from_weights")
    assert again.known.sum() == N - 1  # no text is no answer


@pytest.mark.wide
def test_numbers_have_their_units_and_a_second_time_replaces(path):
    call = ["probe", "--zoo", str(path), "--target", "psnr_96", "--features", "weights"]
    call += ["--repeats", "1"]
    for _ in range(2):
        assert CliRunner().invoke(group, [*call, "--readers", "ridge", "--store"]).exit_code == 0
    zoo = open_zoo(path)
    (column,) = [c for c in zoo.described if c.name == "psnr_96_by_ridge_from_weights"]
    assert column.units == "dB"
    assert np.isfinite(zoo.column(column.name)).sum() == N - 1
