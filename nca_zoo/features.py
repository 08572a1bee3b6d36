"""Features: every row of a zoo as a vector, from its weights or, as a control, from its picture.

A feature is a named pure function ``Zoo -> (N, D) float32``, one row for each NCA of the zoo, in
the zoo's order. Nothing here learns from the rows: scaling and reduction belong inside the folds
(nca_zoo/readers.py). To add a feature, add a line to ``FEATURES``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.rule import PARAM_SPEC, VISIBLE, param_slices

if TYPE_CHECKING:
    from nca_zoo.zoofile import Zoo

Vectors = npt.NDArray[np.float32]
ByteImages = npt.NDArray[np.uint8]  # (N, H, W, 4), premultiplied RGBA
Ints = npt.NDArray[np.integer]


LARGEST_WEIGHT = 1e6  # trained weights stay below 10; beyond this, float32 sums overflow


@dataclass(frozen=True)
class Feature:
    """One way to see an NCA as a vector."""

    name: str
    kind: Literal["weights", "control"]  # a control never sees the weights, only what they drew
    description: str
    vectors: Callable[["Zoo"], Vectors]  # (N, D)


def _weights(zoo: "Zoo") -> Vectors:
    return np.asarray(zoo.weights, np.float32)


def _delta(zoo: "Zoo") -> Vectors:
    start = zoo.attrs["init_weights"]  # (P,), or (0,) if every NCA started elsewhere
    if not len(start):
        raise ZooError(
            "delta needs a zoo whose NCAs share one start, and this zoo stores none; "
            "leave delta out, or build with --init meta or --init shared"
        )
    return _weights(zoo) - start


def _tensor(zoo: "Zoo", name: str) -> Vectors:
    return _weights(zoo)[:, param_slices()[name]]


def seed_hidden(zoo: "Zoo") -> bool:
    """Whether the zoo's seeds light their hidden channels: it decides which bases keep the seed."""
    try:
        return bool(zoo.attrs["settings"]["regime"]["seed_hidden"])
    except (KeyError, TypeError):
        raise ZooError(
            "the zoo's settings lack regime.seed_hidden, without which its symmetries are not "
            "known; leave aligned, canonical and invariants out, or build it again"
        ) from None


def alignment_start(zoo: "Zoo") -> Vectors:
    """What a zoo is aligned to, ``(P,)``: the start that its NCAs share, or else its first NCA.

    The first NCA also stands in for a start whose W2 is zero, since that has no basis to match.
    """
    start = zoo.attrs["init_weights"]
    return start if len(start) and start[param_slices()["W2"]].any() else _weights(zoo)[0]


# The three below import their module only when asked, so that `--help` does not wait for scipy.


def _aligned(zoo: "Zoo") -> Vectors:
    from nca_zoo.alignment import align

    return align(_weights(zoo), alignment_start(zoo), seed_hidden(zoo))


def _canonical(zoo: "Zoo") -> Vectors:
    from nca_zoo.alignment import canonicalise

    return canonicalise(_weights(zoo), seed_hidden(zoo))


def _invariants(zoo: "Zoo") -> Vectors:
    from nca_zoo.alignment import invariants

    return invariants(_weights(zoo), seed_hidden(zoo)).astype(np.float32)


def informative_channels(target: ByteImages) -> list[list[int]]:
    """The channels of targets ``(N, H, W, 4)`` that say something, copies grouped together.

    Channels that are equal in every target form one group; a channel with one value everywhere
    says nothing and is left out. Grey ink gives ``[[0, 1, 2, 3]]``, opaque grey ``[[0, 1, 2]]``,
    colours with transparency ``[[0], [1], [2], [3]]``.
    """
    groups: list[list[int]] = []
    for channel in range(VISIBLE):
        values = target[..., channel]
        if values.size and values.min() == values.max():
            continue
        for group in groups:
            if np.array_equal(values, target[..., group[0]]):
                group.append(channel)
                break
        else:
            groups.append([channel])
    return groups or [list(range(VISIBLE))]


def _pictures(images: ByteImages, target: ByteImages) -> Vectors:
    """Images ``(N, H, W, 4)`` as ``(N, H, W, C)`` in [0, 1]: one channel per informative group."""
    channels = [images[..., group].mean(-1) for group in informative_channels(target)]
    return np.stack(channels, axis=-1).astype(np.float32) / np.float32(255)


def _flat(pictures: Vectors) -> Vectors:
    return pictures.reshape(len(pictures), -1)


def _pixels(zoo: "Zoo") -> Vectors:
    return _flat(_pictures(zoo.target, zoo.target))


def _grown(zoo: "Zoo") -> Vectors:
    return _flat(_pictures(zoo.grown, zoo.target))


def centre_on(pictures: Vectors, rows: Ints, cols: Ints) -> Vectors:
    """Move cell ``(rows[i], cols[i])`` of picture i to the middle of the grid, ``(H//2, W//2)``.

    pictures: ``(N, H, W, C)``; rows, cols: ``(N,)``. Cells that come from beyond the border are
    zero, cells that leave the grid are lost.
    """
    height, width = pictures.shape[1:3]
    from_row = np.arange(height) + (np.asarray(rows, int) - height // 2)[:, None]  # (N, H)
    from_col = np.arange(width) + (np.asarray(cols, int) - width // 2)[:, None]  # (N, W)
    inside = ((from_row >= 0) & (from_row < height))[:, :, None] & (
        (from_col >= 0) & (from_col < width)
    )[:, None, :]
    picture = np.arange(len(pictures))[:, None, None]
    moved = pictures[
        picture,
        from_row.clip(0, height - 1)[:, :, None],
        from_col.clip(0, width - 1)[:, None, :],
    ]
    return moved * inside[..., None].astype(np.float32)


def _centred(zoo: "Zoo") -> Vectors:
    return _flat(centre_on(_pictures(zoo.target, zoo.target), zoo.seed_row, zoo.seed_col))


def _seed(zoo: "Zoo") -> Vectors:
    return np.stack([zoo.seed_row, zoo.seed_col], axis=1).astype(np.float32)


FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature("weights", "weights", "all weights as they are", _weights),
        Feature("delta", "weights", "weights minus the start that all NCAs share", _delta),
        *(
            Feature(name, "weights", f"the tensor {name} alone", partial(_tensor, name=name))
            for name, _ in PARAM_SPEC
        ),
        Feature("aligned", "weights", "weights, as near to the start as they come", _aligned),
        Feature("canonical", "weights", "weights in the standard form of their orbit", _canonical),
        Feature("invariants", "weights", "numbers that no symmetry changes", _invariants),
        Feature("pixels", "control", "the target picture", _pixels),
        Feature("centred", "control", "the target, moved so that the seed is central", _centred),
        Feature("grown", "control", "the picture that the NCA grew", _grown),
        Feature("seed", "control", "row and column of the seed, nothing else", _seed),
    )
}
PIXEL_CONTROLS = ("pixels", "centred", "grown")  # the controls that see the whole picture


def find_feature(name: str) -> Feature:
    """The feature of that name; a ``ZooError`` lists all names if there is none."""
    if name not in FEATURES:
        raise ZooError(f"there is no feature {name!r}; choose from {', '.join(FEATURES)}")
    return FEATURES[name]


def readable(zoo: "Zoo", all_fits: bool = False) -> "Zoo":
    """The NCAs whose features can be read: good fits unless all are asked for, none diverged."""
    read = zoo.subset(zoo.good | all_fits)
    sane = (np.abs(read.weights) < LARGEST_WEIGHT).all(axis=1)  # false for NaN, too
    return read if sane.all() else read.subset(sane)
