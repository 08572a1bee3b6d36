"""A map of a zoo, made when it is asked for: at once by principal components, then by UMAP.

UMAP's places are kept beside the zoo, in ``zoo.h5.layouts/``, and used for as long as the vectors
that they were made of are the same.
"""

import hashlib
import threading
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from nca_zoo.errors import ZooError
from nca_zoo.explorer import places
from nca_zoo.explorer.places import Floats
from nca_zoo.features.catalogue import find_feature
from nca_zoo.features.nearness import COMPONENTS, directions, nearest
from nca_zoo.ground.files import make_folder, published

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

NEIGHBOURS = 8
_one_umap = threading.Lock()  # numba's threads bear one caller at a time


class Chart:
    """One map: ``first`` is there in a moment, ``final`` may take UMAP's half minute.

    Both are what JSON can say: how the places were found (``method``), the places in the unit
    square (``points``), the side of a place that no other NCA shares, or None (``tile``), and for
    each NCA its nearest ones (``near``) and how far they are (``apart``). Any thread may ask.
    """

    def __init__(self, zoo: "Zoo", name: str) -> None:
        """Raises ZooError for an unknown feature."""
        self.name = name
        self._zoo, self._feature = zoo, find_feature(name)
        self._own = threading.RLock()

    def first(self) -> dict[str, Any]:
        """The map that can be had at once; ZooError if the zoo lacks what its feature needs."""
        with self._own:
            return self._kept or self._quick

    def final(self) -> dict[str, Any]:
        """The best map there is; ZooError if the zoo lacks what its feature needs."""
        first = self.first()
        if not places.has_umap(self._reduced):
            return first
        with _one_umap:
            if self._kept is None:
                flat = places.by_umap(self._reduced)
                self._keep(flat)
                self._kept = self._laid_out(flat, "UMAP")
            return self._kept

    @cached_property
    def _vectors(self) -> Floats:
        # The weights as they are need not wait for scikit-learn, which takes seconds to load.
        vectors = self._zoo.weights if self.name == "weights" else self._feature.vectors(self._zoo)
        return np.ascontiguousarray(vectors, np.float32)

    @cached_property
    def _reduced(self) -> Floats:
        return directions(self._vectors, self._zoo.good).astype(np.float32)

    @cached_property
    def _near(self) -> dict[str, Any]:
        near, apart = nearest(self._reduced, NEIGHBOURS)
        return {"near": near.tolist(), "apart": _short(apart, 3)}

    @cached_property
    def _quick(self) -> dict[str, Any]:
        return self._laid_out(places.by_components(self._reduced), "principal components")

    @cached_property
    def _kept(self) -> dict[str, Any] | None:
        flat = _read(self._file, self._key) if places.has_umap(self._reduced) else None
        return None if flat is None else self._laid_out(flat, "UMAP")

    def _laid_out(self, flat: Floats, method: str) -> dict[str, Any]:
        points, tile = places.arrange(flat)
        return {"method": method, "points": _short(points, 5), "tile": tile, **self._near}

    @property
    def _file(self) -> Path:
        path = self._zoo.path
        return path.with_name(path.name + ".layouts") / f"{self.name}.npz"

    @cached_property
    def _key(self) -> str:
        # Of what is reduced, not of what comes out: its last bits follow the number of threads.
        settings = (places.NEAREST_OF_UMAP, places.SPREAD, COMPONENTS, version("umap-learn"))
        digest = hashlib.sha256(repr((settings, self._vectors.shape)).encode())
        digest.update(self._vectors.data)
        digest.update(self._zoo.good.tobytes())
        return digest.hexdigest()

    def _keep(self, flat: Floats) -> None:
        with suppress(ZooError):  # a zoo in a folder that nobody may write to is laid out anew
            make_folder(self._file.parent)
            with published(self._file) as part, part.open("wb") as file:
                np.savez(file, key=self._key, places=flat)


def _read(path: Path, key: str) -> Floats | None:
    """Places that were kept under this key; None if there are none, or none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            flat = kept["places"] if kept["key"] == key else None
        if flat is not None and flat.dtype == np.float32 and np.isfinite(flat).all():
            return flat
    return None


def _short(values: Floats, digits: int) -> list[Any]:
    return np.round(values.astype(float), digits).tolist()
