"""Descriptors: pictures seen with care, as textbooks do, so that weights meet worthy controls.

What each is and where it comes from stands with it. None learns from the pictures of a zoo or from
any class: the patches were learnt, without labels, from the 800 digits of the shared start, and
that is where the settings below were chosen (docs/protocol.md). Pictures are ``(N, H, W, C)``
float32 in [0, 1].
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from nca_zoo.features.measures import Floats, Vectors, moments

ORIENTATIONS = 8  # of gradients, over half a turn
CELLS = 7  # a side of the histograms' grid: 4 x 4 pixels each for digits
BLOCK = 2  # cells a side that are brought to one length together
SIDE = 5  # of a patch, in pixels
PATCHES = 64
POOLED = 4  # regions a side over which answers of patches are averaged
EVEN_OUT = 0.01  # added to a patch's variance, so that flat ones stay small
LEARNT = "patches.npz"  # by docs/make_patches.py


def deskewed(pictures: Vectors) -> Vectors:
    """Pictures sheared upright about their centre of mass, which comes to the middle.

    The shear is the one that makes rows and columns of the ink (all channels' mean) uncorrelated,
    as MNIST is commonly deskewed (LeCun et al., *Gradient-based learning*, 1998); between pixels
    values are linear. A picture without ink, or all in one row, is only moved, or not at all.
    """
    from scipy.ndimage import affine_transform

    middle = (np.array(pictures.shape[1:3]) - 1) / 2
    straight = np.empty_like(pictures)
    ink = moments(pictures.mean(axis=-1, dtype=np.float64))
    for i, picture in enumerate(pictures):
        if not ink.mass[i] > 0:
            straight[i] = picture
            continue
        lean = ink.covariance[i] / ink.row_variance[i] if ink.row_variance[i] > 0 else 0.0
        shear = np.array([[1.0, 0.0], [lean, 1.0]])  # where each pixel comes from
        offset = np.array([ink.row[i], ink.col[i]]) - shear @ middle
        for channel in range(picture.shape[-1]):
            straight[i, ..., channel] = affine_transform(
                picture[..., channel], shear, offset, order=1
            )
    return straight


def gradient_histograms(pictures: Vectors) -> Vectors:
    """Histograms of oriented gradients ``(N, D)`` (Dalal and Triggs, 2005), by scikit-image.

    About 7 x 7 cells whatever the size of a picture; of a pixel's channels the one with the
    steepest gradient counts.
    """
    from skimage.feature import hog

    cell = tuple(max(1, side // CELLS) for side in pictures.shape[1:3])
    fits = tuple(side // of for side, of in zip(pictures.shape[1:3], cell, strict=True))
    block = tuple(min(BLOCK, cells) for cells in fits)
    found = [hog(one, ORIENTATIONS, cell, block, channel_axis=-1) for one in pictures]
    return np.array(found, np.float32).reshape(len(pictures), -1)


@dataclass(frozen=True)
class PatchBank:
    """Small patches of pictures, and how new ones are compared with them.

    Coates, Lee and Ng, *An analysis of single-layer networks in unsupervised feature learning*,
    2011: patches evened out, k-means, and as answers how much nearer than the mean each centre is.
    Whitening, which they add, changed nothing.
    """

    centres: Floats  # (K, 25)

    @classmethod
    def learn(cls, ink: Vectors, patches: int = PATCHES, sample: int = 20_000) -> "PatchBank":
        """The patches of pictures ``(N, H, W)`` that have ink, from ``sample`` of them."""
        from sklearn.cluster import KMeans

        found = _even(_windows(ink).reshape(-1, SIDE * SIDE))
        found = found[found.any(axis=1)]
        chosen = np.random.default_rng(0).permutation(len(found))[:sample]
        kinds = KMeans(patches, n_init=1, random_state=0).fit(found[np.sort(chosen)])
        return cls(kinds.cluster_centers_)

    def answers(self, pictures: Vectors) -> Vectors:
        """Of pictures ``(N, H, W, C)``: ``(N, 4 * 4 * K * C)``, averaged over 4 x 4 regions."""
        height, width = pictures.shape[1:3]
        regions = [np.array_split(np.arange(side), min(POOLED, side)) for side in (height, width)]
        found = np.empty(
            (len(pictures), pictures.shape[-1], *map(len, regions), len(self.centres)), np.float32
        )
        for i, picture in enumerate(pictures):
            near = self._nearness(np.moveaxis(picture, -1, 0))  # (C, H, W, K)
            for r, rows in enumerate(regions[0]):
                band = near[:, rows].mean(axis=1)  # (C, W, K)
                for c, cols in enumerate(regions[1]):
                    found[i, :, r, c] = band[:, cols].mean(axis=1)
        return found.reshape(len(pictures), -1)

    def _nearness(self, ink: Vectors) -> Floats:
        """How much nearer than the mean centre each is, or 0: ``(n, H, W, K)`` of ``(n, H, W)``."""
        margin = SIDE // 2
        windows = _windows(np.pad(ink, ((0, 0), (margin, margin), (margin, margin))))
        even = _even(windows)
        squares = (even**2).sum(-1, keepdims=True) + (self.centres**2).sum(-1)
        away = np.sqrt(np.maximum(squares - 2 * even @ self.centres.T, 0))
        return np.maximum(away.mean(axis=-1, keepdims=True) - away, 0)


@cache
def learnt_patches() -> PatchBank:
    """The patches that come with the package, learnt from the 800 digits of the shared start."""
    path = resources.files("nca_zoo.features") / LEARNT
    with resources.as_file(path) as file, np.load(file, allow_pickle=False) as held:
        return PatchBank(held["centres"].astype(np.float64))


def _windows(ink: Vectors) -> Floats:
    """All patches of pictures ``(n, H, W)``: ``(n, H - 4, W - 4, 25)``."""
    seen = np.lib.stride_tricks.sliding_window_view(ink, (SIDE, SIDE), axis=(1, 2))
    return seen.reshape(*seen.shape[:3], SIDE * SIDE).astype(np.float64)


def _even(patches: Floats) -> Floats:
    """Patches ``(..., 25)`` with a mean of 0 and, but for flat ones, the same contrast."""
    away = patches - patches.mean(axis=-1, keepdims=True)
    return away / np.sqrt(away.var(axis=-1, keepdims=True) + EVEN_OUT)
