"""How many CPU cores this process may use, which is often fewer than the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")
CONTROLS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """The cores that this process may use, at least 1.

    joblib knows the affinity, the quota at the root of the control groups, as in a container, and
    ``LOKY_MAX_CPU_COUNT``. Quotas of the groups within, as systemd sets them, and what Slurm has
    granted (``SLURM_CPUS_PER_TASK``) are looked at here.
    """
    from joblib import cpu_count  # here, so that --help need not wait for it

    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    slurm = [int(granted)] if granted.isdecimal() and int(granted) else []
    return max(1, min([cpu_count(), *slurm, *_quotas(MEMBERSHIP, CONTROLS)]))


def _quotas(membership: Path, controls: Path) -> Iterator[int]:
    """Cores that each control group of this process, and each around it, leaves to it."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux, or nothing is told
        return
    for line in lines:
        _, kinds, group = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        around = PurePosixPath(group.lstrip("/"))
        for level in (around, *around.parents):
            # Version 2 has one tree; in version 1 each kind of control has its own.
            quota = _quota(controls / kinds / level) if ".." not in level.parts else None
            if quota:
                yield quota


def _quota(group: Path) -> int | None:
    """Cores of one control group, rounded up; None if it sets no limit."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        return math.ceil(int(quota) / int(period)) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no such group to be seen here
        return None
