"""What happens to NCAs that `nca-zoo show` lets live: its options, and the course they make."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.ground.progress import Progress, counted, silent

if TYPE_CHECKING:
    from nca_zoo.automaton.seeds import Seed
    from nca_zoo.automaton.wounds import Wound
    from nca_zoo.building.becoming import Becoming
    from nca_zoo.life.rollout import State
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.viewer.frames import Goal

    States = list[tuple[int, State]]

_OPTIONS = (
    click.option(
        "--damage",
        multiple=True,
        metavar="STEP[:ROW,COL,RADIUS]",
        help="Erase a circle of cells before this step; without a place, a large one in the middle "
        "of what is lit. May be given more than once.",
    ),
    click.option(
        "--plant",
        multiple=True,
        metavar="[STEP:]ROW,COL",
        help="Plant a seed in this cell, from the beginning in place of its own, or before a step. "
        "May be given more than once.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(1, 16),
        metavar="N",
        help="Grow from so many seeds, on lit cells that --seed draws, in place of its own.",
    ),
    click.option(
        "--signal",
        multiple=True,
        metavar="[STEP:]WHAT[@ROW,COL,RADIUS]",
        help="Let an NCA of several pictures hear what another of them does, by its id, or "
        "numbers; from a step on, in a circle of cells. May be given more than once.",
    ),
    click.option(
        "--as",
        "becoming",
        multiple=True,
        metavar="[STEP:]ID[@ROW,COL,RADIUS]",
        help="Let it become another NCA of the zoo: go on with the weights of that, from a step "
        "on, in a circle of cells. May be given more than once.",
    ),
)


def happening(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of all that happens; the command hands them to ``Course.of``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Course:
    """What happens to NCAs while they are shown."""

    whole: "Zoo"  # that they are of
    seed: int  # which cells fire, and where seeds are drawn
    wounds: "tuple[Wound, ...]"
    planted: "tuple[Seed, ...]"
    drawn: int | None  # how many seeds they grow from, on lit cells that are drawn
    becoming: "tuple[Becoming, ...]" = ()  # others, or what hears something else

    @classmethod
    def of(
        cls,
        whole: "Zoo",
        seed: int,
        damage: tuple[str, ...],
        plant: tuple[str, ...],
        seeds: int | None,
        signal: tuple[str, ...],
        becoming: tuple[str, ...],
    ) -> "Course":
        """As a person has written it; raises ZooError for what cannot be understood."""
        from nca_zoo.automaton.seeds import parse_seed
        from nca_zoo.automaton.wounds import parse_wound
        from nca_zoo.building.becoming import hearing, taking

        wounds, planted = tuple(map(parse_wound, damage)), tuple(map(parse_seed, plant))
        others = (
            *(hearing(whole, text) for text in signal),
            *(taking(whole, text) for text in becoming),
        )
        return cls(whole, seed, wounds, planted, seeds, others)

    @property
    def steps(self) -> list[int]:
        """The CA steps before which something happens."""
        happening: list[Wound | Seed | Becoming] = [*self.wounds, *self.planted, *self.becoming]
        return [one.step for one in happening]

    def seeds(self, ncas: "Zoo", row: int) -> "list[Seed]":
        """All that are planted, of the NCA in a row."""
        from nca_zoo.automaton.noise import Stream, fold
        from nca_zoo.automaton.seeds import Seed, drawn_cells

        if self.drawn is None:
            return list(self.planted)
        key = fold(fold(self.seed, Stream.ROLLOUT), Stream.SEEDS)
        cells = drawn_cells(key, ncas.due(0, row)[..., -1], self.drawn)
        return [*(Seed(0, *cell) for cell in cells), *self.planted]

    def states(
        self,
        ncas: "Zoo",
        row: int,
        steps: int,
        shown: set[int],
        channels: bool = False,
        advance: Progress = silent,
    ) -> "States":
        """The states to show of an NCA: all channels, or what is seen of them alone."""
        from nca_zoo.automaton.rule import seen
        from nca_zoo.life.rollout import rollout

        stride, seeds = math.gcd(*shown), self.seeds(ncas, row)
        told = [one.told(ncas, row) for one in self.becoming]
        runs = ncas.fire_rate, ncas.signal([row]), seeds, ncas.seed_kind(row), told
        look = self.seed, stride, self.wounds, *runs
        path = rollout(ncas.weights[row], ncas.start(row, seeds), steps, *look)
        return [
            (step, state if channels else seen(state, ncas.trained).copy())
            for step, state in counted(path, 1 + steps // stride, advance)
            if step in shown
        ]

    @property
    def last(self) -> "Zoo | None":
        """Who all cells are in the end, alone; None if they stay what they were."""
        from nca_zoo.building.becoming import last_of

        return last_of(self.becoming)

    def goal(self, ncas: "Zoo", row: int) -> "Goal":
        """What the NCA in a row is to look like: its picture, or that of whom it has become."""
        from nca_zoo.building.becoming import goal

        return goal(ncas, row, self.becoming)

    def look(self, ncas: "Zoo", background: str) -> dict[str, Any]:
        """How the pictures of a single NCA are made and captioned."""
        about = f"class {ncas.class_name[0]}" if ncas.label[0] >= 0 else ""
        if self.last is not None:
            about = str(self.last.id[0])  # whose picture stands beside
        return {
            "target": self.goal(ncas, 0),
            "name": ncas.id[0],
            "about": about,
            "background": background,
            "trained": ncas.trained,
        }

    def score(self, ncas: "Zoo", row: int, states: "States") -> float | None:
        """PSNR of the last picture against its goal, dB; None if nobody knows that."""
        from nca_zoo.automaton.rule import seen
        from nca_zoo.life.quality import psnr
        from nca_zoo.viewer.frames import due

        if (ncas.status[row] if self.last is None else self.last.status[0]) == "unjudged":
            return None
        step, last = states[-1]
        return float(psnr(seen(last, ncas.trained), due(self.goal(ncas, row), step)))

    def open_window(self, ncas: "Zoo", background: str) -> None:
        """Let one NCA live in a window, from its seed or those planted at the beginning."""
        from nca_zoo.building.becoming import weights_beside
        from nca_zoo.life.rollout import Life
        from nca_zoo.viewer.window import watch

        kind, seeds = ncas.seed_kind(0), self.seeds(ncas, 0)
        start = ncas.start(0, seeds)
        for seed in seeds:
            start = kind.planted(start, seed.row, seed.col)
        life = Life(ncas.weights[0], start, self.seed, kind, ncas.fire_rate, ncas.signal([0]))
        look = self.look(ncas, background)
        if ncas.status[0] == "unjudged":
            look["target"] = None
        watch(life, **look, others=weights_beside(self.whole, ncas.id[0]))
