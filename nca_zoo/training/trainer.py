"""The batched trainer: pictures to grow in, finished NCAs out as they finish. No I/O.

A cohort trains; the gate decides who is done, who gets more steps and who starts again.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.automaton.record import Automata, rollout_keys
from nca_zoo.automaton.signals import Signal
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Engine, Floats
from nca_zoo.life.healing import Healing, healing_of_whole, heals_enough
from nca_zoo.life.quality import GROWN, STABLE_STEP, Looks, measure, stored_measures
from nca_zoo.life.sowing import Sown, sown
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.gate import Status
from nca_zoo.training.regime import Regime

RANKS: tuple[Status, ...] = ("diverged", "dead", "below_gate", "ok")  # from worst to best

# Looks at a cohort after each training step and changes nothing; True ends the training there.
Watcher = Callable[[Cohort], bool]


@dataclass(frozen=True)
class Fit:
    """A finished NCA."""

    job: Job
    weights: Floats  # (P,)
    status: Status
    measured: dict[str, float]  # what a zoo keeps of its trials: psnr_96, heals_3 and so on
    grown: Floats  # (H, W, 4) at step 96 of rollout seed 0
    losses: list[float]  # of every training step of the attempt that is kept
    train_steps: int  # of all attempts
    attempts: int
    wall_s: float  # its share of the time that its cohort took
    score: float  # dB, what the gate weighs
    place: int = 0  # of its lesson, that it is looked at from; conditions are a fit each
    signal: tuple[Floats, Floats] | None = None  # S (128, d) and s (F, d) of NCAs that hear

    @property
    def psnr_96(self) -> float:
        """PSNR in dB once it has grown."""
        return self.measured["psnr_96"]

    @property
    def heals(self) -> float:
        """The share of the standard wounds that closed."""
        return self._share("heals_")

    @property
    def sows(self) -> float:
        """The share of growths from other seeds that are whole, of NCAs that were sown."""
        return self._share("seeds_")

    def _share(self, kind: str) -> float:
        """The mean of what is measured by names that begin so."""
        shares = [value for name, value in self.measured.items() if name.startswith(kind)]
        return float(mean(np.array(shares)))

    @property
    def changing(self) -> Signal | None:
        """What it hears, if that changes from step to step; what stays is part of its weights."""
        if self.job.film is None or self.signal is None:
            return None
        S, s = self.signal
        return Signal(S[None], s[None], np.arange(len(s), dtype=np.int32)[None, None])

    @property
    def psnr_400(self) -> float:
        """PSNR in dB long after."""
        return self.measured["psnr_400"]


def train(
    jobs: Iterable[Job],
    regime: Regime,
    engine: Engine,
    cohort_size: int = 8,
    watch: Watcher | None = None,
) -> Iterator[Fit]:
    """``train_together``, one fit after the other."""
    for fits in train_together(jobs, regime, engine, cohort_size, watch):
        yield from fits


def train_together(
    jobs: Iterable[Job],
    regime: Regime,
    engine: Engine,
    cohort_size: int = 8,
    watch: Watcher | None = None,
) -> Iterator[list[Fit]]:
    """Train every job through the gate, ``cohort_size`` at a time; yields fits as they finish.

    Those that finish after the same training step come together, to be stored at once. All targets
    must have one height, width and number of trained channels, and all lessons be of one kind. An
    NCA whose lesson has conditions is a fit for each, one after the other: the plain NCA that
    always hears this one, judged by its picture. A fit that never passes the gate is yielded too,
    with the status that says so and the best of its attempts. If ``watch`` ends the training, the
    NCAs in work are judged as they are, and jobs that have not begun are not.
    """
    queue = iter(jobs)
    first = next(queue, None)
    if first is None:
        return
    waiting = itertools.chain([first], queue)
    shape, kind = first.target.trained.shape, first.taught.kind
    cohort = Cohort(regime, engine, *shape, room=cohort_size, kind=kind)
    failed: dict[str, list[Fit]] = {}  # the best failed attempt of NCAs that are trying again
    while True:
        while len(cohort.members) < cohort_size and (job := next(waiting, None)) is not None:
            cohort.add(Member(job))
        if not cohort.members:
            return
        cohort.step()
        stop = watch is not None and watch(cohort)
        if done := _judge(cohort, failed, stop):
            yield done
        if stop:
            return


def untrained(
    jobs: Iterable[Job], regime: Regime, engine: Engine, cohort_size: int = 8
) -> Iterator[Fit]:
    """Every job as it starts, judged without a training step; targets are as in ``train``."""
    queue = iter(jobs)
    while some := list(itertools.islice(queue, cohort_size)):
        shape, kind = some[0].target.trained.shape, some[0].taught.kind
        cohort = Cohort(regime, engine, *shape, room=len(some), kind=kind)
        for job in some:
            cohort.add(Member(job))
        yield from _judge(cohort, {}, stop=True)


def next_move(
    status: Status, step: int, attempt: int, regime: Regime
) -> Literal["finish", "go on", "retry"]:
    """What a judged NCA does next: after ``step`` training steps of its ``attempt``, from 0.

    One that died begins again. If it has one attempt alone it goes on: births can fail by chance,
    and under the masks of training it may live.
    """
    if status == "ok":
        return "finish"
    hopes = status == "below_gate" or (status == "dead" and regime.attempts == 1)
    if hopes and step < regime.steps + regime.extra_steps:
        return "go on"
    return "retry" if attempt + 1 < regime.attempts else "finish"


def _judge(cohort: Cohort, failed: dict[str, list[Fit]], stop: bool) -> list[Fit]:
    """After a training step: the NCAs that are done; those that failed are restarted.

    With ``stop`` all of them are done.
    """
    regime = cohort.regime
    due = np.arange(len(cohort.members)) if stop else _due(cohort)
    if not len(due):
        return []
    began = time.perf_counter()
    verdicts = [_verdict(cohort, due, place) for place in cohort.views]
    leaving: dict[int, tuple[str, tuple[Status, ...]]] = {}  # by places: the move, a status a view
    for k, statuses in zip(due.tolist(), zip(*verdicts, strict=True), strict=True):
        member, worst = cohort.members[k], min(statuses, key=RANKS.index)
        move = "finish" if stop else next_move(worst, member.step, member.attempt, regime)
        if move != "go on":
            leaving[k] = move, statuses
    rows = np.array(list(leaving), np.int64)
    views = [_view(cohort, rows, place) for place in cohort.views] if leaving else []
    share = (time.perf_counter() - began) / len(due)
    for k in due:
        cohort.members[k].wall_s += share
    done, again = [], []
    for i, (k, (final, statuses)) in enumerate(leaving.items()):
        member = cohort.members[k]
        seen = zip(views, statuses, strict=True)
        fits = [_fit(cohort, member, view, i, status) for view, status in seen]
        fits = _better(fits, failed.pop(member.job.id, None))
        if final == "finish":
            done += fits
        else:
            failed[member.job.id] = fits
            again.append(Member(member.job, attempt=member.attempt + 1))
    cohort.keep(~np.isin(np.arange(len(cohort.members)), rows))
    for member in again:
        cohort.add(member)
    return done


def _verdict(cohort: Cohort, rows: npt.NDArray[np.int64], place: int) -> list[Status]:
    """What the gate says of some members, under masks that nothing else is seen under."""
    gate, due = cohort.regime.gate, _due_of(cohort, rows, place)
    ncas = cohort.ncas(fold(cohort.rng_seeds(), Stream.GATE)[:, None], place)[rows]
    looks = measure(cohort.engine, ncas, due, gate.trials, period=cohort.period)
    besides = gate.reached(looks, "passes")  # what has not grown is not wounded
    besides[besides] = _besides(cohort, ncas[besides], due(STABLE_STEP)[besides], "passes")
    return gate.verdict(looks, ncas.weights, besides)


def _besides(
    cohort: Cohort, ncas: Automata, goals: Floats, by: Literal["passes", "stops"]
) -> npt.NDArray[np.bool_]:
    """Which of some NCAs ``(n,)`` that have grown do what else the gate asks of them: they heal,
    and grow from other seeds. goals: ``(n, H, W, C)``."""
    gate = cohort.regime.gate
    met = np.ones(len(ncas), bool)
    if gate.heals:
        met = heals_enough(cohort.engine, ncas, goals, getattr(gate.heals, by))
    if gate.sows and met.any():
        grown = _sown(cohort, ncas[met], goals[met])
        met[met] = grown.share(gate.least(by)) >= getattr(gate.sows, by)
    return met


def _sown(cohort: Cohort, ncas: Automata, goals: Floats) -> Sown:
    regime = cohort.regime
    look = regime.seed_hidden, regime.seeds, regime.gate.last_step
    return sown(cohort.engine, ncas, goals, *look)


def _due(cohort: Cohort) -> npt.NDArray[np.int64]:
    """Which members to judge now: budget spent, diverged, or a check says that they are done."""
    regime, gate = cohort.regime, cohort.regime.gate
    ends = (regime.steps, regime.steps + regime.extra_steps)
    steps = np.array([member.step for member in cohort.members])
    broken = ~np.isfinite([member.losses[-1] for member in cohort.members])
    due = broken | np.isin(steps, ends)
    checked = np.flatnonzero(~due & (steps % gate.check_every == 0) & (steps >= regime.weaned))
    if len(checked) and gate.may_stop:
        keys = fold(cohort.rng_seeds(), Stream.CHECK, steps)[:, None]
        done, dead = np.ones(len(checked), bool), np.zeros(len(checked), bool)
        for place in cohort.views:
            ncas, goal = cohort.ncas(keys, place)[checked], _due_of(cohort, checked, place)
            looks = measure(cohort.engine, ncas, goal, gate.trials, gate.enough, cohort.period)
            done &= gate.reached(looks, "stops")
            done[done] = _besides(cohort, ncas[done], goal(STABLE_STEP)[done], "stops")
            dead |= looks[GROWN.name].alive == 0
        due[checked] = done | dead
    return np.flatnonzero(due)


def _due_of(cohort: Cohort, rows: npt.NDArray[np.int64], place: int) -> Callable[[int], Floats]:
    """What is due at a CA step of some members' rollouts from a place."""
    return lambda step: cohort.due(place, step)[rows]


