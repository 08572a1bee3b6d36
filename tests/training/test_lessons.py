"""NCAs that learn several pictures, and what they hear: against torch, and by what they grow."""

import dataclasses

import numpy as np
import plain
import pytest
import torch
from test_cohort import SIDE, Spy, job

from nca_zoo.automaton.noise import fire_mask, uniform
from nca_zoo.automaton.rule import N_PARAMS, seen, step
from nca_zoo.automaton.signals import heard
from nca_zoo.life.engines.goals import at_every_step, at_late_steps, at_the_end
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.rollout import rollout
from nca_zoo.training.cohort import Cohort, Member
from nca_zoo.training.gate import gate
from nca_zoo.training.lessons import conditions, film, still
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import train

PICTURES = uniform(4, 3 * SIDE * SIDE * 4).reshape(3, SIDE, SIDE, 4).astype(np.float32)


def taught(regime, lesson, lively_weights, names="a"):
    """A cohort whose NCAs all have this lesson."""
    jobs = [
        dataclasses.replace(job(name, lively_weights, seed), lesson=lesson)
        for seed, name in enumerate(names, 1)
    ]
    cohort = Cohort(regime, Spy(), SIDE, SIDE, kind=lesson.kind)
    for one in jobs:
        cohort.add(Member(one))
    return cohort


def split(cohort, k=0):
    """Weights (P,), S (128, d) and s (F, d) of an NCA."""
    kind, params = cohort.kind, cohort.weights[k]
    S, s = (params[part] for part in kind.parts)
    return params[:N_PARAMS], S.reshape(128, kind.d), s.reshape(kind.places, kind.d)


LESSONS = {
    "conditions": conditions(PICTURES),
    "codes": conditions(PICTURES, code=2),
    "clock": film(PICTURES, 16),
    "weaned": film(PICTURES, 16, clocked=False),
}


@pytest.mark.wide
@pytest.mark.parametrize("name", ["conditions", "codes", "clock", "weaned"])
def test_learning_to_hear_is_the_recipe_written_out_in_torch(lively_weights, name):
    """Autograd through the definition, torch's Adam; what is due and heard counted by hand."""
    lesson, moves = LESSONS[name], name in ("clock", "weaned")
    regime = dataclasses.replace(REGIMES["persistent"], batch=2, pool=3, loss="late", lr=1e-3)
    regime = dataclasses.replace(regime, weaned=4)
    cohort = taught(regime, lesson, lively_weights)
    weights, S, s = (part.copy() for part in split(cohort))
    params = [*plain.tensors(weights), *(torch.tensor(x.astype(float)) for x in (S, s))]
    learnt = params if name == "codes" else params[:5]
    adam = torch.optim.Adam(learnt, lr=regime.lr)
    for loud in (1, 0.75, 0.5) if name == "weaned" else (1, 1, 1):
        places = []
        begin = cohort._starts
        cohort._starts = lambda keys, begin=begin, places=places: (
            places.append(begin(keys)) or (places[0])
        )
        cohort.step()
        cohort._starts = begin
        (_, states, keys, (steps,)), (_, _, placed) = cohort.engine.calls[-1], places[0]
        total = [torch.zeros_like(p) for p in params]
        flat = np.concatenate([p.detach().numpy().ravel() for p in params[:4]])
        for example in range(2):
            fires = [fire_mask(keys[0, example], t, SIDE, SIDE) for t in range(steps)]
            start, on = int(placed[0, example]), int(moves)
            hears = [(start + on * t) % len(lesson.s) for t in range(steps)]
            when = np.full(steps, -1)
            for t in range(steps):
                if (t + 1 >= 40 and (steps - t - 1) % 8 == 0) or t + 1 == steps:
                    when[t] = (start + on * (t + 1)) % len(lesson.s)
            _, found, _ = plain.rollout(
                flat, states[0, example], fires, lesson.frames, when=when,
                hears=(params[4].detach().numpy(), loud * params[5].detach().numpy(), hears),
            )  # fmt: skip
            for so_far, one in zip(total, found, strict=True):
                so_far += torch.tensor(one) / 2
        for p, gradient in zip(params, total, strict=True):
            p.grad = gradient / (gradient.norm() + 1e-8)
        adam.step()
    expected = np.concatenate([p.detach().numpy().ravel() for p in params])
    np.testing.assert_allclose(cohort.weights[0], expected, rtol=0, atol=2e-4)
    _, S_now, s_now = split(cohort)
    assert np.abs(S_now - S).max() > 3e-4
    assert (np.abs(s_now - s).max() > 1e-4) == (name == "codes")


