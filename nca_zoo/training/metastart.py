"""Meta-learning the shared start: weights from which any picture of a kind is a few steps away.

Reptile (Nichol, Achiam and Schulman, *On First-Order Meta-Learning Algorithms*, 2018): train NCAs
of a few random pictures for a few steps from the start, move the start towards their mean, repeat.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.rule import ALIVE_THRESHOLD, ALPHA, HIDDEN, N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import mean
from nca_zoo.life.engines import Engine, Floats
from nca_zoo.pictures.targets import Target
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import Init, glorot
from nca_zoo.training.lessons import Kind
from nca_zoo.training.regime import Regime

if TYPE_CHECKING:  # as in the cohort
    from nca_zoo.pictures.films import Film

# How a target moves, and its film: of the target's place among all, how many were drawn before in
# all rounds, and a key that decides what is drawn.
Moves = Callable[[int, int, int], "tuple[Film, Target]"]


@dataclass(frozen=True)
class Recipe:
    """Settings of meta-learning."""

    rounds: int = 1000
    tasks: int = 6  # pictures a round
    first_steps: int = 20  # training steps per picture in the first round ...
    last_steps: int = 60  # ... rising to this in the last
    first_rate: float = 1.0  # how far the start moves towards the mean in the first round ...
    last_rate: float = 0.1  # ... falling to this in the last
    lr: float = 2e-3  # Adam's step size within a round ...
    fall: float = 1.0  # ... falling, step by step, to this share of it
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name != "seed" and getattr(self, name) <= 0:
                raise ZooError(f"{name} is {getattr(self, name)}; it must be more than 0")


@dataclass(frozen=True)
class Round:
    """What one round left: the start so far, and how well its pictures were learnt."""

    number: int  # from 1
    weights: Floats  # (P,)
    loss: float  # mean over the pictures of the last inner step's loss
    clock: Floats | None = None  # (HIDDEN, HANDS), of NCAs that hear one


def inner(regime: Regime, recipe: Recipe) -> Regime:
    """The regime within a round: with the recipe's step size."""
    return replace(regime, lr=recipe.lr)


def meta_learn(
    targets: Sequence[Target],
    regime: Regime,
    engine: Engine,
    recipe: Recipe,
    begins: Init | None = None,
    moves: Moves | None = None,
    done: int = 0,
) -> Iterator[Round]:
    """Learn a start for ``regime`` from ``targets``, yielding it after every round.

    begins: where the first round begins; at a random draw unless given. moves: makes films of the
    targets; how a clock is heard is then part of the start, and learnt from 0 unless it begins
    with one. done: rounds that ``begins`` has behind it, to go on as if nothing had stopped it.
    """
    key, regime = fold(recipe.seed, Stream.META), inner(regime, recipe)
    start = begins or Init("meta", glorot(fold(key, Stream.INIT)))
    for number in range(done, recipe.rounds):
        round_key = fold(key, number)
        order = np.argsort(uniform(round_key, len(targets)), kind="stable")
        jobs = []
        for turn, place in enumerate(order[: recipe.tasks].tolist(), number * recipe.tasks):
            rng_seed, target, film = fold(round_key, Stream.FIT, place), targets[place], None
            if moves is not None:
                film, target = moves(place, turn, rng_seed)
            jobs.append(Job(str(place), target, start, rng_seed, film=film))
        shape, kind = targets[0].trained.shape, jobs[0].taught.kind
        cohort = Cohort(regime, engine, *shape, room=len(jobs), kind=kind)
        for job in jobs:
            cohort.add(Member(job))
        share = number / max(recipe.rounds - 1, 1)
        steps = round(recipe.first_steps + share * (recipe.last_steps - recipe.first_steps))
        for step in range(steps):
            cohort.regime = replace(regime, lr=recipe.lr * (1 - (1 - recipe.fall) * step / steps))
            cohort.step()
        rate = recipe.first_rate + share * (recipe.last_rate - recipe.first_rate)
        teach = np.isfinite(cohort.averages).all(axis=1)  # what diverged has nothing to teach
        if regime.seeds > 1:  # nor what died: it would come to that soon where it began to grow
            lives = cohort.pools[..., ALPHA].max(axis=(2, 3)) > ALIVE_THRESHOLD
            teach &= mean(lives.astype(np.float32)) > 0.5
        if teach.any():
            towards = mean(cohort.averages[teach], axis=0)
            start = _moved(start, jobs[0].start(0), towards, np.float32(rate), kind)
        losses = np.array([member.losses[-1] for member in cohort.members])
        yield Round(number + 1, start.weights(0, 0), float(mean(losses)), start.clock)


def _moved(start: Init, here: Floats, towards: Floats, rate: np.float32, kind: Kind) -> Init:
    """A start that moved from ``here`` towards what was learnt, both flat, as ``Job.start``."""
    there = here + rate * (towards - here)
    clock = there[kind.parts[0]].reshape(HIDDEN, -1) if kind.d else None
    return replace(start, shared=there[:N_PARAMS], clock=clock)
