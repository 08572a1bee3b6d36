"""``nca-zoo probe``: measure what the weights know about the pictures' classes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.features import FEATURES

from .options import json_option, listed, progress, sample_option, sampled, zoo_option

if TYPE_CHECKING:
    from nca_zoo.probe import Difference, ProbeResult

_OF_WEIGHTS = ", ".join(name for name, feature in FEATURES.items() if feature.kind == "weights")
_FULL_NAMES = {"pixels": "raw pixels", "centred": "centred pixels", "grown": "grown pictures"}


@click.command()
@zoo_option
@click.option(
    "--features",
    default="weights",
    show_default=True,
    help=f"What to read, separated by commas: {_OF_WEIGHTS}. All controls are read beside.",
)
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Decides folds, shuffled labels and resamples.",
)
@click.option("--all-fits", is_flag=True, help="Read NCAs whose fit failed, too.")
@sample_option()
@json_option
def probe(
    zoo: Path,
    features: str,
    folds: int,
    repeats: int,
    seed: int,
    all_fits: bool,
    sample: int | None,
    as_json: bool,
) -> None:
    """Measure what the weights know about the pictures' classes.

    Logistic regression and nearest neighbours guess each picture's class from the weights of the
    NCA that grew it, and from controls that never see the weights, in repeated cross-validation.

    \b
    nca-zoo probe
    nca-zoo probe --features weights,W1,b1,W2
    nca-zoo probe --zoo data/growing.h5 --json
    """
    # Imported here so that --help does not wait for scikit-learn.
    from nca_zoo.probe import probe as run_probe
    from nca_zoo.zoofile import open_zoo

    names = listed(features)
    opened = open_zoo(zoo)
    read = sampled(opened, sample)
    with progress("probe", " folds") as advance:
        result = run_probe(
            read,
            names,
            folds=folds,
            repeats=repeats,
            seed=seed,
            all_fits=all_fits,
            progress=advance,
        )
    if as_json:
        click.echo(json.dumps({"total": len(opened)} | result.as_dict(), indent=2))
    else:
        click.echo("\n".join([*summary(result, folds), "", *table(result), "", *verdict(result)]))


def summary(result: "ProbeResult", folds_asked: int) -> list[str]:
    """What was read, and how, in a line or three."""
    ncas = f"{result.n} NCAs, one a picture"
    if result.n_ncas > result.n:
        ncas = f"{result.n_ncas} NCAs of {result.n} pictures"
    lines = [
        f"{ncas}, {len(result.classes)} classes (guessing: {100 * result.chance:.1f} %); "
        f"{result.folds} folds x {result.repeats} repeats."
    ]
    if result.folds < folds_asked:
        lines.append(f"The smallest class has {result.folds} pictures: so many folds.")
    if result.left_out:
        ncas = "NCA" if result.left_out == 1 else "NCAs"
        lines.append(
            f"{result.left_out} {ncas} left out: failed fit, no class or diverged weights."
        )
    return lines


def table(result: "ProbeResult") -> list[str]:
    """Accuracies in %, then differences in points, all with their intervals."""
    span = f"{100 * result.coverage:.0f} % interval"
    lines = [f"{'feature':<10}{'':<9}{'reader':<10}{'right':>8}   {span}"]
    for row in result.rows:
        mark = "control" if row.kind == "control" else ""
        lines.append(
            f"{row.feature:<10}{mark:<9}{row.reader:<10}{100 * row.accuracy:>6.1f} %"
            f"   {100 * row.low:.1f} to {100 * row.high:.1f}"
        )
    if result.differences:
        lines += ["", f"{'difference':<19}{'minus control':<19}{'points':>7}   {span}"]
    for d in result.differences:
        lines.append(
            f"{f'{d.feature} {d.reader}':<19}{f'{d.control} {d.control_reader}':<19}"
            f"{100 * d.difference:>+7.1f}   {100 * d.low:+.1f} to {100 * d.high:+.1f}"
        )
    return lines


def verdict(result: "ProbeResult") -> list[str]:
    """The first feature and reader against raw pixels, then against the best pixel control."""
    if not result.differences:
        return ["No feature of the weights was read: nothing to compare with pixels."]
    first = result.differences[0]
    same = [d for d in result.differences if (d.feature, d.reader) == (first.feature, first.reader)]
    lines = [_sentence(first, _FULL_NAMES[first.control], result.coverage)]
    for d in same[1:]:
        best = f"the best pixel control ({_FULL_NAMES[d.control]}, {d.control_reader})"
        lines.append(_sentence(d, best, result.coverage))
    return lines


def _sentence(d: "Difference", control: str, coverage: float) -> str:
    read, reads = ("Weights", "read") if d.feature == "weights" else (d.feature, "reads")
    points, low, high = 100 * d.difference, 100 * d.low, 100 * d.high
    span = f"{100 * coverage:.0f} % interval {low:.1f} to {high:.1f}; {d.n} pictures, {d.reader}"
    if d.low > 0:
        return f"{read} {reads} better than {control} by {points:.1f} points ({span})."
    if d.high < 0:
        return f"{read} {reads} worse than {control} by {-points:.1f} points ({span})."
    return f"{read} and {control} cannot be told apart: {points:+.1f} points ({span})."
