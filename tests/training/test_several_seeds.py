"""NCAs that grow from several seeds: what training begins with, what the gate asks besides."""

from dataclasses import replace

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.seeds import SeedKind, places
from nca_zoo.building.settings import chosen, solo_settings, zoo_settings
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.targets import Target
from nca_zoo.store.settings import Settings
from nca_zoo.training import trainer
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.gate import Gate, Sows, gate
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import untrained

SIDE = 9
MANY = replace(REGIMES["persistent"], batch=4, pool=6, seeds=3, lr=2e-4)


class Spy(SparseEngine):
    """The sparse engine, remembering what it starts from."""

    def __init__(self):
        super().__init__()
        self.starts = []

    def gradients(self, ncas, states, goals, steps):
        self.starts.append(states.copy())
        return super().gradients(ncas, states, goals, steps)


def job(name, weights, seed=1):
    picture = np.zeros((SIDE, SIDE, 4), np.float32)
    picture[2:7, 3:6] = 1
    return Job(name, Target(picture, 4, 4), Init("shared", weights), rng_seed=seed)


def cohort_of(regime, jobs, steps):
    cohort = Cohort(regime, Spy(), SIDE, SIDE)
    for one in jobs:
        cohort.add(Member(one))
    for _ in range(steps):
        cohort.step()
    return cohort


def cells_of(state):
    return frozenset(map(tuple, np.argwhere(state[..., rule.ALPHA]).tolist()))


def is_fresh(state):
    """Whether a state is its own seed, or nothing but others, told their places, on lit cells."""
    cells = cells_of(state)
    if np.array_equal(state, rule.seed_state(SIDE, SIDE, 4, 4)):
        return True
    lit = all(2 <= row < 7 and 3 <= col < 6 for row, col in cells)
    return lit and np.array_equal(state, SeedKind(True, (4, 4)).state((SIDE, SIDE), list(cells)))


def test_half_of_a_batch_begins_anew_from_seeds_that_are_drawn(lively_weights):
    jobs = [job("a", lively_weights(1), 1), job("b", lively_weights(1), 2)]
    cohort = cohort_of(MANY, jobs, 0)
    assert (cohort.pools == rule.seed_state(SIDE, SIDE, 4, 4)).all()
    places = []
    for _ in range(10):
        cohort.step()
        fresh = cohort.engine.starts[-1][:, :2]
        assert all(is_fresh(state) for state in fresh.reshape(-1, SIDE, SIDE, 16))
        places.append([cells_of(state) for state in fresh.reshape(-1, SIDE, SIDE, 16)])
    assert {len(cells) for four in places for cells in four} == {1, 2, 3}
    assert len({cells for four in places for cells in four}) > 12
    assert any(four[:2] != four[2:] for four in places)  # each draws its own
    others = np.stack(cohort.engine.starts)[5:, :, 2:].reshape(-1, SIDE, SIDE, 16)
    assert max(len(cells_of(state)) for state in others) > 9  # the pool's have lived


def test_growths_begin_amid_less_and_less_of_the_picture(lively_weights):
    regime = replace(MANY, pieces=20, lr=1e-12)
    cohort = cohort_of(regime, [job("a", lively_weights(1))], 0)
    told, sizes = places((SIDE, SIDE), (4, 4)), []
    for stood in (0, 0, 0, 5, 10, 19, 20):
        cohort.members[0].stood = stood
        for _ in range(4):
            cohort.step()
            cohort.members[0].stood = stood
        fresh = np.stack(cohort.engine.starts[-4:])[:, 0, :2].reshape(-1, SIDE, SIDE, 16)
        sizes.append(max(len(cells_of(state)) for state in fresh))
        for state in fresh:
            grown = np.argwhere(state[..., 0] == 1)  # a seed has no colour
            for row, col in grown:
                assert state[row, col, :4].tolist() == [1, 1, 1, 1]
                np.testing.assert_allclose(state[row, col, 4:12], 0.5 * told[row, col])
                assert state[row, col, 12:].tolist() == [1, 1, 1, 1]
                assert 2 <= row < 7
                assert 3 <= col < 6
            if not len(grown):
                assert is_fresh(state)
    assert sizes[0] == 15  # all of it
    assert sizes[-1] <= 3
    assert [regime.piece(stood) for stood in (0, 10, 20, 21)] == [1, 0.25, 0, 0]


def test_only_training_that_goes_well_leads_on(lively_weights):
    regime = replace(MANY, pieces=20)
    deadly, lasting = (np.zeros(rule.N_PARAMS, np.float32) for _ in range(2))
    deadly[-16 + rule.ALPHA] = -1
    cohort = cohort_of(regime, [job("dies", deadly), job("stays as it begins", lasting)], 3)
    dies, stays = cohort.members
    assert dies.stood == 0
    assert stays.stood == sum(loss < 0.5 * 15 / 81 for loss in stays.losses) > 0
    assert regime.as_dict()["pieces"] == 20
    assert "pieces" not in MANY.as_dict()


