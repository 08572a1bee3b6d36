"""How many CPU cores this process may use, which is often fewer than the machine has."""

import math
import os
from pathlib import Path

from nca_zoo.ground.groups import control_groups

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
    quotas = map(_quota, control_groups(MEMBERSHIP, CONTROLS, "cpu"))
    return max(1, min([cpu_count(), *slurm, *filter(None, quotas)]))


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
