"""One writer at a time, by a lock of the operating system's, which no crash leaves behind.

Some file systems, mostly of clusters, have no locks. There a file that is there is the lock.
"""

import errno
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from nca_zoo.errors import ZooError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a locked byte cannot be read there
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # by another; else there are no locks


class FileLock:
    """The lock on ``path``, a file of its own that says who holds it and goes with the lock.

    Raises ZooError, naming process and host of the holder, if there is one.
    """

    def __init__(self, path: Path, busy: str) -> None:
        self._path = path
        try:
            self._descriptor = _locked(path, busy)
        except _NoLocks:
            self._path = path.with_name(f"{path.name}.held")
            self._descriptor = _created(self._path, busy)
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Remove the file, and let the next one lock."""
        if sys.platform == "win32":  # where an open file cannot be removed, nor one of the next's
            os.close(self._descriptor)
            with suppress(OSError):
                self._path.unlink()
        else:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)


class _NoLocks(Exception):
    """The file system has no locks."""


def _locked(path: Path, busy: str) -> int:
    """A descriptor of the file at ``path`` that holds its lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _try_lock(descriptor)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            if error.errno not in HELD:
                path.unlink(missing_ok=True)
                raise _NoLocks from None
            raise ZooError(f"{busy} {holder}") from None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _created(path: Path, busy: str) -> int:
    """A descriptor of a file that was not there; raises ZooError if it was."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        descriptor = os.open(path, os.O_RDONLY)
        holder = _holder(descriptor)
        os.close(descriptor)
        raise ZooError(
            f"{busy} {holder}, or was: this file system has no locks that would tell; if that one "
            f"has ended, delete {path}"
        ) from None


def _holder(descriptor: int) -> str:
    """Who a lock's file says has it."""
    text = os.read(descriptor, 200).decode("utf-8", "replace").strip()
    return f"process {text}" if text and text.isprintable() else "another process"


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a locked file is still the one at ``path``: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
