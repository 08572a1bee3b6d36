"""All engines against the plain NCA: losses, all four gradients and final states."""

from dataclasses import replace

import numpy as np
import plain
import pytest
import torch
from calls import ask, record, walk
from wide import mostly_wide

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.goals import Goals
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target


@pytest.fixture(params=["sparse", "dense", pytest.param("fused", marks=pytest.mark.wide)])
def engine(request):
    if request.param == "fused":  # wide: minutes in Triton's interpreter
        if "digits" in request.fixturenames:
            pytest.skip("minutes a digit in Triton's interpreter; test_fused.py has smaller grids")
        pytest.importorskip("triton")
        import interpreted

        from nca_zoo.life.engines.fused import FusedEngine

        return FusedEngine(interpreted.DEVICE)
    return SparseEngine() if request.param == "sparse" else DenseEngine()


def keys_for(k, b):
    return noise.fold(np.arange(1, k * b + 1, dtype=np.uint64).reshape(k, b), 5)


def masks(key, steps, shape):
    return [noise.fire_mask(key, t, *shape) for t in range(steps)]


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def check(engine, weights, states, targets, steps, every_step=False, tolerance=1e-5, room=None):
    """Compare one call of an engine with the plain NCA, example by example.

    room (k, H, W): where cells may fire.
    """
    k, b, *shape = states.shape[:4]
    keys = keys_for(k, b)
    found = ask(engine, weights, states, targets, keys, steps, every_step, room)
    for nca in range(k):
        total = np.zeros(rule.N_PARAMS)
        for example in range(b):
            fires = masks(keys[nca, example], steps[nca], shape)
            if room is not None:
                fires = [fire & room[nca] for fire in fires]
            loss, gradients, final = plain.rollout(
                weights[nca], states[nca, example], fires, targets[nca], every_step
            )
            assert found.losses[nca, example] == pytest.approx(loss, rel=tolerance)
            np.testing.assert_allclose(
                found.states[nca, example], final, rtol=0, atol=1e-4 * max(1, np.abs(final).max())
            )
            total += np.concatenate([g.ravel() for g in gradients]) / b
        for name, part in rule.param_slices().items():
            assert relative(found.gradients[nca, part], total[part]) < tolerance, name


@pytest.fixture(scope="module")
def digits(kept_digits):
    """Targets of a 0, a 1 and an 8."""
    _, pictures = load_pictures("digits", [0, 1, 8], 1, kept_digits)
    return [make_target(picture.pixels) for picture in pictures]


def seeds_of(targets, batch):
    states = [rule.seed_state(*t.rgba.shape[:2], t.seed_row, t.seed_col) for t in targets]
    return np.repeat(np.stack(states)[:, None], batch, axis=1)


def test_digits_from_their_seeds(engine, digits, lively_weights):
    weights = np.stack([lively_weights(seed) for seed in (1, 2, 3)])
    targets = np.stack([target.rgba for target in digits])
    check(engine, weights, seeds_of(digits, 1), targets, np.array([64, 80, 96]))


@pytest.mark.parametrize("start", mostly_wide(["noise", "grown", "damaged"]))
def test_other_start_states(engine, digits, lively_weights, start):
    weights = np.stack([lively_weights(seed) for seed in (4, 5)])
    targets = np.stack([target.rgba for target in digits[:2]])
    states = walk(engine, weights, seeds_of(digits[:2], 2), keys_for(2, 2), 0, 40)
    if start == "damaged":
        states[:, :, 8:15, 10:20] = 0
    if start == "noise":  # everything at once: dead cells that hold something, and alpha above 1
        draws = noise.uniform(6, states.size).reshape(states.shape)
        states = (0.6 * draws - 0.4).astype(np.float32)
        states[:, 1] *= 4
    check(engine, weights, states, targets, np.array([30, 41]))


