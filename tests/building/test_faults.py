"""What happens to machines: kills, signals, full and read-only disks, wrong clocks, sleep.

Real builds with the real command. The two scripts that do much more of this print the tables of
docs/reliability.md.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from broken_zoos import MARK, touched_elsewhere
from kill_builds import same_but_for_time
from small_builds import STOPPED, arguments, draw, finish, made, run, start

from nca_zoo.store.zoofile import open_zoo

COUNT = 12
TESTS = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.wide,  # kills, disks and clocks: minutes
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and mounts"),
]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawings") / "pictures")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, drawings):
    """An uninterrupted build."""
    out = tmp_path_factory.mktemp("whole") / "zoo.h5"
    made(arguments(drawings, out))
    return out


@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MB, and a way to mount it anew."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)

    yield place, remount
    subprocess.run(["umount", "-l", place], check=True)


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_kills_lose_nothing():
    script = [sys.executable, TESTS / "kill_builds.py", "--kills", "4", "--seed", "3"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing lost, nothing changed." in done.stdout
    assert int(re.search(r"^all +(\d+)$", done.stdout, re.MULTILINE)[1]) >= 4
    assert int(re.search(r"looked for after it: (\d+)", done.stdout)[1]) > 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_with_workers_ends_them_and_goes_on(tmp_path, drawings, whole, sent):
    out = tmp_path / "zoo.h5"
    child = start(arguments(drawings, out, jobs=2))
    wait_for(out, child)
    if sent == signal.SIGINT:
        os.killpg(child.pid, sent)  # Ctrl-C reaches all
    else:
        child.send_signal(sent)
    last = finish(child, 1) if child.poll() is None else ""
    if last:  # else it was done before
        assert STOPPED in last
        assert f"{len(open_zoo(out))} of {COUNT} NCAs are safe" in last
    made(arguments(drawings, out, jobs=1, cohort=5))
    assert same_but_for_time(out, whole)
    assert not list(tmp_path.glob("zoo.h5?*"))


def test_a_full_disk_then_room(disk, drawings, whole):
    place, remount = disk
    out = place / "zoo.h5"
    stopped = run(arguments(drawings, out, cohort=2))
    assert stopped.exit_code == 1
    last = stopped.stderr.strip().splitlines()[-1]
    assert last.startswith(f"Error: {out}: cannot be written: No space left on device")
    assert STOPPED.partition("from")[0] in last
    kept = open_zoo(out)
    assert 0 < len(kept) < COUNT
    assert not list(place.rglob("*.tmp"))
    remount("size=16m")
    made(arguments(drawings, out, cohort=2))
    assert same_but_for_time(out, whole)


def test_a_read_only_disk(disk, drawings, whole):
    place, remount = disk
    remount("ro")
    refused = run(arguments(drawings, place / "zoo.h5"))
    assert refused.exit_code == 1
    assert "zoo.h5: cannot be written: Read-only file system" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    remount("rw,size=16m")
    (place / "zoo.h5").write_bytes(whole.read_bytes())
    remount("ro")
    for command in (["info"], ["verify"]):  # reading needs no writing
        made([*command, "--zoo", str(place / "zoo.h5")])


def test_a_machine_that_sleeps_and_a_second_build(tmp_path, drawings, whole):
    out = tmp_path / "zoo.h5"
    first = start(arguments(drawings, out, jobs=2))
    wait_for(tmp_path / "zoo.h5.lock", first)
    while not (tmp_path / "zoo.h5.lock").read_text():  # it is made before it is written
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        second = run(arguments(drawings, out))
        assert second.exit_code == 1
        assert "is being written already; wait, or use another --out. " in second.stderr
        assert f"The writer is process {first.pid} on" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
        time.sleep(1)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    finish(first)
    assert same_but_for_time(out, whole)


CLOCKS = """
import itertools, os, sys, time
from nca_zoo.store import zoowriter
zoowriter.FAN_BITS = 1
hours = itertools.count()
real, replace = time.time, os.replace
time.time = lambda: real() - 3600 * next(hours)
time.time_ns = lambda: int(time.time() * 1e9)
def backwards(old, new):
    os.utime(old, (2e9 - 3600 * next(hours),) * 2)
    replace(old, new)
os.replace = backwards
from nca_zoo_cli.main import main
main()
"""


def test_a_clock_that_jumps_back(tmp_path, drawings, whole):
    out = tmp_path / "zoo.h5"
    command = [sys.executable, "-c", CLOCKS, *arguments(drawings, out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert f"{COUNT} NCAs;" in done.stdout
    assert same_but_for_time(out, whole)
    with h5py.File(out) as file:
        assert (file["wall_s"][:] >= 0).all()


@pytest.mark.parametrize(("jobs", "cohort"), [(1, 5), (2, 12)])
def test_the_same_command_gives_the_same_bits(tmp_path, drawings, whole, jobs, cohort):
    out = tmp_path / "zoo.h5"
    made(arguments(drawings, out, jobs, cohort))
    assert same_but_for_time(out, whole)


def test_a_file_touched_elsewhere_would_be_seen():
    log = [
        '7 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = 3',
        f'7 openat(AT_FDCWD, "{MARK}", O_RDONLY) = -1 ENOENT',
        '7 openat(AT_FDCWD, "/tmp/broken-zoos-x/secret.h5", O_RDONLY) = 3',
        '8 openat(AT_FDCWD, "zoo.h5", O_RDONLY) = 3',
        f'8 openat(AT_FDCWD, "{sys.prefix}/lib/x.py", O_RDONLY|O_CLOEXEC) = 3',
        '8 openat(AT_FDCWD, "/tmp/broken-zoos-x/inside/.merged.h5.7.tmp", O_RDWR|O_CREAT) = 3',
        '8 openat(AT_FDCWD, "../secret.h5", O_RDONLY) = 3',
        '8 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3',
        f'8 openat(AT_FDCWD, "{sys.prefix}/lib/x.pyc", O_WRONLY|O_CREAT) = 3',
        '8 unlink("/home/a/b") = 0',
        '8 execve("/bin/sh", ["sh"], 0x1) = 0',
    ]
    found = [line.partition(" ")[2] for line in touched_elsewhere(log)]
    assert found == [
        "../secret.h5",
        "/etc/passwd",
        f"{sys.prefix}/lib/x.pyc",
        "/home/a/b",
        "/bin/sh",
    ]


def test_broken_zoos_take_one_line():
    script = [sys.executable, TESTS / "broken_zoos.py", "--files", "32", "--seed", "3", "--traced"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing went wrong." in done.stdout
