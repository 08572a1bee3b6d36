"""Fitting one picture while somebody watches, and keeping the NCA in a zoo of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nca_zoo.building.build import BuildSettings, header, record
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.sources import Picture, Source
from nca_zoo.store.assemble import disk
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.cohort import Job
from nca_zoo.training.trainer import Fit, Watcher, train


def fit_alone(
    job: Job, settings: BuildSettings, threads: int = 1, watch: Watcher | None = None
) -> Fit:
    """Train one NCA; if ``watch`` ends the training early, it is judged as it is.

    The weights are those that ``build`` gives its picture with these settings, whatever the
    number of ``threads`` (sparse engine).
    """
    engine = make_engine(settings.engine, settings.device, threads)
    (fit,) = train([job], settings.regime, engine, 1, watch)
    return fit


@contextmanager
def zoo_of_one(
    path: Path,
    source: Source,
    settings: BuildSettings,
    size: int | None,
    replace: bool = False,
    scale: float | None = None,
) -> Iterator[Callable[[Picture, Fit], None]]:
    """A new zoo file at ``path``, locked from the beginning; call the result to put a fit there.

    An older file stays until the new one is whole. Raises ZooError if there is one and it is not
    to be replaced, or if nothing can be written there.
    """
    if path.exists() and not replace:
        raise ZooError(f"{path} exists already; give --replace to train anew, or another --out")
    new = path.with_name(f"{path.stem}.new.h5")
    with disk(path):
        new.unlink(missing_ok=True)
    with ZooWriter(new, header(source, settings, size, scale)) as writer:

        def put(picture: Picture, fit: Fit) -> None:
            writer.add([record(picture, fit)])

        yield put
    with disk(path):
        if new.exists():
            new.replace(path)
