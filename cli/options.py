"""Options, and a progress bar, that several commands share."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from nca_zoo.choices import BACKGROUNDS
from nca_zoo.errors import ZooError
from nca_zoo.ground.cores import usable_cores

if TYPE_CHECKING:
    from tqdm import tqdm

    from nca_zoo.store.zoofile import Zoo


def data_folder() -> Path:
    """Where zoos and downloads lie: ``NCA_ZOO_DATA``, or ``data`` in the current folder."""
    from nca_zoo.building.settings import data_folder as folder

    return folder()


def default_zoo() -> Path:
    """The zoo that `build` writes and the other commands read unless told otherwise."""
    return data_folder() / "zoo.h5"


class FilePath(click.Path):
    """A path as people type it. A shell puts the home in place of ~ only where a word begins."""

    def __init__(self, dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=dir_okay)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path from the root or from here; a usage error as of ``click.Path``."""
        return super().convert(os.path.expanduser(value), param, ctx)


class ZooPath(FilePath):
    """A zoo to read: a file, or an address from which it is fetched once into the data folder."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The file; raises ZooError if there is none to be had from an address."""
        from nca_zoo.exchange.fetching import fetched, is_address

        completing = ctx is not None and ctx.resilient_parsing  # for which nobody fetches
        if not is_address(value) or completing:
            return super().convert(value, param, ctx)
        with progress_bar(desc="fetch", total=1, unit="B", unit_scale=True, delay=1) as shown:
            return fetched(value, data_folder(), shown)


class NcaId(click.ParamType):
    """The id of an NCA; shells complete it from the zoo that the line names."""

    name = "ID"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The ids that begin so; none if the zoo cannot be read."""
        from nca_zoo.store.zoofile import open_zoo

        try:
            ids = open_zoo(ctx.params.get("zoo") or default_zoo()).id.tolist()
        except ZooError:
            return []
        return [CompletionItem(nca_id) for nca_id in ids if nca_id.startswith(incomplete)]


NCA_ID = NcaId()
zoo_option = click.option(
    "--zoo",
    type=ZooPath(dir_okay=False),
    default=default_zoo,
    show_default="data/zoo.h5",
    help="The zoo to read, a file or an address; an argument that ends in .h5 is it, too.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
store_option = click.option(
    "--store", is_flag=True, help="Leave the result in the zoo, as columns; an earlier one goes."
)
scale_option = click.option(
    "--scale",
    type=float,
    help="The number that is full ink, in greys of more than 8 bits.  [default: 65535 of 16 bits, "
    "4095 of 12, 1 of floats]",
)
strict_option = click.option(
    "--strict", is_flag=True, help="Stop at a file of a folder that is no picture to grow."
)
background_option = click.option(
    "--background",
    type=click.Choice(BACKGROUNDS),
    default="dark",
    show_default=True,
    help="What transparent cells show; checker is a checkerboard. Digits are white ink: hard to "
    "see on light.",
)
folds_option = click.option("--folds", type=click.IntRange(2), default=5, show_default=True)


def cores_option(flag: str = "--jobs", does: str | None = None) -> Callable[[Any], Any]:
    """An option for as many of something as there are usable cores, saying what they do."""
    return click.option(
        flag,
        type=click.IntRange(1),
        default=usable_cores,
        show_default="one per usable core",
        help=does,
    )


def png_file(path: Path, option: str = "--out") -> Path:
    """A picture to write, as an option names it; raises ZooError unless it is a PNG."""
    if path.suffix.lower() != ".png":
        raise ZooError(f"{option} {path}: the name must end in .png")
    return path


def seed_option(decides: str) -> Callable[[Any], Any]:
    """``--seed``, saying what it decides."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**64 - 1),
        default=0,
        show_default=True,
        help=decides,
    )


def validation_options(decides: str) -> Callable[[Any], Any]:
    """``--folds``, ``--repeats`` and ``--seed`` of commands that read weights in folds."""
    repeats = click.option("--repeats", type=click.IntRange(1), default=1, show_default=True)
    return lambda command: folds_option(repeats(seed_option(decides)(command)))


MOST = 5000  # NCAs that a command reads unless told otherwise


class SampleType(click.ParamType):
    """A number of NCAs, or all: None."""

    name = "N|all"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | None:
        """The number that a person wrote; a usage error for anything else."""
        if value is None or isinstance(value, int):
            return value
        if value == "all":
            return None
        if not value.isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a whole number above 0 nor all", param, ctx)
        return int(value)


def sample_option(most: int = MOST) -> Callable[[Any], Any]:
    """``--sample``, with ``most`` unless something else is asked for."""
    return click.option(
        "--sample",
        type=SampleType(),
        default=str(most),
        show_default=True,
        help="Read so many NCAs at most, drawn evenly over the classes, or all.",
    )


def sampled(zoo: "Zoo", most: int | None, keep: str | None = None) -> "Zoo":
    """The part of a zoo that ``--sample`` asks for; says on stderr if that is not the whole."""
    from nca_zoo.store.sampling import sampled as some_of

    part = some_of(zoo, most, keep)
    if len(part) < len(zoo):
        click.echo(
            f"note: {len(part)} of the {len(zoo)} NCAs, drawn evenly over the classes; "
            "--sample all reads them all",
            err=True,
        )
    return part


def print_json(about: Mapping[str, Any]) -> None:
    """Findings for programs, on stdout; docs/commands.md has their shapes. NaN would be no JSON."""
    click.echo(json.dumps(_finite(about), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def listed(text: str) -> list[str]:
    """The names in a list that a person separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work of over two seconds, if stderr is a terminal: call it with what is done, and
    all of it."""
    with progress_bar(desc=what, unit=unit, unit_scale=unit == "B", delay=2, leave=False) as shown:

        def advance(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield advance


def progress_bar(**looks: Any) -> "tqdm[Any]":
    """tqdm's bar on stderr, if that is a terminal: a file would hold a line for every change."""
    from tqdm import tqdm

    return tqdm(file=sys.stderr, disable=None, **looks)


def sizes_of(text: str) -> list[int]:
    """Numbers of pictures to learn from, as ``--sizes`` has them, rising."""
    try:
        sizes = sorted({int(size) for size in listed(text)})
    except ValueError:
        raise ZooError(f"--sizes {text}: expected whole numbers and commas, as 50,100") from None
    if sizes and sizes[0] < 10:
        raise ZooError(f"--sizes {text}: a reader needs 10 pictures or more to learn from")
    return sizes
