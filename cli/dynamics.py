"""``nca-zoo dynamics``: measure how every NCA moves, and predict it from the weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    cores_option,
    json_option,
    listed,
    print_json,
    progress,
    validation_options,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.studies.forecast import Forecast
    from nca_zoo.studies.within import Within


@click.command()
@zoo_option
@click.option(
    "--seeds",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Streams of fire masks that every NCA is measured under.",
)
@click.option("--again", is_flag=True, help="Measure anew what was measured before.")
@cores_option(does="Threads that measure, and processes that predict.")
@click.option("--measure-only", is_flag=True, help="Do not predict anything.")
@click.option(
    "--within",
    is_flag=True,
    help="Of pictures that were fitted several times: predict what their NCAs differ in.",
)
@click.option(
    "--predict", default="all", show_default=True, help="Columns to predict, separated by commas."
)
@click.option(
    "--features",
    default="weights",
    show_default=True,
    help="What to predict from, as in `nca-zoo probe`. All controls are read beside.",
)
@click.option(
    "--readers",
    default="ridge",
    show_default=True,
    help="Who predicts, separated by commas: ridge, knn, svm, mlp.",
)
@click.option("--all-fits", is_flag=True, help="Predict NCAs whose fit failed, too.")
@validation_options("Decides folds, shuffled values and resamples.")
@json_option
def dynamics(
    zoo: Path,
    seeds: int,
    again: bool,
    jobs: int,
    measure_only: bool,
    within: bool,
    predict: str,
    features: str,
    readers: str,
    all_fits: bool,
    folds: int,
    repeats: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how every NCA moves, and predict it from the weights.

    Growth, drift to step 1,000, healing and the spread between fire masks are measured on
    rollouts and stored in the zoo as columns; what is there already is not measured again. Where
    targets move, it is how they keep time: the period, and whether the phase is found again after
    a wound. Then each, and what the build measured of healing, is predicted from the weights, and
    from pictures as a control.

    \b
    nca-zoo dynamics
    nca-zoo dynamics --zoo data/growing.h5 --predict drift_400 --readers ridge,knn,svm
    nca-zoo dynamics --measure-only
    nca-zoo dynamics moving.h5 --measure-only
    nca-zoo dynamics --zoo repeats.h5 --within
    """
    # Imported here so that --help does not wait for the engine.
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.measuring import measure_zoo

    with progress("measure", " NCAs") as advance:
        measured = measure_zoo(zoo, seeds, jobs, again, advance)
    opened = open_zoo(zoo)
    found: dict[str, Any] = {"measured_now": measured, "columns": summary(opened)}
    lines = [f"{measured} NCAs measured now. {opened.path} holds:", "", *spreads(found["columns"])]
    if not as_json:
        click.echo("\n".join(lines))  # whether it can be predicted or not
    names = None if predict == "all" else listed(predict)
    settings = (listed(features), names, listed(readers), folds, repeats, seed)
    if within and not measure_only:
        from nca_zoo.studies.within import within as split

        with progress("within", " folds") as advance:
            inside = split(opened, *settings, all_fits=all_fits, jobs=jobs, progress=advance)
        found["within"] = inside.as_dict()
        if not as_json:
            click.echo("\n".join(["", *variances(inside), "", *inner(inside)]))
    elif not measure_only:
        from nca_zoo.studies.forecast import forecast

        with progress("predict", " folds") as advance:
            result = forecast(opened, *settings, all_fits=all_fits, jobs=jobs, progress=advance)
        found["forecast"] = result.as_dict()
        if not as_json:
            click.echo("\n".join(["", *predictions(result), "", *costs(result)]))
    if as_json:
        print_json(found)


def variances(result: "Within") -> list[str]:
    """How much of the variance lies within pictures."""
    span = f"{100 * result.coverage:.0f} % interval"
    lines = [f"{'quantity':<16}{'pictures':>9}{'NCAs':>7}{'variance within':>18}   {span}"]
    for s in result.shares:
        lines.append(
            f"{s.quantity:<16}{s.n:>9}{s.n_ncas:>7}{100 * s.share:>16.0f} %   "
            f"{100 * s.low:.0f} to {100 * s.high:.0f}"
        )
    return lines


def inner(result: "Within") -> list[str]:
    """R2 of what NCAs of one picture differ in."""
    return [
        f"R2 of the part within pictures, other pictures learned from: {result.folds} folds x "
        f"{result.repeats}.",
        *explained(result),
    ]


def explained(result: "Forecast | Within") -> list[str]:
    """A table of R2, a row for each quantity and feature."""
    span = f"{100 * result.coverage:.0f} % interval"
    return [
        f"{'quantity':<16}{'from':<12}{'reader':<8}{'R2':>6}   {span}",
        *(
            f"{row.quantity:<16}{row.feature:<12}{row.reader:<8}{row.r2:>6.2f}   "
            f"{row.low:.2f} to {row.high:.2f}"
            for row in result.rows
        ),
    ]


def summary(zoo: "Zoo") -> dict[str, dict[str, Any]]:
    """Quantiles of what was measured here, and of what heals, which the build measured.

    They are of the NCAs that passed the gate, or of all if none was judged.
    """
    import numpy as np

    from nca_zoo.store.schema import HEALING
    from nca_zoo.studies.measuring import columns

    good = zoo.subset(zoo.by_default)
    healing = [c for c in zoo.described if c.name in HEALING and good.known(c.name).any()]
    found = {}
    for column in (*columns(moving=zoo.moving is not None), *healing):
        values = good.column(column.name).astype(float)
        values = values[np.isfinite(values)]
        marks = np.quantile(values, [0.1, 0.5, 0.9]).tolist() if len(values) else [None] * 3
        of = dict(zip(("low", "median", "high"), marks, strict=True))
        found[column.name] = {"n": len(values), "units": column.units, **of}
    return found


def spreads(columns: dict[str, dict[str, Any]]) -> list[str]:
    """The table of what was measured."""
    lines = [f"{'column':<16}{'NCAs':>6}{'10 %':>10}{'median':>10}{'90 %':>10}  units"]
    for name, row in columns.items():
        cells = "".join(
            f"{row[mark]:>10.4g}" if row["n"] else f"{'-':>10}"
            for mark in ("low", "median", "high")
        )
        lines.append(f"{name:<16}{row['n']:>6}{cells}  {row['units']}".rstrip())
    return lines


def predictions(result: "Forecast") -> list[str]:
    """R2 of every quantity from the weights and from each control; then the difference."""
    span = f"{100 * result.coverage:.0f} % interval"
    lines = [
        f"R2 on held-out NCAs: {result.n} pictures, {result.folds} folds x {result.repeats}.",
        *explained(result),
    ]
    lines += ["", f"{'quantity':<16}{'weights minus best picture':<28}{'R2':>6}   {span}"]
    for gain in result.gains:
        lines.append(
            f"{gain.quantity:<16}{f'{gain.control} ({gain.control_reader})':<28}"
            f"{gain.difference:>+6.2f}   {gain.low:+.2f} to {gain.high:+.2f}"
        )
    return lines


def costs(result: "Forecast") -> list[str]:
    """What reading costs, against simulating."""
    lines = [
        f"Reading takes {1e6 * result.read_cpu_s:,.0f} microseconds of CPU an NCA, once a reader "
        f"has been trained ({result.train_cpu_s:.1f} s)."
    ]
    if result.simulate_cpu_s is not None:
        times = result.simulate_cpu_s / max(result.read_cpu_s, 1e-9)
        lines.append(
            f"Simulating takes {result.simulate_cpu_s:.2f} s an NCA: {times:,.0f} times as long."
        )
    return lines