@pytest.mark.parametrize("shape", [(3, 3), (5, 17), (16, 9), (33, 31)])
def test_other_grids(engine, lively_weights, shape):
    height, width = shape
    weights = lively_weights(7)[None]
    states = rule.seed_state(height, width, height // 2, 0)[None, None]
    targets = noise.uniform(8, height * width * 4).reshape(1, height, width, 4).astype(np.float32)
    check(engine, weights, states, targets, np.array([6 if engine.name == "fused" else 33]))


@pytest.mark.parametrize("shape", [(5, 17), (9, 70)])
def test_out_of_a_room_no_cell_fires(engine, lively_weights, shape):
    """A room of each NCA: what stands outside when it begins stays as long as it lives."""
    if engine.name == "fused":
        pytest.skip("knows no rooms, and says so: test_fused.py")
    weights = np.stack([lively_weights(seed) for seed in (7, 3)])
    draws = noise.uniform(6, 2 * 2 * shape[0] * shape[1] * 16).reshape(2, 2, *shape, 16)
    states = (0.6 * draws - 0.4).astype(np.float32)
    targets = noise.uniform(8, 2 * shape[0] * shape[1] * 4).reshape(2, *shape, 4)
    room = noise.uniform(4, 2 * shape[0] * shape[1]).reshape(2, *shape) < 0.6
    check(engine, weights, states, targets.astype(np.float32), np.array([20, 11]), room=room)
    ncas = replace(record(weights, states, keys_for(2, 2)), room=room)
    seeds = np.zeros_like(states)
    seeds[..., 2, 3, 3:] = 1
    room[:, 2, 3] = True
    grown = engine.rollout(ncas, seeds, 0, 30)
    assert not grown[~np.broadcast_to(room[:, None], grown.shape[:4])].any()
    alone = engine.rollout(ncas[1:], seeds[1:], 0, 30)
    assert np.array_equal(alone, grown[1:])
    with pytest.raises(ValueError, match="room: expected"):
        replace(ncas, room=room[:, 1:])


@pytest.mark.wide
def test_loss_over_every_step(engine, digits, lively_weights):
    weights = np.stack([lively_weights(seed) for seed in (1, 2)])
    targets = np.stack([target.rgba for target in digits[1:]])
    check(engine, weights, seeds_of(digits[1:], 2), targets, np.array([20, 33]), every_step=True)


@pytest.mark.parametrize("every_step", mostly_wide([True, False]))
def test_alpha_alone(engine, digits, lively_weights, every_step):
    weights = np.stack([lively_weights(seed) for seed in (1, 2)])
    targets = np.stack([target.rgba[..., 3:] for target in digits[1:]])
    steps = np.array([20, 33])
    check(engine, weights, seeds_of(digits[1:], 2), targets, steps, every_step)


@pytest.mark.parametrize("channels", [4, 1])
def test_a_film_that_moves_along(engine, lively_weights, channels):
    """Goals in general: several frames, every rollout at a phase of its own, looks now and then."""
    k, b = 2, 2
    steps = np.array(
        [3, 5] if engine.name == "fused" else [9, 14]
    )  # by its interpreter, 0.3 s each
    weights = np.stack([lively_weights(seed) for seed in (1, 2)])
    states = np.repeat(rule.seed_state(9, 7, 4, 3)[None, None], k * b, axis=1).reshape(
        k, b, 9, 7, 16
    )
    frames = noise.uniform(8, k * 3 * 63 * channels).reshape(k, 3, 9, 7, channels)
    frames, keys = frames.astype(np.float32), keys_for(k, b)
    when = (noise.uniform(3, k * b * 14) * 6).astype(np.int32).reshape(k, b, 14) - 3
    when = np.maximum(when, -1)
    when[:, :, 2] = 2  # no rollout without a look
    found = engine.gradients(record(weights, states, keys), states, Goals(frames, when), steps)
    for nca in range(k):
        total = np.zeros(rule.N_PARAMS)
        for example in range(b):
            fires = masks(keys[nca, example], steps[nca], (9, 7))
            loss, gradients, _ = plain.rollout(
                weights[nca], states[nca, example], fires, frames[nca], when=when[nca, example]
            )
            assert found.losses[nca, example] == pytest.approx(loss, rel=1e-5)
            total += np.concatenate([g.ravel() for g in gradients]) / b
        for name, part in rule.param_slices().items():
            assert relative(found.gradients[nca, part], total[part]) < 1e-5, name


def test_goals_that_compare_nothing_are_refused(engine, lively_weights):
    states = rule.seed_state(8, 8, 4, 4)[None, None]
    ncas = record(lively_weights(1)[None], states, keys_for(1, 1))
    frames, when = np.zeros((1, 2, 8, 8, 4), np.float32), np.full((1, 1, 5), -1, np.int32)
    for look, words in (((3, 1), "nothing is compared"), ((1, 2), "2 is none of 2 frames")):
        when[0, 0] = -1
        when[0, 0, look[0]] = look[1]
        with pytest.raises(ValueError, match=words):
            engine.gradients(ncas, states, Goals(frames, when), np.array([3]))


def test_a_target_of_two_channels_is_refused(digits, lively_weights):
    targets = np.stack([target.rgba[..., 2:] for target in digits[:1]])
    states, weights = seeds_of(digits[:1], 1), lively_weights(1)[None]
    with pytest.raises(ValueError, match="frames: expected"):
        ask(SparseEngine(), weights, states, targets, keys_for(1, 1), np.array([3]))


def flaring_weights():
    """Weights (P,) under which alpha falls in and beside living cells, and rises elsewhere."""
    w = rule.unflatten(np.zeros((1, rule.N_PARAMS), np.float32))
    for unit, (filter_, sign) in enumerate([(0, 1), (1, 1), (1, -1), (2, 1), (2, -1)]):
        w["W1"][0, unit, filter_ * 16 + rule.ALPHA] = sign
        w["W2"][0, rule.ALPHA, unit] = -10
    w["b2"][0, rule.ALPHA] = 0.5
    return rule.flatten(w)[0]


def test_a_dead_cell_that_wakes_for_a_moment_saves_its_neighbours(engine):
    """The second alive mask sees the updates of dead cells, which a sparse engine never lists."""
    weights = flaring_weights()
    states = np.repeat(rule.seed_state(9, 9, 4, 4)[None], 6, axis=0)[None]
    states[..., 4:] += 0.5  # something to lose
    keys = keys_for(1, 6)
    found = walk(engine, weights[None], states, keys, 0, 2)
    saved = 0
    for example in range(6):
        state = states[0, example].astype(np.float64)
        for t in range(2):
            fire = noise.fire_mask(keys[0, example], t, 9, 9)
            living_only = rule.step(weights, state, fire & rule.alive(state))
            state = rule.step(weights, state, fire)
            saved += np.count_nonzero((state != living_only).any(axis=-1))
        np.testing.assert_allclose(found[0, example], state, rtol=0, atol=1e-5)
    assert saved > 5  # otherwise this test shows nothing


def test_rollout_continues_where_it_stopped(engine, lively_weights):
    weights, keys = lively_weights(9)[None], keys_for(1, 2)
    states = np.repeat(rule.seed_state(12, 12, 6, 6)[None, None], 2, axis=1)
    stop, end = (2, 5) if engine.name == "fused" else (20, 50)  # by its interpreter, 0.2 s a step
    whole = walk(engine, weights, states, keys, 0, end)
    half = walk(engine, weights, states, keys, 0, stop)
    assert np.array_equal(walk(engine, weights, half, keys, stop, end - stop), whole)


def test_a_dead_grid_stays_dead_and_has_no_gradient(engine, lively_weights):
    weights = lively_weights(9)[None]
    found = ask(
        engine,
        weights,
        np.zeros((1, 1, 8, 8, 16), np.float32),
        np.ones((1, 8, 8, 4), np.float32),
        keys_for(1, 1),
        np.array([10]),
    )
    assert found.losses[0, 0] == 1
    assert not found.states.any()
    assert not found.gradients.any()


def test_nan_in_one_nca_touches_no_other(engine, digits, lively_weights):
    weights = np.stack([lively_weights(seed) for seed in (1, 2)])
    targets = np.stack([target.rgba for target in digits[:2]])
    states, keys, steps = seeds_of(digits[:2], 2), keys_for(2, 2), np.array([20, 20])
    healthy = ask(engine, weights, states, targets, keys, steps)
    weights[0, 6144 + 128 :] = np.nan  # W2 and b2
    sick = ask(engine, weights, states, targets, keys, steps)
    assert np.array_equal(sick.gradients[1], healthy.gradients[1])
    assert np.array_equal(sick.losses[1], healthy.losses[1])


def test_sparse_results_do_not_depend_on_threads_or_company(digits, lively_weights):
    weights = np.stack([lively_weights(seed) for seed in (1, 2, 3)])
    targets = np.stack([target.rgba for target in digits])
    arguments = (weights, seeds_of(digits, 3), targets, keys_for(3, 3), np.array([64, 70, 96]))
    one, two = ask(SparseEngine(), *arguments), ask(SparseEngine(threads=2), *arguments)
    alone = ask(SparseEngine(), *(argument[1:2] for argument in arguments))
    assert np.array_equal(one.gradients, two.gradients)
    assert np.array_equal(one.states, two.states)
    assert np.array_equal(one.gradients[1:2], alone.gradients)


@pytest.mark.wide
def test_dense_in_float64_is_exact(digits, lively_weights):
    weights = np.stack([lively_weights(seed) for seed in (1, 2)])
    targets = np.stack([target.rgba for target in digits[:2]])
    exact = DenseEngine(dtype=torch.float64)
    check(exact, weights, seeds_of(digits[:2], 2), targets, np.array([64, 96]), tolerance=1e-11)


def test_the_start_states_are_left_alone(engine, digits, lively_weights):
    states = seeds_of(digits[:1], 1)
    before = states.copy()
    walk(engine, lively_weights(1)[None], states, keys_for(1, 1), 0, 5)
    target = digits[0].rgba[None]
    ask(engine, lively_weights(1)[None], states, target, keys_for(1, 1), np.array([5]))
    assert np.array_equal(states, before)


def test_engines_by_name():
    assert make_engine().name == "sparse"
    assert make_engine("dense").name == "dense"
    with pytest.raises(ZooError, match="no engine is called 'fast'"):
        make_engine("fast")
    with pytest.raises(ZooError, match="the CPU only"):
        make_engine("sparse", device="cuda")
    with pytest.raises(ZooError, match="cannot use the device"):
        make_engine("dense", device="cuda:99")


def test_wrong_shapes_never_reach_compiled_code(lively_weights):
    states = rule.seed_state(8, 8, 4, 4)[None, None]
    with pytest.raises(
        ValueError, match=r"weights: expected .*\(8335, 8336\), found float32 \(8335,\)"
    ):
        walk(SparseEngine(), lively_weights(1)[:-1], states, keys_for(1, 1), 0, 5)
    with pytest.raises(ValueError, match="keys"):
        walk(SparseEngine(), lively_weights(1)[None], states, np.array([[1]]), 0, 5)
