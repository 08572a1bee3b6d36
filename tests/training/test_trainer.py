"""The gate at work: who finishes, who goes on, who starts again, and that nobody minds the rest."""

import dataclasses

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.record import Automata
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import measure
from nca_zoo.pictures.targets import Target
from nca_zoo.training.cohort import Job
from nca_zoo.training.gate import Gate, gate
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo.training.trainer import next_move, train

QUICK = Regime(
    "growing",
    batch=2,
    steps=6,
    extra_steps=4,
    attempts=2,
    gate=gate(5, 8, stable=False, every=2),
)


def jobs(lively_weights, n):
    picture = np.zeros((8, 8, 4), np.float32)
    picture[3:6, 3:6] = 0.8
    return [
        Job(f"{i}", Target(picture, 4, 4), Init("shared", lively_weights(i + 1)), 100 + i)
        for i in range(n)
    ]


def by_id(fits):
    return {fit.job.id: fit for fit in fits}


def test_every_job_comes_out_once_and_company_changes_nothing(lively_weights):
    work = jobs(lively_weights, 5)
    alone = by_id(fit for job in work for fit in train([job], QUICK, SparseEngine()))
    for size in (2, 5):
        together = list(train(work, QUICK, SparseEngine(), cohort_size=size))
        assert sorted(fit.job.id for fit in together) == ["0", "1", "2", "3", "4"]
        for name, fit in by_id(together).items():
            assert np.array_equal(fit.weights, alone[name].weights)
            assert fit.losses == alone[name].losses
            assert fit.train_steps == alone[name].train_steps


def test_dense_and_sparse_train_alike(lively_weights):
    work = jobs(lively_weights, 2)
    sparse = by_id(train(work, QUICK, SparseEngine()))
    dense = by_id(train(work, QUICK, DenseEngine()))
    for name in sparse:
        np.testing.assert_allclose(sparse[name].losses, dense[name].losses, rtol=1e-3)


def test_training_reaches_the_picture(lively_weights):
    regime = dataclasses.replace(QUICK, steps=150, gate=gate(15, 18, stable=False))
    (fit,) = train(jobs(lively_weights, 1), regime, SparseEngine())
    assert fit.status == "ok"
    assert fit.psnr_96 > 15
    assert fit.train_steps < 150  # it stopped when it was good enough
    assert fit.losses[-1] < fit.losses[0] / 3


def test_figures_are_of_masks_that_decided_nothing(lively_weights, monkeypatch):
    """Those of rollout seed 0, which people see; the gate looks at others."""
    asked = []
    verdict = Gate.verdict

    def spy(self, looks, *rest):
        asked.append(looks["96"].psnr.copy())
        return verdict(self, looks, *rest)

    monkeypatch.setattr(Gate, "verdict", spy)
    (job,) = jobs(lively_weights, 1)
    (fit,) = train([job], dataclasses.replace(QUICK, attempts=1), SparseEngine())
    ncas = Automata.grown(fit.weights[None], job.seed_state(QUICK))
    (shown,) = measure(SparseEngine(), ncas, job.target.rgba[None])["96"].psnr
    assert fit.psnr_96 == shown
    assert asked
    assert all(shown not in psnr for psnr in asked)


def test_a_fit_short_of_the_gate_gets_more_steps_then_a_fresh_attempt(lively_weights):
    hard = dataclasses.replace(QUICK, gate=gate(90, 95, stable=False))
    (fit,) = train(jobs(lively_weights, 1), hard, SparseEngine())
    assert fit.status == "below_gate"
    assert fit.attempts == 2
    assert fit.train_steps == 2 * (6 + 4)
    assert len(fit.losses) == 10


def test_the_better_of_two_failed_attempts_is_kept(lively_weights):
    hard = dataclasses.replace(QUICK, gate=gate(90, 95, stable=False))
    (both,) = train(jobs(lively_weights, 1), hard, SparseEngine())
    once = dataclasses.replace(hard, attempts=1)
    (first,) = train(jobs(lively_weights, 1), once, SparseEngine())
    assert both.psnr_96 >= first.psnr_96


