"""Options, and a progress bar, that several commands share."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click


def data_folder() -> Path:
    """Where zoos and downloads lie: ``NCA_ZOO_DATA``, or ``data`` in the current folder."""
    return Path(os.environ.get("NCA_ZOO_DATA", "data"))


def default_zoo() -> Path:
    """The zoo that `build` writes and the other commands read unless told otherwise."""
    return data_folder() / "zoo.h5"


zoo_option = click.option(
    "--zoo",
    type=click.Path(path_type=Path, dir_okay=False),
    default=default_zoo,
    show_default="data/zoo.h5",
    help="The zoo file to read.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def listed(text: str) -> list[str]:
    """The names in a list that a person separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for work of over two seconds: call it with what is done, and all of it."""
    from tqdm import tqdm

    with tqdm(
        desc=what, unit=unit, unit_scale=unit == "B", delay=2, leave=False, file=sys.stderr
    ) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
