"""Lessons: several pictures that one NCA is to grow, and what it hears while it does.

A lesson has F places, a picture and a vector at each. Either a place is a condition: a rollout
stays at it, hears its vector and ends at its picture. Or places are the phases of a film: a rollout
goes on by one with every CA step, and round again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import HIDDEN, N_PARAMS
from nca_zoo.automaton.signals import HANDS, Floats, Places, Signal, clock, product
from nca_zoo.ground.arithmetic import total
from nca_zoo.life.engines import Gradients
from nca_zoo.life.engines.goals import NEVER, Goals


@dataclass(frozen=True)
class Kind:
    """What lessons that are learnt side by side have in common."""

    places: int = 1  # F
    d: int = 0  # length of the vectors; 0: nothing is heard
    moves: bool = False  # places are phases
    learns: bool = False  # the vectors are learnt, too
    known: bool = False  # S is not: it stays that of the start
    weaned: bool = False  # the vectors fall silent while it is learnt: see ``heard``

    @property
    def n_params(self) -> int:
        """All that is learnt: the weights, S (128, d) and s (F, d), flat, one after the other."""
        return N_PARAMS + (HIDDEN + self.places) * self.d

    @property
    def parts(self) -> list[slice]:
        """Where S and s lie."""
        if not self.d:
            return []
        middle = N_PARAMS + HIDDEN * self.d
        return [slice(N_PARAMS, middle), slice(middle, self.n_params)]

    def heard(self, params: Floats, places: Places, loud: Floats | None = None) -> Signal | None:
        """What is heard by rollouts that begin at ``places`` ``(K, B)``.

        params: ``(K, n_params)``. loud: of what falls silent, how loud it is still for each, from 1
        to 0, ``(K,)``; without, it has.
        """
        if not self.d or (self.weaned and loud is None):
            return None
        S, s = (params[:, part] for part in self.parts)
        if self.weaned and loud is not None:
            s = s * loud[:, None]
        on = np.arange(self.places if self.moves else 1, dtype=np.int32)
        when = (places[..., None] + on) % self.places
        return Signal(S.reshape(-1, HIDDEN, self.d), s.reshape(-1, self.places, self.d), when)

    def gradients(self, ncas: Automata, found: Gradients) -> Floats:
        """Those by all that is learnt, ``(K, n_params)``, as ``found`` for ``ncas``.

        Vectors that stay have none, nor has an S that is known.
        """
        if ncas.signal is None:
            return found.gradients
        d_S, d_s = ncas.signal.gradients(found.biases)
        d_S *= not self.known
        d_s *= self.learns
        return np.concatenate([found.gradients, *(d.reshape(len(ncas), -1) for d in (d_S, d_s))], 1)

    def goals(self, like: Goals, frames: Floats, places: Places) -> Goals:
        """As ``like``, each look at the frame that is due: ``(K, F, H, W, C)``.

        The state after a step is compared with the place that the rollout then has come to.
        """
        on = np.arange(1, like.when.shape[2] + 1) if self.moves else 0
        due = (places[..., None] + on) % self.places
        return Goals(frames, np.where(like.when == NEVER, NEVER, due).astype(np.int32))

    def after(self, places: Places, steps: npt.NDArray[np.int64]) -> Places:
        """Where rollouts ``(K, B)`` end after steps ``(K,)``."""
        on = steps[:, None] if self.moves else 0
        return ((places + on) % self.places).astype(np.int32)

    def pool(self, n: int) -> Places:
        """Where the seeds of a fresh pool of n stand."""
        return (np.arange(n, dtype=np.int32) * (not self.moves)) % self.places

    def begun(self, key: npt.NDArray[np.uint64], n: int) -> Places:
        """Where n seeds begin ``(*key.shape, n)``: phases at the first, conditions at random."""
        draws = 0 if self.moves else uniform(key, n) * self.places
        return np.broadcast_to(draws, (*np.shape(key), n)).astype(np.int32)

    def told_anew(self, key: npt.NDArray[np.uint64], places: Places) -> None:
        """Let the best of a batch, its last, hear another condition every other time, in place.

        So NCAs learn to become another picture in mid-life; places ``(K, B)``, worst first.
        """
        if self.moves or self.places == 1 or places.shape[1] == 1:
            return
        told = uniform(key, 2)
        anew = (told[:, 1] * self.places).astype(np.int32)
        places[:, -1] = np.where(told[:, 0] < 0.5, anew, places[:, -1])


STILL = Kind()


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one NCA is to grow and hears."""

    frames: Floats  # (F, H, W, C), the visible channels that are trained
    s: Floats  # (F, d), the vectors, or where they start
    kind: Kind
    S: Floats | None = None  # (128, d), how the start hears them, if it is known to tell them apart

    def fresh(self, rng_seed: int, attempt: int, S_of_start: Floats | None = None) -> Floats:
        """S and s before training, flat: an NCA that hears has to begin as one that does not.

        Vectors that stay take an S of zeros, which learns at once, or that of a start which was
        learnt with a clock, ``(128, HANDS)``; codes that of their start, ``(128, d)``. Where both
        are learnt it is s that is zero, and S is drawn: of zeros in both, nothing would ever come.
        What a lesson's own start hears already it goes on hearing.
        """
        S = np.zeros((HIDDEN, self.kind.d), np.float32)
        if S_of_start is not None and self.kind.d and (self.kind.moves or self.kind.known):
            S = S_of_start
        elif self.kind.learns:
            key = fold(fold(rng_seed, Stream.INIT, 1), attempt)
            limit = np.sqrt(6 / (HIDDEN + self.kind.d))
            S = (limit * (2 * uniform(key, S.size) - 1)).astype(np.float32).reshape(S.shape)
        if self.S is not None:
            S = np.where(self.S.any(axis=0) | self.s.any(axis=0), self.S, S)
        return np.concatenate([S.ravel(), self.s.ravel()])


