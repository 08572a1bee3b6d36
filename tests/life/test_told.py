"""What cells are told to hear in mid-life, all or some, against the rule and the engines."""

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import fire_mask, uniform
from nca_zoo.automaton.record import Automata, rollout_keys
from nca_zoo.automaton.signals import Signal, Told, parse_told
from nca_zoo.automaton.wounds import circle
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.rollout import Life, rollout

GRID = (9, 10)
CIRCLE = (4.0, 6.0, 2.5)
MORE = (uniform(8, 128) - 0.5).astype(np.float32)


@pytest.fixture
def start():
    return rule.seed_state(*GRID, 4, 5)


def hidden_bias(weights, more):
    changed = weights.copy()
    changed[6144:6272] += more
    return changed


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_all_cells_hear_what_is_another_bias(lively_weights, start, engine):
    weights = lively_weights(3)
    path = dict(rollout(weights, start, 12, seed=7, told=[Told(5, MORE)]))
    for changed, first, last in ((weights, 0, 5), (hidden_bias(weights, MORE), 5, 12)):
        nca = Automata.grown(changed[None], path[first], 7)
        found = make_engine(engine).rollout(nca, nca.starts(), first, last - first)[0, 0]
        np.testing.assert_allclose(path[last], found, atol=1e-4)
    unheard = dict(rollout(weights, start, 12, seed=7))
    assert np.array_equal(path[5], unheard[5])
    assert np.abs(path[12] - unheard[12]).max() > 0.01


def test_some_cells_hear_it_and_the_others_do_not(lively_weights, start):
    """Updates of two NCAs, each cell's by what it hears, then masked together."""
    weights, told = lively_weights(3), [Told(0, -MORE), Told(4, MORE, CIRCLE)]
    path = dict(rollout(weights, start, 10, seed=7, told=told))
    inside = circle(*GRID, *CIRCLE)[..., None]
    key, state = rollout_keys(7, 1)[0, 0], path[4].astype(np.float64)
    for step in range(4, 10):
        np.testing.assert_allclose(path[step], state, atol=1e-4)
        changes = []
        for more in (-MORE, MORE):
            w = rule.unflatten(hidden_bias(weights, more).astype(np.float64))
            hidden = np.maximum(rule.perceive(state) @ w["W1"].T + w["b1"], 0)
            changes.append(hidden @ w["W2"].T + w["b2"])
        update = np.where(inside, changes[1], changes[0])
        grown = state + update * fire_mask(key, step, *GRID)[..., None]
        state = grown * (rule.alive(state) & rule.alive(grown))[..., None]
    np.testing.assert_allclose(path[10], state, atol=1e-4)


def test_a_circle_around_all_cells_is_all_cells(lively_weights, start):
    weights = lively_weights(3)
    wide = Told(3, MORE, (4.0, 5.0, 99.0))
    found = dict(rollout(weights, start, 12, seed=7, fire_rate=0.75, told=[wide]))
    expected = dict(rollout(weights, start, 12, seed=7, fire_rate=0.75, told=[Told(3, MORE)]))
    np.testing.assert_allclose(found[12], expected[12], atol=1e-4)


def test_a_life_begun_again_hears_what_it_did_at_first(lively_weights, start):
    life = Life(lively_weights(3), start)
    life.grow(4)
    first = life.state
    life.hear(MORE)
    life.grow(3)
    life.restart()
    life.grow(4)
    assert np.array_equal(life.state, first)


def test_what_cannot_be_heard_is_refused(lively_weights, start):
    with pytest.raises(ZooError, match="a signal at step 9 would never be heard"):
        rollout(lively_weights(3), start, 9, told=[Told(9, MORE)])
    S, when = np.zeros((1, 128, 1), np.float32), np.zeros((1, 1, 2), np.int32)
    life = Life(lively_weights(3), start, signal=Signal(S, np.zeros((1, 1, 1), np.float32), when))
    with pytest.raises(ValueError, match="all hear the same"):
        life.hear(MORE, np.ones(GRID, bool))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8-003", (0, "8-003", None)),
        ("200:0.5,-0.5", (200, "0.5,-0.5", None)),
        (" 20:eight@4,6.5,2 ", (20, "eight", (4.0, 6.5, 2.0))),
    ],
)
def test_parse_told(text, expected):
    assert parse_told(text) == expected


@pytest.mark.parametrize("text", ["", "soon:8", "8@1,2", "1:2:3", "8@a,b,c"])
def test_any_other_text_is_one_line_of_error(text):
    with pytest.raises(ZooError, match=r"write an id or numbers.*200:0.5,0.5@14,9,5") as raised:
        parse_told(text)
    assert "\n" not in str(raised.value)
