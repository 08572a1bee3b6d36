"""A zoo as people use it: rows by id, slice or mask, arrays for others, a picture of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import seen
from nca_zoo.automaton.wounds import Wound
from nca_zoo.errors import ZooError
from nca_zoo.face import shown
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.rollout import State, rollout_all
from nca_zoo.store import zoofile

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from nca_zoo.explorer.notebook import Live
    from nca_zoo.face.nca import NCA

Rows = slice | Sequence[Any] | npt.NDArray[Any]


class Zoo(zoofile.Zoo):
    """N NCAs. Every column of the file is an attribute: an array ``(N, ...)``, read-only.

    ``zoo["7-012"]`` and ``zoo[3]`` are an ``NCA``; ``zoo[3:8]``, ``zoo[zoo.label == 7]``, a list of
    rows or of ids are the zoo of those. ``for nca in zoo`` goes through them.
    """

    @overload
    def __getitem__(self, key: "str | int | np.integer[Any]") -> "NCA": ...
    @overload
    def __getitem__(self, key: Rows) -> "Zoo": ...
    def __getitem__(self, key: Any) -> "NCA | Zoo":
        """An NCA by id or row, or the zoo of a slice, a mask or a list.

        Raises ZooError for an id that there is not, IndexError for such a row.
        """
        from nca_zoo.face.nca import NCA

        if isinstance(key, str):
            return NCA(self.subset([self.index(key)]))
        if isinstance(key, slice):
            return self.subset(np.arange(len(self))[key])
        rows = np.asarray(key)
        if rows.dtype.kind in "UO" and rows.ndim == 1 and rows.size:
            return self.ids([str(name) for name in rows])
        if rows.size and rows.dtype.kind not in "biu":
            raise TypeError(f"a zoo's rows are ids, row numbers or a mask, not {rows.dtype}")
        if rows.dtype.kind == "b" and rows.shape != (len(self),):
            raise IndexError(f"a mask for {len(self)} NCAs has shape {rows.shape}")
        if rows.ndim == 0:
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of a zoo of {len(self)} NCAs")
            return NCA(self.subset([int(rows) % len(self)]))
        return self.subset(rows)

    def __iter__(self) -> "Iterator[NCA]":
        return (self[row] for row in range(len(self)))

    def __contains__(self, nca_id: object) -> bool:
        return bool((self.id == nca_id).any())

    def __repr__(self) -> str:
        return shown.table(self)

    def _repr_html_(self) -> str:
        return shown.zoo_html(self)

    def xy(
        self, y: str = "label", split: str | None = None, feature: str = "weights"
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
        """``(X, y)`` for scikit-learn: vectors ``(n, D)``, and a column ``(n, ...)``.

        y: any column. split: ``train`` or ``test``; all unless given. feature: a name of
        ``nca_zoo.features.catalogue.FEATURES``; what it learns, it learns from all rows of this
        zoo, of either split. Raises ZooError, naming what there is, for other names.
        """
        from nca_zoo.features.catalogue import find_feature

        wanted = self.column(y)
        vectors = self.weights if feature == "weights" else find_feature(feature).vectors(self)
        rows = self._split(split)
        return vectors[rows], wanted[rows]

    def torch_dataset(
        self,
        items: Sequence[str] = ("weights", "label"),
        split: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> "Dataset[Any]":
        """A torch ``Dataset`` whose samples are a tuple of these columns.

        Numbers come as tensors, integers as int64; ``target`` and ``grown`` as torchvision has
        pictures: float32 ``(4, H, W)`` in [0, 1], RGBA premultiplied by alpha; texts as ``str``.
        transform is for the first item, target_transform for the last of several. split: as ``xy``.
        Raises ZooError without torch.
        """
        try:
            from nca_zoo.face.torch_data import ZooDataset
        except ModuleNotFoundError as error:
            raise ZooError(
                f"this needs {error.name}, which is not installed: pip install 'nca-zoo[torch]'"
            ) from None
        return ZooDataset(self.subset(self._split(split)), items, transform, target_transform)

    def _split(self, split: str | None) -> npt.NDArray[np.bool_]:
        """Which rows are of a split; raises ZooError, naming all, for one that there is not."""
        if split is None:
            return np.ones(len(self), bool)
        found = np.unique(self.split).tolist()
        if split not in found and split not in ("train", "test"):
            raise ZooError(f"{self.path}: no split {split!r}; there are {', '.join(found)}")
        return self.split == split

    def rollout(
        self,
        steps: int,
        every: int = 1,
        batch: int = 256,
        seed: int = 0,
        damage: Wound | Sequence[Wound] = (),
        states: bool = False,
    ) -> Iterator[tuple[int, State]]:
        """Let all NCAs grow side by side: ``(step, pictures (N, H, W, 4))`` at step 0, then every
        ``every``-th, and the last.

        Pictures are what is seen, premultiplied RGBA, not clipped; with ``states`` all 16 channels.
        batch: NCAs that run at a time; the states of all are held, 64 bytes a cell. seed: which
        fire masks, the same for every NCA, and for ``NCA.rollout``.
        """
        wounds = [damage] if isinstance(damage, Wound) else list(damage)
        threads = usable_cores()
        given = self.weights, self.seed_states(), steps, seed, every, wounds
        run = rollout_all(*given, batch, threads, self.fire_rate, self.signal())
        return ((step, now if states else seen(now, self.trained)) for step, now in run)

    def live(self, height: int = 760) -> "Live":
        """Up to 20 of them, alive in a notebook: see ``nca_zoo.explorer.notebook.live``."""
        from nca_zoo.explorer.notebook import live

        return live(self, height=height)
