"""How the dense engine goes easy on a device: chunks, capture, compilation, bounded memory."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from calls import ask, walk
from torch.utils._python_dispatch import TorchDispatchMode
from wide import mostly_wide

from nca_zoo.automaton import noise, rule
from nca_zoo.life.engines.dense import GPU_SHARE, NO_GOAL, DenseEngine
from nca_zoo.life.engines.goals import LOSSES
from nca_zoo.life.engines.lockstep import Lockstep, Shape
from nca_zoo.life.engines.torch_step import fire_masks

EXACT = torch.float64
GRID = (9, 7)
CHUNK = GRID[0] * GRID[1]  # cells of one rollout


@pytest.fixture
def few_masks(monkeypatch):
    """Fire masks are drawn for 32 steps at a time, so that 40 steps show what 200 would."""
    monkeypatch.setattr("nca_zoo.life.engines.dense.MASKS_AHEAD", 32)


@pytest.fixture(scope="module")
def call(lively_weights):
    """Arguments of ``Engine.gradients``: five NCAs, two examples, CA steps of all lengths."""
    k, b = 5, 2
    weights = np.stack([lively_weights(seed, 2.0) for seed in range(1, k + 1)])
    states = np.repeat(rule.seed_state(*GRID, 4, 3)[None, None], k * b, axis=1)
    states = states.reshape(k, b, *GRID, rule.CHANNELS)
    targets = noise.uniform(8, k * CHUNK * 4).reshape(k, *GRID, 4).astype(np.float32)
    keys = noise.fold(np.arange(k * b, dtype=np.uint64).reshape(k, b), 5)
    return weights, states, targets, keys, np.array([7, 34, 1, 12, 33])


def b1_of(weights):
    """What is heard where there is no signal."""
    return rule.unflatten(weights)["b1"][:, None], np.zeros((len(weights), 1), np.int32)


@pytest.mark.parametrize(("granted", "taken"), [(2, 2), (64, 3)])
def test_torch_takes_the_cores_that_are_granted_and_no_more_than_it_had(
    monkeypatch: pytest.MonkeyPatch, granted: int, taken: int
) -> None:
    """A container or Slurm may grant fewer than the machine has, which torch does not see."""
    monkeypatch.setattr("nca_zoo.life.engines.dense.usable_cores", lambda: granted)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        DenseEngine("meta")
        assert torch.get_num_threads() == 3
        DenseEngine()
        assert torch.get_num_threads() == taken
    finally:
        torch.set_num_threads(before)


class Replay:
    """In place of a CUDA graph: the operations of one run, on the very memory that they used.

    Like a graph, it runs no Python of ours again, and what it reads must lie where it lay.
    """

    def __init__(self):
        self.captured = self.replayed = 0

    def __call__(self, run):
        for _ in range(3):  # to warm up, as CUDA needs it
            run()
        tape = Recording()
        with tape:
            run()
        self.captured += 1

        def replay():
            self.replayed += 1
            for function, args, kwargs, held in tape.calls:
                fresh = function(*args, **kwargs)
                if held is not None:
                    held.copy_(fresh)

        return replay


class Recording(TorchDispatchMode):
    """Every operation, and the tensor that it made unless that is a view of an older one."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        given = {id_of(value) for value in args if isinstance(value, torch.Tensor)}
        new = isinstance(made, torch.Tensor) and id_of(made) not in given
        self.calls.append((function, args, kwargs or {}, made if new else None))
        return made


def id_of(tensor):
    return tensor.untyped_storage().data_ptr()


def assert_close(found, expected):
    for name in expected._fields:
        want = getattr(expected, name)
        scale = np.abs(want).max()
        np.testing.assert_allclose(getattr(found, name), want, rtol=0, atol=1e-12 * scale)


WAYS = {
    "one by one": {"chunk_cells": 1},
    "three at a time": {"chunk_cells": 3 * CHUNK},
    "as memory allows": {"memory": 2_500_000},
    "compiled": {"compiler": "aot_eager"},
}


@pytest.mark.parametrize("every_step", mostly_wide([True, False]))
@pytest.mark.parametrize("way", mostly_wide(WAYS))
@pytest.mark.usefixtures("few_masks")
def test_all_ways_give_the_same(call, way, every_step):
    expected = ask(DenseEngine(dtype=EXACT, chunk_cells=10**9), *call, every_step)
    engine = DenseEngine(dtype=EXACT, **WAYS[way])
    for _ in range(2):  # the second time, on memory that has been used
        assert_close(ask(engine, *call, every_step), expected)
    weights, states, _, keys, _ = call
    np.testing.assert_allclose(
        walk(engine, weights, states, keys, 3, 40),
        walk(DenseEngine(dtype=EXACT, chunk_cells=10**9), weights, states, keys, 3, 40),
        rtol=1e-12,
        atol=1e-12,
    )


