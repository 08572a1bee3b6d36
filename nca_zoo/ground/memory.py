"""How much memory this process may still have: of the machine, its container and its own limits."""

import os
import sys
from pathlib import Path

from nca_zoo.ground.groups import control_groups

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
CAPS = (  # of a group of processes: its limit and what it uses, in versions 2 and 1
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def available() -> int | None:
    """Bytes that can still be filled; None where the system does not say.

    Of what the kernel says is available, what a container leaves, and what ``ulimit -v`` leaves.
    """
    known = [_of_machine(), *_of_groups(), addressable()]
    return min((found for found in known if found is not None), default=None)


def total() -> int | None:
    """Bytes of the machine, all in all; a single array of more than that is refused anywhere."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def addressable() -> int | None:
    """Bytes that can still be asked for, filled or not: what ``ulimit -v`` leaves; None: all."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    pages = _number(PROC / "self/statm")  # the first number: all pages that are mapped
    return max(0, limit - (pages or 0) * resource.getpagesize())


def _of_machine() -> int | None:
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return total()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    held = fields.get("MemAvailable", "").split()
    return int(held[0]) << 10 if held else total()


def _of_groups() -> list[int]:
    """What each group of processes that this one is in has left, as far as they have limits."""
    own = control_groups(PROC / "self/cgroup", CGROUPS, "memory")
    left = []
    for place in (*own, CGROUPS / "memory"):  # a container's own of version 1 has no other name
        for limit, use in CAPS:
            most, used = _number(place / limit), _number(place / use)
            if most is not None and used is not None:
                left.append(max(0, most - used))
    return left


def _number(path: Path) -> int | None:
    """The first number in a file; None without one: a limit may be ``max``."""
    try:
        first = path.read_text().split()[0]
    except (OSError, IndexError):
        return None
    return int(first) if first.isdecimal() else None
