"""How `nca-zoo show` lets NCAs live, and what it draws and says of them."""

import math
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_zoo.ground.progress import Progress, counted, silent

from .options import progress

if TYPE_CHECKING:
    from nca_zoo.automaton.seeds import Seed
    from nca_zoo.automaton.wounds import Wound
    from nca_zoo.building.voices import Voice
    from nca_zoo.life.rollout import State
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.viewer.frames import Goal, Pixels, Reel

    States = list[tuple[int, State]]


@dataclass(frozen=True)
class Course:
    """What happens to NCAs while they are shown."""

    whole: "Zoo"  # that they are of
    seed: int  # which cells fire, and where seeds are drawn
    wounds: "tuple[Wound, ...]"
    planted: "tuple[Seed, ...]"
    drawn: int | None  # how many seeds they grow from, on lit cells that are drawn
    voices: "tuple[Voice, ...]" = ()  # what they are told to hear

    @property
    def steps(self) -> list[int]:
        """The CA steps before which something happens."""
        happening: list[Wound | Seed | Voice] = [*self.wounds, *self.planted, *self.voices]
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
        from nca_zoo.building.voices import told
        from nca_zoo.life.rollout import rollout

        stride, seeds = math.gcd(*shown), self.seeds(ncas, row)
        heard = [told(ncas, row, voice) for voice in self.voices]
        runs = ncas.fire_rate, ncas.signal([row]), seeds, ncas.seed_kind(row), heard
        look = self.seed, stride, self.wounds, *runs
        path = rollout(ncas.weights[row], ncas.start(row, seeds), steps, *look)
        return [
            (step, state if channels else seen(state, ncas.trained).copy())
            for step, state in counted(path, 1 + steps // stride, advance)
            if step in shown
        ]

    @property
    def others(self) -> "list[Voice]":
        """Those of the voices that tell all cells to be another NCA, in their order."""
        whole = [one for one in self.voices if one.picture is not None and one.circle is None]
        return sorted(whole, key=lambda one: one.step)

    def goal(self, ncas: "Zoo", row: int) -> "Goal":
        """What the NCA in a row is to look like: its picture, or that of what cells now hear."""
        told = [(one.step, one.picture) for one in self.others if one.picture is not None]
        if not told:
            return ncas.goal(row)
        own = ncas.due(0, row)
        return lambda now: [own, *(picture for step, picture in told if step < now)][-1]

    def look(self, ncas: "Zoo", background: str) -> dict[str, Any]:
        """How the pictures of a single NCA are made and captioned."""
        about = f"class {ncas.class_name[0]}" if ncas.label[0] >= 0 else ""
        if self.others:
            about = f"told {self.others[-1].name}"
        return {
            "target": self.goal(ncas, 0),
            "name": ncas.id[0],
            "about": about,
            "background": background,
            "trained": ncas.trained,
        }

    def score(self, ncas: "Zoo", row: int, states: "States") -> float | None:
        """PSNR of the last picture against the target, dB; None if nobody knows that."""
        from nca_zoo.automaton.rule import seen
        from nca_zoo.life.quality import psnr
        from nca_zoo.viewer.frames import due

        if ncas.status[row] == "unjudged":
            return None
        step, last = states[-1]
        return float(psnr(seen(last, ncas.trained), due(self.goal(ncas, row), step)))

    def open_window(self, ncas: "Zoo", background: str) -> None:
        """Let one NCA live in a window, from its seed or those planted at the beginning."""
        from nca_zoo.building.voices import voices_beside
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
        watch(life, **look, voices=voices_beside(self.whole, ncas.id[0]))


def findings(ncas: "Zoo", scores: list[float | None]) -> list[dict[str, Any]]:
    """What a program is told of each."""
    rows = zip(ncas.id.tolist(), ncas.status.tolist(), scores, strict=True)
    return [{"id": name, "status": status, "psnr": score} for name, status, score in rows]


def in_words(ncas: "Zoo", step: int, scores: list[float | None], grid: bool) -> str:
    """What a person is told of all."""
    known = [score for score in scores if score is not None]
    if not known:
        return ""
    if not grid:
        return f"{ncas.id[0]} at step {step}: PSNR {known[0]:.1f} dB against its target"
    return (
        f"{len(known)} NCA{'s' * (len(known) > 1)} at step {step}: PSNR against their targets "
        f"{statistics.median(known):.1f} dB in the median, {min(known):.1f} dB at the least"
    )


def side_by_side(
    ncas: "Zoo", course: Course, steps: int, shown: set[int], columns: int, background: str
) -> tuple["Reel", list[float | None]]:
    """The film of many NCAs, and the score of the last picture of each."""
    import numpy as np

    from nca_zoo.viewer.frames import ContactFilm, Panel, composite, seeds_in

    panels, scores = [], []
    with progress("roll out", " NCAs") as advance:
        for row in counted(range(len(ncas)), len(ncas), advance):
            states = course.states(ncas, row, steps, shown)
            scores.append(course.score(ncas, row, states))
            cells = composite(np.stack([state for _, state in states]), background)
            known = len(states) == 1 and scores[-1] is not None  # a film's last is of another frame
            right = f"{scores[-1]:.1f} dB" if known else ""
            panels.append(Panel(cells, ncas.id[row], right, seeds_in(states)))
    return ContactFilm(
        [step for step, _ in states], panels, ncas.path.name, columns, background
    ), scores


def picture_of(kind: str, still: bool, states: "States", look: dict[str, Any]) -> "Reel | Pixels":
    """A film of one NCA, or of its channels; of a file that stands still a strip or a table."""
    from nca_zoo.viewer.channels import ChannelFilm, channel_table
    from nca_zoo.viewer.frames import Film, strip

    if kind == "channels":
        return channel_table(states, **look) if still else ChannelFilm(states, **look)
    return strip(states, **look) if still else Film(states, **look)


def play_here(states: "States", look: dict[str, Any], fps: int) -> None:
    """Play them in the terminal."""
    from nca_zoo.viewer.terminal import Abilities, Screen, play

    abilities = Abilities.of(sys.stdout)
    size = shutil.get_terminal_size()
    screen = Screen(**look, colour=abilities.colour, size=(size.columns, size.lines))
    play((screen.draw(*pair) for pair in states), fps, sys.stdout, abilities.animate)


def write(out: Path, picture: "Reel | Pixels", fps: int) -> None:
    """Write the file, by its ending."""
    from nca_zoo.viewer.frames import Reel
    from nca_zoo.viewer.video import write_gif, write_mp4, write_png

    if not isinstance(picture, Reel):
        write_png(out, picture)
    elif out.suffix.lower() == ".png":
        write_png(out, picture[-1])
    else:
        write_film = write_gif if out.suffix.lower() == ".gif" else write_mp4
        with progress(out.name, " frames") as advance:
            write_film(out, picture, fps, advance)
