"""How an NCA is trained: the regimes, as settings that are checked where they are made.

``growing``, ``persistent`` and ``regenerating`` are experiments 1 to 3 of *Growing Neural Cellular
Automata* (Distill, 2020): they differ in the states that training starts from. ``writeup`` is the
recipe of the write-up that this project starts from. Batch, pool and number of steps are ours,
fitted to small pictures and a meta-learned start (docs/notes/performance.md).
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.rule import TENSORS
from nca_zoo.automaton.seeds import MOST_SEEDS
from nca_zoo.errors import ZooError
from nca_zoo.ground.arithmetic import cosine
from nca_zoo.life.engines.goals import LOSSES
from nca_zoo.training.gate import Gate, Heals, gate

CA_STEPS = (64, 96)  # a training rollout takes a uniform draw from this range, both ends included
ALWAYS = {"average": 0.0, "fire_rate": FIRE_RATE, "seeds": 1, "train": TENSORS,
          "ca_steps": CA_STEPS, "looks": (), "weaned": 0, "pieces": 0,
          "warm": 0}  # fmt: skip


@dataclass(frozen=True)
class Regime:
    """Everything about training that is not the picture, the start or the random seed."""

    name: str
    batch: int = 8  # examples per training step
    pool: int = 0  # states kept between training steps; 0: every example starts from the seed
    damaged: int = 0  # of the batch, how many of the best are wounded before the rollout
    steps: int = 200  # training steps of one attempt, before the gate may grant more
    extra_steps: int = 200  # granted once to an attempt that ends short of the gate
    attempts: int = 2  # fresh attempts before an NCA is stored as failed
    lr: float = 2e-3
    schedule: Literal["step", "cosine"] = (
        "step"  # x0.1 after `decay_at` | cosine to 0 at `decay_at`
    )
    decay_at: int = 2000
    warm: int = 0  # training steps in which the step size rises
    normalise_gradient: bool = True  # each tensor by its own L2 norm, per NCA
    loss: str = "final"  # of the last state | every_step: mean over all CA steps | late: over some
    seed_hidden: bool = True  # the seed cell's hidden channels start at 1
    seeds: int = 1  # of a growth, at most; if more, on lit cells that are drawn
    pieces: int = (
        0  # training steps that went well until several seeds begin without any of the picture
    )
    fire_rate: float = FIRE_RATE  # chance of a cell to be updated in a CA step, in 256ths
    average: float = 0.0  # kept is the mean of the weights, a step earlier weighing this much
    train: tuple[str, ...] = TENSORS  # that are fitted; the others stay the start's; of codes none
    ca_steps: tuple[int, int] = CA_STEPS  # of a training rollout: a uniform draw, ends included
    looks: tuple[int, ...] = ()  # CA steps: what begins anew or is wounded is looked at then, too
    weaned: int = 0  # training steps in which a clock, loud at first, has fallen silent for good
    gate: Gate = Gate()

    def __post_init__(self) -> None:
        positive = ("batch", "steps", "attempts", "lr", "decay_at")
        checks = [(name, getattr(self, name) > 0, "more than 0") for name in positive]
        checks += [
            ("weaned", self.weaned >= 0, "0 or more"),
            ("pieces", self.pieces >= 0, "0 or more"),
            ("warm", self.warm >= 0, "0 or more"),
            ("ca_steps", 0 < self.ca_steps[0] <= self.ca_steps[1], "a range of 1 or more"),
            ("pool", self.pool == 0 or self.pool >= self.batch, f"0 or at least {self.batch}"),
            ("damaged", 0 <= self.damaged < self.batch, f"from 0 to {self.batch - 1}"),
            ("seeds", 1 <= self.seeds <= MOST_SEEDS, f"from 1 to {MOST_SEEDS}"),
            ("looks", all(look > 0 for look in self.looks), "CA steps, each more than 0"),
            ("extra_steps", self.extra_steps >= 0, "0 or more"),
            ("schedule", self.schedule in ("step", "cosine"), "step or cosine"),
            ("average", 0 <= self.average < 1, "at least 0 and below 1"),
            ("fire_rate", 0 < self.fire_rate <= 1, "above 0 and at most 1"),
            ("loss", self.loss in LOSSES, " or ".join(LOSSES)),
            ("train", {*self.train} <= {*TENSORS}, f"some of {', '.join(TENSORS)}"),
        ]
        for name, good, allowed in checks:
            if not good:
                raise ZooError(f"{name} is {getattr(self, name)!r}; it must be {allowed}")
        in_order = tuple(name for name in TENSORS if name in self.train)
        object.__setattr__(self, "train", in_order)

    @property
    def fresh(self) -> int:
        """How many of a batch from the pool are begun anew: there are many places to begin at."""
        return 1 if self.seeds == 1 else max(1, self.batch // 2)

    def of_batch(self, batch: int) -> "Regime":
        """The same with so many examples a training step; if any are wounded, all but one are.

        Raises ZooError if that leaves none.
        """
        if self.damaged and batch < 2:
            raise ZooError(f"batch is {batch}: one is begun anew, and {self.name} wounds others")
        return dataclasses.replace(self, batch=batch, damaged=self.damaged and batch - 1)

    def learning_rate(self, step: int) -> float:
        """Adam's step size at training step ``step``, which counts from 0."""
        lr = self.lr * min(1.0, (step + 1) / self.warm) if self.warm else self.lr
        if self.schedule == "step":
            return lr if step < self.decay_at else 0.1 * lr
        quarter = 0.5 * math.pi * min(step / self.decay_at, 1.0)
        return lr * cosine(quarter) * cosine(quarter)  # as (1 + cos of twice that) / 2

    def loudness(self, step: int) -> float:
        """How loud a clock that is to fall silent is at training step ``step``, from 1 to 0."""
        return 1 - step / self.weaned if step < self.weaned else 0.0

    def piece(self, stood: int) -> float:
        """How far the picture may reach around seeds, from 1 to 0, after so many training steps in
        which it stood."""
        return (1 - stood / self.pieces) ** 2 if stood < self.pieces else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for the zoo file.

        Some only where they are not as they always were: zoos from before there was a choice go on.
        """
        values = dataclasses.asdict(self) | {"gate": self.gate.as_dict()}
        for name, always in ALWAYS.items():
            if values[name] == always:
                del values[name]
        return values

    def step_settings(self) -> dict[str, Any]:
        """What decides a training step, without the gate and the budget."""
        others = ("gate", "steps", "extra_steps", "attempts")
        return {name: value for name, value in self.as_dict().items() if name not in others}


REGIMES: dict[str, Regime] = {
    regime.name: regime
    for regime in (
        Regime("growing", batch=2, gate=gate(stable=False)),
        Regime("persistent", batch=2, pool=12, lr=1.5e-3, gate=gate(stops=27.0)),
        Regime(
            "regenerating",
            batch=2,
            pool=12,
            damaged=1,
            lr=1e-3,
            average=0.95,
            gate=gate(stops=27.0, every=20, heals=Heals()),
        ),
        Regime(
            "writeup",
            batch=64,
            steps=1200,
            extra_steps=0,
            attempts=1,
            lr=5e-3,
            schedule="cosine",
            decay_at=2400,
            normalise_gradient=False,
            loss="every_step",
            seed_hidden=False,
            gate=gate(stops=math.inf, stable=False),
        ),
    )
}
