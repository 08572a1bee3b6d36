"""NCAs that grow from several seeds: what training begins with, what the gate asks besides."""

from dataclasses import replace

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.seeds import SeedKind
from nca_zoo.building.settings import chosen, solo_settings, zoo_settings
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.rollout import rollout
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


def is_fresh(state, grown):
    """Whether a state is its own seed, or nothing but cuttings on lit cells."""
    cells = cells_of(state)
    if np.array_equal(state, rule.seed_state(SIDE, SIDE, 4, 4)):
        return True
    lit = all(2 <= row < 7 and 3 <= col < 6 for row, col in cells)
    return lit and np.array_equal(state, SeedKind(True, grown).state((SIDE, SIDE), list(cells)))


def test_half_of_a_batch_begins_anew_from_seeds_that_are_drawn(lively_weights):
    jobs = [job("a", lively_weights(1), 1), job("b", lively_weights(1), 2)]
    cohort = cohort_of(MANY, jobs, 0)
    assert (cohort.pools == rule.seed_state(SIDE, SIDE, 4, 4)).all()
    places = []
    for _ in range(10):
        kept = cohort.averages.copy()
        cohort.step()
        fresh = cohort.engine.starts[-1][:, :2]
        for k in range(2):
            own = rule.seed_state(SIDE, SIDE, 4, 4)
            grown = dict(rollout(kept[k], own, 96, every=96))[96]
            assert all(is_fresh(state, grown) for state in fresh[k])
        places.append([cells_of(state) for state in fresh.reshape(-1, SIDE, SIDE, 16)])
    assert {len(cells) for four in places for cells in four} == {1, 2, 3}
    assert len({cells for four in places for cells in four}) > 12
    assert any(four[:2] != four[2:] for four in places)  # each draws its own
    others = np.stack(cohort.engine.starts)[5:, :, 2:].reshape(-1, SIDE, SIDE, 16)
    assert max(len(cells_of(state)) for state in others) > 9  # the pool's have lived


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
