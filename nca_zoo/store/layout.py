"""What an HDF5 file turns out to hold, and whether that is a zoo that can be trusted.

A zoo is raw, fixed-length data in the file itself. Whatever differs in its own columns is refused
before it is read: filters, variable-length data, and all that leads out of the file. So nothing
that a file says can make a reader follow it elsewhere, or take memory for a column that is larger
than the file.

What other programs have put beside the zoo's own columns is a column, too, if it is as plain as
they are and has a row for each NCA; or else it is kept as it is, named, and never opened.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import PARAM_SPEC
from nca_zoo.errors import ZooError
from nca_zoo.pictures.classes import Classes
from nca_zoo.pictures.image_sets import known_classes
from nca_zoo.store.columns import ANY_LENGTH, Column, Sizes
from nca_zoo.store.hdf5 import DAMAGE, about, item_bytes, raw_dataset, reason, stamp
from nca_zoo.store.schema import (
    ATTRIBUTES,
    BY_NAME,
    COLUMNS,
    MAX_ATTRIBUTE_BYTES,
    NAME,
    READABLE,
    SCHEMA,
    Header,
)
from nca_zoo.store.settings import Settings

PLAIN = ("b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8")
ABOUT = ("units", "description", "made_by", "made_with", "made")  # texts beside a column
OTHER_LENGTH = "shape "  # how the reason begins why data of another length are no column
START_DIGEST = "init_weights_sha256"  # attribute of the file
CAME_ALONG = b"came_along"  # attribute of those in a file that is written anew: never its rows
LETTERS = 70  # of an odd name that are shown


@dataclass(frozen=True)
class Kept:
    """Something in a zoo file that is no column: it stays there, is not read, and goes along."""

    link: bytes  # its name in the file
    name: str  # the same, fit to be shown
    why: str  # it is no column
    by_row: bool = False  # whether it seems to have a row for each NCA


@dataclass(frozen=True)
class Layout:
    """What a zoo file holds, apart from the values in its columns."""

    rows: int  # N
    sizes: Sizes
    columns: tuple[Column, ...]  # those of the schema, then any that were added later
    header: Header
    kept: tuple[Kept, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


def read_layout(file: h5py.File) -> Layout:
    """What the file holds; raises ZooError if that is no zoo of this schema."""
    layout, problems = inspect(file)
    if layout is None:
        raise ZooError(f"{file.filename}: {problems[0]}")
    return layout


def inspect(file: h5py.File) -> tuple[Layout | None, list[str]]:
    """The layout of an HDF5 file, or all that keeps it from being a zoo; reads no column."""
    try:
        header = check_attributes(file)
        names = list(file)
        problems = [
            f"{column.name}: missing"
            for column in COLUMNS
            if column.name not in names and not column.optional
        ]
        datasets: dict[str, h5py.h5d.DatasetID] = {}
        for name in filter(BY_NAME.__contains__, names):
            dataset, problem = raw_dataset(file, name)
            if dataset is None:
                problems.append(f"{name}: {problem}")
            else:
                datasets[name] = dataset
        if problems:
            return None, problems
        rows, sizes = _rows_and_sizes(datasets)
        n_bytes = stamp(file)[0]
        known = [column for column in COLUMNS if column.name in names]
        for column in known:
            if misfit := _misfit(datasets[column.name], column, rows, sizes, n_bytes):
                problems.append(misfit)
        extras, kept = others(file, rows)
        layout = Layout(rows, sizes, (*known, *extras), header, tuple(kept))
        return (None if problems else layout), problems
    except ZooError as error:
        return None, [str(error)]
    except DAMAGE as error:
        return None, [f"damaged ({reason(error)})"]


def others(file: h5py.File, rows: int) -> tuple[list[Column], list[Kept]]:
    """What is in a file of ``rows`` rows beside the schema's columns: columns, and what is none."""
    columns, kept = [], []
    for name in list(file):
        if name in BY_NAME:
            continue
        found = _other(file, name, rows)
        if isinstance(found, Column):
            columns.append(found)
        else:
            kept.append(found)
    return columns, kept


