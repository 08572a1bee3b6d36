"""PSNR by hand, and the gate's verdicts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import fire_mask
from nca_zoo.life import quality
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import Quality, measure, psnr, rollout_keys, verdict
from nca_zoo.training.regime import Gate


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


def test_measure_is_the_plain_rollout(lively_weights):
    weights = np.stack([lively_weights(1), lively_weights(2)])
    seeds = np.stack([rule.seed_state(9, 9, 4, 4), rule.seed_state(9, 9, 3, 5)])
    targets = np.full((2, 9, 9, 4), 0.5, np.float32)
    keys = rollout_keys(0, 2)
    found = measure(SparseEngine(), weights, seeds, targets, keys)
    for k in range(2):
        state = seeds[k].astype(np.float64)
        for t in range(quality.GROWN_STEP):
            fire = fire_mask(keys[k, 0], t, 9, 9)
            state = rule.step(weights[k].astype(np.float64), state, fire)
        np.testing.assert_allclose(found.grown[k], state[..., :4], atol=1e-3)
        assert found.psnr_96[k] == pytest.approx(psnr(state[..., :4], targets[k]), abs=0.01)
        assert found.alive_96[k] == pytest.approx(rule.alive(state).mean())


def test_measure_stops_early_where_it_is_told_to(lively_weights):
    weights, seeds = lively_weights(1)[None], rule.seed_state(9, 9, 4, 4)[None]
    targets = np.full((1, 9, 9, 4), 0.5, np.float32)
    cut = measure(SparseEngine(), weights, seeds, targets, rollout_keys(0, 1), enough_at_96=99)
    assert cut.psnr_400[0] == 0
    whole = measure(SparseEngine(), weights, seeds, targets, rollout_keys(0, 1))
    assert cut.psnr_96[0] == whole.psnr_96[0]


def quality_of(psnr_96, psnr_400, alive_96=0.5, alive_400=0.5):
    values = (np.array([v], np.float32) for v in (psnr_96, psnr_400, alive_96, alive_400))
    return Quality(*values, np.zeros((1, 3, 3, 4), np.float32))


@pytest.mark.parametrize(
    ("measured", "gate", "expected"),
    [
        (quality_of(25, 21), Gate(), "ok"),
        (quality_of(25, 19), Gate(), "below_gate"),
        (quality_of(19, 25), Gate(), "below_gate"),
        (quality_of(25, 5), Gate(pass_400=None), "ok"),
        (quality_of(30, 30, alive_400=0), Gate(), "dead"),
        (quality_of(30, 30, alive_400=0), Gate(pass_400=None), "ok"),
        (quality_of(30, 30, alive_96=0), Gate(pass_400=None), "dead"),
    ],
)
def test_verdict(measured, gate, expected):
    assert verdict(measured, np.zeros((1, 8336), np.float32), gate) == [expected]


def test_weights_that_are_not_finite_have_diverged():
    weights = np.zeros((1, 8336), np.float32)
    weights[0, 17] = np.nan
    assert verdict(quality_of(30, 30), weights, Gate()) == ["diverged"]
