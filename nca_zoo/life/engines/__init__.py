"""Engines: given K NCAs and their start states, what are the losses, gradients and final states?

Both engines answer through the methods of ``Engine`` and agree to rounding: ``sparse`` computes
only living, firing cells, on the CPU; ``dense`` computes every cell, in torch, on any device.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError

Floats = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint64]

ENGINES = ("auto", "sparse", "dense")


class Gradients(NamedTuple):
    """What one training rollout of K NCAs from B start states each gave."""

    losses: npt.NDArray[np.float64]  # (K, B), mean squared error over H, W and C
    gradients: Floats  # (K, P), of each NCA's loss averaged over its B examples
    states: Floats  # (K, B, H, W, 16), where the rollouts ended


class Engine(Protocol):
    """The one question the trainer asks. K NCAs, B examples each, all on one grid of H x W."""

    name: str

    def gradients(
        self,
        weights: Floats,
        states: Floats,
        targets: Floats,
        keys: Keys,
        steps: npt.NDArray[np.int64],
        every_step: bool = False,
    ) -> Gradients:
        """Roll out, compare with the target and back-propagate through all steps.

        weights ``(K, P)``, states ``(K, B, H, W, 16)``, targets ``(K, H, W, C)``, fire-mask keys
        ``(K, B)``, CA steps ``(K,)``. The last C of the visible channels are compared: all four,
        or alpha alone. ``every_step`` averages the loss over all CA steps instead of taking the
        last state's.
        """

    def rollout(
        self, weights: Floats, states: Floats, keys: Keys, first_step: int, n_steps: int
    ) -> Floats:
        """The states ``(K, B, H, W, 16)`` after CA steps ``first_step`` to the ``n_steps`` next."""


def make_engine(name: str = "auto", device: str = "cpu", threads: int = 1) -> Engine:
    """The engine called ``name``; ``auto`` is sparse on the CPU and dense on any other device."""
    if name not in ENGINES:
        raise ZooError(f"no engine is called {name!r}; there are {', '.join(ENGINES)}")
    if name == "auto":
        name = "sparse" if device == "cpu" else "dense"
    if name == "dense":
        from nca_zoo.life.engines.dense import DenseEngine

        return DenseEngine(device)
    if device != "cpu":
        raise ZooError(f"the sparse engine runs on the CPU only, not on {device!r}; use dense")
    from nca_zoo.life.engines.sparse import SparseEngine

    return SparseEngine(threads)
