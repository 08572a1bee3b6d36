"""A process that writes a zoo and is stopped: run by test_zoowriter.py, never imported by it."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import killing
import numpy as np
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.store import zoowriter
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

ROWS = 6
LIMITED_ROWS = 12
BATCH = 2
CALLS_A_KILL = 11  # one kill at every so-manieth call of the system
TIMED_KILLS = 5


def hold(path: Path) -> None:
    """Hold the lock until killed."""
    ZooWriter(path, header())
    print("holding", flush=True)
    time.sleep(60)


def limit(path: Path, n_bytes: int) -> None:
    """Write rows with no file allowed to grow beyond a size; print the rows that were finished."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
    finished: list[int] = []
    try:
        with ZooWriter(path, header()) as writer:
            for number in range(LIMITED_ROWS):
                writer.add([record(number)])
                finished.append(number)
    except ZooError as error:
        stored = {row for row in range(LIMITED_ROWS) if record(row)["id"] in _ids(path)}
        assert stored >= set(finished)
        print(json.dumps(sorted(stored)))
        sys.exit(str(error))


def _ids(path: Path) -> set[str]:
    try:
        return set(open_zoo(path).id.tolist())
    except ZooError as error:
        assert "no such file" in str(error)
        return set()


def build(path: Path, report: int) -> None:
    """Write what is missing of the zoo, and report each row to a pipe when it is finished."""
    with ZooWriter(path, header()) as writer:
        todo = [n for n in range(ROWS) if record(n)["id"] not in writer.finished_ids()]
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            writer.add([record(number) for number in batch])
            os.write(report, bytes(batch))


def _run(path: Path, kill_at_call: int = 0, kill_after: float | None = None) -> tuple[bool, bytes]:
    """Build in a forked process; whether it was killed, and the rows it reported as finished."""
    pipe, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        if kill_at_call:
            killing.kill_at_call(kill_at_call)
        build(path, report)
        os._exit(0)
    os.close(report)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    finished = os.read(pipe, 1000)
    os.close(pipe)
    killed = os.WIFSIGNALED(status)
    assert killed or os.waitstatus_to_exitcode(status) == 0
    return killed, finished


def _check(path: Path, finished: bytes) -> None:
    """Every reported row is there as it was, and plain h5py opens the file if there is one."""
    if finished:
        zoo = open_zoo(path)
        for number in finished:
            row = record(number)
            at = zoo.index(row["id"])
            np.testing.assert_array_equal(zoo.weights[at], row["weights"])
            np.testing.assert_array_equal(zoo.target[at], row["target"])
    if path.exists():
        with h5py.File(path, "r") as file:
            for name in file:
                file[name][...]


def kills(folder: Path) -> None:
    """Kill a build at many calls and many moments; check, resume, and say how it went."""
    zoowriter.FAN_BITS = 1
    os.fsync = lambda descriptor: None  # a kill leaves the system's buffers as they are
    began = time.monotonic()
    assert not _run(folder / "timing.h5")[0]
    whole = time.monotonic() - began
    plans: list[dict[str, Any]] = [
        {"kill_after": whole * (i + 0.5) / TIMED_KILLS} for i in range(TIMED_KILLS)
    ]
    killed = seen = count = 0
    going = True
    while going or plans:
        path = folder / f"killed-{killed:03d}.h5"
        if going:
            count += CALLS_A_KILL
            died, finished = _run(path, kill_at_call=count)
            going = died
        else:
            died, finished = _run(path, **plans.pop())
        killed += died
        seen += any(folder.rglob("*.tmp"))
        _check(path, finished)
        assert not _run(path)[0]
    print(json.dumps({"killed": killed, "unfinished_files_seen": seen, "rows": ROWS}))


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    {"hold": hold, "limit": limit, "kills": kills}[command](Path(path), *map(int, rest))
