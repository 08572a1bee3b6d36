"""Engines: given K NCAs and their start states, what are the losses, gradients and final states?

All answer through the methods of ``Engine`` and agree to rounding: ``sparse`` computes only living,
firing cells, on the CPU; ``fused`` does so on a CUDA device; ``dense`` computes every cell, in
torch, on any device. To add an engine, add a line to ``ENGINES``.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nca_zoo import choices
from nca_zoo.automaton.record import Automata, Floats, Keys, check_array
from nca_zoo.automaton.rule import CHANNELS, VISIBLE
from nca_zoo.automaton.signals import B1
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import total
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines.goals import NEVER, Goals, Steps

__all__ = ["ENGINES", "Automata", "Engine", "Floats", "Goals", "Gradients", "Keys", "make_engine"]


class Gradients(NamedTuple):
    """What one training rollout of K NCAs from B start states each gave."""

    losses: npt.NDArray[np.float64]  # (K, B), mean squared error of what was compared
    gradients: Floats  # (K, P), of each NCA's loss averaged over its B examples
    states: Floats  # (K, B, H, W, 16), where the rollouts ended
    biases: Floats  # (K, F, 128), by the hidden biases that were heard: see `Automata.hearing`


class Memory(NamedTuple):
    """What differentiating one rollout takes of the host, in bytes."""

    filled: int
    reserved: int  # asked for at once, filled or not
    largest: int  # of these, in one piece


class Engine(ABC):
    """The one question the trainer asks, checked here for all engines.

    Every call takes K NCAs in B rollouts each, all on one grid of H x W cells. Raises ValueError
    for arrays that do not fit each other.
    """

    name: str

    def gradients(self, ncas: Automata, states: Floats, goals: Goals, steps: Steps) -> Gradients:
        """Roll out, compare with the goals and back-propagate through all steps.

        states ``(K, B, H, W, 16)``: where the rollouts begin; steps ``(K,)`` int64: how many CA
        steps each NCA takes, from step 0 on.
        """
        k, b = _check(ncas, states)
        channels = 1 if goals.channels == 1 else VISIBLE
        check_array("frames", goals.frames, (k, None, *ncas.grid, channels), np.float32)
        check_array("steps", steps, (k,), np.int64)
        check_array("when", goals.when, (k, b, None), np.int32)
        when, last = goals.when, goals.when.shape[2]
        if steps.min() < 1 or steps.max() > last or not when.min() >= NEVER:
            raise ValueError(f"expected 1 to {last} steps, found {steps.min()} to {steps.max()}")
        if when.max() >= goals.frames.shape[1]:
            raise ValueError(f"when: {when.max()} is none of {goals.frames.shape[1]} frames")
        taken = np.arange(last) < steps[:, None, None]
        if not ((when != NEVER) & taken).any(axis=2).all():
            raise ValueError("when: there is a rollout of which nothing is compared")
        found = self._gradients(ncas, states, goals, steps)
        found.gradients[:, B1] = total(found.biases, axis=1)  # it is part of each of them
        return found

    def rollout(self, ncas: Automata, states: Floats, first_step: int, n_steps: int) -> Floats:
        """The states ``(K, B, H, W, 16)`` after CA steps ``first_step`` to the ``n_steps`` next."""
        _check(ncas, states)
        return self._rollout(ncas, states, first_step, n_steps)

    @abstractmethod
    def memory_of(
        self, height: int, width: int, steps: int, looks: int, channels: int, firing: int
    ) -> Memory:
        """What it takes to differentiate one rollout of so many CA steps, of which ``looks`` are
        compared in so many channels, if ``firing`` cells are updated in a step.

        Raises ZooError if the device is known to be too small.
        """

    @abstractmethod
    def _gradients(self, ncas: Automata, states: Floats, goals: Goals, steps: Steps) -> Gradients:
        """``gradients``, of arrays that fit; what stands for ``b1`` does not matter."""

    @abstractmethod
    def _rollout(self, ncas: Automata, states: Floats, first_step: int, n_steps: int) -> Floats:
        """``rollout``, of arrays that fit."""


def _check(ncas: Automata, states: Floats) -> tuple[int, int]:
    """K and B of a call."""
    k, b = ncas.keys.shape
    if states.dtype.kind != "f":
        raise ValueError(f"states: expected floating-point numbers, found {states.dtype}")
    check_array("states", states, (k, b, *ncas.grid, CHANNELS), None)
    return k, b


@dataclass(frozen=True)
class Kind:
    """An engine as others choose it, before it is made."""

    name: str
    make: Callable[[str, int], Engine]  # for a device, with so many CPU threads
    only: str = ""  # the one kind of device that it runs on, if there is one


def _sparse(device: str, threads: int) -> Engine:
    from nca_zoo.life.engines.sparse import SparseEngine

    return SparseEngine(threads)


def _dense(device: str, threads: int) -> Engine:
    from nca_zoo.life.engines.dense import DenseEngine

    return DenseEngine(device)


def _fused(device: str, threads: int) -> Engine:
    if not importlib.util.find_spec("triton"):
        raise ZooError("the fused engine needs triton, which is not installed here; use dense")
    from nca_zoo.life.engines.fused import FusedEngine

    return FusedEngine(device)


ENGINES = {
    kind.name: kind
    for kind in (
        Kind("sparse", _sparse, "cpu"),
        Kind("dense", _dense),
        Kind("fused", _fused, "cuda"),
    )
}


def make_engine(name: str = "auto", device: str = "cpu", threads: int = 1) -> Engine:
    """The engine called ``name``; ``auto`` is sparse on the CPU and dense on any other device."""
    if name not in choices.ENGINES:
        raise ZooError(f"no engine is called {name!r}; there are {', '.join(choices.ENGINES)}")
    if name == "auto":
        name = "sparse" if device == "cpu" else "dense"
    kind = ENGINES[name]
    if kind.only and device.partition(":")[0] != kind.only:
        where = {"cpu": "the CPU", "cuda": "a CUDA device"}[kind.only]
        raise ZooError(f"the {name} engine runs on {where} only, not on {device!r}; use dense")
    return kind.make(device, threads)


def cohort_size(device: str) -> int:
    """NCAs that train together unless told otherwise: few on a CPU, since a kill loses them."""
    return 4 if device == "cpu" else 256


def workers_for(device: str) -> int:
    """Worker processes unless told otherwise: one a usable core, but one alone drives a GPU."""
    return usable_cores() if device == "cpu" else 1
