"""Learning to write end to end: weights are written, let grow, and what is wrong with what grew
goes back through the rollout and through the weights into the writer.

A batch has pictures in two stages: just begun from their seeds, and after that rollout, when half
of them are wounded first. So what is written learns to grow, to stay and to heal. Every NCA weighs
by the logarithm of its loss, which is its PSNR, and none by much more than others. Pictures come
bent, too, each in ways of its own: some thousand are soon known by heart.

Tensors that its changes do not touch stay one for all pictures: of a writer of codes
(``Writer.S``) it is one rule, and how that hears, which are learnt with what writes the codes.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import FIRE_RATE, Stream, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.wounds import LARGEST, SMALLEST, wound_at_random
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import Arrays
from nca_zoo.life.engines import Engine
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.networks.adam import descend, fallen
from nca_zoo.pictures.motions import bent
from nca_zoo.pictures.targets import Target, common_seed
from nca_zoo.training.regime import CA_STEPS
from nca_zoo.training.writer import Floats, Writer, around, in_bytes

STAGES = 2  # rollouts that a picture is seen in, one after the other
FAR = 2.0  # times the median of a batch: the longest that a picture's gradient may be
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
    base_rate: float = 2e-5  # ... and of that to which it is added; all fall to nothing
    bent: int = 0  # bent copies of each picture, beside itself
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name not in ("seed", "bent") and getattr(self, name) <= 0:
                raise ZooError(f"{name} is {getattr(self, name)}; it must be more than 0")
        if self.bent < 0:
            raise ZooError(f"bent is {self.bent}; it must be 0 or more")


class EndToEnd:
    """A writer in training, from pictures alone."""

    def __init__(
        self, writer: Writer, targets: Sequence[Target], engine: Engine, course: Course
    ) -> None:
        self.course, self.engine = course, engine
        self.begun, self._targets = writer, targets
        self._target = lru_cache(4 * STAGES * course.begun)(self._made)
        self.taken = 0  # training steps
        changes = writer.changes * writer.scales[:, None]
        arrays = (writer.into, writer.bias, writer.mix, changes, writer.base)
        self._held: Arrays = {
            name: np.array(array, np.float32) for name, array in zip(LEARNT, arrays, strict=True)
        }
        for moment in ("mean", "square"):
            self._held |= {f"{moment}_{name}": 0 * self._held[name] for name in LEARNT}
        begun = self._drawn(fold(course.seed, Stream.META), STAGES * course.begun)
        self._held |= {"pictures": begun, "states": self._seeds(begun)}
        self._held |= {"first": np.zeros((0, STAGES))}
        rates = (course.rate,) * 3 + (course.changes_rate, course.base_rate)
        self._rates = dict(zip(LEARNT, rates, strict=True))

    @property
    def pictures(self) -> int:
        """How many it learns from, beside their bent copies."""
        return len(self._targets)

    @property
    def state(self) -> Arrays:
        """All that going on needs."""
        return self._held | {"taken": np.array(self.taken)}

    def go_on(self, state: Arrays) -> None:
        """Go on from the ``state`` of another of the same writer, pictures and course."""
        self.taken = int(state["taken"])
        self._held = {name: np.array(state[name]) for name in self._held}

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
        course, held = self.course, self._held
        key = fold(fold(course.seed, Stream.TRAIN_DRAWS), self.taken)
        pictures, states = self._begin(key)
        shortest, longest = CA_STEPS
        draws = uniform(fold(key, 1), len(pictures))
        steps = (shortest + draws * (longest - shortest + 1)).astype(np.int64)
        masks = fold(fold(course.seed, Stream.TRAIN_MASKS, self.taken), np.arange(len(pictures)))
        chosen = [self._target(i) for i in pictures.tolist()]
        targets = np.stack([target.trained for target in chosen])
        written = _Written(found_in(self.begun, chosen), held)
        ncas = Automata(
            written.weights,
            states,
            masks[:, None],
            targets.shape[-1],
            self.begun.recipe.get("fire_rate", FIRE_RATE),
        )
        with np.errstate(over="ignore", invalid="ignore"):  # of NCAs that leave the batch
            goals = at_the_end(targets, steps, 1)
            found = self.engine.gradients(ncas, states[:, None], goals, steps)
        losses, ended, gradients = found.losses[:, 0], found.states[:, 0], found.gradients
        both = zip(ended, gradients, strict=True)
        lost = np.flatnonzero([not all(np.isfinite(one).all() for one in each) for each in both])
        ended[lost] = self._seeds(pictures[lost])
        gradients[lost] = 0
        held["states"] = ended
        back = written.back(_weighed(gradients, losses))
        for name, part in rule.param_slices().items():
            if name not in self.begun.touched:
                back["changes"][:, part] = 0
        self._descend(back)
        self.taken += 1
        stages = np.nanmean(losses.reshape(STAGES, -1), axis=1)
        held["first"] = np.concatenate([held["first"], stages[None]])[:FIRST]
        return tuple(stages.tolist())

    def _begin(self, key: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Which pictures the batch has, and the states to go on from; the last leave it."""
        n, held = self.course.begun, self._held
        drawn = self._drawn(fold(key, 2), n)
        pictures = np.concatenate([drawn, held["pictures"]])[: STAGES * n]
        states = np.concatenate([self._seeds(drawn), held["states"]])[: STAGES * n]
        held["pictures"] = pictures
        hurt = states[-(n // 2) :] if n > 1 else states[:0]
        draws = uniform(fold(key, 3), 3 * len(hurt)).reshape(-1, 3)
        radii = (SMALLEST + draws[:, 0] * (LARGEST - SMALLEST)) * min(states.shape[1:3])
        wound_at_random(hurt, radii, draws[:, 1:])
        return pictures, states

    def _drawn(self, key: int, n: int) -> npt.NDArray[np.int64]:
        """Which pictures are begun."""
        return (uniform(key, n) * len(self._targets) * (1 + self.course.bent)).astype(np.int64)

    def _made(self, number: int) -> Target:
        """A picture, or behind the last of them the first bent copy of the first, and so on."""
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
        for seed, picture in zip(seeds, pictures, strict=True):
            target = self._target(int(picture))
            seed[:] = rule.seed_state(height, width, target.seed_row, target.seed_col, hidden)
        return seeds

    def _descend(self, gradients: Arrays) -> None:
        """Adam, its step size falling along a half cosine."""
        held, t = self._held, self.taken + 1
        fall = fallen(self.taken, self.course.steps) * min(t / WARM, 1)
        for name, gradient in gradients.items():
            moments = held[f"mean_{name}"], held[f"square_{name}"]
            descend(held[name], gradient, *moments, self._rates[name] * fall, t)


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


def _weighed(gradients: Floats, losses: npt.NDArray[np.float64]) -> Floats:
    """Gradients ``(B, P)`` of the mean logarithm of losses ``(B,)``, none far longer than most."""
    tiny = np.finfo(np.float32).tiny
    weighed = gradients / np.maximum(np.nan_to_num(losses, nan=1.0), 1e-4)[:, None]
    lengths = np.sqrt(np.square(weighed, dtype=np.float64).sum(axis=1))
    most = FAR * np.median(lengths)
    shorter = np.minimum(1, most / np.maximum(lengths, tiny))
    scaled: Floats = (weighed * (shorter / len(losses))[:, None]).astype(np.float32)
    return scaled


def found_in(writer: Writer, targets: Sequence[Target]) -> Floats:
    """How much of each of the writer's patterns is in pictures, ``(N, K)``."""
    patterns = np.broadcast_to(writer.patterns, (len(writer.patterns), *writer.mean.shape))
    flat = patterns.reshape(len(patterns), -1).astype(np.float32).T
    seen = [around(t.trained, t.seed_row, t.seed_col, writer.grid) for t in targets]
    windows = np.stack(seen) - writer.mean
    return np.asarray(windows.reshape(len(seen), -1) @ flat, np.float32)
