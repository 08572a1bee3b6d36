"""What an HDF5 file turns out to hold, and whether that is a zoo that can be trusted.

A zoo is raw, fixed-length data in the file itself. Whatever differs is refused before it is read:
filters, variable-length data, and all that leads out of the file. So nothing that a file says can
make a reader follow it elsewhere, or take memory for a column that is larger than the file.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nca_zoo.automaton.rule import PARAM_SPEC
from nca_zoo.errors import ZooError, one_line
from nca_zoo.store.schema import (
    ATTRIBUTES,
    BY_NAME,
    COLUMNS,
    MAX_ATTRIBUTE_BYTES,
    NAME,
    SCHEMA,
    Column,
    Header,
    Sizes,
)

CHUNK_BYTES = 1 << 19
CHECKSUM_BYTES = 4  # behind each chunk
# What h5py raises on a damaged or hostile file
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Layout:
    """What a zoo file holds, apart from the values in its columns."""

    rows: int  # N
    sizes: Sizes
    columns: tuple[Column, ...]  # those of the schema, then any that were measured later
    header: Header


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """A file open for reading; raises ZooError if there is none or it is not HDF5."""
    with _open(path) as file:
        yield file


def _open(path: Path) -> h5py.File:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "something that is no file"
            raise ZooError(f"{path}: expected a zoo file, found {kind}")
        if found.st_size == 0:
            raise ZooError(f"{path}: the file is empty; expected a zoo")
        with path.open("rb"):  # so that a missing permission is told from damage
            return h5py.File(path, "r", locking=False, rdcc_nbytes=2 * CHUNK_BYTES)
    except FileNotFoundError:
        raise ZooError(
            f"{path}: no such file; make a zoo with `nca-zoo build`, or name one with --zoo"
        ) from None
    except PermissionError:
        raise ZooError(f"{path}: no permission to read it") from None
    except DAMAGE as error:
        if "signature not found" in str(error):
            raise ZooError(f"{path}: not an HDF5 file; expected a zoo") from None
        raise ZooError(f"{path}: damaged or truncated ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """HDF5's own words on what is wrong, as one short printable line."""
    text = str(error)
    if any(word in text for word in ("Fletcher32", "checksum", "filter returned failure")):
        return "a checksum does not match"
    return one_line(error)


def stamp(file: h5py.File) -> tuple[int, int]:
    """What tells an open file from another at the same path: its bytes, and when it was written."""
    found = os.fstat(file.id.get_vfd_handle())
    return found.st_size, found.st_mtime_ns


def read_layout(file: h5py.File) -> Layout:
    """What the file holds; raises ZooError if that is no zoo of this schema."""
    layout, problems = inspect(file)
    if layout is None:
        raise ZooError(f"{file.filename}: {problems[0]}")
    return layout


def inspect(file: h5py.File) -> tuple[Layout | None, list[str]]:
    """The layout of an HDF5 file, or all that keeps it from being a zoo; reads no column."""
    try:
        header = _check_attributes(file)
        names = list(file)
        problems = [
            f"{column.name}: missing"
            for column in COLUMNS
            if column.name not in names and not column.optional
        ]
        datasets: dict[str, h5py.h5d.DatasetID] = {}
        for name in names:
            dataset, problem = _dataset(file, name)
            if dataset is None:
                problems.append(problem)
            else:
                datasets[name] = dataset
        if problems:
            return None, problems
        rows, sizes = _rows_and_sizes(datasets)
        extras = [_extra(name, datasets[name]) for name in names if name not in BY_NAME]
        known = (column for column in COLUMNS if column.name in names)
        layout = Layout(rows, sizes, (*known, *extras), header)
        n_bytes, _ = stamp(file)
        for column in layout.columns:
            if misfit := _misfit(datasets[column.name], column, layout, n_bytes):
                problems.append(misfit)
        return (None if problems else layout), problems
    except ZooError as error:
        return None, [str(error)]
    except DAMAGE as error:
        return None, [f"damaged ({reason(error)})"]


def _check_attributes(file: h5py.File) -> Header:
    if not h5py.h5a.exists(file.id, b"schema"):
        raise ZooError("HDF5, but no zoo: it has no attribute schema")
    schema = _attribute(file, "schema", "number")
    if schema > SCHEMA:
        raise ZooError(
            f"written by a newer nca-zoo: schema {schema}, this one reads {SCHEMA}; upgrade nca-zoo"
        )
    if schema != SCHEMA:
        raise ZooError(f"attribute schema is {schema}; expected {SCHEMA}")
    if _json(file, "param_spec") != [[name, list(shape)] for name, shape in PARAM_SPEC]:
        expected = " ".join(f"{name}{list(shape)}" for name, shape in PARAM_SPEC)
        raise ZooError(f"attribute param_spec: expected {expected}, found another rule's")
    return _header(file)


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


