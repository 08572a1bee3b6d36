"""The control groups of Linux that this process is in: of a container, a job, a slice."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def control_groups(membership: Path, controls: Path, kind: str) -> Iterator[Path]:
    """The folder of each group of this process that controls ``kind``, and of each around it.

    membership: a file as ``/proc/self/cgroup``; controls: where groups are seen as folders. Version
    2 has one tree; in version 1 each kind of control has its own.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux, or nothing is told
        return
    for line in lines:
        _, kinds, group = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        around = PurePosixPath(group.lstrip("/"))
        for level in (around, *around.parents):
            if ".." not in level.parts:  # a group outside what can be seen here
                yield controls / kinds / level