def _other(file: h5py.File, name: str, rows: int) -> Column | Kept:
    """Something that the schema does not know."""
    plain = NAME.fullmatch(name) is not None
    link = name.encode("utf-8", "surrogateescape")
    shown = name if plain else ascii(name)[:LETTERS]
    try:
        dataset, problem = raw_dataset(file, name)
        if dataset is None:
            return Kept(link, shown, problem, problem.startswith("compressed"))
        if not plain:
            return Kept(link, shown, "such a name no column can have", _by_row(dataset, rows))
        problem = _no_column(dataset, rows, stamp(file)[0])
        if problem:
            return Kept(link, shown, problem, _by_row(dataset, rows))
        return _extra(name, dataset)
    except DAMAGE as error:
        return Kept(link, shown, f"damaged ({reason(error)})")


def check_attributes(file: h5py.File) -> Header:
    if not h5py.h5a.exists(file.id, b"schema"):
        raise ZooError("HDF5, but no zoo: it has no attribute schema")
    schema = _attribute(file, "schema", "number")
    if schema > SCHEMA:
        raise ZooError(
            f"written by a newer nca-zoo: schema {schema}, this one reads {SCHEMA}; upgrade nca-zoo"
        )
    if schema not in READABLE:
        raise ZooError(f"attribute schema is {schema}; expected {' or '.join(map(str, READABLE))}")
    if _json(file, "param_spec") != [[name, list(shape)] for name, shape in PARAM_SPEC]:
        expected = " ".join(f"{name}{list(shape)}" for name, shape in PARAM_SPEC)
        raise ZooError(f"attribute param_spec: expected {expected}, found another rule's")
    return _header(file, schema)


def _attribute(file: h5py.File, name: str, kind: str) -> Any:
    """A root attribute's value, after a look at what it says it is."""
    if not h5py.h5a.exists(file.id, name.encode()):
        raise ZooError(f"attribute {name}: missing")
    stored = h5py.h5a.open(file.id, name.encode())
    dtype, shape = stored.dtype, stored.shape
    if math.prod(shape) * dtype.itemsize > MAX_ATTRIBUTE_BYTES:
        raise ZooError(f"attribute {name}: larger than {MAX_ATTRIBUTE_BYTES} bytes")
    kinds, expected = {
        "number": ("iu", "one integer"),
        "weights": ("f", "float32 weights"),
    }.get(kind, ("S", "one fixed-length text"))
    if dtype.kind not in kinds or (shape != () and kind != "weights"):
        found = "variable-length data" if dtype.kind == "O" else f"{dtype} {shape}"
        raise ZooError(f"attribute {name}: expected {expected}, found {found}")
    value = np.empty(shape, dtype)
    stored.read(value)
    if kind == "number":
        return int(value)
    if kind == "weights":
        return value
    try:
        return bytes(value.item()).decode("utf-8")
    except UnicodeDecodeError:
        raise ZooError(f"attribute {name}: not UTF-8 text") from None


def _json(file: h5py.File, name: str) -> Any:
    try:
        return json.loads(_attribute(file, name, "json"))
    except (ValueError, RecursionError):
        raise ZooError(f"attribute {name}: not JSON") from None


def start_digest(weights: npt.NDArray[np.float32]) -> str:
    """What ``START_DIGEST`` says of the start: HDF5 has no checksum on one so large."""
    return hashlib.sha256(np.ascontiguousarray(weights, "<f4").tobytes()).hexdigest()


def _header(file: h5py.File, schema: int) -> Header:
    read = {
        attribute.name: _json(file, attribute.name)
        if attribute.kind == "json"
        else _attribute(file, attribute.name, attribute.kind)
        for attribute in ATTRIBUTES
        if attribute.name not in ("schema", "param_spec", "class_names")
    }
    header = Header(**read, schema=schema)
    if h5py.h5a.exists(file.id, START_DIGEST.encode()):
        told = _attribute(file, START_DIGEST, "text")
        if told != start_digest(header.init_weights):
            raise ZooError("attribute init_weights: not those that were stored (SHA-256 differs)")
    return replace(header, class_names=_class_names(file, header))


def _class_names(file: h5py.File, header: Header) -> Classes:
    """What the classes are called: schema 1 leaves that to the source, of which some are known."""
    if header.schema == 1:
        return known_classes(Settings(header.settings).source)
    names = _json(file, "class_names")
    plain = isinstance(names, dict) and all(
        re.fullmatch("[0-9]{1,5}", key) and isinstance(name, str) for key, name in names.items()
    )
    if not plain:
        raise ZooError('attribute class_names: expected JSON of the form {"0": "cat", "1": "fox"}')
    try:
        return Classes({int(number): name for number, name in names.items()})
    except ZooError as error:
        raise ZooError(f"attribute class_names: {error}") from None


