"""Quality: what an NCA grew, measured. What is good enough is for the gate to say.

An NCA is looked at in trials: rollouts from its seed cell under fire masks that training never saw,
at CA steps 96 and 400. Where its target moves, a look takes the whole round from there on: several
steps, each against the frame that is due. What is stored of them is of rollout seed 0, which
``nca-zoo show`` plays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.wounds import Wound
from nca_zoo.ground.arithmetic import log10, mean, total
from nca_zoo.life.engines import Automata, Engine, Floats

MAX_PSNR = 100.0  # what an exact match counts as, so that means and medians stay finite
LEAST_MSE = 1e-10  # where that is reached
MAX_ERROR = 100.0
# What a good picture must reach: PSNR, relative error, and that of its worst 3 x 3 window.
WHOLE_DB, WHOLE_ERROR, WHOLE_WINDOW = 20.0, 0.05, 0.15

Measure = Literal["psnr", "alive"]


def psnr(rgba: Floats, target: Floats) -> npt.NDArray[np.float32]:
    """Peak signal-to-noise ratio in dB of pictures ``(..., H, W, 4)``: shape ``(...)``.

    target: ``(..., H, W, 4)``, or ``(..., H, W, 1)`` where all four channels are to be that one.

    ``10 log10(1 / MSE)`` with both pictures clipped to [0, 1] and the mean taken over H, W and
    RGBA. At most 100 dB; 0 dB where a picture is not finite.
    """
    error = np.clip(rgba, 0, 1).astype(np.float64) - np.clip(target, 0, 1)
    mse = mean(np.square(error).reshape(*error.shape[:-3], -1))
    mse = np.where(np.isfinite(mse), mse, 1.0)
    return (-10 * log10(np.maximum(mse, LEAST_MSE))).astype(np.float32)


def relative_error(rgba: Floats, target: Floats) -> npt.NDArray[np.float32]:
    """Squared error of pictures ``(..., H, W, 4)`` over the target's energy: shape ``(...)``.

    ``sum (rgba - target)^2 / sum target^2``, clipped as for ``psnr``, targets as there. Unlike PSNR
    it does not depend on how much of the grid is empty: nothing at all is 1 off from any picture.
    At most 100, which also is what a picture that is not finite has.
    """
    goal = np.broadcast_to(np.clip(target, 0, 1).astype(np.float64), rgba.shape)
    flat = (*goal.shape[:-3], -1)
    error = total(np.square(np.clip(rgba, 0, 1) - goal).reshape(flat))
    energy = np.maximum(total(np.square(goal).reshape(flat)), np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        error = error / energy
    return np.minimum(np.nan_to_num(error, nan=MAX_ERROR), MAX_ERROR).astype(np.float32)


def worst_window(rgba: Floats, target: Floats) -> npt.NDArray[np.float32]:
    """The largest mean squared error of 3 x 3 cells of pictures ``(..., H, W, 4)``: ``(...)``.

    From 0 to 1; clipped as for ``psnr``, targets as there; beyond the edge there is no error. A
    hole or a blot shows here however much of the grid is right. 1 where a picture is not finite.
    """
    error = np.square(np.clip(rgba, 0, 1).astype(np.float64) - np.clip(target, 0, 1))
    cells = np.nan_to_num(mean(error, axis=-1), nan=1.0)
    height, width = cells.shape[-2:]
    padded = np.pad(cells, [(0, 0)] * (cells.ndim - 2) + [(1, 1), (1, 1)])
    shifted = [padded[..., r : r + height, c : c + width] for r in range(3) for c in range(3)]
    return mean(np.stack(shifted), axis=0).max(axis=(-2, -1)).astype(np.float32)


def whole(rgba: Floats, target: Floats, db: float = WHOLE_DB) -> npt.NDArray[np.bool_]:
    """Which pictures are near enough to their targets: ``(...)`` for arguments as above."""
    near = relative_error(rgba, target) <= WHOLE_ERROR
    return (psnr(rgba, target) >= db) & near & (worst_window(rgba, target) <= WHOLE_WINDOW)


@dataclass(frozen=True)
class Trial:
    """One look at an NCA, after so many CA steps from its seed, and wounds on the way.

    stored: which of its measures are columns of a zoo, ``psnr_96`` and the like.
    """

    name: str
    steps: int
    stored: tuple[Measure, ...] = ("psnr",)
    wounds: tuple[Wound, ...] = ()


GROWN = Trial("96", 96)
STABLE = Trial("400", 400, ("psnr", "alive"))
TRIALS = (GROWN, STABLE)
GROWN_STEP, STABLE_STEP = GROWN.steps, STABLE.steps
LOOKS = 8  # at a target that moves, evenly over a round


@dataclass(frozen=True, eq=False)
class Look:
    """What a trial of K NCAs showed; where it was not made all is 0, and errors are 1.

    Of a round: all its pictures as one, with the worst window and the fewest cells of any.
    """

    psnr: npt.NDArray[np.float32]  # (K,) dB
    alive: npt.NDArray[np.float32]  # (K,) share of the cells that live
    pictures: Floats  # (K, H, W, 4), what is seen, of a round at its first step
    error: Floats  # (K,) relative
    window: Floats  # (K,) of the worst 3 x 3 cells


Looks = dict[str, Look]  # by the trial's name


def measure(
    engine: Engine,
    ncas: Automata,
    targets: Floats | Callable[[int], Floats],
    trials: Sequence[Trial] = TRIALS,
    enough: Mapping[str, float] | None = None,
    period: int = 1,
) -> Looks:
    """Let K NCAs live through trials and compare them with their targets ``(K, H, W, C)``.

    ncas: in one rollout each. targets: of all trials, or what is due at a CA step.
    enough: by name of a trial, the dB from which later ones are made. period: CA steps of a round.
    """
    looks: Looks = {}
    steps_on = sorted({period * i // LOOKS for i in range(LOOKS)})
    going, states, now = np.arange(len(ncas)), ncas.starts(), 0
    for trial in sorted(trials, key=_parting):
        states, now = _lived(engine, ncas[going], states, now, _parting(trial)), _parting(trial)
        there = _wounded(engine, ncas[going], states, trial)
        seen = list(_round(engine, ncas[going], there, trial.steps, steps_on))
        due = [targets(trial.steps + on) if callable(targets) else targets for on in steps_on]
        look = looks[trial.name] = _look(ncas, going, np.stack(seen, 1), np.stack(due, 1))
        on = look.psnr[going] >= (enough or {}).get(trial.name, 0.0)
        going, states = going[on], states[on]
    return looks


def _parting(trial: Trial) -> int:
    """The step up to which a trial goes the way of an NCA that nobody touches."""
    return min([trial.steps, *(wound.step for wound in trial.wounds)])


def _lived(engine: Engine, ncas: Automata, states: Floats, now: int, stop: int) -> Floats:
    return engine.rollout(ncas, states, now, stop - now) if len(ncas) and stop > now else states


def _wounded(engine: Engine, ncas: Automata, states: Floats, trial: Trial) -> Floats:
    """The states at a trial's end, from those where it parts."""
    now = _parting(trial)
    for wound in sorted(trial.wounds, key=lambda wound: wound.step):
        states, now = _lived(engine, ncas, states, now, wound.step), wound.step
        hurt = [wound.apply(state) for state in states[:, 0]]
        states = np.stack(hurt)[:, None] if hurt else states
    return _lived(engine, ncas, states, now, trial.steps)


