"""A made-up zoo of what moves: quickly, and without training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rows import header, record

from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import HANDS
from nca_zoo.pictures.motions import Motion, moved
from nca_zoo.pictures.targets import stored
from nca_zoo.store.columns import Column
from nca_zoo.store.schema import made_here
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter

PERIOD = 16
MOTIONS = [
    Motion(kind, direction, cycles=cycles)
    for kind in ("sway", "turn", "walk", "pulse")
    for direction in (1, -1)
    for cycles in (1, 2)
]


def moving_zoo(
    path: Path,
    pictures: np.ndarray,
    motions: list[Motion] = MOTIONS,
    weights: np.ndarray | None = None,
    seed: tuple[int, int] = (4, 4),
    fire_rate: float = 1.0,
) -> Zoo:
    """A zoo of white ink ``(N, H, W)`` uint8, which moves as it is told, over again.

    weights: ``(P,)`` of all; noise unless given. How the clock is heard is noise in any case.
    """
    rng = np.random.default_rng(len(pictures))
    rows = []
    for number, ink in enumerate(pictures):
        motion = motions[number % len(motions)]
        rgba = np.repeat(ink[..., None], 4, axis=-1) / np.float32(255)
        film = stored(moved(rgba, motion, PERIOD))
        own = {} if weights is None else {"weights": weights}
        of_film = {
            "film": film,
            "period": PERIOD,
            "motion": motion.kind,
            "direction": motion.direction,
            "amplitude": np.float32(motion.amplitude),
            "cycles": motion.cycles,
            "clock": (0.05 * rng.standard_normal((HIDDEN, HANDS))).astype(np.float32),
        }
        place = {"seed_row": seed[0], "seed_col": seed[1], "target": film[0], "grown": film[0]}
        rows.append(record(number, ink.shape, **place, **own) | of_film)
    columns = [
        Column("film", "|u1", film.shape),
        Column("period", "<i4", (), "CA steps"),
        Column("motion", "S16"),
        Column("direction", "|i1"),
        Column("amplitude", "<f4"),
        Column("cycles", "<i2"),
        Column("clock", "<f4", (HIDDEN, HANDS)),
    ]
    made = made_here("a test")
    told = header(motion={"motion": "mixed", "period": PERIOD, "clock": "phase"})
    told.settings["regime"]["fire_rate"] = fire_rate
    with ZooWriter(path, told) as writer:
        writer.add(rows, [replace(column, **made) for column in columns])
    return open_zoo(path)