def still(picture: Floats) -> Lesson:
    """One picture ``(H, W, C)``, and nothing to hear: what every NCA learns without a lesson."""
    return Lesson(picture[None], np.zeros((1, 0), np.float32), STILL)


def coded(picture: Floats, code: Floats) -> Lesson:
    """One picture ``(H, W, C)``, and a code ``(d,)`` that is learnt from there on; how it is heard
    is known."""
    kind = Kind(1, len(code), learns=True, known=True)
    return Lesson(picture[None], code[None], kind)


def conditions(
    pictures: Floats, code: int = 0, known: tuple[Floats, Floats] | None = None
) -> Lesson:
    """A picture of ``(F, H, W, C)`` for each of F signals.

    code: length of the vectors, which are learnt then; at 0 they are one of so many, (1, 0, 0) ...
    known: of a start that tells them apart already, how it hears codes ``(128, n)``, and those of
    the pictures ``(F, n)``. Of these codes the ``code`` numbers that say most are what is learnt.
    """
    n = len(pictures)
    s = np.zeros((n, code), np.float32) if code else np.eye(n, dtype=np.float32)
    kind = Kind(n, s.shape[1], learns=code > 0)
    if known is None:
        return Lesson(pictures, s, kind)
    S, codes = known
    if not code:
        return Lesson(pictures, s, kind, np.ascontiguousarray(product(S, codes).T))
    says = total(np.square(S), axis=0) * total(np.square(codes), axis=0)
    most = np.argsort(-says, kind="stable")[:code]
    begins = np.zeros((HIDDEN, code), np.float32)
    begins[:, : len(most)], s[:, : len(most)] = S[:, most], codes[:, most]
    return Lesson(pictures, s, kind, begins)


def film(frames: Floats, period: int, clocked: bool = True) -> Lesson:
    """A film ``(n, H, W, C)`` that goes round in ``period`` CA steps.

    clocked: the NCA hears the hands of a clock; else it is weaned from them, and keeps time by
    itself.
    """
    due, s = np.arange(period) * len(frames) // period, clock(period)
    return Lesson(frames[due], s, Kind(period, HANDS, moves=True, weaned=not clocked))