def _no_column(dataset: h5py.h5d.DatasetID, rows: int, n_bytes: int) -> str:
    """Why a dataset of a file of ``n_bytes`` is no column of ``rows`` rows; empty if it is one."""
    dtype, shape = dataset.dtype, dataset.shape
    text = h5py.check_string_dtype(dtype)
    plain = dtype.str.lstrip("<>|=") in PLAIN or dtype.kind == "S" or bool(text and len(shape) < 2)
    if not plain or dtype.subdtype or (dtype.kind != "b" and h5py.check_enum_dtype(dtype)):
        return f"{_kind(dtype)}; a column holds numbers, true and false, or texts"
    if not shape or shape[0] != rows:
        return f"{OTHER_LENGTH}{shape}; a column here has {rows} rows"
    if h5py.h5a.exists(dataset, CAME_ALONG):
        return f"{OTHER_LENGTH}{shape}, of a zoo that had other rows"
    if not math.prod(shape) * dtype.itemsize:
        return f"shape {shape}; it holds nothing"
    if math.prod(shape) * item_bytes(dataset) > n_bytes:
        return f"says it holds {shape}, more than the {n_bytes} bytes of the file"
    return ""


def _kind(dtype: np.dtype[Any]) -> str:
    """What a type that no column has is called."""
    if h5py.check_ref_dtype(dtype):
        return "references"
    if h5py.check_enum_dtype(dtype):
        return "an enumeration"
    if dtype.kind == "O":
        return "data of any length"
    return {"V": "records", "c": "complex numbers"}.get(dtype.kind, str(dtype))


def _by_row(dataset: h5py.h5d.DatasetID, rows: int) -> bool:
    return dataset.shape[:1] == (rows,)


def _extra(name: str, dataset: h5py.h5d.DatasetID) -> Column:
    """A column that the schema does not know: something that was added later."""
    attributes = h5py.AttributeManager(h5py.Dataset(dataset))
    dtype = dataset.dtype.newbyteorder("<").str if dataset.dtype.kind != "O" else ANY_LENGTH
    told: dict[str, Any] = {key: about(attributes, key) for key in ABOUT}
    return Column(
        name,
        dtype,
        tuple(dataset.shape[1:]),
        origin="added" if told["made_with"] else "foreign",
        missing=_missing(attributes, np.dtype(dtype)),
        **told,
    )


def _missing(attributes: h5py.AttributeManager, dtype: np.dtype[Any]) -> Any:
    """What a column of integers or booleans says to stand for a missing value; or None."""
    if "missing" not in attributes or dtype.kind not in "iub":
        return None
    stored = attributes.get_id("missing")
    if stored.shape or stored.dtype.kind not in "iub":
        return None
    value = int(attributes["missing"])
    limits = np.iinfo(dtype) if dtype.kind != "b" else None
    fits = value in (0, 1) if limits is None else limits.min <= value <= limits.max
    return dtype.type(value) if fits else None


def _rows_and_sizes(datasets: Mapping[str, h5py.h5d.DatasetID]) -> tuple[int, dict[str, int]]:
    """N, and the sizes that the columns' shapes refer to."""
    rows, target, loss = (datasets[name].shape for name in ("id", "target", "loss"))
    if len(rows) != 1 or len(target) != 4 or len(loss) != 2 or 0 in (*rows, *target, *loss):
        expected = "expected shapes (N,), (N, H, W, 4) and (N, L), none of them empty"
        raise ZooError(f"id, target, loss: {expected}, found {rows}, {target} and {loss}")
    height, width = target[1:3]
    return int(rows[0]), {"H": int(height), "W": int(width), "L": int(loss[1])}


def _misfit(
    dataset: h5py.h5d.DatasetID, column: Column, rows: int, sizes: Sizes, n_bytes: int
) -> str | None:
    """What is wrong with a dataset's type or shape, in a file of ``n_bytes``."""
    shape = (rows, *column.row_shape(sizes))
    dtype = np.dtype(column.dtype)
    if dataset.dtype != dtype or dataset.shape != shape:
        found = f"{dataset.dtype} {dataset.shape}"
        return f"{column.name}: expected {dtype} {shape}, found {found}"
    if rows * column.row_bytes(sizes) > n_bytes:
        return f"{column.name}: says it holds {shape}, more than the {n_bytes} bytes of the file"
    return None
