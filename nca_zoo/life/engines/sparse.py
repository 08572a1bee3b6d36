"""The sparse engine: compiled kernels on a pool of threads, one example of one NCA a call.

Every example has its own gradient, and an NCA's are added up in a fixed order, so the number of
threads changes no bit of the result.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import fire_level
from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import Places
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Automata, Engine, Floats, Goals, Gradients, Memory, kernels
from nca_zoo.life.engines.goals import NEVER, Steps
from nca_zoo.life.engines.planes import words
from nca_zoo.life.engines.workspace import Workspace, buffer_bytes, workspace


class SparseEngine(Engine):
    """Computes only cells that live and fire, on ``threads`` CPU threads."""

    name = "sparse"

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; it must be 1 or more")
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._local = threading.local()

    def memory_of(
        self, height: int, width: int, steps: int, looks: int, channels: int, firing: int
    ) -> Memory:
        """See ``Engine``: of one thread. Room is reserved for every cell firing in every step."""
        size = height, width, steps, looks
        reserved = buffer_bytes(*size, living=height * width)
        return Memory(sum(buffer_bytes(*size, living=firing)), sum(reserved), max(reserved))

    def _workspace(self, height: int, width: int, steps: int, looks: int) -> Workspace:
        """This thread's scratch memory, kept between calls and grown when it is too small."""
        held = getattr(self._local, "held", None)
        if held is not None:
            size, space = held
            if size[:2] == (height, width) and size[2] >= steps and size[3] >= looks:
                return space
        space = workspace(height, width, steps, looks)
        self._local.held = ((height, width, steps, looks), space)
        return space

    def _run(self, task: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> None:
        if self._pool is None:
            for arguments in calls:
                task(*arguments)
        else:
            for done in [self._pool.submit(task, *arguments) for arguments in calls]:
                done.result()

    def _gradients(self, ncas: Automata, states: Floats, goals: Goals, steps: Steps) -> Gradients:
        k, b = ncas.keys.shape
        biases, hears, level = _hearing(ncas)
        rooms = _rooms(ncas)
        longest, looks = int(steps.max()), int(np.count_nonzero(goals.when != NEVER, axis=2).max())
        weights, frames, when = map(_own, (ncas.weights, goals.frames, goals.when))
        finals = np.array(states, np.float32, order="C")
        losses = np.empty((k, b))
        parts = np.empty((k, b, weights.shape[1]), np.float32)
        bias_parts = np.empty((k, b, biases.shape[1]), np.float32)

        def one(nca: int, example: int) -> None:
            losses[nca, example] = kernels.forward_backward(
                weights[nca],
                finals[nca, example],
                biases[nca],
                hears[nca, example],
                frames[nca],
                when[nca, example],
                ncas.keys[nca, example],
                level,
                rooms[nca],
                int(steps[nca]),
                parts[nca, example],
                bias_parts[nca, example],
                self._workspace(*ncas.grid, longest, looks),
            )

        self._run(one, np.ndindex(k, b))
        d_biases = mean(bias_parts, axis=1).reshape(k, -1, HIDDEN)
        return Gradients(losses, mean(parts, axis=1), finals, d_biases)

    def _rollout(self, ncas: Automata, states: Floats, first_step: int, n_steps: int) -> Floats:
        weights = _own(ncas.weights)
        biases, hears, level = _hearing(ncas)
        rooms = _rooms(ncas)
        finals = np.array(states, np.float32, order="C")

        def one(nca: int, example: int) -> None:
            space = self._workspace(*ncas.grid, 1, 0)
            kernels.rollout(
                weights[nca],
                finals[nca, example],
                biases[nca],
                hears[nca, example],
                ncas.keys[nca, example],
                level,
                rooms[nca],
                first_step,
                n_steps,
                space,
            )

        self._run(one, np.ndindex(*ncas.keys.shape))
        return finals


def _hearing(ncas: Automata) -> tuple[Floats, Places, int]:
    """Hidden biases ``(K, F * 128)``, which holds when ``(K, B, T)``, and the fire level."""
    biases, hears = ncas.hearing()
    return _own(biases.reshape(len(ncas), -1)), _own(hears), fire_level(ncas.fire_rate)


def _rooms(ncas: Automata) -> npt.NDArray[np.uint64]:
    """The bit plane of each NCA's room ``(K, (H + 2) * words)``, as the kernels have planes."""
    height, width = ncas.grid
    n = words(width)
    if ncas.room is None:
        return np.full((len(ncas), (height + 2) * n), ~np.uint64(0))
    bits = np.zeros((len(ncas), height + 2, 64 * n), bool)
    bits[:, 1:-1, :width] = ncas.room
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64).reshape(len(ncas), -1)


def _own(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array as the kernels are compiled for: for a read-only one numba would compile anew."""
    return np.require(array, requirements=["C", "W"])
