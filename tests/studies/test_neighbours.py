import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record
from threadpoolctl import threadpool_info, threadpool_limits

from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import neighbours as neighbours_module
from nca_zoo.studies.neighbours import DISTANCES, LOOKS, _of_behaviour, neighbours
from nca_zoo.symmetry import group as symmetry
from nca_zoo_cli.main import group

PLACE = {"seed_row": 4, "seed_col": 4}


@pytest.fixture
def zoo(tmp_path: Path, lively_weights) -> Zoo:
    """0-000; 1-000, the same scrambled by a symmetry; 2-000, the same nudged; and strangers."""
    first = lively_weights(0)
    scrambled = symmetry.act(symmetry.random_element(5), first.astype(float)).astype(np.float32)
    nudged = first + np.float32(1e-3)
    weights = [first, scrambled, nudged, *(lively_weights(s) for s in (1, 2, 3))]
    rows = [record(i, (9, 9), weights=w, **PLACE) for i, w in enumerate(weights)]
    rows[5]["status"] = "below_gate"
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    return open_zoo(tmp_path / "zoo.h5")


def test_a_scrambled_copy_is_near_when_aligned_and_in_what_it_does_alone(zoo: Zoo) -> None:
    nearest = neighbours(zoo, "0-000", count=9).nearest
    assert nearest["weights"][0].id == "2-000"
    assert nearest["weights"][-1].id == "1-000"
    assert nearest["behaviour"][0].id == "1-000"
    assert nearest["behaviour"][0].distance < 1e-6
    aligned = {near.id: near.distance for near in nearest["aligned"]}
    assert aligned["1-000"] < 0.05 * {n.id: n.distance for n in nearest["weights"]}["1-000"]


def test_rounding_does_not_depend_on_the_number_of_cores(zoo: Zoo, monkeypatch) -> None:
    threads = {}

    def spied(name, distances):
        def spy(*arguments):
            threads[name] = {pool["num_threads"] for pool in threadpool_info()}
            return distances(*arguments)

        return spy

    for name, distances in DISTANCES.items():
        monkeypatch.setitem(DISTANCES, name, spied(name, distances))
    with threadpool_limits(limits=2):
        neighbours(zoo, "0-000")
    assert threads == {name: {1} for name in DISTANCES}


def test_behaviour_is_what_rollouts_one_by_one_show(zoo: Zoo) -> None:
    found = {n.id: n.distance for n in neighbours(zoo, "0-000", 9, seed=7).nearest["behaviour"]}
    seen = {}
    for nca_id in ("0-000", "0-001"):
        row = zoo.index(nca_id)
        states = dict(rollout(zoo.weights[row], zoo.seed_states(row), LOOKS[-1], 7))
        seen[nca_id] = np.stack([np.clip(states[look][..., :4], 0, 1) for look in LOOKS])
    assert found["0-001"] == pytest.approx(((seen["0-000"] - seen["0-001"]) ** 2).mean(), rel=1e-5)


def test_failed_fits_and_the_one_itself_stay_out(zoo: Zoo) -> None:
    found = neighbours(zoo, "0-000", 9)
    assert found.n == 4
    assert {n.id for n in found.nearest["weights"]} == set(zoo.id) - {"0-000", "2-001"}
    assert neighbours(zoo, "0-000", 9, all_fits=True).n == 5


def test_what_diverged_is_near_to_nothing(zoo: Zoo, lively_weights) -> None:
    gone = np.full(zoo.weights.shape[1], np.nan, np.float32)
    with ZooWriter(zoo.path, header()) as writer:
        for number, weights in ((7, gone), (8, 1e7 + gone * 0), (10, lively_weights(5))):
            new = record(number, (9, 9), weights=weights, status="diverged", **PLACE)
            writer.add([new])
    more = open_zoo(zoo.path)
    found = neighbours(more, "0-000", 9, all_fits=True)
    names = {near.id for near in found.nearest["aligned"]}
    assert found.n == len(names) == 6
    assert "1-003" in names
    with pytest.raises(ZooError, match="1-002 has diverged"):
        neighbours(more, "1-002", all_fits=True)


def test_an_unknown_id_names_the_nearest(zoo: Zoo) -> None:
    with pytest.raises(ZooError, match="no NCA '0-00'; the nearest are"):
        neighbours(zoo, "0-00")


def test_the_command_prints_a_table_and_the_same_as_json(zoo: Zoo) -> None:
    call = ["neighbours", "0-000", "--zoo", str(zoo.path), "--count", "2"]
    printed = CliRunner().invoke(group, call)
    assert printed.exit_code == 0, printed.output
    assert "Nearest to 0-000 (class 0) of 4 NCAs" in printed.output
    found = json.loads(CliRunner().invoke(group, [*call, "--json"]).stdout)
    assert list(found["nearest"]) == ["weights", "aligned", "behaviour"]
    assert all(near["id"] in printed.output for near in found["nearest"]["aligned"])


def test_the_states_of_all_are_never_held(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty times the zoo, in memory; the same distances as of each pair alone."""
    many = zoo.subset(np.arange(len(zoo)).tolist() * 40)
    alone = [_of_behaviour(zoo.subset([0, row]), 3)[0] for row in range(1, len(zoo))]
    monkeypatch.setattr(neighbours_module, "AT_ONCE", 8)
    _ = many.weights, many.seed_row, many.seed_col
    tracemalloc.start()
    try:
        found = _of_behaviour(many, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[: len(zoo) - 1].tolist() == alone
    assert peak < len(many) * 9 * 9 * 64  # the states of all, once
