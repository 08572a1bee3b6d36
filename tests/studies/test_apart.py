"""Distances and barriers of NCAs of one picture, where the answer is known."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.apart import POINTS, apart, barrier
from nca_zoo.symmetry.group import act, random_element
from nca_zoo_cli.main import group

GRID = (7, 8)


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """Three pictures, two NCAs each: the second of the first two are scrambled copies with noise
    of 0.1; those of the third have nothing in common."""
    path = tmp_path_factory.mktemp("apart") / "zoo.h5"
    records = []
    for k in range(3):
        weights = lively_weights(k + 1)
        noisy = np.random.default_rng(k).normal(size=len(weights))
        noisy *= 0.1 * np.linalg.norm(weights) / np.linalg.norm(noisy)
        copy = act(random_element(k), (weights + noisy).astype(np.float32))
        other = lively_weights(9) if k == 2 else copy
        target = np.random.default_rng(k).integers(0, 255, (*GRID, 4)).astype(np.uint8)
        for fit, own in enumerate((weights, other)):
            row = record(k, GRID, weights=own, target=target, status="ok", name=f"p{k}")
            records.append({**row, "id": f"p{k}" + "+02" * fit, "repeat": fit + 1})
    with ZooWriter(path, header()) as writer:
        writer.add(records)
    return path


@pytest.fixture(scope="module")
def found(path):
    return apart(open_zoo(path), starts=2, sizes=(0.2,), jobs=1)


def test_copies_are_near_and_strangers_far(found):
    near = {pair.ids[0]: pair for pair in found.pairs if pair.same_picture}
    assert {ids for pair in near.values() for ids in pair.ids} == {
        "p0", "p0+02", "p1", "p1+02", "p2", "p2+02",
    }  # fmt: skip
    for name in ("p0", "p1"):
        assert near[name].before > 0.5
        assert near[name].distance < 0.2  # its noise is measured in the copy's own coordinates
        assert near[name].barrier < near[name].barrier_before
    assert near["p2"].distance > 0.8
    strangers = [pair for pair in found.pairs if not pair.same_picture]
    assert len(strangers) == 3
    for pair in strangers:
        assert pair.ids[0][:2] != pair.ids[1][:2]
        assert pair.distance > 0.5
        assert pair.barrier is None


def test_what_was_planted_is_found(found):
    assert [p.size for p in found.planted] == [0.2]
    for planted in found.planted:
        assert 0.9 < planted.found <= planted.worst < 1.1
        assert planted.units > 0.99
        assert planted.n == 3


def test_means_are_of_the_pairs_and_their_intervals_hold_them(found):
    mean = {(m.what, m.same_picture): m for m in found.means}
    mine = [pair.distance for pair in found.pairs if pair.same_picture]
    assert mean["distance", True].mean == pytest.approx(np.mean(mine))
    assert mean["distance", True].low == pytest.approx(min(mine))  # 1 of 27 draws
    assert mean["distance", True].high == pytest.approx(max(mine))
    assert ("barrier", False) not in mean


def test_a_barrier_is_the_worst_of_plain_rollouts(path):
    zoo = open_zoo(path)
    start, end = (zoo.weights[row].astype(float) for row in (0, 4))
    key = noise.fold(0, noise.Stream.ROLLOUT)
    errors = []
    for t in np.linspace(0, 1, POINTS):
        state = zoo.seed_states(4).astype(np.float64)
        for step in range(96):
            fire = noise.fire_mask(key, step, *GRID)
            state = rule.step((1 - t) * start + t * end, state, fire)
        errors.append(((np.clip(state[..., :4], 0, 1) - zoo.target[4] / 255) ** 2).mean())
    line = np.linspace(errors[0], errors[-1], POINTS)
    assert barrier(zoo, 4, start, end) == pytest.approx((errors - line).max(), abs=1e-4)
    assert barrier(zoo, 4, end, end) == pytest.approx(0, abs=1e-12)


def test_a_zoo_without_repeats_is_one_line(path):
    zoo = open_zoo(path)
    with pytest.raises(ZooError, match="no picture has two NCAs"):
        apart(zoo.subset(zoo.repeat == 1))


def test_the_commands_tell_it(path):
    runner, zoo = CliRunner(), ["--zoo", str(path), "--starts", "2"]
    run = runner.invoke(group, ["symmetry", "apart", *zoo, "--pairs", "1", "--jobs", "1"])
    assert run.exit_code == 0, run.output
    assert "one picture     distance, nearest image" in run.stdout
    assert "two pictures" not in run.stdout
    assert "0.001" in run.stdout
    told = runner.invoke(group, ["symmetry", "align", "p0", "--to", "p0+02", *zoo, "--json"])
    found = json.loads(told.stdout)
    assert found["distance_after"] == min(found["starts"]) < 0.2
    assert len(found["starts"]) == 2
