"""Watching an NCA learn: the watcher sees all, changes nothing, and can end it."""

import dataclasses

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import Target
from nca_zoo.training.cohort import Job
from nca_zoo.training.diary import Diary
from nca_zoo.training.gate import gate
from nca_zoo.training.init import Init
from nca_zoo.training.regime import Regime
from nca_zoo.training.trainer import train

HARD = gate(90, 95, stable=False, every=100)
REGIME = Regime("growing", batch=1, steps=12, extra_steps=0, attempts=1, gate=HARD)


@pytest.fixture
def job(lively_weights):
    picture = np.zeros((8, 8, 4), np.float32)
    picture[3:6, 3:6] = 0.8
    return Job("a", Target(picture, 4, 4), Init("shared", lively_weights(1)), 100)


def trained(job, regime=REGIME, watch=None):
    (fit,) = train([job], regime, SparseEngine(), 1, watch)
    return fit


def test_a_watcher_hears_of_every_step_and_changes_nothing(job):
    heard = []
    diary = Diary(tell=lambda *news: heard.append(news))
    watched, alone = trained(job, watch=diary), trained(job)
    np.testing.assert_array_equal(watched.weights, alone.weights)
    assert [step for _, step, _, _ in heard] == list(range(1, 13))
    assert [loss for _, _, loss, _ in heard] == alone.losses
    assert [step for _, step, _, page in heard if page] == [10]


@pytest.mark.parametrize("channels", [[0, 1, 2, 3], [3, 3, 3, 3]])
def test_pages_are_what_the_weights_grow_at_that_step(job, channels):
    target = dataclasses.replace(job.target, channels=len(set(channels)))
    job = dataclasses.replace(job, target=target)
    weights_after = {0: job.init.shared}
    diary = Diary(keep=(0, 3, 7))

    def watch(cohort):
        weights_after[cohort.members[0].step] = cohort.weights[0].copy()
        return diary(cohort)

    fit = trained(job, watch=watch)
    pages = diary.of(fit)
    assert [page.step for page in pages] == [0, 3, 7, 12]
    for page in pages:
        seed = rule.seed_state(8, 8, 4, 4)
        *_, (_, state) = rollout(weights_after[page.step], seed, 96)
        np.testing.assert_allclose(page.grown, state[..., channels], atol=1e-6)
        reached = psnr(state[..., channels], job.target.rgba)
        assert page.psnr_96 == pytest.approx(reached, abs=1e-3)


def test_round_steps_are_kept_unless_others_are_asked_for(job):
    diary = Diary()
    trained(job, dataclasses.replace(REGIME, steps=60), diary)
    assert [page.step for page in diary.pages] == [0, 10, 20, 50]


def test_the_pages_are_those_of_the_attempt_that_is_kept(job):
    twice = dataclasses.replace(REGIME, attempts=2)
    diary = Diary(keep=(0, 6))
    fit = trained(job, twice, diary)
    assert fit.attempts == 2
    once = [trained(dataclasses.replace(job), REGIME)]
    kept = 0 if fit.losses == once[0].losses else 1
    assert {page.attempt for page in diary.of(fit)} == {kept}
    assert [page.step for page in diary.of(fit)] == [0, 6, 12]
    assert len(diary.pages) == 4


def test_training_ends_when_the_watcher_says_so(job):
    steps = []
    diary = Diary(tell=lambda *news: steps.append(news[1]), stop=lambda: len(steps) == 5)
    twice = dataclasses.replace(REGIME, attempts=2)
    fit = trained(job, twice, diary)
    assert steps == [1, 2, 3, 4, 5]
    assert (fit.train_steps, fit.attempts) == (5, 1)
    to_there = trained(job, dataclasses.replace(REGIME, steps=5))
    assert fit.status == to_there.status != "ok"
    np.testing.assert_array_equal(fit.weights, to_there.weights)


def test_what_passes_the_gate_when_it_is_ended_is_ok(job):
    easy = dataclasses.replace(REGIME, gate=gate(1, 95, stable=False, every=100))
    assert trained(job, easy, lambda _: True).status == "ok"


def test_ending_keeps_the_better_of_two_attempts(job):
    twice = dataclasses.replace(REGIME, attempts=2)
    first = trained(job)
    fit = trained(job, twice, lambda cohort: cohort.members[0].attempt == 1)
    assert fit.attempts == 2
    assert fit.train_steps == 13
    assert fit.psnr_96 >= first.psnr_96
