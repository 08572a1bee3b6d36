"""Healing against NCAs whose fate is known, and against the plain rollout."""

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fire_mask, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.wounds import HALF, random_cells
from nca_zoo.life import healing as module
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.healing import EACH, RADII, healing, healing_of_whole, heals_enough
from nca_zoo.life.quality import measure
from nca_zoo.training.init import FIRST, start_weights

SIDE = 20


def weights_of(**tensors: np.ndarray) -> np.ndarray:
    """Weights that are 0 but for these tensors."""
    flat = np.zeros(rule.N_PARAMS, np.float32)
    for name, values in tensors.items():
        flat[rule.param_slices()[name]] = values
    return flat


STILL = weights_of()
SPREADS = weights_of(b2=np.eye(rule.CHANNELS)[rule.ALPHA])  # alpha grows wherever it can


def healed_of(weights: np.ndarray, target: np.ndarray) -> module.Healing:
    nca = Automata.grown(weights[None], rule.seed_state(SIDE, SIDE, 9, 9))
    return healing(SparseEngine(), nca, target[None].astype(np.float32))


def test_what_grows_everywhere_heals_every_wound():
    full = np.zeros((SIDE, SIDE, 4))
    full[..., rule.ALPHA] = 1
    found = healed_of(SPREADS, full)
    assert [share.tolist() for share in found.healed.values()] == [[1.0]] * 4
    assert found.share == 1
    assert not found.died.any()
    assert list(found.stored()) == ["heals_3", "heals_5", "heals_7", "heals_half"]


def test_what_never_changes_dies_of_a_circle_and_heals_none():
    """Its one cell is the middle of itself, so a cut takes nothing of it."""
    found = healed_of(STILL, rule.seed_state(SIDE, SIDE, 9, 9)[..., :4])
    assert {kind: share[0] for kind, share in found.healed.items()} == {
        "3": 0, "5": 0, "7": 0, "half": 1,
    }  # fmt: skip
    assert found.died[0] == 0.75


def test_a_picture_that_stands_aside_is_no_scar():
    """The NCA that never changes, asked to be a cell further right: whole, but moved."""
    target = np.zeros((5, 5, 4), np.float32)
    target[2, 3, rule.ALPHA] = 1
    target[2, 3, :3] = 1
    seed = rule.seed_state(5, 5, 2, 2)
    seed[2, 2, :3] = 1
    found = healing(SparseEngine(), Automata.grown(STILL[None], seed), target[None])
    assert not found.share.any()
    assert found.moved[0] == 0.25  # of the cuts; the circles kill it
    scar = np.zeros_like(target)
    scar[0, 0] = 1
    assert not healing(SparseEngine(), Automata.grown(STILL[None], seed), scar[None]).moved.any()


def test_healing_is_the_plain_rollout(lively_weights, monkeypatch):
    """Shorter, one wound of each kind: the states are those of the rule as it is written."""
    for name, value in (("WOUNDED", 12), ("HEAL_STEPS", 9), ("EACH", 1)):
        monkeypatch.setattr(module, name, value)
    pictures = []

    class Spy(SparseEngine):
        def rollout(self, ncas, states, first_step, n_steps):
            answer = super().rollout(ncas, states, first_step, n_steps)
            pictures.append((states, answer))
            return answer

    weights, seed = lively_weights(1), rule.seed_state(9, 9, 4, 4)
    nca = Automata.grown(weights[None], seed)
    healing(Spy(), nca, np.full((1, 9, 9, 4), 0.5, np.float32))
    grown = seed.astype(np.float64)
    for t in range(12):
        grown = rule.step(weights.astype(float), grown, fire_mask(nca.keys[0, 0], t, 9, 9))
    for wound, radius in enumerate([9 * 9 / 28] * 3 + [HALF]):  # at most 9 of 28 cells
        key = fold(fold(nca.keys[0, 0], Stream.WOUNDS), wound)
        state = grown.copy()
        state[random_cells(pictures[0][1][0, 0], radius, uniform(key, 2))] = 0
        np.testing.assert_allclose(pictures[1][0][0, wound], state, atol=1e-3)
        for t in range(12, 21):
            state = rule.step(weights.astype(float), state, fire_mask(key, t, 9, 9))
        np.testing.assert_allclose(pictures[1][1][0, wound], state, atol=1e-2)


