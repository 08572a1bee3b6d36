"""One notion of near: scikit-learn's own steps give it, and map, page and neighbours use it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from nca_zoo.explorer.chart import Chart
from nca_zoo.features import nearness
from nca_zoo.features.nearness import directions, nearest
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import embedding
from nca_zoo_cli.main import group


def vectors(count):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, 30)) * rng.uniform(0.1, 9, 30) + 5).astype(np.float32)


def reference(rows, known):
    """What ``directions`` says it does, by other hands."""
    steps = make_pipeline(StandardScaler(), PCA(), Normalizer())
    return steps.fit(rows[known]).transform(rows)


def inner(rows):
    """Signs and turns of axes do not count: what does is the angle of any two."""
    return rows @ rows.T


def test_directions_are_those_of_scikit_learn():
    rows = vectors(60)
    known = np.arange(60) % 3 > 0
    for mask in (None, known):
        expected = reference(rows, slice(None) if mask is None else mask)
        np.testing.assert_allclose(inner(directions(rows, mask)), inner(expected), atol=1e-4)
    assert not directions(np.ones((5, 9), np.float32)).any()
    assert directions(rows[:1]).shape[0] == 1
    few = np.arange(60) == 3  # too few to learn from
    np.testing.assert_array_equal(directions(rows, few), directions(rows))


@pytest.mark.parametrize("gone", [np.nan, np.inf, 1e37])
def test_what_diverged_moves_no_other(gone):
    rows = vectors(40)
    known = np.arange(40) < 39
    before = directions(rows, known)[:39]
    rows[39] = gone
    found = directions(rows, known)
    np.testing.assert_array_equal(found[:39], before)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("at_once", [1, 100, 2**24])
def test_the_nearest_are_those_of_scikit_learn(monkeypatch, at_once):
    monkeypatch.setattr(nearness, "_AT_ONCE", at_once)
    rows = vectors(41)
    found, apart = nearest(rows, 5)
    distances, expected = NearestNeighbors(n_neighbors=5).fit(rows).kneighbors()
    assert np.array_equal(found, expected)
    np.testing.assert_allclose(apart, distances, rtol=1e-5)
    assert nearest(rows[:3], 5)[0].shape == (3, 2)
    assert nearest(rows[:1], 5)[0].shape == (1, 0)


def test_of_equally_near_ones_the_first_counts():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (60, 2)).astype(np.float32)  # nine places, many times each
    found, _ = nearest(rows, 5)
    apart = np.linalg.norm(rows[:, None] - rows, axis=2)
    for row, near in enumerate(found):
        others = sorted(set(range(60)) - {row}, key=lambda other: (apart[row, other], other))
        assert near.tolist() == others[:5]


def test_page_and_command_name_the_same_neighbours_and_the_map_has_the_same_rows(
    tmp_path, lively_weights, monkeypatch
):
    path = tmp_path / "zoo.h5"
    place = {"seed_row": 4, "seed_col": 4}
    with ZooWriter(path, header()) as writer:
        writer.add([
            record(i, (9, 9), weights=lively_weights(i), **place)
            | ({"status": "below_gate"} if i == 5 else {})
            for i in range(14)
        ])  # fmt: skip
    zoo = open_zoo(path)
    good = zoo.subset(zoo.good)
    expected = reference(good.weights, slice(None))
    order = NearestNeighbors(n_neighbors=3).fit(expected).kneighbors()[1]
    for row in (0, 4, 9):
        wanted = good.id[order[row]].tolist()
        call = ["neighbours", str(good.id[row]), str(path), "--count", "3", "--json"]
        found = json.loads(CliRunner().invoke(group, call).stdout)["nearest"]["weights"]
        assert [near["id"] for near in found] == wanted
        near = Chart(good, "weights").first()["near"][row][:3]
        assert good.id[near].tolist() == wanted
    laid = []
    monkeypatch.setattr(embedding, "lay_out", lambda rows, *settings: laid.append(rows))
    embedding.embed(good.weights)
    np.testing.assert_allclose(inner(laid[0]), inner(expected), atol=1e-4)