def test_a_chunk_takes_what_memory_allows():
    engine = DenseEngine(dtype=EXACT, memory=2_500_000)
    assert 1 < engine.chunk(*GRID, 34, (1, 4)) < 10  # or the test above shows nothing
    assert DenseEngine(memory=1).chunk(*GRID, 34, (1, 4)) == 1


@pytest.mark.wide
@pytest.mark.usefixtures("few_masks")
@pytest.mark.parametrize("every_step", [False, True])
def test_captured_steps_serve_again_as_ncas_finish(call, every_step):
    replay = Replay()
    engine = DenseEngine(dtype=EXACT, chunk_cells=10**9, capture=replay)
    plain = DenseEngine(dtype=EXACT)
    for k, captured in [(5, 3), (4, 6), (2, 9), (4, 9)]:
        part = [argument[:k] for argument in call]
        assert_close(ask(engine, *part, every_step), ask(plain, *part, every_step))
        assert replay.captured == captured
    before = replay.replayed
    three = [argument[:3] for argument in call]  # 6 rollouts: a size of its own
    assert_close(ask(engine, *three, every_step), ask(plain, *three, every_step))
    looks = 34 if every_step else 3  # of the last states, which end at three different steps
    assert replay.replayed == before + 2 * 34 + looks
    weights, states, _, keys, _ = call
    for first, steps in ((0, 32), (32, 40)):
        np.testing.assert_allclose(
            walk(engine, weights, states, keys, first, steps),
            walk(plain, weights, states, keys, first, steps),
            rtol=1e-12,
            atol=1e-12,
        )


def test_padding_changes_nothing_and_sizes_are_few(call):
    replay = Replay()
    engine = DenseEngine(dtype=EXACT, chunk_cells=8 * CHUNK, capture=replay)  # 8 and 2 of 10
    assert_close(ask(engine, *call), ask(DenseEngine(dtype=EXACT), *call))
    five = [argument[:, :1] if argument.ndim > 1 else argument for argument in call]
    five[0], five[2] = call[0], call[2]
    # 5 rollouts in a place for 6
    assert_close(ask(engine, *five), ask(DenseEngine(dtype=EXACT), *five))
    sizes = {engine._padded(n, 1000) for n in range(1, 1001)}
    assert len(sizes) == 20
    assert all(n <= engine._padded(n, 1000) <= max(n + 1, 1.5 * n) for n in range(1, 1001))


@pytest.mark.wide
@pytest.mark.parametrize("task", ["rollout", "final", "every_step"])
def test_the_step_loop_asks_the_device_for_nothing(call, task):
    """On torch's device without values, every question for one raises an error."""
    with pytest.raises(RuntimeError, match="meta"):
        torch.empty(1, device="meta").item()
    shape = Shape(5, *GRID, 64, *(NO_GOAL if task == "rollout" else (1, 4)))
    arena = torch.empty(Lockstep.buffer_bytes(shape, EXACT), dtype=torch.uint8, device="meta")
    lockstep = Lockstep(arena, shape, EXACT, lambda run: run)
    weights, states, targets, keys, steps = call
    with torch.no_grad():
        if task == "rollout":
            lockstep.load(weights, states[:, 0], keys[:, 0], b1_of(weights))
            assert lockstep.walk(0, 150).shape == (5, *GRID, 16)
        else:
            lockstep.load(weights, states[:, 0], keys[:, 0], b1_of(weights), steps)
            goals = LOSSES[task](targets, steps, 1)
            looks = lockstep.aim(goals.frames, goals.when[:, 0])
            assert len(looks) == 35
            shapes = [found.shape for found in lockstep.differentiate(looks)]
            assert shapes == [(5,), (5, rule.N_PARAMS), (5, *GRID, 16), (5, 1, 128)]


