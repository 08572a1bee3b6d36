"""The figures that explain the rule say what the rule does."""

import numpy as np

from nca_zoo.automaton import noise, rule
from nca_zoo.life.rollout import rollout
from nca_zoo.viewer import figures
from nca_zoo.viewer.channels import BELOW, HIDDEN, tint
from nca_zoo.viewer.frames import BACKGROUNDS, composite

DARK = BACKGROUNDS["dark"].cells[0]


def test_signs_have_colours_and_zero_is_dark():
    cells = tint(np.array([[-5.0, -1, -0.5], [0, np.nan, 1]]))
    assert tuple(cells[0, 0]) == tuple(cells[0, 1]) == BELOW
    assert tuple(cells[1, 0]) == tuple(cells[1, 1]) == DARK
    assert tuple(cells[1, 2]) == HIDDEN
    assert all(
        abs(2 * int(half) - dark - full) <= 1
        for half, dark, full in zip(cells[0, 2], DARK, BELOW, strict=True)
    )


def test_a_step_taken_apart_ends_where_the_rule_ends(lively_weights):
    weights = lively_weights(3)
    start = rule.seed_state(9, 11, 4, 5)
    states = dict(rollout(weights, start, 7))
    fire = noise.fire_mask(noise.fold(0, noise.Stream.ROLLOUT), 6, 9, 11)
    before, update, fires, lives, after = figures.one_step(weights, states[6], fire, 6)
    assert before[1:] == ("before", "step 6")
    assert after[1:] == ("after", "step 7")
    # The engine's own next state, to a level of rounding.
    wanted = composite(states[7], "dark").astype(int)
    assert np.abs(after[0].astype(int) - wanted).max() <= 1
    assert (fires[0] == figures.YES).all(-1).mean() == fire.mean()
    alive = (lives[0] == figures.YES).all(-1)
    assert states[7][~alive].max() == 0
    assert update[0].shape == (9, 11, 3)


def test_perception_shows_slopes():
    state = np.zeros((5, 5, 16), np.float32)
    state[:, 3:, rule.ALPHA] = 1  # an edge: alpha rises to the right, and is cut at the border
    itself, right, down = (cells for cells, *_ in figures.perception(state))
    assert tuple(itself[2, 3]) == HIDDEN
    assert right[2, 2][0] > DARK[0]  # orange: rising
    assert tuple(right[2, 1]) == DARK
    assert tuple(down[2, 3]) == DARK  # no slope downwards inside
    assert down[4, 4][2] > down[4, 4][0]  # blue: falls off at the lower border


def test_all_channels_are_drawn_in_one_picture():
    state = np.zeros((4, 4, 16), np.float32)
    panels = figures.channels(state)
    assert [name for _, name, _ in panels][:5] == ["red", "green", "blue", "alpha", "hidden 1"]
    assert len(panels) == 16
    picture = figures.draw(panels, 8, figures.SMALL)
    assert picture.dtype == np.uint8
    assert picture.shape[1] > picture.shape[0]