@pytest.mark.parametrize("side", [3, 5, 12])
def test_no_wound_takes_all_of_a_small_picture(side):
    wounded = []

    class Spy(SparseEngine):
        def rollout(self, ncas, states, first_step, n_steps):
            if first_step:
                wounded.append(states[..., rule.ALPHA])
            return super().rollout(ncas, states, first_step, n_steps)

    full = np.ones((1, side, side, 4), np.float32)
    ncas = Automata.grown(SPREADS[None], rule.seed_state(side, side, side // 2, side // 2))
    healing(Spy(), ncas, full)
    assert wounded[0].shape[1] == len(RADII) * EACH
    lit = (wounded[0][0] > 0.1).sum(axis=(1, 2))
    assert lit.min() > 0
    assert lit.max() < side * side


def test_only_what_is_whole_is_wounded(lively_weights):
    full = np.zeros((SIDE, SIDE, 4), np.float32)
    full[..., rule.ALPHA] = 1
    weights = np.stack([STILL, SPREADS, lively_weights(2)])
    ncas = Automata.grown(weights, rule.seed_state(SIDE, SIDE, 9, 9))
    targets = np.stack([full] * 3)
    looks = measure(SparseEngine(), ncas, targets)
    assert (looks["400"].error <= 0.05).tolist() == [False, True, False]
    found = healing_of_whole(SparseEngine(), ncas, targets, looks)
    assert found.share.tolist() == [0, 1, 0]
    nothing = healing_of_whole(
        SparseEngine(), ncas[:1], targets[:1], measure(SparseEngine(), ncas[:1], targets[:1])
    )
    assert not nothing.share.any()


@pytest.mark.wide
def test_whether_enough_heals_is_what_the_share_says():
    """Three lives of a start that closes some wounds, and one that closes all."""
    seed = rule.seed_state(SIDE, SIDE, 9, 9)
    weights = np.stack([start_weights(FIRST)] * 3 + [SPREADS])
    ncas = Automata.grown(weights, seed).under(fold(np.arange(4), Stream.ROLLOUT)[:, None])
    grown = SparseEngine().rollout(ncas, ncas.starts(), 0, 200)
    targets = np.clip(np.repeat(grown[:1, 0, :, :, :4], 4, axis=0), 0, 1)
    targets[3] = np.clip(grown[3, 0, :, :, :4], 0, 1)
    shares = healing(SparseEngine(), ncas, targets).share
    assert len(set(shares.tolist())) > 2
    for least in (0, *np.unique(shares), 1):
        enough = heals_enough(SparseEngine(), ncas, targets, least)
        assert enough.tolist() == (shares >= least).tolist()
    assert not heals_enough(SparseEngine(), ncas[:0], targets[:0], 0.5).size


def test_other_keys_are_other_wounds():
    """Which makes a share of healed wounds one of a sample."""
    disc = np.zeros((SIDE, SIDE, 16), np.float32)
    disc[5:15, 5:15, rule.ALPHA] = 1
    keys = [fold(fold(key, Stream.WOUNDS), wound) for key in (1, 2) for wound in range(EACH)]
    hit = [random_cells(disc, 3, uniform(key, 2)) for key in keys]
    assert len({cells.tobytes() for cells in hit}) == 2 * EACH


def test_random_wounds_by_hand():
    state = np.zeros((9, 12, 16), np.float32)
    assert not random_cells(state, 3, np.array([0.5, 0.5])).any()
    state[4, 2:8, rule.ALPHA] = 1
    for draw, col in ((0.0, 2), (0.34, 4), (0.999, 7)):
        expected = [[(r - 4) ** 2 + (c - col) ** 2 <= 4 for c in range(12)] for r in range(9)]
        np.testing.assert_array_equal(random_cells(state, 2, np.array([draw, 0.1])), expected)
    right = random_cells(state, HALF, np.array([0.5, 0.9]))  # columns beyond the middle, 4.5
    np.testing.assert_array_equal(right, np.tile(np.arange(12) > 4.5, (9, 1)))
    up = random_cells(state, HALF, np.array([0.1, 0.5]))
    np.testing.assert_array_equal(up, np.tile(np.arange(9)[:, None] < 4, (1, 12)))


def test_a_cut_takes_about_half_of_what_lives():
    rng = np.random.default_rng(0)
    state = np.zeros((28, 28, 16), np.float32)
    state[6:22, 8:20, rule.ALPHA] = rng.random((16, 12)) > 0.3
    lit = state[..., rule.ALPHA] > rule.ALIVE_THRESHOLD
    shares = [lit[random_cells(state, HALF, rng.random(2))].sum() / lit.sum() for _ in range(50)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert 0.35 < min(shares) < max(shares) < 0.65
