"""The dense engine: every cell of every NCA in lockstep, by batched products in torch.

It runs on any torch device and gets its gradients from autograd, so it is also the reference that
the sparse engine is compared with.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nca_zoo import rule
from nca_zoo.engines import Floats, Gradients, Keys
from nca_zoo.errors import ZooError
from nca_zoo.noise import BLOCK_CELLS, halves, threefry2x32


class DenseEngine:
    """Computes all K NCAs, B examples and H x W cells at once on ``device``."""

    name = "dense"

    def __init__(self, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ZooError(f"torch cannot use the device {device!r}: {reason}") from None
        self.dtype = dtype

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
        w = self._tensor(weights).requires_grad_()
        state, target = self._tensor(states), self._tensor(targets)[:, None]
        length = torch.as_tensor(steps, device=self.device)
        tensors, key = _named(w), self._key(keys)

        def mse(state: Tensor) -> Tensor:
            return (state[..., : rule.VISIBLE] - target).square().mean(dim=(2, 3, 4))

        total = torch.zeros(keys.shape, dtype=self.dtype, device=self.device)
        for ca_step in range(int(steps.max())):
            # NCAs whose rollout is shorter keep their last state while the others go on.
            running = (ca_step < length)[:, None]
            stepped = step(tensors, state, fire_mask(key, ca_step, *states.shape[2:4]))
            state = torch.where(running[..., None, None, None], stepped, state)
            if every_step:
                total = total + torch.where(running, mse(state), 0.0)
        losses = total / length[:, None] if every_step else mse(state)
        (gradient,) = torch.autograd.grad(losses.mean(dim=1).sum(), w)
        return Gradients(
            losses.detach().cpu().numpy().astype(np.float64),
            gradient.cpu().numpy(),
            state.detach().cpu().numpy(),
        )

    @torch.no_grad()
    def rollout(
        self, weights: Floats, states: Floats, keys: Keys, first_step: int, n_steps: int
    ) -> Floats:
        """See ``Engine.rollout``."""
        tensors, state, key = _named(self._tensor(weights)), self._tensor(states), self._key(keys)
        for ca_step in range(first_step, first_step + n_steps):
            state = step(tensors, state, fire_mask(key, ca_step, *states.shape[2:4]))
        return state.cpu().numpy()

    def _tensor(self, array: npt.NDArray[np.floating]) -> Tensor:
        return torch.as_tensor(array, dtype=self.dtype, device=self.device)

    def _key(self, keys: Keys) -> tuple[Tensor, Tensor]:
        upper, lower = (torch.as_tensor(half, device=self.device) for half in halves(keys))
        return upper[..., None], lower[..., None]


def _named(weights: Tensor) -> dict[str, Tensor]:
    """Flat weights ``(K, P)`` as named tensors ``(K, *shape)``."""
    shapes = dict(rule.PARAM_SPEC)
    return {
        name: weights[:, part].unflatten(1, shapes[name])
        for name, part in rule.param_slices().items()
    }


def fire_mask(key: tuple[Tensor, Tensor], ca_step: int, height: int, width: int) -> Tensor:
    """``noise.fire_mask`` on the device: bool ``(K, B, H, W)``."""
    cells = height * width
    device = key[0].device
    blocks = torch.arange(-(-cells // BLOCK_CELLS), device=device)
    words = torch.stack(threefry2x32(*key, ca_step, blocks), dim=-1)
    bits = (words[..., None] >> torch.arange(32, device=device)) & 1
    return bits.flatten(2)[..., :cells].bool().unflatten(2, (height, width))


def perceive(state: Tensor) -> Tensor:
    """``rule.perceive``: ``(K, B, H, W, 16)`` to ``(K, B, H, W, 48)``."""
    n = functional.pad(state, (0, 0, 1, 1, 1, 1))  # (K, B, H + 2, W + 2, 16)
    smooth_y = n[:, :, :-2] + 2 * n[:, :, 1:-1] + n[:, :, 2:]
    smooth_x = n[:, :, :, :-2] + 2 * n[:, :, :, 1:-1] + n[:, :, :, 2:]
    sobel_x = (smooth_y[:, :, :, 2:] - smooth_y[:, :, :, :-2]) / 8
    sobel_y = (smooth_x[:, :, 2:] - smooth_x[:, :, :-2]) / 8
    return torch.cat([state, sobel_x, sobel_y], dim=-1)


def alive(state: Tensor) -> Tensor:
    """``rule.alive``: bool ``(K, B, H, W)``."""
    alpha = state[..., rule.ALPHA].detach()
    return functional.max_pool2d(alpha, 3, stride=1, padding=1) > rule.ALIVE_THRESHOLD


def step(tensors: dict[str, Tensor], state: Tensor, fire: Tensor) -> Tensor:
    """``rule.step`` for K NCAs: state ``(K, B, H, W, 16)``, fire ``(K, B, H, W)``."""
    rows = perceive(state).flatten(1, 3)  # (K, B * H * W, 48)
    hidden = torch.baddbmm(tensors["b1"][:, None], rows, tensors["W1"].mT).relu()
    update = torch.baddbmm(tensors["b2"][:, None], hidden, tensors["W2"].mT).view(state.shape)
    grown = state + update * fire[..., None]
    return grown * (alive(state) & alive(grown))[..., None]
