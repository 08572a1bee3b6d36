"""The gate: which trials an NCA must pass to be stored as good, and which end its training."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.life.engines import Floats
from nca_zoo.life.quality import GROWN, STABLE, TRIALS, Looks, Trial

Status = Literal["ok", "below_gate", "dead", "diverged"]


@dataclass(frozen=True)
class Criterion:
    """What is asked of one trial, in dB of PSNR against the target (docs/quality.md)."""

    trial: Trial
    passes: float = 20.0  # from here on an NCA is ok
    stops: float = 25.0  # training ends early once a check reaches this in every criterion


@dataclass(frozen=True)
class Gate:
    """When a fit is good enough: every criterion is met, and the NCA lives."""

    criteria: tuple[Criterion, ...] = (Criterion(GROWN), Criterion(STABLE))
    check_every: int = 10  # training steps between checks

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that it asks about."""
        return tuple(criterion.trial for criterion in self.criteria)

    @property
    def may_stop(self) -> bool:
        """Whether training can end before its steps are spent."""
        return all(math.isfinite(criterion.stops) for criterion in self.criteria)

    @property
    def enough(self) -> dict[str, float]:
        """For ``measure``: an NCA that misses one criterion need not be tried for the next."""
        return {criterion.trial.name: criterion.stops for criterion in self.criteria}

    def reached(self, looks: Looks, by: Literal["passes", "stops"]) -> npt.NDArray[np.bool_]:
        """Which NCAs ``(K,)`` are alive and as good as that in every criterion."""
        good = [
            (looks[c.trial.name].psnr >= getattr(c, by)) & (looks[c.trial.name].alive > 0)
            for c in self.criteria
        ]
        return np.all(good, axis=0)

    def alive(self, looks: Looks) -> npt.NDArray[np.bool_]:
        """Which NCAs ``(K,)`` live in every trial that the gate asks about."""
        return np.all([looks[trial.name].alive > 0 for trial in self.trials], axis=0)

    def score(self, looks: Looks) -> Floats:
        """What the gate weighs, in dB ``(K,)``: the worst PSNR that it asks for."""
        return np.min([looks[trial.name].psnr for trial in self.trials], axis=0)

    def verdict(self, looks: Looks, weights: Floats) -> list[Status]:
        """Each NCA's status: fit to be used, or why not. weights: ``(K, P)``."""
        passed, alive = self.reached(looks, "passes"), self.alive(looks)
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
        values: dict[str, Any] = {"check_every": self.check_every}
        for trial in TRIALS:
            criterion = asked.get(trial)
            values[f"pass_{trial.name}"] = criterion and criterion.passes
            values[f"stop_{trial.name}"] = criterion and criterion.stops
        return values


def gate(passes: float = 20.0, stops: float = 25.0, stable: bool = True, every: int = 10) -> Gate:
    """A gate that asks the same of growth and, if ``stable``, of step 400."""
    trials = TRIALS if stable else (GROWN,)
    return Gate(tuple(Criterion(trial, passes, stops) for trial in trials), every)