@dataclass(frozen=True, eq=False)
class _View:
    """What was seen of some members, from a place of their lessons."""

    place: int
    ncas: Automata
    looks: Looks
    healed: Healing
    sown: Sown | None = None  # of NCAs that grow from several seeds


def _view(cohort: Cohort, rows: npt.NDArray[np.int64], place: int) -> _View:
    """Figures are of masks that decided nothing, so they flatter nobody."""
    ncas = cohort.ncas(rollout_keys(0, len(cohort.members)), place)[rows]
    due = _due_of(cohort, rows, place)
    looks = measure(cohort.engine, ncas, due, period=cohort.period)
    own = ncas.under(fold(cohort.rng_seeds(), Stream.WOUNDS)[rows, None])
    healed = healing_of_whole(cohort.engine, own, due(STABLE_STEP), looks)
    if cohort.regime.seeds == 1:
        return _View(place, ncas, looks, healed)
    return _View(place, ncas, looks, healed, _sown(cohort, own, due(STABLE_STEP)))


def _fit(cohort: Cohort, member: Member, view: _View, i: int, status: Status) -> Fit:
    """Attempt ``member`` as a fit; ``i`` is its row in the view."""
    looks = view.looks
    kept = stored_measures(looks) | view.healed.stored()
    if view.sown is not None:
        kept |= view.sown.stored(cohort.regime.gate.least("passes"))
    return Fit(
        job=member.job,
        weights=view.ncas.weights[i],
        status=status,
        measured={name: float(values[i]) for name, values in kept.items()},
        grown=looks[GROWN.name].pictures[i],
        losses=member.losses,
        train_steps=member.step,
        attempts=1,
        wall_s=member.wall_s,
        score=float(cohort.regime.gate.score(looks)[i]),
        place=view.place,
        signal=cohort.heard(member),
    )


def _rank(fit: Fit) -> tuple[int, float]:
    return RANKS.index(fit.status), fit.score


def _better(fits: list[Fit], earlier: list[Fit] | None) -> list[Fit]:
    """The better of two attempts at one NCA, by its worst view, with the work of both."""
    if earlier is None:
        return fits
    best = max(fits, earlier, key=lambda attempt: min(map(_rank, attempt)))
    new, old = fits[0], earlier[0]
    return [
        dataclasses.replace(
            fit,
            train_steps=new.train_steps + old.train_steps,
            attempts=new.attempts + old.attempts,
            wall_s=new.wall_s + old.wall_s,
        )
        for fit in best
    ]
