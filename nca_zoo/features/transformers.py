"""Weights as vectors: scikit-learn transformers ``(N, P) -> (N, D)``, for pipelines of any kind.

What a transformer learns, it learns in ``fit`` from the rows that it is given there, so that in a
cross-validation nothing of the test rows leaks in. Most learn nothing: a reference, a start or a
set of perceptions is a setting, handed over when they are made.

>>> from sklearn.pipeline import make_pipeline
>>> make_pipeline(Tensor("W1"), Reduced(components=20)).fit_transform(np.eye(40, 8336)).shape
(40, 20)
"""

from typing import Any, Protocol, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.rule import Array, param_slices
from nca_zoo.features.measures import Vectors
from nca_zoo.features.queries import SIDE, answers
from nca_zoo.features.reduction import MAX_COMPONENTS, Basis, Scaling, find_basis
from nca_zoo.features.responses import responses
from nca_zoo.symmetry.alignment import align, canonicalise, invariants
from nca_zoo.symmetry.group import act
from nca_zoo.symmetry.nearest import nearest
from nca_zoo.symmetry.procrustes import aligned_mean

SEARCHED = 2  # starts of ``Nearest``: the aligner's answer, and units matched as a graph


class Transformer(Protocol):
    """What a feature of the weights is; ``learns`` says whether ``fit`` looks at its rows."""

    learns: bool

    def fit(self, weights: Array, y: Any = None) -> Self: ...

    def transform(self, weights: Array) -> Vectors: ...

    def fit_transform(self, weights: Array, y: Any = None) -> Vectors: ...


class _Plain(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing."""

    learns = False

    def fit(self, weights: Array, y: Any = None) -> Self:
        """Nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Raw(_Plain):
    """Weights ``(N, P)`` as they are."""

    def transform(self, weights: Array) -> Vectors:
        """``(N, P)``."""
        return np.asarray(weights, np.float32)


class Delta(_Plain):
    """Weights minus the start ``(P,)`` that they came from."""

    def __init__(self, start: Array | float = 0.0) -> None:
        self.start = start

    def transform(self, weights: Array) -> Vectors:
        """``(N, P)``."""
        return np.asarray(weights - np.asarray(self.start), np.float32)


class Tensor(_Plain):
    """Some tensors alone, of those in ``rule.PARAM_SPEC``: ``"W1"``, or ``"b1,b2"``."""

    def __init__(self, name: str = "W1") -> None:
        self.name = name

    def transform(self, weights: Array) -> Vectors:
        """``(N, size of the tensors)``."""
        parts = [param_slices()[name] for name in self.name.split(",")]
        return np.concatenate([weights[:, part] for part in parts], axis=1, dtype=np.float32)


class Canonical(_Plain):
    """Weights in the standard form of their orbit (nca_zoo/symmetry/alignment.py)."""

    def __init__(self, seed_hidden: bool = True) -> None:
        self.seed_hidden = seed_hidden

    def transform(self, weights: Array) -> Vectors:
        """``(N, P)``."""
        return canonicalise(np.asarray(weights, np.float32), self.seed_hidden)


class Invariants(_Plain):
    """Numbers that no symmetry changes (nca_zoo/symmetry/alignment.py)."""

    def __init__(self, seed_hidden: bool = True) -> None:
        self.seed_hidden = seed_hidden

    def transform(self, weights: Array) -> Vectors:
        """``(N, 196)``."""
        return invariants(weights, self.seed_hidden).astype(np.float32)


class Queries(_Plain):
    """The rule's answers to fixed perceptions ``(Q, 48)`` (nca_zoo/features/queries.py).

    The hidden units' order and scale do not enter by construction; the state's basis does.
    """

    def __init__(self, perceptions: Array | None = None) -> None:
        self.perceptions = perceptions

    def transform(self, weights: Array) -> Vectors:
        """``(N, 16 Q)``."""
        if self.perceptions is None:
            raise ValueError("Queries needs perceptions (Q, 48); see nca_zoo.features.queries")
        return answers(np.asarray(weights, np.float32), np.asarray(self.perceptions, np.float32))


class Responses(_Plain):
    """How the grown state answers to small changes (nca_zoo/features/responses.py).

    What is asked of the visible channels does not depend on the weights' form, the rest does. grid:
    H, W in cells, in whose middle the seed is.
    """

    def __init__(
        self,
        grid: tuple[int, int] = (SIDE, SIDE),
        seed_hidden: bool = True,
        fire_rate: float = FIRE_RATE,
    ) -> None:
        self.grid = grid
        self.seed_hidden = seed_hidden
        self.fire_rate = fire_rate

    def transform(self, weights: Array) -> Vectors:
        """``(N, 66)``, in some 0.03 s a row."""
        return responses(weights, self.grid, self.seed_hidden, self.fire_rate)


class Aligned(TransformerMixin, BaseEstimator):
    """Weights brought close to a reference ``(P,)`` by symmetries that change no rollout.

    Without a reference, the first row that ``fit`` sees is taken, as ``reference_``.
    """

    def __init__(self, reference: Array | None = None, seed_hidden: bool = True) -> None:
        self.reference = reference
        self.seed_hidden = seed_hidden

    @property
    def learns(self) -> bool:
        """Whether ``fit`` looks at its rows."""
        return self.reference is None

    def fit(self, weights: Array, y: Any = None) -> Self:
        """Learn the reference, if none was given."""
        self.reference_ = np.asarray(weights[0] if self.reference is None else self.reference)
        return self

    def transform(self, weights: Array) -> Vectors:
        """``(N, P)``."""
        check_is_fitted(self)
        return align(np.asarray(weights, np.float32), self.reference_, self.seed_hidden)


class Nearest(Aligned):
    """As ``Aligned``, by the longer search of nca_zoo/symmetry/nearest.py."""

    def transform(self, weights: Array) -> Vectors:
        """``(N, P)``, in some 0.3 s a row."""
        check_is_fitted(self)
        images = [
            act(nearest(row, self.reference_, self.seed_hidden, SEARCHED).element, row)
            for row in np.asarray(weights, np.float32)
        ]
        return np.array(images, np.float32).reshape(np.shape(weights))


class Procrustes(Aligned):
    """Weights aligned to the aligned mean of the rows that ``fit`` sees
    (nca_zoo/symmetry/procrustes.py)."""

    def __init__(self, seed_hidden: bool = True) -> None:
        super().__init__(None, seed_hidden)

    def fit(self, weights: Array, y: Any = None) -> Self:
        """Learn the mean."""
        self.reference_ = aligned_mean(np.asarray(weights), self.seed_hidden)
        return self


class Reduced(TransformerMixin, BaseEstimator):
    """Scaled principal components, learned by ``fit``: what all readers see of any feature.

    See ``nca_zoo.features.reduction.find_basis`` for the settings.
    """

    def __init__(
        self,
        scaling: Scaling = "standardise",
        components: int = MAX_COMPONENTS,
    ) -> None:
        self.scaling = scaling
        self.components = components

    def fit(self, vectors: Vectors, y: Any = None) -> Self:
        """Learn scales and components of training rows ``(n, D)``."""
        rows = np.asarray(vectors, np.float32)
        self.basis_: Basis = find_basis(rows, self.scaling, self.components)
        return self

    def transform(self, vectors: Vectors) -> Array:
        """Scores ``(m, k)`` of rows ``(m, D)``, float64, ``k <= components``."""
        check_is_fitted(self)
        return self.basis_.scores(np.asarray(vectors, np.float32))
