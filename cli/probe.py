"""``nca-zoo probe``: measure what the weights know about the pictures' classes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import FEATURES, FILM_CONTROLS

from .options import (
    FilePath,
    folds_option,
    json_option,
    listed,
    print_json,
    progress,
    sample_option,
    sampled,
    seed_option,
    sizes_of,
    store_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.probing.probe import Difference, ProbeResult
    from nca_zoo.store.zoofile import Zoo

_OF_WEIGHTS = ", ".join(name for name, feature in FEATURES.items() if feature.kind == "weights")
_FULL_NAMES = {
    "pixels": "raw pixels",
    "centred": "centred pixels",
    "grown": "grown pictures",
    "components": "as many components of pixels",
    "deskewed": "deskewed pixels",
    "hog": "histograms of gradients",
    "patches": "k-means patches",
    "later": "later frames",
    "mean": "means of all frames",
    "film": "films",
    "changes": "films without their means",
}
_PLOTS = (".png", ".svg", ".pdf")


@click.command()
@zoo_option
@click.option(
    "--features",
    default="weights",
    show_default=True,
    help=f"What to read, separated by commas: {_OF_WEIGHTS}. All controls are read beside.",
)
@click.option(
    "--readers",
    help="Who reads, separated by commas: logistic (ridge for numbers), knn, svm, mlp, and set, a "
    "network over the hidden units.  [default: logistic or ridge, knn, svm]",
)
@click.option(
    "--target",
    default="class",
    show_default=True,
    help="What is read: class, width, slant, drift, heals, or any column of the zoo, such as "
    "psnr_400; of targets that move course (motion and direction) and speed, too.",
)
@folds_option
@click.option(
    "--repeats",
    type=click.IntRange(1),
    help="How often the folds are dealt.  [default: 3; 1 for more than 1,000 pictures]",
)
@click.option("--split", is_flag=True, help="Use the zoo's own train and test split instead.")
@click.option("--sizes", help="Learn from so many pictures, too, such as 50,100,200.")
@click.option(
    "--plot",
    type=FilePath(dir_okay=False),
    help="Draw the scores by --sizes to this PNG, SVG or PDF file.",
)
@click.option(
    "--ceiling",
    is_flag=True,
    help="Let a small convolutional network read the pictures: one control more.",
)
@seed_option("Decides folds, shuffled labels and resamples.")
@click.option("--all-fits", is_flag=True, help="Read NCAs whose fit failed, too.")
@sample_option()
@store_option
@json_option
def probe(
    zoo: Path,
    features: str,
    readers: str | None,
    target: str,
    folds: int,
    repeats: int | None,
    split: bool,
    sizes: str | None,
    plot: Path | None,
    ceiling: bool,
    seed: int,
    all_fits: bool,
    sample: int | None,
    store: bool,
    as_json: bool,
) -> None:
    """Measure what the weights know about the pictures' classes, or about any number.

    Simple readers guess each picture's class from the weights of the NCA that grew it, and from
    controls that never see the weights, in repeated cross-validation.

    \b
    nca-zoo probe
    nca-zoo probe --features weights,queries,W1,W2
    nca-zoo probe --target width
    nca-zoo probe --readers svm,mlp,set --ceiling --repeats 1
    nca-zoo probe --sizes 50,100,200 --plot data/curve.png
    nca-zoo probe --zoo data/growing.h5 --json
    nca-zoo probe --store
    nca-zoo probe --zoo data/moving.h5 --target motion --features weights,clock
    """
    # Imported here so that --help does not wait for scikit-learn.
    from nca_zoo.probing.probe import probe as run_probe
    from nca_zoo.store.zoofile import open_zoo

    numbers = sizes_of(sizes or "")
    if plot is not None:
        _check_plot(plot, numbers)
    opened = open_zoo(zoo)
    read = sampled(opened, sample)
    with progress("probe", " folds") as advance:
        result = run_probe(
            read,
            listed(features),
            None if readers is None else listed(readers),
            folds,
            repeats,
            seed,
            target=target,
            split=split,
            sizes=numbers,
            ceiling=ceiling,
            all_fits=all_fits,
            progress=advance,
        )
    if store:
        _store(read, result, seed)
    if as_json:
        print_json({"total": len(opened)} | result.as_dict())
    else:
        parts = [summary(result, folds), table(result), curve(result), verdict(result)]
        click.echo("\n\n".join("\n".join(part) for part in parts if part))
    if plot is not None:
        from nca_zoo.viewer.curve import write_curve

        plot.parent.mkdir(parents=True, exist_ok=True)
        write_curve(plot, result)
        click.echo(f"drawn: {plot}", err=True)


def _store(zoo: "Zoo", result: "ProbeResult", seed: int) -> None:
    """Leave what readers of weights answered in the zoo, a column for each."""
    names = []
    for found in result.answered:
        names.append(f"{result.target}_by_{found.reader}_from_{found.feature}")
        how = "out of fold" if result.folds > 1 else "of the test split"
        zoo.ids(found.ids).add(
            names[-1],
            found.values,
            f"{result.target} as {found.reader} reads it from {found.feature}, {how}",
            result.units,
            made_by=f"nca-zoo probe --target {result.target} --seed {seed}",
            replace=True,
        )
    click.echo(f"stored in {zoo.path}: {', '.join(names) or 'nothing'}", err=True)


def _check_plot(plot: Path, sizes: list[int]) -> None:
    if not sizes:
        raise ZooError("--plot draws scores by --sizes: name some, such as --sizes 50,100,200")
    if plot.suffix.lower() not in _PLOTS:
        raise ZooError(f"--plot {plot}: the name must end in {', '.join(_PLOTS)}")


def summary(result: "ProbeResult", folds_asked: int) -> list[str]:
    """What was read, and how, in a line or three."""
    ncas = f"{result.n} NCAs, one a picture"
    if result.n_ncas > result.n:
        ncas = f"{result.n_ncas} NCAs of {result.n} pictures"
    if result.classes:
        what = f"{len(result.classes)} classes (guessing: {100 * result.chance:.1f} %)"
    else:
        what = f"{result.target}{f' in {result.units}' if result.units else ''} (guessing: R2 0)"
    if result.target not in ("class",) and result.classes:
        what = f"{result.target}, {what}"
    how = f"{result.folds} folds x {result.repeats} repeats"
    if result.folds == 1:
        how = f"the zoo's own split, learning from {result.n_train} pictures"
    lines = [f"{ncas}, {what}; {how}."]
    if 1 < result.folds < folds_asked:
        lines.append(f"The smallest class has {result.folds} pictures: so many folds.")
    if result.left_out:
        ncas = "NCA" if result.left_out == 1 else "NCAs"
        why = "failed fit, no class" if result.classes else "failed fit, no value"
        lines.append(f"{result.left_out} {ncas} left out: {why} or diverged weights.")
    return lines


def table(result: "ProbeResult") -> list[str]:
    """Scores, then differences, all with their intervals: in % and points, or as R2."""
    span = f"{100 * result.coverage:.0f} % interval"
    share = result.measure == "accuracy"
    head, points = ("right", "points") if share else ("R2", "R2")
    lines = [f"{'feature':<11}{'':<9}{'reader':<10}{head:>8}   {span}"]
    for row in result.rows:
        mark = "control" if row.kind == "control" else ""
        lines.append(
            f"{row.feature:<11}{mark:<9}{row.reader:<10}{_score(row.score, share):>8}"
            f"   {_span(row.low, row.high, share)}"
        )
    if result.differences:
        lines += ["", f"{'difference':<20}{'minus control':<20}{points:>7}   {span}"]
    for d in result.differences:
        lines.append(
            f"{f'{d.feature} {d.reader}':<20}{f'{d.control} {d.control_reader}':<20}"
            f"{_number(d.difference, share, '+'):>7}   {_span(d.low, d.high, share, '+')}"
        )
    return lines


def curve(result: "ProbeResult") -> list[str]:
    """Scores by the number of pictures that readers learned from, with their intervals."""
    sizes = sorted({point.size for point in result.curve})
    if not sizes:
        return []
    share = result.measure == "accuracy"
    found = {(p.row.feature, p.row.reader, p.size): p.row for p in result.curve}
    lines = ["By pictures learned from:", f"{'':<22}" + "".join(f"{size:>22}" for size in sizes)]
    for feature, reader in dict.fromkeys((p.row.feature, p.row.reader) for p in result.curve):
        rows = [found[feature, reader, size] for size in sizes]
        cells = (f"{_score(r.score, share)} ({_span(r.low, r.high, share)})" for r in rows)
        lines.append(f"{f'{feature} {reader}':<22}" + "".join(f"{cell:>22}" for cell in cells))
    return lines


def verdict(result: "ProbeResult") -> list[str]:
    """The first feature and reader against its controls, and the best reader against the best."""
    if not result.differences:
        return ["No feature of the weights was read: nothing to compare with pixels."]
    first = result.differences[0]
    same = [d for d in result.differences if (d.feature, d.reader) == (first.feature, first.reader)]
    lines = [_sentence(first, _FULL_NAMES[first.control], result)]
    for d in same[1:]:
        if d.control == "gradient":
            continue
        other = d.control in (*FILM_CONTROLS, "components")
        lines.append(_sentence(d, _FULL_NAMES[d.control] if other else _best(d), result))
    best_of = result.best
    if best_of is not None and best_of.reader != first.reader:
        best = (
            f"the best picture control ({_FULL_NAMES[best_of.control]}, {best_of.control_reader})"
        )
        lines.append(f"Best reader of each: {_sentence(best_of, best, result)}")
    return lines


def _best(d: "Difference") -> str:
    return f"the best picture control ({_FULL_NAMES[d.control]}, {d.control_reader})"


def _sentence(d: "Difference", control: str, result: "ProbeResult") -> str:
    share = result.measure == "accuracy"
    read, reads = ("Weights", "read") if d.feature == "weights" else (d.feature, "reads")
    unit = " points" if share else " of R2"
    span = (
        f"{100 * result.coverage:.0f} % interval {_span(d.low, d.high, share)}; "
        f"{d.n} pictures, {d.reader}"
    )
    by = _number(abs(d.difference), share) + unit
    if d.low > 0:
        return f"{read} {reads} better than {control} by {by} ({span})."
    if d.high < 0:
        return f"{read} {reads} worse than {control} by {by} ({span})."
    return (
        f"{read} and {control} cannot be told apart: {_number(d.difference, share, '+')}{unit} "
        f"({span})."
    )


def _number(value: float, share: bool, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}" if share else f"{value:{sign}.3f}"


def _score(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _span(low: float, high: float, share: bool, sign: str = "") -> str:
    return f"{_number(low, share, sign)} to {_number(high, share, sign)}"
