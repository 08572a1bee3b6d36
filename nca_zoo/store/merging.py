"""Merging whole zoos: the parts of one build, made on several machines, or builds of their own."""

import warnings
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nca_zoo.errors import ZooError, ZooWarning
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.pictures.classes import Classes
from nca_zoo.pictures.names import MOST_IN_ID, cleaned, unique
from nca_zoo.store.assemble import claimed, merge
from nca_zoo.store.parts import (
    Doubles,
    Part,
    classes_of,
    doubles,
    find_parts,
    find_shards,
    retried,
    shared_columns,
    zoo_path,
)
from nca_zoo.store.schema import SCHEMA, Header
from nca_zoo.store.settings import Settings

NEEDED = (  # to look at an NCA at all, so that they must be the same in a file
    ("regime.seed_hidden", "their seed cells differ", "which NCA grows from which"),
    ("regime.seeds", "they grow from other numbers of seeds", "which is told where seeds stand"),
    ("regime.fire_rate", "their cells fire at other rates", "which NCA runs at which"),
    ("motion.clock", "some targets move and some stand still, or hear no clock", "which"),
    ("motion.period", "their targets come round in other times", "when what is due"),
    ("target.visible", "some show RGBA and some grey", "which NCA shows what"),
)
MOST_PUT_BEFORE = 24  # letters of a zoo's name before an id
MOST_FILES = 200  # open at a time: some systems allow 256


@dataclass(frozen=True)
class Merged:
    """What became of the zoos that were merged."""

    rows: int  # in the new zoo
    twins: int  # rows left out, since the same NCA was there already
    renamed: int = 0  # NCAs whose id was that of another


def merge_zoos(
    zoos: Sequence[str | Path],
    out: str | Path,
    mix_settings: bool = False,
    progress: Progress = silent,
    rename: bool = False,
) -> Merged:
    """Write every NCA of all zoos, unfinished builds included, to the new file ``out``.

    An NCA that several zoos hold, the same id and bit for bit the same weights, comes once. Classes
    go by their names: one that another zoo has is the same, whatever its number there; numbers are
    those of the first zoo, and classes that are new to it get others where theirs are taken. The
    file appears whole or not at all. Streams: holds a few blocks of 8 MB in memory.

    rename: an id that stands for another NCA in an earlier zoo gets the name of its zoo before it.
    mix_settings: take zoos of other settings, too, and ``rename``; ``common_header`` says what is
    then kept. progress: called with the bytes written and those to write.

    Raises ZooError if ``out`` exists, for one id with different weights (naming the ids), for other
    settings (naming them), and for other sizes of the grid, the loss curve or a further column.
    """
    out = zoo_path(out)
    instead = "name another file with --out, or move it away"
    if out.exists() or find_shards(out):
        raise ZooError(f"{out} exists already; {instead}")
    paths = list(dict.fromkeys(map(zoo_path, zoos)))

    def once() -> Merged:
        parts, renamed = _together(paths, mix_settings, rename)
        with claimed(out, replace=False, instead=instead):
            rows = merge(parts, out, progress)
        return Merged(rows, sum(len(part.ids) for part in parts) - rows, renamed)

    return retried(once)  # a build may be merging the parts of one of them


def _together(paths: Sequence[Path], mix_settings: bool, rename: bool) -> tuple[list[Part], int]:
    """The parts of zoos, alike in all that a file says once, and how many NCAs are renamed.

    Raises as ``merge_zoos``.
    """
    found = [find_parts(path) for path in paths]
    parts = [part for of_one in found for part in of_one]
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
    alike = _alike(found, header)
    twice = doubles(alike)
    if twice is None:
        return alike, 0
    if not rename and not mix_settings:
        raise ZooError(
            f"{twice.complaint}; --rename keeps both, with the name of the zoo before the id"
        )
    zoo_of = [number for number, of_one in enumerate(found) for _ in of_one]
    return _renamed(alike, twice, zoo_of), len(twice.ids)


def _alike(found: Sequence[Sequence[Part]], header: Header) -> list[Part]:
    """The parts of all zoos with one header, and with labels that mean the same in all of them."""
    common, coded = Classes(), []
    for parts in found:
        own = classes_of(parts)
        common, numbers = common.joined(own)
        for part in parts:
            labels = np.array([numbers.get(n, n) for n in part.labels.tolist()], np.int64)
            coded.append(replace(part, labels=labels))
    unnamed = [p.path for parts in found for p in parts if _guessed(p)]
    if len(found) > 1 and unnamed:
        warnings.warn(
            f"{unnamed[0]}: written by version 0.1, which kept no names of classes: its classes "
            "are called by their numbers, and taken for those that are called so elsewhere",
            ZooWarning,
            stacklevel=3,
        )
    named = replace(header, class_names=common)
    return [replace(part, layout=replace(part.layout, header=named)) for part in coded]


def _guessed(part: Part) -> bool:
    header = part.layout.header
    return header.schema == 1 and not header.class_names and bool((part.labels >= 0).any())


def _renamed(parts: Sequence[Part], twice: Doubles, zoo_of: Sequence[int]) -> list[Part]:
    """The parts with ids that are each of one NCA; ``zoo_of`` says which zoo a part is of."""
    ids = [part.ids.astype(f"<U{MOST_IN_ID}") for part in parts]
    taken = set(np.concatenate(ids).tolist())
    called: dict[tuple[int, str], str] = {}
    for number, row, nca_id in zip(twice.rows.part, twice.rows.row, twice.ids, strict=True):
        zoo = parts[number].path
        place = zoo.parent.name.removesuffix(".h5.shards") if zoo.stem.isdecimal() else zoo.stem
        key = zoo_of[number], str(nca_id)
        if key not in called:
            (called[key],) = unique([f"{cleaned(place, MOST_PUT_BEFORE)}-{nca_id}"], taken)
            taken.add(called[key])
        ids[number][row] = called[key]
    return [replace(part, ids=own) for part, own in zip(parts, ids, strict=True)]


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
        class_names=Classes(),  # their numbers may differ: ``_alike``
        schema=SCHEMA,
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
