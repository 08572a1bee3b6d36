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
    other = hidden_bias(weights, MORE)
    path = dict(rollout(weights, start, 12, seed=7, told=[Told(5, other)]))
    for changed, first, last in ((weights, 0, 5), (other, 5, 12)):
        nca = Automata.grown(changed[None], path[first], 7)
        found = make_engine(engine).rollout(nca, nca.starts(), first, last - first)[0, 0]
        np.testing.assert_allclose(path[last], found, atol=1e-4)
    unheard = dict(rollout(weights, start, 12, seed=7))
    assert np.array_equal(path[5], unheard[5])
    assert np.abs(path[12] - unheard[12]).max() > 0.01


def update(weights, state):
    """What cells add to themselves, in double precision."""
    w = rule.unflatten(weights.astype(np.float64))
    hidden = np.maximum(rule.perceive(state) @ w["W1"].T + w["b1"], 0)
    return hidden @ w["W2"].T + w["b2"]


def masked(state, update, step):
    """The next state, both alive masks of all cells together."""
    fires = fire_mask(rollout_keys(7, 1)[0, 0], step, *GRID)[..., None]
    grown = state + update * fires
    return grown * (rule.alive(state) & rule.alive(grown))[..., None]


def test_some_cells_live_by_other_weights_and_the_others_do_not(lively_weights, start):
    """Updates of two NCAs, each cell's by what it is, then masked together."""
    weights, other = hidden_bias(lively_weights(3), -MORE), lively_weights(4)
    told = [Told(0, weights), Told(4, other, CIRCLE)]
    path = dict(rollout(lively_weights(3), start, 10, seed=7, told=told))
    inside, state = circle(*GRID, *CIRCLE)[..., None], path[4].astype(np.float64)
    for step in range(4, 10):
        np.testing.assert_allclose(path[step], state, atol=1e-4)
        state = masked(state, np.where(inside, update(other, state), update(weights, state)), step)
    np.testing.assert_allclose(path[10], state, atol=1e-4)
    back = dict(rollout(lively_weights(3), start, 10, seed=7, told=[*told, Told(6, weights)]))
    nca = Automata.grown(weights[None], path[6], 7)  # one again: what follows is the engine's
    np.testing.assert_array_equal(
        back[10], make_engine().rollout(nca, path[6][None, None], 6, 4)[0, 0]
    )


def test_a_circle_around_all_cells_is_all_cells(lively_weights, start):
    weights, other = lively_weights(3), lively_weights(4)
    wide = Told(3, other, (4.0, 5.0, 99.0))
    found = dict(rollout(weights, start, 12, seed=7, fire_rate=0.75, told=[wide]))
    expected = dict(rollout(weights, start, 12, seed=7, fire_rate=0.75, told=[Told(3, other)]))
    assert np.array_equal(found[12], expected[12])


def clocked(numbers, period):
    """A signal of one number in ``period`` steps, and what it adds to b1 in each."""
    S, s = MORE[None, :, None], np.array(numbers, np.float32)[None, :, None]
    when = np.arange(period, dtype=np.int32)[None, None]
    return Signal(S, s, when), [MORE * number for number in numbers]


@pytest.mark.parametrize("where", [None, CIRCLE])
def test_who_becomes_another_hears_the_clock_of_that(lively_weights, start, where):
    weights, other = lively_weights(3), lively_weights(4)
    (own, mine), (theirs, its) = clocked([1, -1], 2), clocked([0.5, 2, -0.5], 3)
    told = [Told(4, other, where, theirs)]
    path = dict(rollout(weights, start, 11, seed=7, signal=own, told=told))
    inside = np.ones((*GRID, 1), bool) if where is None else circle(*GRID, *where)[..., None]
    state = start.astype(np.float64)
    for step in range(11):
        np.testing.assert_allclose(path[step], state, atol=1e-4)
        whole = update(hidden_bias(weights, mine[step % 2]), state)
        if step >= 4:
            whole = np.where(inside, update(hidden_bias(other, its[step % 3]), state), whole)
        state = masked(state, whole, step)


def test_a_life_begun_again_is_what_it_was_at_first(lively_weights, start):
    life = Life(lively_weights(3), start)
    life.grow(4)
    first = life.state
    life.become(lively_weights(4))
    life.grow(3)
    life.become(lively_weights(5), np.eye(*GRID, dtype=bool))
    life.restart()
    life.grow(4)
    assert np.array_equal(life.state, first)


def test_what_nobody_would_see_is_refused(lively_weights, start):
    with pytest.raises(ZooError, match="becoming another at step 9 would never be seen"):
        rollout(lively_weights(3), start, 9, told=[Told(9, lively_weights(4))])


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
    with pytest.raises(ZooError, match=r"write an id, perhaps .*200:8-003@14,9,5"):
        parse_told(text, numbers=False)
