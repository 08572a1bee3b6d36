"""Pictures that explain the rule: what a cell sees, one step taken apart, channels, lives.

Every figure is panels of cells with captions (nca_zoo/viewer/frames.py): uint8 RGB, drawn on the
dark page. Nothing here reads or writes a file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.viewer.channels import named_channels, tint
from nca_zoo.viewer.frames import Layout, Pixels, Sheet, composite

State = npt.NDArray[np.floating[Any]]
Panel = tuple[Pixels, str, str]  # cells (H, W, 3), and a caption's left and right

LAYOUT = Layout(panel=168, gap=20, caption=34, text=15)
SMALL = Layout(panel=84, gap=12, caption=24, text=11)
YES = (120, 230, 180)


def draw(panels: Sequence[Panel], columns: int, layout: Layout = LAYOUT) -> Pixels:
    """Panels in rows of ``columns`` as one picture."""
    height, width = panels[0][0].shape[:2]
    sheet = Sheet(len(panels), columns, height, width, "dark", layout)
    for number, (cells, left, right) in enumerate(panels):
        sheet.draw(number, cells)
        sheet.caption(number, left, right)
    return sheet.canvas


def perception(state: State) -> list[Panel]:
    """What the cells of a state ``(H, W, 16)`` see of its alpha: itself and its two slopes."""
    seen = rule.perceive(state)
    places = [rule.ALPHA + block * rule.CHANNELS for block in range(3)]
    names = ("itself", "Sobel x", "Sobel y")
    return [(tint(seen[..., at]), name, "alpha") for at, name in zip(places, names, strict=True)]


def one_step(
    weights: State,
    state: State,
    fire: npt.NDArray[np.bool_],
    number: int,
    trained: int = rule.VISIBLE,
) -> list[Panel]:
    """Step ``number`` of the rule from ``state`` ``(H, W, 16)`` with mask ``fire``, taken apart.

    trained: see ``rule.seen``.
    """
    wanted = _update(weights, state)
    grown = state + wanted * fire[..., None]
    lives = rule.alive(state) & rule.alive(grown)
    after = rule.step(weights, state, fire)
    return [
        (composite(state, "dark", trained), "before", f"step {number}"),
        (tint(10 * wanted[..., rule.ALPHA]), "update", "alpha x 10"),
        (tint(fire, YES), "who fires", ""),
        (tint(lives, YES), "who lives", ""),
        (composite(after, "dark", trained), "after", f"step {number + 1}"),
    ]


def _update(weights: State, state: State) -> State:
    """What every cell would add to itself, if all fired and lived: ``(H, W, 16)``."""
    w = rule.unflatten(weights)
    hidden = np.maximum(rule.perceive(state) @ w["W1"].T + w["b1"], 0)
    return hidden @ w["W2"].T + w["b2"]


def channels(state: State, trained: int = rule.VISIBLE) -> list[Panel]:
    """All 16 channels of a state ``(H, W, 16)``, the visible ones first; trained: ``rule.seen``."""
    return [(tint(state[..., i]), name, "") for name, i in named_channels(trained).items()]
