"""Files that appear whole or not at all: the one way in which anything here is written."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nca_zoo.errors import DiskError, ZooError, one_line

WAITS_S = (0.01, 0.03, 0.1, 0.3, 1, 3)  # until readers are done with a file


@contextmanager
def published(path: str | Path, hint: str = "", durable: bool = False) -> Iterator[Path]:
    """An empty file beside ``path`` that takes its place if the block succeeds.

    The folder must be there. Of a link, what it points at is replaced, and the link stays. durable:
    it is then on the disk, whatever happens to the power. Raises DiskError, one line that ends in
    ``hint``, for what the disk refuses and for what is there and no file, such as ``/dev/stdout``;
    ``path`` is then as it was.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no file"
        raise DiskError(f"{path}: cannot be written: it is {kind}{hint}")
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        part.touch()
        mode = part.stat().st_mode
        yield part
        os.chmod(part, mode)  # some libraries would let nobody else read their files
        if durable:
            sync_file(part)
        patiently(lambda: os.replace(part, path))
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else one_line(error)
        raise DiskError(f"{path}: cannot be written: {words}{hint}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def patiently(change: Callable[[], object]) -> None:
    """Replace or remove a file: a few tries on Windows, where that waits for whoever reads it."""
    for wait in WAITS_S if sys.platform == "win32" else ():
        try:
            change()
            return
        except PermissionError:
            time.sleep(wait)
    change()


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in; raises ZooError, one line, if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"{path}: cannot be made: {error.strerror or error}") from None


def sync_file(path: Path) -> None:
    """Make what a file holds last through a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renamings in a folder last through a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