def _header(file: h5py.File) -> Header:
    return Header(
        **{
            attribute.name: _json(file, attribute.name)
            if attribute.kind == "json"
            else _attribute(file, attribute.name, attribute.kind)
            for attribute in ATTRIBUTES
            if attribute.name not in ("schema", "param_spec")
        }
    )


def _dataset(file: h5py.File, name: str) -> tuple[h5py.h5d.DatasetID | None, str]:
    """A dataset that can be read as a column, or why it must not be.

    Asks for nothing that makes HDF5 open another file: it does so for as little as the shape of a
    virtual dataset. In h5py's low-level calls, which take a tenth of the time.
    """
    shown = name if NAME.fullmatch(name) else ascii(name)
    link = name.encode("utf-8", "surrogateescape")
    if file.id.links.get_info(link).type != h5py.h5l.TYPE_HARD:
        return None, f"{shown}: a link, which is not followed; expected a dataset in the file"
    if h5py.h5o.get_info(file.id, link).type != h5py.h5o.TYPE_DATASET:
        return None, f"{shown}: not a dataset"
    dataset = h5py.h5d.open(file.id, link)
    stored = dataset.get_create_plist()
    if stored.get_layout() == h5py.h5d.VIRTUAL or stored.get_external_count():
        return None, f"{shown}: its data lie in other files, which are not read"
    filters = {stored.get_filter(i)[0] for i in range(stored.get_nfilters())}
    if filters - {h5py.h5z.FILTER_FLETCHER32}:
        return None, f"{shown}: compressed or filtered; expected raw data, with checksums at most"
    if stored.get_layout() == h5py.h5d.CHUNKED:
        chunk, shape = stored.get_chunk(), dataset.shape
        if any(part > whole for part, whole in zip(chunk, shape, strict=True)):
            return None, f"{shown}: chunks of {chunk} in data of {shape}"
        n_bytes = math.prod(chunk) * dataset.dtype.itemsize + CHECKSUM_BYTES * len(filters)
        if not _chunks_take(dataset, n_bytes):
            return None, f"{shown}: damaged (a chunk is not stored in {n_bytes} bytes)"
    if name not in BY_NAME and (shown != name or dataset.dtype.str not in ("<f4", "<f8")):
        return None, f"{shown}: not in schema {SCHEMA}; further columns must be float32 or float64"
    return dataset, ""


def _chunks_take(dataset: h5py.h5d.DatasetID, n_bytes: int) -> bool:
    """Whether each chunk is stored in so many bytes: with no room for a checksum HDF5 crashes."""
    return not dataset.chunk_iter(lambda stored: True if stored.size != n_bytes else None)


def _extra(name: str, dataset: h5py.h5d.DatasetID) -> Column:
    """A column that the schema does not know: something measured later."""
    attributes = h5py.AttributeManager(h5py.Dataset(dataset))
    units, description = (_about(attributes, key) for key in ("units", "description"))
    return Column(name, dataset.dtype.str, tuple(dataset.shape[1:]), units, description)


def _about(attributes: h5py.AttributeManager, key: str) -> str:
    """A dataset's attribute ``units`` or ``description``; empty if it is no plain text."""
    if key not in attributes or attributes.get_id(key).dtype.kind != "S":
        return ""
    value = attributes[key]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
    return text if text.isprintable() else ""


def _rows_and_sizes(datasets: Mapping[str, h5py.h5d.DatasetID]) -> tuple[int, dict[str, int]]:
    """N, and the sizes that the columns' shapes refer to."""
    rows, target, loss = (datasets[name].shape for name in ("id", "target", "loss"))
    if len(rows) != 1 or len(target) != 4 or len(loss) != 2 or 0 in (*rows, *target, *loss):
        expected = "expected shapes (N,), (N, H, W, 4) and (N, L), none of them empty"
        raise ZooError(f"id, target, loss: {expected}, found {rows}, {target} and {loss}")
    height, width = target[1:3]
    return int(rows[0]), {"H": int(height), "W": int(width), "L": int(loss[1])}


def _misfit(
    dataset: h5py.h5d.DatasetID, column: Column, layout: Layout, n_bytes: int
) -> str | None:
    """What is wrong with a dataset's type or shape, in a file of ``n_bytes``."""
    shape = (layout.rows, *column.row_shape(layout.sizes))
    dtype = np.dtype(column.dtype)
    if dataset.dtype != dtype or dataset.shape != shape:
        found = f"{dataset.dtype} {dataset.shape}"
        return f"{column.name}: expected {dtype} {shape}, found {found}"
    if layout.rows * column.row_bytes(layout.sizes) > n_bytes:
        return f"{column.name}: says it holds {shape}, more than the {n_bytes} bytes of the file"
    return None
