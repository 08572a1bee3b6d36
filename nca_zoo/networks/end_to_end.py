"""Learning to write end to end: weights are written, let grow, and what is wrong with what grew
goes back through the rollout and through the weights into the writer.

A batch has pictures in two stages: just begun from their seeds, and after that rollout, when half
of them are wounded first. So what is written learns to grow, to stay and to heal. Every NCA weighs
by the logarithm of its loss, which is its PSNR, and none by much more than others. Pictures come
bent, too, each in ways of its own: some thousand are soon known by heart.

Tensors that its changes do not touch stay one for all pictures: of a writer of codes
(``Writer.S``) it is one rule, and how that hears, which are learnt with what writes the codes.

A writer for films learns from pictures that move, each time in another way, and is looked at on the
way; how the cells hear a clock is then part of what it writes.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE, Stream, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.signals import Places
from nca_zoo.automaton.wounds import LARGEST, SMALLEST, wound_at_random
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import Arrays, Resumable
from nca_zoo.life.engines import Engine
from nca_zoo.life.engines.goals import LOSSES
from nca_zoo.pictures.motions import bent, swings
from nca_zoo.pictures.targets import Target, common_seed
from nca_zoo.training.adam import descend, fallen
from nca_zoo.training.lessons import Lesson, film, still
from nca_zoo.training.regime import CA_STEPS
from nca_zoo.training.writer import Floats, Writer, around, in_bytes

if TYPE_CHECKING:  # it opens files
    from nca_zoo.pictures.films import Film

Rates = npt.NDArray[np.float64]
# How a target moves, its film, and the target with a seed for that: of the target, how many were
# begun before, and a key that decides what is drawn.
Moves = Callable[[Target, int, int], "tuple[Film, Target]"]

STAGES = 2  # rollouts that a picture is seen in, one after the other
WORST = 1.0  # of a loss: no picture is as wrong as that, and who is leaves the batch
WARM = 100  # steps in which the step size rises: Adam knows no scale yet
LEARNT = ("into", "bias", "mix", "changes", "base")
FIRST = 8  # training steps whose losses the file tells, to compare a short rerun with


@dataclass(frozen=True)
class Course:
    """Settings of learning end to end."""

    steps: int = 5000  # training steps
    begun: int = 8  # pictures that are begun in a step
    rate: float = 2e-4  # Adam's step size of the network's layers, at first ...
    changes_rate: float = 2e-5  # ... of what it adds up to weights ...
    base_rate: float = 2e-5  # ... and of that to which it is added ...
    clock_rate: float = 3e-4  # ... and of how a clock is heard, in both; all fall to nothing
    far: float = 2.0  # times the median of a batch: the longest that a picture's gradient may be
    bent: int = 0  # bent copies of each picture, beside itself
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name not in ("seed", "bent") and getattr(self, name) <= 0:
                raise ZooError(f"{name} is {getattr(self, name)}; it must be more than 0")
        if self.bent < 0:
            raise ZooError(f"bent is {self.bent}; it must be 0 or more")


OF_FILMS = Course(changes_rate=1.5e-5, base_rate=4e-5, far=1.0)  # of learning to write for films


class EndToEnd(Resumable):
    """A writer in training, from pictures alone."""

    def __init__(
        self,
        writer: Writer,
        targets: Sequence[Target],
        engine: Engine,
        course: Course,
        moves: Moves | None = None,
    ) -> None:
        """moves: of a writer for films, how the targets move."""
        self.course, self.engine = course, engine
        self.begun, self._targets, self._moves = writer, targets, moves
        self._example = lru_cache(4 * STAGES * course.begun)(self._made)
        self.taken = 0  # training steps
        changes = writer.changes * writer.scales[:, None]
        arrays = (writer.into, writer.bias, writer.mix, changes, writer.base)
        self._held = {
            name: np.array(array, np.float32) for name, array in zip(LEARNT, arrays, strict=True)
        }
        for moment in ("mean", "square"):
            self._held |= {f"{moment}_{name}": 0 * self._held[name] for name in LEARNT}
        n = STAGES * course.begun
        begun = np.stack([self._drawn(fold(course.seed, Stream.META), n), self._turns(-n, n)], 1)
        self._held |= {"pictures": begun, "states": self._seeds(begun)}
        self._held |= {"phases": np.zeros(n, np.int32), "first": np.zeros((0, STAGES))}
        self._rates: dict[str, float | Rates] = dict.fromkeys(LEARNT, course.rate)
        hears = np.arange(len(writer.base)) >= rule.N_PARAMS
        for name, rate in (("changes", course.changes_rate), ("base", course.base_rate)):
            self._rates[name] = np.where(hears, course.clock_rate, rate)

    @property
    def pictures(self) -> int:
        """How many it learns from, beside their bent copies."""
        return len(self._targets)

    @property
    def told(self) -> dict[str, Any]:
        """What going on must have in common with what it goes on from."""
        course = dataclasses.asdict(self.course)
        return {"begun": self.begun.digest, "pictures": self.pictures, "course": course}

    def writer(self, source: str) -> Writer:
        """What it has come to, and how: from pictures of this source."""
        held = self._held
        learnt = dataclasses.asdict(self.course) | {"taken": self.taken}
        learnt |= {"source": source, "pictures": len(self._targets)}
        learnt |= {"first_losses": held["first"].tolist()}
        changes, scales = in_bytes(held["changes"])
        return dataclasses.replace(
            self.begun,
            into=held["into"].astype(np.float16),
            bias=held["bias"].copy(),
            mix=held["mix"].astype(np.float16),
            changes=changes,
            scales=scales,
            base=held["base"].copy(),
            recipe=self.begun.recipe | {"end_to_end": learnt},
        )

    def step(self) -> tuple[float, ...]:
        """One training step; the mean loss of each stage."""
        course, held, recipe = self.course, self._held, self.begun.recipe
        key = fold(fold(course.seed, Stream.TRAIN_DRAWS), self.taken)
        pictures, states, phases = self._begin(key)
        shortest, longest = recipe.get("ca_steps", CA_STEPS)
        draws = uniform(fold(key, 1), len(pictures))
        steps = (shortest + draws * (longest - shortest + 1)).astype(np.int64)
        masks = fold(fold(course.seed, Stream.TRAIN_MASKS, self.taken), np.arange(len(pictures)))
        chosen = [self._example(*each) for each in pictures.tolist()]
        frames = np.stack([each.lesson.frames for each in chosen])
        kind, places = chosen[0].lesson.kind, phases[:, None]
        found = found_in(
            self.begun, [each.target for each in chosen], [each.film for each in chosen]
        )
        written = _Written(found, held)
        vectors = np.stack([each.lesson.s.ravel() for each in chosen])
        ncas = Automata(
            written.weights[:, : rule.N_PARAMS],
            states,
            masks[:, None],
            frames.shape[-1],
            recipe.get("fire_rate", FIRE_RATE),
            kind.heard(np.concatenate([written.weights, vectors], axis=1), places),
        )
        with np.errstate(over="ignore", invalid="ignore"):  # of NCAs that leave the batch
            looks = LOSSES[recipe.get("loss", "final")](frames[:, 0], steps, 1)
            goals = kind.goals(looks, frames, places)
            answer = self.engine.gradients(ncas, states[:, None], goals, steps)
            gradients = kind.gradients(ncas, answer)[:, : written.weights.shape[1]]
        losses, ended = answer.losses[:, 0], answer.states[:, 0]
        both = zip(ended, gradients, strict=True)
        sound = [all(np.isfinite(one).all() for one in each) for each in both]
        lost = np.flatnonzero(~(np.array(sound) & (losses <= WORST)))
        ended[lost] = self._seeds(pictures[lost])
        gradients[lost] = 0
        held["states"], held["phases"] = ended, kind.after(places, steps)[:, 0]
        held["phases"][lost] = 0
        back = written.back(_weighed(gradients, losses, course.far))
        for name, part in rule.param_slices().items():
            if name not in self.begun.touched:
                back["changes"][:, part] = 0
        self._descend(back)
        self.taken += 1
        stages = np.nanmean(losses.reshape(STAGES, -1), axis=1)
        held["first"] = np.concatenate([held["first"], stages[None]])[:FIRST]
        return tuple(stages.tolist())

    def _begin(self, key: int) -> tuple[npt.NDArray[np.int64], Floats, Places]:
        """What the batch has (see ``_made``), the states to go on from, and in which phase; the
        last leave it."""
        n, held = self.course.begun, self._held
        drawn = np.stack([self._drawn(fold(key, 2), n), self._turns(self.taken * n, n)], axis=1)
        pictures = np.concatenate([drawn, held["pictures"]])[: STAGES * n]
        states = np.concatenate([self._seeds(drawn), held["states"]])[: STAGES * n]
        phases = np.concatenate([np.zeros(n, np.int32), held["phases"]])[: STAGES * n]
        held["pictures"] = pictures
        hurt = states[-(n // 2) :] if n > 1 else states[:0]
        draws = uniform(fold(key, 3), 3 * len(hurt)).reshape(-1, 3)
        radii = (SMALLEST + draws[:, 0] * (LARGEST - SMALLEST)) * min(states.shape[1:3])
        wound_at_random(hurt, radii, draws[:, 1:])
        return pictures, states, phases

    def _drawn(self, key: int, n: int) -> npt.NDArray[np.int64]:
        """Which pictures are begun."""
        return (uniform(key, n) * len(self._targets) * (1 + self.course.bent)).astype(np.int64)

    def _turns(self, first: int, n: int) -> npt.NDArray[np.int64]:
        """The n turns from ``first`` on, of what moves another way each time; of stills all 0."""
        return (first + np.arange(n)) * (self._moves is not None)

    def _made(self, number: int, turn: int) -> "_Example":
        """What one learns: a picture, or behind the last of them the first bent copy of the first,
        and so on; as it moves in this turn."""
        target = self._bent(number)
        if self._moves is None:
            return _Example(target, None, still(target.trained))
        key = int(fold(fold(self.course.seed, Stream.META, 1), turn % 2**62))
        moving, target = self._moves(target, turn, key)
        lesson = film(moving.trained, moving.period, moving.clocked)
        return _Example(target, moving.frames, lesson)

    def _bent(self, number: int) -> Target:
        copy, which = divmod(number, len(self._targets))
        target = self._targets[which]
        if copy == 0:
            return target
        rgba = bent(target.rgba, int(fold(fold(self.course.seed, Stream.BENDS), number)))
        other = dataclasses.replace(target, rgba=rgba)
        seed = target.seed_row, target.seed_col
        if seed == common_seed([target]):  # else it is the grid's centre, whatever is there
            seed = common_seed([other])
        return dataclasses.replace(other, seed_row=seed[0], seed_col=seed[1])

    def _seeds(self, pictures: npt.NDArray[np.int64]) -> Floats:
        hidden = self.begun.recipe.get("seed_hidden", True)
        height, width = self._targets[0].rgba.shape[:2]
        seeds = np.zeros((len(pictures), height, width, rule.CHANNELS), np.float32)
        for seed, each in zip(seeds, pictures.tolist(), strict=True):
            target = self._example(*each).target
            seed[:] = rule.seed_state(height, width, target.seed_row, target.seed_col, hidden)
        return seeds

    def _descend(self, gradients: Arrays) -> None:
        """Adam, its step size falling along a half cosine."""
        held, t = self._held, self.taken + 1
        fall = fallen(self.taken, self.course.steps) * min(t / WARM, 1)
        for name, gradient in gradients.items():
            moments = held[f"mean_{name}"], held[f"square_{name}"]
            descend(held[name], gradient, *moments, self._rates[name] * fall, t)


@dataclass(frozen=True, eq=False)
class _Example:
    """What a batch has one of."""

    target: Target
    film: Floats | None  # (F, H, W, 4), if it moves
    lesson: Lesson


class _Written:
    """Weights written for a batch, and the way back through the writer."""

    def __init__(self, found: Floats, held: Arrays) -> None:
        self.found, self.held = found, held
        self.units = np.maximum(found @ held["into"].T + held["bias"], 0)
        self.seen = np.concatenate([found, self.units], axis=1)
        self.shares = self.seen @ held["mix"].T
        self.weights = held["base"] + self.shares @ held["changes"]

    def back(self, gradients: Floats) -> Arrays:
        """From gradients ``(B, P)`` by the weights to those by all that is learnt."""
        d_shares = gradients @ self.held["changes"].T
        d_units = (d_shares @ self.held["mix"])[:, self.found.shape[1] :] * (self.units > 0)
        return {
            "into": d_units.T @ self.found,
            "bias": d_units.sum(axis=0),
            "mix": d_shares.T @ self.seen,
            "changes": self.shares.T @ gradients,
            "base": gradients.sum(axis=0),
        }


def _weighed(gradients: Floats, losses: npt.NDArray[np.float64], far: float = 2.0) -> Floats:
    """Gradients ``(B, P)`` of the mean logarithm of losses ``(B,)``, none far longer than most."""
    tiny = np.finfo(np.float32).tiny
    weighed = gradients / np.maximum(np.nan_to_num(losses, nan=1.0), 1e-4)[:, None]
    lengths = np.sqrt(np.square(weighed, dtype=np.float64).sum(axis=1))
    most = far * np.median(lengths)
    shorter = np.minimum(1, most / np.maximum(lengths, tiny))
    scaled: Floats = (weighed * (shorter / len(losses))[:, None]).astype(np.float32)
    return scaled


def found_in(
    writer: Writer, targets: Sequence[Target], films: Sequence[Floats | None] = ()
) -> Floats:
    """How much of each of the writer's patterns is in pictures, ``(N, K)``; of one for films, how
    their frames swing, too: ``(N, K + M)``."""
    patterns = np.broadcast_to(writer.patterns, (len(writer.patterns), *writer.mean.shape))
    flat = patterns.reshape(len(patterns), -1).astype(np.float32).T
    seen = [around(t.trained, t.seed_row, t.seed_col, writer.grid) for t in targets]
    windows = np.stack(seen) - writer.mean
    found = np.asarray(windows.reshape(len(seen), -1) @ flat, np.float32)
    if not writer.for_films:
        return found
    moving = [swings(frames) / writer.swings for frames in films if frames is not None]
    return np.concatenate([found, np.stack(moving)], axis=1)
