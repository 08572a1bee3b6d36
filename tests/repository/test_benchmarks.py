"""Every benchmark runs and prints its table; what they count and time is what they say."""

import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from calls import ask, walk
from click.testing import CliRunner
from numba import njit
from rows import header, record
from written_zoo import written_zoo

from nca_zoo.automaton import noise, rule
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.gate import gate
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import Regime

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))


def run(script, tmp_path, *arguments):
    """Run a benchmark in this process; the report that it printed and wrote."""
    main = importlib.import_module(script).main
    out = tmp_path / f"{script}.md"
    result = CliRunner().invoke(main, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = out.read_text()
    assert report.strip() in result.output
    for named in ("processor:", "cores", "-bit vectors", "numpy", "date: 20", "commit"):
        assert named in report
    return report


def cells(report, row):
    """The cells of the first row of a report that begins with ``row``."""
    line = next(line for line in report.splitlines() if line.startswith(f"| {row}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_report_names_its_command_and_no_place_of_the_machine(tmp_path, monkeypatch):
    out = tmp_path / "mine.md"
    monkeypatch.setattr(
        "sys.argv", [str(FOLDER / "sweep.py"), "--zoo", "data/zoo.h5", "--out", str(out)]
    )
    report = importlib.import_module("report").Report("A sweep", None)
    assert report.head[2] == "`python benchmarks/sweep.py --zoo data/zoo.h5 --out mine.md`"


def small_call():
    """Arguments of ``Engine.gradients``: one NCA, two examples, 9 x 7 cells, 12 steps."""
    weights = make_init("meta", "growing").weights(0, 0)[None]
    states = np.repeat(rule.seed_state(9, 7, 4, 3)[None, None], 2, axis=1)
    targets = np.full((1, 9, 7, 4), 0.5, np.float32)
    return [weights, states, targets, np.array([[3, 4]], np.uint64), np.array([12])]


@pytest.mark.wide
def test_training_step_compares_all_contenders(tmp_path):
    report = run(
        "training_step", tmp_path,
        *("--steps", "0", "--digits", "1", "--ca-steps", "2", "--cax-points", "0"),
        *("--device", "cpu", "--at-once", "3"),
    )  # fmt: skip
    assert float(cells(report, "our dense engine on cpu")[1]) > 0
    assert "3 NCAs at once on cpu: " in report
    for name in ("sparse", "our dense engine", "plain torch"):
        for threads in ("1 thread", "2 threads"):
            assert float(cells(report, f"{name}, {threads}")[1]) > 0
    assert "CAX was left out" in report


def test_a_contender_that_computes_something_else_stops_the_benchmark(monkeypatch):
    plain_torch = importlib.import_module("plain_torch")
    training_step = importlib.import_module("training_step")
    call = small_call()
    expected = ask(SparseEngine(), *call)
    same = training_step.distance(ask(plain_torch.PlainTorch(), *call), expected)
    training_step.demand_agreement("plain torch", same)
    monkeypatch.setattr(plain_torch, "FILTERS", 1.01 * plain_torch.FILTERS)
    other = training_step.distance(ask(plain_torch.PlainTorch(), *call), expected)
    with pytest.raises(SystemExit, match="plain torch: losses off by"):
        training_step.demand_agreement("plain torch", other)


@pytest.mark.wide
def test_cax_is_the_same_mathematics():
    pytest.importorskip("cax")
    call = small_call()
    call[-1] = np.array([3])
    ours = ask(SparseEngine(), *call)
    cax = importlib.import_module("cax_step").CaxProcess(threads=1, steps=3)
    given, drawn = cax.check(call), cax.step(call)
    cax.close()
    np.testing.assert_allclose(given["losses"], ours.losses[0], rtol=1e-5)
    scale = np.abs(ours.gradients).max()
    np.testing.assert_allclose(given["gradient"], ours.gradients[0], atol=1e-4 * scale)
    # With its own masks, fewer or more cells fire: near, but not the same.
    np.testing.assert_allclose(drawn["loss"], ours.losses.mean(), rtol=0.2)
    assert drawn["loss"] != pytest.approx(ours.losses.mean(), rel=1e-7)
    assert 0 < drawn["seconds"] < drawn["compile_seconds"]


def test_plain_torch_answers_as_the_engine_does():
    plain, ours_engine = importlib.import_module("plain_torch").PlainTorch(), SparseEngine()
    weights, states, _, keys, _ = call = small_call()
    mine, ours = ask(plain, *call), ask(ours_engine, *call)
    np.testing.assert_allclose(mine.losses, ours.losses, rtol=1e-5)
    np.testing.assert_allclose(mine.states, ours.states, atol=1e-5)
    scale = np.abs(ours.gradients).max()
    np.testing.assert_allclose(mine.gradients, ours.gradients, atol=1e-4 * scale)
    np.testing.assert_allclose(
        walk(plain, weights, states, keys, 5, 6),
        walk(ours_engine, weights, states, keys, 5, 6),
        atol=1e-5,
    )


def around(grid, row, col):
    """The cells of the 3 x 3 neighbourhood that lie on a grid of this size."""
    return [
        (r, c)
        for r in range(row - 1, row + 2)
        for c in range(col - 1, col + 2)
        if 0 <= r < grid and 0 <= c < grid
    ]


@pytest.mark.parametrize("death", [False, True])
def test_the_roofline_counts_what_a_hand_counts(death):
    """A grid of 5 x 5 with one seed: without an update, nine cells live for ever; with one that
    takes all alpha away, the seed's whole neighbourhood dies once the seed fires."""
    count = importlib.import_module("roofline").count
    weights, grid, steps, tile = np.zeros(rule.N_PARAMS, np.float32), 5, 6, 4
    if death:
        weights[rule.param_slices()["b2"]][rule.ALPHA] = -5
    keys = np.array([11, 12, 13], np.uint64)
    states = np.repeat(rule.seed_state(grid, grid, 1, 2)[None], len(keys), axis=0)
    found = count(weights, states, keys, steps, tile)

    firing = ghosts = padding = 0
    for key in keys:
        alive = set(around(grid, 1, 2))
        for t in range(steps):
            fire = noise.fire_mask(key, t, grid, grid)
            rows = [cell for cell in sorted(alive) if fire[cell]]
            dying = alive if death and fire[1, 2] else set()
            beside = {other for cell in dying for other in around(grid, *cell)} - alive
            haunting = [cell for cell in sorted(beside) if fire[cell]]
            firing, ghosts = firing + len(rows), ghosts + len(haunting)
            padding += -len(rows) % tile + -len(haunting) % tile
            alive = alive - dying
    assert (found.cells, found.firing) == (grid * grid * steps * len(keys), firing)
    assert (found.ghosts, found.padding) == (ghosts, padding)
    assert (ghosts > 0) == death
    # 48 x 128 and 128 x 16 multiply-adds forward; twice that backward
    assert found.operations == firing * 3 * 2 * (48 * 128 + 128 * 16)


@pytest.mark.wide
def test_the_roofline_runs(tmp_path):
    report = run(
        "roofline", tmp_path, "--no-profile",
        *("--digits", "1", "--steps", "0", "--ca-steps", "5", "--matrix", "64"),
    )  # fmt: skip
    assert int(cells(report, "cell-steps")[1].replace(",", "")) == 28 * 28 * 8 * 5
    assert cells(report, "**share of the machine's rate**")[1].endswith("%**")


@njit
def long_loop(x, n):
    for _ in range(n):
        x[0] += 1.0


@njit
def two_parts(x, n):
    long_loop(x, 50 * n)
    for _ in range(n):
        x[1] += 1.0


@njit
def kernel(x, n):
    for _ in range(20):
        two_parts(x, n)
        x[2] += 1.0
    return x[0] + x[1] + x[2]


@pytest.mark.wide
def test_the_profile_finds_the_statement_that_takes_the_time():
    profiler = importlib.import_module("statement_profile").Profiler(kernel)
    x = np.zeros(3)
    profiler.run(x, 10)
    profiler.clear()
    x[:] = 0
    assert profiler.run(x, 20_000) == kernel(np.zeros(3), 20_000)  # the same result, still
    parts = {part.text: part for part in profiler.parts()}
    assert parts["long_loop(x, ...)"].function == "two_parts"
    assert parts["long_loop(x, ...)"].calls == "long_loop"
    cycles = sum(part.cycles for part in parts.values())
    assert parts["long_loop(x, ...)"].cycles > 0.7 * cycles
    assert 0 < parts["for _ in range(n):"].cycles < 0.3 * cycles


@pytest.mark.wide
def test_time_to_quality_runs(tmp_path):
    report = run(
        "time_to_quality", tmp_path, "--no-build",
        *("--digits", "1", "--cap", "2", "--torch-seconds", "0", "--threads", "1"),
    )  # fmt: skip
    for row in ("Distill's recipe, plain torch", "Distill's recipe, sparse", "our default"):
        assert cells(report, row)[1] == "0 of 1"  # two steps from noise lead nowhere
    assert "**extrapolated**" in report


@pytest.mark.wide
def test_growth_measures_a_build(tmp_path):
    pytest.importorskip("psutil")
    report = run(
        "growth", tmp_path, "--rows", "ncas", "--per-class", "2", "--digits", "1", "--jobs", "1",
        *("--build-option=--steps=2", "--build-option=--extra-steps=0"),
        "--build-option=--attempts=1",
    )  # fmt: skip
    row = dict(zip(cells(report, "row"), cells(report, "NCAs"), strict=True))
    assert (row["NCAs"], row["size"], row["training steps"]) == ("2", "28 x 28", "4")
    assert float(row["wall s"]) > 0
    assert 20 < float(row["head MB"]) < 2000


@pytest.mark.wide
def test_rollout_rate_and_startup_run(tmp_path, monkeypatch):
    easy = gate(passes=0)
    brief = Regime("brief", batch=1, steps=1, extra_steps=0, attempts=1, gate=easy)
    rollout_rate = importlib.import_module("rollout_rate")
    monkeypatch.setattr(rollout_rate, "REGIMES", {"persistent": brief})
    report = run(
        "rollout_rate", tmp_path,
        *("--digits", "1", "--many", "2", "--steps", "3", "--repeats", "1"),
    )  # fmt: skip
    assert cells(report, "2 at once")[1] == "1"
    report = run("startup", tmp_path, "--only", "info", "--repeats", "1")
    assert 0 < float(cells(report, "`nca-zoo info --help`")[1]) < 60


@pytest.mark.wide
def test_start_up_is_timed_in_turn_with_another_checkout(tmp_path):
    """The other one is of our own making: it prints something else, and takes its time."""
    here = Path(__file__).parents[2]
    other = tmp_path / "before"
    (other / "cli").mkdir(parents=True)
    (other / "nca_zoo").symlink_to(here / "nca_zoo")
    (other / "cli" / "__init__.py").touch()
    slow = "import time\ndef main():\n    time.sleep(1.5)\n    print('help')\n"
    (other / "cli" / "main.py").write_text(slow)
    call = ("--only", "verify --help", "--repeats", "2", "--against")
    row = cells(run("startup", tmp_path, *call, str(other)), "`nca-zoo verify --help`")
    assert float(row[5]) > 1.5 > float(row[8])  # it waits, and computes nothing
    assert row[9] == "no"
    with pytest.raises(AssertionError, match="there is no nca_zoo in it"):
        run("startup", tmp_path, "--only", "verify --help", "--against", str(tmp_path))


@pytest.mark.wide
def test_a_sweep_varies_one_setting_and_its_default_trains_as_a_build_does(tmp_path):
    report = run("sweep", tmp_path, "--digits", "2", "--steps", "3", "--only", "warm-up,pool")
    names = [line.split("|")[1].strip() for line in report.splitlines() if line.startswith("| ")]
    assert names[1:] == [
        "---",
        "the default: batch 2, pool 12, step size 0.0015",
        *(f"warm-up over steps {n}" for n in (5, 10, 20)),
        *(f"pool {n}" for n in (4, 8, 24)),
    ]
    assert cells(report, "the default")[2] == "3 / 3 / 3"
    assert cells(report, "warm-up over steps 5")[3] == "+0 (+0 to +0)"

    sweep = importlib.import_module("sweep")
    base = sweep.Tuned("persistent", batch=2, pool=12, lr=1.5e-3)
    usual = Regime("persistent", batch=2, pool=12, lr=1.5e-3)
    job = Job("7", make_target(np.eye(9, dtype=np.uint8) * 255), make_init("meta", "persistent"), 3)
    ends = []
    for regime in (usual, base, dataclasses.replace(base, scaled="W2", by=0.5)):
        cohort = Cohort(regime, SparseEngine(), 9, 9)
        cohort.add(Member(job))
        cohort.step()
        ends.append(cohort.weights[0])
    np.testing.assert_array_equal(ends[1], ends[0])
    moved = (end - job.init.shared for end in ends[1:])
    full, scaled = (rule.unflatten(weights) for weights in moved)
    np.testing.assert_allclose(scaled["W2"], full["W2"] / 2, atol=1e-7)
    np.testing.assert_array_equal(scaled["W1"], full["W1"])
    warming = dataclasses.replace(base, warm_up=5)
    rates = [warming.learning_rate(step)[0] / base.lr for step in range(7)]
    np.testing.assert_allclose(rates, [0.2, 0.4, 0.6, 0.8, 1, 1, 1])


@pytest.mark.wide
def test_the_first_page_is_timed_for_zoos_of_several_sizes(tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(3)])
    call = ("--zoo", str(tmp_path / "zoo.h5"), "--sizes", "2,4", "--repeats", "1")
    report = run("first_page", tmp_path, *call)
    for size in ("2", "4"):
        name, method, *waits = cells(report, f"{size} |")
        assert (name, method) == (size, "principal components")
        address, page, here, cpu = (float(wait.split()[0]) for wait in waits)
        assert 0 < address <= page <= here < 60
        assert cpu > 0.1


def test_more_ncas_than_a_zoo_has_are_its_own_with_noise(tmp_path):
    first_page = importlib.import_module("first_page")
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(3)])
    given = open_zoo(tmp_path / "zoo.h5")
    first_page.of_size(tmp_path / "zoo.h5", 7, tmp_path / "seven.h5")
    made = open_zoo(tmp_path / "seven.h5")
    number = np.array([int(name.removeprefix("n-")) for name in made.id])
    rows, own = number % 3, number < 3
    assert sorted(number) == list(range(7))
    np.testing.assert_array_equal(made.target, given.target[rows])
    noise = made.weights - given.weights[rows]
    assert not noise[own].any()
    assert noise[~own].std() == pytest.approx(first_page.NOISE, rel=0.05)
    assert verify(tmp_path / "seven.h5") == []


