"""Measuring the dynamics of a whole zoo: resumable, on all cores, the results stored as columns."""

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

import numpy as np

from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life.dynamics import (
    COST,
    HEALED_STEP,
    LATE_STEP,
    NEAR_DB,
    SEEDS,
    Case,
    measure,
)
from nca_zoo.life.quality import GROWN_STEP, STABLE_STEP
from nca_zoo.pictures.targets import restored
from nca_zoo.store.columns import Column
from nca_zoo.store.parts import find_parts, zoo_path
from nca_zoo.store.schema import made_here
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter

STORE_EVERY_S = 20.0  # between writings of the file, at least
PATIENCE = 20  # writing may take one part in so many of the time


def columns(seeds: int = SEEDS) -> tuple[Column, ...]:
    """What is measured. A description says all that decides the values, so that two files agree."""
    mean = f"mean over mask seeds 0 to {seeds - 1}"
    lives = f"missing if dead at step {GROWN_STEP}; {mean}"
    hurt = f"missing if that changes nothing; {mean}"
    rms = "root mean square over cells and RGBA, clipped to [0, 1]"

    def column(name: str, units: str, text: str) -> Column:
        return Column(name, "<f4", (), units, text)

    return (
        column(
            "steps_to_grow",
            "CA steps",
            f"first step with PSNR within {NEAR_DB:g} dB of that at step {GROWN_STEP}; "
            f"missing if then farther from the target than the seed, or dead; {mean}",
        ),
        column(
            f"drift_{STABLE_STEP}",
            "",
            f"picture at step {STABLE_STEP} minus that at step {GROWN_STEP}, {rms}; {lives}",
        ),
        column(
            f"drift_{LATE_STEP}",
            "",
            f"picture at step {LATE_STEP} minus that at step {GROWN_STEP}, {rms}; {lives}",
        ),
        column(
            f"psnr_{LATE_STEP}", "dB", f"PSNR against the target at CA step {LATE_STEP}; {mean}"
        ),
        column(f"alive_{LATE_STEP}", "", f"share of cells alive at CA step {LATE_STEP}; {mean}"),
        column(
            f"spread_{GROWN_STEP}",
            "",
            f"deviation of pictures at step {GROWN_STEP} over mask seeds 0 to {seeds - 1}, {rms}; "
            "missing if dead under all, or if there is one seed",
        ),
        column(
            "psnr_wounded",
            "dB",
            f"PSNR against the target after the standard wound at step {GROWN_STEP}; {hurt}",
        ),
        column(
            "psnr_healed",
            "dB",
            f"PSNR against the target at step {HEALED_STEP}, wounded at {GROWN_STEP}; {hurt}",
        ),
        column(
            "recovery",
            "",
            f"1 - squared difference between wounded and unharmed at step {HEALED_STEP}, in units "
            f"of that made by the wound at step {GROWN_STEP}; 1 healed, at least -1; {hurt}",
        ),
        column(COST, "s", f"CPU time of measuring these columns; {mean}"),
    )


def case_of(zoo: Zoo, row: int) -> Case:
    """The NCA in a row of a zoo."""
    target = restored(zoo.target[row])
    judged = str(zoo.status[row]) != "unjudged"
    return Case(zoo.weights[row], zoo.seed_states(row), target, judged, zoo.trained, zoo.fire_rate)


def measure_all(
    zoo: Zoo, rows: list[int], seeds: int = SEEDS, jobs: int = 1, first: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    """``(row, values)`` of the given rows as they finish, on ``jobs`` threads.

    seeds, first: the streams of fire masks, as for ``measure``. The values depend on the NCA alone
    (but for its CPU time), not on their number or order.
    """
    with ThreadPoolExecutor(jobs) as pool:
        ahead = iter(rows)
        try:
            running = {
                pool.submit(measure, case_of(zoo, row), seeds, first): row
                for row in islice(ahead, 2 * jobs)
            }
            while running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
                    for row in islice(ahead, 1):
                        running[pool.submit(measure, case_of(zoo, row), seeds, first)] = row
        finally:  # a reader that stops early does not wait for what has not begun
            pool.shutdown(cancel_futures=True)


def unmeasured(zoo: Zoo, seeds: int = SEEDS) -> list[int]:
    """Rows without the columns of ``columns``; NCAs that are not finite never have
    any.

    Raises ``ZooError`` if the zoo was measured with other settings, or if its targets move.
    """
    zoo.must_stand_still("dynamics")
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
    progress: Progress = silent,
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
