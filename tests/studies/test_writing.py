"""Writing and reading with pictures held out: rows that are known beforehand, and a lying zoo."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from grown_rows import grown_rows
from rows import header

from nca_zoo.errors import ZooError
from nca_zoo.networks.writing import COMPONENTS, Size, learn_writer
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.writing import GIVEN, LINEAR, both_ways
from nca_zoo_cli.main import group
from nca_zoo_cli.writer import PATTERNS, PATTERNS_OF_MANY

N = 40


@pytest.fixture(scope="module")
def rows(lively_weights):
    """NCAs along two directions from one; targets are what they grow."""
    return grown_rows(lively_weights(0), N, "target")


def zoo_of(path, rows):
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return open_zoo(path)


def named(found):
    return {row.name: row for row in found}


def test_rows_are_in_the_order_of_what_each_way_knows(rows, tmp_path):
    found = both_ways(zoo_of(tmp_path / "zoo.h5", rows), components=4)
    assert (found.learnt_from, found.held_out) == (32, 8)
    written, read = named(found.written), named(found.read)
    own = written["trained on the picture itself"]
    assert own.median > 40  # they grow their targets, but for rounding
    for row in (*found.written, *found.read):
        assert row.low <= row.median <= row.high
        assert row.n == 8
    assert written[LINEAR].median > written["mean of the weights"].median + 3
    assert written[LINEAR].median < own.median
    assert read["read from the weights"].median > read["mean picture"].median + 3
    json.dumps(found.as_dict())


def test_weights_that_have_nothing_to_do_with_their_pictures_are_not_written(rows, tmp_path):
    order = np.random.default_rng(1).permutation(N)
    lying = [row | {"weights": rows[i]["weights"]} for row, i in zip(rows, order, strict=True)]
    for row in lying:
        del row["weights_sha256"]
    found = both_ways(zoo_of(tmp_path / "zoo.h5", lying), components=4)
    written, read = named(found.written), named(found.read)
    assert written[LINEAR].median < written["mean of the weights"].median + 2
    assert read["read from the weights"].median < read["mean picture"].median + 1


def test_fits_of_one_picture_count_once(rows, tmp_path):
    again = [row | {"id": f"{row['id']}+02", "weights": row["weights"] + 1} for row in rows]
    for row in again:
        del row["weights_sha256"]
    both = zoo_of(tmp_path / "both.h5", [*rows, *again])
    found = both_ways(both, components=4)
    assert found.learnt_from + found.held_out == N


def test_the_command_prints_the_table_and_its_default_is_the_writers(rows, tmp_path):
    zoo_of(tmp_path / "zoo.h5", rows)
    arguments = ["writer", "test", str(tmp_path / "zoo.h5"), "--components", "4", "--jobs", "1"]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    for name in ("trained on the picture itself", "the start", "read from the weights"):
        assert name in result.output
    found = json.loads(CliRunner().invoke(group, [*arguments, "--json"]).stdout)
    assert found["held_out"] == 8
    assert (COMPONENTS, Size().components) == (PATTERNS, PATTERNS_OF_MANY)


def test_a_small_zoo_is_told_what_is_missing(rows, tmp_path):
    with pytest.raises(ZooError, match="needs 20 NCAs and there are 12"):
        both_ways(zoo_of(tmp_path / "zoo.h5", rows[:12]))
    untested = [row for row in rows if row["split"] == "train"]
    with pytest.raises(ZooError, match="with test pictures needs 2 NCAs and there are 0"):
        both_ways(zoo_of(tmp_path / "untested.h5", untested))


def test_a_writer_that_is_given_is_tried_beside(rows, tmp_path):
    zoo = zoo_of(tmp_path / "zoo.h5", rows)
    flat = replace(learn_writer(zoo, 4), scales=np.zeros(4, np.float32))  # knows the mean alone
    found = named(both_ways(zoo, 4, writer=flat).written)
    assert found[GIVEN].median == pytest.approx(found["mean of the weights"].median, abs=1)
    linear = named(both_ways(zoo, 4).written)[LINEAR]
    beside = found[LINEAR]
    assert (beside.median, beside.lasting) == (linear.median, linear.lasting)
