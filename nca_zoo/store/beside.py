"""Columns that were added since a zoo file was written: small files beside it, joined by id.

To add a column then rewrites no gigabytes, and leaves the main file alone, which HDF5 itself would
break if it were killed while it writes. The column lies in ``zoo.h5.columns/`` until the zoo is
next written as a whole (``zoowriter.py``); readers find it there as if it were in the file.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.store.columns import Column
from nca_zoo.store.hdf5 import DAMAGE, Stamp, opened, raw_dataset, reason, stamp
from nca_zoo.store.layout import check_attributes, others
from nca_zoo.store.schema import BY_NAME, Header

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Beside:
    """One file of added columns, as it was when it was looked at."""

    path: Path
    stamp: Stamp
    header: Header  # that of the zoo it belongs to
    columns: tuple[Column, ...]
    ids: Names  # (n,): the NCAs that it has values for

    @cached_property
    def _order(self) -> Ints:
        return np.argsort(self.ids)

    def rows_of(self, ids: Names) -> Ints:
        """Where these NCAs ``(m,)`` are in the file; -1 for one that is not."""
        place = np.searchsorted(self.ids, ids, sorter=self._order).clip(max=len(self.ids) - 1)
        rows = self._order[place]
        return np.where(self.ids[rows] == ids, rows, -1)

    def belongs_to(self, header: Header) -> bool:
        """Whether it was added to the zoo with this header, not to an earlier one of its name."""
        return self.header.created == header.created and not self.header.differences(header)


def columns_folder(path: Path) -> Path:
    """Where columns lie that were added to the zoo at ``path``."""
    return path.with_name(path.name + ".columns")


def find_columns(path: Path) -> list[Path]:
    """The files of columns beside the zoo at ``path``; of columns of one name the last counts."""
    return sorted(columns_folder(path).glob("*.h5"))


def read_beside(path: Path) -> Beside:
    """Look at one file of added columns: whose they are, and what they are."""
    with opened(path) as file:
        try:
            header = check_attributes(file)
            ids = _ids(file)
            columns, _ = others(file, len(ids))
            return Beside(path, stamp(file), header, tuple(columns), ids)
        except ZooError as error:
            raise ZooError(f"{path}: {error}") from None
        except DAMAGE as error:
            raise ZooError(f"{path}: damaged ({reason(error)})") from None


def _ids(file: h5py.File) -> Names:
    dataset, problem = raw_dataset(file, "id") if "id" in file else (None, "missing")
    if dataset is None:
        raise ZooError(f"id: {problem}")
    held = stamp(file)[0]
    if dataset.dtype.str != BY_NAME["id"].dtype.replace("S", "|S") or len(dataset.shape) != 1:
        raise ZooError(f"id: expected a text for each row, found {dataset.dtype} {dataset.shape}")
    if not 0 < dataset.shape[0] * dataset.dtype.itemsize <= held:
        raise ZooError(f"id: says it holds {dataset.shape}, in a file of {held} bytes")
    return file["id"][:].astype(np.str_)
