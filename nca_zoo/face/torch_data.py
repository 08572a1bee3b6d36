"""A zoo for torch's ``DataLoader``. Importing this loads torch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from nca_zoo.errors import ZooError
from nca_zoo.pictures.targets import restored

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

PICTURES = ("target", "grown")


class ZooDataset(Dataset[Any]):
    """Samples of a zoo: the values of some columns, in a tuple if there are several."""

    def __init__(
        self,
        zoo: "Zoo",
        items: Sequence[str],
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
    ) -> None:
        items = (items,) if isinstance(items, str) else tuple(items)
        if not items:
            raise ZooError("items names no column; write for example items=('weights', 'label')")
        self.items, self._length = items, len(zoo)
        self._columns = [_tensor(zoo, name) for name in items]
        self._transform, self._target_transform = transform, target_transform

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: int) -> Any:
        sample = [column[row] for column in self._columns]
        if self._transform is not None:
            sample[0] = self._transform(sample[0])
        if self._target_transform is not None and len(sample) > 1:
            sample[-1] = self._target_transform(sample[-1])
        return tuple(sample) if len(sample) > 1 else sample[0]


def _tensor(zoo: "Zoo", name: str) -> Any:
    """A column as torch has it, row by row."""
    values = zoo.column(name)
    if name in PICTURES:
        return torch.from_numpy(np.ascontiguousarray(restored(values).transpose(0, 3, 1, 2)))
    if values.dtype.kind == "U":
        return values.tolist()
    if values.dtype.kind in "iu":  # torch has no unsigned 64 bits everywhere: keep the bits
        wide = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64)
        return torch.from_numpy(wide.copy())
    return torch.from_numpy(values.copy())
