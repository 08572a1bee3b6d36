"""Zoo files broken on purpose, thousands of them, each read by the commands as a person would.

    python tests/broken_zoos.py --files 1000 --seed 0

prints a table: how many files of each kind, what became of them, and whatever went wrong: a crash,
a hang, an answer that is not one clear line, memory beyond the limit, a file touched elsewhere.
``--kind`` takes one kind alone; ``--unguarded`` leaves out our check of what would crash HDF5, so
that its crashes are counted as what is wrong.
With ``strace`` on the machine every file that a reader opens is seen, those that HDF5 opens
included.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from click.testing import CliRunner
from mutations import KINDS, bases

from nca_zoo.store import hdf5
from nca_zoo.store import verify as checking
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

SECONDS = 30  # a reader may take; more is a hang
MEMORY = 512 << 20  # bytes that a reader may take beyond what the program itself needs
COMMANDS = (
    ["verify", "--sample", "2"],
    ["info"],
    ["info", "1-000"],
    ["merge", "--out", "merged.h5"],
    ["export", "--format", "npz", "--out", "exported.npz"],
)
LONGEST = 400  # letters in a line, the path left out


@dataclass
class Outcome:
    """What the readers made of one file."""

    told: bool = False  # some command refused it
    wrong: list[str] = field(default_factory=list)
    crash: bool = False  # HDF5 crashed, and ``verify`` says so
    peak: int = 0  # bytes of memory beyond those at the start


def broken_files(
    count: int, seed: int, names: Sequence[str] = tuple(KINDS)
) -> Iterator[tuple[str, bytes]]:
    """``count`` broken zoos: what was done to each, and its bytes. The same for the same seed."""
    whole = bases()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind = names[number % len(names)]
        yield kind, KINDS[kind](rng, whole)


def check_answer(command: list[str], code: int, out: str, err: str, told: Any) -> list[str]:
    """What is wrong with how a command ended."""
    name = " ".join(command[:2])
    err = err.rpartition("\r")[2]  # what is left of a progress bar
    wrong = []
    if told is not None and not isinstance(told, SystemExit):
        wrong.append(f"{name}: {type(told).__name__}: {str(told)[:200]}")
    if code not in (0, 1):
        wrong.append(f"{name}: exit {code}")
    lines = (out if command[0] == "verify" else err).splitlines()
    if code == 1 and not lines:
        wrong.append(f"{name}: exit 1 without a word")
    if code == 1 and command[0] != "verify" and len(lines) != 1:
        wrong.append(f"{name}: {len(lines)} lines: {lines[:3]}")
    for line in (out + err).splitlines() if code else []:
        if not line.isprintable() or len(line) > LONGEST or "Traceback" in line:
            wrong.append(f"{name}: not a clear line: {line[:200]!a}")
    if not all(letter.isprintable() or letter == "\n" for letter in out + err):
        wrong.append(f"{name}: control characters in {(out + err)[:200]!a}")
    return wrong


def read_everything(folder: Path) -> Outcome:
    """Run every command on ``zoo.h5`` of a folder, in this process."""
    os.chdir(folder)
    outcome = Outcome()
    for command in COMMANDS:
        zoo = ["zoo.h5"] if command[0] == "merge" else ["--zoo", "zoo.h5"]
        run = CliRunner().invoke(group, [*command, *zoo])
        outcome.told |= run.exit_code == 1
        outcome.wrong += check_answer(command, run.exit_code, run.stdout, run.stderr, run.exception)
    problems = verify("zoo.h5")
    try:
        zoo = open_zoo("zoo.h5")
        for name in zoo.columns:
            zoo.column(name)
    except Exception as error:
        if type(error).__name__ != "ZooError":
            outcome.wrong.append(f"open: {type(error).__name__}: {str(error)[:200]}")
        elif not problems:
            outcome.wrong.append(f"verify finds nothing, but reading fails: {error}")
    return outcome


def in_child(work: Callable[[], Outcome], seconds: float = SECONDS) -> Outcome:
    """Do ``work`` in a fork with bounded memory and time; a crash or a hang is what is wrong."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(receive)
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcome = work()
            outcome.peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
            os.write(send, json.dumps(vars(outcome)).encode()[:60_000])
            code = 0
        finally:
            os._exit(code)
    os.close(send)
    with selectors.DefaultSelector() as selector:
        selector.register(receive, selectors.EVENT_READ)
        in_time = bool(selector.select(seconds))
    told = os.read(receive, 1 << 16) if in_time else b""
    os.close(receive)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not in_time:
        return Outcome(wrong=[f"hangs: no end after {seconds} s"])
    if os.WIFSIGNALED(status):
        return Outcome(wrong=[f"crash: {signal.Signals(os.WTERMSIG(status)).name}"])
    return Outcome(**json.loads(told)) if told else Outcome(wrong=["crash: no answer"])


