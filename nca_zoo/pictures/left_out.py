"""Pictures that cannot be used, and the line that names them when others can."""

from collections.abc import Sequence
from pathlib import Path

from nca_zoo.errors import ZooError, printable

NAMED = 10  # files that the line names


class PictureError(ZooError):
    """One picture that cannot be used. ``why`` says so in a few words."""

    def __init__(self, text: str, path: Path, why: str) -> None:
        super().__init__(text)
        self.path = path
        self.why = why


def unreadable(path: Path, why: str, remedy: str = "repair it or take it away") -> PictureError:
    """The error of a file whose pixels cannot be had."""
    return PictureError(f"{path} cannot be read as a picture ({why}): {remedy}", path, why)


def counted(left_out: Sequence[PictureError], folder: Path) -> str:
    """``2 files left out: cat/notes.txt (no picture), cat/3.png (cut short)``."""
    named = [f"{_inside(error.path, folder)} ({error.why})" for error in left_out[:NAMED]]
    more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    files = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
    return f"{files} left out: {', '.join(named)}{more}"


def _inside(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return printable(name)
