"""How the small networks of this room learn: for a fixed number of steps, from a fixed seed, on one
thread, choosing nothing. Needs torch, which is imported when one learns and not before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = Sequence[npt.NDArray[np.floating]]  # what a network sees, of as many rows each
Loss = Callable[["Tensor", "Tensor"], "Tensor"]
AT_ONCE = 256  # rows that are answered at a time


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW with a one-cycle rate."""

    steps: int = 400
    batch: int = 64
    rate: float = 3e-3
    decay: float = 1e-2  # of weights


def learnt(
    make: Callable[[list["Tensor"]], "nn.Module"],
    inputs: Arrays,
    wanted: npt.NDArray[np.generic],
    loss_of: Loss,
    schedule: Schedule,
) -> "nn.Module":
    """A network made of all inputs ``(n, ...)``, when it has learnt ``wanted`` ``(n, ...)``."""
    import torch

    with _alone():
        torch.manual_seed(0)
        seen = _tensors(inputs)
        goal = torch.from_numpy(np.asarray(wanted))
        network = make(seen)
        optimiser = torch.optim.AdamW(
            network.parameters(), schedule.rate, weight_decay=schedule.decay
        )
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, schedule.rate, total_steps=schedule.steps
        )
        for _ in range(schedule.steps):
            batch = torch.randint(len(goal), (min(schedule.batch, len(goal)),))
            loss = loss_of(network(*(rows[batch] for rows in seen)), goal[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        return network.eval()


def answered(network: "nn.Module", inputs: Arrays) -> npt.NDArray[np.float32]:
    """What a network that has learnt answers to inputs ``(m, ...)``: ``(m, outputs)``."""
    import torch

    with _alone(), torch.no_grad():
        parts = zip(*(rows.split(AT_ONCE) for rows in _tensors(inputs)), strict=True)
        return torch.cat([network(*part) for part in parts]).numpy()


def _tensors(inputs: Arrays) -> list["Tensor"]:
    """As torch has them; copied only if torch could not write there, as it wants to."""
    import torch

    return [torch.from_numpy(np.require(rows, np.float32, ["C", "W"])) for rows in inputs]


@contextmanager
def _alone() -> Iterator[None]:
    """On one thread, for folds fill the cores, and rounding must not depend on their number; and
    leaving the random numbers of others alone."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
