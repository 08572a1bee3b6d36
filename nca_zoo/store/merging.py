"""Merging whole zoos: the parts of one build, made on several machines, or builds of their own."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.store.assemble import claimed, merge
from nca_zoo.store.parts import (
    Part,
    find_parts,
    find_shards,
    retried,
    shared_columns,
    zoo_path,
)
from nca_zoo.store.schema import Header
from nca_zoo.store.settings import Settings

NEEDED = (  # to look at an NCA at all, so that they must be the same in a file
    ("regime.seed_hidden", "their seed cells differ", "which NCA grows from which"),
    ("target.visible", "some show RGBA and some grey", "which NCA shows what"),
)
MOST_FILES = 200  # open at a time: some systems allow 256


@dataclass(frozen=True)
class Merged:
    """What became of the zoos that were merged."""

    rows: int  # in the new zoo
    twins: int  # rows left out, since the same NCA was there already


def merge_zoos(
    zoos: Sequence[str | Path],
    out: str | Path,
    mix_settings: bool = False,
    progress: Progress = silent,
) -> Merged:
    """Write every NCA of all zoos, unfinished builds included, to the new file ``out``.

    An NCA that several zoos hold, the same id and bit for bit the same weights, comes once. The
    file appears whole or not at all. Streams: holds a few blocks of 8 MB in memory.

    mix_settings: take zoos of other settings, too; ``common_header`` says what is then kept.
    progress: called with the bytes written and those to write.

    Raises ZooError if ``out`` exists, for one id with different weights (naming the ids), for other
    settings (naming them), and for other sizes of the grid, the loss curve or a further column.
    """
    out = zoo_path(out)
    instead = "name another file with --out, or move it away"
    if out.exists() or find_shards(out):
        raise ZooError(f"{out} exists already; {instead}")
    paths = list(dict.fromkeys(map(zoo_path, zoos)))

    def once() -> Merged:
        parts = _alike(paths, mix_settings)
        with claimed(out, replace=False, instead=instead):
            rows = merge(parts, out, progress)
        return Merged(rows, sum(len(part.ids) for part in parts) - rows)

    return retried(once)  # a build may be merging the parts of one of them


def _alike(paths: Sequence[Path], mix_settings: bool) -> list[Part]:
    """The parts of zoos, with a header that is true of all; raises as ``merge_zoos``."""
    parts = [part for path in paths for part in find_parts(path)]
    if len(parts) > MOST_FILES:
        raise ZooError(
            f"{len(parts)} files are too many to open at once; merge up to {MOST_FILES} at a time, "
            "then merge the results"
        )
    first = parts[0]
    header = common_header([part.layout.header for part in parts])
    for part in parts[1:]:
        differ = first.layout.header.differences(part.layout.header)
        if differ and not mix_settings:
            raise ZooError(
                f"{part.path}: other settings than {first.path}: {', '.join(differ)}; "
                "if one file should hold both all the same, add --mix-settings"
            )
    shared_columns(parts)  # raises
    return [replace(part, layout=replace(part.layout, header=header)) for part in parts]


def common_header(headers: Sequence[Header]) -> Header:
    """What is true of all NCAs of zoos with these headers.

    A setting that differs leaves its place and goes under ``mixed``, by its dotted name, with all
    the values it has; a start that not all share is left out. Texts and versions that differ are
    listed. The time of creation is the earliest. Raises ZooError if the seeds differ, or what is
    visible, for then nobody could tell how to grow which NCA, or what of it to show.
    """
    first = headers[0]
    values = [_values(header) for header in headers]
    names = {name: None for each in values for name in each}
    found = {name: _unique(v for each in values for v in each.get(name, [None])) for name in names}
    mixed = {name: each for name, each in found.items() if len(each) > 1}
    for name, differ, needed in NEEDED:
        if name in mixed:
            raise ZooError(
                f"these zoos cannot share a file: {differ} ({name}), and the file could not say "
                f"{needed}"
            )
    settings = first.settings
    if mixed:
        settings = _without(first.settings, {"mixed", *mixed}) | {"mixed": mixed}
    shared = all(h.init_weights.tobytes() == first.init_weights.tobytes() for h in headers)
    libraries = sorted({name for header in headers for name in header.versions})
    return replace(
        first,
        settings=settings,
        source=_listed(header.source for header in headers),
        licence=_listed(header.licence for header in headers),
        engine=_listed(header.engine for header in headers),
        versions={name: _listed(h.versions.get(name, "") for h in headers) for name in libraries},
        init_weights=first.init_weights if shared else first.init_weights[:0],
        created=min(header.created for header in headers),
    )


def _values(header: Header) -> dict[str, list[Any]]:
    """Every setting by its dotted name, with all the values it has; several if mixed before."""
    settings = Settings(_without(header.settings, {"mixed"})).flat
    flat = {name: [value] for name, value in settings.items()}
    before = header.settings.get("mixed")
    for name, values in (before if isinstance(before, dict) else {}).items():
        flat[name] = flat.get(name, []) + (values if isinstance(values, list) else [values])
    return flat


def _without(settings: dict[str, Any], names: Container[str], prefix: str = "") -> dict[str, Any]:
    """Nested settings without those of these dotted names."""
    return {
        name: _without(value, names, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in settings.items()
        if prefix + name not in names
    }


def _unique(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order; values need not be hashable."""
    once: list[Any] = []
    for value in values:
        if value not in once:
            once.append(value)
    return once


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(sorted({text for text in texts if text}))
