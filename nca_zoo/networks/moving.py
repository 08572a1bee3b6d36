"""A writer for films, as it begins: one for stills, that is told how the whole of a film swings.

At first what it writes for a film is what it wrote for the film's first frame, and a clock that is
heard by chance, more or less of it with each swing. All of it is learnt on end to end
(``networks.end_to_end``).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.pictures.motions import SWINGS, swings
from nca_zoo.pictures.targets import Rgba
from nca_zoo.training.writer import CLOCK, Writer, in_bytes

MIXED, UNITS = 32, 64  # changes that only new hidden units ask for, and these
LOUD, ELSE = 0.1, 2e-3  # standard deviation of what new changes add up to: of the clock, and else
LEAST = 0.05  # what counts as 1 of a swing that hardly comes


def films_begin(
    writer: Writer, films: Sequence[Rgba], recipe: dict[str, Any], seed: int = 0
) -> Writer:
    """A writer for films, of one for stills and some films ``(F, H, W, 4)``, by which it is told
    what swings are usual.

    recipe: how the NCAs that it writes are trained, over that of ``writer``. Raises ValueError for
    a writer for films.
    """
    if writer.for_films:
        raise ValueError("a writer for films begins at one for stills")
    usual = np.std([swings(frames) for frames in films], axis=0)
    k, h, r = len(writer.patterns), len(writer.bias), len(writer.scales)
    new = SWINGS + MIXED
    key = fold(seed, Stream.INIT)
    into = np.zeros((h + UNITS, k + SWINGS))
    into[:h, :k] = writer.into
    into[:h, k:] = 0.02 * _drawn(fold(key, 1), h, SWINGS)
    into[h:, :k] = 0.7 / np.sqrt(k) * _drawn(fold(key, 2), UNITS, k)
    into[h:, k:] = _drawn(fold(key, 3), UNITS, SWINGS) / np.sqrt(SWINGS)
    mix = np.zeros((r + new, k + SWINGS + h + UNITS))
    mix[:r, :k], mix[:r, k + SWINGS : -UNITS] = writer.mix[:, :k], writer.mix[:, k:]
    mix[r : r + SWINGS, k : k + SWINGS] = np.eye(SWINGS)
    mix[r + SWINGS :, -UNITS:] = _drawn(fold(key, 4), MIXED, UNITS) / np.sqrt(UNITS)
    changes = np.zeros((r + new, CLOCK.stop))
    changes[:r, :N_PARAMS] = writer.changes * writer.scales[:, None]
    changes[r:] = ELSE / np.sqrt(new) * _drawn(fold(key, 5), new, CLOCK.stop)
    changes[r:, CLOCK] *= LOUD / ELSE
    small, scales = in_bytes(changes)
    return replace(
        writer,
        base=np.concatenate([writer.base, np.zeros(CLOCK.stop - N_PARAMS, np.float32)]),
        into=into.astype(np.float16),
        bias=np.concatenate([writer.bias, np.zeros(UNITS, np.float32)]),
        mix=mix.astype(np.float16),
        changes=small,
        scales=scales,
        swings=np.maximum(usual, LEAST).astype(np.float32),
        recipe=recipe | {"begun": writer.digest},
    )


def _drawn(key: int, rows: int, cols: int) -> npt.NDArray[np.float64]:
    """Draws of mean 0 and standard deviation 1."""
    return np.sqrt(3) * (2 * uniform(key, rows * cols).reshape(rows, cols) - 1)
