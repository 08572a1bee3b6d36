"""The fused engine's kernels, on a GPU or in Triton's interpreter, against the other engines."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from calls import ask, record, walk

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.goals import Goals
from nca_zoo.life.engines.sparse import SparseEngine

pytest.importorskip("triton")
import interpreted

from nca_zoo.life.engines import fused

GRID = (9, 11)  # two chunks of cells, and more that fire than a program takes at once
CPU = interpreted.DEVICE == "cpu"


def engine(exact=False, **settings):
    dtype = torch.float64 if exact else torch.float32
    return fused.FusedEngine(interpreted.DEVICE, dtype, **settings)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(fused, "CHUNK", 64)


@pytest.fixture(scope="module")
def call(lively_weights):
    """NCAs, states and keys: one from its seed, one amid dead cells that hold something."""
    weights = np.stack([lively_weights(seed, 2.0) for seed in (1, 2)])
    seed = rule.seed_state(*GRID, 4, 3)
    noisy = 1.6 * noise.uniform(6, seed.size).reshape(seed.shape) - 1.0
    states = np.stack([[seed, noisy], [noisy, seed]]).astype(np.float32)
    return weights, states, noise.fold(np.arange(4, dtype=np.uint64).reshape(2, 2), 5)


def film(channels=4):
    """Goals of three frames, which each rollout meets at steps of its own."""
    frames = noise.uniform(8, 2 * 3 * 99 * channels).reshape(2, 3, *GRID, channels)
    when = (noise.uniform(3, 4 * 8) * 6).astype(np.int32).reshape(2, 2, 8) - 3
    when = np.maximum(when, -1)
    when[:, :, 1] = 2
    return Goals(frames.astype(np.float32), when)


def assert_close(found, expected, tolerance):
    for name in expected._fields:
        want = getattr(expected, name)
        off = np.abs(getattr(found, name) - want).max() / np.abs(want).max()
        assert off < tolerance, (name, off)


@pytest.mark.wide
@pytest.mark.skipif(not CPU, reason="in float64 the kernels are for the interpreter")
def test_in_float64_all_is_as_of_the_dense_engine(call):
    weights, states, keys = call
    arguments = record(weights, states, keys), states, film(), np.array([2, 4])
    expected = DenseEngine(dtype=torch.float64).gradients(*arguments)
    assert_close(engine(exact=True).gradients(*arguments), expected, 1e-13)


@pytest.mark.wide
def test_the_split_changes_no_bit_and_all_is_as_of_the_sparse_engine(call):
    weights, states, keys = call
    arguments = record(weights, states, keys), states, film(channels=1), np.array([2, 3])
    whole = engine().gradients(*arguments)
    assert_close(whole, SparseEngine().gradients(*arguments), 1e-5)
    parts = engine(chunk_cells=1).gradients(*arguments)  # one rollout at a time
    for name in whole._fields:
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


@pytest.mark.wide
def test_a_rollout_goes_on_where_memory_ends(call, monkeypatch):
    monkeypatch.setattr("nca_zoo.life.engines.dense.MASKS_AHEAD", 4)
    monkeypatch.setattr("nca_zoo.life.engines.dense.STEPS", 4)
    weights, states, keys = call
    arguments = weights[:1], states[:1, :1], keys[:1, :1]
    expected = walk(SparseEngine(), *arguments, 2, 9)
    np.testing.assert_allclose(walk(engine(), *arguments, 2, 9), expected, rtol=0, atol=1e-5)
    assert not np.array_equal(expected, states[:1, :1])


@pytest.mark.wide
def test_a_dead_cell_that_wakes_for_a_moment_saves_its_neighbours():
    """The second alive mask sees the updates of dead cells, up to two from a mature one."""
    w = rule.unflatten(np.zeros((1, rule.N_PARAMS), np.float32))
    for unit, (filter_, sign) in enumerate([(0, 1), (1, 1), (1, -1), (2, 1), (2, -1)]):
        w["W1"][0, unit, filter_ * 16 + rule.ALPHA] = sign
        w["W2"][0, rule.ALPHA, unit] = -10
    w["b2"][0, rule.ALPHA] = 0.5
    weights = rule.flatten(w)  # alpha falls in and beside living cells, and rises elsewhere
    states = np.repeat(rule.seed_state(9, 9, 4, 4)[None], 6, axis=0)[None]
    states[..., 4:] += 0.5  # something to lose
    keys = noise.fold(np.arange(1, 7, dtype=np.uint64)[None], 5)
    found, saved = walk(engine(), weights, states, keys, 0, 2), 0
    for example in range(6):
        state = states[0, example].astype(np.float64)
        for t in range(2):
            fire = noise.fire_mask(keys[0, example], t, 9, 9)
            living_only = rule.step(weights[0], state, fire & rule.alive(state))
            state = rule.step(weights[0], state, fire)
            saved += np.count_nonzero((state != living_only).any(axis=-1))
        np.testing.assert_allclose(found[0, example], state, rtol=0, atol=1e-5)
    assert saved > 5  # otherwise this test shows nothing


def test_nothing_that_lives_is_nothing_to_learn_from(lively_weights):
    states = np.zeros((1, 1, 8, 8, 16), np.float32)
    keys, targets = np.array([[3]], np.uint64), np.ones((1, 8, 8, 4), np.float32)
    found = ask(engine(), lively_weights(9)[None], states, targets, keys, np.array([3]))
    assert found.losses[0, 0] == 1
    assert not found.states.any()
    assert not found.gradients.any()


def test_what_it_does_not_know_it_says(call):
    weights, states, keys = call
    ncas = record(weights, states, keys)
    for other, words in (
        (replace(ncas, room=np.ones((2, *GRID), bool)), "knows no rooms; use --engine dense"),
        (replace(ncas, fire_rate=1.0), r"knows no fire rate but 0\.5; use --engine dense"),
    ):
        with pytest.raises(ZooError, match=words):
            engine().rollout(other, states, 0, 1)


def test_it_says_where_it_runs(monkeypatch):
    with pytest.raises(ZooError, match="runs on a CUDA device only, not on 'cpu'; use dense"):
        make_engine("fused")
    with pytest.raises(ValueError, match="precision is 'half'"):
        engine(precision="half")
    monkeypatch.setattr(fused, "interpreted", lambda: False)
    with pytest.raises(ZooError, match="CUDA devices only, not on 'cpu'; use dense"):
        fused.FusedEngine("cpu")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ZooError, match="needs triton, which is not installed here; use dense"):
        make_engine("fused", "cuda")


def test_memory_keeps_states_alone():
    """A CA step of a rollout costs its state, and two bytes a cell."""
    one, more = (
        fused.FusedLockstep.peak_bytes(fused.Shape(1, 28, 28, steps, 1, 4), torch.float32)
        for steps in (64, 96)
    )
    a_step = 28 * 28 * (16 * 4 + 2) + 8
    assert more - one == pytest.approx(32 * a_step, rel=1e-2)