class Living(TorchDispatchMode):
    """Counts the bytes of all memory that operations made and that some tensor still holds."""

    def __init__(self):
        super().__init__()
        self.holders, self.now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.hold(tensor)
        self.peak = max(self.peak, self.now)
        return made

    def hold(self, tensor):
        place, size = id_of(tensor), tensor.untyped_storage().nbytes()
        if place not in self.holders:
            self.holders[place] = 0
            self.now += size
        self.holders[place] += 1

        def release():
            self.holders[place] -= 1
            if not self.holders[place]:
                del self.holders[place]
                self.now -= size

        weakref.finalize(tensor, release)


@pytest.mark.wide
@pytest.mark.parametrize("task", ["rollout", "final", "every_step"])
@pytest.mark.parametrize("grid", [(28, 28), (20, 33)])
def test_memory_is_what_the_formula_says(lively_weights, task, grid):
    n, steps = 3, 96 if task == "rollout" else 64
    shape = Shape(n, *grid, steps, *(NO_GOAL if task == "rollout" else (1, 4)))
    states = np.repeat(rule.seed_state(*grid, 9, 9)[None], n, axis=0)
    weights = np.repeat(lively_weights(1)[None], n, axis=0)
    keys, targets = np.arange(n, dtype=np.uint64), states[..., :4]
    with torch.no_grad(), Living() as living:
        arena = torch.empty(Lockstep.buffer_bytes(shape, torch.float32), dtype=torch.uint8)
        lockstep = Lockstep(arena, shape, torch.float32, lambda run: run)
        if task == "rollout":
            lockstep.load(weights, states, keys, b1_of(weights))
            lockstep.walk(0, steps)
        else:
            lengths = np.full(n, steps)
            goals = LOSSES[task](targets, lengths, 1)
            lockstep.load(weights, states, keys, b1_of(weights), lengths)
            lockstep.differentiate(lockstep.aim(goals.frames, goals.when[:, 0]))
    said = Lockstep.peak_bytes(shape, torch.float32)
    assert 0.8 * said < living.peak <= said


def test_the_table_of_the_docs_is_what_the_engine_would_do():
    docs = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
    for gigabytes in (8, 24, 80):
        memory = int(GPU_SHARE * gigabytes * 2**30)
        engine = DenseEngine(memory=memory, chunk_cells=10**12)
        training, gate = (engine.chunk(28, 28, 96, goal) for goal in ((1, 4), None))
        assert f"| {gigabytes} GiB | {training // 2:,} | {gate:,} |" in docs


def test_fire_masks_of_many_steps_are_those_of_the_generator():
    keys = noise.fold(np.arange(4, dtype=np.uint64), 3)
    halves = tuple(torch.as_tensor(half) for half in noise.halves(keys))
    for level in (128, 1, 77, 192, 256):
        found = fire_masks(halves, torch.arange(10, 15), 13, 11, level)
        for i, step in enumerate(range(10, 15)):
            expected = noise.fire_mask(keys, step, 13, 11, level / 256)
            assert np.array_equal(found[i].numpy(), expected)


def test_a_rollout_that_would_overflow_after_its_end_does_not(lively_weights):
    weights = np.stack([lively_weights(1, 1e4), lively_weights(2)])
    states = np.repeat(rule.seed_state(8, 8, 4, 4)[None, None], 2, axis=0)
    arguments = weights, states, np.zeros((2, 8, 8, 4), np.float32), np.array([[1], [2]], np.uint64)
    alone = ask(DenseEngine(), *(a[:1] for a in arguments), np.array([3]))
    together = ask(DenseEngine(), *arguments, np.array([3, 90]))
    assert np.isfinite(alone.states).all()
    np.testing.assert_allclose(together.states[0], alone.states[0], rtol=1e-5)
    np.testing.assert_allclose(together.losses[0], alone.losses[0], rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("compiler", ["", None])
def test_on_cuda_graphs_give_the_same_and_nothing_waits(call, compiler):
    expected = ask(DenseEngine(dtype=EXACT), *call)
    engine = DenseEngine("cuda", EXACT, compiler=compiler)
    assert_close(ask(engine, *call), expected)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert_close(ask(engine, *call), expected)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_no_copy_is_queued_from_or_to_memory_that_is_not_pinned(call, monkeypatch):
    copy, flags = torch.Tensor.copy_, []

    def watched(to, source, non_blocking=False):
        flags.append(non_blocking)
        assert not non_blocking or to.is_pinned() or source.is_pinned()
        return copy(to, source, non_blocking)

    monkeypatch.setattr(torch.Tensor, "copy_", watched)
    ask(DenseEngine(), *call)
    assert len(flags) > 10
