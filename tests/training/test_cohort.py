"""Training steps against a recipe written out in torch; pool, wounds and averages by hand."""

import dataclasses
import tracemalloc

import numpy as np
import plain
import pytest
import torch

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import fire_mask, uniform
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.targets import Target
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES

SIDE = 9


def job(name: str, lively_weights, seed: int = 1, channels: int = 4) -> Job:
    picture = np.zeros((SIDE, SIDE, 4), np.float32)
    picture[2:7, 3:6] = uniform(seed, 60).reshape(5, 3, 4).round(1)
    target = Target(picture, 4, 4, channels)
    return Job(name, target, Init("shared", lively_weights(seed)), rng_seed=seed)


class Spy(SparseEngine):
    """The sparse engine, remembering its calls and answers."""

    def __init__(self):
        super().__init__()
        self.calls, self.answers, self.signals, self.goals = [], [], [], []

    def gradients(self, ncas, states, goals, steps):
        answer = super().gradients(ncas, states, goals, steps)
        self.calls.append((ncas.weights.copy(), states.copy(), ncas.keys, steps))
        self.answers.append(answer)
        self.signals.append(ncas.signal)
        self.goals.append(goals)
        return answer


def cohort_of(regime, jobs):
    cohort = Cohort(regime, Spy(), *jobs[0].target.trained.shape)
    for one in jobs:
        cohort.add(Member(one))
    return cohort


@pytest.mark.wide
@pytest.mark.parametrize("channels", [4, 1])
@pytest.mark.parametrize("name", ["growing", "writeup"])
def test_training_is_the_recipe_written_out_in_torch(lively_weights, name, channels):
    """Gradient by autograd, normalised per tensor or not, torch's Adam and schedules."""
    regime = dataclasses.replace(REGIMES[name], batch=2, decay_at=2)
    cohort = cohort_of(regime, [job("a", lively_weights, channels=channels)])
    for _ in range(4):
        cohort.step()

    target = cohort.members[0].job.target.rgba[..., 4 - channels :]
    params = plain.tensors(lively_weights(1))
    adam = torch.optim.Adam(params, lr=regime.lr)
    if name == "growing":
        schedule = torch.optim.lr_scheduler.StepLR(adam, 2, 0.1)
    else:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 2)
    for step in range(4):
        if name == "writeup" and step == 2:
            break  # torch's cosine climbs again after its half period; ours stays at 0
        _, states, keys, steps = cohort.engine.calls[step]
        flat = np.concatenate([p.detach().numpy().ravel() for p in params])
        gradients = [torch.zeros_like(p) for p in params]
        for example in range(2):
            fires = [fire_mask(keys[0, example], t, SIDE, SIDE) for t in range(steps[0])]
            _, found, _ = plain.rollout(
                flat, states[0, example], fires, target, every_step=name == "writeup"
            )
            for total, one in zip(gradients, found, strict=True):
                total += torch.tensor(one) / 2
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient / (gradient.norm() + 1e-8) if name == "growing" else gradient
        adam.step()
        schedule.step()
    expected = np.concatenate([p.detach().numpy().ravel() for p in params])
    np.testing.assert_allclose(cohort.weights[0], expected, rtol=0, atol=2e-4)
    moved = np.abs(expected - lively_weights(1)).max()
    assert moved > 2e-3


def test_ca_steps_are_drawn_evenly_from_64_to_96(lively_weights):
    regime = dataclasses.replace(REGIMES["growing"], batch=1)
    cohort = cohort_of(regime, [job(str(i), lively_weights, i + 1) for i in range(5)])
    keys = np.arange(40_000, dtype=np.uint64)
    drawn = 64 + (uniform(keys, 1)[:, 0] * 33).astype(int)
    assert set(drawn) == set(range(64, 97))
    for _ in range(3):
        cohort.step()
    steps = np.concatenate([call[3] for call in cohort.engine.calls])
    assert steps.min() >= 64
    assert steps.max() <= 96
    assert len(set(steps)) > 5


