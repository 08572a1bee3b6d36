"""Signals against the plain rule, torch's own derivatives and the clock on the wall."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton import noise, rule
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.signals import Signal, clock, heard

RNG = np.random.default_rng(5)


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def signal(k=2, frames=3, d=4, when=((0, 1, 2, 1),)):
    return Signal(drawn(k, 128, d), drawn(k, frames, d), np.array([when] * k, np.int32))


def test_what_is_always_heard_is_another_bias(lively_weights):
    weights, S, s = lively_weights(1), drawn(128, 3), drawn(3)
    tensors = rule.unflatten(weights.astype(float))
    tensors["b1"] = tensors["b1"] + S.astype(float) @ s.astype(float)
    np.testing.assert_allclose(heard(weights, S, s), rule.flatten(tensors), atol=1e-6)
    many = heard(weights, S, np.stack([s, 2 * s]))  # one NCA, two signals
    assert many.shape == (2, rule.N_PARAMS)
    assert np.array_equal(many[0], heard(weights, S, s))


def test_silence_changes_no_bit(lively_weights):
    weights = lively_weights(1)
    assert np.array_equal(heard(weights, drawn(128, 0), drawn(0)), weights)
    assert np.array_equal(heard(weights, drawn(128, 5), np.zeros(5, np.float32)), weights)


def test_the_chain_rule_is_that_of_autograd(lively_weights):
    weights = np.stack([lively_weights(1), lively_weights(2)])
    said, d_biases = signal(), drawn(2, 3, 128)
    S, s = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (said.S, said.s))
    biases = torch.tensor(rule.unflatten(weights)["b1"])[:, None] + s @ S.mT
    np.testing.assert_allclose(said.biases(weights), biases.detach(), rtol=0, atol=1e-5)
    biases.backward(torch.tensor(d_biases))
    for found, leaf in zip(said.gradients(d_biases), (S, s), strict=True):
        np.testing.assert_allclose(found, leaf.grad, rtol=0, atol=1e-4)


@given(st.integers(1, 400))
def test_the_clock_goes_round(period):
    hands = clock(period)
    turn = 2 * np.pi * np.arange(period) / period
    expected = np.stack([np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn)], 1)
    assert hands.dtype == np.float32
    np.testing.assert_allclose(hands, expected, atol=1e-7)


def test_some_of_a_record_hear_what_they_heard(lively_weights):
    weights = np.stack([lively_weights(n) for n in range(3)])
    ncas = Automata.grown(weights, rule.seed_state(6, 5, 2, 2), signal=signal(k=3))
    few = ncas[np.array([2, 0])]
    assert np.array_equal(few.signal.S, ncas.signal.S[[2, 0]])
    biases, hears = ncas.under(noise.fold(ncas.keys, np.arange(4))).hearing()
    assert np.array_equal(few.hearing()[0], biases[[2, 0]])
    assert hears.shape == (3, 4, 4)
    biases, hears = Automata.grown(weights, rule.seed_state(6, 5, 2, 2)).hearing()
    assert np.array_equal(biases[:, 0], rule.unflatten(weights)["b1"])
    assert hears.shape == (3, 1, 1)


def test_what_does_not_fit_is_refused(lively_weights):
    with pytest.raises(ValueError, match="does not go with s"):
        Signal(drawn(2, 128, 3), drawn(2, 1, 4), np.zeros((2, 1, 1), np.int32))
    with pytest.raises(ValueError, match="none of 3"):
        signal(when=((0, 3),))
    with pytest.raises(ValueError, match="expected when"):
        Signal(drawn(2, 128, 3), drawn(2, 1, 3), np.zeros((2, 1, 0), np.int32))
    seed, weights = rule.seed_state(6, 5, 2, 2), lively_weights(1)[None]
    with pytest.raises(ValueError, match="signal: expected"):
        Automata.grown(weights, seed, signal=signal(k=2))
    with pytest.raises(ValueError, match="signal: expected"):
        Automata.grown(weights, seed, signal=signal(k=1, when=((0,), (1,))))
    with pytest.raises(ValueError, match="fire rate"):
        Automata.grown(weights, seed, fire_rate=1.5)
