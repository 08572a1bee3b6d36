"""The orbit test, on a made-up zoo whose NCAs carry their class in a direction of the weights."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.automaton import noise
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import FEATURES, PICTURE_CONTROLS
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import orbit
from nca_zoo_cli.main import group

N, GRID, STEPS = 24, (6, 5), 24


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """24 lively NCAs of 3 classes around one start, the last of them failed."""
    start = lively_weights(3)
    directions = 2 * noise.uniform(np.arange(N + 3, dtype=np.uint64), len(start)) - 1
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, replace(header(), init_weights=start)) as writer:
        writer.add([
            record(
                i,
                GRID,
                weights=(
                    start + 0.002 * directions[N + i % 3] + 0.001 * directions[i]
                ).astype(np.float32),
                status="below_gate" if i == N - 1 else "ok",
            )
            for i in range(N)
        ])  # fmt: skip
    return path


def test_scrambling_moves_weights_and_nothing_that_can_be_seen(path):
    zoo = open_zoo(path)
    scrambled = orbit.scramble(zoo)
    assert scrambled.weights.dtype == np.float32
    far = np.linalg.norm(scrambled.weights - zoo.weights, axis=1)
    assert (far > 0.5 * np.linalg.norm(zoo.weights, axis=1)).all()
    for row in (0, 7):
        one, other = (
            list(rollout(z.weights[row], z.seed_states(row), STEPS))[-1][1]
            for z in (zoo, scrambled)
        )
        np.testing.assert_allclose(one[..., :4], other[..., :4], atol=1e-4)
    np.testing.assert_array_equal(open_zoo(path).weights, zoo.weights)  # the file is as it was


def test_an_ncas_element_does_not_depend_on_its_company(path):
    zoo = open_zoo(path)
    rows = np.array([5, 2, 11])
    whole, part = orbit.scramble(zoo), orbit.scramble(zoo.subset(rows))
    np.testing.assert_array_equal(whole.subset(rows).weights, part.weights)
    np.testing.assert_array_equal(whole.subset(rows).id, part.id)
    assert not np.array_equal(orbit.scramble(zoo, seed=1).weights, whole.weights)


@pytest.fixture(scope="module")
def result(path):
    return orbit.orbit(open_zoo(path), ("weights", "aligned"), folds=2, steps=STEPS, jobs=1)


def test_features_that_ignore_symmetries_stay(path):
    zoo = open_zoo(path).subset(np.arange(4))
    scrambled = orbit.scramble(zoo)
    for name in ("aligned", "canonical", "invariants"):
        before, after = (FEATURES[name].vectors(z) for z in (zoo, scrambled))
        np.testing.assert_allclose(before, after, rtol=1e-3, atol=1e-3)


@pytest.mark.wide
def test_readings_that_ignore_symmetries_stay_and_raw_weights_go(result):
    assert result.standing.n == N - 1  # the failed one is left out
    assert result.standing.exact < 1e-10
    assert result.standing.stood == 1.0
    before, after = (
        {(row.feature, row.reader): row.accuracy for row in r.rows}
        for r in (result.before, result.after)
    )
    assert before["weights", "logistic"] > 0.9
    assert after["weights", "logistic"] < 0.7
    assert after["aligned", "logistic"] > 0.9
    for (feature, reader), accuracy in before.items():
        if feature in (*PICTURE_CONTROLS, "seed"):
            assert after[feature, reader] == accuracy


def test_a_zoo_of_failures_is_refused(path):
    zoo = open_zoo(path)
    with pytest.raises(ZooError, match="none of its 1 NCAs passed"):
        orbit.orbit(zoo.subset([N - 1]))


def run(*arguments):
    result = CliRunner().invoke(group, ["symmetry", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.wide
def test_the_command_says_what_fell(path, result, monkeypatch):
    asked = []

    def known(zoo, features, folds, repeats, seed, spread, steps, progress):
        asked.append((len(zoo), features, folds, repeats, seed, spread, steps))
        progress(1, 2)
        return result

    monkeypatch.setattr(orbit, "orbit", known)
    text = run("orbit", "--zoo", path, "--features", "weights, aligned", "--steps", 8)
    assert asked == [(N, ["weights", "aligned"], 5, 1, 0, 1.0, 8)]
    assert f"{N - 1} NCAs scrambled" in text
    raw = next(line for line in text.splitlines() if line.startswith("weights     logistic"))
    old, new = result.before.rows[0], result.after.rows[0]
    assert f"{100 * old.accuracy:.1f} %" in raw
    assert f"{100 * new.accuracy:.1f} %   {100 * new.low:.1f} to {100 * new.high:.1f}" in raw
    assert "pixels      knn" in text
    assert json.loads(run("orbit", "--zoo", path, "--json")) == json.loads(
        json.dumps(result.as_dict())
    )


@pytest.mark.wide
def test_the_command_aligns(path):
    text = run("align", "0-000", "--zoo", path)
    assert "from the start" in text
    found = json.loads(run("align", "0-000", "--to", "1-001", "--zoo", path, "--json"))
    assert found["distance_after"] <= found["distance_before"]
    assert found["units_moved"] == 0
    assert np.shape(found["basis"]) == (16, 16)


def test_the_command_names_the_nearest_when_there_is_no_such_nca(path):
    result = CliRunner().invoke(group, ["symmetry", "align", "0-0000", "--zoo", str(path)])
    assert result.exit_code == 1
    assert "no NCA '0-0000'" in result.output