def listing(folder: Path) -> dict[str, Any]:
    """All that could be changed under a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def set_out(folder: Path) -> Path:
    """A place with things that no broken file may reach; returns where the broken ones go."""
    shutil.copy(make_secret(folder), folder / "secret.raw")
    os.mkfifo(folder / "pipe.h5")  # whoever opens it waits for ever
    inside = folder / "inside"
    inside.mkdir()
    return inside


def make_secret(folder: Path) -> Path:
    """A good zoo that is none of a broken file's business."""
    path = folder / "secret.h5"
    path.write_bytes(bases()["native"].data)
    return path


def try_one(folder: Path, inside: Path, data: bytes) -> Outcome:
    """Put a broken file in place, have it read, and see that nothing else changed.

    If HDF5 crashes on it, the real ``verify``, which reads in a process of its own, must say so.
    """
    (inside / "zoo.h5").write_bytes(data)
    before = {name: seen for name, seen in listing(folder).items() if "inside" not in name}
    outcome = in_child(lambda: read_everything(inside))
    if any(wrong.startswith("crash: SIG") for wrong in outcome.wrong):
        real = [sys.executable, "-m", "nca_zoo_cli.main", "verify", "--zoo", "zoo.h5"]
        run = subprocess.run(real, cwd=inside, capture_output=True, text=True, check=False)
        if run.returncode == 1 and "HDF5 itself fails on it" in run.stdout:
            outcome = Outcome(told=True, crash=True)
    after = {name: seen for name, seen in listing(folder).items() if "inside" not in name}
    if after != before:
        outcome.wrong.append("something elsewhere changed")
    if (inside / "zoo.h5").read_bytes() != data:
        outcome.wrong.append("reading changed the file")
    if strays := {p.name for p in inside.iterdir()} - {"zoo.h5", "merged.h5", "exported.npz"}:
        outcome.wrong.append(f"left behind: {sorted(strays)}")
    for path in inside.iterdir():
        path.unlink()
    return outcome