def test_the_step_size_rises_at_first():
    regime = replace(MANY, warm=4, lr=1e-3, schedule="cosine", decay_at=100)
    flat = replace(regime, warm=0)
    for step in range(8):
        share = min(1, (step + 1) / 4)
        assert regime.learning_rate(step) == pytest.approx(share * flat.learning_rate(step))


def test_grids_that_are_wider_than_places_go_round_are_refused():
    with pytest.raises(ZooError, match="places of up to 40 cells, and this grid is 41 x 12"):
        Cohort(MANY, SparseEngine(), 41, 12)
    Cohort(replace(MANY, seeds=1), SparseEngine(), 41, 12)


@pytest.mark.parametrize("pool", [0, 6])
def test_what_is_drawn_depends_on_no_other_nca(lively_weights, pool):
    regime = replace(MANY, pool=pool)
    together = cohort_of(regime, [job("x", lively_weights(1), 9), job("a", lively_weights(1))], 2)
    alone = cohort_of(regime, [job("a", lively_weights(1))], 2)
    for one, both in zip(alone.engine.starts, together.engine.starts, strict=True):
        assert np.array_equal(one[0], both[1])
    assert np.array_equal(alone.weights[0], together.weights[1])


def test_the_gate_asks_growths_from_other_seeds(lively_weights, monkeypatch):
    """A gate that everything passes, but for what grows elsewhere."""
    easy = replace(gate(passes=0.0), error=None, window=None, sows=Sows(0.75))
    regime = replace(MANY, gate=easy)
    asked = []

    class Grown:
        def __init__(self, share):
            self.shares = np.array([share])

        def share(self, db):
            asked.append(db)
            return self.shares

        def stored(self, db):
            return {"seeds_1": self.shares}

    for share, status in ((0.7, "below_gate"), (0.75, "ok")):
        monkeypatch.setattr(trainer, "sown", lambda *_, share=share: Grown(share))
        (fit,) = untrained([job("a", lively_weights(1))], regime, SparseEngine())
        assert fit.status == status
        assert fit.measured["seeds_1"] == pytest.approx(share)
    assert asked == [0.0, 0.0]
    assert easy.as_dict()["pass_seeds"] == 0.75
    assert "growths from other seeds" in replace(Gate(), sows=Sows()).waits_for


def test_a_fit_is_measured_from_drawn_seeds(lively_weights):
    (fit,) = untrained([job("a", lively_weights(1))], MANY, SparseEngine())
    kept = {name: value for name, value in fit.measured.items() if "seeds" in name}
    assert list(kept) == ["seeds_1", "seeds_2", "seeds_3", "psnr_seeds"]
    assert 0 < kept["psnr_seeds"] < 20
    (usual,) = untrained([job("a", lively_weights(1))], replace(MANY, seeds=1), SparseEngine())
    assert not [name for name in usual.measured if "seeds" in name]


def test_the_setting_is_kept_where_it_is_not_one():
    assert "seeds" not in REGIMES["persistent"].as_dict()
    assert MANY.as_dict()["seeds"] == 3
    settings = zoo_settings(chosen(seeds=2))
    regime = settings.regime
    assert (regime.name, regime.seeds, regime.gate.sows) == ("persistent", 2, Sows())
    assert zoo_settings(chosen(seeds=1)).regime == zoo_settings(chosen()).regime
    solo = solo_settings(chosen(seeds=3, batch=5, steps=7), np.zeros((9, 9), np.uint8))
    assert (solo.regime.batch, solo.regime.steps) == (5, 7)
    assert (solo.regime.decay_at, solo.regime.schedule) == (7, "cosine")
    read = Settings({"regime": regime.as_dict()})
    assert read.seeds == 2
    assert Settings({}).seeds == 1
    for wrong in (0, 17, True, "3", 2.0):
        with pytest.raises(ZooError, match=r"regime\.seeds .* must be from 1 to 16"):
            _ = Settings({"regime": {"seeds": wrong}}).seeds
    for wrong in (0, 17, -1):
        with pytest.raises(ZooError, match=f"seeds is {wrong}; it must be from 1 to 16"):
            zoo_settings(chosen(seeds=wrong))
    with pytest.raises(ZooError, match="leave out --seeds or --motion"):
        zoo_settings(chosen(seeds=2, motion="sway"))


def test_seeds_are_drawn_again_where_growths_from_there_went_badly():
    cohort = cohort_of(MANY, [job("a", np.zeros(rule.N_PARAMS, np.float32))], 0)
    assert (cohort.trouble == 1).all()
    lit = cohort.targets[0, ..., -1] > 0
    cohort.trouble[:, lit] = 0.05
    cohort.trouble[0, 2, 3] = 1
    met = np.zeros((SIDE, SIDE), int)
    for _ in range(40):
        cohort.step()
        met += cohort.sown[0].sum(axis=0)
        cohort.trouble[:, lit] = 0.05
        cohort.trouble[0, 2, 3] = 1
    assert met[2, 3] > 2 * np.delete(met[lit], 0).max()
    before = cohort.trouble.copy()
    cohort.step()
    changed = cohort.trouble[0] != before[0]
    assert changed.any()
    assert not (changed & ~cohort.sown[0].any(axis=0)).any()
