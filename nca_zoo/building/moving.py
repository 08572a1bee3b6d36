"""What a zoo keeps of NCAs whose targets move, beside what it keeps of all."""

from dataclasses import replace
from typing import Any

import numpy as np

from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import HANDS
from nca_zoo.pictures.targets import stored
from nca_zoo.store.columns import Column
from nca_zoo.store.schema import made_here
from nca_zoo.training.trainer import Fit


def moving_columns(fit: Fit, made_by: str) -> list[Column]:
    """The columns of a zoo whose NCAs are like this one; none if its target stands still."""
    film = fit.job.film
    if film is None:
        return []
    made = made_here(made_by)
    columns = [
        Column("film", "|u1", film.frames.shape, "1/255", "what is due: RGBA, frame by frame"),
        Column("period", "<i4", (), "CA steps", "in which the film comes round"),
        Column("motion", "S16", description="how the picture moves: film, sway, turn ..."),
        Column("direction", "|i1", description="1 or -1: to which side, or which way round"),
        Column("amplitude", "<f4", description="share of the full swing"),
        Column("cycles", "<i2", description="how often it comes round within a period"),
    ]
    if film.clocked:
        heard = "b1 becomes b1 + clock (cos p, sin p, cos 2p, sin 2p), p the phase"
        columns.append(Column("clock", "<f4", (HIDDEN, HANDS), description=heard))
    return [replace(column, **made) for column in columns]


def moving_values(fit: Fit) -> dict[str, Any]:
    """A row of these columns, by their names."""
    film, heard = fit.job.film, fit.signal
    assert film is not None
    motion = film.motion
    values = {
        "film": stored(film.frames),
        "period": film.period,
        "motion": motion.kind,
        "direction": motion.direction,
        "amplitude": np.float32(motion.amplitude),
        "cycles": motion.cycles,
    }
    return values if heard is None else values | {"clock": heard[0]}