@pytest.mark.wide
def test_what_is_written_is_tried_as_a_start(tmp_path, kept_digits):
    zoo = written_zoo(tmp_path / "zoo.h5", kept_digits, 20)
    report = run(
        "written_start", tmp_path, "--zoo", str(zoo.path), "--pictures", "2", "--steps", "0,1"
    )
    rows = [cells(report, name) for name in ("written, by the one that ships", "meta-learned")]
    written, shared = (float(row[1].split(" dB")[0]) for row in rows)
    assert written > shared + 3  # the zoo's NCAs are what it writes
    assert "2 pictures, regime persistent" in report


@pytest.mark.wide
def test_few_numbers_are_fitted_along_both_kinds_of_directions(tmp_path, kept_digits):
    zoo = written_zoo(tmp_path / "zoo.h5", kept_digits, 20)
    report = run(
        "few_numbers", tmp_path,
        "--zoo", str(zoo.path), "--data", str(kept_digits), "--pictures", "3", "--learnt", "10",
        "--numbers", "2,3", "--fitted", "3", "--steps", "4",
    )  # fmt: skip
    for kind in ("trained", "written"):
        rows = [cells(line, "") for line in report.splitlines() if f"| of {kind} NCAs" in line]
        assert [row[1:3] for row in rows] == [
            ["all", "as it is"], ["2", "left out"], ["3", "left out"], ["3", "fitted"]
        ]  # fmt: skip
        assert all(0 < float(row[3]) < 60 for row in rows)
    assert "3 pictures; directions of 32 trained NCAs" in report
