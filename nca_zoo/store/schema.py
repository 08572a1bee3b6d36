"""The zoo file's schema 2 as data: its columns, its attributes, and the values they may hold.

How this lies in HDF5 is in ``hdf5.py``; docs/zoo-file.md explains the format to people.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import N_PARAMS, PARAM_SPEC
from nca_zoo.automaton.wounds import HALF
from nca_zoo.errors import ZooError, can_be_shown
from nca_zoo.life.healing import RADII
from nca_zoo.pictures.classes import NO_CLASS, Classes
from nca_zoo.pictures.names import NAME_BYTES
from nca_zoo.store.columns import Column, Sizes
from nca_zoo.store.settings import Settings

SCHEMA = 2
READABLE = (1, 2)
LOSS_POINTS = 100
STATUSES = ("ok", "below_gate", "dead", "diverged", "unjudged")  # the last: no target is known
NAME = re.compile(r"[A-Za-z0-9._+-]{1,64}")  # an id, and other texts in columns that we choose
OWN_NAMES = "name"  # the column of texts that others chose
MAX_ATTRIBUTE_BYTES = 64_000  # HDF5 keeps an attribute of up to 64 KiB in the object's header
MAX_LEVELS = 20  # of nesting in JSON
_CHECK_BYTES = 1 << 23  # columns are checked in pieces, since one may hold gigabytes
_FINITE = float(np.finfo(np.float32).max)

Text = npt.NDArray[np.bytes_]

HEALING = {
    f"heals_{kind}": "cuts of one half" if radius == HALF else f"wounds of radius {radius:g} cells"
    for kind, radius in RADII.items()
}

_COLUMNS = (
    Column("id", "S64", description="name: 7-012 is the 13th picture of class 7 in its source"),
    Column(
        OWN_NAMES,
        f"S{NAME_BYTES}",
        description="the picture's own name, UTF-8: of a file in a folder its path there",
        optional=True,
    ),
    Column(
        "repeat",
        "<i2",
        description="which fit of its picture: 1, or more where a picture was fitted several times",
        low=0,
        optional=True,
        missing=0,
    ),
    Column(
        "weights",
        "<f4",
        (N_PARAMS,),
        description="all weights of the NCA, flat, in the order of the attribute param_spec",
        low=-_FINITE,
        high=_FINITE,
    ),
    Column(
        "label",
        "<i2",
        description="class of the picture by its number in class_names, -1 if it has none",
        low=NO_CLASS,
    ),
    Column("source_index", "<i4", description="place of the picture in its source, from 0", low=0),
    Column("split", "S16", description="train or test, the same in every zoo of the source"),
    Column("seed_row", "<i2", (), "cells", "row of the seed cell", low=0, inside="H"),
    Column("seed_col", "<i2", (), "cells", "column of the seed cell", low=0, inside="W"),
    Column("rng_seed", "<u8", description="key of all random draws of this fit"),
    Column("init", "S64", description="what the weights started from"),
    Column(
        "target",
        "|u1",
        ("H", "W", 4),
        "1/255",
        "what it should grow: RGBA, red, green and blue premultiplied by alpha",
    ),
    Column(
        "picture_sha256",
        "S64",
        description="SHA-256 of the target's bytes, row by row, in hexadecimal: which picture",
        optional=True,
    ),
    Column(
        "grown",
        "|u1",
        ("H", "W", 4),
        "1/255",
        "what it grew by CA step 96 from rollout seed 0: RGBA, premultiplied by alpha",
    ),
    Column("psnr_96", "<f4", (), "dB", "PSNR against the target at CA step 96", low=0),
    Column("psnr_400", "<f4", (), "dB", "PSNR against the target at CA step 400", low=0),
    Column("alive_400", "<f4", (), "", "share of cells alive at CA step 400", low=0, high=1),
    *(
        Column(
            name,
            "<f4",
            description=f"share of {wounds} at CA step 200 after which it is whole by step 400",
            low=0,
            high=1,
            or_unknown=True,
            optional=True,
        )
        for name, wounds in HEALING.items()
    ),
    Column(
        "loss",
        "<f4",
        ("L",),
        "",
        "training loss, mean squared error, resampled to L points over all training steps",
        low=0,
        high=_FINITE,
        or_unknown=True,
    ),
    Column("train_steps", "<i4", (), "training steps", "training steps it took", low=0),
    Column("attempts", "<i2", description="fresh attempts it took", low=1),
    Column(
        "status",
        "S16",
        description="ok, or why it failed: below_gate, dead, diverged; unjudged without a target",
    ),
    Column(
        "wall_s", "<f4", (), "s", "computing time of the fit", low=0, high=_FINITE, or_unknown=True
    ),
    Column(
        "weights_sha256",
        "S64",
        description="SHA-256 of the weights as little-endian float32, in hexadecimal",
        optional=True,
    ),
)
COLUMNS = tuple(replace(column, origin="schema") for column in _COLUMNS)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Attribute:
    """One root attribute of the file."""

    name: str
    kind: Literal["number", "text", "json", "weights"]
    description: str


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("schema", "number", "version of this format"),
    Attribute("param_spec", "json", "names and shapes of the tensors in a row of weights"),
    Attribute("class_names", "json", "what the numbers in label stand for: number -> name"),
    Attribute("settings", "json", "what every fit of the file shares: regime, target, start, seed"),
    Attribute("init_weights", "weights", "the start that all share; empty if each has its own"),
    Attribute("source", "text", "where the pictures come from"),
    Attribute("licence", "text", "licence of the pictures"),
    Attribute("engine", "text", "the engine that trained"),
    Attribute("versions", "json", "versions of the code and its libraries"),
    Attribute("created", "text", "when the file was begun, UTC"),
)


def _plain(value: Any, level: int = 0) -> Any:
    """``value`` as strict JSON has it: JSON knows no infinity and no NaN, so they become text."""
    if level > MAX_LEVELS:
        raise ZooError(f"settings and versions: nested deeper than {MAX_LEVELS} levels")
    if isinstance(value, Mapping):
        return {str(key): _plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, level + 1) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def _texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


def made_here(made_by: str) -> dict[str, Any]:
    """What a column that is made now says of that: how, with which version, and when."""
    return {"made_by": made_by, "made_with": f"nca-zoo {version('nca-zoo')}", "made": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, eq=False)
class Header:
    """What a zoo file says about all its NCAs: the root attributes that a build chooses.

    settings: what every fit shares, as plain JSON values; a build resumes only with equal ones.
    init_weights: float32 ``(P,)``, or ``(0,)`` if every NCA starts from weights of its own.
    class_names: what its labels stand for. schema: that of the file it was read from.
    """

    settings: dict[str, Any]
    source: str
    licence: str
    engine: str
    versions: dict[str, str]
    init_weights: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    created: str = field(default_factory=_now)
    class_names: Classes = field(default_factory=Classes)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", _plain(self.settings))
        object.__setattr__(self, "versions", _plain(self.versions))
        for name in ("settings", "versions"):
            if not isinstance(getattr(self, name), dict):
                raise ZooError(f"attribute {name}: expected a JSON object")
        if not isinstance(self.settings.get("regime", {}), dict):
            raise ZooError("attribute settings: regime: expected a JSON object")
        for name in ("settings", "source", "licence", "engine", "versions", "created"):
            for text in _texts(getattr(self, name)):
                if not can_be_shown(text):
                    raise ZooError(f"attribute {name}: {text[:40]!a} holds control characters")
        init = self.init_weights
        if init.dtype != np.float32 or init.shape not in ((0,), (N_PARAMS,)):
            found = f"{init.dtype} {init.shape}"
            raise ZooError(f"attribute init_weights: expected float32 ({N_PARAMS},), found {found}")
        if not np.isfinite(init).all():
            raise ZooError("attribute init_weights: holds numbers that are not finite")

    def stored(self) -> dict[str, Any]:
        """Every root attribute as it lies in the file: an int, text, or an array of weights."""
        values = {**self.__dict__, "schema": SCHEMA, "param_spec": PARAM_SPEC}
        values["class_names"] = {str(number): name for number, name in self.class_names.items()}
        return {
            attribute.name: _json(values[attribute.name])
            if attribute.kind == "json"
            else values[attribute.name]
            for attribute in ATTRIBUTES
        }

    def attrs(self) -> dict[str, Any]:
        """Every root attribute as a Python value; ``regime`` is that of the settings."""
        regime = self.settings.get("regime")
        values = {"param_spec": PARAM_SPEC, "regime": regime} | self.__dict__
        return values | {"class_names": dict(self.class_names)}

    def differences(self, other: "Header") -> list[str]:
        """What keeps fits of ``other`` out of this zoo: ``["regime.batch 2 -> 4", ...]``."""
        mine, theirs = (Settings(header.settings).flat for header in (self, other))
        differ = [
            f"{name} {mine.get(name, 'unset')} -> {theirs.get(name, 'unset')}"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name, ...) != theirs.get(name, ...)
        ]
        if self.init_weights.tobytes() != other.init_weights.tobytes():
            differ.append("the shared start (init_weights) is another")
        return differ


def resample_loss(losses: npt.ArrayLike, points: int = LOSS_POINTS) -> npt.NDArray[np.float32]:
    """A training curve ``(steps,)`` at ``points`` places evenly spread from first to last step.

    Linear between steps; a curve of ``points`` steps stays as it is.
    """
    with np.errstate(over="ignore"):  # of a fit that diverged; the file says so of infinity, too
        curve = np.asarray(losses, np.float32)
    if curve.ndim != 1 or not len(curve):
        raise ValueError(f"expected a curve of at least one step, found shape {curve.shape}")
    places = np.linspace(0, len(curve) - 1, points)
    return np.interp(places, np.arange(len(curve)), curve).astype(np.float32)


def digests(weights: npt.NDArray[np.float32]) -> Text:
    """The column ``weights_sha256`` ``(n,)`` of weights ``(n, P)``."""
    return _sha256(np.ascontiguousarray(weights, "<f4"))


def picture_digests(targets: npt.NDArray[np.uint8]) -> Text:
    """The column ``picture_sha256`` ``(n,)`` of targets ``(n, H, W, 4)``."""
    return _sha256(np.ascontiguousarray(targets, np.uint8))


def _sha256(rows: npt.NDArray[Any]) -> Text:
    return np.array([hashlib.sha256(row.data).hexdigest() for row in rows], "S64")


def digest_lines(ids: npt.NDArray[Any], weights: npt.NDArray[np.float32]) -> list[str]:
    """What `nca-zoo info --digest` is the SHA-256 of, a line for each NCA: see docs/zoo-file.md.

    Every NaN counts as one: processors have different ones.
    """
    one_nan = np.where(np.isnan(weights), np.float32(np.nan), weights)
    sums = digests(one_nan).astype(str)
    return [f"{one}  {nca_id}\n" for one, nca_id in zip(sums, ids, strict=True)]


def digest_of(lines: Iterable[str]) -> str:
    """The digest of a zoo with these lines, in any order."""
    by_id = sorted(lines, key=lambda line: line.partition("  ")[2])
    return hashlib.sha256("".join(by_id).encode()).hexdigest()


def column_problem(
    column: Column, values: npt.NDArray[Any], ids: npt.NDArray[Any], ok: npt.NDArray[np.bool_],
    sizes: Sizes,
) -> str | None:  # fmt: skip
    """The first value of a column that it may not hold, in words; None if all are in order.

    values: ``(N, ...)`` in the column's own type; ids: ``(N,)`` to name the row by; ok: ``(N,)``,
    whether a row's status is ok.
    """
    if column.is_text:
        return _text_problem(column, values) if column.origin == "schema" else None
    rows = max(1, _CHECK_BYTES // max(1, column.row_bytes(sizes)))
    high = column.high if not column.inside else min(column.high, sizes[column.inside] - 1)
    if column.low == -np.inf and high == np.inf:
        return None
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        bad = ~((block >= column.low) & (block <= high))
        if column.is_float:
            bad &= ok[start : start + rows].reshape(-1, *[1] * (block.ndim - 1))
        if column.or_unknown:
            bad &= ~np.isnan(block)
        if bad.any():
            place = np.unravel_index(np.argmax(bad), bad.shape)
            limits = f"{column.low:.3g} to {high:.3g}"
            allowed = "a finite number" if column.low == -_FINITE else limits
            row = str(np.asarray(ids[start + place[0]]).astype(str))
            return f"{column.name} of {row} is {block[place]}; expected {allowed}"
    return None


def _text_problem(column: Column, values: Text) -> str | None:
    for value in np.unique(values):
        if column.optional and not value:
            continue
        text = value.decode("utf-8", "backslashreplace")
        if column.name == OWN_NAMES:
            if not _is_text(value):
                return f"{column.name} is {text[:40]!a}; expected UTF-8 text of one line"
            continue
        if not NAME.fullmatch(text):
            rule = "1 to 64 letters, digits, dots, dashes, pluses or underscores"
            return f"{column.name} is {text!a}; expected {rule}"
        if column.name == "status" and text not in STATUSES:
            return f"status is {text}; expected one of {', '.join(STATUSES)}"
    return None


def _is_text(value: bytes) -> bool:
    """Whether bytes are UTF-8 that can be shown."""
    try:
        return can_be_shown(value.decode())
    except UnicodeDecodeError:
        return False