def test_growing_starts_every_example_from_the_seed(lively_weights):
    cohort = cohort_of(REGIMES["growing"], [job("a", lively_weights)])
    cohort.step()
    cohort.step()
    seed = rule.seed_state(SIDE, SIDE, 4, 4)
    for _, states, _, _ in cohort.engine.calls:
        assert (states == seed).all()


@pytest.mark.parametrize("channels", [4, 1])
def test_persistent_replaces_the_worst_by_the_seed_and_writes_back(lively_weights, channels):
    regime = dataclasses.replace(REGIMES["persistent"], batch=3, pool=5, lr=2e-4)  # none dies
    jobs = [job(name, lively_weights, seed, channels) for name, seed in (("a", 1), ("b", 2))]
    cohort = cohort_of(regime, jobs)
    for step in range(4):
        if channels == 1:  # what nobody sees must not decide which is the worst
            cohort.pools[..., :3] = uniform(step, 10).reshape(2, 5, 1, 1, 1)
        before = cohort.pools.copy()
        cohort.step()
        _, states, _, _ = cohort.engine.calls[-1]
        finals = cohort.engine.answers[-1].states
        for k in range(2):
            np.testing.assert_array_equal(states[k, 0], cohort.seeds[k])
            changed = [i for i in range(5) if not np.array_equal(before[k, i], cohort.pools[k, i])]
            assert len(changed) == 3
            drawn = before[k, changed]
            seen, wanted = (a[..., 4 - channels : 4] for a in (drawn, jobs[k].target.rgba))
            errors = ((seen - wanted) ** 2).mean(axis=(1, 2, 3))
            others = np.delete(drawn, np.argmax(errors), axis=0)
            for state in states[k, 1:]:  # what was drawn, without its worst
                assert any(np.array_equal(state, other) for other in others)
            for final in finals[k]:
                assert any(np.array_equal(final, entry) for entry in cohort.pools[k])


def test_regenerating_wounds_the_best_at_random(lively_weights):
    """With circles around what lives, and with cuts that take one half."""
    regime = dataclasses.replace(REGIMES["regenerating"], batch=4, pool=4, damaged=2, lr=2e-4)
    cohort = cohort_of(regime, [job("a", lively_weights)])
    halves = erased = 0
    for step in range(12):
        cohort.pools[:] = uniform(step, cohort.pools.size).reshape(cohort.pools.shape)  # all live
        before = cohort.pools[0].copy()
        cohort.step()
        states = cohort.engine.calls[-1][1][0]
        errors = ((before[..., :4] - cohort.targets[0]) ** 2).mean(axis=(1, 2, 3))
        order = np.argsort(-errors, kind="stable")
        assert any(np.array_equal(states[1], entry) for entry in before)
        for state, whole in zip(states[2:], before[order[2:]], strict=True):
            lost = (state != whole).any(axis=-1)
            assert not state[lost].any()
            erased += lost.any()
            halves += lost.sum() > 30  # no circle of at most 2.9 cells takes as many
    assert erased > 20  # of 24
    assert 1 < halves < 14


def test_what_is_judged_is_the_running_mean_of_the_weights(lively_weights):
    """By hand: closely in the first steps, from afar later; without an average the weights."""
    regime = dataclasses.replace(REGIMES["growing"], average=0.6)
    cohort = cohort_of(regime, [job("a", lively_weights)])
    expected = cohort.weights.astype(np.float64)
    for step in range(12):
        cohort.step()
        forgets = 1 - min(0.6, (1 + step) / (5 + step))
        expected += forgets * (cohort.weights - expected)
        np.testing.assert_allclose(cohort.averages, expected, rtol=0, atol=1e-5)
    assert np.abs(cohort.averages - cohort.weights).max() > 1e-3
    keys = np.zeros((1, 1), np.uint64)
    assert cohort.ncas(keys).weights is cohort.averages
    trained = [call[0] for call in cohort.engine.calls]
    assert (trained[-1] != cohort.averages).any()  # the gradient is that of the weights
    plain_one = cohort_of(REGIMES["growing"], [job("a", lively_weights)])
    plain_one.step()
    np.testing.assert_array_equal(plain_one.averages, plain_one.weights)


