"""Learning to write: from pictures and the weights of the NCAs that grow them, a linear map.

Ridge regression from the principal components of the seed-centred pictures to the weights. How far
it is to be trusted with pictures that it has not seen is for ``nca_zoo.studies.writing``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeCV
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import check_enough, readable, shared_start
from nca_zoo.features.measures import Floats, Vectors, centre_on, informative_channels
from nca_zoo.pictures.targets import Target, restored
from nca_zoo.training.writer import Writer, around, in_bytes

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

Numbers = npt.NDArray[np.floating]

COMPONENTS = 100  # of 500 digits as good as 150, and the file is smaller (docs/writer.md)
PENALTIES = np.logspace(-1, 4, 16)  # of the regression, to choose from
EVERY = 16  # the penalty is chosen by every so manieth weight: all take minutes and agree
FEWEST = 10  # NCAs to learn from


@dataclass(frozen=True)
class Size:
    """How large a writer is that is learnt end to end."""

    components: int = 224  # patterns that it looks for in a picture, at most
    hidden: int = 256  # units
    changes: int = 160  # that it adds up to weights, at most


def learn_writer(zoo: "Zoo", components: int = COMPONENTS) -> Writer:
    """A linear writer from the good NCAs of a zoo's training split, of as many patterns as
    ``components``, or fewer if there are no more.

    Raises ZooError if the NCAs share no start, if they are too few, and for less than 1 component.
    """
    if components < 1:
        raise ZooError(f"--components is {components}; it must be 1 or more")
    read = taught(zoo)
    groups = groups_of(read.target, read.trained)
    with threadpool_limits(limits=1):
        mean, patterns, found = patterns_of(seen_centred(read), groups, components)
        changes, base = _regressed(found, read.weights)
    mix = np.eye(len(patterns))
    return packed(_recipe(read), mean, patterns, np.zeros((0, len(patterns))), mix, changes, base)


def beginning(zoo: "Zoo", targets: Sequence[Target], size: Size = Size(), seed: int = 0) -> Writer:
    """What is to be learnt end to end, as it begins: it writes as a linear writer learnt from a
    zoo, knows the patterns of many pictures, and its hidden units have no say yet.

    Raises ZooError as ``learn_writer``, and for fewer pictures than patterns.
    """
    read = taught(zoo)
    window = (read.target.shape[1], read.target.shape[2])
    pictures = np.stack([around(t.trained, t.seed_row, t.seed_col, window) for t in targets])
    groups = groups_of(read.target, read.trained)
    with threadpool_limits(limits=1):
        mean, patterns, _ = patterns_of(pictures, groups, size.components)
        flat = np.broadcast_to(patterns, (len(patterns), *mean.shape)).reshape(len(patterns), -1)
        found = (seen_centred(read) - mean).reshape(len(read), -1) @ flat.T
        told = found[:, :COMPONENTS]  # of more a regression from few NCAs would learn their noise
        changes, base = _regressed(told, read.weights)
        _, worth, left = np.linalg.svd(read.weights - base - told @ changes, full_matrices=False)
    left = (left * worth[:, None] / np.sqrt(len(read)))[: max(size.changes - len(changes), 0)]
    changes = np.concatenate([changes, left])
    draws = uniform(fold(seed, Stream.INIT), size.hidden * len(patterns))
    into = np.sqrt(3 / len(patterns)) * (2 * draws - 1).reshape(size.hidden, -1)
    mix = np.zeros((len(changes), len(patterns) + size.hidden))
    np.fill_diagonal(mix[: told.shape[1]], 1)
    return packed(_recipe(read), mean, patterns, into, mix, changes, base)


def taught(zoo: "Zoo") -> "Zoo":
    """The NCAs that a writer learns from; those of test pictures are left to try it with.

    Raises ZooError if they move, share no start, or are too few.
    """
    zoo.must_stand_still("a writer")
    shared_start(zoo, "a writer")  # else weights are no function of the picture
    training = zoo.subset(zoo.split == "train")
    read = readable(training)
    check_enough(training, read, FEWEST, "a writer")
    return read


def targets_of(zoo: "Zoo") -> list[Target]:
    """The targets of a zoo."""
    places = zip(restored(zoo.target), zoo.seed_row.tolist(), zoo.seed_col.tolist(), strict=True)
    return [Target(*each, zoo.trained) for each in places]


def _recipe(read: "Zoo") -> dict[str, Any]:
    return {
        "zoo": read.digest,
        "ncas": len(read),
        "regime": read.settings.regime,
        "seed_hidden": read.seed_hidden,
        "fire_rate": read.fire_rate,
        "visible": read.visible,
    }


def packed(
    recipe: dict[str, Any],
    mean: Numbers,
    patterns: Numbers,
    into: Numbers,
    mix: Numbers,
    changes: Numbers,
    base: Numbers,
) -> Writer:
    """A writer of these numbers, in the types of its file; its hidden units have no bias."""
    small, scales = in_bytes(changes)
    return Writer(
        base.astype(np.float32),
        mean.astype(np.float32),
        patterns.astype(np.float16),
        into.astype(np.float16),
        np.zeros(len(into), np.float32),
        mix.astype(np.float16),
        small,
        scales,
        recipe,
    )


def groups_of(target: npt.NDArray[np.uint8], trained: int) -> list[list[int]]:
    """Of targets ``(N, H, W, 4)`` the channels that are trained, those that say the same in one
    group."""
    groups = informative_channels(target)
    groups = [[c - 4 + trained for c in group if c >= 4 - trained] for group in groups]
    return [group for group in groups if group]


def seen_centred(zoo: "Zoo") -> Vectors:
    """What NCAs were trained to show, ``(N, H, W, C)``, the seed cell in the middle."""
    shown = restored(zoo.target)[..., -zoo.trained :]
    return centre_on(shown, zoo.seed_row, zoo.seed_col)


def patterns_of(
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
    parts = scaled[strong].reshape(-1, *merged.shape[1:])
    if len(groups) == 1 and len(groups[0]) == pictures.shape[-1]:
        patterns = parts / pictures.shape[-1]  # one holds for all
    else:
        patterns = np.zeros((len(parts), *pictures.shape[1:]), np.float32)
        for place, group in enumerate(groups):
            patterns[..., group] = parts[..., place, None] / len(group)
    return pictures.mean(axis=0), patterns, analysis.transform(flat)[:, strong]


def _regressed(found: Floats, weights: Vectors) -> tuple[Floats, Floats]:
    """Changes ``(K, P)`` of the weights for 1 of each pattern, and the mean picture's weights."""
    penalty = RidgeCV(PENALTIES).fit(found, weights[:, ::EVERY]).alpha_
    ridge = Ridge(penalty).fit(found, weights)
    return ridge.coef_.T, ridge.intercept_
