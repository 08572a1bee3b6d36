"""The fused engine: only living, firing cells, by Triton kernels, on a CUDA device.

It is the dense engine with other steps: chunks, captured graphs, goals and results are the same. In
Triton's interpreter (``TRITON_INTERPRET=1`` before triton is imported) it runs on the CPU, slowly.
"""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
import triton

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import fused_step
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.lockstep import Host, Layout, Lockstep, Run, Shape, common

CELLS = 2**20  # of a chunk: a guess. Most programs of a step end at once, so that many must wait
CHUNK = 1024  # cells of a rollout that a program looks at together
GATHERED = 128  # cells that a program of `spread` looks at together
PRECISIONS = ("ieee", "tf32x3", "tf32")  # of products; the last keeps ten bits of a factor


class FusedLockstep(Lockstep):
    """Memory and steps of the kernels. precision: one of ``PRECISIONS``."""

    def __init__(
        self,
        arena: torch.Tensor,
        shape: Shape,
        dtype: torch.dtype,
        capture: Callable[[Run], Run],
        precision: str = "ieee",
    ) -> None:
        if shape.biases > 1:
            raise ZooError(
                "the fused engine knows no signal that changes within a rollout; use --engine dense"
            )
        self._precision = precision
        self._chunk = min(CHUNK, triton.next_power_of_2(shape.height * shape.width))
        super().__init__(arena, shape, dtype, capture)

    @staticmethod
    def layout(shape: Shape, dtype: torch.dtype) -> Layout:
        """See ``Lockstep``. Without frames, two states take turns."""
        n, cells = shape.n, shape.height * shape.width
        grid = n, shape.height, shape.width
        slots = shape.steps + 1 if shape.frames else 2
        buffers = common(shape, dtype) | {
            "first": ((1,), torch.int64),  # the CA step that `at` counts from
            "tape": ((slots, *grid, rule.CHANNELS), dtype),
            "mature": ((slots, n, cells), torch.int8),  # alpha above the threshold
            "keeps": ((slots - 1, n, cells), torch.int8),
            "marked": ((n, cells), torch.int8),  # mature after the update; listed, going back
            "listed": ((n, cells), torch.int32),
            "counts": ((n,), torch.int32),
        }
        seen = {"d_seen": ((n, cells, rule.PERCEPTION), dtype)}
        return buffers | (seen if shape.frames else {})

    @staticmethod
    def beside(shape: Shape, dtype: torch.dtype) -> int:
        """See ``Lockstep``: the gradients side by side, once; kernels work in registers."""
        return shape.n * rule.N_PARAMS * dtype.itemsize if shape.frames else 0

    def load(
        self,
        weights: Host,
        states: Host,
        keys: npt.NDArray[Any],
        hearing: tuple[Host, Host],
        lengths: Host | None = None,
        fire_rate: float = FIRE_RATE,
        room: npt.NDArray[Any] | None = None,
    ) -> None:
        """See ``Lockstep``. Raises ZooError for what the kernels do not know."""
        if fire_rate != FIRE_RATE:
            raise ZooError(
                f"the fused engine knows no fire rate but {FIRE_RATE:g}; use --engine dense"
            )
        if room is not None:
            raise ZooError("the fused engine knows no rooms; use --engine dense")
        super().load(weights, states, keys, hearing, lengths, fire_rate)
        mature = self._tape[0, ..., rule.ALPHA] > rule.ALIVE_THRESHOLD
        self._held["mature"][0].copy_(mature.flatten(1))

    def _draw(self, first_step: int, n_steps: int) -> None:
        """Nothing is drawn ahead: the kernels ask the generator."""
        self._held["first"].fill_(first_step)
        self._at.zero_()

    def _forward_step(self) -> None:
        held, shape = self._held, self.shape
        n, cells = shape.n, shape.height * shape.width
        size = n, shape.height, shape.width
        slots, planes = len(self._tape), len(held["keeps"])
        tape, mature, marked = self._tape, held["mature"], held["marked"]
        listed, counts, lengths = held["listed"], held["counts"], self._lengths
        keys = held["upper"], held["lower"]
        fused_step.list_growing[(n,)](
            self._at, held["first"], lengths, *keys, tape, mature, marked, listed, counts,
            slots, *size, self._chunk, num_warps=8,
        )  # fmt: skip
        fused_step.grow[(n, triton.cdiv(cells, fused_step.ROWS.value))](
            self._at, held["weights"], tape, marked, listed, counts, slots, *size, self._precision
        )
        fused_step.live_or_die[(n, triton.cdiv(cells, self._chunk))](
            self._at, lengths, tape, mature, marked, held["keeps"], slots, planes, *size,
            self._chunk, num_warps=8,
        )  # fmt: skip
        self._at.add_(1)

    def _backward_step(self) -> None:
        self._at.sub_(1)
        held, shape = self._held, self.shape
        n, height, width = shape.n, shape.height, shape.width
        d_state, d_seen, marked = held["d_state"], held["d_seen"], held["marked"]
        listed, counts = held["listed"], held["counts"]
        keys = held["upper"], held["lower"]
        fused_step.list_shrinking[(n,)](
            self._at, held["first"], self._lengths, *keys, held["keeps"], d_state, marked,
            listed, counts, n, height, width, self._chunk, num_warps=8,
        )  # fmt: skip
        fused_step.shrink[(n,)](
            self._at, held["weights"], self._tape, d_state, d_seen, listed, counts,
            *self._gradient, n, height, width, self._precision, num_warps=8,
        )  # fmt: skip
        some = min(self._chunk, GATHERED)
        fused_step.spread[(n, triton.cdiv(height * width, some))](
            d_state, d_seen, marked, height, width, some
        )


class FusedEngine(DenseEngine):
    """Computes only cells that live and fire, on a CUDA device.

    precision: of products, one of ``PRECISIONS``. The others: see ``DenseEngine``.

    Raises ZooError for any other device, unless triton interprets.
    """

    name = "fused"
    lockstep = FusedLockstep

    def __init__(
        self,
        device: str = "cuda",
        dtype: torch.dtype = torch.float32,
        memory: int | None = None,
        chunk_cells: int | None = None,
        capture: Callable[[Run], Run] | None = None,
        precision: str = "ieee",
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; it must be {', '.join(PRECISIONS)}")
        super().__init__(device, dtype, memory, chunk_cells or CELLS, capture, compiler="")
        if self.device.type != "cuda" and not interpreted():
            raise ZooError(
                f"the fused engine runs on CUDA devices only, not on {device!r}; use dense"
            )
        self._precision = precision

    def _made(self, shape: Shape) -> Lockstep:
        capture = self._capture or (lambda run: run)
        return FusedLockstep(self._arena, shape, self.dtype, capture, self._precision)


def interpreted() -> bool:
    """Whether the kernels run in Triton's interpreter, on any device."""
    return not isinstance(fused_step.grow, triton.JITFunction)
