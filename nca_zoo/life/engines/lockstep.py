"""N rollouts in lockstep on one device: their memory, and steps that never wait for the device.

Back-propagation needs the state before every CA step and computes all else again: a tape of
states, a tenth of what autograd would keep. (Keeping fewer states, and computing some of them
again too, would hardly save memory: one step's activations weigh as much as a dozen states.)

The number of the step is a tensor on the device, and all memory is laid out beforehand. So one CA
step forward, and one back, can be captured once, as a CUDA graph, and replayed for every rollout.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE, fire_level, halves
from nca_zoo.life.engines.goals import NEVER
from nca_zoo.life.engines.torch_step import Weights, fire_masks, step, step_back

Run = Callable[[], object]
Host = npt.NDArray[np.generic]
Layout = dict[str, tuple[tuple[int, ...], torch.dtype]]

ALIGNED = 512  # bytes, as torch's own allocations on a GPU
FORWARD_FLOATS = 48 + 128 + 2 * 16  # a cell's share of what `step` has at its fullest moment
BACK_FLOATS = 48 + 3 * 128 + 4 * 16  # and `step_back`
MASK_BYTES = 6  # a cell's and step's share of what `fire_masks` has


class Shape(NamedTuple):
    """How much a lockstep can hold: rollouts, the grid, CA steps, what they are compared with, and
    the biases of the hidden layer that hold in turn.

    Without frames nothing is differentiated.
    """

    n: int
    height: int
    width: int
    steps: int
    frames: int = 0
    channels: int = 0  # of a frame: of the visible ones, from the last
    biases: int = 1

    @property
    def cells(self) -> int:
        """Of all rollouts."""
        return self.n * self.height * self.width


def _room(size: tuple[int, ...], dtype: torch.dtype) -> int:
    return -(-math.prod(size) * dtype.itemsize // ALIGNED) * ALIGNED


def common(shape: Shape, dtype: torch.dtype) -> Layout:
    """The buffers that every kind of lockstep has."""
    n, height, width, steps, frames, channels, biases = shape
    buffers: Layout = {
        "at": ((1,), torch.int64),  # the number of CA steps taken
        "lengths": ((n,), torch.int64),
        "upper": ((n,), torch.int64),
        "lower": ((n,), torch.int64),
        "weights": ((n, rule.N_PARAMS), dtype),
    }
    if biases > 1:
        buffers |= {
            "biases": ((n, biases, rule.HIDDEN), dtype),
            "hears": ((steps, n), torch.int64),  # which of these, by CA step
        }
    if frames:
        buffers |= {name: ((n, *size), dtype) for name, size in rule.PARAM_SPEC}
        buffers |= {
            "b1": ((n, biases, rule.HIDDEN), dtype),  # of each bias that it is a part of
            "d_state": ((n, height, width, rule.CHANNELS), dtype),
            "frames": ((n, frames, height, width, channels), dtype),
            "when": ((steps + 1, n), torch.int64),  # of the states on the tape
            "share": ((n,), dtype),  # of one comparison in the loss
            "loss": ((n,), dtype),
        }
    return buffers


class Lockstep:
    """Memory for so many rollouts, and a step over it that ``capture`` may have recorded.

    arena: bytes, at least ``buffer_bytes``, which several locksteps may share if they take turns.
    capture: takes a function without arguments, which works on memory that stays where it is, and
    returns one that does the same again.
    """

    def __init__(
        self,
        arena: Tensor,
        shape: Shape,
        dtype: torch.dtype,
        capture: Callable[[Run], Run],
        step: Callable[..., tuple[Tensor, Tensor]] = step,
        step_back: Callable[..., tuple[Tensor, Weights]] = step_back,
    ) -> None:
        self.shape = shape
        self._compared = rule.compared(shape.channels)
        self._step, self._step_back = step, step_back
        held, start = {}, 0
        for name, (size, kind) in self.layout(shape, dtype).items():
            bytes_ = math.prod(size) * kind.itemsize
            held[name] = arena[start : start + bytes_].view(kind).view(size)
            start += _room(size, kind)
        self._held = held
        self._at, self._lengths, self._tape = held["at"], held["lengths"], held["tape"]
        self._weights = Weights.of(held["weights"])
        for buffer in held.values():
            buffer.zero_()
        self._at.fill_(shape.steps // 2)  # a trial of either may go a few steps up or down
        self._forward = capture(self._forward_step)
        if shape.frames:
            self._gradient = Weights(*(held[name] for name, _ in rule.PARAM_SPEC))
            self._compare = capture(self._compare_state)
            self._backward = capture(self._backward_step)

    @staticmethod
    def layout(shape: Shape, dtype: torch.dtype) -> Layout:
        """Shape and type of every buffer."""
        grid = shape.n, shape.height, shape.width
        frames = shape.frames
        buffers = common(shape, dtype) | {
            "fires": ((shape.steps, *grid), torch.bool),
            "tape": ((shape.steps + 1 if frames else 1, *grid, rule.CHANNELS), dtype),
        }
        return buffers | ({"keeps": ((shape.steps, *grid), torch.bool)} if frames else {})

    @staticmethod
    def beside(shape: Shape, dtype: torch.dtype) -> int:
        """Bytes that a step has beside the buffers, at its fullest moment.

        That is either the draw of all fire masks, or one step: its perceptions, its hidden
        activations and, going back, their derivatives and those by the weights.
        """
        floats = BACK_FLOATS if shape.frames else FORWARD_FLOATS
        bytes_ = max(floats * dtype.itemsize, MASK_BYTES * shape.steps) * shape.cells
        return bytes_ + (shape.n * rule.N_PARAMS * dtype.itemsize if shape.frames else 0)

    @classmethod
    def buffer_bytes(cls, shape: Shape, dtype: torch.dtype) -> int:
        """Bytes of all buffers of ``layout``."""
        return sum(_room(*buffer) for buffer in cls.layout(shape, dtype).values())

    @classmethod
    def peak_bytes(cls, shape: Shape, dtype: torch.dtype) -> int:
        """Bytes on the device at the fullest moment: buffers, and what a step has beside them."""
        return cls.buffer_bytes(shape, dtype) + cls.beside(shape, dtype)

    def load(
        self,
        weights: Host,
        states: Host,
        keys: npt.NDArray[np.uint64],
        hearing: tuple[Host, Host],
        lengths: Host | None = None,
        fire_rate: float = FIRE_RATE,
        room: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Take rollouts from the host, at most N; what is left over is zero and stands still.

        weights (n, P), states (n, H, W, 16), keys (n,), hearing: biases (n, F, 128) and which of
        them holds when (n, T), as of ``Automata.hearing``; CA steps (n,): without these all run
        for as long as they are told to. room: ``(n, H, W)``, out of which no cell fires.
        """
        endless = np.full(len(weights), np.iinfo(np.int64).max)
        self._put("weights", weights)
        biases, self._hears = hearing
        _copy(self._weights.b1, biases[:, 0])  # it may be the only one
        if self.shape.biases > 1:
            self._put("biases", biases)
        self._fire_level = fire_level(fire_rate)
        self._room = None
        if room is not None:
            shape = (self.shape.n, *room.shape[1:])
            self._room = torch.empty(shape, dtype=torch.bool, device=self._at.device)
            _copy(self._room, room)
        self._put("upper", halves(keys)[0])
        self._put("lower", halves(keys)[1])
        self._put("lengths", endless if lengths is None else lengths)
        _copy(self._tape[0], states)
        self._lengths_here = lengths

    def aim(self, frames: Host, when: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Take what the loaded rollouts are compared with: see ``Goals``.

        frames (n, F, H, W, C), when (n, T). Returns on which states of the tape, up to the last
        that is needed, any of them is compared.
        """
        if self._lengths_here is None:
            raise ValueError("rollouts without an end are not differentiated")
        longest = int(self._lengths_here.max())
        on_tape = np.full((self.shape.steps + 1, len(when)), NEVER, np.int64)  # never the first
        on_tape[1 : longest + 1] = when[:, :longest].T
        on_tape[np.arange(len(on_tape))[:, None] > np.asarray(self._lengths_here, int)] = NEVER
        looks = (on_tape != NEVER).sum(axis=0)
        self._put("frames", frames)
        self._put("share", (1 / looks).astype(np.float64))
        padded = np.full((len(on_tape), self.shape.n), NEVER, np.int64)
        padded[:, : len(when)] = on_tape
        _copy(self._held["when"], padded)
        return (on_tape[: longest + 1] != NEVER).any(axis=1)

    def walk(self, first_step: int, n_steps: int) -> Tensor:
        """The states (N, H, W, 16) after CA steps ``first_step`` to the ``n_steps`` next."""
        for first in range(first_step, first_step + n_steps, self.shape.steps):
            some = min(self.shape.steps, first_step + n_steps - first)
            self._draw(first, some)
            for _ in range(some):
                self._forward()
        return self._tape[some % len(self._tape)]

    def differentiate(self, looks: npt.NDArray[np.bool_]) -> tuple[Tensor, ...]:
        """Losses (N,), gradients (N, P), the last states (N, H, W, 16), and the gradients by the
        hidden biases (N, F, 128).

        looks: what ``aim`` said.
        """
        loss = self._held["loss"].zero_()
        self._held["d_state"].zero_()
        for part in self._gradient:
            part.zero_()
        longest = len(looks) - 1
        self._draw(0, longest)
        for _ in range(longest):
            self._forward()
        for due in looks[:0:-1]:
            if due:
                self._compare()
            self._backward()
        d_biases = self._gradient.b1
        parts = self._gradient._replace(b1=d_biases.sum(dim=1))
        gradients = torch.cat([part.flatten(1) for part in parts], dim=1)
        return loss, gradients, self._tape[longest], d_biases

    def _draw(self, first_step: int, n_steps: int) -> None:
        """Draw the fire masks of some CA steps, say what they hear, and begin with the first."""
        steps = torch.arange(n_steps, device=self._at.device)
        keys, grid = (self._held["upper"], self._held["lower"]), self.shape[1:3]
        fires = fire_masks(keys, first_step + steps, *grid, self._fire_level)
        if self.shape.biases > 1:
            turn = (first_step + np.arange(n_steps)) % self._hears.shape[1]
            heard = np.zeros((self.shape.steps, self.shape.n), np.int64)
            heard[:n_steps, : len(self._hears)] = self._hears[:, turn].T
            self._put("hears", heard)
        running = steps[:, None] < self._lengths
        if self._room is not None:
            fires &= self._room
        torch.logical_and(fires, running[..., None, None], out=self._held["fires"][:n_steps])
        self._at.zero_()

    def _forward_step(self) -> None:
        state = self._now("tape") if self.shape.frames else self._tape[0]
        running = self._at < self._lengths
        state, keep = self._step(self._hearing(), state, self._now("fires"), running)
        if self.shape.frames:
            self._tape.index_copy_(0, self._at + 1, state[None])
            self._held["keeps"].index_copy_(0, self._at, keep[None])
        else:
            self._tape[0].copy_(state)
        self._at.add_(1)

    def _compare_state(self) -> None:
        """Add the present state's share to the loss, and its slope to the derivative."""
        when = self._now("when")
        which = when.clamp(min=0)[:, None, None, None, None]
        goal = self._held["frames"].take_along_dim(which, dim=1)[:, 0]
        due, share = ((x[:, None, None, None]) for x in (when != NEVER, self._held["share"]))
        # Chosen, not multiplied: a state that has overflowed must count where it is compared alone.
        off = torch.where(due, self._now("tape")[..., self._compared] - goal, 0)
        self._held["loss"].add_((off.square() * share).mean(dim=(1, 2, 3)))
        slope = 2 / math.prod(goal.shape[1:])  # of the mean square over H, W and C
        self._held["d_state"][..., self._compared].add_(off * share, alpha=slope)

    def _backward_step(self) -> None:
        d_state = self._held["d_state"]
        self._at.sub_(1)
        now = (self._now(name) for name in ("tape", "fires", "keeps"))
        d_before, d_weights = self._step_back(self._hearing(), *now, d_state)
        d_state.copy_(d_before)
        gradient, d_bias = self._gradient, d_weights.b1[:, None]
        if self.shape.biases == 1:
            gradient.b1.add_(d_bias)
        else:
            gradient.b1.scatter_add_(1, self._heard(), d_bias)
        for name in ("W1", "W2", "b2"):
            getattr(gradient, name).add_(getattr(d_weights, name))

    def _hearing(self) -> Weights:
        """The weights with the hidden biases of the present CA step."""
        if self.shape.biases == 1:
            return self._weights
        return self._weights._replace(b1=self._held["biases"].gather(1, self._heard())[:, 0])

    def _heard(self) -> Tensor:
        """Where among the biases those of the present CA step are, (N, 1, 128)."""
        return self._now("hears")[:, None, None].expand(-1, 1, rule.HIDDEN)

    def _now(self, name: str) -> Tensor:
        """A buffer's part that belongs to the present CA step."""
        return self._held[name].index_select(0, self._at)[0]

    def _put(self, name: str, values: Host) -> None:
        _copy(self._held[name], values)


def _copy(buffer: Tensor, values: Host) -> None:
    """Copy n of N values from the host; the rest of the buffer becomes zero.

    The copy is queued where memory can be pinned: what is not may be gone before its turn comes.
    """
    n = len(values)
    source = torch.from_numpy(np.ascontiguousarray(values))
    if buffer.is_cuda:
        source = source.pin_memory()
    buffer[:n].copy_(source, non_blocking=buffer.is_cuda)
    buffer[n:].zero_()
