"""An NCA as people write it in torch: depthwise ``conv2d``, 1 x 1 convolutions, autograd.

Dense: every cell is computed at every step. It takes the fire masks of the project's generator, so
that its losses and gradients can be compared with those of the engines.
"""

import numpy as np
import torch
from torch.nn import functional

from nca_zoo.automaton.noise import fire_mask
from nca_zoo.automaton.rule import param_slices, unflatten
from nca_zoo.life.engines import Automata, Engine, Floats, Goals, Gradients, Keys, Memory
from nca_zoo.life.engines.goals import Steps, at_the_end

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
IDENTITY = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])
FILTERS = torch.stack([IDENTITY, SOBEL, SOBEL.T])[:, None].repeat(16, 1, 1, 1)
ORDER = torch.arange(48).view(16, 3).T.reshape(-1)  # channel-major to filter-major


def _alive(state: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(state[:, 3:4], 3, stride=1, padding=1) > 0.1


def _walk(
    weights: torch.Tensor, state: torch.Tensor, keys: Keys, first: int, steps: int
) -> torch.Tensor:
    """States ``(B, 16, H, W)`` of one NCA with flat weights ``(P,)`` after ``steps`` steps."""
    shapes = [part.shape for part in unflatten(weights.detach().numpy()).values()]
    pieces = weights.split([int(np.prod(shape)) for shape in shapes])
    w1, b1, w2, b2 = (piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True))
    for t in range(first, first + steps):
        before = _alive(state)
        seen = functional.conv2d(state, FILTERS, padding=1, groups=16)[:, ORDER]
        hidden = functional.conv2d(seen, w1[:, :, None, None], b1).relu()
        update = functional.conv2d(hidden, w2[:, :, None, None], b2)
        fire = torch.as_tensor(fire_mask(keys, t, *state.shape[2:]))[:, None]
        state = state + update * fire
        state = state * (before & _alive(state))
    return state


class PlainTorch(Engine):
    """Answers the trainer's question, one NCA after the other; for losses of the last state."""

    name = "plain torch"

    def memory_of(
        self, height: int, width: int, steps: int, looks: int, channels: int, firing: int
    ) -> Memory:
        """What torch keeps of a rollout: a state, its perception and hidden layer at each step."""
        kept = steps * height * width * (16 + 48 + 128) * 4
        return Memory(kept, kept, kept)

    def _gradients(self, ncas: Automata, states: Floats, goals: Goals, steps: Steps) -> Gradients:
        weights, keys, targets = ncas.weights, ncas.keys, goals.frames[:, 0]
        at_end = at_the_end(targets, steps, keys.shape[1]).when
        if not np.array_equal(at_end, goals.when):
            raise ValueError("the plain NCA takes the loss of the last state only")
        losses, gradients, finals = [], [], []
        for k in range(len(weights)):
            w = torch.tensor(weights[k], requires_grad=True)
            state = torch.as_tensor(states[k]).permute(0, 3, 1, 2)
            state = _walk(w, state, keys[k], 0, int(steps[k]))
            target = torch.as_tensor(targets[k]).permute(2, 0, 1)
            loss = (state[:, :4] - target).square().mean(dim=(1, 2, 3))
            loss.mean().backward()
            losses.append(loss.detach().numpy().astype(np.float64))
            gradients.append(w.grad.numpy())
            finals.append(state.detach().permute(0, 2, 3, 1).contiguous().numpy())
        found = np.stack(gradients)
        biases = found[:, None, param_slices()["b1"]]  # one for all steps
        return Gradients(np.stack(losses), found, np.stack(finals), biases)

    @torch.no_grad()
    def _rollout(self, ncas: Automata, states: Floats, first_step: int, n_steps: int) -> Floats:
        weights, keys = ncas.weights, ncas.keys
        finals = []
        for k in range(len(weights)):
            state = torch.as_tensor(states[k]).permute(0, 3, 1, 2)
            state = _walk(torch.as_tensor(weights[k]), state, keys[k], first_step, n_steps)
            finals.append(state.permute(0, 2, 3, 1).contiguous().numpy())
        return np.stack(finals)
