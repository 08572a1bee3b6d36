"""NCAs that hear, and fire at other rates: both engines against the plain NCA and each other."""

from dataclasses import replace

import numpy as np
import plain
import pytest
import torch
from calls import record
from test_dense import Replay, assert_close

from nca_zoo.automaton import noise, rule
from nca_zoo.automaton.signals import Signal, heard
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.goals import Goals
from nca_zoo.life.engines.sparse import SparseEngine

K, B, D, GRID = 2, 3, 2, (9, 7)
STEPS = np.array([17, 40])  # more than the signal's six, so that it comes round


@pytest.fixture(params=["sparse", "dense"])
def engine(request):
    return SparseEngine() if request.param == "sparse" else DenseEngine()


@pytest.fixture(scope="module")
def call(lively_weights):
    """NCAs that hear one of four vectors in turn, each rollout its own; states, goals, steps."""
    weights = np.stack([lively_weights(seed) for seed in range(1, K + 1)])
    states = np.repeat(rule.seed_state(*GRID, 4, 3)[None, None], K * B, axis=1)
    states = states.reshape(K, B, *GRID, rule.CHANNELS)
    keys = noise.fold(np.arange(K * B, dtype=np.uint64).reshape(K, B), 5)
    rng = np.random.default_rng(3)
    S, s = rng.normal(size=(K, 128, D)) / 5, rng.normal(size=(K, 4, D))
    hears = rng.integers(0, 4, (K, B, 6))
    signal = Signal(S.astype("f4"), s.astype("f4"), hears.astype("i4"))
    when = np.where(rng.random((K, B, 40)) < 0.3, rng.integers(0, 3, (K, B, 40)), -1)
    when[:, :, 5] = 2  # no rollout without a look
    goals = Goals(rng.random((K, 3, *GRID, 4)).astype("f4"), when.astype("i4"))
    return replace(record(weights, states, keys), signal=signal), states, goals, STEPS


def fires(ncas, k, b, steps):
    return [noise.fire_mask(ncas.keys[k, b], t, *GRID, ncas.fire_rate) for t in range(steps)]


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("rate", [0.5, 0.75, 0.9, 1.0])
def test_a_signal_that_changes_at_any_fire_rate(engine, call, rate):
    ncas, states, goals, steps = call
    ncas = replace(ncas, fire_rate=rate)
    found = engine.gradients(ncas, states, goals, steps)
    d_S, d_s = ncas.signal.gradients(found.biases)
    for k in range(K):
        total = [0.0] * 6
        for b in range(B):
            said = ncas.signal.S[k], ncas.signal.s[k], np.resize(ncas.signal.when[k, b], steps[k])
            loss, gradients, final = plain.rollout(
                ncas.weights[k], states[k, b], fires(ncas, k, b, steps[k]), goals.frames[k],
                when=goals.when[k, b], hears=said,
            )  # fmt: skip
            assert found.losses[k, b] == pytest.approx(loss, rel=1e-5)
            np.testing.assert_allclose(found.states[k, b], final, rtol=0, atol=1e-4)
            total = [so_far + g / B for so_far, g in zip(total, gradients, strict=True)]
        for name, expected in zip(rule.unflatten(found.gradients), total[:4], strict=True):
            assert relative(rule.unflatten(found.gradients)[name][k], expected) < 1e-5, name
        assert relative(d_S[k], total[4]) < 1e-5
        assert relative(d_s[k], total[5]) < 1e-5


def test_a_rollout_hears_the_step_that_it_has_come_to(engine, call):
    ncas, states, *_ = call
    ncas = replace(ncas, fire_rate=0.75)
    half = engine.rollout(ncas, states, 0, 101)
    found = engine.rollout(ncas, half, 101, 30)
    np.testing.assert_allclose(found, engine.rollout(ncas, states, 0, 131), rtol=0, atol=1e-4)
    for k, b in np.ndindex(K, B):
        state = half[k, b].astype(float)
        for t in range(101, 131):
            said = ncas.signal.s[k, ncas.signal.when[k, b, t % 6]]
            weights = heard(ncas.weights[k], ncas.signal.S[k], said)
            state = rule.step(weights, state, noise.fire_mask(ncas.keys[k, b], t, *GRID, 0.75))
        np.testing.assert_allclose(found[k, b], state, rtol=0, atol=1e-4)


def test_a_signal_that_stays_is_another_bias_to_the_bit(engine, call):
    ncas, states, goals, steps = call
    signal = replace(ncas.signal, when=np.full((K, 1, 3), 2, np.int32))
    changed = heard(ncas.weights, signal.S, signal.s[:, 2])
    found = engine.gradients(replace(ncas, signal=signal), states, goals, steps)
    quiet = engine.gradients(replace(ncas, weights=changed, signal=None), states, goals, steps)
    for name in ("losses", "states"):
        assert np.array_equal(getattr(found, name), getattr(quiet, name))
    assert np.array_equal(found.gradients, quiet.gradients)
    assert np.array_equal(found.biases[:, 2], quiet.biases[:, 0])
    assert not found.biases[:, [0, 1, 3]].any()


@pytest.mark.wide
def test_an_engine_that_hears_does_not_depend_on_threads_chunks_or_capture(call):
    one, two = SparseEngine(), SparseEngine(threads=2)
    found, again = one.gradients(*call), two.gradients(*call)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    exact = torch.float64
    ways = ({"chunk_cells": 4 * 63}, {"capture": Replay()}, {"compiler": "aot_eager"})
    expected = DenseEngine(dtype=exact, chunk_cells=10**9).gradients(*call)
    ncas, states, *_ = call
    walked = DenseEngine(dtype=exact).rollout(ncas, states, 5, 130)
    for way in ways:
        engine = DenseEngine(dtype=exact, **way)
        for _ in range(2):  # the second time, on memory that has been used
            assert_close(engine.gradients(*call), expected)
            np.testing.assert_allclose(engine.rollout(ncas, states, 5, 130), walked, atol=1e-12)


def test_an_engine_serves_hearing_and_silent_ncas_in_turn(engine, call):
    ncas, states, goals, steps = call
    silent = replace(ncas, signal=None)
    before = engine.gradients(silent, states, goals, steps)
    engine.gradients(*call)
    after = engine.gradients(silent, states, goals, steps)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
