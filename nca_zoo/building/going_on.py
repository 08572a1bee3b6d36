"""Building into a zoo that may hold NCAs already: which pictures are those that it knows?

A picture is known by its name, and by its pixels, never by its place in a listing, which changes as
soon as somebody adds a file. So ids and numbers of classes that a zoo has given stay.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.building.settings import BuildSettings, Tell, quiet, zoo_settings
from nca_zoo.errors import DiskError, ZooError
from nca_zoo.pictures.names import unique
from nca_zoo.pictures.sources import Picture, Source, repeated, target_of
from nca_zoo.pictures.targets import stored
from nca_zoo.store.parts import find_shards, read_part
from nca_zoo.store.schema import Header, picture_digests
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.regime import REGIMES

NAMED = 3  # changed pictures that an error names


def settings_for(out: Path, choices: Mapping[str, Any], tell: Tell = quiet) -> BuildSettings:
    """``zoo_settings`` for a zoo at ``out``. One that is there goes on in its own regime, unless
    another is chosen, and all of it pass the same gate.

    That of version 0.1 asked nothing about errors. Raises ZooError if the file cannot be read.
    """
    there = [path for path in (out, *find_shards(out)) if path.exists()]
    own = read_part(there[0]).layout.header.settings.get("regime", {}) if there else {}
    regime = choices["regime"] or own.get("name")
    settings = zoo_settings({**choices, "regime": regime if regime in REGIMES else None}, tell)
    known = own.get("gate")
    if not isinstance(known, dict) or "pass_error" in known:
        return settings
    gate = replace(settings.regime.gate, error=None, window=None)
    return replace(settings, regime=replace(settings.regime, gate=gate))


@contextmanager
def begun(
    out: Path,
    source: Source,
    pictures: Sequence[Picture],
    settings: BuildSettings,
    about: Header,
    refit: bool = False,
    repeats: int = 1,
) -> Iterator[tuple[ZooWriter, list[Picture]]]:
    """The zoo at ``out``, locked for writing, and the pictures by the ids that it has for them.

    about: the header of a new one (``nca_zoo.building.build.header``).
    refit: of a picture that is no longer what it was, the NCAs are dropped, to be fitted anew.
    repeats: fits of each (``repeated``). Raises ZooError, naming some, if there are such pictures
    otherwise; and as ``repeated`` and ``ZooWriter``, of a disk that refuses saying what is safe,
    too.
    """
    with _said_what_is_safe(ZooWriter(out, about)) as writer:
        met = Met([], {}, {})
        if writer.finished_ids():
            met = meet(open_zoo(out), source, pictures, settings)
            writer.call_classes(met.classes)
        if met.changed and not refit:
            told = [f"{name} ({nca_id})" for nca_id, name in met.changed.items()]
            more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
            raise ZooError(
                f"{out}: not the pictures that its NCAs were fitted to: {', '.join(told[:NAMED])}"
                f"{more}; --refit fits them anew, another --out keeps both"
            )
        if met.changed:
            writer.drop(met.changed)
        yield writer, repeated(met.pictures or pictures, repeats)


def _repeats(zoo: Zoo) -> npt.NDArray[np.integer]:
    """Which fit of its picture each NCA is, ``(N,)``; of zoos that do not count them the first."""
    counted = "repeat" in zoo.columns
    return np.maximum(zoo.column("repeat"), 1) if counted else np.ones(len(zoo), np.int16)


def _plain(nca_id: str, repeat: int) -> str:
    """The id of an NCA's picture, which its first fit has."""
    return nca_id if repeat == 1 else nca_id.rpartition("+")[0]


@contextmanager
def _said_what_is_safe(open_to_write: ZooWriter) -> Iterator[ZooWriter]:
    """The writer, until all is written; the disk's refusal ends in what is not lost by it."""
    try:
        with open_to_write as writer:
            yield writer
    except DiskError as error:
        if not (safe := len(open_to_write.finished_ids())):
            raise
        finished = "1 NCA is" if safe == 1 else f"{safe} NCAs are"
        raise ZooError(
            f"{error}; {finished} safe, and the same command goes on from there"
        ) from None


@dataclass(frozen=True)
class Met:
    """How a zoo and the pictures of a build go together."""

    pictures: list[Picture]  # by the ids that the zoo has for them
    changed: dict[str, str]  # NCAs that were fitted to other pixels: id -> name of the picture
    classes: dict[int, str]  # what classes are called that had no name in the zoo


def meet(zoo: Zoo, source: Source, pictures: Sequence[Picture], settings: BuildSettings) -> Met:
    """Find pictures in a zoo: by name, or by their pixels where a row has no name of its own."""
    rows_of: dict[str, list[int]] = defaultdict(list)  # the first, or only, fit comes first
    repeats = _repeats(zoo)
    for row in np.argsort(repeats, kind="stable").tolist():
        rows_of[str(zoo.name[row])].append(row)
    nameless: dict[str, list[int]] = defaultdict(list)  # rows of schema 1
    for row in (zoo.name == zoo.id).nonzero()[0].tolist():
        nameless[zoo.picture_sha256[row]].append(row)
    taken = set(zoo.id.tolist())
    met: list[Picture] = []
    changed: dict[str, str] = {}
    new: list[int] = []
    classes: dict[int, set[str]] = defaultdict(set)
    for picture in pictures:
        target = stored(target_of(picture, settings.target).rgba)
        pixels = picture_digests(target[None])[0].decode()
        name = picture.name or picture.id
        fits = rows_of.get(name, [])
        row = fits[0] if fits else None
        # In a set the id is the name: there another picture of the same pixels is another.
        if row is None and name != picture.id and pixels in nameless:
            row = nameless[pixels].pop(0)
            if not nameless[pixels]:
                del nameless[pixels]
            classes[int(zoo.label[row])].add(source.classes.name(picture.label))
        if row is None:
            new.append(len(met))
        changed |= {str(zoo.id[r]): name for r in fits if zoo.picture_sha256[r] != pixels}
        met.append(
            picture if row is None else replace(picture, id=_plain(str(zoo.id[row]), repeats[row]))
        )
    for place, nca_id in zip(new, unique([met[i].id for i in new], taken), strict=True):
        met[place] = replace(met[place], id=nca_id)
    told = zoo.attrs["class_names"]
    found = {
        number: names.pop()
        for number, names in classes.items()
        if number >= 0 and told.get(number, str(number)) == str(number) and len(names) == 1
    }
    return Met(met, changed, {n: name for n, name in found.items() if name != str(n)})
