"""Reading with NCAs held out: rows that are known beforehand, a lying zoo, fewer NCAs."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from grown_rows import grown_rows
from rows import header

from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.reading import STEPS, reading, thinned
from nca_zoo_cli import reader as command
from nca_zoo_cli.main import group

N = 50


@pytest.fixture(scope="module")
def rows(lively_weights):
    """NCAs along two directions from one, and what they grow."""
    return grown_rows(lively_weights(0), N, "grown")


def zoo_of(path, rows):
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return open_zoo(path)


@pytest.fixture(scope="module")
def zoo(rows, tmp_path_factory):
    return zoo_of(tmp_path_factory.mktemp("zoo") / "zoo.h5", rows)


@pytest.fixture(scope="module")
def found(zoo):
    return reading(zoo, sizes=[10], steps=15)


@pytest.mark.wide
def test_every_way_learns_from_as_many_and_is_compared_with_ridge(found):
    assert (found.held_out, found.steps) == (10, 15)
    assert [row.learnt_from for row in found.rows] == [10] * 7 + [40] * 7
    for row in found.rows:
        assert row.low <= row.median <= row.high
        assert row.gain_low <= row.gain <= row.gain_high
        assert (row.parameters > 0) == (row.name in READERS)
    for row in found.rows:
        if row.name == "ridge":
            assert (row.gain, row.gain_low, row.gain_high) == (0, 0, 0)
    last = {row.name: row for row in found.rows[7:]}
    for name in REGRESSIONS:
        assert last[name].median > last["mean picture"].median + 3
    assert last["mean picture"].gain < -3
    json.dumps(found.as_dict())


REGRESSIONS = ("ridge", "kernel ridge", "kernel ridge, then a U-Net")
READERS = (*REGRESSIONS, "transformer", "query reader")


@pytest.mark.wide
def test_networks_have_about_as_many_numbers(found):
    numbers = {row.name: row.parameters for row in found.rows}
    assert 0.5 < numbers["transformer"] / numbers["query reader"] < 2


@pytest.mark.wide
def test_of_weights_that_have_nothing_to_do_with_what_grew_nothing_is_told(rows, tmp_path):
    order = np.random.default_rng(1).permutation(N)
    lying = [row | {"grown": rows[i]["grown"]} for row, i in zip(rows, order, strict=True)]
    found = reading(zoo_of(tmp_path / "zoo.h5", lying), steps=15)
    told = {row.name: row.median for row in found.rows}
    for name in READERS:
        assert told[name] < told["mean picture"] + 1


def test_fewer_are_part_of_more_and_of_all_classes(zoo):
    few, more = (set(thinned(zoo, size, seed=0).id.tolist()) for size in (6, 20))
    assert few < more
    labels = thinned(zoo, 20, seed=0).label
    assert np.bincount(labels).tolist() == [10, 10]
    assert set(thinned(zoo, 6, seed=1).id.tolist()) != few


def test_what_cannot_be_read(zoo, rows, tmp_path):
    with pytest.raises(ZooError, match="--sizes must lie between 2 and the 40 NCAs"):
        reading(zoo, sizes=[41])
    with pytest.raises(ZooError, match="needs 20 NCAs and there are 12"):
        reading(zoo_of(tmp_path / "few.h5", rows[:12]))


def test_the_command_prints_its_table_and_names_the_defaults(zoo):
    words = ["reader", "test", str(zoo.path), "--steps", "2"]
    result = CliRunner().invoke(group, words)
    assert result.exit_code == 0, result.output
    for name in READERS:
        assert name in result.output
    assert command.STEPS == STEPS
