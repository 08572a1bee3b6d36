"""Rhythm: how an NCA whose target moves keeps time, and whether it finds its phase after a wound.

Each round of a life is laid beside the film, and the shift under which they agree best says how far
it is ahead of what is due. A line through these shifts is the period that it keeps by itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.record import Automata, Floats
from nca_zoo.automaton.wounds import LARGEST, wound_at_random
from nca_zoo.life.engines import Engine, make_engine
from nca_zoo.life.healing import WOUNDED
from nca_zoo.life.quality import GROWN_STEP, LEAST_MSE, STABLE_STEP

Array = npt.NDArray[np.float64]

LAST_STEP, LEAST_ROUNDS = 2000, 4  # up to which a life is looked at, and rounds of long periods
LOOKED = STABLE_STEP  # CA steps after which what became of wounds is looked at
RADIUS, WOUNDS = 4.0, 8  # cells; wounds of a rollout
IN_STEP = 1 / 16  # of a round: how far a phase that was found again may be off, to either side
TWICE = 2.0  # so many times the squared error: 3 dB


@dataclass(frozen=True, eq=False)
class Rhythm:
    """How T pictures, one a CA step, go along with a film over their R whole rounds."""

    ahead: Array  # (R,) CA steps by which each round is ahead of what is due; a lag is below 0
    due: Array  # (T,) mean squared error against the frame that is due
    own: Array  # (R,) of each round, against the film as far ahead as it is
    still: float  # that of the mean of all frames, against each of them
    period: int  # CA steps, the one asked for
    beat: float  # CA steps after which the film looks alike: fewer where it goes round twice

    @property
    def goes(self) -> npt.NDArray[np.bool_]:
        """Which rounds go along with the film at all: a still picture would be worse, ``(R,)``."""
        return self.own < self.still

    @property
    def own_period(self) -> float:
        """CA steps of a round as it goes: by a line through its phases. NaN for fewer than two
        rounds, or where some do not go along."""
        if len(self.ahead) < 2 or not self.goes.all():
            return float("nan")
        way = np.unwrap(self.ahead, period=self.beat)
        gained = np.polyfit(np.arange(len(way)), way, 1)[0]  # steps in a period
        return float(self.period / (1 + gained / self.period))

    def is_in_step(self, other: "Rhythm") -> bool:
        """Whether another life goes along in its first round, and is as far as this one there."""
        apart = (other.ahead[0] - self.ahead[0] + self.beat / 2) % self.beat - self.beat / 2
        return bool(other.goes[0] and abs(apart) <= IN_STEP * self.beat)


def rhythm(pictures: Floats, film: Floats, period: int, first: int) -> Rhythm:
    """How pictures ``(T, H, W, 4)``, seen after CA steps ``first`` on, one by one, go round.

    film: ``(F, H, W, 4)``, premultiplied, of which frame ``t % period * F // period`` is due after
    step t. Pictures are clipped to [0, 1]; one that is not finite is wrong all over.
    """
    frames = np.arange(period) * len(film) // period
    errors = _errors(pictures, film)[:, frames]  # (T, period), were that step of the round due
    at = np.arange(len(pictures))
    phase, rounds = (first + at) % period, len(pictures) // period
    beat = _beat(film) * period / len(film)
    shifts = np.arange(np.ceil(beat), dtype=int)
    shifted = errors[at, (phase + shifts[:, None]) % period][:, : rounds * period]
    of_round = shifted.reshape(len(shifts), rounds, period).mean(axis=2)
    best = of_round.argmin(axis=0)
    still = np.square(film.mean(axis=0, dtype=np.float64) - film).mean()
    return Rhythm(
        ahead=np.where(best > beat / 2, best - beat, best),
        due=errors[at, phase],
        own=of_round.min(axis=0),
        still=float(still),
        period=period,
        beat=beat,
    )


def _errors(pictures: Floats, film: Floats) -> Array:
    """Mean squared error of every picture ``(T, ...)`` against every frame ``(F, ...)``."""
    wanted = film.reshape(len(film), -1).astype(np.float64)
    errors = np.ones((len(pictures), len(film)))
    for picture, error in zip(pictures, errors, strict=True):  # one by one: a life takes memory
        seen = np.clip(picture.ravel().astype(np.float64), 0, 1)
        if np.isfinite(seen).all():
            error[:] = np.square(seen - wanted).mean(axis=1)
    return errors


def _beat(film: Floats) -> int:
    """Frames after which a film looks alike."""
    n = len(film)
    alike = (f for f in range(1, n) if n % f == 0 and np.array_equal(film, np.roll(film, f, 0)))
    return next(alike, n)


def measure(nca: Automata, film: Floats, period: int) -> dict[str, float]:
    """A value for each measure of one NCA, by its name: means over its rollouts.

    film, period: as for ``rhythm``. ``own_period``: CA steps of a round, from step 96 on.
    ``psnr_due`` and ``psnr_own``: dB against the film as it is due, and as far ahead as each round
    is, medians from step 400 on. ``phase_again`` and ``film_again``: the shares of wounds of radius
    4 at step 200 after which, in the round from step 400 on, the phase is that of the unharmed
    twin to a sixteenth, and the round is as good as the twin's to 3 dB, too.

    NaN where a rollout does not go along with the film; a still has no period, and nothing to lose.
    """
    streams = np.split(nca.keys, nca.keys.shape[1], axis=1)
    found = [_measured(nca.under(keys), film, period) for keys in streams]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def _measured(nca: Automata, film: Floats, period: int) -> dict[str, float]:
    """``measure`` in one rollout."""
    engine = make_engine()
    grown = engine.rollout(nca, nca.starts(), 0, GROWN_STEP)
    to_wound, state = _life(engine, nca, grown, GROWN_STEP, WOUNDED)
    last = max(LAST_STEP, GROWN_STEP + LEAST_ROUNDS * period)
    rest, _ = _life(engine, nca, state, WOUNDED, last)
    unharmed = np.concatenate([to_wound, rest], axis=1)[0]
    life = rhythm(unharmed, film, period, GROWN_STEP + 1)

    many = nca.under(fold(fold(nca.keys, Stream.WOUNDS), np.arange(WOUNDS)))
    state = np.repeat(state, WOUNDS, axis=1)
    radius = min(RADIUS, LARGEST * min(nca.grid))
    wound_at_random(state, np.full(many.keys.shape, radius), uniform(many.keys, 2))
    state = engine.rollout(many, state, WOUNDED, LOOKED - WOUNDED)
    hurt, _ = _life(engine, many, state, LOOKED, LOOKED + period)
    late = LOOKED - GROWN_STEP
    twin, *wounded = (
        rhythm(one, film, period, LOOKED + 1) for one in (unharmed[late : late + period], *hurt)
    )
    phases = [twin.is_in_step(one) for one in wounded]
    mended = [twin.is_in_step(one) and one.own[0] <= TWICE * twin.own[0] for one in wounded]
    lost = 0.0 if twin.goes.all() else np.nan  # nothing to lose
    return {
        "own_period": life.own_period,
        "psnr_due": _median_db(life.due[late:]),
        "psnr_own": _median_db(life.own[-(-late // period) :]),
        "phase_again": lost + float(np.mean(phases)),
        "film_again": lost + float(np.mean(mended)),
    }


def _life(
    engine: Engine, nca: Automata, state: Floats, now: int, stop: int
) -> tuple[Floats, Floats]:
    """What is seen of each rollout after every CA step to ``stop``, ``(B, T, H, W, 4)``; and the
    last state."""
    pictures = []
    for step in range(now, stop):
        state = engine.rollout(nca, state, step, 1)
        pictures.append(nca.seen(state)[0])
    return np.stack(pictures, axis=1), state


def _median_db(errors: Array) -> float:
    return float(-10 * np.log10(max(float(np.median(errors)), LEAST_MSE)))
