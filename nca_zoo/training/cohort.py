"""A cohort: K NCAs that go through training steps together, over arrays with a leading K.

What a training step is (start states, pool, damage, optimiser) is written here, once, for every
regime and engine. NCAs share no numbers: what becomes of one never depends on the others.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.seeds import TOLD, TURNS, SeedKind, home_of, places
from nca_zoo.automaton.signals import Places
from nca_zoo.automaton.wounds import HALF, LARGEST, SMALLEST, wound_at_random
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import mean, norm, power
from nca_zoo.life.engines import Automata, Engine, Floats, Keys
from nca_zoo.life.engines.goals import LOSSES
from nca_zoo.life.sowing import sown_states
from nca_zoo.pictures.targets import Target
from nca_zoo.training.adam import BETA_1, BETA_2, EPSILON
from nca_zoo.training.fronts import on_the_way
from nca_zoo.training.init import Init
from nca_zoo.training.lessons import STILL, Kind, Lesson, coded, film, still
from nca_zoo.training.regime import Regime

if TYPE_CHECKING:  # it opens files, and who trains alone needs no library for that
    from nca_zoo.pictures.films import Film

HELD = 0.5  # of what tells a seed its place, what is held in a piece of the picture
LEAST_TROUBLE = 0.05  # share of the error of an empty grid: seeds that do well are drawn, too
HALVES = 0.25  # share of the wounds in training that take one half; the others are circles


@dataclass(frozen=True)
class Job:
    """One NCA to train."""

    id: str
    target: Target
    init: Init
    rng_seed: int
    lesson: Lesson | None = None  # several pictures, and what is heard; None: the target alone
    film: "Film | None" = None  # what it is to grow if that moves; the target is its first frame

    @property
    def taught(self) -> Lesson:
        """All that it is to grow."""
        if self.film is not None:
            return film(self.film.trained, self.film.period, self.film.clocked)
        if self.lesson is not None:
            return self.lesson
        if self.init.coder is not None:
            return coded(self.target.trained, self.init.coder.shares(self.target))
        return still(self.target.trained)

    def start(self, attempt: int) -> Floats:
        """Weights, S and s before training, flat."""
        frames = None if self.film is None else self.film.frames
        weights, S = self.init.begins(self.rng_seed, attempt, self.target, frames)
        return np.concatenate([weights, self.taught.fresh(self.rng_seed, attempt, S)])

    def seed_state(self, regime: Regime) -> Floats:
        """The state ``(H, W, 16)`` that every rollout of this NCA begins with."""
        height, width = self.target.rgba.shape[:2]
        row, col = self.target.seed_row, self.target.seed_col
        return rule.seed_state(height, width, row, col, regime.seed_hidden)


@dataclass
class Member:
    """One NCA's attempt in a cohort."""

    job: Job
    attempt: int = 0
    losses: list[float] = field(default_factory=list)  # of its training steps so far
    wall_s: float = 0.0  # its share of the cohort's time
    stood: int = 0  # training steps that left less than half of what an empty grid has to lose

    @property
    def step(self) -> int:
        """How many training steps it has taken."""
        return len(self.losses)


