"""A start for several seeds: weights that carry places from cell to cell, before any picture.

One NCA is taught a map: it grows wherever there is room, and every cell shows by its colour where
it stands, which no cell knows but the seeds. Rooms have the shapes of pictures, so that places are
carried along strokes as thin as theirs. A batch has rooms in three stages: just begun, and after
one rollout and two, when some of them are wounded.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.seeds import SeedKind, drawn_cells, places
from nca_zoo.automaton.wounds import HALF, LARGEST, SMALLEST, wound_at_random
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import Resumable
from nca_zoo.ground.arithmetic import mean, norm, total
from nca_zoo.life.engines import Engine, Floats
from nca_zoo.life.engines.goals import LOSSES
from nca_zoo.pictures.targets import Target
from nca_zoo.training.adam import descend, fallen
from nca_zoo.training.init import glorot

STAGES = 3  # rollouts that a room is seen in, one after the other
CA_STEPS = (32, 48)  # of a rollout: a uniform draw, ends included
RATE = 1.0  # all cells fire in every step, as in NCAs of several seeds: chance moves places
OWN = 0.2  # share of the rooms that begin at their own seed; the others at one or several
WARM = 50  # training steps in which the step size rises
AVERAGE = 0.98  # kept is the mean of the weights, a step earlier weighing this much
FIRST = 8  # training steps after which `early` is kept, to compare a short rerun with
# Red and green go round with what turns fast, of rows and of columns; blue with all the rest.
SHADES = np.array(
    [
        [0.10, 0.00, 0.00, 0.00, 0.24, 0.00, 0.00, 0.00],
        [0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.24, 0.00],
        [0.00, 0.12, 0.00, 0.12, 0.00, 0.10, 0.00, -0.10],
    ],
    np.float32,
)


@dataclass(frozen=True)
class RoomCourse:
    """Settings of learning to carry places."""

    steps: int = 3400  # training steps
    begun: int = 5  # rooms that are begun in each
    seeds: int = 3  # at most, that a room is begun from
    rate: float = 2e-3  # Adam's step size, at first; it falls to nothing
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name != "seed" and getattr(self, name) <= 0:
                raise ZooError(f"{name} is {getattr(self, name)}; it must be more than 0")


def map_of(target: Target) -> Floats:
    """A picture's room as a map ``(H, W, 4)``: each cell in the colour of its place."""
    home = (target.seed_row, target.seed_col)
    colours = 0.5 + total(places(target.rgba.shape[:2], home)[..., None, :] * SHADES)
    room = room_of(target)[..., None]
    return np.concatenate([colours * room, room], axis=-1).astype(np.float32)


def room_of(target: Target) -> npt.NDArray[np.bool_]:
    """Where a picture lives, ``(H, W)``: its cells that are not too faint for that."""
    return target.rgba[..., rule.ALPHA] > rule.ALIVE_THRESHOLD


