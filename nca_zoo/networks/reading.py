"""Reading: what will grow of weights, without letting them run.

From weights to the seed-centred picture: by ridge regression from their principal components, by
kernel ridge regression, alone or with a convolutional network that looks at what it tells, or by a
network over weights (``networks.readers``). Networks need torch.
"""

from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from nca_zoo.features.measures import Vectors
from nca_zoo.networks.learning import Schedule, answered, learnt
from nca_zoo.networks.readers import Kind, Sight

if TYPE_CHECKING:
    from torch import nn

Numbers = npt.NDArray[np.float64]

COMPONENTS = 300
PENALTIES = np.logspace(-5, 3, 25)  # to choose from; weights of a zoo vary by about 1 in all
KERNEL_COMPONENTS = 900  # to tell how far weights are apart
# To choose from: how fast likeness falls with the distance, and the penalty; by so many NCAs.
NARROW, KERNEL_PENALTIES, CHOSEN_BY = (0.1, 0.2, 0.35, 0.5, 0.8), (1e-3, 1e-2, 3e-2, 1e-1), 1000


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


class KernelPictureReader:
    """Reads pictures ``(N, H, W, C)`` from weights ``(N, P)`` by those of all that it knows, each
    weighing by how near it is: kernel ridge regression (Saunders et al., ICML 1998) with a Gaussian
    of the distance.

    Width and penalty are those that tell NCAs best that are left out, one at a time.
    """

    def __init__(self, components: int = KERNEL_COMPONENTS) -> None:
        """components: of the weights, between which distances are taken, at most."""
        self.components = components
        self._analysis: PCA | None = None
        self._mean = np.zeros((0, 0, 0), np.float32)
        self._known = self._shares = np.zeros((0, 0))
        self._narrow = 0.0

    @property
    def parameters(self) -> int:
        """Numbers that it has learnt, the components and the NCAs that it knows among them."""
        parts = (self._known, self._shares, self._mean)
        own = 0 if self._analysis is None else self._analysis.components_.size
        return int(own + sum(part.size for part in parts))

    def fit(self, weights: Vectors, pictures: Vectors) -> Self:
        """Learn from weights ``(N, P)`` and the pictures that they grow, ``(N, H, W, C)``."""
        self._mean = pictures.mean(axis=0)
        wanted = (pictures - self._mean).reshape(len(pictures), -1).astype(np.float64)
        with threadpool_limits(limits=1):
            most = min(self.components, len(weights) - 1)
            self._analysis = PCA(most, random_state=0).fit(weights)
            self._known = self._analysis.transform(weights).astype(np.float64)
            few = np.unique(np.linspace(0, len(wanted) - 1, CHOSEN_BY).astype(int))
            usual = np.square(self._known).sum(axis=1).mean()
            penalty = self._choose(self._known[few], wanted[few], usual)
            kernel = _likeness(self._known, self._known, self._narrow)
            self._shares, off = _solved(kernel, penalty, wanted)
        self._left_out = self._shown(wanted - off)
        return self

    def _choose(self, known: Numbers, wanted: Numbers, usual: float) -> float:
        """The penalty; and how fast likeness falls is kept."""
        found = []
        for narrow in NARROW:
            kernel = _likeness(known, known, narrow / usual)
            for penalty in KERNEL_PENALTIES:
                _, off = _solved(kernel, penalty, wanted)
                found.append((np.square(off).mean(), narrow / usual, penalty))
        _, self._narrow, best = min(found)
        return best

    @property
    def left_out(self) -> Vectors:
        """What is told of each NCA that is known if all others are, ``(N, H, W, C)``."""
        self._must_be_fitted()
        return self._left_out

    def read(self, weights: Vectors) -> Vectors:
        """What weights ``(N, P)`` will grow, ``(N, H, W, C)`` in [0, 1], the seed in the middle."""
        analysis = self._must_be_fitted()
        with threadpool_limits(limits=1):
            seen = analysis.transform(weights).astype(np.float64)
            return self._shown(_likeness(seen, self._known, self._narrow) @ self._shares)

    def _must_be_fitted(self) -> PCA:
        if self._analysis is None:
            raise ValueError("a reader reads once it is fitted")
        return self._analysis

    def _shown(self, found: Numbers) -> Vectors:
        pictures = found.reshape(-1, *self._mean.shape) + self._mean
        return np.clip(pictures, 0, 1).astype(np.float32)


def _solved(kernel: Numbers, penalty: float, wanted: Numbers) -> tuple[Numbers, Numbers]:
    """Shares of those known in what is told, and how far off it is of each that is left out."""
    inverse = np.linalg.inv(kernel + penalty * np.eye(len(kernel)))
    shares = inverse @ wanted
    return shares, shares / np.diag(inverse)[:, None]


def _likeness(one: Numbers, other: Numbers, narrow: float) -> Numbers:
    """From 1, the same, to 0: ``(M, N)``."""
    lengths = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
    likeness: Numbers = np.exp(-narrow * np.maximum(lengths - 2 * one @ other.T, 0))
    return likeness


class SeenPictureReader:
    """Reads pictures ``(N, H, W, C)`` from weights ``(N, P)``: what kernel ridge regression tells
    is looked at, as a picture, by a U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), which says
    what it should have told.

    It learns from what the regression tells of NCAs that are left out: of those that it has learnt
    from it tells too well.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._kernel = schedule, KernelPictureReader()
        self._network: nn.Module | None = None

    @property
    def parameters(self) -> int:
        """Numbers that it has learnt, with those of the regression."""
        own = sum(each.numel() for each in self._network.parameters()) if self._network else 0
        return own + self._kernel.parameters

    def fit(self, weights: Vectors, pictures: Vectors) -> Self:
        """Learn from weights ``(N, P)`` and the pictures that they grow, ``(N, H, W, C)``."""
        import torch

        from nca_zoo.networks.modules import UNet

        told = self._kernel.fit(weights, pictures).left_out
        self._network = learnt(
            lambda seen: UNet(pictures.shape[-1]),
            [np.moveaxis(told, -1, 1)],
            np.moveaxis(pictures, -1, 1),
            torch.nn.functional.mse_loss,
            self._schedule,
        )
        return self

    def read(self, weights: Vectors) -> Vectors:
        """What weights ``(N, P)`` will grow, ``(N, H, W, C)`` in [0, 1], the seed in the middle."""
        if self._network is None:
            raise ValueError("a reader reads once it is fitted")
        told = np.moveaxis(self._kernel.read(weights), -1, 1)
        return np.clip(np.moveaxis(answered(self._network, [told]), 1, -1), 0, 1)


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
