"""Features: every row of a zoo as a vector, from its weights or, as a control, from its picture.

Features of the weights are scikit-learn transformers (nca_zoo/features/transformers.py), made for
the zoo at hand, and learn what they learn from the rows that they are fitted to. Controls never see
the weights; they are pure functions of a zoo. Scaling and reduction come after
(nca_zoo/features/reduction.py). To add a feature, add a line to ``FEATURES``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import PARAM_SPEC, compared, param_slices
from nca_zoo.errors import ZooError
from nca_zoo.features import moving
from nca_zoo.features.measures import Vectors, centre_on, pictures, wide_enough

if TYPE_CHECKING:
    from nca_zoo.features.transformers import Transformer
    from nca_zoo.store.zoofile import Zoo

LARGEST_WEIGHT = 1e6  # trained weights stay below 10; beyond this, float32 sums overflow


@dataclass(frozen=True)
class Feature:
    """One way to see an NCA as a vector."""

    name: str
    kind: Literal["weights", "control"]  # a control never sees the weights, only what they drew
    description: str
    make: Callable[["Zoo"], Any]  # a transformer of weights; else (N, D), or (N, H, W, C)
    moving: bool = False  # only of zoos whose targets move
    coded: bool = False  # only of zoos of one rule
    heard: bool = False  # what is heard, a clock or a code, which lies beside the weights

    @property
    def transforms(self) -> bool:
        """Whether it is a transformer of weights; what is heard and pictures are none of those."""
        return self.kind == "weights" and not self.heard

    def transformer(self, zoo: "Zoo") -> "Transformer":
        """The transformer of weights ``(N, P)``, made for this zoo and not yet fitted."""
        return self.make(zoo)

    def seen(self, zoo: "Zoo") -> Vectors:
        """All NCAs as they are seen: ``(N, D)``, or as pictures ``(N, H, W, C)``.

        What is learned, if anything is, is learned from all of them.
        """
        self.must_fit(zoo)
        if not self.transforms:
            return self.make(zoo)
        return self.transformer(zoo).fit_transform(zoo.weights)

    def must_fit(self, zoo: "Zoo") -> None:
        """Raise ZooError if this zoo has no such thing."""
        if self.moving and zoo.moving is None:
            raise ZooError(
                f"{zoo.path}: {self.name} is for targets that move, and these stand still; leave "
                f"{self.name} out"
            )
        if self.coded and not zoo.code:
            raise ZooError(
                f"{zoo.path}: {self.name} is for NCAs of one rule (build --code), and these are "
                f"not; leave {self.name} out"
            )

    def vectors(self, zoo: "Zoo") -> Vectors:
        """The vectors ``(N, D)`` of all NCAs, as ``seen`` gives them."""
        seen = self.seen(zoo)
        return seen.reshape(len(seen), -1)


def shared_start(zoo: "Zoo", what: str) -> Vectors:
    """The start ``(P,)`` that all NCAs share; a ``ZooError`` says that ``what`` needs one."""
    start = zoo.attrs.get("init_weights", ())  # (P,), or (0,) if every NCA started elsewhere
    if not len(start):
        raise ZooError(
            f"{what} needs a zoo whose NCAs share one start, and this zoo stores none; "
            f"leave {what} out, or build with --init meta or --init shared"
        )
    return start


def alignment_start(zoo: "Zoo") -> Vectors:
    """What a zoo is aligned to, ``(P,)``: the start that its NCAs share, or else its first NCA.

    The first NCA also stands in for a start whose W2 is zero, since that has no basis to match.
    """
    start = _usable_start(zoo)
    return np.asarray(zoo.weights[0], np.float32) if start is None else start


def _usable_start(zoo: "Zoo") -> Vectors | None:
    start = zoo.attrs.get("init_weights", ())
    return start if len(start) and start[param_slices()["W2"]].any() else None


# The functions below import transformers only when asked, so that `--help` does not wait for
# scikit-learn.


def _raw(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Raw

    return Raw()


def _delta(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Delta

    return Delta(shared_start(zoo, "delta"))


def _tensor(zoo: "Zoo", name: str) -> "Transformer":
    from nca_zoo.features.transformers import Tensor

    return Tensor(name)


def _fitted(zoo: "Zoo") -> "Transformer":
    return _tensor(zoo, ",".join(zoo.settings.fitted))


def _code(zoo: "Zoo") -> Vectors:
    """What NCAs of one rule hear, ``(N, d)``."""
    return zoo.codes


def _components(zoo: "Zoo") -> Vectors:
    """As many principal components of the pictures as a code has numbers, ``(N, d)``."""
    from nca_zoo.features.reduction import find_basis

    flat = _centred(zoo).reshape(len(zoo), -1)
    return find_basis(flat, "centre", zoo.code).scores(flat).astype(np.float32)


def _aligned(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Aligned

    return Aligned(_usable_start(zoo), zoo.seed_hidden)


def _canonical(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Canonical

    return Canonical(zoo.seed_hidden)


def _invariants(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Invariants

    return Invariants(zoo.seed_hidden)


def _nearest(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Nearest

    return Nearest(_usable_start(zoo), zoo.seed_hidden)


def _procrustes(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Procrustes

    return Procrustes(zoo.seed_hidden)


def _queries(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.queries import met_by, random_perceptions
    from nca_zoo.features.transformers import Queries

    start = zoo.attrs.get("init_weights", ())
    if not len(start):
        return Queries(random_perceptions())
    return Queries(met_by(start, zoo.seed_hidden, fire_rate=zoo.fire_rate))


def _responses(zoo: "Zoo") -> "Transformer":
    from nca_zoo.features.transformers import Responses

    height, width = zoo.target.shape[1:3]
    above, beside = wide_enough((height, width), zoo.seed_row, zoo.seed_col)
    grid = height + 2 * above, width + 2 * beside
    return Responses(grid, zoo.seed_hidden, zoo.fire_rate)


def _pixels(zoo: "Zoo") -> Vectors:
    return pictures(zoo.target, zoo.target)


def _grown(zoo: "Zoo") -> Vectors:
    return pictures(zoo.grown, zoo.target)


def _centred(zoo: "Zoo") -> Vectors:
    seeds = zoo.seed_row, zoo.seed_col
    return centre_on(_pixels(zoo), *seeds, wide_enough(zoo.target.shape[1:3], *seeds))


def _deskewed(zoo: "Zoo") -> Vectors:
    from nca_zoo.features.descriptors import deskewed

    return deskewed(_pixels(zoo))


def _hog(zoo: "Zoo") -> Vectors:
    from nca_zoo.features.descriptors import gradient_histograms

    return gradient_histograms(_pixels(zoo))


def _patches(zoo: "Zoo") -> Vectors:
    from nca_zoo.features.descriptors import learnt_patches

    return learnt_patches().answers(_pixels(zoo))


def _seed(zoo: "Zoo") -> Vectors:
    return np.stack([zoo.seed_row, zoo.seed_col], axis=1).astype(np.float32)


def _gradient(zoo: "Zoo") -> Vectors:
    from nca_zoo.features.tangent import start_gradients

    start = shared_start(zoo, "gradient")
    targets = zoo.target[..., compared(zoo.trained)]
    return start_gradients(start, zoo.seed_states, targets, zoo.fire_rate)


FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature("weights", "weights", "all weights as they are", _raw),
        Feature("delta", "weights", "weights minus the start that all NCAs share", _delta),
        *(
            Feature(name, "weights", f"the tensor {name} alone", partial(_tensor, name=name))
            for name, _ in PARAM_SPEC
        ),
        Feature("fitted", "weights", "the tensors that were fitted (build --train) alone", _fitted),
        Feature("aligned", "weights", "weights, as near to the start as they come", _aligned),
        Feature("canonical", "weights", "weights in standard form", _canonical),
        Feature("invariants", "weights", "numbers that no symmetry changes", _invariants),
        Feature("queries", "weights", "the rule's answers to fixed perceptions", _queries),
        Feature("responses", "weights", "how what grew answers to small changes", _responses),
        Feature("nearest", "weights", "weights, aligned by a longer search", _nearest),
        Feature("procrustes", "weights", "weights, aligned to their mean", _procrustes),
        Feature("code", "weights", "the code (build --code) alone", _code, coded=True, heard=True),
        Feature(
            "clock",
            "weights",
            "how the clock is heard, alone",
            moving.clock_alone,
            moving=True,
            heard=True,
        ),
        Feature(
            "clocked",
            "weights",
            "all weights, and the clock",
            moving.with_clock,
            moving=True,
            heard=True,
        ),
        Feature("pixels", "control", "the target picture, or first frame", _pixels),
        Feature("centred", "control", "the target, moved so that the seed is central", _centred),
        Feature("grown", "control", "the picture that the NCA grew", _grown),
        Feature("deskewed", "control", "the target, sheared upright by its moments", _deskewed),
        Feature(
            "components",
            "control",
            "as many principal components of the centred target as the code has numbers",
            _components,
            coded=True,
        ),
        Feature("hog", "control", "histograms of the target's gradients", _hog),
        Feature("patches", "control", "answers of k-means patches to the target", _patches),
        Feature(
            "later",
            "control",
            "the frame of an eighth of a period later",
            moving.later_frame,
            moving=True,
        ),
        Feature("mean", "control", "the mean of all frames", moving.mean_frame, moving=True),
        Feature("film", "control", "frame after frame of the film", moving.film, moving=True),
        Feature(
            "changes", "control", "each frame minus the mean of all", moving.changes, moving=True
        ),
        Feature("seed", "control", "row and column of the seed, nothing else", _seed),
        Feature("gradient", "control", "one gradient at the shared start", _gradient),
    )
}
# The controls that see the whole picture: the best of them is what weights are compared with.
PICTURE_CONTROLS = ("pixels", "centred", "grown", "deskewed", "hog", "patches")
# All that see a still, also of targets that move; and those that see the film, all that there is.
STILL_CONTROLS = (*PICTURE_CONTROLS, "later", "mean")
FILM_CONTROLS = ("film", "changes")


def find_feature(name: str) -> Feature:
    """The feature of that name; a ``ZooError`` lists all names if there is none."""
    if name not in FEATURES:
        raise ZooError(f"there is no feature {name!r}; choose from {', '.join(FEATURES)}")
    return FEATURES[name]


def with_controls(zoo: "Zoo", names: Sequence[str]) -> list[Feature]:
    """The features of these names, and all controls that this zoo has: not all have a gradient,
    or a film. Raises ZooError for a feature that it cannot have."""
    for name in names:
        find_feature(name).must_fit(zoo)
    controls = [
        feature.name
        for feature in FEATURES.values()
        if feature.kind == "control"
        and (zoo.moving is not None or not feature.moving)
        and (zoo.code or not feature.coded)
    ]
    try:
        shared_start(zoo, "gradient"), zoo.seed_hidden
    except ZooError:
        controls.remove("gradient")
    return [find_feature(name) for name in dict.fromkeys([*names, *controls])]


def readable(zoo: "Zoo", all_fits: bool = False) -> "Zoo":
    """The NCAs whose features can be read: good fits unless all are asked for, none diverged."""
    read = zoo.subset(zoo.good | all_fits)
    sound = sane(read.weights)
    return read if sound.all() else read.subset(sound)


def check_enough(zoo: "Zoo", read: "Zoo", least: int, what: str) -> None:
    """Raises ZooError, saying what would help, if ``read`` is too little of a zoo for ``what``."""
    if len(read) >= least:
        return
    more = len(readable(zoo, all_fits=True)) - len(read)
    failed = f", and {more} whose fit failed" if more else ""
    helps = (
        "read these, too, with --all-fits" if more and len(read) + more >= least else "build more"
    )
    raise ZooError(
        f"{zoo.path}: {what} needs {least} NCAs and there are {len(read)}{failed}; {helps}"
    )


def sane(weights: Vectors) -> npt.NDArray[np.bool_]:
    """Which NCAs ``(N,)`` of weights ``(N, P)`` have not diverged."""
    return np.all(np.abs(weights) < LARGEST_WEIGHT, axis=1)  # false for NaN, too
