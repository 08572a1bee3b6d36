"""Making whole zoo files, from rows in memory and from other zoo files.

A file appears at its path complete and synced to the disk, or not at all. HDF5 crashes the process
when it meets a full disk, so it never does: small files and all metadata are made in memory, and
the room for large ones is taken before HDF5 is let loose on them.
"""

import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import published
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.store.layout import CHUNK_BYTES, Layout, opened, reason
from nca_zoo.store.parts import BLOCK_BYTES, Part, gather, locate
from nca_zoo.store.schema import MAX_ATTRIBUTE_BYTES, Column

SAFE = "; every NCA finished so far is safe, and the same command goes on from there"
SPARE_BYTES = 1 << 20  # more than HDF5 needs for metadata
LIBVER = ("v110", "v110")  # for HDF5 1.10 and later; the oldest with checksums on all metadata


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn what the disk says, while something is written for ``path``, into one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None)
        words = os.strerror(number) if number else reason(error)
        raise ZooError(f"{path}: cannot be written: {words}{SAFE}") from None


def write_rows(path: Path, layout: Layout, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """A zoo file at ``path`` with these columns, each ``(N, ...)``; for as much as fits memory."""
    with disk(path):
        _publish(path, _image(layout, values))


def merge(
    parts: Sequence[Part],
    path: Path,
    progress: Progress = silent,
    measured: Mapping[Column, npt.NDArray[Any]] | None = None,
) -> int:
    """One zoo file at ``path`` with every row of all parts once; returns the number of rows.

    measured: further columns, ``(N,)`` in the order of ``locate(parts)``; they replace those of
    the same name. Streams: holds a few blocks of 8 MB in memory. Raises ZooError if the parts do
    not fit each other, or if the disk refuses; ``path`` is then as it was.
    """
    rows = locate(parts)
    new_values = {column.name: values for column, values in (measured or {}).items()}
    columns = {column.name: column for part in parts for column in part.layout.columns}
    columns |= {column.name: column for column in measured or {}}
    sizes = parts[0].layout.sizes
    layout = Layout(len(rows), sizes, tuple(columns.values()), parts[0].layout.header)

    total = len(rows) * sum(column.row_bytes(sizes) for column in layout.columns)

    def fill(unfinished: Path) -> None:
        done = 0
        with ExitStack() as stack:
            files = {i: stack.enter_context(opened(part.path)) for i, part in enumerate(parts)}
            new = stack.enter_context(h5py.File(unfinished, "r+", libver=LIBVER, locking=False))
            for column in layout.columns:
                dataset = new[column.name]
                chunk = dataset.chunks[0]
                step = chunk * max(1, BLOCK_BYTES // (chunk * max(1, column.row_bytes(sizes))))
                for start in range(0, len(rows), step):
                    block = rows[start : start + step]
                    values = new_values.get(column.name)
                    if values is None:
                        values = gather(files, column, sizes, block)
                    else:
                        values = values[start : start + step]
                    _put(dataset, start, values)
                    done += len(block) * column.row_bytes(sizes)
                    progress(done, total)

    with disk(path):
        _publish(path, _image(layout), fill, room=_data_bytes(layout) + SPARE_BYTES)
    return len(rows)


def _publish(
    path: Path, image: bytes, fill: Callable[[Path], None] | None = None, room: int = 0
) -> None:
    """Put ``image``, finished by ``fill``, at ``path``: whole and synced, or not at all."""
    with published(path, SAFE, durable=True) as part:
        with part.open("wb") as file:
            file.write(image)
            file.flush()
            if room:
                _reserve(file, room)
        if fill:
            fill(part)


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Take disk space for a file, or raise OSError; HDF5 gives back what it does not use."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    zeros = bytes(BLOCK_BYTES)
    for done in range(file.tell(), n_bytes, BLOCK_BYTES):
        file.write(zeros[: n_bytes - done])
    file.flush()


def _data_bytes(layout: Layout) -> int:
    """What all columns take on disk: whole chunks and their checksums."""
    total = 0
    for column in layout.columns:
        chunk = _chunk_rows(column, layout)
        chunks = -(-layout.rows // chunk)
        total += chunks * (chunk * column.row_bytes(layout.sizes) + 64)
    return total


def _chunk_rows(column: Column, layout: Layout) -> int:
    fitting = CHUNK_BYTES // max(1, column.row_bytes(layout.sizes))
    return min(max(1, fitting), layout.rows)


def _image(layout: Layout, values: Mapping[str, npt.NDArray[Any]] | None = None) -> bytes:
    """A zoo file as bytes, with ``values`` or still without data."""
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_attr_phase_change(64, 0)  # all attributes in the header, under its checksum
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    memory = io.BytesIO()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, memory)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    handle = h5py.h5f.create(b"zoo", h5py.h5f.ACC_TRUNC, fapl=access, fcpl=creation)
    with h5py.File(handle) as file:
        for name, value in layout.header.stored().items():
            _store(file, name, value)
        for column in layout.columns:
            dataset = _create(file, column, layout)
            if values is not None:
                _put(dataset, 0, values[column.name])
    return memory.getvalue()


def _create(file: h5py.File, column: Column, layout: Layout) -> h5py.Dataset:
    shape = column.row_shape(layout.sizes)
    dtype = np.dtype(column.dtype)
    dataset = file.create_dataset(
        column.name,
        (layout.rows, *shape),
        h5py.string_dtype("utf-8", dtype.itemsize) if column.is_text else dtype,
        chunks=(_chunk_rows(column, layout), *shape),
        fletcher32=True,
    )
    _store(dataset, "description", column.description)
    _store(dataset, "units", column.units)
    return dataset


def _put(dataset: h5py.Dataset, start: int, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind == "S":
        values = values.view(dataset.dtype)  # says that the bytes are UTF-8
    dataset[start : start + len(values)] = values


def _store(owner: h5py.Group | h5py.Dataset, name: str, value: Any) -> None:
    """Set an attribute; h5py's own way of doing so takes longer than all the rest of a shard."""
    if isinstance(value, str):
        text = value.encode()
        if len(text) > MAX_ATTRIBUTE_BYTES:
            raise ZooError(f"attribute {name}: {len(text)} bytes; {MAX_ATTRIBUTE_BYTES} fit")
        value = np.array(text, h5py.string_dtype("utf-8", max(1, len(text))))
    value = np.asarray(value)
    kind = h5py.h5t.py_create(value.dtype, logical=True)
    attribute = h5py.h5a.create(owner.id, name.encode(), kind, h5py.h5s.create_simple(value.shape))
    attribute.write(value)
