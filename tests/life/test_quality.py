"""PSNR by hand, and trials against the plain rollout."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import fire_mask
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.wounds import Wound
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import (
    GROWN,
    Trial,
    measure,
    psnr,
    relative_error,
    stored_measures,
    whole,
    worst_window,
)
from nca_zoo.life.rollout import rollout


def test_psnr_by_hand():
    target = np.zeros((5, 4, 4), np.float32)
    off = target.copy()
    off[0, 0, 0] = 0.5  # one of 80 numbers, squared error 0.25
    assert psnr(off, target) == pytest.approx(10 * math.log10(80 / 0.25))
    assert psnr(target, target) == 100
    assert psnr(np.stack([off, target]), target).shape == (2,)


def test_psnr_clips_both_pictures():
    target = np.ones((3, 3, 4), np.float32)
    assert psnr(target * 7, target) == 100
    assert psnr(target * -7, target) == 0


@given(st.sampled_from([np.nan, np.inf, -np.inf]))
def test_psnr_of_what_is_not_finite(value):
    target = np.full((3, 3, 4), 0.25, np.float32)
    broken = target.copy()
    broken[1, 1, 1] = value
    assert 0 <= psnr(broken, target) < 100
    broken[:] = np.nan
    assert psnr(broken, target) == 0


def test_relative_error_by_hand():
    """What is missing of a picture weighs the same however large the empty grid is."""
    for side in (4, 40):
        target = np.zeros((side, side, 4), np.float32)
        target[1, :4] = 0.5  # energy 4
        off = target.copy()
        off[1, 0] = 0  # a quarter of it is missing
        assert relative_error(off, target) == pytest.approx(0.25)
        assert relative_error(np.zeros_like(target), target) == pytest.approx(1)
        assert relative_error(target, target) == 0
        assert not whole(off, target)
        off[1, 0] = 0.3  # 0.16 / 4
        assert relative_error(off, target) == pytest.approx(0.04)
        assert whole(off, target) == (psnr(off, target) >= 20)
        broken = np.where(target, np.nan, target)
        assert relative_error(broken, target) == 100
        grey = relative_error(off[None], target[None, ..., :1])
        assert grey == pytest.approx(0.04)
    thin = np.zeros((28, 28, 4), np.float32)
    thin[5:23, 14] = 1  # a one of 18 cells: nothing at all scores 16 dB
    assert psnr(np.zeros_like(thin), thin) > 16
    hole = thin.copy()
    hole[10:14, 14] = 0
    assert psnr(hole, thin) > 22
    assert not whole(hole, thin)
    assert relative_error(thin, np.zeros_like(thin)) == 100


def test_the_worst_window_by_hand():
    target = np.zeros((5, 6, 4), np.float32)
    target[1:4, 1:5] = 0.5
    hole = target.copy()
    hole[1:4, 2:5] = 0  # 9 cells of one window
    assert worst_window(target, target) == 0
    assert worst_window(hole, target) == pytest.approx(0.25)
    blot = target.copy()
    blot[0, 0] = 1  # in a corner one cell is a ninth of any window
    assert worst_window(blot, target) == pytest.approx(1 / 9)
    both = worst_window(np.stack([hole, blot]), target)
    np.testing.assert_allclose(both, [0.25, 1 / 9], rtol=1e-6)
    assert worst_window(np.full_like(target, np.nan), target) == 1
    assert worst_window(hole[:1, :1], target[:1, :1]) == 0  # a grid of one cell


def test_measure_is_the_plain_rollout(lively_weights):
    weights = np.stack([lively_weights(1), lively_weights(2)])
    seeds = np.stack([rule.seed_state(9, 9, 4, 4), rule.seed_state(9, 9, 3, 5)])
    targets = np.full((2, 9, 9, 4), 0.5, np.float32)
    ncas = Automata.grown(weights, seeds)
    found = measure(SparseEngine(), ncas, targets)[GROWN.name]
    for k in range(2):
        state = seeds[k].astype(np.float64)
        for t in range(GROWN.steps):
            fire = fire_mask(ncas.keys[k, 0], t, 9, 9)
            state = rule.step(weights[k].astype(np.float64), state, fire)
        np.testing.assert_allclose(found.pictures[k], state[..., :4], atol=1e-3)
        assert found.psnr[k] == pytest.approx(psnr(state[..., :4], targets[k]), abs=0.01)
        assert found.alive[k] == pytest.approx(rule.alive(state).mean())


def test_measure_stops_early_where_it_is_told_to(lively_weights):
    weights = np.stack([lively_weights(1), lively_weights(2)])
    ncas = Automata.grown(weights, rule.seed_state(9, 9, 4, 4))
    targets = np.full((2, 9, 9, 4), 0.5, np.float32)
    uncut = measure(SparseEngine(), ncas, targets)
    assert uncut["400"].psnr.all()
    least = uncut["96"].psnr.max()  # one of them reaches it
    cut = measure(SparseEngine(), ncas, targets, enough={"96": least})
    stays = uncut["96"].psnr >= least
    assert stays.sum() == 1
    assert cut["400"].psnr[~stays] == cut["400"].alive[~stays] == 0
    assert cut["400"].error[~stays] == 1
    assert cut["400"].psnr[stays] == uncut["400"].psnr[stays]
    np.testing.assert_array_equal(cut["96"].psnr, uncut["96"].psnr)
    nothing = measure(SparseEngine(), ncas, targets, enough={"96": 99})
    assert not nothing["400"].psnr.any()


def test_a_trial_with_wounds_is_the_rollout_with_them(lively_weights):
    weights = np.stack([lively_weights(1), lively_weights(2)])
    seed = rule.seed_state(9, 9, 4, 4)
    targets = np.full((2, 9, 9, 4), 0.5, np.float32)
    wounds = Wound(20, 4, 4, 2), Wound(30)
    trials = Trial("hurt", 50, wounds=wounds), Trial("late", 60), GROWN
    looks = measure(SparseEngine(), Automata.grown(weights, seed), targets, trials)
    for k in range(2):
        hurt = dict(rollout(weights[k], seed, 50, every=50, damage=wounds))[50]
        np.testing.assert_array_equal(looks["hurt"].pictures[k], hurt[..., :4])
        unhurt = dict(rollout(weights[k], seed, 60, every=60))[60]
        np.testing.assert_array_equal(looks["late"].pictures[k], unhurt[..., :4])
    assert (looks["hurt"].pictures != looks["late"].pictures).any()


def test_what_a_zoo_keeps_of_trials(lively_weights):
    ncas = Automata.grown(lively_weights(1)[None], rule.seed_state(9, 9, 4, 4))
    looks = measure(SparseEngine(), ncas, np.full((1, 9, 9, 4), 0.5, np.float32))
    kept = stored_measures(looks)
    assert list(kept) == ["psnr_96", "psnr_400", "alive_400"]
    assert kept["alive_400"] is looks["400"].alive
