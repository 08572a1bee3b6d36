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
from nca_zoo.automaton.record import rollout_keys
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Engine, Floats
from nca_zoo.life.healing import Healing, healing, healing_of_whole
from nca_zoo.life.quality import GROWN, Looks, measure, stored_measures
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.gate import Status
from nca_zoo.training.regime import Regime

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

    @property
    def psnr_96(self) -> float:
        """PSNR in dB once it has grown."""
        return self.measured["psnr_96"]

    @property
    def heals(self) -> float:
        """The share of the standard wounds that closed."""
        shares = [value for name, value in self.measured.items() if name.startswith("heals_")]
        return float(mean(np.array(shares)))

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
    must have one height, width and number of trained channels. A fit that never passes the gate is
    yielded too, with the status that says so and the best of its attempts. If ``watch`` ends the
    training, the NCAs in work are judged as they are, and jobs that have not begun are not.
    """
    queue = iter(jobs)
    first = next(queue, None)
    if first is None:
        return
    waiting = itertools.chain([first], queue)
    cohort = Cohort(regime, engine, *first.target.trained.shape, room=cohort_size)
    failed: dict[str, Fit] = {}  # the best failed attempt of NCAs that are trying again
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


def next_move(
    status: Status, step: int, attempt: int, regime: Regime
) -> Literal["finish", "go on", "retry"]:
    """What a judged NCA does next: after ``step`` training steps of its ``attempt``, from 0."""
    if status == "ok":
        return "finish"
    if status == "below_gate" and step < regime.steps + regime.extra_steps:
        return "go on"
    return "retry" if attempt + 1 < regime.attempts else "finish"


def _judge(cohort: Cohort, failed: dict[str, Fit], stop: bool) -> list[Fit]:
    """After a training step: the NCAs that are done; those that failed are restarted.

    With ``stop`` all of them are done.
    """
    regime = cohort.regime
    chosen = np.arange(len(cohort.members)) if stop else _due(cohort)
    if not len(chosen):
        return []
    began = time.perf_counter()
    members = [cohort.members[k] for k in chosen]
    ncas = cohort.ncas(rollout_keys(0, len(cohort.members)))[chosen]
    weights = ncas.weights
    looks = measure(cohort.engine, ncas, cohort.targets[chosen])
    own = ncas.under(fold(cohort.rng_seeds(), Stream.WOUNDS)[chosen, None])
    healed = healing_of_whole(cohort.engine, own, cohort.targets[chosen], looks)
    statuses = regime.gate.verdict(looks, weights, healed.share)
    share = (time.perf_counter() - began) / len(chosen)
    staying = np.ones(len(cohort.members), bool)
    done, again = [], []
    for i, (k, member, status) in enumerate(zip(chosen, members, statuses, strict=True)):
        member.wall_s += share
        move = "finish" if stop else next_move(status, member.step, member.attempt, regime)
        if move == "go on":
            continue
        staying[k] = False
        fit = _better(
            _fit(member, weights[i], status, looks, healed, i, regime),
            failed.pop(member.job.id, None),
        )
        if move == "finish":
            done.append(fit)
        else:
            failed[member.job.id] = fit
            again.append(Member(member.job, attempt=member.attempt + 1))
    cohort.keep(staying)
    for member in again:
        cohort.add(member)
    return done


def _due(cohort: Cohort) -> npt.NDArray[np.int64]:
    """Which members to judge now: budget spent, diverged, or a check says that they are done."""
    regime, gate = cohort.regime, cohort.regime.gate
    ends = (regime.steps, regime.steps + regime.extra_steps)
    steps = np.array([member.step for member in cohort.members])
    broken = ~np.isfinite([member.losses[-1] for member in cohort.members])
    due = broken | np.isin(steps, ends)
    checked = np.flatnonzero(~due & (steps % gate.check_every == 0))
    if len(checked) and gate.may_stop:
        ncas = cohort.ncas(fold(cohort.rng_seeds(), Stream.CHECK, steps)[:, None])[checked]
        targets = cohort.targets[checked]
        looks = measure(cohort.engine, ncas, targets, gate.trials, gate.enough)
        done = gate.reached(looks, "stops")
        if gate.heals and done.any():
            share = healing(cohort.engine, ncas[done], targets[done]).share
            done[done] = share >= gate.heals.stops
        due[checked] = done | (looks[GROWN.name].alive == 0)
    return np.flatnonzero(due)


def _fit(
    member: Member,
    weights: Floats,
    status: Status,
    looks: Looks,
    healed: Healing,
    i: int,
    regime: Regime,
) -> Fit:
    """Attempt ``member`` as a fit; ``i`` is its row in ``looks`` and ``healed``."""
    kept = stored_measures(looks) | healed.stored()
    return Fit(
        job=member.job,
        weights=weights,
        status=status,
        measured={name: float(values[i]) for name, values in kept.items()},
        grown=looks[GROWN.name].pictures[i],
        losses=member.losses,
        train_steps=member.step,
        attempts=1,
        wall_s=member.wall_s,
        score=float(regime.gate.score(looks)[i]),
    )


def _better(fit: Fit, earlier: Fit | None) -> Fit:
    """The better of two attempts at one NCA, with the work of both."""
    if earlier is None:
        return fit
    rank = ("diverged", "dead", "below_gate", "ok")
    best = max(fit, earlier, key=lambda f: (rank.index(f.status), f.score))
    return dataclasses.replace(
        best,
        train_steps=fit.train_steps + earlier.train_steps,
        attempts=fit.attempts + earlier.attempts,
        wall_s=fit.wall_s + earlier.wall_s,
    )
