"""Measuring the dynamics of a whole zoo: resumable, on all cores, the results stored as columns."""

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

import numpy as np

from nca_zoo.automaton.record import rollout_keys
from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.life import rhythm
from nca_zoo.life.dynamics import (
    COST,
    HEALED_STEP,
    LATE_STEP,
    NEAR_DB,
    SEEDS,
    Case,
    measure,
)
from nca_zoo.life.healing import WOUNDED
from nca_zoo.life.quality import GROWN_STEP, STABLE_STEP
from nca_zoo.pictures.targets import restored
from nca_zoo.store.columns import Column
from nca_zoo.store.parts import find_parts, zoo_path
from nca_zoo.store.schema import made_here
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter

STORE_EVERY_S = 20.0  # between writings of the file, at least
PATIENCE = 20  # writing may take one part in so many of the time


def columns(seeds: int = SEEDS, moving: bool = False) -> tuple[Column, ...]:
    """What is measured, of targets that stand still or move. A description says all that decides
    the values, so that two files agree."""
    return _of_motion(seeds) if moving else _of_stills(seeds)


def _column(name: str, units: str, text: str) -> Column:
    return Column(name, "<f4", (), units, text)


def _of_motion(seeds: int) -> tuple[Column, ...]:
    steps = f"CA steps {STABLE_STEP} to {rhythm.LAST_STEP}, or {rhythm.LEAST_ROUNDS} rounds"
    goes = "missing if it does not go along with its film"
    mean = f"mean over mask seeds 0 to {seeds - 1}, or of 0 where nothing is left to chance"
    wounds = (
        f"share of {rhythm.WOUNDS} wounds of radius {rhythm.RADIUS:g} cells at step "
        f"{WOUNDED} after which, in the round from step {rhythm.LOOKED} on,"
    )
    near = f"the phase is that of the unharmed NCA to {rhythm.IN_STEP:g} of a round"
    return (
        _column(
            "own_period",
            "CA steps",
            f"of a round as it goes, by a line through its phases from step {GROWN_STEP} on; "
            f"{goes}; {mean}",
        ),
        _column("psnr_due", "dB", f"median PSNR against the frame that is due, {steps}; {mean}"),
        _column(
            "psnr_own",
            "dB",
            f"median PSNR against the film as far ahead as each round is, {steps}; {mean}",
        ),
        _column("phase_again", "", f"{wounds} {near}; {goes}; {mean}"),
        _column(
            "film_again",
            "",
            f"{wounds} {near} and its squared error at most {rhythm.TWICE:g} times as large; "
            f"{goes}; {mean}",
        ),
        _column(COST, "s", f"CPU time of measuring these columns; {mean}"),
    )


def _of_stills(seeds: int) -> tuple[Column, ...]:
    mean = f"mean over mask seeds 0 to {seeds - 1}"
    lives = f"missing if dead at step {GROWN_STEP}; {mean}"
    hurt = f"missing if that changes nothing; {mean}"
    rms = "root mean square over cells and RGBA, clipped to [0, 1]"
    return (
        _column(
            "steps_to_grow",
            "CA steps",
            f"first step with PSNR within {NEAR_DB:g} dB of that at step {GROWN_STEP}; "
            f"missing if then farther from the target than the seed, or dead; {mean}",
        ),
        _column(
            f"drift_{STABLE_STEP}",
            "",
            f"picture at step {STABLE_STEP} minus that at step {GROWN_STEP}, {rms}; {lives}",
        ),
        _column(
            f"drift_{LATE_STEP}",
            "",
            f"picture at step {LATE_STEP} minus that at step {GROWN_STEP}, {rms}; {lives}",
        ),
        _column(
            f"psnr_{LATE_STEP}", "dB", f"PSNR against the target at CA step {LATE_STEP}; {mean}"
        ),
        _column(f"alive_{LATE_STEP}", "", f"share of cells alive at CA step {LATE_STEP}; {mean}"),
        _column(
            f"spread_{GROWN_STEP}",
            "",
            f"deviation of pictures at step {GROWN_STEP} over mask seeds 0 to {seeds - 1}, {rms}; "
            "missing if dead under all, or if there is one seed",
        ),
        _column(
            "psnr_wounded",
            "dB",
            f"PSNR against the target after the standard wound at step {GROWN_STEP}; {hurt}",
        ),
        _column(
            "psnr_healed",
            "dB",
            f"PSNR against the target at step {HEALED_STEP}, wounded at {GROWN_STEP}; {hurt}",
        ),
        _column(
            "recovery",
            "",
            f"1 - squared difference between wounded and unharmed at step {HEALED_STEP}, in units "
            f"of that made by the wound at step {GROWN_STEP}; 1 healed, at least -1; {hurt}",
        ),
        _column(COST, "s", f"CPU time of measuring these columns; {mean}"),
    )


def case_of(zoo: Zoo, row: int) -> Case:
    """The NCA in a row of a zoo."""
    target = restored(zoo.target[row])
    judged = str(zoo.status[row]) != "unjudged"
    return Case(zoo.weights[row], zoo.seed_states(row), target, judged, zoo.trained, zoo.fire_rate)


def _measured(zoo: Zoo, row: int, seeds: int, first: int) -> dict[str, float]:
    """What ``columns`` has of the NCA in a row."""
    if zoo.moving is None:
        return measure(case_of(zoo, row), seeds, first)
    began = time.thread_time()
    streams = range(first, first + (1 if zoo.fire_rate == 1 else seeds))
    keys = np.concatenate([rollout_keys(seed, 1) for seed in streams], axis=1)  # (1, B)
    film, period = restored(zoo.films[row]), zoo.moving.period
    found = rhythm.measure(zoo.ncas([row]).under(keys), film, period)
    return found | {COST: time.thread_time() - began}


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
                pool.submit(_measured, zoo, row, seeds, first): row
                for row in islice(ahead, 2 * jobs)
            }
            while running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
                    for row in islice(ahead, 1):
                        running[pool.submit(_measured, zoo, row, seeds, first)] = row
        finally:  # a reader that stops early does not wait for what has not begun
            pool.shutdown(cancel_futures=True)


def unmeasured(zoo: Zoo, seeds: int = SEEDS) -> list[int]:
    """Rows without the columns of ``columns``; NCAs that are not finite never have
    any.

    Raises ``ZooError`` if the zoo was measured with other settings.
    """
    wanted = {column.name: column for column in columns(seeds, zoo.moving is not None)}
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
            for column in columns(seeds, zoo.moving is not None)
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