class Cohort:
    """K NCAs in training: weights, optimiser and pool as arrays with a leading K."""

    weights: Floats  # (K, P), and after them, flat, the S and s of NCAs that hear
    averages: Floats  # (K, P), running means of the weights: what is judged
    mean: Floats  # (K, P), Adam's first moment
    square: Floats  # (K, P), Adam's second moment
    seeds: Floats  # (K, H, W, 16)
    frames: Floats  # (K, F, H, W, C), what is grown at each place of the lesson
    pools: Floats  # (K, pool, H, W, 16)
    places: Places  # (K, pool), where in the lesson each of these stands
    trouble: Floats  # (K, H, W), how far growths from each cell fell short lately: 1 is all
    sown: npt.NDArray[np.bool_]  # (K, n, H, W), the seeds but its own of those that begin now

    def __init__(
        self,
        regime: Regime,
        engine: Engine,
        height: int,
        width: int,
        channels: int = rule.VISIBLE,
        *,
        room: int = 1,
        kind: Kind = STILL,
    ) -> None:
        """room: for how many NCAs memory is laid out, else it is anew. kind: of all lessons."""
        if regime.seeds > 1 and max(height, width) > TURNS[0]:
            raise ZooError(
                f"seeds are told places of up to {TURNS[0]} cells, and this grid is {height} x "
                f"{width}; grow it from one seed"
            )
        self.regime, self.engine, self.kind = regime, engine, kind
        state = (height, width, rule.CHANNELS)
        shapes = dict.fromkeys(("weights", "averages", "mean", "square"), (kind.n_params,)) | {
            "seeds": state,
            "frames": (kind.places, height, width, channels),
            "pools": (regime.pool, *state),
            "trouble": (height, width),
        }
        held = {name: np.empty((room, *of), np.float32) for name, of in shapes.items()}
        self._held: dict[str, npt.NDArray[Any]] = held
        self._held["places"] = np.empty((room, regime.pool), np.int32)
        self.members: list[Member] = []
        self._show()

    def _show(self) -> None:
        """Its arrays are those rows of what is held that have a member."""
        for name, held in self._held.items():
            setattr(self, name, held[: len(self.members)])

    def add(self, member: Member) -> None:
        """Let an NCA begin an attempt. The others' arrays stay where they are, if there is room."""
        job, k = member.job, len(self.members)
        if k == len(self._held["weights"]):
            for name, held in self._held.items():
                self._held[name] = np.concatenate([held, np.empty_like(held)])
        seed, lesson = job.seed_state(self.regime), job.taught
        weights = job.start(member.attempt)
        fresh = {"weights": weights, "averages": weights, "mean": 0, "square": 0}
        fresh |= {"seeds": seed, "pools": seed, "frames": lesson.frames}
        fresh |= {"places": self.kind.pool(self.regime.pool), "trouble": 1}
        for name, value in fresh.items():
            self._held[name][k] = value
        self.members.append(member)
        self._show()

    def keep(self, staying: npt.NDArray[np.bool_]) -> None:
        """Let all but ``staying`` ``(K,)`` leave; those move up, one by one."""
        for place, k in enumerate(np.flatnonzero(staying)):
            if place != k:
                for held in self._held.values():
                    held[place] = held[k]
        self.members = [m for m, stays in zip(self.members, staying, strict=True) if stays]
        self._show()

    @property
    def targets(self) -> Floats:
        """The pictures at the first place, ``(K, H, W, C)``."""
        return self.frames[:, 0]

    @property
    def period(self) -> int:
        """CA steps of a round of its films; 1 where nothing moves."""
        return self.kind.places if self.kind.moves else 1

    @property
    def views(self) -> list[int]:
        """The places from which NCAs are looked at: all conditions, but a film from its first."""
        return list(range(1 if self.kind.moves else self.kind.places))

    @property
    def fresh(self) -> int:
        """How many of a batch from the pool are begun anew; more than the regime says where there
        are several pictures to grow, as one in so many examples would leave growth untrained."""
        several = self.kind.places > 1 and not self.kind.moves
        return max(self.regime.fresh, self.regime.batch // 4 if several else 0)

    @property
    def wounded(self) -> int:
        """How many of a batch are wounded: none of what begins anew, which would be gone."""
        return min(self.regime.damaged, self.regime.batch - self.fresh)

    @property
    def _anew(self) -> npt.NDArray[np.int64]:
        """Which of a batch begin anew, or are wounded."""
        batch = np.arange(self.regime.batch)
        begun = batch < self.fresh if self.regime.pool else True
        return np.flatnonzero(begun | (batch >= len(batch) - self.wounded))

    def due(self, place: int, step: int) -> Floats:
        """The pictures ``(K, H, W, C)`` that are due at a CA step of a rollout from a place."""
        return self.frames[:, (place + step * self.kind.moves) % self.kind.places]

    def ncas(self, keys: Keys, place: int = 0) -> Automata:
        """Its NCAs as they would leave now, under the fire masks of keys ``(K, B)``.

        place: of the lesson, where their rollouts begin. What stays at a condition is a plain NCA.
        """
        ncas = self.running(self.averages, keys, np.full(keys.shape, place, np.int32))
        return ncas if self.kind.moves else ncas.plain()

    @property
    def loud(self) -> Floats:
        """How loud what falls silent is for each member now, ``(K,)``, from 1 to 0."""
        return np.array([self.regime.loudness(m.step) for m in self.members], np.float32)

    def running(
        self, params: Floats, keys: Keys, places: Places, loud: Floats | None = None
    ) -> Automata:
        """NCAs of params ``(K, n)``, whose rollouts begin at places ``(K, B)``.

        loud: see ``Kind.heard``.
        """
        weights = params[:, : rule.N_PARAMS] if self.kind.d else params
        signal = self.kind.heard(params, places, loud)
        channels, rate = self.frames.shape[-1], self.regime.fire_rate
        return Automata(weights, self.seeds, keys, channels, rate, signal)

    def heard(self, member: Member) -> tuple[Floats, Floats] | None:
        """A member's S ``(128, d)`` and s ``(F, d)``, if it hears anything."""
        row = self.averages[[self.members.index(member)]]
        signal = self.kind.heard(row, np.zeros((1, 1), np.int32))
        return None if signal is None else (signal.S[0].copy(), signal.s[0].copy())

    def step(self) -> None:
        """One training step of every member: draw, roll out, back-propagate, update."""
        began = time.perf_counter()
        regime, k = self.regime, len(self.members)
        drawn = self._keys(Stream.TRAIN_DRAWS)
        shortest, longest = regime.ca_steps
        draws = uniform(drawn, 1 + 3 * self.wounded)
        ca_steps = (shortest + draws[:, 0] * (longest - shortest + 1)).astype(np.int64)
        states, picks, places = self._starts(drawn)
        masks = fold(self._keys(Stream.TRAIN_MASKS)[:, None], np.arange(regime.batch))
        # A diverging NCA overflows on its way to the gate, which is what finds it.
        with np.errstate(over="ignore", invalid="ignore"):
            if self.wounded:
                _wound(states[:, -self.wounded :], draws[:, 1:].reshape(k, -1, 3))
            looks = LOSSES[regime.loss](self.targets, ca_steps, regime.batch)
            goals = self.kind.goals(looks, self.frames, places)
            if regime.looks:
                begun = states[..., rule.ALPHA] > rule.ALIVE_THRESHOLD
                how = ca_steps, regime.looks, regime.fire_rate
                goals = on_the_way(goals, begun, self._anew, *how)
            learning = self.running(self.weights, masks, places, self.loud)
            found = self.engine.gradients(learning, states, goals, ca_steps)
            if regime.pool:
                pooled = np.arange(k)[:, None], picks
                self.pools[pooled] = found.states
                self.places[pooled] = self.kind.after(places, ca_steps)
            self._descend(self.kind.gradients(learning, found))
            self._average()
        share = (time.perf_counter() - began) / k
        empty = mean(np.square(self.targets).reshape(k, -1))
        if regime.seeds > 1:
            self._remember(found.losses[:, : self.fresh] / empty[:, None])
        for member, loss, all_lost in zip(self.members, mean(found.losses), empty, strict=True):
            member.losses.append(float(loss))
            member.stood += bool(loss < 0.5 * all_lost)
            member.wall_s += share

    def _remember(self, losses: npt.NDArray[np.float64]) -> None:
        """Where growths that began now are in trouble; losses ``(K, n)``, 1 of an empty grid."""
        losses = np.clip(np.nan_to_num(losses, nan=1.0), LEAST_TROUBLE, 1).astype(np.float32)
        for k, example in np.ndindex(losses.shape):
            here = self.sown[k, example]
            self.trouble[k, here] += np.float32(0.5) * (losses[k, example] - self.trouble[k, here])

    def rng_seeds(self) -> npt.NDArray[np.uint64]:
        """Every member's own seed of all its draws ``(K,)``."""
        return np.array([member.job.rng_seed for member in self.members], np.uint64)

    def _keys(self, stream: Stream) -> npt.NDArray[np.uint64]:
        """Every member's key ``(K,)`` for this stream, its attempt and training step."""
        attempts = np.array([m.attempt for m in self.members])
        steps = np.array([m.step for m in self.members])
        return fold(fold(self.rng_seeds(), stream), attempts, steps)

    def _fresh(self, n: int) -> Floats:
        """States ``(K, n, H, W, 16)`` that begin in this training step: of the NCA's own seed, or
        as often with one other seed, two, and so on, more often where that went badly; at first
        with more of the picture around."""
        states, regime = np.repeat(self.seeds[:, None], n, axis=1), self.regime
        if regime.seeds == 1:
            return states
        keys = fold(self._keys(Stream.SEEDS)[:, None], np.arange(n))
        numbers = (uniform(keys, 1)[..., 0] * (regime.seeds + 1)).astype(np.int64)
        self.sown = np.zeros(states.shape[:4], bool)
        around = uniform(fold(keys, 2), 1)[..., 0] * max(states.shape[2:4])
        for k, others in enumerate(numbers > 0):
            home, target = home_of(self.seeds[k]), self.targets[k]
            kind, drawn = SeedKind(regime.seed_hidden, home), fold(keys[k, others], 1)
            states[k, others] = sown_states(
                kind, target, drawn, numbers[k, others], self.trouble[k]
            )
            self.sown[k, others] = states[k, others, ..., rule.ALPHA] > 0
            radii = around[k] * regime.piece(self.members[k].stood)
            _show_around(states[k], radii, target, home)
        return states

    def _starts(self, keys: npt.NDArray[np.uint64]) -> tuple[Floats, npt.NDArray[np.int64], Places]:
        """States ``(K, B, H, W, 16)`` to train from, worst first, which of the pool they are, and
        where in the lesson they stand, ``(K, B)``.

        Without a pool, all are seeds. With one, B entries are drawn and the worst is replaced by
        the seed, or several are; of several seeds, any are, and all stand in any order.
        """
        regime, k = self.regime, len(self.members)
        if not regime.pool:
            states = self._fresh(regime.batch)
            begun = self.kind.begun(fold(keys, 2), regime.batch)
            return states, np.zeros((k, 0), np.int64), begun
        order = np.argsort(uniform(fold(keys, 1), regime.pool), axis=1, kind="stable")
        picks = order[:, : regime.batch]
        rows = np.arange(k)[:, None]
        if regime.seeds == 1:  # else the worst are those that grow from far ends: let them go on
            visible = self.pools[rows, picks][..., rule.compared(self.frames.shape[-1])]
            due = self.frames[rows, self.places[rows, picks]]
            with np.errstate(over="ignore", invalid="ignore"):  # of NCAs soon to be judged
                errors = np.square(visible - due)
                losses = mean(errors.reshape(*picks.shape, -1))
            worst_first = np.argsort(-np.nan_to_num(losses, nan=np.inf), axis=1, kind="stable")
            picks = np.take_along_axis(picks, worst_first, axis=1)
        states = self.pools[rows, picks]
        states[:, : self.fresh] = self._fresh(self.fresh)
        places = self.places[rows, picks]
        places[:, : self.fresh] = self.kind.begun(fold(keys, 2), self.fresh)
        self.kind.told_anew(fold(keys, 3), places)
        return states, picks, places

    def _descend(self, gradients: Floats) -> None:
        """Adam on normalised gradients ``(K, P)``, in place."""
        if self.regime.normalise_gradient:
            for part in (*rule.param_slices().values(), *self.kind.parts):
                size = norm(gradients[:, part]) + 1e-8  # per NCA: one must not scale another
                gradients[:, part] /= size[:, None].astype(np.float32)
        for name, part in rule.param_slices().items():
            if name not in self.regime.train:
                gradients[:, part] = 0
        bias_1, bias_2 = (  # the moments began at 0
            1 - np.array([power(beta, m.step + 1) for m in self.members])[:, None]
            for beta in (BETA_1, BETA_2)
        )
        rates = np.array([self.regime.learning_rate(m.step) for m in self.members])
        rates = rates.reshape(len(rates), -1)  # one for all weights, or one each
        self.mean += np.float32(1 - BETA_1) * (gradients - self.mean)
        self.square += np.float32(1 - BETA_2) * (np.square(gradients) - self.square)
        scale = (rates * np.sqrt(bias_2) / bias_1).astype(np.float32)
        floor = (EPSILON * np.sqrt(bias_2)).astype(np.float32)
        self.weights -= scale * self.mean / (np.sqrt(self.square) + floor)

    def _average(self) -> None:
        """Let the averages follow the weights, from afar; closely in the first steps."""
        if not self.regime.average:
            self.averages = self.weights.copy()
            return
        taken = np.array([m.step for m in self.members])[:, None]
        far = np.minimum(self.regime.average, (1 + taken) / (5 + taken))
        self.averages += (1 - far).astype(np.float32) * (self.weights - self.averages)


def _show_around(
    states: Floats, radii: npt.NDArray[np.float64], target: Floats, home: tuple[int, int]
) -> None:
    """Lay out what is to be grown within so many cells of the seeds, in place.

    states ``(n, H, W, 16)``, radii ``(n,)``; below one cell seeds stay alone. Cells of the piece
    show the target ``(H, W, C)`` and hold their place, as grown ones may.
    """
    shown = np.minimum(4 * target[..., -1:], 1) * np.ones(states.shape[1:], np.float32)
    shown[..., rule.compared(rule.VISIBLE)] = 0
    shown[..., rule.compared(target.shape[-1])] = target
    shown[..., TOLD] *= HELD * places(target.shape[:2], home)
    rows, cols = np.indices(target.shape[:2])
    for state, radius in zip(states, radii, strict=True):
        if radius >= 1:
            seeds = np.argwhere(state[..., rule.ALPHA])
            apart = np.square(rows - seeds[:, 0, None, None]) + np.square(
                cols - seeds[:, 1, None, None]
            )
            near = apart.min(axis=0) <= radius * radius
            state[near] = shown[near]


def _wound(states: Floats, draws: npt.NDArray[np.float64]) -> None:
    """Wound each state ``(K, D, H, W, 16)`` at random, in place; draws ``(K, D, 3)``."""
    size, kind = draws[..., 1], draws[..., 2]
    circles = (SMALLEST + size * (LARGEST - SMALLEST)) * min(states.shape[2:4])
    wound_at_random(states, np.where(kind < HALVES, HALF, circles), draws[..., :2])
