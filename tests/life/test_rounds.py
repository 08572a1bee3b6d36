"""Looks at what moves: over a whole round, each state with the frame that is due, by hand."""

from functools import partial

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.signals import Signal, clock, heard
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import TRIALS, measure, worst_window
from nca_zoo.life.rollout import Life, rollout, rollout_all

GRID, PERIOD = (7, 6), 12
FRAMES = uniform(8, PERIOD * 7 * 6 * 4).reshape(PERIOD, 1, 7, 6, 4).astype(np.float32)


@pytest.fixture
def nca(lively_weights):
    seed = rule.seed_state(*GRID, 3, 3)
    S = (uniform(2, 512).reshape(1, 128, 4) - 0.5).astype(np.float32)
    when = np.arange(PERIOD, dtype=np.int32)[None, None]
    signal = Signal(S, clock(PERIOD)[None], when)
    return Automata.grown(lively_weights(1)[None], seed, 3, fire_rate=1.0, signal=signal)


def by_hand(nca, steps):
    """States after each CA step, by the rule itself and another bias in every step."""
    state, states = nca.seeds[0].astype(float), []
    S, hands = nca.signal.S[0].astype(float), nca.signal.s[0].astype(float)
    for t in range(steps):
        weights = nca.weights[0].astype(float)
        weights[6144:6272] += S @ hands[t % PERIOD]
        state = rule.step(weights, state, np.ones(GRID, bool))
        states.append(state)
    return states


def test_a_look_at_what_moves_takes_a_whole_round(nca):
    looks = measure(SparseEngine(), nca, lambda step: FRAMES[step % PERIOD], TRIALS, period=PERIOD)
    states = by_hand(nca, 112)
    seen = {step: np.clip(states[step - 1][..., :4], 0, 1) for step in range(96, 112)}
    steps = [96 + on for on in (0, 1, 3, 4, 6, 7, 9, 10)]
    errors = [np.square(seen[step] - FRAMES[step % PERIOD, 0]) for step in steps]
    look = looks["96"]
    assert look.psnr[0] == pytest.approx(-10 * np.log10(np.mean(errors)), abs=1e-3)
    energy = [np.square(FRAMES[step % PERIOD, 0]) for step in steps]
    assert look.error[0] == pytest.approx(np.sum(errors) / np.sum(energy), rel=1e-3)
    windows = [worst_window(seen[step], FRAMES[step % PERIOD, 0]) for step in steps]
    assert look.window[0] == pytest.approx(max(windows), rel=1e-3)
    np.testing.assert_allclose(look.pictures[0], states[95][..., :4], rtol=0, atol=1e-4)


def test_the_whole_round_and_nothing_of_it_alone_decides(nca):
    """An NCA that is right when it is first looked at, and wrong afterwards, is wrong."""
    states = by_hand(nca, 96)
    first = np.clip(states[-1][..., :4], 0, 1).astype(np.float32)[None]
    moving = lambda step: first if step % PERIOD == 0 else 1 - first  # noqa: E731
    assert measure(SparseEngine(), nca, moving, TRIALS)["96"].psnr[0] > 60
    assert measure(SparseEngine(), nca, moving, TRIALS, period=PERIOD)["96"].psnr[0] < 20


def test_everybody_who_lets_them_live_hears_the_clock(nca):
    states = by_hand(nca, 40)
    life = Life(nca.weights[0], nca.seeds[0], 3, fire_rate=1.0, signal=nca.signal)
    life.grow(17)
    life.grow(23)
    alone = dict(rollout(nca.weights[0], nca.seeds[0], 40, 3, 40, (), 1.0, nca.signal))
    many = dict(rollout_all(nca.weights, nca.seeds, 40, 3, 7, fire_rate=1.0, signal=nca.signal))
    assert np.array_equal(life.state, alone[40])
    assert np.array_equal(many[40][0], alone[40])
    np.testing.assert_allclose(alone[40], states[-1], rtol=0, atol=1e-4)
    deaf = dict(rollout(nca.weights[0], nca.seeds[0], 40, 3, 40, (), 1.0))
    assert np.abs(deaf[40] - alone[40]).max() > 0.01


def test_a_clock_at_one_phase_is_the_plain_nca_that_always_hears_it(nca):
    weights = heard(nca.weights[0], nca.signal.S[0], nca.signal.s[0, 5])
    stopped = Signal(nca.signal.S, nca.signal.s, np.full((1, 1, 1), 5, np.int32))
    grow = partial(rollout, steps=30, every=30, fire_rate=1.0)
    one = dict(grow(weights, nca.seeds[0]))
    other = dict(grow(nca.weights[0], nca.seeds[0], signal=stopped))
    assert np.array_equal(one[30], other[30])
