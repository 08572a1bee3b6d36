"""Learning to write: from pictures and the weights of the NCAs that grow them, a linear map.

Ridge regression from the principal components of the seed-centred pictures to the weights. How far
it is to be trusted with pictures that it has not seen is for ``nca_zoo.studies.writing``.
"""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeCV
from threadpoolctl import threadpool_limits

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import check_enough, readable, shared_start
from nca_zoo.features.measures import Floats, Vectors, centre_on, informative_channels
from nca_zoo.pictures.targets import restored
from nca_zoo.training.writer import Writer

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

COMPONENTS = 100  # of 500 digits as good as 150, and the file is smaller (docs/writer.md)
PENALTIES = np.logspace(-1, 4, 16)  # of the regression, to choose from
EVERY = 16  # the penalty is chosen by every so manieth weight: all take minutes and agree
FEWEST = 10  # NCAs to learn from


def learn_writer(zoo: "Zoo", components: int = COMPONENTS) -> Writer:
    """A writer from the good NCAs of a zoo, of as many patterns as ``components``, or fewer if
    there are no more.

    Raises ZooError if the NCAs share no start, if they are too few, and for less than 1 component.
    """
    if components < 1:
        raise ZooError(f"--components is {components}; it must be 1 or more")
    zoo.must_stand_still("a writer")
    shared_start(zoo, "a writer")  # else weights are no function of the picture
    read = readable(zoo)
    check_enough(zoo, read, FEWEST, "a writer")
    pictures = seen_centred(read)
    recipe = {
        "zoo": read.digest,
        "ncas": len(read),
        "regime": read.settings.regime,
        "seed_hidden": read.seed_hidden,
        "fire_rate": read.fire_rate,
        "visible": read.visible,
        "components": components,
    }
    groups = informative_channels(read.target)
    groups = [[c - 4 + read.trained for c in group if c >= 4 - read.trained] for group in groups]
    said = [group for group in groups if group]
    with threadpool_limits(limits=1):
        mean, patterns, found = _components(pictures, said, components)
        changes, base = _regressed(found, read.weights)
    return Writer(
        base.astype(np.float32),
        mean,
        patterns.astype(np.float16),
        changes.astype(np.float16),
        recipe,
    )


def seen_centred(zoo: "Zoo") -> Vectors:
    """What NCAs were trained to show, ``(N, H, W, C)``, the seed cell in the middle."""
    shown = restored(zoo.target)[..., -zoo.trained :]
    return centre_on(shown, zoo.seed_row, zoo.seed_col)


def _components(
    pictures: Vectors, groups: list[list[int]], most: int
) -> tuple[Vectors, Vectors, Floats]:
    """The mean picture, patterns ``(K, H, W, C)``, and how much of each is in each, ``(N, K)``.

    Channels that say the same are one for the analysis, and share each pattern evenly.
    """
    merged = np.stack([pictures[..., group].mean(-1) for group in groups], axis=-1)
    flat = merged.reshape(len(merged), -1)
    if (flat == flat[0]).all():
        raise ZooError("a writer needs different pictures, and these are all the same")
    rank = min(most, len(flat) - 1, flat.shape[1])
    analysis = PCA(rank, whiten=True, svd_solver="full").fit(flat)
    strong = analysis.explained_variance_ > 1e-6 * analysis.explained_variance_[0]
    scaled = analysis.components_ / np.sqrt(analysis.explained_variance_)[:, None]
    patterns = np.zeros((int(strong.sum()), *pictures.shape[1:]), np.float32)
    for place, group in enumerate(groups):
        part = scaled[strong].reshape(-1, *merged.shape[1:])[..., place]
        patterns[..., group] = part[..., None] / len(group)
    return pictures.mean(axis=0), patterns, analysis.transform(flat)[:, strong]


def _regressed(found: Floats, weights: Vectors) -> tuple[Floats, Floats]:
    """Changes ``(K, P)`` of the weights for 1 of each pattern, and the mean picture's weights."""
    penalty = RidgeCV(PENALTIES).fit(found, weights[:, ::EVERY]).alpha_
    ridge = Ridge(penalty).fit(found, weights)
    return ridge.coef_.T, ridge.intercept_
