"""The slow, obvious NCA: one model, one example, depthwise convolutions and autograd, in float64.

Written from the article, sharing no code with the package: what the engines are compared with.
"""

import numpy as np
import torch
from torch.nn import functional


def kernels() -> torch.Tensor:
    identity = np.zeros((3, 3))
    identity[1, 1] = 1
    sobel_x = np.outer([1, 2, 1], [-1, 0, 1]) / 8
    filters = np.stack([identity, sobel_x, sobel_x.T])
    return torch.tensor(np.repeat(filters[:, None], 16, axis=1).reshape(48, 1, 3, 3))


def alive(state: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(state[:, 3:4], 3, stride=1, padding=1) > 0.1


def step(params: list[torch.Tensor], state: torch.Tensor, fire: np.ndarray) -> torch.Tensor:
    """state (1, 16, H, W), fire (H, W)."""
    w1, b1, w2, b2 = params
    before = alive(state)
    stacked = torch.cat([state, state, state], dim=1)  # filter-major: identity, x, y
    seen = functional.conv2d(stacked, kernels(), padding=1, groups=48)
    hidden = torch.relu(functional.conv2d(seen, w1[:, :, None, None], b1))
    update = functional.conv2d(hidden, w2[:, :, None, None], b2)
    state = state + update * torch.tensor(fire)[None, None]
    return state * (before & alive(state))


def tensors(weights: np.ndarray) -> list[torch.Tensor]:
    pieces = np.split(np.asarray(weights, np.float64), np.cumsum([6144, 128, 2048]))
    shapes = [(128, 48), (128,), (16, 128), (16,)]
    return [
        torch.tensor(piece.reshape(shape), requires_grad=True)
        for piece, shape in zip(pieces, shapes, strict=True)
    ]


def rollout(weights, state, fires, target=None, every_step=False, when=None, hears=None):
    """Loss, the four gradients and the final state (H, W, 16) of one example in float64.

    target (H, W, 4), or (H, W, 1) of alpha alone. With when, target is a film (F, H, W, C), of
    which the state after step t is compared with frame when[t] if that is 0 or more.

    hears: S (128, d), s (F, d) and which of these is heard in each step; the derivatives by S and s
    are two more gradients.
    """
    params = tensors(weights)
    w1, b1, w2, b2 = params
    if hears is not None:
        ears, voices = (torch.tensor(np.float64(x), requires_grad=True) for x in hears[:2])
    state = torch.tensor(np.asarray(state, np.float64)).permute(2, 0, 1)[None]
    goal = None
    if target is not None and when is None:
        goal = torch.tensor(np.asarray(target, np.float64)).permute(2, 0, 1)
    losses = []
    for t, fire in enumerate(fires):
        bias = b1 if hears is None else b1 + ears @ voices[hears[2][t]]
        state = step([w1, bias, w2, b2], state, fire)
        if when is not None:
            if when[t] < 0:
                continue
            goal = torch.tensor(np.asarray(target[when[t]], np.float64)).permute(2, 0, 1)
        if goal is not None:
            losses.append(((state[0, 4 - len(goal) : 4] - goal) ** 2).mean())
    final = state[0].permute(1, 2, 0).detach().numpy()
    if goal is None:
        return None, None, final
    loss = torch.stack(losses).mean() if every_step or when is not None else losses[-1]
    wanted = params if hears is None else [*params, ears, voices]
    gradients = [g.numpy() for g in torch.autograd.grad(loss, wanted)]
    return loss.item(), gradients, final
