"""Rhythm of trajectories made by hand, and of NCAs whose life is known."""

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.signals import Signal, clock
from nca_zoo.life import rhythm as module
from nca_zoo.life.rhythm import measure, rhythm

PERIOD, FIRST, SIDE = 32, 97, 7


@pytest.fixture(scope="module")
def film():
    """A spot that goes round: 16 frames of which neighbours are alike."""
    rows, cols = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    way = 2 * np.pi * np.arange(16) / 16
    far = np.hypot(rows - 2 * np.sin(way)[:, None, None], cols - 2 * np.cos(way)[:, None, None])
    return np.repeat(np.exp(-far)[..., None], 4, axis=-1).astype(np.float32)


def played(film, own_period, late=0.0, rounds=20):
    """What is seen from step ``FIRST`` on if it goes round in ``own_period`` steps, so late."""
    steps = FIRST + np.arange(rounds * PERIOD) - late
    return film[np.floor(steps / own_period % 1 * len(film)).astype(int)]


def test_what_is_played_as_it_is_due(film):
    found = rhythm(played(film, PERIOD), film, PERIOD, FIRST)
    assert found.own_period == PERIOD
    assert not found.ahead.any()
    assert not found.due.any()
    assert found.goes.all()
    assert found.still == pytest.approx(np.square(film - film.mean(axis=0)).mean(), rel=1e-5)


@pytest.mark.parametrize("own_period", [30, 31.5, 33, 36])
def test_a_period_of_its_own(film, own_period):
    """Also over so many rounds that it falls behind by more than one."""
    found = rhythm(played(film, own_period, rounds=30), film, PERIOD, FIRST)
    assert found.own_period == pytest.approx(own_period, rel=2e-3)
    assert (found.own < found.due.reshape(30, PERIOD).mean(axis=1)).any()


@pytest.mark.parametrize(("late", "ahead"), [(6, -6), (20, 12), (-10, 10)])
def test_a_shift_stays(film, late, ahead):
    found = rhythm(played(film, PERIOD, late), film, PERIOD, FIRST)
    assert found.ahead.tolist() == [ahead] * 20
    assert not found.own.any()
    assert found.own_period == PERIOD
    assert found.due.min() > 0


def test_a_film_that_goes_round_twice_has_two_phases_alike(film):
    twice = np.concatenate([film[::2], film[::2]])
    found = rhythm(played(twice, PERIOD, PERIOD / 2 + 3), twice, PERIOD, FIRST)
    assert found.beat == PERIOD / 2
    assert found.ahead.tolist() == [-3] * 20  # not 16 + 3 late
    assert found.own_period == PERIOD


def test_what_does_not_go_along_has_no_period(film):
    mean = np.repeat(film.mean(axis=0)[None], 3 * PERIOD, axis=0)
    wild = np.full((3 * PERIOD, SIDE, SIDE, 4), np.nan, np.float32)
    for life in (mean, 0 * mean, wild):
        found = rhythm(life, film, PERIOD, FIRST)
        assert not found.goes.any()
        assert np.isnan(found.own_period)
    assert (rhythm(wild, film, PERIOD, FIRST).due == 1).all()
    assert np.isnan(rhythm(film[:20], film, PERIOD, FIRST).own_period)  # less than a round


@pytest.fixture
def briefly(monkeypatch):
    monkeypatch.setattr(module, "LAST_STEP", 500)


def pulsing(spreads, clocked=True):
    """An NCA of which all red cells are ``(1 + cos p) / 2`` after a step of phase p, and its film.

    It forgets: red becomes what the clock says. spreads: alpha of 1 grows into all that lives.
    """
    tensors = {name: np.zeros(shape, np.float32) for name, shape in rule.PARAM_SPEC}
    tensors["W1"][0, 0], tensors["W2"][0, 0] = 1, -1  # red goes,
    tensors["b1"][1], tensors["W2"][0, 1] = 0.5, 1  # what is heard comes in its place
    tensors["b2"][rule.ALPHA] = spreads
    S = np.zeros((1, rule.HIDDEN, 4), np.float32)
    S[0, 1, 0] = 0.5 * clocked
    hands, when = clock(PERIOD)[None], np.arange(PERIOD, dtype=np.int32)[None, None]
    seed = rule.seed_state(SIDE, SIDE, 3, 3)
    weights = rule.flatten(tensors)[None]
    nca = Automata.grown(weights, seed, fire_rate=1.0, signal=Signal(S, hands, when))
    film = np.zeros((PERIOD, SIDE, SIDE, 4), np.float32)
    lives = np.s_[:, :, :] if spreads else np.s_[:, 2:5, 2:5]  # also beside what is lit
    film[(*lives, 0)] = np.roll((1 + clock(PERIOD)[:, 0]) / 2, 1)[:, None, None]
    film[..., rule.ALPHA] = 1 if spreads else seed[..., rule.ALPHA]
    return nca, film


def test_an_nca_that_is_told_the_phase_and_grows_again_finds_it(briefly):
    found = measure(*pulsing(spreads=1), PERIOD)
    assert found.pop("psnr_due") == found.pop("psnr_own") > 95
    assert found == {"own_period": PERIOD, "phase_again": 1, "film_again": 1}


def test_what_a_wound_takes_whole_finds_nothing(briefly):
    found = measure(*pulsing(spreads=0), PERIOD)
    assert found["own_period"] == PERIOD
    assert found["phase_again"] == found["film_again"] == 0


def test_a_still_has_no_phase_to_lose(briefly):
    found = measure(*pulsing(spreads=1, clocked=False), PERIOD)
    assert all(np.isnan(found[name]) for name in ("own_period", "phase_again", "film_again"))
    assert 10 < found["psnr_due"] < found["psnr_own"] + 3