class Poisoned(SparseEngine):
    """Gives NaN to the NCA that starts from ``victim``'s weights, once."""

    def __init__(self, victim, times):
        super().__init__()
        self.victim, self.times = victim, times

    def gradients(self, ncas, *rest):
        answer = super().gradients(ncas, *rest)
        hit = [k for k in range(len(ncas)) if np.array_equal(ncas.weights[k], self.victim)]
        if not hit or not self.times:
            return answer
        self.times -= 1
        gradients = answer.gradients.copy()
        gradients[hit] = np.nan
        return answer._replace(gradients=gradients)


@pytest.mark.parametrize(("times", "status", "attempts"), [(1, "ok", 2), (2, "diverged", 2)])
def test_nan_is_found_and_stays_with_its_nca(lively_weights, times, status, attempts):
    work = jobs(lively_weights, 3)
    regime = dataclasses.replace(QUICK, gate=gate(0, 99, stable=False, every=2))
    healthy = by_id(train(work, regime, SparseEngine()))
    fits = by_id(train(work, regime, Poisoned(work[1].init.shared, times), cohort_size=3))
    assert fits["1"].status == status
    assert fits["1"].attempts == attempts
    for name in ("0", "2"):
        assert np.array_equal(fits[name].weights, healthy[name].weights)


def test_what_dies_is_called_dead(lively_weights):
    deadly = rule.unflatten(np.zeros((1, 8336), np.float32))
    deadly["b2"][0, rule.ALPHA] = -1
    (job,) = jobs(lively_weights, 1)
    job = dataclasses.replace(job, init=Init("shared", rule.flatten(deadly)[0]))
    (fit,) = train([job], QUICK, SparseEngine())
    assert fit.status == "dead"
    assert fit.measured["alive_400"] == 0


@pytest.mark.parametrize(
    ("status", "step", "attempt", "move"),
    [
        ("ok", 20, 0, "finish"),
        ("below_gate", 20, 0, "go on"),  # a check was passed by luck
        ("below_gate", 200, 0, "go on"),  # more steps
        ("below_gate", 400, 0, "retry"),
        ("below_gate", 400, 1, "finish"),
        ("dead", 20, 0, "retry"),
        ("diverged", 20, 1, "finish"),
    ],
)
def test_next_move(status, step, attempt, move):
    regime = Regime("persistent", steps=200, extra_steps=200, attempts=2)
    assert next_move(status, step, attempt, regime) == move


@pytest.mark.parametrize(("step", "move"), [(20, "go on"), (400, "finish")])
def test_what_dies_in_its_only_attempt_goes_on_as_births_can_fail_by_chance(step, move):
    regime = Regime("persistent", steps=200, extra_steps=200, attempts=1)
    assert next_move("dead", step, 0, regime) == move
    assert next_move("diverged", step, 0, regime) == "finish"


def test_nothing_to_train():
    assert list(train([], QUICK, SparseEngine())) == []


def test_regimes_are_checked_where_they_are_made():
    assert REGIMES["writeup"].learning_rate(0) == 5e-3
    assert REGIMES["writeup"].learning_rate(1200) == pytest.approx(2.5e-3)
    assert REGIMES["growing"].learning_rate(2000) == pytest.approx(2e-4)
    for wrong, named in [
        ({"batch": 0}, "batch is 0; it must be more than 0"),
        ({"pool": 3}, "pool is 3; it must be 0 or at least 8"),
        ({"damaged": 8}, "damaged is 8; it must be from 0 to 7"),
        ({"schedule": "linear"}, "schedule is 'linear'"),
    ]:
        with pytest.raises(ZooError, match=named):
            Regime("mine", **wrong)
