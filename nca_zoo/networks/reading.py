"""Reading: what will grow of weights, without letting them run.

Ridge regression from the principal components of the weights to the seed-centred picture.
"""

from typing import Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from nca_zoo.features.measures import Vectors

COMPONENTS = 300
PENALTIES = np.logspace(-5, 3, 25)  # to choose from; weights of a zoo vary by about 1 in all


class PictureReader:
    """Reads pictures ``(N, H, W, C)`` from weights ``(N, P)``."""

    def __init__(self, components: int = COMPONENTS) -> None:
        """components: of the weights, at most; fewer if there are fewer NCAs."""
        self.components = components
        self._shape: tuple[int, ...] = ()
        self._model: Pipeline | None = None

    def fit(self, weights: Vectors, pictures: Vectors) -> Self:
        """Learn from weights ``(N, P)`` and the pictures that they grow, ``(N, H, W, C)``."""
        self._shape = pictures.shape[1:]
        analysis = PCA(min(self.components, len(weights) - 1), random_state=0)
        self._model = make_pipeline(analysis, RidgeCV(PENALTIES))
        with threadpool_limits(limits=1):
            self._model.fit(weights, pictures.reshape(len(pictures), -1))
        return self

    def read(self, weights: Vectors) -> Vectors:
        """What weights ``(N, P)`` will grow, ``(N, H, W, C)`` in [0, 1], the seed in the middle."""
        if self._model is None:
            raise ValueError("a reader reads once it is fitted")
        with threadpool_limits(limits=1):
            found = self._model.predict(weights)
        return np.clip(found, 0, 1).reshape(-1, *self._shape).astype(np.float32)
