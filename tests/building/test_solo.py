"""A zoo of one: locked early, whole or not at all, and nothing in the way of the next."""

import os

import numpy as np
import pytest
from killing import killed_at_call
from rows import header, record

from nca_zoo.building import solo
from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.solo import zoo_of_one
from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import Source
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import Init
from nca_zoo.training.regime import Regime

SOURCE = Source("a.png", "unknown", "a picture")


@pytest.fixture
def settings(monkeypatch):
    """Of a fit that was made already: ``put`` takes a record as it is."""
    monkeypatch.setattr(solo, "record", lambda picture, fit: fit)
    monkeypatch.setattr(solo, "further_columns", lambda fit, regime, by: {})
    return BuildSettings(Regime("growing", steps=1), Init("independent"))


def fit(path, settings, number, replace=True):
    with zoo_of_one(path, SOURCE, settings, None, replace) as put:
        put(None, record(number, id="a"))


@pytest.mark.wide
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_call_leaves_the_old_or_the_new_and_the_next_fit_goes(tmp_path, settings):
    path, seen, killed, count = tmp_path / "a.h5", set(), True, 0
    while killed:
        count += 1
        fit(path, settings, 1)
        killed = killed_at_call(count, lambda: fit(path, settings, 2))
        zoo = open_zoo(path)
        seen.add(int(zoo.source_index[0]))
        np.testing.assert_array_equal(zoo.weights[0], record(int(zoo.source_index[0]))["weights"])
        assert verify(path) == []
        fit(path, settings, 3)
        assert open_zoo(path).source_index.tolist() == [3]
        assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    assert count > 3
    assert seen == {1, 2}


def test_an_error_before_the_end_leaves_the_old(tmp_path, settings):
    path = tmp_path / "a.h5"
    fit(path, settings, 1)
    with pytest.raises(ZeroDivisionError), zoo_of_one(path, SOURCE, settings, None, replace=True):
        _ = 1 / 0
    assert open_zoo(path).source_index.tolist() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_build_in_the_way_is_said_before_any_training(tmp_path, settings):
    path = tmp_path / "a.h5"
    with ZooWriter(path, header()) as writer:
        with pytest.raises(ZooError, match=r"a\.h5 is being written already"):
            fit(path, settings, 1)
        writer.add([record(0), record(1)])
        writer.add([record(2)])  # in a shard, where a kill leaves it
        shards = {p.name: p.read_bytes() for p in (tmp_path / "a.h5.shards").iterdir()}
    path.unlink()
    (tmp_path / "a.h5.shards").mkdir()
    for name, data in shards.items():
        (tmp_path / "a.h5.shards" / name).write_bytes(data)
    for replace, words in ((False, "exists already; give --replace"), (True, "parts lie beside")):
        with pytest.raises(ZooError, match=words):
            fit(path, settings, 2, replace)
    assert len(open_zoo(path)) == 1
