"""Builds killed with SIGKILL at random moments, then resumed: is anything lost?

    python tests/kill_builds.py --kills 100 --seed 0

Builds a zoo again and again. Each build is killed, checked, resumed, killed again, until it is
done; half of the kills come at a random time, half at a random moment of the writing: at a sync,
a renaming, a merge, before or after it. After each kill, every NCA that was reported as finished
must be there, and bit for bit that of an uninterrupted build. All the while a second process opens
the file with plain h5py. Prints a table of what the build was doing when it died.
"""

import argparse
import contextlib
import mmap
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from rows import datasets
from small_builds import arguments, draw
from tqdm import tqdm

import nca_zoo_cli.build as command
from nca_zoo.store import zoowriter
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

# What a build is doing, by the innermost of these calls that it is in.
PHASES = {
    "beginning": (),
    "fitting": (),
    "adding NCAs": ((zoowriter.ZooWriter, "add"),),
    "merging": ((zoowriter, "merge"),),
    "writing data": ((h5py.Dataset, "__setitem__"),),
    "syncing": ((os, "fsync"),),
    "renaming": ((os, "replace"),),
    "deleting": ((os, "unlink"), (os, "rmdir")),
    "resuming": ((zoowriter.ZooWriter, "_resume"),),
    "closing": ((zoowriter.ZooWriter, "close"),),
}
NAMES = list(PHASES)
SLOW = {"jobs": 2}  # every tenth build has worker processes


@dataclass
class Tally:
    """What has been seen over all kills."""

    kills: Counter[str] = field(default_factory=Counter)  # by phase
    reported: int = 0  # NCAs that a killed build had reported, counted after every kill
    opened: int = 0  # times the file was opened while it was being built
    unfinished: int = 0  # kills that left a half-written file
    problems: list[str] = field(default_factory=list)


class Watched:
    """One run of the command in a fork, which can be killed at a moment of its writing."""

    def __init__(self, folder: Path, out: Path, kill_at: int = 0, **options: int) -> None:
        self.out = out
        # Shared with the fork: the phase, the count of moments, and the phase at each of them.
        self.phase = mmap.mmap(-1, 1 << 16)
        self.reports, send = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.setsid()
                os.close(self.reports)
                sink = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(sink, 1)
                os.dup2(sink, 2)
                self._tap(send, kill_at)
                group(arguments(folder / "pictures", out, **options), standalone_mode=False)
                code = 0
            finally:
                os._exit(code)
        os.close(send)

    def _tap(self, send: int, kill_at: int) -> None:
        """Have the build say what it does, and kill itself at the ``kill_at``-th moment."""
        head = os.getpid()

        def moment(phase: int) -> None:
            self.phase[0] = phase
            count = int.from_bytes(self.phase[8:12], "little") + 1
            self.phase[8:12] = count.to_bytes(4, "little")
            self.phase[15 + count] = phase
            if count == kill_at and os.getpid() == head:
                os.kill(head, signal.SIGKILL)

        def tapped(original: Callable[..., Any], phase: int) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                before = self.phase[0]
                moment(phase)
                try:
                    return original(*given, **named)
                finally:
                    moment(phase)
                    self.phase[0] = before

            return call

        for number, places in enumerate(PHASES.values()):
            for owner, name in places:
                setattr(owner, name, tapped(getattr(owner, name), number))
        fits = command.build_zoo

        def reported(*given: Any, **named: Any) -> Iterator[Any]:
            self.phase[0] = NAMES.index("fitting")
            for fit in fits(*given, **named):
                os.write(send, f"{fit.job.id}\n".encode())
                yield fit

        command.build_zoo = reported

    def run(self, kill_after: float | None = None) -> tuple[int, set[str], int]:
        """Watch until the end: its status, the ids it reported, and how often the file opened."""
        began, opened = time.monotonic(), 0
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if kill_after is not None and time.monotonic() - began > kill_after:
                os.kill(self.pid, signal.SIGKILL)
                kill_after = None
            opened += opens(self.out)
            time.sleep(0.002)
        with open(self.reports, "rb") as pipe:
            ids = set(pipe.read().decode().split())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # workers, if they outlived it so far
        return status, ids, opened

    @property
    def phase_name(self) -> str:
        return NAMES[self.phase[0]]

    @property
    def moments(self) -> npt.NDArray[np.uint8]:
        """The phase at every moment, in order."""
        count = int.from_bytes(self.phase[8:12], "little")
        return np.frombuffer(self.phase[16 : 16 + count], np.uint8)


def opens(path: Path) -> bool:
    """Whether there is a file; if so, plain h5py must open it."""
    if not path.exists():
        return False
    with h5py.File(path, "r", locking=False) as file:
        assert len(file["id"]) > 0
    return True