def test_a_clock_falls_silent_evenly_and_those_that_leave_never_hear_it(lively_weights):
    regime = dataclasses.replace(REGIMES["persistent"], batch=2, pool=2, weaned=4)
    assert [regime.loudness(step) for step in (0, 1, 3, 4, 99)] == [1, 0.75, 0.25, 0, 0]
    cohort = taught(regime, LESSONS["weaned"], lively_weights, "ab")
    clock = LESSONS["weaned"].s
    for loud in (1, 0.75, 0.5):
        cohort.step()
        assert np.array_equal(cohort.engine.signals[-1].s, loud * np.stack([clock] * 2))
    keys = np.array([[1], [2]], np.uint64)
    leaving = cohort.ncas(keys)
    assert leaving.signal is None
    assert leaving.weights.shape == (2, N_PARAMS)
    assert cohort.heard(cohort.members[0]) is None
    assert split(cohort)[1].any()  # it was learnt
    cohort.step()
    cohort.step()
    assert not cohort.engine.signals[-1].s.any()


@pytest.mark.parametrize("name", list(LESSONS))
def test_pool_entries_carry_their_place(lively_weights, name):
    lesson = LESSONS[name]
    regime = dataclasses.replace(REGIMES["persistent"], batch=3, pool=4, lr=1e-6)
    cohort = taught(regime, lesson, lively_weights, "ab")
    f, moves = len(lesson.frames), lesson.kind.moves
    begins, told = set(), 0
    for _ in range(12):
        before = cohort.places.copy()
        pools = cohort.pools.copy()
        cohort.step()
        steps = cohort.engine.calls[-1][3]
        finals = cohort.engine.answers[-1].states
        for k in range(2):
            for i in np.flatnonzero((pools[k] != cohort.pools[k]).any(axis=(1, 2, 3))):
                (example,) = [
                    b for b in range(3) if np.array_equal(finals[k, b], cohort.pools[k, i])
                ]
                after = int(cohort.places[k, i])
                begun = (after - steps[k]) % f if moves else after
                if example == 0:
                    begins.add(begun)
                elif begun != before[k, i]:
                    told += 1
                    assert example == 2
    assert begins == ({0} if moves else {0, 1, 2})
    assert (told > 3) == (not moves)


def test_one_of_four_examples_begins_anew_where_there_are_several_pictures(lively_weights):
    regime = dataclasses.replace(REGIMES["persistent"], batch=8, pool=12)
    for name, anew in {"conditions": 2, "clock": 1}.items():
        cohort = taught(regime, LESSONS[name], lively_weights)
        for _ in range(2):
            cohort.step()
        _, states, _, _ = cohort.engine.calls[-1]
        seeds = [np.array_equal(state, cohort.seeds[0]) for state in states[0]]
        assert sum(seeds[:anew]) == anew
        assert cohort.fresh == anew


@pytest.mark.parametrize("code", [0, 2, 5, 7])
def test_a_start_that_tells_pictures_apart_goes_on_doing_so(lively_weights, code):
    """Of five numbers, of which three say something, two are kept, or all; more are drawn. One
    signal of so many stands for all five."""
    rng = np.random.default_rng(0)
    S, codes = (rng.normal(size=size).astype(np.float32) for size in ((128, 5), (3, 5)))
    codes[:, 1] = 0
    S[:, 3] = 0
    S[:, 4] *= 1e-3
    lesson = conditions(PICTURES, code, (S, codes))
    S_then, s_then = split(taught(REGIMES["growing"], lesson, lively_weights), 0)[1:]
    kept = {2: [0, 2]}.get(code, slice(None))
    heard_then = np.einsum("hd,fd->fh", S_then, s_then)
    np.testing.assert_allclose(heard_then, codes[:, kept] @ S[:, kept].T, atol=1e-5)
    assert (S_then.any(axis=0) | s_then.any(axis=0)).all()  # zeros in both would never be learnt


def test_what_is_heard_for_ever_is_what_conditions_grow(lively_weights):
    """An NCA at a condition is the plain NCA of another bias: any viewer may play it."""
    cohort = taught(REGIMES["growing"], LESSONS["conditions"], lively_weights, "ab")
    for _ in range(3):
        cohort.step()
    keys = np.array([[5], [6]], np.uint64)
    for place in range(3):
        ncas = cohort.running(cohort.averages, keys, np.full((2, 1), place, np.int32))
        assert ncas.signal is not None
        assert cohort.ncas(keys, place).signal is None
        found = cohort.engine.rollout(ncas, ncas.starts(), 0, 50)
        for k in range(2):
            weights, S, s = split(cohort, k)
            one = dataclasses.replace(ncas[[k]], weights=heard(weights, S, s[place])[None])
            np.testing.assert_array_equal(one.weights, cohort.ncas(keys, place).weights[[k]])
            quiet = dataclasses.replace(one, signal=None)
            alone = cohort.engine.rollout(quiet, quiet.starts(), 0, 50)
            np.testing.assert_array_equal(found[k], alone[0])