class Rooms(Resumable):
    """An NCA that learns to carry places, through rooms of the shapes of targets."""

    def __init__(self, targets: Sequence[Target], engine: Engine, course: RoomCourse) -> None:
        self.course, self.engine, self._targets = course, engine, targets
        self.taken = 0  # training steps
        begins = glorot(fold(course.seed, Stream.INIT))
        names = ("weights", "average", "early")
        self._held = {name: begins.copy() for name in names}
        self._held |= {name: np.zeros_like(begins) for name in ("mean", "square")}
        begun = [self._begun(-1 - stage) for stage in range(STAGES)]
        self._held["pictures"] = np.concatenate([pictures for pictures, _ in begun])
        self._held["states"] = np.concatenate([states for _, states in begun])

    @property
    def told(self) -> dict[str, Any]:
        """What going on must have in common with what it goes on from."""
        return {"pictures": len(self._targets), "course": asdict(self.course)}

    @property
    def weights(self) -> Floats:
        """What it has come to, ``(P,)``."""
        return self._held["average"].copy()

    @property
    def early(self) -> Floats:
        """What it had come to after its first steps, ``(P,)``."""
        return self._held["early"].copy()

    def step(self) -> tuple[float, ...]:
        """One training step; the mean loss of each stage."""
        course, held, n = self.course, self._held, STAGES * self.course.begun
        begun = self._begun(self.taken)
        old = n - course.begun
        pictures, states = (
            np.concatenate([new, held[name][:old]])
            for new, name in zip(begun, ("pictures", "states"), strict=True)
        )
        key = fold(fold(course.seed, Stream.TRAIN_DRAWS), self.taken)
        if self.taken % 2 == 0:
            _hurt(states[-((course.begun + 1) // 2) :], fold(key, 1))
        shortest, longest = CA_STEPS
        length = shortest + int(uniform(fold(key, 2), 1)[0] * (longest - shortest + 1))
        steps = np.full(n, length)
        targets = [self._targets[place] for place in pictures]
        masks = fold(fold(course.seed, Stream.TRAIN_MASKS, self.taken), np.arange(n))
        ncas = Automata(
            np.repeat(held["weights"][None], n, axis=0),
            states,
            masks[:, None],
            fire_rate=RATE,
            room=np.stack([room_of(target) for target in targets]),
        )
        goals = LOSSES["final"](np.stack([map_of(target) for target in targets]), steps, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # of rooms that run away
            found = self.engine.gradients(ncas, states[:, None], goals, steps)
        losses, after = found.losses[:, 0], found.states[:, 0].copy()
        sound = np.isfinite(found.gradients).all(axis=1) & np.isfinite(losses)
        after[~sound] = 0  # leaves nothing to learn from
        self._descend(found.gradients[sound])
        held |= {"pictures": pictures, "states": after}
        return tuple(float(loss) for loss in mean(losses.reshape(STAGES, -1), axis=1))

    def _descend(self, gradients: Floats) -> None:
        """Adam on the mean of gradients ``(n, P)``, none longer than the median, tensor by tensor
        of length 1."""
        course, held = self.course, self._held
        self.taken += 1
        if len(gradients):
            long = norm(gradients)
            shares = np.minimum(1, np.median(long) / np.maximum(long, 1e-30))
            gradient = mean(gradients * shares[:, None].astype(np.float32), axis=0)
            for part in rule.param_slices().values():
                gradient[part] /= np.float32(norm(gradient[None, part])[0] + 1e-8)
            rate = course.rate * fallen(self.taken - 1, course.steps) * min(1, self.taken / WARM)
            moments = held["mean"], held["square"]
            descend(held["weights"], gradient, *moments, rate, self.taken)
        held["average"] += np.float32(1 - AVERAGE) * (held["weights"] - held["average"])
        if self.taken == FIRST:
            held["early"] = held["weights"].copy()

    def _begun(self, step: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Rooms that are begun in a training step: which targets' ``(n,)``, and their states."""
        key = fold(self.course.seed, Stream.META, step + STAGES)  # from 0 on
        keys = fold(key, np.arange(self.course.begun))
        draws = uniform(keys, 3)
        pictures = (draws[:, 0] * len(self._targets)).astype(np.int64)
        states = []
        for place, draw, key in zip(pictures.tolist(), draws, keys.tolist(), strict=True):
            target = self._targets[place]
            home = (target.seed_row, target.seed_col)
            alpha = target.rgba[..., rule.ALPHA]
            others = drawn_cells(fold(key, 1), alpha, 1 + int(draw[2] * self.course.seeds))
            cells = [home] if draw[1] < OWN else others
            states.append(SeedKind(True, home).state(alpha.shape, cells))
        return pictures, np.stack(states)


def _hurt(states: Floats, key: int) -> None:
    """Wound states ``(n, H, W, 16)`` at random, in place; three in ten lose half."""
    draws = uniform(key, 4 * len(states)).reshape(1, -1, 4)
    circles = (SMALLEST + draws[..., 2] * (LARGEST - SMALLEST)) * min(states.shape[1:3])
    wound_at_random(states[None], np.where(draws[..., 3] < 0.3, HALF, circles), draws[..., :2])
