"""Forecast: the dynamics of an NCA predicted from its weights, without letting it live.

A picture does not know how its automaton moves; do the weights? By the probe's protocol, readers
and controls (nca_zoo/probing/probe.py), one quantity after the other, and against the cost of
simulating.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import check_enough, find_feature, readable
from nca_zoo.features.transformers import Reduced
from nca_zoo.ground.progress import Progress, silent, stage
from nca_zoo.life.dynamics import COST
from nca_zoo.probing.probe import Difference, probe
from nca_zoo.probing.quantities import quantity
from nca_zoo.probing.resampling import COVERAGE
from nca_zoo.probing.splits import MIN_PICTURES
from nca_zoo.store.schema import HEALING
from nca_zoo.studies.measuring import columns

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

# What dynamics measures, and what the build measured of the same kind.
_MEASURED = dict.fromkeys(c.name for c in (*columns(), *columns(moving=True)) if c.name != COST)
QUANTITIES = (*_MEASURED, *HEALING)
TIMED_ROWS = 200  # NCAs that are read for the clock


@dataclass(frozen=True)
class Prediction:
    """How well a quantity is predicted from one feature, by the reader that does it best."""

    quantity: str
    feature: str
    kind: str  # "weights" or "control"
    reader: str
    r2: float  # share of the variance explained on held-out NCAs: 1 at most, below 0 is worse
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True)
class Gain(Difference):
    """R2 of the first feature minus that of the best picture control, paired by picture."""

    quantity: str


@dataclass(frozen=True)
class Forecast:
    """What was found, how, and what reading costs."""

    rows: tuple[Prediction, ...]
    gains: tuple[Gain, ...]
    readers: tuple[str, ...]
    n: int  # pictures
    folds: int
    repeats: int
    seed: int
    train_cpu_s: float  # to train a ridge on all NCAs and the first feature, settings given
    read_cpu_s: float  # to predict one quantity of one NCA from its weights, once trained
    simulate_cpu_s: float | None  # to measure one NCA, median; None if nobody noted it
    coverage: float = COVERAGE

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def forecast(
    zoo: "Zoo",
    features: Sequence[str] = ("weights",),
    quantities: Sequence[str] | None = None,
    readers: Sequence[str] = ("ridge",),
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    *,
    all_fits: bool = False,
    jobs: int = -1,
    progress: Progress = silent,
) -> Forecast:
    """R2 of every quantity, a column of the zoo, from each feature and from the controls.

    quantities: all of ``QUANTITIES`` that differ between NCAs, unless given. Other arguments as
    for ``probe``. Raises ``ZooError`` as ``probe`` does, and if nothing is left to predict.
    """
    there = set(zoo.columns).intersection(QUANTITIES)
    asked = quantities or [n for n in QUANTITIES if n in there and zoo.known(n).any()]
    if not asked:
        raise ZooError(f"{zoo.path}: nothing was measured yet; run `nca-zoo dynamics` first")
    read = readable(zoo, all_fits)
    check_enough(zoo, read, MIN_PICTURES, "to predict")
    names = [name for name in asked if quantities or _differs(read, name)]
    if not names:
        raise ZooError(
            f"{zoo.path}: nothing that was measured differs between its NCAs; build more of others"
        )
    rows, gains, n, used = [], [], 0, 0
    for number, name in enumerate(names):
        told = stage(progress, number, len(names))
        found = probe(
            zoo, features, readers, folds, repeats, seed,
            target=name, all_fits=all_fits, jobs=jobs, progress=told,
        )  # fmt: skip
        n, used = found.n, found.folds
        for feature in dict.fromkeys(row.feature for row in found.rows):
            best = max((r for r in found.rows if r.feature == feature), key=lambda r: r.score)
            rows.append(
                Prediction(name, feature, best.kind, best.reader, best.score, best.low, best.high)
            )
        if (d := found.best) is not None:
            gains.append(Gain(**vars(d), quantity=name))
    train, once = _cost(read, features[0], names[0])
    return Forecast(
        rows=tuple(rows),
        gains=tuple(gains),
        readers=tuple(readers),
        n=n,
        folds=used,
        repeats=repeats,
        seed=seed,
        train_cpu_s=train,
        read_cpu_s=once,
        simulate_cpu_s=_simulating(zoo),
    )


def _differs(read: "Zoo", name: str) -> bool:
    values = read.column(name)
    values = values[np.isfinite(values)]
    return len(values) > 0 and float(values.std()) > 0


def _simulating(zoo: "Zoo") -> float | None:
    if COST not in zoo.columns or np.isnan(zoo.column(COST)).all():
        return None
    return float(np.nanmedian(zoo.column(COST)))


def _cost(zoo: "Zoo", feature: str, name: str) -> tuple[float, float]:
    """CPU seconds to train a ridge on a feature, and to predict one NCA from its weights."""
    asked = quantity(zoo, name)
    values, known = asked.values.astype(float), np.flatnonzero(asked.known)
    transformer = find_feature(feature).transformer(zoo)
    model = make_pipeline(transformer, Reduced(), Ridge(1.0))
    with threadpool_limits(limits=1):
        began = time.process_time()
        model.fit(zoo.weights[known], values[known])
        trained = time.process_time()
        some = known[:TIMED_ROWS]
        model.predict(zoo.weights[some])
    return trained - began, (time.process_time() - trained) / len(some)
