"""Channels as colours, against a plain loop over the cells."""

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.viewer.channels import look, named_channels, shade, views


@pytest.fixture
def state():
    return np.random.default_rng(0).normal(size=(5, 7, 16)).astype(np.float32)


def test_a_channel_goes_from_blue_over_dark_to_its_own_colour(state):
    inks = {0: (255, 96, 96), 1: (96, 224, 128), 2: (104, 152, 255), 3: (255, 255, 255)}
    for channel in range(16):
        found = shade(state[..., channel], channel)
        assert found.dtype == np.uint8
        for row, col in np.ndindex(5, 7):
            value = state[row, col, channel]
            goal = (74, 163, 255) if value < 0 else inks.get(channel, (255, 176, 66))
            for dark, full, shown in zip((24, 28, 36), goal, found[row, col], strict=True):
                assert abs(dark + min(1, abs(value)) * (full - dark) - shown) <= 0.51


def test_what_is_not_finite_is_dark_or_full():
    found = shade(np.array([np.nan, np.inf, -np.inf, 0]), 7)
    assert found.tolist() == [[24, 28, 36], [255, 176, 66], [74, 163, 255], [24, 28, 36]]


def test_every_view_has_a_name_and_shows_its_own(state):
    names = ("red", "green", "blue", "alpha", *(f"hidden {n}" for n in range(1, 13)))
    assert views() == ("picture", "alive mask", *names)
    assert named_channels() == {name: channel for channel, name in enumerate(names)}
    assert len({look(state, view).tobytes() for view in views()}) == len(views())
    lit = (look(state, "alive mask") != (24, 28, 36)).any(axis=-1)
    np.testing.assert_array_equal(lit, rule.alive(state))


def test_the_colours_are_those_of_the_page():
    from importlib import resources

    script = (resources.files("nca_zoo.explorer") / "web" / "views.js").read_text()
    for colour in ("[74, 163, 255]", "[255, 176, 66]", "[24, 28, 36]", "[[255, 96, 96], [96, 224"):
        assert colour in script
