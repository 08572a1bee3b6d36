"""Reading: what will grow of weights, without letting them run.

From weights to the seed-centred picture: by ridge regression from their principal components, or by
a network over weights (``networks.readers``), which needs torch.
"""

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from nca_zoo.features.measures import Vectors
from nca_zoo.networks.learning import Schedule, answered, learnt
from nca_zoo.networks.readers import Kind, Sight

if TYPE_CHECKING:
    from torch import nn

COMPONENTS = 300
PENALTIES = np.logspace(-5, 3, 25)  # to choose from; weights of a zoo vary by about 1 in all


class PictureReader:
    """Reads pictures ``(N, H, W, C)`` from weights ``(N, P)``."""

    def __init__(self, components: int = COMPONENTS) -> None:
        """components: of the weights, at most; fewer if there are fewer NCAs."""
        self.components = components
        self._shape: tuple[int, ...] = ()
        self._model: Pipeline | None = None

    @property
    def parameters(self) -> int:
        """Numbers that it has learnt, the components among them."""
        if self._model is None:
            return 0
        analysis, ridge = self._model[0], self._model[-1]
        return int(analysis.components_.size + ridge.coef_.size + ridge.intercept_.size)

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


class NetworkPictureReader:
    """Reads pictures ``(N, H, W, C)`` from weights ``(N, P)`` by a network of some kind."""

    def __init__(self, kind: Kind, schedule: Schedule) -> None:
        self._kind, self._schedule = kind, schedule
        self._mean = np.zeros((0, 0, 0), np.float32)
        self._sight: Sight | None = None
        self._network: nn.Module | None = None

    @property
    def parameters(self) -> int:
        """Numbers that it has learnt."""
        return sum(each.numel() for each in self._network.parameters()) if self._network else 0

    def fit(self, weights: Vectors, pictures: Vectors) -> Self:
        """Learn from weights ``(N, P)`` and the pictures that they grow, ``(N, H, W, C)``."""
        import torch

        self._mean = pictures.mean(axis=0)
        self._sight = self._kind.sight(weights, weights.shape[1:])
        self._network = learnt(
            lambda seen: self._kind.make(seen, self._mean.size),
            self._sight(weights),
            (pictures - self._mean).reshape(len(pictures), -1),
            torch.nn.functional.mse_loss,
            self._schedule,
        )
        return self

    def read(self, weights: Vectors) -> Vectors:
        """What weights ``(N, P)`` will grow, ``(N, H, W, C)`` in [0, 1], the seed in the middle."""
        if self._network is None or self._sight is None:
            raise ValueError("a reader reads once it is fitted")
        found = answered(self._network, self._sight(weights)).reshape(-1, *self._mean.shape)
        return np.clip(found + self._mean, 0, 1)
