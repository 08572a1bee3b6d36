"""Rollouts against a plain loop over the rule; damage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton import noise, rule
from nca_zoo.automaton.seeds import SeedKind
from nca_zoo.automaton.wounds import Wound, parse_wound
from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import Life, rollout

HEIGHT, WIDTH = 11, 17


@pytest.fixture
def start():
    return rule.seed_state(HEIGHT, WIDTH, 5, 8)


def plain(weights, state, steps, seed=0, first=0):
    """States ``first`` to ``first + steps`` by the plain rule, in float64."""
    key = noise.fold(seed, noise.Stream.ROLLOUT)
    states = [np.asarray(state, np.float64)]
    for t in range(first, first + steps):
        states.append(rule.step(weights, states[-1], noise.fire_mask(key, t, HEIGHT, WIDTH)))
    return states


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_a_rollout_is_the_rule_step_by_step(lively_weights, start, seed):
    weights = lively_weights(3)
    found = list(rollout(weights, start, 20, seed))
    assert [step for step, _ in found] == list(range(21))
    for (_, state), expected in zip(found, plain(weights, start, 20, seed), strict=True):
        assert state.dtype == np.float32
        np.testing.assert_allclose(state, expected, atol=1e-4)
    assert np.abs(found[-1][1]).sum() > 10  # it did grow


def test_seeds_differ(lively_weights, start):
    last = [list(rollout(lively_weights(3), start, 10, seed))[-1][1] for seed in (0, 1, 0)]
    assert not np.array_equal(last[0], last[1])
    np.testing.assert_array_equal(last[0], last[2])


@pytest.mark.parametrize(("steps", "every", "shown"), [
    (12, 5, [0, 5, 10, 12]), (10, 5, [0, 5, 10]), (3, 9, [0, 3]), (0, 1, [0]),
])  # fmt: skip
def test_every_chooses_and_changes_nothing(lively_weights, start, steps, every, shown):
    all_states = dict(rollout(lively_weights(4), start, steps))
    found = list(rollout(lively_weights(4), start, steps, every=every))
    assert [step for step, _ in found] == shown
    for step, state in found:
        np.testing.assert_array_equal(state, all_states[step])


def test_the_start_is_left_alone(lively_weights, start):
    before = start.copy()
    list(rollout(lively_weights(3), start, 5, damage=[Wound(0), Wound(2)]))
    np.testing.assert_array_equal(start, before)


@pytest.mark.parametrize("every", [1, 4])
def test_damage_erases_a_circle_before_its_step_and_no_other(lively_weights, start, every):
    weights, wound = lively_weights(3), Wound(8, 5, 8, 2)
    whole = dict(rollout(weights, start, 16, every=every))
    hurt = dict(rollout(weights, start, 16, every=every, damage=[wound]))
    circle = np.array(
        [[(r - 5) ** 2 + (c - 8) ** 2 <= 4 for c in range(WIDTH)] for r in range(HEIGHT)]
    )
    assert circle.sum() == 13
    for step in range(0, 8, every):
        np.testing.assert_array_equal(hurt[step], whole[step])
    assert np.abs(whole[8][circle]).max() > 0.1
    assert (hurt[8][circle] == 0).all()
    np.testing.assert_array_equal(hurt[8][~circle], whole[8][~circle])
    expected = plain(weights, np.where(circle[..., None], 0, whole[8]), 8, first=8)
    np.testing.assert_allclose(hurt[16], expected[-1], atol=1e-4)


def test_damage_between_the_states_shown_still_happens(lively_weights, start):
    wounds = [Wound(7, 5, 8, 3), Wound(7, 0, 0, 2), Wound(3)]
    one_by_one = dict(rollout(lively_weights(3), start, 10, damage=wounds))
    found = dict(rollout(lively_weights(3), start, 10, every=5, damage=wounds))
    np.testing.assert_array_equal(found[10], one_by_one[10])
    assert not np.array_equal(found[10], dict(rollout(lively_weights(3), start, 10))[10])


def test_a_dead_nca_stays_dead(lively_weights, start):
    states = list(rollout(lively_weights(3), start, 4, damage=[Wound(0, 5, 8, 0)]))
    assert all((state == 0).all() for _, state in states)


def test_standard_damage_sits_on_the_lit_centre():
    state = np.zeros((20, 12, 16), np.float32)
    state[2:5, 6:11, rule.ALPHA] = 7  # counts as 1: rows 2 to 4, columns 6 to 10
    state[3, 8, rule.ALPHA] = np.nan
    rows, cols = np.nonzero(Wound(0).cells(state))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (0, 6, 5, 11)  # radius 12 / 4
    rows, cols = np.nonzero(Wound(0).cells(np.zeros_like(state)))
    assert (rows.mean(), cols.mean()) == (9.5, 5.5)


@pytest.mark.parametrize(("wound", "words"), [
    (Wound(16), "ends at step 16"),
    (Wound(3, 11, 0, 2), "row 11 lies outside the grid of 11 x 17"),
    (Wound(3, 0, 16.5, 2), "columns go from 0 to 16"),
])  # fmt: skip
def test_damage_that_makes_no_sense_is_refused_at_once(lively_weights, start, wound, words):
    with pytest.raises(ZooError, match=words):
        rollout(lively_weights(3), start, 16, damage=[wound])


def test_wrong_numbers_are_refused(lively_weights, start):
    for steps, every in ((-1, 1), (5, 0)):
        with pytest.raises(ValueError, match="expected steps >= 0 and every >= 1"):
            rollout(lively_weights(3), start, steps, every=every)


def test_parse_wound():
    assert parse_wound("200") == Wound(200)
    assert parse_wound(" 200:14,13.5,5 ") == Wound(200, 14, 13.5, 5)


@given(st.integers(0, 10**9 - 1), *[st.integers(0, 99_999)] * 3)
def test_parse_wound_reads_what_it_prints(step, row, col, radius):
    text = f"{step}:{row / 100:.2f},{col},{radius / 1000:.3f}"
    assert parse_wound(text) == Wound(step, row / 100, col, radius / 1000)


@given(st.text() | st.from_regex(r"-?\d+:?[\d.,+e-]*", fullmatch=True))
def test_any_other_text_is_one_line_of_error(text):
    message = "200:14,14,5"
    try:
        parse_wound(text)
    except ZooError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert "200:14,14,5" in message


def test_a_life_is_a_rollout_that_can_be_touched(lively_weights, start):
    life = Life(lively_weights(3), start, seed=5)
    path = dict(rollout(lively_weights(3), start, 12, seed=5, damage=[Wound(7, 5, 8, 2)]))
    life.grow(6)
    life.grow()
    life.hurt(Wound(0, 5, 8, 2))
    np.testing.assert_array_equal(life.state, path[7])
    life.grow(5)
    assert life.step == 12
    np.testing.assert_array_equal(life.state, path[12])
    life.restart()
    assert life.step == 0
    np.testing.assert_array_equal(life.state, start)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_planted_seed_is_a_seed_and_nothing_else_changes(lively_weights, start, hidden):
    life = Life(lively_weights(3), start, kind=SeedKind(hidden))
    life.grow(9)
    before = life.state.copy()
    life.plant(0, 16)
    np.testing.assert_array_equal(life.state[0, 16], [0, 0, 0, 1] + 12 * [float(hidden)])
    life.state[0, 16] = before[0, 16]
    np.testing.assert_array_equal(life.state, before)
    with pytest.raises(ValueError, match="outside a grid"):
        life.plant(11, 0)
