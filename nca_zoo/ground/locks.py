"""One writer at a time, by a lock of the operating system's, which no crash leaves behind."""

import os
import socket
import sys
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


class FileLock:
    """The lock on ``path``, a file of its own that says who holds it and goes with the lock.

    Raises ZooError, naming process and host of the holder, if there is one.
    """

    def __init__(self, path: Path, busy: str) -> None:
        self._path = path
        self._descriptor = _locked(path, busy)
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Remove the file, then let the next one lock."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _locked(path: Path, busy: str) -> int:
    """A descriptor of the file at ``path`` that holds its lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _try_lock(descriptor)
        except OSError:
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
            os.close(descriptor)
            known = holder and holder.isprintable()
            raise ZooError(
                f"{busy} {f'process {holder}' if known else 'another process'}"
            ) from None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a locked file is still the one at ``path``: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