@pytest.mark.parametrize(
    ("regime", "changes", "looked"),
    [
        ("persistent", {}, []),
        ("growing", {"looks": (5, 9)}, [0, 1]),
        ("regenerating", {"looks": (5, 9)}, [0, 1]),
        ("regenerating", {"looks": (5, 9), "batch": 5, "damaged": 2}, [0, 3, 4]),
        ("persistent", {"looks": (5, 9), "batch": 4, "seeds": 3}, [0, 1]),
        ("regenerating", {"looks": (5, 9), "batch": 6, "damaged": 1, "seeds": 3}, [0, 1, 2, 5]),
    ],
)
def test_what_begins_anew_or_is_wounded_is_looked_at_on_its_way(
    lively_weights, regime, changes, looked
):
    cohort = cohort_of(dataclasses.replace(REGIMES[regime], **changes), [job("a", lively_weights)])
    cohort.step()
    ends = int(cohort.engine.calls[-1][3][0])
    for example, steps in enumerate(cohort.engine.goals[-1].when[0]):
        due = [5, 9, ends] if example in looked else [ends]
        assert (np.flatnonzero(steps != -1) + 1).tolist() == due


def test_what_begins_anew_is_not_wounded(lively_weights):
    """Of several seeds half of a batch begin anew: a wound would leave nothing of them."""
    regime = dataclasses.replace(REGIMES["regenerating"].of_batch(4), seeds=3)
    cohort = cohort_of(regime, [job("a", lively_weights)])
    assert regime.damaged == 3
    assert cohort.wounded == 2
    for _ in range(6):
        cohort.step()
        begun = cohort.engine.calls[-1][1][0, : cohort.fresh]
        assert (begun[..., rule.ALPHA].max(axis=(1, 2)) == 1).all()


@pytest.mark.parametrize("name", ["persistent", "regenerating"])
def test_company_changes_nothing(lively_weights, name):
    jobs = [job(str(i), lively_weights, i + 1) for i in range(3)]
    together = cohort_of(REGIMES[name], jobs)
    alone = cohort_of(REGIMES[name], jobs[1:2])
    for _ in range(5):
        together.step()
        alone.step()
    assert np.array_equal(together.weights[1], alone.weights[0])
    together.keep(np.array([False, True, False]))
    together.step()
    alone.step()
    assert np.array_equal(together.weights[0], alone.weights[0])
    assert np.array_equal(together.averages[0], alone.averages[0])
    assert [member.job.id for member in together.members] == ["1"]


def test_pools_stay_where_they_are_while_others_come_and_go(lively_weights):
    """To add an NCA, or to let one leave, once took a copy of every pool."""
    regime = dataclasses.replace(REGIMES["persistent"], pool=40)
    jobs = [job(str(n), lively_weights, n) for n in range(8)]
    pool_bytes = 40 * SIDE * SIDE * 16 * 4
    tracemalloc.start()
    try:
        cohort = Cohort(regime, SparseEngine(), *jobs[0].target.trained.shape, room=8)
        for one in jobs:
            cohort.add(Member(one))
        marks = [cohort.pools[k].copy() for k in range(8)]
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        cohort.keep(np.array([True, False, True, True, False, True, True, True]))
        for one in jobs[:2]:
            cohort.add(Member(one))
        assert tracemalloc.get_traced_memory()[1] - held < pool_bytes
    finally:
        tracemalloc.stop()
    order = [0, 2, 3, 5, 6, 7, 0, 1]
    assert [member.job.id for member in cohort.members] == [str(n) for n in order]
    for k, n in enumerate(order):
        np.testing.assert_array_equal(cohort.pools[k], marks[n])
        np.testing.assert_array_equal(cohort.targets[k], jobs[n].target.trained)
        np.testing.assert_array_equal(cohort.weights[k], lively_weights(n))
    cohort.add(Member(jobs[4]))  # one more than there is room for
    assert len(cohort.weights) == len(cohort.pools) == 9
    np.testing.assert_array_equal(cohort.weights[7], lively_weights(1))
