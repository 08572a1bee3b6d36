"""Dynamics: measured against plain rollouts, stored as columns, resumed after an interruption."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from moving_zoo import MOTIONS, moving_zoo
from rows import header, record

import nca_zoo
from nca_zoo.automaton import rule
from nca_zoo.automaton.rule import N_PARAMS, param_slices, seed_state
from nca_zoo.automaton.wounds import Wound
from nca_zoo.errors import ZooError
from nca_zoo.life import rhythm
from nca_zoo.life.dynamics import COST, Case, measure
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import measuring
from nca_zoo.studies.forecast import forecast
from nca_zoo.studies.measuring import case_of, columns, measure_zoo, unmeasured
from nca_zoo_cli.main import group

GRID, N = (9, 8), 6
PLACE = {"seed_row": 4, "seed_col": 4}
NAMES = {column.name for column in columns()}


@pytest.fixture
def path(tmp_path, lively_weights):
    """Six lively NCAs, the last of them diverged."""
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        for i in range(N):
            weights = lively_weights(i) if i < N - 1 else np.full(N_PARAMS, np.nan, np.float32)
            status = "ok" if i < N - 1 else "diverged"
            heals = {"heals_3": np.float32(i / 8)}
            writer.add([record(i, GRID, weights=weights, status=status, **heals, **PLACE)])
    return tmp_path / "zoo.h5"


def seen(state):
    return np.clip(state[..., :4].astype(float), 0, 1)


def far(one, other):
    return ((seen(one) - seen(other)) ** 2).mean()


def test_measures_what_rollouts_one_by_one_show(path):
    zoo = open_zoo(path)
    row, seeds = 1, 3
    found = measure(case_of(zoo, row), seeds)
    weights, start = zoo.weights[row], zoo.seed_states(row)
    target = zoo.target[row] / np.float32(255)
    expected = {name: [] for name in NAMES - {COST, "spread_96"}}
    grown = []
    for seed in range(seeds):
        states = dict(rollout(weights, start, 1000, seed))
        wounded = dict(rollout(weights, start, 192, seed, damage=[Wound(96)]))
        grown.append(seen(states[96]))
        at_96 = psnr(states[96][..., :4], target)
        first = next(t for t in range(1, 97) if psnr(states[t][..., :4], target) >= at_96 - 3)
        lost, missing = far(wounded[96], states[96]), far(wounded[192], states[192])
        one = {
            "steps_to_grow": first,
            "drift_400": far(states[400], states[96]) ** 0.5,
            "drift_1000": far(states[1000], states[96]) ** 0.5,
            "psnr_1000": psnr(states[1000][..., :4], target),
            "alive_1000": nca_zoo.automaton.rule.alive(states[1000]).mean(),
            "psnr_wounded": psnr(wounded[96][..., :4], target),
            "psnr_healed": psnr(wounded[192][..., :4], target),
            "recovery": max(-1, 1 - missing / lost),
        }
        for name, value in one.items():
            expected[name].append(value)
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), rel=1e-4, abs=1e-5), name
    spread = np.sqrt(np.stack(grown).var(axis=0).mean())
    assert found["spread_96"] == pytest.approx(spread, rel=1e-4)
    assert found[COST] > 0
    assert found["drift_400"] > 1e-3  # it moves at all


def test_other_streams_of_masks_give_the_other_half_of_a_mean(path):
    case = case_of(open_zoo(path), 1)
    halves = [measure(case, 2, first) for first in (0, 2)]
    whole = measure(case, 4)
    assert halves[0]["drift_400"] != halves[1]["drift_400"]
    for name in ("drift_400", "psnr_1000", "recovery"):
        assert whole[name] == pytest.approx(np.mean([half[name] for half in halves])), name


def test_an_nca_that_stands_still():
    """With no update the seed stays as it is: nothing drifts, and a wound never heals."""
    seed = seed_state(9, 9, 4, 4, True)
    still = measure(Case(np.zeros(N_PARAMS, np.float32), seed, seed[..., :4].copy()), seeds=2)
    assert still["steps_to_grow"] == 1
    assert still["drift_400"] == still["drift_1000"] == still["spread_96"] == 0
    assert still["psnr_1000"] == 100
    assert still["recovery"] == 0
    one_value_lost = 10 * np.log10(9 * 9 * 4)  # of the seed, only alpha can be seen
    assert still["psnr_healed"] == still["psnr_wounded"] == pytest.approx(one_value_lost)


@pytest.fixture(scope="module")
def fading():
    """Weights under which every living cell loses alpha until none lives."""
    b2 = np.zeros(N_PARAMS, np.float32)
    b2[param_slices()["b2"].start + rule.ALPHA] = -0.05
    return b2


def test_of_a_dead_nca_nothing_is_good(fading):
    seed = seed_state(9, 9, 4, 4, True)
    target = np.zeros((9, 9, 4), np.float32)
    target[2:7, 2:7] = 1
    assert not dict(rollout(fading, seed, 96, 0, every=96))[96].any()
    dead = measure(Case(fading, seed, target), seeds=2)
    known = {name for name, value in dead.items() if np.isfinite(value)}
    assert known == {"alive_1000", "psnr_1000", COST}
    assert dead["alive_1000"] == 0
    assert dead["psnr_1000"] == pytest.approx(10 * np.log10(81 / 25))  # of no picture at all


def test_what_grows_away_from_its_target_has_not_grown(lively_weights):
    """The seed is nearer to an almost empty picture than all that is alive later."""
    seed = seed_state(9, 9, 4, 4, True)
    start = seed[..., :4].copy()
    lively = lively_weights(1)
    away = measure(Case(lively, seed, start), seeds=1)
    assert psnr(dict(rollout(lively, seed, 96, 0))[96][..., :4], start) < 100
    assert np.isnan(away["steps_to_grow"])
    assert np.isfinite([away[n] for n in ("drift_400", "recovery", "psnr_healed")]).all()


def test_pictures_that_are_not_finite_have_no_distance(lively_weights):
    """Exploded, then as exploded: 0 apart if what is not finite counts as a number."""
    seed = seed_state(9, 9, 4, 4, True)
    wild = measure(Case(1e30 * lively_weights(0), seed, seed[..., :4].copy()), seeds=1)
    for name in ("drift_400", "drift_1000", "spread_96", "recovery"):
        assert np.isnan(wild[name]), name


def test_without_a_target_only_what_needs_none_is_measured(lively_weights):
    seed = seed_state(9, 9, 4, 4, True)
    blind = measure(Case(lively_weights(0), seed, seed[..., :4].copy(), judged=False), seeds=1)
    unknown = {name for name, value in blind.items() if np.isnan(value)}
    unknown.remove("spread_96")  # one stream of masks has none
    assert unknown == {"steps_to_grow", "psnr_wounded", "psnr_healed", "psnr_1000"}


def test_results_become_columns_that_everyone_sees(path):
    before = {name: open_zoo(path).column(name) for name in open_zoo(path).columns}
    assert measure_zoo(path, seeds=2, jobs=2) == N - 1
    zoo = open_zoo(path)
    assert set(zoo.frame().columns) >= NAMES
    for name, values in before.items():
        np.testing.assert_array_equal(zoo.column(name), values)
    for row in range(N - 1):
        again = measure(case_of(zoo, row), 2)
        for name in NAMES - {COST}:
            assert zoo.column(name)[row] == np.float32(again[name]), name
    assert np.isnan(zoo.drift_400[N - 1])  # diverged
    assert measure_zoo(path, seeds=2) == 0  # nothing is left to do
    assert [entry.name for entry in path.parent.iterdir()] == ["zoo.h5"]


def test_goes_on_after_an_interruption(path, monkeypatch):
    whole = dict(measuring.measure_all(open_zoo(path), list(range(N - 1)), 1, 1))

    def cut_short(zoo, rows, seeds, jobs):
        for row in rows[:2]:
            yield row, whole[row]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(measuring, "measure_all", cut_short)
        with pytest.raises(KeyboardInterrupt):
            measure_zoo(path, seeds=1)
    assert unmeasured(open_zoo(path), 1) == [2, 3, 4]
    asked = []
    assert measure_zoo(path, seeds=1, progress=lambda *counts: asked.append(counts)) == 3
    assert asked[-1] == (3, 3)
    for row, values in whole.items():
        assert open_zoo(path).drift_1000[row] == np.float32(values["drift_1000"])


def test_a_zoo_that_grew_is_measured_on(path, lively_weights):
    measure_zoo(path, seeds=1)
    with ZooWriter(path, header()) as writer:
        writer.add([record(11, GRID, weights=lively_weights(11), **PLACE)])
    zoo = open_zoo(path)
    assert unmeasured(zoo, 1) == [zoo.index("2-003")]
    assert measure_zoo(path, seeds=1) == 1


def test_other_settings_are_refused_unless_all_is_measured_again(path):
    measure_zoo(path, seeds=1)
    with pytest.raises(ZooError, match=r"was measured otherwise .*--again"):
        measure_zoo(path, seeds=2)
    assert measure_zoo(path, seeds=2, again=True) == N - 1


def test_a_zoo_that_is_being_written_is_left_alone(path):
    with ZooWriter(path, header()), pytest.raises(ZooError, match="being written already"):
        measure_zoo(path, seeds=1)


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Two NCAs of noise, whose targets move."""
    ink = np.zeros((2, *GRID), np.uint8)
    ink[:, 2:7, 3:5] = 255
    rng = np.random.default_rng(4)
    weights = (0.05 * rng.normal(size=N_PARAMS)).astype(np.float32)
    path = tmp_path_factory.mktemp("moving") / "moving.h5"
    return moving_zoo(path, ink, MOTIONS[::4], weights).path


