"""``--store``: what a study found stays in the zoo, as columns."""

import json

import numpy as np
import pytest
from commands import run
from rows import header, record

import nca_zoo
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.store.verify import verify
from nca_zoo.store.zoowriter import ZooWriter

N = 45


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Weights that fall into three classes by themselves; one fit failed."""
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    middles = np.random.default_rng(0).normal(size=(3, N_PARAMS)).astype(np.float32)
    rows = [record(n) for n in range(N)]
    for row in rows:
        row["weights"] = middles[row["label"]] + 0.1 * row["weights"]
    rows[7]["status"] = "below_gate"
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return path


@pytest.mark.wide
def test_clusters_and_places(path, tmp_path):
    call = ("cluster", "--zoo", path, "--seeds", "1", "--features", "b2,weights", "--store")
    assert "stored in" in run(*call).stderr
    run("cluster", "--zoo", path, "--seeds", "1", "--store")
    run("map", "--zoo", path, "--out", tmp_path / "map.png", "--store")
    run("map", "--zoo", path, "--out", tmp_path / "map.png", "--store")  # in its place
    zoo = nca_zoo.open(path)
    found = {column.name: column for column in zoo.described if column.origin == "added"}
    assert set(found) == {
        "kmeans_b2", "hdbscan_b2", "kmeans_weights", "hdbscan_weights", "map_weights"
    }  # fmt: skip
    assert found["kmeans_weights"].made_by == "nca-zoo cluster --features weights --seed 0"
    assert found["map_weights"].made_by.startswith("nca-zoo map --feature weights")
    clusters = {label: set(zoo.kmeans_weights[zoo.label == label]) for label in range(3)}
    assert all(len(those) == 1 for those in clusters.values())
    assert len(set.union(*clusters.values())) == 3
    assert zoo.map_weights.shape == (N - 1, 2)
    assert np.isfinite(zoo.map_weights).all()
    whole = nca_zoo.open(path, failed=True)
    failed = whole[record(7)["id"]]
    assert failed.kmeans_weights == np.iinfo("i2").min
    assert np.isnan(failed.map_weights).all()
    shown = {column["name"]: column for column in make_exhibit(whole, ["b2"]).about["columns"]}
    assert shown["kmeans_weights"]["classes"]
    assert shown["kmeans_weights"]["values"].count(None) == 1
    told = run("info", record(7)["id"], "--zoo", path).stdout.splitlines()
    assert "kmeans_weights -" in told  # not what stands for a missing integer in the file
    about = run("info", record(7)["id"], "--zoo", path, "--json").stdout
    assert json.loads(about)["kmeans_weights"] is None
    about = run("info", record(8)["id"], "--zoo", path, "--json").stdout
    assert json.loads(about)["kmeans_weights"] in clusters[record(8)["label"]]
    assert verify(path) == []
