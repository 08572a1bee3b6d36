"""Arrays in an ``.npz`` that somebody else may have made: read whole, or refused in one line."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError, one_line
from nca_zoo.ground.files import published

Arrays = dict[str, npt.NDArray[Any]]
RECIPE = "recipe"  # how the arrays were made, as JSON


def write_archive(path: Path, recipe: dict[str, Any], arrays: Arrays, compressed: bool) -> None:
    """Write arrays and how they were made; the file appears whole or not at all."""
    held = arrays | {RECIPE: np.array(json.dumps(recipe, sort_keys=True))}
    with published(path) as part, part.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **held)  # type: ignore[arg-type]


def holds(path: Path, name: str) -> bool:
    """Whether a file is an archive with an array of that name; nothing of it is read."""
    if not path.is_file() or not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return f"{name}.npy" in archive.namelist()


def read_archive(path: Path, what: str, made_by: str, most: int) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file of ``write_archive`` and how they were made.

    what, made_by: for errors, as in ``start file`` and ``nca-zoo metastart``. Raises ZooError if
    there is no such file, if it is another kind of file, damaged, or unpacks to over ``most``
    bytes. Never runs code from it.
    """
    wrong = f"{path}: not a {what} of `{made_by}`"
    if path.is_file() and not is_zipfile(path):  # which numpy takes for a pickle
        raise ZooError(f"{wrong}: it is no .npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > most:
                raise ValueError(f"unpacks to more than {most} bytes")
            arrays = {name: archive[name] for name in archive.files}
            recipe = json.loads(str(arrays.pop(RECIPE)))
    except FileNotFoundError:
        raise ZooError(f"{path}: no such {what}") from None
    except Exception as error:  # a damaged archive fails in a dozen ways, all meaning the same
        raise ZooError(f"{wrong} ({one_line(error)})") from None
    if not isinstance(recipe, dict):
        raise ZooError(f"{wrong}: its recipe is no JSON object")
    return arrays, recipe


class Resumable:
    """What takes step after step, and goes on from what ``state`` holds as if never stopped."""

    taken: int  # steps so far
    _held: Arrays  # all that steps change

    @property
    def state(self) -> Arrays:
        """All that going on needs."""
        return self._held | {"taken": np.array(self.taken)}

    def go_on(self, state: Arrays) -> None:
        """Go on from the ``state`` of another that began in the same way."""
        self.taken = int(state["taken"])
        self._held = {name: np.array(state[name]) for name in self._held}
