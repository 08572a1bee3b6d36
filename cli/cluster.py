"""``nca-zoo cluster``: do the weights fall into the classes by themselves?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.features.catalogue import FEATURES

from .options import (
    json_option,
    listed,
    print_json,
    progress,
    sample_option,
    sampled,
    seed_option,
    store_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.studies.cluster import ClusterResult, Difference

_OF_WEIGHTS = ", ".join(name for name, feature in FEATURES.items() if feature.kind == "weights")


@click.command()
@zoo_option
@click.option(
    "--features",
    default="weights",
    show_default=True,
    help=f"What to cluster, separated by commas: {_OF_WEIGHTS}. All controls are beside.",
)
@click.option(
    "--clusters",
    type=click.IntRange(2),
    help="How many clusters k-means makes.  [default: as many as there are classes]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How often k-means starts anew; scores are means over these.",
)
@seed_option("The first of the seeds; also decides shuffled labels and resamples.")
@click.option("--all-fits", is_flag=True, help="Cluster NCAs whose fit failed, too.")
@sample_option()
@store_option
@json_option
def cluster(
    zoo: Path,
    features: str,
    clusters: int | None,
    seeds: int,
    seed: int,
    all_fits: bool,
    sample: int | None,
    store: bool,
    as_json: bool,
) -> None:
    """Do the weights fall into the classes by themselves?

    k-means and HDBSCAN cluster the NCAs by their weights, and by controls that never see the
    weights; neither is told a class. The clusters are then compared with the classes.

    \b
    nca-zoo cluster
    nca-zoo cluster --features weights,W2 --seeds 20
    nca-zoo cluster --zoo data/growing.h5 --json
    nca-zoo cluster --store
    """
    # Imported here so that --help does not wait for scikit-learn.
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.cluster import cluster as run_cluster

    names = listed(features)
    opened = open_zoo(zoo)
    read = sampled(opened, sample)
    with progress("cluster", " runs") as advance:
        result = run_cluster(
            read, names, seeds, clusters, seed, all_fits=all_fits, progress=advance
        )
    if store:
        from dataclasses import replace

        from nca_zoo.store.schema import made_here
        from nca_zoo.studies.cluster import clusterable, columns_of

        of = clusterable(read, all_fits)
        made = made_here(f"nca-zoo cluster --features {names[0]} --seed {seed}")
        found = columns_of(of, names[0], clusters, seed)
        of.add_columns({replace(c, **made): values for c, values in found.items()}, replace=True)
        click.echo(f"stored in {zoo}: {', '.join(column.name for column in found)}", err=True)
    if as_json:
        print_json({"total": len(opened)} | result.as_dict())
    else:
        click.echo("\n".join([*summary(result), "", *table(result), "", *differences(result)]))


def summary(result: "ClusterResult") -> list[str]:
    """What was clustered, and how, in a few lines."""
    lines = [
        f"{result.n} NCAs of {result.n_pictures} pictures, {len(result.classes)} classes; "
        f"{result.components} principal components.",
        f"kmeans: {result.clusters} clusters, mean and spread (SD) over {result.seeds} seeds; "
        f"hdbscan: clusters of {result.smallest} or more.",
    ]
    if result.left_out:
        lines.append(f"Left out (failed fit, no class or diverged weights): {result.left_out}.")
    return lines


def table(result: "ClusterResult") -> list[str]:
    """Every feature, scaling and method with its scores."""
    span = f"{100 * result.coverage:.0f} % interval"
    lines = [
        f"{'feature':<11}{'':<9}{'scaling':<13}{'method':<9}{'NMI':>5} {'SD':>6}   {span:<16}"
        f"{'ARI':>5} {'SD':>6}  {'purity':>6} {'SD':>6} {'clusters':>9} {'in them':>8}"
    ]
    for row in result.rows:
        mark = "control" if row.kind == "control" else ""
        lines.append(
            f"{row.feature:<11}{mark:<9}{row.scaling:<13}{row.method:<9}"
            f"{row.nmi:>5.3f} {row.nmi_spread:>6.3f}   {row.nmi_low:.3f} to {row.nmi_high:.3f}  "
            f"{row.ari:>5.3f} {row.ari_spread:>6.3f}  {row.purity:>6.3f} {row.purity_spread:>6.3f} "
            f"{row.clusters:>9.0f} {100 * row.clustered:>6.0f} %"
        )
    return lines


def differences(result: "ClusterResult") -> list[str]:
    """NMI of the weights minus that of pictures, and a verdict on the first of them."""
    if not result.differences:
        return ["No feature of the weights was clustered: nothing to compare with pixels."]
    span = f"{100 * result.coverage:.0f} % interval"
    lines = [f"{'NMI of':<33}{'minus control':<23}{'':>7}   {span}"]
    for d in result.differences:
        lines.append(
            f"{f'{d.feature} {d.scaling} {d.method}':<33}{f'{d.control} {d.control_scaling}':<23}"
            f"{d.difference:>+7.3f}   {d.low:+.3f} to {d.high:+.3f}"
        )
    first = result.differences[0]
    alike = (first.feature, first.scaling, first.method)
    met = [d for d in result.differences if (d.feature, d.scaling, d.method) == alike]
    rivals = ["raw pixels", *(f"the best picture control, {d.control}" for d in met[1:])]
    verdicts = [_verdict(d, rival, span) for d, rival in zip(met, rivals, strict=True)]
    return [*lines, "", *verdicts]


def _verdict(d: "Difference", rival: str, span: str) -> str:
    if d.low <= 0 <= d.high:
        found = "agree with the classes no more and no less, as far as can be told, than"
    else:
        found = f"agree with the classes {'better' if d.low > 0 else 'worse'} than"
    return (
        f"Clusters of {d.feature} ({d.scaling}, {d.method}) {found} those of {rival}: "
        f"NMI {d.difference:+.3f} ({span} {d.low:+.3f} to {d.high:+.3f})."
    )
