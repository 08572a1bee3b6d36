"""What a zoo keeps, beside what it keeps of all, of NCAs whose targets move, of those that always
hear a signal, and of those that grow from several seeds."""

from dataclasses import replace
from typing import Any

import numpy as np

from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import HANDS
from nca_zoo.life.sowing import EACH
from nca_zoo.pictures.targets import stored
from nca_zoo.store.columns import Column
from nca_zoo.store.schema import made_here
from nca_zoo.training.regime import Regime
from nca_zoo.training.trainer import Fit


def further_columns(fit: Fit, regime: Regime, made_by: str) -> list[Column]:
    """The further columns of a zoo whose NCAs are like this one; mostly none."""
    made = made_here(made_by)
    return [replace(column, **made) for column in (*_moving(fit), *_hearing(fit), *_sown(regime))]


def _sown(regime: Regime) -> list[Column]:
    """Columns of ``Sown.stored``."""
    if regime.seeds == 1:
        return []
    reached = "PSNR that nine in ten growths from seeds on random lit cells reach"
    whole = "share of {} growths that are whole, of so many seeds on random lit cells: {}"
    shares = [
        Column(f"seeds_{n}", "<f4", description=whole.format(EACH, n))
        for n in range(1, regime.seeds + 1)
    ]
    return [Column("psnr_seeds", "<f4", (), "dB", reached), *shares]


def _moving(fit: Fit) -> list[Column]:
    film = fit.job.film
    if film is None:
        return []
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
    return columns


def _hearing(fit: Fit) -> list[Column]:
    """Columns of a signal that stays, and is part of ``b1``."""
    if fit.job.film is not None or fit.signal is None:
        return []
    S, s = fit.signal
    how = "how each hidden unit hears: b1 = shared b1 + S s"
    return [
        Column("S", "<f4", S.shape, description=how),
        Column("s", "<f4", s.shape[1:], description="the signal that this NCA always hears"),
    ]


def further_values(fit: Fit) -> dict[str, Any]:
    """What of a row of these columns is no measure, by their names."""
    film, heard = fit.job.film, fit.signal
    if film is None:
        return {} if heard is None else {"S": heard[0], "s": heard[1][fit.place]}
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
