"""Measuring the dynamics of a whole zoo: resumable, on all cores, the results stored as columns."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nca_zoo.errors import ZooError
from nca_zoo.life.dynamics import COST, SEEDS, columns, measure_all
from nca_zoo.store.parts import find_parts, zoo_path
from nca_zoo.store.schema import made_here
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter

STORE_EVERY_S = 20.0  # between writings of the file, at least
PATIENCE = 20  # writing may take one part in so many of the time

Progress = Callable[[int, int], None]  # NCAs measured so far, and in all


def unmeasured(zoo: Zoo, seeds: int = SEEDS) -> list[int]:
    """Rows without the columns of ``nca_zoo.life.dynamics``; NCAs that are not finite never have
    any.

    Raises ``ZooError`` if the zoo was measured with other settings.
    """
    wanted = {column.name: column for column in columns(seeds)}
    stored = {column.name: column for column in zoo.described if column.name in wanted}
    for name, column in stored.items():
        if column.description != wanted[name].description:
            raise ZooError(
                f"{zoo.path}: {name} was measured otherwise ({column.description}); "
                "use the same --seeds, or --again to measure everything anew"
            )
    missing = np.ones(len(zoo), bool)
    if wanted.keys() == stored.keys():
        missing = np.isnan(zoo.column(COST))
    finite = np.isfinite(zoo.weights).all(axis=1)
    return np.flatnonzero(missing & finite).tolist()


def measure_zoo(
    path: str | Path,
    seeds: int = SEEDS,
    jobs: int = 1,
    again: bool = False,
    progress: Progress = lambda done, total: None,
) -> int:
    """Measure every NCA of the zoo at ``path`` that was not measured yet; returns how many.

    What is measured is put beside the file from time to time, also after Ctrl-C, and into it at the
    end; what is cut short otherwise costs the work since the last time. Nobody else can write the
    zoo meanwhile. Raises ``ZooError`` as ``unmeasured`` does unless ``again``, and for what the
    disk refuses.
    """
    path = zoo_path(path)
    zoo = open_zoo(path)
    if not again and not unmeasured(zoo, seeds):
        return 0
    with ZooWriter(path, find_parts(path)[0].layout.header) as writer:
        writer.consolidate()
        zoo = open_zoo(path)
        known = {column.name for column in zoo.described}
        rows = np.flatnonzero(np.isfinite(zoo.weights).all(axis=1)).tolist()
        if not again:
            rows = unmeasured(zoo, seeds)
        values = {
            column: np.full(len(zoo), np.nan, np.float32)
            if again or column.name not in known
            else zoo.column(column.name).astype(np.float32)
            for column in columns(seeds)
        }
        made = made_here(f"nca-zoo dynamics --seeds {seeds}")
        values = {dataclasses.replace(column, **made): v for column, v in values.items()}
        done, stored, due = 0, 0, time.monotonic() + STORE_EVERY_S
        try:
            for row, found in measure_all(zoo, rows, seeds, jobs):
                for column in values:
                    values[column][row] = found[column.name]
                done += 1
                progress(done, len(rows))
                if time.monotonic() > due:
                    began = time.monotonic()
                    writer.add_columns(values, zoo.id.tolist())
                    stored = done
                    taken = time.monotonic() - began
                    due = began + max(STORE_EVERY_S, PATIENCE * taken)
        finally:
            if done > stored:
                writer.add_columns(values, zoo.id.tolist())
        writer.consolidate()
    return done
