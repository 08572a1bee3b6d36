"""Growing from drawn seeds, against the rule taken step by step and NCAs whose fate is known."""

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import fire_mask
from nca_zoo.automaton.record import Automata, rollout_keys
from nca_zoo.automaton.seeds import Seed, SeedKind, place
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import Life, rollout
from nca_zoo.life.sowing import EACH, sown, sown_states

GRID = (9, 10)
FROM_HOME = SeedKind(True, (4, 5))


@pytest.fixture(scope="module")
def target():
    picture = np.zeros((*GRID, 4), np.float32)
    picture[2:7, 3:8] = 1
    return picture


def numbers_of(states):
    """How many seeds there are in each of states (n, H, W, 16)."""
    return (states[..., rule.ALPHA] == 1).sum(axis=(1, 2))


def test_states_have_as_many_seeds_as_are_asked_on_lit_cells(target):
    keys = np.arange(1, 30, dtype=np.uint64)
    numbers = 1 + np.arange(29) % 3
    states = sown_states(FROM_HOME, target, keys, numbers)
    assert np.array_equal(numbers_of(states), numbers)
    for state in states:
        cells = list(map(tuple, np.argwhere(state[..., rule.ALPHA])))
        assert all(target[cell].all() for cell in cells)
        assert np.array_equal(state, FROM_HOME.state(GRID, cells))
    assert len({tuple(np.argwhere(s[..., 3])[0]) for s in states}) > 8


def test_what_never_changes_is_whole_where_its_seed_is_the_picture():
    """One lit cell, so that every growth has that seed; black, so that nothing is missing."""
    target = np.zeros((1, *GRID, 4), np.float32)
    target[0, 4, 4, rule.ALPHA] = 1
    still = np.zeros((1, rule.N_PARAMS), np.float32)
    ncas = Automata.grown(still, rule.seed_state(*GRID, 4, 4))
    found = sown(SparseEngine(), ncas, target, True, 2, steps=3)
    assert (found.psnr == 100).all()
    assert found.psnr.shape == (1, 2, EACH)
    assert found.share(20.0) == 1
    wanted = target.copy()
    wanted[0, 0, 0] = 0.4  # is not lit, and never there
    other = sown(SparseEngine(), ncas, wanted, True, 2, steps=3)
    expected = -10 * np.log10(4 * 0.16 / (4 * 90))
    np.testing.assert_allclose(other.psnr, expected, rtol=1e-5)
    assert other.share(20.0) == 0
    kept = other.stored(20.0)
    assert list(kept) == ["seeds_1", "seeds_2", "psnr_seeds"]
    assert kept["psnr_seeds"] == pytest.approx(expected, rel=1e-5)
    assert kept["seeds_1"] == kept["seeds_2"] == 0


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_growths_are_the_rule_step_by_step(lively_weights, target, engine):
    ncas = Automata.grown(np.stack([lively_weights(3)]), rule.seed_state(*GRID, 4, 5), seed=5)
    seen = []

    class Spy:
        def rollout(self, many, states, first, steps):
            seen.append((many.keys, states))
            return make_engine(engine).rollout(many, states, first, steps)

    found = sown(Spy(), ncas, target[None], True, 3, steps=8)
    ((keys, states),) = seen
    assert numbers_of(states[0]).tolist() == [1] * EACH + [2] * EACH + [3] * EACH
    assert len(set(keys[0].tolist())) == 3 * EACH
    for state in states[0]:
        cells = list(map(tuple, np.argwhere(state[..., rule.ALPHA]).tolist()))
        assert np.array_equal(state, FROM_HOME.state(GRID, cells))
    pictures = found.pictures.reshape(3 * EACH, *GRID, 4)
    for trial in (0, EACH, 3 * EACH - 1):
        state = states[0, trial].astype(np.float64)
        for step in range(8):
            fires = fire_mask(keys[0, trial], step, *GRID)
            state = rule.step(lively_weights(3).astype(np.float64), state, fires)
        np.testing.assert_allclose(pictures[trial], state[..., :4], atol=1e-4)
        assert found.psnr[0, trial // EACH, trial % EACH] == pytest.approx(
            psnr(state[..., :4], target), abs=0.01
        )
    ordered = np.sort(found.psnr.ravel())
    assert found.stored(20.0)["psnr_seeds"][0] == ordered[len(ordered) // 10]


@pytest.mark.parametrize("kind", [SeedKind(), SeedKind(hidden=False), FROM_HOME])
def test_seeds_are_planted_from_the_beginning_and_late(lively_weights, kind):
    """Against the rule, with the cells set by hand."""
    seeds = [Seed(0, 4, 5), Seed(0, 2, 2), Seed(6, 0, 9)]
    weights, start = lively_weights(3), np.zeros((*GRID, 16), np.float32)
    path = dict(rollout(weights, start, 12, seed=7, seeds=seeds, kind=kind))
    key = rollout_keys(7, 1)[0, 0]
    state = start.astype(np.float64)
    for step in range(12):
        for seed in seeds:
            if seed.step == step:
                held = [float(kind.hidden)] * 12
                if kind.home is not None:
                    held[:8] = place(seed.row - 4, seed.col - 5)
                state[seed.row, seed.col] = [0, 0, 0, 1, *held]
        np.testing.assert_allclose(path[step], state, atol=1e-4)
        state = rule.step(weights.astype(np.float64), state, fire_mask(key, step, *GRID))
    np.testing.assert_allclose(path[12], state, atol=1e-4)
    life = Life(weights, start, 7, kind)
    for seed in seeds:
        life.grow(seed.step - life.step)
        life.plant(seed.row, seed.col)
    life.grow(12 - life.step)
    assert np.array_equal(life.state, path[12])


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (Seed(5, 1, 1), "a seed at step 5 would never be seen to grow: the rollout ends at step 5"),
        (Seed(0, 9, 1), "row 9, column 1 lies outside the grid of 9 x 10 cells"),
        (Seed(0, 1, 10), "rows go from 0 to 8, columns from 0 to 9"),
    ],
)
def test_a_seed_that_nobody_would_see_is_refused(seed, words):
    weights, start = np.zeros(rule.N_PARAMS, np.float32), np.zeros((*GRID, 16), np.float32)
    with pytest.raises(ZooError, match=words):
        rollout(weights, start, 5, seeds=[seed])