def rows_by_id(path: Path) -> dict[str, dict[str, bytes]]:
    """Every NCA of a zoo, shards included, as bytes; without the time that it took."""
    if not path.exists() and not list(path.parent.glob(f"{path.name}.shards/*.h5")):
        return {}
    zoo = open_zoo(path)
    columns = {name: zoo.column(name) for name in zoo.columns if name != "wall_s"}
    return {
        nca_id: {name: column[row].tobytes() for name, column in columns.items()}
        for row, nca_id in enumerate(zoo.id.tolist())
    }


def check(path: Path, ids: set[str], reference: dict[str, dict[str, bytes]]) -> list[str]:
    """What is lost or changed of the NCAs that were reported as finished."""
    try:
        opens(path)
        held = rows_by_id(path)
    except Exception as error:
        return [f"cannot be read: {error}"]
    lost = [f"{nca_id} is lost" for nca_id in sorted(ids - held.keys())]
    return lost + [
        f"{nca_id} differs" for nca_id, row in held.items() if row != reference.get(nca_id)
    ]


def kill_builds(folder: Path, kills: int, seed: int, with_workers: bool = True) -> Tally:
    """Kill builds in ``folder`` so many times; see the top of this file."""
    zoowriter.FAN_BITS = 1  # merge early and often
    rng = np.random.default_rng(seed)
    draw(folder / "pictures")
    tally = Tally()
    tqdm.monitor_interval = 0  # no thread of its own, so that forks are safe
    group(arguments(folder / "pictures", folder / "first.h5"), standalone_mode=False)
    whole = Watched(folder, folder / "whole.h5")
    began = time.monotonic()
    status, ids, _ = whole.run()
    seconds, moments = time.monotonic() - began, whole.moments
    assert status == 0, (folder / "said.txt").read_text()
    reference = rows_by_id(folder / "whole.h5")
    assert ids == reference.keys()
    builds = 0
    while sum(tally.kills.values()) < kills:
        builds += 1
        options = SLOW if with_workers and builds % 10 == 0 else {}
        path = folder / f"build-{builds:04d}.h5"
        safe: set[str] = set()
        done = False
        while not done:
            by_time = rng.random() < 0.5
            limit = seconds * (4 if options else 1)
            kill_after = float(rng.uniform(0, limit)) if by_time else None
            phase = rng.choice(np.unique(moments))
            moment = 0 if by_time else 1 + int(rng.choice(np.flatnonzero(moments == phase)))
            run = Watched(folder, path, moment, **options)
            status, ids, opened = run.run(kill_after)
            safe |= ids
            killed = os.WIFSIGNALED(status)
            done = not killed
            if done and os.waitstatus_to_exitcode(status):
                said = (folder / "said.txt").read_text()
                tally.problems.append(f"build {builds}: does not resume: {said[-300:]}")
            tally.opened += opened
            tally.reported += len(safe) if killed else 0
            if killed:
                tally.kills[run.phase_name] += 1
                tally.unfinished += any(folder.rglob(f"{path.name}*/*.tmp")) or any(
                    folder.glob(f".{path.name}.*.tmp")
                )
            for problem in check(path, safe, reference):
                tally.problems.append(f"build {builds}, {run.phase_name}: {problem}")
        if not same_but_for_time(path, folder / "whole.h5"):
            tally.problems.append(f"build {builds}: not the uninterrupted one")
        if strays := [p.name for p in folder.glob(f"{path.name}?*")]:
            tally.problems.append(f"build {builds}: left behind {strays}")
        path.unlink(missing_ok=True)
    return tally


def same_but_for_time(left: Path, right: Path) -> bool:
    """Whether two files hold the same, bit for bit, but for the time that it took."""
    mine, theirs = datasets(left), datasets(right)
    names = mine.keys() | theirs.keys()
    return all(mine[n].tobytes() == theirs[n].tobytes() for n in names - {"wall_s"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="killed-builds-"))
    began = time.monotonic()
    tally = kill_builds(folder, options.kills, options.seed)
    shutil.rmtree(folder)
    print("killed while      kills")
    for name, count in [*tally.kills.most_common(), ("all", sum(tally.kills.values()))]:
        print(f"{name:16} {count:6}")
    print(f"NCAs reported as finished before a kill, and looked for after it: {tally.reported}")
    print(f"Kills that left a half-written file, ignored: {tally.unfinished}")
    print(f"Times that h5py opened the file meanwhile: {tally.opened}")
    print(f"seed {options.seed}, {time.monotonic() - began:.0f} s")
    print("\n".join(tally.problems) or "Nothing lost, nothing changed.")
    sys.exit(bool(tally.problems))


if __name__ == "__main__":
    main()
