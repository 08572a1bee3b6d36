"""Where tasks run: the same results everywhere, and a worker that dies costs only what it ran."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nca_zoo.building.workers import cluster, run
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def slowly(number):
    time.sleep(0.2)
    return number


def square(number):
    return number * number


def megabyte(number):
    return np.full(1 << 17, number)


def fail(number):
    raise ZooError(f"no {number} today")


def die_once(number, folder):
    """Kills its worker, the first time that it sees the number 3; as slow as a result travels."""
    time.sleep(0.1)
    mark = folder / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return number


def pause(number):
    time.sleep(0.2)
    return os.getpid()


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.wide
@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_runs_once(workers):
    tasks = ((number,) for number in range(20))
    assert sorted(run(square, tasks, workers)) == [number**2 for number in range(20)]


def test_tasks_are_taken_only_shortly_before_they_run():
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield (number,)

    results = run(slowly, tasks(), 2)
    next(results)
    assert len(taken) < 20
    results.close()


@pytest.mark.wide
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_arrives(workers):
    with pytest.raises(ZooError, match="no 0 today"):
        list(run(fail, [(0,)], workers))


@pytest.mark.wide
@posix
def test_a_dead_worker_costs_only_what_was_running(tmp_path):
    results = list(run(die_once, ((number, tmp_path) for number in range(30)), 2))
    assert sorted(results) == list(range(30))
    ran = [path.name.split("-")[0] for path in tmp_path.glob("*-*")]
    assert len(ran) - 30 <= 4  # two workers, and two tasks waiting for each


@pytest.mark.wide
@posix
def test_tasks_that_always_kill_their_worker_are_given_up():
    with pytest.raises(ZooError, match="a worker was killed"):
        list(run(die, [(0,), (1,)], 2))


@pytest.mark.parametrize("address", ["local:0", "local:x", "somewhere", "tcp://", "http://a:1"])
def test_an_address_that_is_none(address):
    with pytest.raises(ZooError, match="--cluster"), cluster(address):
        pass


# From here on: a real cluster on loopback, its scheduler and workers processes of their own.

TESTS = str(Path(__file__).parent)  # workers import the functions from here
QUICKLY = ["--regime", "growing", "--steps", "60", "--extra-steps", "0", "--attempts", "1"]


@contextlib.contextmanager
def starting(folder):
    """A way to start processes of a cluster; ends them all."""
    pytest.importorskip("distributed")
    started = []

    def starter(*arguments):
        with (folder / f"{len(started)}.log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
                    stdout=log,
                    stderr=log,
                    env=os.environ | ({} if "NO_TESTS" in os.environ else {"PYTHONPATH": TESTS}),
                )
            )
        return started[-1]

    starter.started = started
    yield starter
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def start(tmp_path):
    with starting(tmp_path) as starter:
        yield starter


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """The address of a cluster of one worker, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("standing")
    with starting(folder) as starter:
        address = scheduler(starter, folder)
        worker(starter, address)
        yield address


def scheduler(start, folder):
    start(
        "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show",
        "--scheduler-file", str(folder / "scheduler.json"),
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not (folder / "scheduler.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    text = (folder / "scheduler.json").read_text()
    return text.partition('"address": "')[2].partition('"')[0]


def worker(start, address):
    return start(
        "dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny",
        "--memory-limit", "0",
    )  # fmt: skip


def digits(out, *more):
    arguments = ["build", "--digits", "1,7", "--per-class", "5", "--cohort", "2", *QUICKLY, *more]
    return CliRunner().invoke(group, [*arguments, "--out", str(out)])


@posix
@pytest.mark.wide
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(tmp_path, start):
    address = scheduler(start, tmp_path)
    workers = [worker(start, address) for _ in range(2)]
    command = [sys.executable, "-m", "nca_zoo_cli.main", "build", "--digits", "1,7", "--per-class"]
    command += ["5", "--cohort", "2", *QUICKLY, "--cluster", address, "--out"]
    far = tmp_path / "far.h5"
    with subprocess.Popen([*command, str(far)], stderr=subprocess.PIPE, text=True) as head:
        shards = tmp_path / "far.h5.shards"
        deadline = time.monotonic() + 240
        while not far.exists() and not any(shards.glob("*.h5")) and time.monotonic() < deadline:
            time.sleep(0.01)
        workers[0].kill()
        early = len(open_zoo(far))
        _, said = head.communicate(timeout=300)
    assert head.returncode == 0, said
    assert early < 10  # it was killed in the middle
    result = digits(tmp_path / "near.h5", "--jobs", "1")
    assert result.exit_code == 0, result.output
    one, other = open_zoo(far), open_zoo(tmp_path / "near.h5")
    assert len(one) == 10
    for name in one.columns:
        if name != "wall_s":
            np.testing.assert_array_equal(one.column(name), other.column(name), err_msg=name)


@pytest.mark.wide
def test_a_cluster_that_does_not_answer(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("nca_zoo.building.workers.ANSWER_S", 0.5)
    with pytest.raises(ZooError, match="no scheduler answers"), cluster("tcp://127.0.0.1:9"):
        pass


@posix
@pytest.mark.wide
def test_results_of_a_cluster_that_are_taken_slowly_do_not_pile_up(standing, monkeypatch):
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr("nca_zoo.building.workers.AHEAD", 10)
    monkeypatch.setattr("nca_zoo.building.workers.BACKLOG", 5)
    taken = []

    def tasks():
        for number in range(500):
            taken.append(number)
            yield (number,)

    with cluster(standing) as client:
        results = run(megabyte, tasks(), client=client)
        numbers = [next(results)[0]]
        before = psutil.Process().memory_info().rss  # with all that dask loads on first use
        time.sleep(1.5)  # as a writer may be busy; a worker does hundreds meanwhile
        assert len(taken) < 30  # the first, those handed out, those waiting, and a few in hand
        numbers += [result[0] for result in results]
        assert sorted(numbers) == list(range(500))
        # Of 500 MB; some 150 are dask's own, however many there are.
        assert psutil.Process().memory_info().rss - before < 300e6


@pytest.mark.wide
@posix
def test_a_cluster_that_is_lost_takes_a_line(tmp_path, start):
    address = scheduler(start, tmp_path)
    worker(start, address)
    with cluster(address) as client:
        results = run(pause, ((number,) for number in range(100)), client=client)
        assert next(results) != os.getpid()  # even a single worker does all the work
        start.started[0].kill()
        with pytest.raises(ZooError, match="scheduler is gone"):
            list(results)


@pytest.mark.wide
@posix
def test_a_cluster_that_cannot_load_the_code_takes_a_line(tmp_path, start, monkeypatch):
    monkeypatch.setenv("NO_TESTS", "1")
    address = scheduler(start, tmp_path)
    worker(start, address)
    with cluster(address) as client, pytest.raises(ZooError, match="cannot load nca-zoo"):
        list(run(pause, [(0,)], client=client))


@pytest.mark.wide
@posix
def test_workers_of_another_version_are_refused(standing, monkeypatch):
    monkeypatch.setattr("nca_zoo.building.workers.version", lambda name: "0.0.7")
    with cluster(standing) as client, pytest.raises(ZooError, match=r"this machine 0\.0\.7"):
        list(run(pause, [(0,)], client=client))


def test_jobs_and_cluster_do_not_go_together(tmp_path):
    result = digits(tmp_path / "zoo.h5", "--jobs", "2", "--cluster", "local:2")
    assert result.exit_code == 2
    assert "--jobs" in result.output
