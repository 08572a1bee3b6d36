"""A small zoo of each regime does what its name says, on digits that no start has seen."""

import dataclasses

import numpy as np
import pytest

from nca_zoo.automaton.noise import fit_seed, fold
from nca_zoo.automaton.record import Automata
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.healing import healing
from nca_zoo.life.quality import measure, relative_error
from nca_zoo.pictures.sources import load_pictures, target_of
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import train

DIGITS = "1-030", "3-030", "7-030"


@pytest.fixture(scope="module")
def digits():
    _, pictures = load_pictures("digits", per_class=31)
    return [target_of(picture, TargetSettings()) for picture in pictures if picture.id in DIGITS]


def zoo_of(name, digits):
    """Fits of the digits, by their order, and the same NCAs under masks that decided nothing."""
    regime, start = REGIMES[name], make_init("meta", name)
    jobs = [Job(str(i), target, start, fit_seed(0, str(i))) for i, target in enumerate(digits)]
    fits = sorted(train(jobs, regime, SparseEngine(2), len(jobs)), key=lambda fit: fit.job.id)
    weights = np.stack([fit.weights for fit in fits])
    seeds = np.stack([job.seed_state(regime) for job in jobs])
    keys = fold(np.full((len(jobs), 1), 12345, np.uint64), np.arange(len(jobs))[:, None])
    return fits, Automata(weights, seeds, keys)


def test_growing_grows(digits):
    fits, ncas = zoo_of("growing", digits)
    goals = np.stack([target.rgba for target in digits])
    looks = measure(SparseEngine(2), ncas, goals)
    assert [fit.status for fit in fits] == ["ok"] * 3
    assert np.median(looks["96"].psnr) > 23


@pytest.mark.wide
def test_persistent_stays_and_regenerating_heals(digits):
    digits = digits[:2]
    goals = np.stack([target.rgba for target in digits])
    shares = {}
    for name in ("persistent", "regenerating"):
        fits, ncas = zoo_of(name, digits)
        assert [fit.status for fit in fits] == ["ok"] * 2
        looks = measure(SparseEngine(2), ncas, goals)
        assert (relative_error(looks["400"].pictures, goals) < 0.1).all()
        found = healing(SparseEngine(2), ncas, goals)
        shares[name] = found.share.mean()
        for fit in fits:
            stored = [fit.measured[f"heals_{kind}"] for kind in ("3", "5", "7", "half")]
            assert all(share in (0, 0.25, 0.5, 0.75, 1) for share in stored)
            if name == "regenerating":
                assert np.mean(stored) >= REGIMES[name].gate.heals.passes
    assert not found.died.any()
    assert shares["regenerating"] > max(0.5, shares["persistent"])


@pytest.mark.wide
def test_training_lasts_until_it_heals(digits):
    """Less is asked for, and training is over sooner."""
    regime = dataclasses.replace(REGIMES["regenerating"], steps=60, extra_steps=0, attempts=1)
    job = Job("a", digits[0], make_init("meta", "regenerating"), 5)
    soon = dataclasses.replace(regime, gate=regime.gate.until(20, 0.5))
    (early,) = train([job], soon, SparseEngine(2))
    never = dataclasses.replace(regime, gate=regime.gate.until(90, 1.0))
    (late,) = train([job], never, SparseEngine(2))
    assert early.train_steps < late.train_steps == 60
    assert early.status == "ok"