def warm_up(folder: Path, inside: Path) -> None:
    """Have every command import and compile what it needs, and be sure that a whole zoo passes."""
    here = Path.cwd()
    # `verify` has a process of its own for each file, which takes long; ours is one already.
    checking._problems_seen_by_a_child = lambda path: checking._problems(path, lambda *_: None)
    for base in bases().values():
        (inside / "zoo.h5").write_bytes(base.data)
        outcome = read_everything(inside)
        assert not outcome.wrong, outcome.wrong
        for path in inside.iterdir():
            path.unlink()
    os.chdir(here)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="this kind alone")
    parser.add_argument("--unguarded", action="store_true", help="let HDF5 read what crashes it")
    parser.add_argument("--keep", type=Path, help="folder for files that something was wrong with")
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if shutil.which("strace") and not options.traced:
        sys.exit(run_traced())
    folder = Path(tempfile.mkdtemp(prefix="broken-zoos-"))
    inside = set_out(folder)
    warm_up(folder, inside)
    if options.unguarded:
        hdf5._chunks_take = lambda *_: True
    with contextlib.suppress(OSError):
        open(MARK).close()  # from here on strace's log counts
    began = time.monotonic()
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    failures, peak = [], 0
    for number, (kind, data) in enumerate(
        broken_files(options.files, options.seed, options.kind or tuple(KINDS))
    ):
        outcome = try_one(folder, inside, data)
        peak = max(peak, outcome.peak)
        seen[kind]["files"] += 1
        seen[kind]["refused"] += outcome.told
        seen[kind]["crash"] += outcome.crash
        seen[kind]["wrong"] += bool(outcome.wrong)
        for wrong in outcome.wrong:
            failures.append(f"file {number} ({kind}): {wrong}")
        if outcome.wrong and options.keep:
            options.keep.mkdir(exist_ok=True)
            (options.keep / f"{number:05d}.h5").write_bytes(data)
    shutil.rmtree(folder)
    print(f"{'':28} files  refused (HDF5 crashes)  read  wrong")
    for kind, counts in [*seen.items(), ("all", sum(seen.values(), Counter()))]:
        files, refused, wrong = counts["files"], counts["refused"], counts["wrong"]
        print(
            f"{kind:28} {files:5} {refused:8} {counts['crash']:14} "
            f"{files - refused - wrong:6} {wrong:6}"
        )
    print(
        f"seed {options.seed}, {time.monotonic() - began:.0f} s, h5py {h5py.__version__}, ", end=""
    )
    print(f"HDF5 {h5py.version.hdf5_version}; a reader took at most {peak / 1e6:.0f} MB")
    print("\n".join(failures) or "Nothing went wrong.")
    sys.exit(bool(failures))


MARK = "/from-here-on-files-count"
CALLS = "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,"
CALLS += "linkat,symlink,symlinkat,truncate,connect,execve"
CALL = re.compile(r'(?P<pid>\d+) +(?P<call>\w+)\([^"]*"(?P<path>(?:[^"\\]|\\.)*)"(?P<rest>.*)')
WRITING = re.compile("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


def run_traced() -> int:
    """This script again under ``strace``; then say which files were touched that should not be."""
    with tempfile.TemporaryDirectory() as log:
        traced = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "300", "-o", f"{log}/log", "-e"]
        command = [*traced, f"trace={CALLS}", sys.executable, *sys.argv, "--traced"]
        code = subprocess.call(command)
        lines = Path(log, "log").read_text("utf-8", "replace").splitlines()
    strays = touched_elsewhere(lines)
    opened = sum('"zoo.h5"' in line for line in lines)
    print(f"As strace saw it: zoo.h5 opened {opened} times, files elsewhere {strays.total()}")
    for line, count in strays.most_common(20):
        print(f"  {count} times {line}")
    return code or bool(strays)


def touched_elsewhere(log: list[str]) -> Counter[str]:
    """Calls of the readers, in a log of strace, on files that are neither the zoo's nor their own.

    Their own are libraries, opened for reading; to look whether a file exists is no touch.
    """
    start = next(i for i, line in enumerate(log) if MARK in line)
    parent = log[0].split()[0]  # this script, which looks after its secrets
    own = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), *filter(None, sys.path))
    own = (*own, "/usr/", "/lib", "/proc/", "/sys/", "/dev/", "/etc/ld.so", "/etc/localtime")
    strays: Counter[str] = Counter()
    for line in log[start + 1 :]:
        match = CALL.match(line)
        if not match or match["pid"] == parent:
            continue
        path = os.path.normpath(match["path"])
        writes = match["call"] not in ("open", "openat") or bool(WRITING.search(match["rest"]))
        inside = path.split("/")[0].startswith(("zoo.h5", "merged.h5", "exported.npz", "."))
        if inside or re.search(r"/broken-zoos-\w+/inside/?", path):
            inside = "secret" not in path and not path.startswith("..")
        if not inside and (writes or not path.startswith(own) or path.startswith("/dev/zero")):
            strays[f"{match['call']} {path}"] += 1
    return strays


if __name__ == "__main__":
    main()
