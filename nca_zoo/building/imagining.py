"""NCAs that were imagined: made to stay what they grow, judged by that, and kept as a zoo.

Nobody knows a picture that such an NCA should grow. Its target is the one that it grows by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import Stream, fit_seed, fold
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.building.build import header, record
from nca_zoo.building.settings import BuildSettings
from nca_zoo.building.writing import NONE, TOGETHER, settings_like
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP
from nca_zoo.pictures.sources import Picture, Source
from nca_zoo.pictures.targets import Target, restored, stored
from nca_zoo.store.assemble import claimed
from nca_zoo.store.parts import zoo_path
from nca_zoo.store.zoofile import Zoo
from nca_zoo.store.zoowriter import write_zoo
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import Init
from nca_zoo.training.trainer import Fit, train, untrained

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
IMAGINED = "imagined"
LOOKS = 4  # rollouts whose mean is an NCA's own picture
SPLIT = "unknown"


@dataclass(frozen=True, eq=False)
class Imagined:
    """K NCAs that were thought up."""

    weights: Floats  # (K, P)
    seeds: Ints  # (K, 2), rows and columns of their seed cells
    labels: Ints  # (K,), the classes that they are meant to be of


def settings_of(zoo: Zoo, seed: int = 0) -> BuildSettings:
    """Settings under which NCAs of a zoo's kind run and are judged."""
    told = {
        "regime": zoo.settings.regime,
        "seed_hidden": zoo.seed_hidden,
        "fire_rate": zoo.fire_rate,
    }
    return settings_like(told, Init(IMAGINED, visible=zoo.visible), seed)


def own_jobs(
    ncas: Imagined,
    ids: Sequence[str],
    grid: tuple[int, int],
    settings: BuildSettings,
    threads: int = 1,
) -> list[Job]:
    """Each NCA with the picture that it grows by itself as its target.

    That is the mean of 4 rollouts at step 96, under masks that judge nothing.
    """
    regime, shows = settings.regime, settings.target.trained
    engine = make_engine(settings.engine, settings.device, threads)
    seeds = np.stack(
        [seed_state(*grid, row, col, regime.seed_hidden) for row, col in ncas.seeds.tolist()]
    )
    rng_seeds = np.array([fit_seed(settings.seed, nca_id) for nca_id in ids], np.uint64)
    keys = fold(fold(rng_seeds, Stream.OWN)[:, None], np.arange(LOOKS))
    all_of_them = Automata(ncas.weights, seeds, keys, shows, regime.fire_rate)
    jobs = []
    for start in range(0, len(ids), TOGETHER):
        some = all_of_them[start : start + TOGETHER]
        grown = some.seen(engine.rollout(some, some.starts(), 0, GROWN_STEP))
        own = np.clip(np.nan_to_num(grown), 0, 1).mean(axis=1)
        for k, rgba in enumerate(restored(stored(own)), start):
            row, col = ncas.seeds[k].tolist()
            target = Target(rgba, row, col, shows)
            init = Init(IMAGINED, ncas.weights[k])
            jobs.append(Job(ids[k], target, init, int(rng_seeds[k])))
    return jobs


def settled(
    jobs: Sequence[Job], settings: BuildSettings, steps: int, threads: int = 1
) -> list[Fit]:
    """Each job trained for up to so many steps, and judged, in their order.

    It is its own teacher: what is learnt is to grow again what grew, and to stay it.
    """
    engine = make_engine(settings.engine, settings.device, threads)
    if not steps:
        return list(untrained(jobs, settings.regime, engine, TOGETHER))
    regime = replace(settings.regime, steps=steps, extra_steps=0, attempts=1)
    order = {job.id: place for place, job in enumerate(jobs)}
    return sorted(train(jobs, regime, engine, TOGETHER), key=lambda fit: order[fit.job.id])


@contextmanager
def zoo_of_imagined(
    path: Path,
    zoo: Zoo,
    seed: int,
    steps: int,
    replaces: bool = False,
    model: str | None = None,
) -> Iterator[Callable[[Sequence[int], Sequence[Fit]], None]]:
    """As ``zoo_of_one``; call the result to put NCAs there, with the class of each.

    zoo: from which they are imagined; seed: as ``settings_of``; steps: training steps of each, at
    most; model: digest of what drew them, None for a Gaussian.
    """
    settings = settings_of(zoo, seed)
    source = Source(IMAGINED, zoo.attrs["licence"], f"from {zoo.path.name}", zoo.classes)
    path, about = zoo_path(path), header(source, settings)
    regime = about.settings["regime"] | NONE | {"steps": steps}
    of = {"zoo": zoo.digest, "ncas": len(zoo)} | ({} if model is None else {"flow": model})
    told = {"regime": regime, "imagined": of}
    about = replace(about, settings=about.settings | told)

    def put(labels: Sequence[int], fits: Sequence[Fit]) -> None:
        rows = []
        for place, (label, fit) in enumerate(zip(labels, fits, strict=True)):
            picture = Picture(fit.job.id, int(label), place, SPLIT, stored(fit.job.target.rgba))
            rows.append(record(picture, fit))
        write_zoo(path, about, rows)

    with claimed(path, replaces, "give --replace to imagine anew, or another --out"):
        yield put
