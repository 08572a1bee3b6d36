"""A sample of a zoo: as large as asked for, even over the classes, with the one that is kept."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rows import header, record

from nca_zoo.store.sampling import sample_classes, sample_rows, sampled
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(60)])
    return open_zoo(path)


def test_a_sample_is_even_and_the_same_every_time(zoo):
    part = sampled(zoo, 12)
    assert np.bincount(part.label).tolist() == [4, 4, 4]
    assert part.id.tolist() == sampled(zoo, 12).id.tolist()
    np.testing.assert_array_equal(part.weights, zoo.weights[[zoo.index(i) for i in part.id]])


@pytest.mark.parametrize("most", [None, 60, 1000])
def test_enough_is_all(zoo, most):
    assert sampled(zoo, most) is zoo


def test_the_one_asked_about_is_always_there(zoo):
    for nca_id in zoo.id:
        part = sampled(zoo, 6, keep=nca_id)
        assert len(part) == 6
        assert nca_id in part.id


@pytest.mark.wide
def test_commands_say_that_they_sample(zoo):
    command = ["neighbours", "0-003", "--zoo", str(zoo.path), "--count", "2", "--json"]
    some = CliRunner().invoke(group, [*command, "--sample", "10"])
    assert "note: 10 of the 60 NCAs" in some.stderr
    assert (json.loads(some.stdout)["total"], json.loads(some.stdout)["n"]) == (60, 9)
    everything = CliRunner().invoke(group, [*command, "--sample", "all"])
    assert "note" not in everything.stderr
    assert json.loads(everything.stdout)["n"] == 59
    assert CliRunner().invoke(group, [*command, "--sample", "0"]).exit_code == 2


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=40), st.integers(1, 9))
def test_so_many_of_each_class_class_by_class(labels, most):
    labels = np.array(labels)
    rows = sample_classes(labels, most)
    assert len(set(rows.tolist())) == len(rows)
    assert np.array_equal(rows, sample_classes(labels, most))
    assert (np.diff(labels[rows]) >= 0).all()
    for label in np.unique(labels):
        mine = rows[labels[rows] == label]
        assert len(mine) == min(most, (labels == label).sum())
        assert (np.diff(mine) > 0).all()


def test_a_larger_sample_holds_the_smaller_one():
    labels = np.repeat([0, 1, 2], [50, 5, 45])
    assert set(sample_classes(labels, 3)) < set(sample_classes(labels, 4))
    assert set(sample_rows(labels, 9)) == set(sample_classes(labels, 3))
