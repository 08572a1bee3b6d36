"""The gate: which trials an NCA must pass to be stored as good, and which end its training."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import ten_to
from nca_zoo.life.engines import Floats
from nca_zoo.life.quality import (
    GROWN,
    STABLE,
    TRIALS,
    WHOLE_DB,
    WHOLE_ERROR,
    WHOLE_WINDOW,
    Looks,
    Trial,
)

Status = Literal["ok", "below_gate", "dead", "diverged"]


@dataclass(frozen=True)
class Criterion:
    """What is asked of one trial, in dB of PSNR against the target."""

    trial: Trial
    passes: float = WHOLE_DB  # from here on an NCA is ok, if it also errs little
    stops: float = 25.0  # training ends early once a check reaches this in every criterion


@dataclass(frozen=True)
class Heals:
    """What is asked of an NCA's wounds: the share of the standard ones that close."""

    passes: float = 0.5  # from here on an NCA is ok
    stops: float = 0.85  # training may end early once a check reaches this

    def __post_init__(self) -> None:
        for name in ("passes", "stops"):
            if not 0 <= getattr(self, name) <= 1:
                raise ZooError(
                    f"the share of wounds that heal is {getattr(self, name):g}; it must be from 0 "
                    "to 1"
                )


@dataclass(frozen=True)
class Sows:
    """What is asked of growths from drawn seeds: the share that is whole at the last trial."""

    passes: float = 0.75  # from here on an NCA is ok
    stops: float = 1.0  # training may end early once a check reaches this, at the dB that end it


@dataclass(frozen=True)
class Gate:
    """When a fit is good enough: every criterion is met, and the NCA lives, and heals."""

    criteria: tuple[Criterion, ...] = (Criterion(GROWN), Criterion(STABLE))
    check_every: int = 10  # training steps between checks
    heals: Heals | None = None  # None: nobody asks, as for the three below
    sows: Sows | None = None
    error: float | None = WHOLE_ERROR  # the largest relative error, at 20 dB
    window: float | None = WHOLE_WINDOW  # the largest error of 3 x 3 cells, at 20 dB

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that it asks about."""
        return tuple(criterion.trial for criterion in self.criteria)

    @property
    def last_step(self) -> int:
        """The CA step of its latest trial."""
        return max(trial.steps for trial in self.trials)

    @property
    def may_stop(self) -> bool:
        """Whether training can end before its steps are spent."""
        return all(math.isfinite(criterion.stops) for criterion in self.criteria)

    @property
    def waits_for(self) -> str:
        """What ends training before its steps are spent, in words; empty if nothing does."""
        if not self.may_stop:
            return ""
        words = [f"{c.stops:g} dB at step {c.trial.steps}" for c in self.criteria]
        if self.heals:
            words.append(f"{100 * self.heals.stops:.0f} % of the wounds healed")
        if self.sows:
            words.append(f"{100 * self.sows.stops:.0f} % of growths from other seeds as good")
        return ", ".join(words)

    @property
    def enough(self) -> dict[str, float]:
        """For ``measure``: an NCA that misses one criterion need not be tried for the next."""
        return {criterion.trial.name: criterion.stops for criterion in self.criteria}

    def reached(self, looks: Looks, by: Literal["passes", "stops"]) -> npt.NDArray[np.bool_]:
        """Which NCAs ``(K,)`` are alive and as good as that in every criterion."""
        met = []
        for criterion in self.criteria:
            look = looks[criterion.trial.name]
            near = (look.psnr >= getattr(criterion, by)) & (look.alive > 0)
            looser = ten_to((WHOLE_DB - criterion.passes) / 10)  # as much as the dB that are asked
            for found, most in ((look.error, self.error), (look.window, self.window)):
                if most is not None:
                    near &= found <= most * looser
            met.append(near)
        return np.all(met, axis=0)

    def least(self, by: Literal["passes", "stops"]) -> float:
        """The fewest dB that it asks for anywhere."""
        return min(getattr(criterion, by) for criterion in self.criteria)

    def until(self, db: float | None = None, heals: float | None = None) -> "Gate":
        """The same gate, where training ends at ``db`` in every criterion and ``heals`` of wounds.

        None: as it is. Raises ZooError for less than the gate asks, and for healing where it asks
        for none.
        """
        gate = self
        if db is not None:
            least = max(criterion.passes for criterion in self.criteria)
            if not db >= least:
                raise ZooError(f"until {db:g} dB: the gate asks for {least:g} dB; wait for as much")
            gate = replace(gate, criteria=tuple(replace(c, stops=db) for c in self.criteria))
        if heals is not None:
            if self.heals is None:
                raise ZooError(
                    "this regime trains no healing, so nothing can wait for it; use --regime "
                    "regenerating, or leave --until-heals out"
                )
            if not heals >= self.heals.passes:
                raise ZooError(
                    f"until {heals:g} of the wounds heal: the gate asks for {self.heals.passes:g}; "
                    "wait for as much, up to 1"
                )
            gate = replace(gate, heals=replace(self.heals, stops=heals))
        return gate

    def alive(self, looks: Looks) -> npt.NDArray[np.bool_]:
        """Which NCAs ``(K,)`` live in every trial that the gate asks about."""
        return np.all([looks[trial.name].alive > 0 for trial in self.trials], axis=0)

    def score(self, looks: Looks) -> Floats:
        """What the gate weighs, in dB ``(K,)``: the worst PSNR that it asks for."""
        return np.min([looks[trial.name].psnr for trial in self.trials], axis=0)

    def verdict(
        self, looks: Looks, weights: Floats, besides: npt.NDArray[np.bool_] | None = None
    ) -> list[Status]:
        """Each NCA's status: fit to be used, or why not. weights: ``(K, P)``.

        besides: ``(K,)``, whether they heal and so on, where the gate asks for it.
        """
        passed, alive = self.reached(looks, "passes"), self.alive(looks)
        if besides is not None:
            passed &= besides
        finite = [bool(np.isfinite(row).all()) for row in weights]

        def one(k: int) -> Status:
            if not finite[k]:
                return "diverged"
            if passed[k]:
                return "ok"
            return "below_gate" if alive[k] else "dead"

        return [one(k) for k in range(len(weights))]

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for the zoo file: ``pass_96``, ``stop_96`` and so on."""
        asked = {criterion.trial: criterion for criterion in self.criteria}
        limits = {"pass_error": self.error, "pass_window": self.window}
        values: dict[str, Any] = {"check_every": self.check_every}
        values |= {name: limit for name, limit in limits.items() if limit is not None}
        for trial in TRIALS:
            criterion = asked.get(trial)
            values[f"pass_{trial.name}"] = criterion and criterion.passes
            values[f"stop_{trial.name}"] = criterion and criterion.stops
        if self.heals:
            values |= {"pass_heals": self.heals.passes, "stop_heals": self.heals.stops}
        if self.sows:
            values |= {"pass_seeds": self.sows.passes, "stop_seeds": self.sows.stops}
        return values


def gate(
    passes: float = WHOLE_DB,
    stops: float = 25.0,
    stable: bool = True,
    every: int = 10,
    heals: Heals | None = None,
) -> Gate:
    """A gate that asks the same of growth and, if ``stable``, of step 400."""
    trials = TRIALS if stable else (GROWN,)
    return Gate(tuple(Criterion(trial, passes, stops) for trial in trials), every, heals)
