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

from nca_zoo.automaton.rule import CHANNELS, N_PARAMS, VISIBLE
from nca_zoo.life.engines import Floats, Gradients, Keys, kernels
from nca_zoo.life.engines.workspace import Workspace, workspace


class SparseEngine:
    """Computes only cells that live and fire, on ``threads`` CPU threads."""

    name = "sparse"

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; it must be 1 or more")
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._local = threading.local()

    def _workspace(self, height: int, width: int, steps: int, every_step: bool) -> Workspace:
        """This thread's scratch memory, kept between calls and grown when it is too small."""
        held = getattr(self._local, "held", None)
        if held is not None:
            size, space = held
            fits = size[:2] == (height, width) and size[2] >= steps and size[3] >= every_step
            if fits:
                return space
        space = workspace(height, width, steps, every_step)
        self._local.held = ((height, width, steps, every_step), space)
        return space

    def _run(self, task: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> None:
        if self._pool is None:
            for arguments in calls:
                task(*arguments)
        else:
            for done in [self._pool.submit(task, *arguments) for arguments in calls]:
                done.result()

    def gradients(
        self,
        weights: Floats,
        states: Floats,
        targets: Floats,
        keys: Keys,
        steps: npt.NDArray[np.int64],
        every_step: bool = False,
    ) -> Gradients:
        """See ``Engine.gradients``."""
        k, b, height, width = check_shapes(weights, states, targets, keys, steps)
        longest = int(steps.max())
        finals = np.array(states, np.float32, order="C")
        losses = np.empty((k, b))
        parts = np.empty((k, b, N_PARAMS), np.float32)

        def one(nca: int, example: int) -> None:
            losses[nca, example] = kernels.forward_backward(
                weights[nca],
                finals[nca, example],
                targets[nca],
                keys[nca, example],
                int(steps[nca]),
                every_step,
                parts[nca, example],
                self._workspace(height, width, longest, every_step),
            )

        self._run(one, np.ndindex(k, b))
        return Gradients(losses, parts.mean(axis=1), finals)

    def rollout(
        self, weights: Floats, states: Floats, keys: Keys, first_step: int, n_steps: int
    ) -> Floats:
        """See ``Engine.rollout``."""
        k, b, height, width = check_shapes(weights, states, None, keys, None)
        finals = np.array(states, np.float32, order="C")

        def one(nca: int, example: int) -> None:
            space = self._workspace(height, width, 1, False)
            kernels.rollout(
                weights[nca], finals[nca, example], keys[nca, example], first_step, n_steps, space
            )

        self._run(one, np.ndindex(k, b))
        return finals


def check_shapes(
    weights: Floats,
    states: Floats,
    targets: Floats | None,
    keys: Keys,
    steps: npt.NDArray[np.int64] | None,
) -> tuple[int, int, int, int]:
    """``(K, B, H, W)`` of a call to an engine; compiled code must never see a wrong shape."""
    k, b, height, width, _ = states.shape
    grey = targets is not None and targets.shape[-1:] == (1,)
    expected: list[tuple[str, npt.NDArray[Any] | None, tuple[int, ...], type]] = [
        ("weights", weights, (k, N_PARAMS), np.float32),
        ("states", states, (k, b, height, width, CHANNELS), np.float32),
        ("targets", targets, (k, height, width, 1 if grey else VISIBLE), np.float32),
        ("keys", keys, (k, b), np.uint64),
        ("steps", steps, (k,), np.int64),
    ]
    for name, array, shape, dtype in expected:
        if array is None:
            continue
        if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
            raise ValueError(
                f"{name}: expected a C-ordered {np.dtype(dtype)} array {shape}, "
                f"found {array.dtype} {array.shape}"
            )
    return k, b, height, width
