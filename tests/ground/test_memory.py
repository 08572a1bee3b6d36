"""How much memory there is, by files as Linux writes them, of a machine and of containers."""

import sys

import pytest

from nca_zoo.ground import memory
from nca_zoo.ground.memory import addressable, available, total

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
GB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GB available, in which nothing is limited; a way to write its files."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "groups")

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("proc/meminfo", f"MemTotal: {16 << 20} kB\nMemAvailable:    {8 << 20} kB\n")
    return write


def test_of_the_machine(machine):
    assert available() == 8 * GB


def test_of_a_container_its_folders_and_the_old_way(machine):
    machine("proc/self/cgroup", "0::/jobs/one\n")
    machine("groups/jobs/one/memory.max", "max\n")
    machine("groups/jobs/one/memory.current", f"{GB}\n")
    assert available() == 8 * GB
    machine("groups/jobs/memory.max", f"{4 * GB}\n")
    machine("groups/jobs/memory.current", f"{GB}\n")
    assert available() == 3 * GB
    machine("groups/memory/memory.limit_in_bytes", f"{2 * GB}\n")
    machine("groups/memory/memory.usage_in_bytes", f"{3 * GB}\n")
    assert available() == 0


def test_of_a_limit_on_addresses(machine, monkeypatch):
    import resource

    assert addressable() is None
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5 * GB, 6 * GB))
    machine("proc/self/statm", f"{GB // resource.getpagesize()} 7 7 7\n")
    assert addressable() == available() == 4 * GB


def test_of_a_system_that_does_not_say(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "PROC", tmp_path)
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    assert available() == total() > GB