def _round(
    engine: Engine, ncas: Automata, states: Floats, first: int, steps_on: Sequence[int]
) -> Iterator[Floats]:
    """States ``(K, H, W, 16)`` so many CA steps on from those at step ``first``."""
    now = 0
    for on in steps_on:
        states, now = _lived(engine, ncas, states, first + now, first + on), on
        yield states[:, 0]


def _look(ncas: Automata, tried: npt.NDArray[np.int64], states: Floats, targets: Floats) -> Look:
    """What the NCAs that were ``tried`` showed: states ``(n, L, H, W, 16)`` of a round.

    targets: ``(K, L, H, W, C)``, of all.
    """
    reached, alive = np.zeros((2, len(ncas)), np.float32)
    pictures = np.zeros((len(ncas), *ncas.grid, rule.VISIBLE), np.float32)
    error, window = np.ones((2, len(ncas)), np.float32)
    if len(tried):
        shown, due, looks = ncas.seen(states), targets[tried], states.shape[1]
        pictures[tried] = shown[:, 0]
        window[tried] = worst_window(shown, due).max(axis=1)
        shown, due = (x.reshape(len(x), -1, *x.shape[3:]) for x in (shown, due))  # as one picture
        reached[tried] = psnr(shown, due)
        error[tried] = relative_error(shown, due)
        cells = ncas.grid[0] * ncas.grid[1]
        living = [np.count_nonzero(rule.alive(states[:, at]), axis=(1, 2)) for at in range(looks)]
        alive[tried] = np.min(living, axis=0) / cells
    return Look(reached, alive, pictures, error, window)


def stored_measures(looks: Looks, trials: Sequence[Trial] = TRIALS) -> dict[str, Floats]:
    """What a zoo keeps of trials: ``{"psnr_96": (K,), ...}``."""
    return {
        f"{measure}_{trial.name}": getattr(looks[trial.name], measure)
        for trial in trials
        for measure in trial.stored
    }