@pytest.mark.parametrize(("name", "attempts"), [("conditions", 1), ("codes", 2)])
def test_conditions_leave_training_as_plain_ncas_each_judged_by_its_picture(
    lively_weights, name, attempts
):
    least = 0 if attempts == 1 else 90
    lesson, quick = LESSONS[name], gate(least, 99, every=2)
    regime = dataclasses.replace(
        REGIMES["persistent"], steps=4, extra_steps=0, attempts=attempts, lr=1e-4, gate=quick
    )
    work = dataclasses.replace(job("a", lively_weights), lesson=lesson)
    fits = list(train([work], regime, SparseEngine()))
    assert [fit.place for fit in fits] == [0, 1, 2]
    assert {fit.attempts for fit in fits} == {attempts}
    S, s = fits[0].signal
    base = fits[0].weights.astype(float)
    for fit in fits:
        change = fit.weights - base
        assert not change[6272:].any()
        assert not change[:6144].any()
        np.testing.assert_allclose(change[6144:6272], S @ (s[fit.place] - s[0]), atol=1e-6)
        path = rollout(fit.weights, work.seed_state(regime), 96, every=96)
        grown = seen(dict(path)[96])
        np.testing.assert_allclose(fit.grown, grown, rtol=0, atol=1e-5)
        error = np.square(np.clip(grown, 0, 1) - lesson.frames[fit.place]).mean()
        assert fit.psnr_96 == pytest.approx(-10 * np.log10(error), abs=0.01)


def test_a_film_is_judged_by_the_frame_that_is_due(lively_weights):
    regime = dataclasses.replace(
        REGIMES["growing"], steps=2, extra_steps=0, attempts=1, loss="late", fire_rate=1.0
    )
    work = dataclasses.replace(job("a", lively_weights), lesson=LESSONS["clock"])
    (fit,) = train([work], regime, SparseEngine())
    assert fit.signal[1].shape == (16, 4)
    state = work.seed_state(regime).astype(float)
    errors = []
    for t in range(96 + 15):  # by hand: what the clock says is another bias in every step
        weights = heard(fit.weights, fit.signal[0], fit.signal[1][t % 16])
        state = step(weights, state, np.ones((SIDE, SIDE), bool))
        if t + 1 == 96:
            np.testing.assert_allclose(fit.grown, seen(state), rtol=0, atol=1e-3)
        if t + 1 >= 96 and t % 2:  # eight looks at a round
            due = LESSONS["clock"].frames[(t + 1) % 16]
            errors.append(np.square(np.clip(seen(state), 0, 1) - due).mean())
    assert len(errors) == 8
    assert fit.psnr_96 == pytest.approx(-10 * np.log10(np.mean(errors)), abs=0.05)


def test_company_changes_nothing_where_ncas_hear(lively_weights):
    regime = REGIMES["persistent"]
    together = taught(regime, LESSONS["codes"], lively_weights, "abc")
    alone = taught(regime, LESSONS["codes"], lively_weights, "abc")
    alone.keep(np.array([False, True, False]))
    for _ in range(4):
        together.step()
        alone.step()
    assert np.array_equal(together.weights[1], alone.weights[0])


def test_a_film_lasts_its_period():
    frames = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1) * np.ones((3, 5, 5, 4), np.float32)
    lesson = film(frames, 8)
    assert lesson.frames[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert lesson.s.shape == (8, 4)
    weaned = film(frames, 8, clocked=False)
    assert weaned.kind.weaned
    assert np.array_equal(weaned.s, lesson.s)
    assert still(frames[0]).kind.n_params == N_PARAMS


def test_late_looks_are_the_last_and_every_eighth_before_it():
    targets, steps = np.zeros((2, 3, 3, 4), np.float32), np.array([64, 67])
    late = [set(np.flatnonzero(row + 1) + 1) for row in at_late_steps(targets, steps, 1).when[:, 0]]
    assert late == [{40, 48, 56, 64}, {43, 51, 59, 67}]
    for fill in (at_the_end, at_every_step):
        assert (fill(targets, steps, 1).when[:, 0] >= 0).sum(axis=1).max() in (1, 67)
