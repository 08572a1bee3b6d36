"""The dense engine: every cell of many NCAs in lockstep, by batched products, on any torch device.

The K x B rollouts of a call are cut into chunks that fit the memory, sorted by their CA steps so
that those of a chunk end together. The host queues work, and waits once, at the end of the call.
"""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca_zoo.automaton import rule
from nca_zoo.errors import ZooError
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import Automata, Engine, Floats, Goals, Gradients, Memory
from nca_zoo.life.engines.goals import Steps
from nca_zoo.life.engines.lockstep import Lockstep, Run, Shape
from nca_zoo.life.engines.torch_step import step, step_back

GPU_SHARE = 0.7  # of the memory that is free when the engine is made
OTHER_BYTES = 2**30  # where torch does not say what is free
GPU_CELLS = 2**17  # of a chunk: a guess at what keeps a GPU busy
CPU_CELLS = 2**12  # small chunks, for what a step works on had better stay in the cache
STEPS = 32  # memory is laid out for multiples of so many CA steps
MASKS_AHEAD = 96  # CA steps of a rollout whose fire masks are drawn at a time

Order = npt.NDArray[np.int64]
Goal = tuple[int, int]  # frames, and the channels of each
NO_GOAL = (0, 0)


class DenseEngine(Engine):
    """Computes all cells of K NCAs on ``device``.

    memory: bytes of the device that it may use; a share of what is free unless given.
    chunk_cells: of a chunk, one rollout being the least; enough to keep the device busy unless
    given. capture: see ``Lockstep``; CUDA graphs where there is CUDA, unless given. With one,
    chunks are filled up to a few sizes, so that what is captured serves again as NCAs finish.
    compiler: a backend of ``torch.compile`` for the steps, or "" for none; inductor where there is
    CUDA with triton, unless given. None of these changes a result beyond rounding.

    Raises ZooError if torch cannot use the device.
    """

    name = "dense"
    lockstep: type[Lockstep] = Lockstep

    def __init__(
        self,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        memory: int | None = None,
        chunk_cells: int | None = None,
        capture: Callable[[Run], Run] | None = None,
        compiler: str | None = None,
    ) -> None:
        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ZooError(f"torch cannot use the device {device!r}: {reason}") from None
        self.dtype = dtype
        cuda, cpu = self.device.type == "cuda", self.device.type == "cpu"
        if cpu:  # torch counts the machine's cores, not those that a container or Slurm grants
            torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
        self.memory = memory or (_free(self.device) if cuda else OTHER_BYTES)
        self.chunk_cells = chunk_cells or (CPU_CELLS if cpu else GPU_CELLS)
        self._capture = capture or (CudaGraphs(self.device) if cuda else None)
        if compiler is None:
            compiler = "inductor" if cuda and importlib.util.find_spec("triton") else ""
        self._step: Callable[..., Any] = step
        self._step_back: Callable[..., Any] = step_back
        if compiler:
            self._step = torch.compile(step, backend=compiler, fullgraph=True)
            self._step_back = torch.compile(step_back, backend=compiler, fullgraph=True)
        self._arena = torch.empty(0, dtype=torch.uint8, device=self.device)
        self._ready: dict[Shape, Lockstep] = {}

    @torch.no_grad()
    def _gradients(self, ncas: Automata, states: Floats, goals: Goals, steps: Steps) -> Gradients:
        k, b = ncas.keys.shape
        starts, masks, lengths = _flat(states), _flat(ncas.keys), np.repeat(steps, b)
        when = _flat(goals.when)
        order = np.argsort(-lengths, kind="stable")
        goal = goals.frames.shape[1], goals.channels
        biases, hears = ncas.hearing()
        hears, n_biases = _flat(hears), biases.shape[1]
        results = self._results(
            (k * b,), (k * b, rule.N_PARAMS), starts.shape, (k * b, n_biases, rule.HIDDEN)
        )
        size = *ncas.grid, int(steps.max())
        for place, these, lockstep in self._chunks(order, *size, goal, n_biases):
            nca = these // b
            heard = biases[nca], hears[these]
            room = None if ncas.room is None else ncas.room[nca]
            lockstep.load(
                ncas.weights[nca],
                starts[these],
                masks[these],
                heard,
                steps[nca],
                ncas.fire_rate,
                room,
            )
            looks = lockstep.aim(goals.frames[nca], when[these])
            self._fetch(lockstep.differentiate(looks), results, place)
        losses, gradients, finals, d_biases = self._wait(results, order)
        return Gradients(
            losses.reshape(k, b).astype(np.float64),
            gradients.reshape(k, b, -1).mean(axis=1),
            finals.reshape(states.shape),
            d_biases.reshape(k, b, n_biases, rule.HIDDEN).mean(axis=1),
        )

    @torch.no_grad()
    def _rollout(self, ncas: Automata, states: Floats, first_step: int, n_steps: int) -> Floats:
        k, b = ncas.keys.shape
        starts, masks, order = _flat(states), _flat(ncas.keys), np.arange(k * b)
        results = self._results(starts.shape)
        biases, hears = ncas.hearing()
        hears = _flat(hears)
        size = *ncas.grid, min(n_steps, MASKS_AHEAD)
        for place, these, lockstep in self._chunks(order, *size, NO_GOAL, biases.shape[1]):
            nca = these // b
            heard = biases[nca], hears[these]
            room = None if ncas.room is None else ncas.room[nca]
            lockstep.load(
                ncas.weights[nca],
                starts[these],
                masks[these],
                heard,
                fire_rate=ncas.fire_rate,
                room=room,
            )
            self._fetch([lockstep.walk(first_step, n_steps)], results, place)
        return self._wait(results, order)[0].reshape(states.shape)

    def memory_of(
        self, height: int, width: int, steps: int, looks: int, channels: int, firing: int
    ) -> Memory:
        """See ``Engine``. On a GPU, nothing of the host's."""
        peak = self.lockstep.peak_bytes(
            Shape(1, height, width, _laid_out(steps), 1, channels), self.dtype
        )
        if self.device.type == "cuda" and peak > self.memory:
            raise ZooError(
                f"one rollout of {height} x {width} cells takes {peak / 1e9:.1f} GB of "
                f"{self.device}, and {self.memory / 1e9:.1f} GB of it may be used; use a smaller "
                "size"
            )
        return Memory(peak, peak, peak) if self.device.type == "cpu" else Memory(0, 0, 0)

    def chunk(
        self, height: int, width: int, steps: int, goal: Goal | None = None, biases: int = 1
    ) -> int:
        """How many rollouts of so many CA steps go together, were there that many.

        goal: frames and their channels if they are differentiated.
        """
        steps = _laid_out(steps)
        one, two = (
            self.lockstep.peak_bytes(
                Shape(n, height, width, steps, *(goal or NO_GOAL), biases), self.dtype
            )
            for n in (1, 2)
        )
        return max(1, min(self.memory // (two - one), self.chunk_cells // (height * width)))

    def _chunks(
        self, order: Order, height: int, width: int, steps: int, goal: Goal, biases: int
    ) -> Iterator[tuple[slice, Order, Lockstep]]:
        """Parts of ``order``, where they begin and end, and a place on the device for each."""
        most = self.chunk(height, width, steps, goal, biases)
        size = height, width, _laid_out(steps), *goal, biases
        for start in range(0, len(order), most):
            these = order[start : start + most]
            shape = Shape(self._padded(len(these), most), *size)
            yield slice(start, start + len(these)), these, self._lockstep(shape)

    def _padded(self, n: int, most: int) -> int:
        """Rollouts that a chunk of n is laid out for: with captured steps, one of a few sizes."""
        if self._capture is None:
            return n
        size = 1 << (n - 1).bit_length()  # a power of two, or three quarters of one
        return min(most, size * 3 // 4 if size >= 4 and n <= size * 3 // 4 else size)

    def _lockstep(self, shape: Shape) -> Lockstep:
        """Memory and steps for such a chunk, made once; all share what only one uses at a time."""
        needed = self.lockstep.buffer_bytes(shape, self.dtype)
        if needed > len(self._arena):
            self._ready.clear()
            self._arena = self._arena.new_empty(0)  # old and new need not fit together
            self._arena = self._arena.new_empty(needed)
        if shape not in self._ready:
            self._ready[shape] = self._made(shape)
        return self._ready[shape]

    def _made(self, shape: Shape) -> Lockstep:
        capture = self._capture or (lambda run: run)
        return self.lockstep(self._arena, shape, self.dtype, capture, self._step, self._step_back)

    def _results(self, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Places on the host, to which a GPU can copy on its own."""
        pinned = self.device.type == "cuda"
        return [torch.empty(shape, dtype=self.dtype, pin_memory=pinned) for shape in shapes]

    def _fetch(self, found: Sequence[Tensor], results: list[Tensor], place: slice) -> None:
        """Copy a chunk's results to the host, queued where ``_results`` are pinned."""
        for tensor, result in zip(found, results, strict=True):
            part = result[place]
            part.copy_(tensor[: len(part)], non_blocking=tensor.is_cuda)

    def _wait(self, results: list[Tensor], order: Order) -> list[Floats]:
        """Wait for the device; then results as arrays, in the order of the call."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()
        back = np.argsort(order)
        return [result.numpy()[back] for result in results]


class CudaGraphs:
    """Captures functions as CUDA graphs, which share the memory that they need on the way."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        """``run``, called a few times to warm up, as the replay of a graph."""
        with torch.cuda.device(self._device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    run()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=aside):
                run()
        return graph.replay


def _free(device: torch.device) -> int:
    return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0])


def _laid_out(steps: int) -> int:
    """How many CA steps memory is laid out for, where so many are taken."""
    return max(1, -(-steps // STEPS)) * STEPS


def _flat(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``(K, B, ...)`` as ``(K * B, ...)``."""
    return array.reshape(-1, *array.shape[2:])
