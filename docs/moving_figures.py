"""Figures of NCAs whose targets move, beside the frames that are due."""

from pathlib import Path
from typing import Any

import numpy as np
from weights_figures import Pictures, row

import nca_zoo
from nca_zoo.automaton.noise import fold
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.automaton.signals import Signal, clock
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.networks.writing import targets_of
from nca_zoo.pictures.films import in_motion
from nca_zoo.pictures.motions import MotionSettings
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.zoofile import Zoo
from nca_zoo.training.init import shipped_writer
from nca_zoo.viewer import figures, frames
from nca_zoo.viewer.frames import Pixels, composite
from nca_zoo.viewer.video import write_gif, write_png

WALK: dict[str, Any] = {"extra_steps": 0, "attempts": 1}
EVERY, LAST_WALKED, FPS = 6, 96 + 2 * 64, 12  # CA steps; frames a second
COLUMNS = 10
MOVING, LATE = 4, 400  # digits that move; the CA step from which they are shown
WEANED = ("sway", "walk", "pulse")
BORN, LATER = 96, 1936  # CA steps up to which, and from which in a round, the weaned are shown


def motion(zoo: Zoo, path: Path) -> None:
    """A digit that sways, beside the frame that is due."""
    ink = zoo.target[zoo.index("3-031")][..., 3]
    asked = {"steps": 500, "extra_steps": 0, "attempts": 1}
    nca_zoo.fit(ink, name="d3", motion="sway", **asked).film(96).save(path, fps=12, every=4)


def walking(zoo: Zoo, path: Path) -> None:
    """The gecko that walks, beside the frame that is due: grown, and two rounds on."""
    nca = nca_zoo.fit(Path(__file__).parent / "figures" / "walking-gecko.gif", **WALK)
    run = dict(nca.rollout(LAST_WALKED, every=EVERY))
    grown, wanted = _beside_what_is_due(nca, run)
    panels = [frames.Panel(grown, right="an NCA"), frames.Panel(wanted, "what is due")]
    write_gif(path, frames.Reel([*run], panels, 2, "dark", frames.STRIP), FPS)


def weaned(zoo: Zoo, path: Path) -> None:
    """Digits drawn at random of those that no writer has seen, without a clock, beside what is due:
    as they grow, and in their thirty-first round."""
    unseen = zoo.subset(zoo.split == "test")
    drawn = np.random.default_rng(0).permutation(len(unseen))[: len(WEANED)]
    columns = []
    for row_, kind in zip(drawn, WEANED, strict=True):
        ink, name = unseen.target[row_][..., 3], str(unseen.id[row_])
        nca = nca_zoo.fit(ink, name=name, motion=kind, clock="none", init="written")
        life = nca.rollout(LATER + 64, every=EVERY // 2)
        run = {step: cells for step, cells in life if step <= BORN or step >= LATER}
        grown, wanted = _beside_what_is_due(nca, run)
        columns.append((frames.Panel(grown, right=kind), frames.Panel(wanted, name, "due")))
    panels = [panel for line in zip(*columns, strict=True) for panel in line]
    write_gif(path, frames.Reel([*run], panels, len(WEANED), "dark", frames.STRIP), FPS)


def _beside_what_is_due(nca: nca_zoo.NCA, run: dict[int, Pictures]) -> tuple[Pixels, Pixels]:
    """Frames ``(T, H, W, 3)`` of what an NCA showed after some CA steps, and of what was due."""
    due = [nca.zoo.due(step, 0) for step in run]
    grown, wanted = (composite(np.stack(cells), "dark") for cells in ([*run.values()], due))
    return grown, wanted


def written_films(zoo: Zoo, path: Path) -> None:
    """Digits that no writer has seen, drawn at random, each with a motion of its own: what grows of
    what is written for the film, with no training, over half a round from step 400 on, and below it
    what is due."""
    unseen, look = zoo.subset(zoo.split == "test"), TargetSettings()
    drawn = unseen.subset(np.sort(np.random.default_rng(0).permutation(len(unseen))[:MOVING]))
    writer, how = shipped_writer("persistent", films=True), MotionSettings("mixed")
    panels: list[figures.Panel] = []
    for turn, still in enumerate(targets_of(drawn)):
        film, target = in_motion(still, how, turn, fold(1, turn), look)
        weights, clock_heard = writer.begins(target, film.frames)
        hands, when = clock(how.period), np.arange(how.period, dtype=np.int32)
        signal = Signal(clock_heard[None], hands[None], when[None, None])
        seed = seed_state(*zoo.grid, target.seed_row, target.seed_col)
        nca = Automata.grown(weights[None], seed, fire_rate=1.0, signal=signal)
        states, grown, due = SparseEngine().rollout(nca, nca.starts(), 0, LATE), [], []
        for step in range(LATE, LATE + how.period // 2, how.period // (2 * COLUMNS)):
            grown.append(states[0, 0, ..., : target.rgba.shape[-1]].clip(0, 1))
            due.append(film.due(step))
            states = SparseEngine().rollout(nca, states, step, how.period // (2 * COLUMNS))
        shown = np.stack(grown[:COLUMNS])
        name = f"{film.motion.kind} x {film.motion.cycles}"
        panels += row(name, shown, psnr(shown, np.stack(due[:COLUMNS])))
        panels += row("due", np.stack(due[:COLUMNS]))
    write_png(path, figures.draw(panels, COLUMNS, figures.SMALL))
