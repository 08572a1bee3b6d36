"""How many cores a process may use: by affinity, control groups, Slurm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nca_zoo.ground import cores
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import workers_for

V1, V2 = "4:cpu,cpuacct:{}\n3:memory:/other\n", "0::{}\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for /sys/fs/cgroup, on a machine of 64 cores without limits."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 64)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cores, "CONTROLS", tmp_path / "controls")
    return tmp_path / "controls"


def group(machine: Path, name: str, **files: str) -> None:
    (machine / name).mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (machine / name / file.replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")).write_text(
            content
        )


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000\n", 64), ("250000 100000\n", 3), ("50000 100000\n", 1), ("nonsense", 64)],
)
def test_the_quota_of_the_group_counts(machine: Path, quota: str, expected: int) -> None:
    group(machine, "user.slice/job", cpu_max=quota)
    cores.MEMBERSHIP.write_text(V2.format("/user.slice/job"))
    assert usable_cores() == expected


def test_the_tightest_of_the_groups_around_counts(machine: Path) -> None:
    group(machine, "a", cpu_max="400000 100000")
    group(machine, "a/b", cpu_max="max 100000")
    group(machine, "a/b/c", cpu_max="800000 100000")
    cores.MEMBERSHIP.write_text(V2.format("/a/b/c"))
    assert usable_cores() == 4


def test_version_1_keeps_its_quota_in_two_files(machine: Path) -> None:
    group(machine, "cpu,cpuacct/docker/x", cpu_cfs_quota_us="150000\n", cpu_cfs_period_us="50000\n")
    cores.MEMBERSHIP.write_text(V1.format("/docker/x"))
    assert usable_cores() == 3
    group(machine, "cpu,cpuacct/docker/x", cpu_cfs_quota_us="-1\n")
    assert usable_cores() == 64


def test_a_group_outside_what_can_be_seen_is_no_limit(machine: Path) -> None:
    group(machine, "", cpu_max="100000 100000")
    cores.MEMBERSHIP.write_text(V2.format("/../.."))
    assert usable_cores() == 1  # that of the visible root alone
    cores.MEMBERSHIP.unlink()
    assert usable_cores() == 64


@pytest.mark.parametrize(("granted", "expected"), [("6", 6), ("200", 64), ("", 64), ("x", 64)])
def test_slurm_grants_cores(
    machine: Path, monkeypatch: pytest.MonkeyPatch, granted: str, expected: int
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
    assert usable_cores() == workers_for("cpu") == expected
    assert workers_for("cuda") == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_tied_to_one_core_starts_one_worker() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from nca_zoo.life.engines import workers_for\n"
        "from nca_zoo_cli.mix import line\n"
        "jobs = next(p for p in line.params if p.name == 'jobs')\n"
        "print(workers_for('cpu'), jobs.default())"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["1", "1"]