def test_of_what_moves_it_is_measured_how_it_keeps_time(moving, monkeypatch):
    monkeypatch.setattr(rhythm, "LAST_STEP", 450)
    call = ["dynamics", "--zoo", str(moving), "--measure-only", "--json"]
    result = CliRunner().invoke(group, call)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    timed = {column.name for column in columns(moving=True)}
    assert found["columns"].keys() == timed
    zoo = nca_zoo.open(moving)
    assert zoo.known("dynamics_s").all()
    for row in range(2):
        dB = [psnr(state, zoo.due(t, row)) for t, state in zoo[row].rollout(450) if t > 400]
        squares = np.median(10 ** (-np.array(dB, float) / 10))
        assert zoo.psnr_due[row] == pytest.approx(-10 * np.log10(squares), abs=1e-3)
        assert np.isnan(zoo.own_period[row])  # noise goes along with nothing
    assert measure_zoo(moving) == 0
    told = CliRunner().invoke(group, ["info", zoo.id[0], "--zoo", str(moving)]).stdout
    assert "own_period" in told


# A forecast reads numbers that are known to be, or not to be, in the weights.


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Sixty NCAs; ``drift_400`` is written in a direction of the weights, ``recovery`` nowhere.

    What is above 0 there heals from wounds of radius 5, the others never do.
    """
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    rng = np.random.default_rng(1)
    amount, luck = rng.normal(size=(2, 60)).astype(np.float32)
    direction = rng.normal(size=N_PARAMS).astype(np.float32)
    own_starts = replace(header(), init_weights=np.zeros(0, np.float32))
    with ZooWriter(path, own_starts) as writer:
        rows = [record(i) for i in range(60)]
        for row, x in zip(rows, amount, strict=True):
            row["weights"] = 0.1 * row["weights"] + x * direction
            row["heals_5"] = np.float32(x > 0)
        writer.add(rows)
    order = {nca_id: i for i, nca_id in enumerate(row["id"] for row in rows)}
    zoo = open_zoo(path)
    where = [order[nca_id] for nca_id in zoo.id]
    with ZooWriter(path, own_starts) as writer:
        column = {c.name: c for c in columns()}
        values = {"drift_400": amount, "recovery": luck, COST: np.full(60, 0.5, np.float32)}
        found = {column[name]: v[where] for name, v in values.items()}
        writer.add_columns(found, zoo.id.tolist())
    return path


@pytest.mark.wide
def test_predicts_what_the_weights_hold_and_nothing_else(known):
    found = forecast(open_zoo(known), folds=3, jobs=1)
    r2 = {(row.quantity, row.feature): row.r2 for row in found.rows}
    asked = {"drift_400", "recovery", "heals_5"}  # COST is no question
    assert {row.quantity for row in found.rows} == asked
    assert r2["heals_5", "weights"] > 0.3
    assert r2["drift_400", "weights"] > 0.9
    assert r2["drift_400", "pixels"] < 0.3
    assert r2["drift_400", "shuffled"] < 0.3
    assert r2["recovery", "weights"] < 0.3
    gains = {gain.quantity: gain for gain in found.gains}
    assert gains["drift_400"].low > 0.5
    assert gains["recovery"].low < 0.1
    assert found.simulate_cpu_s == 0.5
    assert 0 < found.read_cpu_s < found.train_cpu_s


def test_what_is_no_column_but_can_be_measured_is_predicted(known):
    found = forecast(open_zoo(known), quantities=["slant"], folds=2, jobs=1)
    assert {row.quantity for row in found.rows} == {"slant"}
    assert found.read_cpu_s > 0


def test_nothing_measured_is_one_line(tmp_path):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(i) for i in range(20)])
    with pytest.raises(ZooError, match="nothing was measured yet; run `nca-zoo dynamics` first"):
        forecast(open_zoo(path))


def test_of_failed_fits_and_of_unjudged_ones_there_is_no_forecast(tmp_path, fading):
    """What there is to say of them is said: nothing, or all."""
    blank = {"weights": fading, "status": "dead", "psnr_400": np.float32(9)}
    path = tmp_path / "dead.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(i, GRID, **blank, **PLACE) for i in range(3)])
    call = ["dynamics", "--zoo", str(path), "--seeds", "2"]
    told = CliRunner().invoke(group, call)
    assert told.exit_code == 1
    assert told.stderr == (
        f"Error: {path}: to predict needs 20 NCAs and there are 0, and 3 whose fit failed; "
        "build more\n"
    )
    assert "3 NCAs measured now" in told.stdout  # which is shown, whatever can be predicted
    assert "alive_1000" in told.stdout
    assert open_zoo(path).known("recovery").tolist() == [False] * 3
    path = tmp_path / "unjudged.h5"
    unknown = {"status": "unjudged", "psnr_96": np.nan, "psnr_400": np.nan}
    with ZooWriter(path, header()) as writer:
        writer.add([record(i, GRID, **unknown, **PLACE) for i in range(3)])
    call = ["dynamics", "--zoo", str(path), "--seeds", "2", "--measure-only", "--json"]
    found = json.loads(CliRunner().invoke(group, call).stdout)["columns"]
    assert found["alive_1000"]["n"] == 3
    assert found["steps_to_grow"]["n"] == 0


def test_the_command_measures_and_says_so(path):
    call = ["dynamics", "--zoo", str(path), "--seeds", "1", "--measure-only"]
    text = CliRunner().invoke(group, call).output
    assert f"{N - 1} NCAs measured now" in text
    assert "drift_1000" in text
    found = json.loads(CliRunner().invoke(group, [*call, "--json"]).stdout)
    assert found["measured_now"] == 0
    drift = found["columns"]["drift_400"]
    assert drift["median"] == pytest.approx(np.median(open_zoo(path).drift_400[: N - 1]))
    assert found["columns"]["heals_3"]["median"] == 0.25  # what the build found of healing
    assert "heals_3" in text
    assert "heals_5" not in text  # of which nobody looked


@pytest.mark.wide
def test_the_command_predicts(known, monkeypatch):
    monkeypatch.setattr(measuring, "measure_zoo", lambda *settings: 0)
    call = ["dynamics", "--zoo", str(known), "--predict", "drift_400", "--folds", "2"]
    monkeypatch.setattr("nca_zoo_cli.dynamics.summary", lambda zoo: {})
    result = CliRunner().invoke(group, call)
    assert result.exit_code == 0, result.output
    assert "drift_400       weights" in result.output
    assert "Simulating takes 0.50 s" in result.output
