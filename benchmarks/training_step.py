"""Seconds per training step: our engines, and an NCA as people write it in torch.

Same mathematics for all: growing regime, batch 8, 28 x 28 cells, alpha = ink. Ten digits are
trained with the sparse engine; along each run, every contender takes the very step that the
training took, from the same weights, states, fire masks and number of CA steps. The losses are
compared too: a contender that computes something else would be caught.

    python benchmarks/training_step.py [--steps 200] [--every 50]
"""

import dataclasses
import platform
import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np
import torch
from torch.nn import functional

from nca_zoo.cohort import Cohort, Job, Member
from nca_zoo.engines import Gradients
from nca_zoo.engines.dense import DenseEngine
from nca_zoo.engines.sparse import SparseEngine
from nca_zoo.images import load_pictures
from nca_zoo.init import make_init
from nca_zoo.noise import fire_mask
from nca_zoo.regime import REGIMES
from nca_zoo.rule import unflatten
from nca_zoo.targets import make_target

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
IDENTITY = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])


def plain_torch(weights, states, targets, keys, steps):
    """One NCA ``(1, P)`` as in the notebooks: depthwise conv2d, 1 x 1 convolutions, autograd."""
    w = torch.tensor(weights[0], requires_grad=True)
    parts = {name: torch.as_tensor(t) for name, t in unflatten(weights[0]).items()}
    sizes = [part.numel() for part in parts.values()]
    w1, b1, w2, b2 = (
        piece.view(part.shape) for piece, part in zip(w.split(sizes), parts.values(), strict=True)
    )
    filters = torch.stack([IDENTITY, SOBEL, SOBEL.T])[:, None].repeat(16, 1, 1, 1)
    order = torch.arange(48).view(16, 3).T.reshape(-1)  # channel-major to filter-major
    state = torch.as_tensor(states[0]).permute(0, 3, 1, 2)
    target = torch.as_tensor(targets).permute(0, 3, 1, 2)

    def alive(state):
        return functional.max_pool2d(state[:, 3:4], 3, stride=1, padding=1) > 0.1

    for t in range(int(steps[0])):
        before = alive(state)
        seen = functional.conv2d(state, filters, padding=1, groups=16)[:, order]
        hidden = functional.conv2d(seen, w1[:, :, None, None], b1).relu()
        update = functional.conv2d(hidden, w2[:, :, None, None], b2)
        fire = torch.as_tensor(fire_mask(keys[0], t, *states.shape[2:4]))[:, None]
        state = state + update * fire
        state = state * (before & alive(state))
    losses = (state[:, :4] - target).square().mean(dim=(1, 2, 3))
    losses.mean().backward()
    return losses.detach().numpy()[None], w.grad.numpy()[None]


class Recorder(SparseEngine):
    """The sparse engine, keeping the arguments of its last call."""

    def gradients(self, *arguments) -> Gradients:
        self.last = [np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
        return super().gradients(*arguments)


def contenders():
    """Name -> (torch threads, function of the arguments that gives losses)."""
    one, two = SparseEngine(1), SparseEngine(2)
    dense = DenseEngine()
    return {
        "sparse, 1 thread": (1, lambda a: one.gradients(*a).losses),
        "sparse, 2 threads": (1, lambda a: two.gradients(*a).losses),
        "dense, 1 thread": (1, lambda a: dense.gradients(*a).losses),
        "dense, 2 threads": (2, lambda a: dense.gradients(*a).losses),
        "plain torch, 1 thread": (1, lambda a: plain_torch(*a[:5])[0]),
        "plain torch, 2 threads": (2, lambda a: plain_torch(*a[:5])[0]),
    }


@click.command()
@click.option("--steps", default=200, show_default=True, help="Training steps of a run.")
@click.option("--every", default=50, show_default=True, help="Training steps between timings.")
@click.option("--init", default="meta", show_default=True)
def main(steps: int, every: int, init: str) -> None:
    """Time every contender along the training of ten digits, and print a table."""
    regime = dataclasses.replace(REGIMES["growing"], batch=8)
    start = make_init(init, "growing")
    _, pictures = load_pictures("digits", per_class=1, data_dir=Path("data"))
    rivals = contenders()
    times = defaultdict(list)
    for number, picture in enumerate(pictures):
        engine = Recorder()
        cohort = Cohort(regime, engine, 28, 28)
        cohort.add(Member(Job(picture.id, make_target(picture.pixels), start, number)))
        for step in range(steps + 1):
            cohort.step()
            if step % every:
                continue
            expected = engine.gradients(*engine.last).losses
            for name, (threads, run) in rivals.items():
                torch.set_num_threads(threads)
                began = time.perf_counter()
                losses = run(engine.last)
                if number or step:  # the very first call of each warms it up
                    times[name].append(time.perf_counter() - began)
                np.testing.assert_allclose(losses, expected, rtol=1e-4)
    print(f"{platform.processor() or platform.machine()}, {torch.__version__=}")
    best = np.array(times["sparse, 1 thread"])
    print(f"{'contender':24} {'ms a step':>10} {'of sparse, 1 thread':>20}")
    for name, found in times.items():
        ratio = np.sum(found) / np.sum(best)
        print(f"{name:24} {1e3 * np.mean(found):10.1f} {ratio:20.2f}")


if __name__ == "__main__":
    main()
