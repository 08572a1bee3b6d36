import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record
from sklearn.metrics import normalized_mutual_info_score

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import PICTURE_CONTROLS
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import cluster as clustering
from nca_zoo.studies.cluster import ClusterResult, cluster, crosstab, mutual_information
from nca_zoo_cli.cluster import differences
from nca_zoo_cli.main import group


def zoo_of(path: Path, n: int = 36, in_weights: float = 0.0) -> Zoo:
    """A zoo of noise, its class added to the weights as loudly as asked."""
    with ZooWriter(path, header()) as writer:
        rows = [record(i) for i in range(n)]
        for row in rows:
            row["weights"] += in_weights * np.float32(np.arange(N_PARAMS) % 3 == row["label"])
        writer.add(rows)
    return open_zoo(path)


def rows_of(result: ClusterResult, feature: str, method: str) -> list[clustering.Row]:
    return [r for r in result.rows if (r.feature, r.method) == (feature, method)]


def test_mutual_information_is_that_of_scikit_learn_on_the_rows_drawn() -> None:
    rng = np.random.default_rng(0)
    labels, clusters = rng.integers(0, 4, 50), rng.integers(-1, 5, 50)
    counts = rng.multinomial(50, np.full(50, 1 / 50), size=5).astype(float)
    found = mutual_information(crosstab(labels, clusters, counts))
    for one, times in zip(found, counts.astype(int), strict=True):
        drawn = np.repeat(np.arange(50), times)
        assert one == pytest.approx(normalized_mutual_info_score(labels[drawn], clusters[drawn]))


def test_one_cluster_says_nothing() -> None:
    table = crosstab(np.array([0, 1, 1]), np.zeros(3, int), np.ones((1, 3)))
    assert mutual_information(table) == 0


@pytest.mark.wide
def test_classes_that_are_in_the_weights_alone_are_found_there_alone(tmp_path: Path) -> None:
    result = cluster(zoo_of(tmp_path / "zoo.h5", in_weights=3), seeds=2)
    for row in rows_of(result, "weights", "kmeans"):
        assert (row.nmi, row.ari, row.purity) == pytest.approx((1, 1, 1))
    assert all(row.nmi < 0.5 for row in rows_of(result, "pixels", "kmeans"))
    first = result.differences[0]
    assert (first.feature, first.control, first.method) == ("weights", "pixels", "kmeans")
    assert 0 < first.low < first.difference < first.high
    assert "better than those of the best picture control" in differences(result)[-1]


@pytest.mark.wide
def test_noise_has_an_adjusted_index_near_0_and_holds_its_own_interval(tmp_path: Path) -> None:
    result = cluster(zoo_of(tmp_path / "zoo.h5"), seeds=3, seed=1)
    assert all(abs(row.ari) < 0.25 for row in result.rows if row.feature == "weights")
    assert all(row.nmi_low <= row.nmi <= row.nmi_high for row in result.rows)
    assert all(row.nmi_spread == 0 for row in result.rows if row.method == "hdbscan")
    assert "no more and no less" in differences(result)[-1]


@pytest.mark.wide
def test_all_features_meet_the_same_choices(tmp_path: Path) -> None:
    result = cluster(zoo_of(tmp_path / "zoo.h5"), ["b1", "W2"], seeds=1)
    met: dict[str, list[tuple[str, str]]] = {}
    for row in result.rows[:-1]:
        met.setdefault(row.feature, []).append((row.scaling, row.method))
    assert set(met) == {"b1", "W2", *PICTURE_CONTROLS, "seed", "gradient"}
    assert all(choices == met["b1"] for choices in met.values())
    assert result.rows[-1].feature == "shuffled"


@pytest.mark.wide
def test_the_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    zoo = zoo_of(tmp_path / "zoo.h5")
    assert cluster(zoo, ["b1"], 2, seed=5) == cluster(zoo, ["b1"], 2, seed=5)
    assert cluster(zoo, ["b1"], 2, seed=5) != cluster(zoo, ["b1"], 2, seed=6)


@pytest.mark.wide
def test_failed_fits_stay_out_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(i, status="below_gate" if i < 3 else "ok") for i in range(33)])
    found = cluster(open_zoo(path), ["b2"], 1)
    assert (found.n, found.left_out) == (30, 3)
    found = cluster(open_zoo(path), ["b2"], 1, all_fits=True)
    assert (found.n, found.left_out) == (33, 0)


def test_what_cannot_be_clustered_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="9 NCAs of 3 classes"):
        cluster(zoo_of(tmp_path / "small.h5", 9))
    zoo = zoo_of(tmp_path / "zoo.h5")
    with pytest.raises(ZooError, match="no feature 'wieghts'"):
        cluster(zoo, ["wieghts"])
    with pytest.raises(ZooError, match="clusters is 99"):
        cluster(zoo, clusters=99)


@pytest.mark.wide
def test_the_command_prints_a_table_and_the_same_as_json(tmp_path: Path) -> None:
    zoo_of(tmp_path / "zoo.h5")
    call = ["cluster", "--zoo", str(tmp_path / "zoo.h5"), "--features", "b1", "--seeds", "2"]
    printed = CliRunner().invoke(group, call)
    assert printed.exit_code == 0, printed.output
    assert "36 NCAs of 36 pictures, 3 classes" in printed.output
    found = json.loads(CliRunner().invoke(group, [*call, "--json"]).stdout)
    assert found["clusters"] == 3
    assert f"{found['differences'][0]['difference']:+.3f}" in printed.output
