"""One CA step of N rollouts and its transpose, in torch: what the dense engine does all the time.

Functions of tensors alone: shapes say how many rollouts and cells there are, and nothing asks a
device for a value, so that steps can be queued, compiled and captured.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import BLOCK_CELLS, PLANE_SHIFT, PLANES, RATES, threefry2x32


class Weights(NamedTuple):
    """The weights of N rollouts, or the derivatives by them."""

    W1: Tensor  # (N, 128, 48)
    b1: Tensor  # (N, 128)
    W2: Tensor  # (N, 16, 128)
    b2: Tensor  # (N, 16)

    @classmethod
    def of(cls, flat: Tensor) -> "Weights":
        """The tensors that lie in ``flat`` ``(N, P)``, as views."""
        parts = zip(rule.PARAM_SPEC, rule.param_slices().values(), strict=True)
        return cls(*(flat[:, part].unflatten(1, shape) for (_, shape), part in parts))


def step(weights: Weights, state: Tensor, fire: Tensor, running: Tensor) -> tuple[Tensor, Tensor]:
    """``rule.step`` for those rollouts that are ``running`` (N,); the others keep their state.

    state ``(N, H, W, 16)``; fire bool ``(N, H, W)``, nowhere set where a rollout has stopped.
    Returns the next state, and bool ``(N, H, W)``: which cells may keep what they have.
    """
    hidden = _hidden(weights, perceive(state))
    update = torch.baddbmm(weights.b2[:, None], hidden, weights.W2.mT).view(state.shape)
    grown = state + update * fire[..., None]
    stopped = ~running[:, None, None]
    keep = (alive(state) & alive(grown)) | stopped
    # Chosen, not multiplied: a rollout that would overflow after its end must not.
    return torch.where(stopped[..., None], state, grown * keep[..., None]), keep


def step_back(
    weights: Weights,
    state: Tensor,
    fire: Tensor,
    keep: Tensor,
    d_next: Tensor,
) -> tuple[Tensor, Weights]:
    """The transpose of ``step`` at ``state``; ``keep`` is what ``step`` said.

    From the loss's derivative by the next state to those by this one and by the weights. Hidden
    activations are computed again: keeping them would take eight times the memory of the state.
    """
    seen = perceive(state)
    hidden = _hidden(weights, seen)
    d_grown = d_next * keep[..., None]
    d_update = (d_grown * fire[..., None]).flatten(1, 2)  # (N, H * W, 16)
    d_hidden = torch.ops.aten.threshold_backward(d_update @ weights.W2, hidden, 0)
    d_weights = Weights(
        d_hidden.mT @ seen, d_hidden.sum(dim=1), d_update.mT @ hidden, d_update.sum(dim=1)
    )
    d_seen = (d_hidden @ weights.W1).view(*state.shape[:3], rule.PERCEPTION)
    same, d_x, d_y = d_seen.split(rule.CHANNELS, dim=-1)
    # Turned by 180 degrees, a Sobel filter is its own negative: so its transpose is that, too.
    return d_grown + same - sobel_x(d_x) - sobel_y(d_y), d_weights


def perceive(state: Tensor) -> Tensor:
    """``rule.perceive`` as rows: ``(N, H, W, 16)`` to ``(N, H * W, 48)``."""
    return torch.cat([state, sobel_x(state), sobel_y(state)], dim=-1).flatten(1, 2)


def sobel_x(x: Tensor) -> Tensor:
    """Sobel x of every channel of ``(N, H, W, C)``, zero beyond the border."""
    x = functional.pad(x, (0, 0, 1, 1, 1, 1))
    across = (x[:, :, 2:] - x[:, :, :-2]) * 0.125  # (N, H + 2, W, C)
    return (across[:, :-2] + across[:, 2:]).add(across[:, 1:-1], alpha=2)


def sobel_y(x: Tensor) -> Tensor:
    """Sobel y of every channel of ``(N, H, W, C)``, zero beyond the border."""
    x = functional.pad(x, (0, 0, 1, 1, 1, 1))
    along = (x[:, 2:] - x[:, :-2]) * 0.125  # (N, H, W + 2, C)
    return (along[:, :, :-2] + along[:, :, 2:]).add(along[:, :, 1:-1], alpha=2)


def alive(state: Tensor) -> Tensor:
    """``rule.alive``: bool ``(N, H, W)``."""
    mature = functional.pad(state[..., rule.ALPHA] > rule.ALIVE_THRESHOLD, (1, 1, 1, 1))
    rows = mature[:, :-2] | mature[:, 1:-1] | mature[:, 2:]
    return rows[..., :-2] | rows[..., 1:-1] | rows[..., 2:]


def fire_masks(
    keys: tuple[Tensor, Tensor], steps: Tensor, height: int, width: int, level: int
) -> Tensor:
    """``noise.fire_mask`` of several CA steps ``(S,)``: bool ``(S, N, H, W)``.

    keys: their upper and lower halves, int64 ``(N,)``; steps: int64; level: the rate in 256ths.
    """
    cells, device = height * width, steps.device
    upper, lower = (half[:, None] for half in keys)
    size = len(steps), len(upper), height, width
    if level == RATES:
        return torch.ones(size, dtype=torch.bool, device=device)
    blocks = torch.arange(-(-cells // BLOCK_CELLS), device=device)
    words: Tensor | None = None
    for plane in range(PLANES - 1, -1, -1):
        bit = RATES >> (plane + 1)
        if not level & (2 * bit - 1):
            continue  # nobody fires yet, whatever is drawn
        counters = blocks + (plane << PLANE_SHIFT)
        draw = torch.stack(threefry2x32(upper, lower, steps[:, None, None], counters), dim=-1)
        words = draw if words is None else draw | words if level & bit else draw & words
    assert words is not None  # a level has a bit
    # By way of bytes: as 64-bit integers, bits would take eight times the memory of the mask.
    shifts = torch.arange(0, 32, 8, device=device)
    octets = ((words[..., None] >> shifts) & 255).to(torch.uint8)
    bits = (octets[..., None] >> torch.arange(8, dtype=torch.uint8, device=device)) & 1
    return bits.flatten(2)[..., :cells].bool().unflatten(2, (height, width))


def _hidden(weights: Weights, seen: Tensor) -> Tensor:
    return torch.baddbmm(weights.b1[:, None], seen, weights.W1.mT).relu_()
