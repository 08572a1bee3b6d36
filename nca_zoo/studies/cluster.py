"""Clusters: do the vectors fall into groups by themselves, and are the groups the classes?

Every feature, weights and controls alike, is scaled and reduced in the same ways and clustered by
the same methods, which never see a class. docs/cluster.md explains the protocol and the intervals.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from nca_zoo.automaton import noise
from nca_zoo.automaton.noise import Study
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import (
    STILL_CONTROLS,
    Feature,
    find_feature,
    readable,
    with_controls,
)
from nca_zoo.features.measures import Floats, Ints
from nca_zoo.features.nearness import COMPONENTS, directions
from nca_zoo.features.reduction import SCALINGS, Scaling
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.probing.probe import SHUFFLED
from nca_zoo.probing.resampling import COVERAGE, RESAMPLES, interval
from nca_zoo.probing.splits import MIN_PICTURES
from nca_zoo.store.columns import Column

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

RESTARTS = 10  # of k-means for each seed; the tightest clusters are kept
METHODS = ("kmeans", "hdbscan")


@dataclass(frozen=True)
class Row:
    """How well one method's clusters of one feature agree with the classes.

    Scores are means over seeds, spreads their standard deviations over seeds (0 for HDBSCAN, which
    draws nothing). Rows that HDBSCAN leaves out count as one more cluster.
    """

    feature: str
    kind: str  # "weights" or "control"
    scaling: str
    method: str
    nmi: float  # normalised mutual information, in [0, 1]
    nmi_low: float  # 95 % interval
    nmi_high: float
    nmi_spread: float
    ari: float  # adjusted Rand index, 0 by chance, at most 1
    ari_spread: float
    purity: float  # share of NCAs whose class is the commonest of their cluster
    purity_spread: float
    clusters: float  # mean over seeds, without the rows left out
    clustered: float  # share of NCAs that are in a cluster


@dataclass(frozen=True)
class Difference:
    """NMI of a feature minus that of a control, same method, paired over resampled pictures."""

    feature: str
    scaling: str
    method: str
    control: str
    control_scaling: str
    difference: float
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True)
class ClusterResult:
    """Everything that was found, and how.

    ``differences`` compares each weight feature, scaling and method with raw pixels in their
    better scaling and with the best picture control, both chosen by their NMI.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    n: int  # NCAs
    n_pictures: int
    left_out: int
    classes: tuple[str, ...]
    clusters: int  # asked of k-means
    smallest: int  # cluster that HDBSCAN may find
    seeds: int
    seed: int
    components: int = COMPONENTS
    coverage: float = COVERAGE

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def cluster(
    zoo: "Zoo",
    features: Sequence[str] = ("weights",),
    seeds: int = 10,
    clusters: int | None = None,
    seed: int = 0,
    *,
    all_fits: bool = False,
    progress: Progress = silent,
) -> ClusterResult:
    """Cluster each feature, and every control, and score the clusters against the classes.

    features: names in ``FEATURES``; seeds: k-means runs from ``seeds`` numbers, ``seed`` the
    first; clusters: how many k-means makes, as many as there are classes unless given. progress:
    called with the clusterings done and in all. Raises ``ZooError`` for unknown names and for
    zoos too small or of one class.
    """
    chosen = with_controls(zoo, features)
    read = clusterable(zoo, all_fits)
    labels, groups = np.asarray(read.label, int), read.picture_numbers()
    classes = np.unique(labels)
    _check(labels, classes, seeds, clusters)
    smallest = max(5, len(labels) // 100)
    runs = _all_runs(
        read, chosen, [seed + s for s in range(seeds)], clusters or len(classes), smallest, progress
    )
    counts, drawn = _resamples(groups, seeds, noise.fold(seed, Study.BOOTSTRAP))
    order = np.argsort(noise.uniform(noise.fold(seed, Study.SHUFFLE), len(labels)))
    rows, resampled = [], []
    for (feature, scaling, method), found in runs:
        what = (feature.name, feature.kind, scaling, method)
        row, means = _score(what, found, labels, counts, drawn)
        rows.append(row)
        resampled.append(means)
    (_, scaling, method), found = runs[0]
    what = (SHUFFLED, "control", scaling, method)
    rows.append(_score(what, found, labels[order], counts, drawn)[0])
    return ClusterResult(
        rows=tuple(rows),
        differences=_differences(rows[:-1], resampled),
        n=len(labels),
        n_pictures=len(np.unique(groups)),
        left_out=len(zoo) - len(labels),
        classes=tuple(read.classes.named(classes).tolist()),
        clusters=clusters or len(classes),
        smallest=smallest,
        seeds=seeds,
        seed=seed,
    )


def columns_of(
    zoo: "Zoo", feature: str = "weights", clusters: int | None = None, seed: int = 0
) -> dict[Column, Ints]:
    """The clusters of the first seed, (N,), as columns to be added to the zoo: one for a method.

    zoo: what ``cluster`` read of it. Of the first scaling; -1 is in no cluster of HDBSCAN.
    """
    clusters = clusters or len(np.unique(zoo.label))
    smallest = max(5, len(zoo) // 100)
    runs = _all_runs(zoo, [find_feature(feature)], [seed], clusters, smallest, silent)
    asked = {
        "kmeans": f"{clusters} clusters",
        "hdbscan": f"clusters of {smallest} or more, -1 in none",
    }
    return {
        Column(
            f"{method}_{feature}",
            "<i2",
            description=f"{method} of {feature}, {scaling}: {asked[method]}; seed {seed}",
            missing=np.iinfo("<i2").min,
        ): found[0].astype("<i2")
        for (_, scaling, method), found in runs[: len(METHODS)]
    }


def clusterable(zoo: "Zoo", all_fits: bool = False) -> "Zoo":
    """The NCAs that can be clustered and compared: readable, and of a class."""
    read = readable(zoo, all_fits)
    return read.subset(read.label >= 0)


def _check(labels: Ints, classes: Ints, seeds: int, clusters: int | None) -> None:
    if len(labels) < MIN_PICTURES or len(classes) < 2:
        raise ZooError(
            f"the zoo has {len(labels)} NCAs of {len(classes)} classes to cluster; at least "
            f"{MIN_PICTURES} of 2 classes are needed; build more, or try --all-fits"
        )
    if seeds < 1:
        raise ZooError(f"seeds is {seeds}; it must be at least 1")
    if clusters is not None and not 2 <= clusters <= len(labels):
        raise ZooError(f"clusters is {clusters}; it must be from 2 to {len(labels)}, one per NCA")


Run = tuple[tuple[Feature, Scaling, str], Ints]  # what was clustered how, and (seeds, N) clusters


def _all_runs(
    zoo: "Zoo",
    features: list[Feature],
    seeds: list[int],
    clusters: int,
    smallest: int,
    progress: Progress,
) -> list[Run]:
    runs: list[Run] = []
    # One BLAS thread: rounding, and with it the clusters, must not depend on their number.
    with threadpool_limits(limits=1):
        for feature in features:
            vectors = feature.vectors(zoo)
            for scaling in SCALINGS:
                scores = directions(vectors, scaling=scaling)
                for method in METHODS:
                    found = _clusters(scores, method, seeds, clusters, smallest)
                    runs.append(((feature, scaling, method), found))
                    progress(len(runs), len(features) * len(SCALINGS) * len(METHODS))
    return runs


def _clusters(scores: Floats, method: str, seeds: list[int], clusters: int, smallest: int) -> Ints:
    """Cluster of each row, -1 if in none: ``(seeds, N)``, or ``(1, N)`` from HDBSCAN."""
    if method == "hdbscan":
        return HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(scores)[None]
    # scikit-learn takes 32-bit seeds.
    means = (KMeans(clusters, n_init=RESTARTS, random_state=s % 2**32) for s in seeds)
    with warnings.catch_warnings():  # a feature with fewer values than clusters gets fewer
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.stack([model.fit_predict(scores) for model in means])


def _resamples(groups: Ints, seeds: int, key: int) -> tuple[Floats, Ints]:
    """How often each row is drawn ``(resamples, N)``, and the seed that is drawn ``(resamples,)``.

    Whole pictures are drawn with replacement, as many as there are.
    """
    _, group = np.unique(groups, return_inverse=True)
    pictures = int(group.max()) + 1
    counts = np.empty((RESAMPLES, len(groups)))
    drawn = np.empty(RESAMPLES, int)
    for i in range(RESAMPLES):
        draws = noise.uniform(noise.fold(key, i), pictures + 1)
        picked = (draws[:-1] * pictures).astype(int)
        counts[i] = np.bincount(picked, minlength=pictures)[group]
        drawn[i] = int(draws[-1] * seeds)
    return counts, drawn


def _score(
    what: tuple[str, str, str, str], found: Ints, labels: Ints, counts: Floats, drawn: Ints
) -> tuple[Row, Floats]:
    """One row of the table, and its NMI in every resample ``(resamples,)``.

    what: the first fields of the row; found: clusters ``(seeds, N)``.
    """
    tables = [crosstab(labels, one, np.ones((1, len(labels)))) for one in found]
    nmi = np.array([mutual_information(table)[0] for table in tables])
    purity = np.array([table[0].max(axis=0).sum() / len(labels) for table in tables])
    ari = np.array([adjusted_rand_score(labels, one) for one in found])
    means = np.empty(len(counts))
    for s, one in enumerate(found):
        mine = drawn % len(found) == s
        means[mine] = mutual_information(crosstab(labels, one, counts[mine]))
    # A resample repeats pictures, which lifts its NMI: only the scatter is of use.
    means += nmi.mean() - means.mean()
    feature, kind, scaling, method = what
    low, high = interval(means)
    row = Row(
        feature=feature,
        kind=kind,
        scaling=scaling,
        method=method,
        nmi=float(nmi.mean()),
        nmi_low=low,
        nmi_high=high,
        nmi_spread=float(nmi.std()),
        ari=float(ari.mean()),
        ari_spread=float(ari.std()),
        purity=float(purity.mean()),
        purity_spread=float(purity.std()),
        clusters=float(np.mean([len(np.unique(one[one >= 0])) for one in found])),
        clustered=float((found >= 0).mean()),
    )
    return row, means


def crosstab(labels: Ints, clusters: Ints, counts: Floats) -> Floats:
    """How many rows of each class lie in each cluster, ``(R, classes, clusters)``.

    labels, clusters: ``(N,)``; counts: ``(R, N)``, how often each row counts, R times.
    """
    _, label = np.unique(labels, return_inverse=True)
    _, where = np.unique(clusters, return_inverse=True)
    shape = (int(label.max()) + 1, int(where.max()) + 1)
    cell = np.zeros((len(labels), shape[0] * shape[1]), counts.dtype)
    cell[np.arange(len(labels)), label * shape[1] + where] = 1
    return (counts @ cell).reshape(len(counts), *shape).astype(np.float64)


def mutual_information(tables: Floats) -> Floats:
    """Mutual information over the mean of both entropies, ``(R,)``, of tables ``(R, C, K)``.

    0 where a side has a single value.
    """

    def entropy(p: Floats) -> Floats:
        return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)

    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    of_class, of_cluster = entropy(shares.sum(axis=2)), entropy(shares.sum(axis=1))
    both = entropy(shares.reshape(len(shares), -1))
    mean = (of_class + of_cluster) / 2
    shared = np.maximum(of_class + of_cluster - both, 0)
    return np.divide(shared, mean, out=np.zeros_like(mean), where=mean > 0)


def _differences(rows: list[Row], resampled: list[Floats]) -> tuple[Difference, ...]:
    differences = []
    for i, row in enumerate(rows):
        if row.kind != "weights":
            continue
        of_method = [j for j, other in enumerate(rows) if other.method == row.method]
        raw = [j for j in of_method if rows[j].feature == "pixels"]
        seen = [j for j in of_method if rows[j].feature in STILL_CONTROLS]
        for j in dict.fromkeys(max(some, key=lambda j: rows[j].nmi) for some in (raw, seen)):
            differences.append(
                Difference(
                    *(row.feature, row.scaling, row.method, rows[j].feature, rows[j].scaling),
                    row.nmi - rows[j].nmi,
                    *interval(resampled[i] - resampled[j]),
                )
            )
    return tuple(differences)
