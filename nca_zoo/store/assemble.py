"""Making whole zoo files, from rows in memory and from other zoo files.

What other programs have put into those files goes along: columns as rows like all others, the rest
as it lies there, unread: HDF5 copies it, and follows nothing.

A file appears at its path complete and synced to the disk, or not at all. HDF5 crashes the process
when it meets a full disk, so it never does: small files and all metadata are made in memory, and
the room for large ones is taken before HDF5 is let loose on them.
"""

import errno
import io
import os
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import DiskError, ZooError, ZooWarning
from nca_zoo.ground.files import published
from nca_zoo.ground.locks import FileLock
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.store.beside import find_columns
from nca_zoo.store.columns import ANY_LENGTH, Column
from nca_zoo.store.hdf5 import CHUNK_BYTES, DAMAGE, reason
from nca_zoo.store.layout import (
    ABOUT,
    CAME_ALONG,
    OTHER_LENGTH,
    START_DIGEST,
    Kept,
    Layout,
    start_digest,
)
from nca_zoo.store.parts import (
    BLOCK_BYTES,
    TEXTS_AT_ONCE,
    Held,
    Part,
    Rows,
    as_called,
    classes_of,
    find_shards,
    gather,
    held,
    leftovers,
    locate,
    names_of,
    shared_columns,
)
from nca_zoo.store.schema import ATTRIBUTES, MAX_ATTRIBUTE_BYTES

HEAP_BYTES = 1 << 16
# Attributes that are ours.
OWN = {"missing", START_DIGEST, *ABOUT, *(attribute.name for attribute in ATTRIBUTES)}
SPARE_BYTES = 1 << 20  # more than HDF5 needs for metadata
# What HDF5 1.8 reads, with its checksums on all metadata but the lists of chunks, which hdf5.py and
# verify.py check. What others put into a zoo may be newer: it comes along as it is.
LIBVER = ("v108", "latest")


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn what the disk says, while something is written for ``path``, into one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None)
        words = os.strerror(number) if number else reason(error)
        raise DiskError(f"{path}: cannot be written: {words}") from None


@contextmanager
def claimed(path: Path, replace: bool, instead: str) -> Iterator[None]:
    """Nobody else writes a zoo to ``path`` while the block puts a whole new one there.

    Raises ZooError while somebody does; if a zoo is there, ending in what to do ``instead``, unless
    it is to be replaced; and if parts of one lie beside it, which would become the new one's.
    """
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(
            path.with_name(path.name + ".lock"), f"{path} is being written already. The writer is"
        )
    try:
        shards = find_shards(path)
        if not replace and (path.exists() or shards):
            raise ZooError(f"{path} exists already; {instead}")
        if shards or find_columns(path):
            raise ZooError(f"{path} is a zoo whose parts lie beside it; name another file")
        with disk(path):
            for unfinished in leftovers(path):
                unfinished.unlink()
        yield
    finally:
        lock.release()


def write_rows(path: Path, layout: Layout, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """A zoo file at ``path`` with these columns, each ``(N, ...)``; for as much as fits memory."""
    with disk(path):
        _publish(path, _image(layout, values))


def merge(
    parts: Sequence[Part], path: Path, progress: Progress = silent, without: Container[str] = ()
) -> int:
    """One zoo file at ``path`` with every row of all parts once; returns the number of rows.

    Left out are the NCAs ``without``.

    Columns that lie beside the parts come into the file; rows that lack one of them hold its
    ``fill``. What other programs put into the parts and is no column comes along as it is
    (``_carry``). Streams: holds a few blocks of 8 MB in memory. Raises ZooError if the parts do not
    fit each other, or if the disk refuses; ``path`` is then as it was.
    """
    rows = locate(parts)
    if without:
        rows = rows[[nca_id not in without for nca_id in names_of(parts, rows).tolist()]]
    sizes = parts[0].layout.sizes
    columns = tuple(shared_columns(parts).values())
    header = replace(parts[0].layout.header, class_names=classes_of(parts))
    layout = Layout(len(rows), sizes, columns, header)
    total = len(rows) * sum(column.row_bytes(sizes) for column in layout.columns)
    with ExitStack() as stack:
        files = {i: held(part, stack, layout.by_name) for i, part in enumerate(parts)}
        room = _data_bytes(layout) + SPARE_BYTES + _room_for_kept(parts)
        room += sum(_texts_take(files, c, rows) for c in columns if c.dtype == ANY_LENGTH)

        def fill(unfinished: Path) -> None:
            done = 0
            with h5py.File(unfinished, "r+", libver=LIBVER, locking=False) as new:
                for column in layout.columns:
                    dataset = new[column.name]
                    chunk = dataset.chunks[0]
                    step = chunk * max(1, BLOCK_BYTES // (chunk * max(1, column.row_bytes(sizes))))
                    for start in range(0, len(rows), step):
                        block = rows[start : start + step]
                        if column.name in ("id", "label"):
                            values = as_called(parts, column.name, block)
                        else:
                            values = gather(files, column, sizes, block)
                        _put(dataset, start, values)
                        done += len(block) * column.row_bytes(sizes)
                        progress(done, total)
                _carry(parts, files, rows, new)

        with disk(path):
            _publish(path, _image(layout), fill, room)
    return len(rows)


def _texts_take(files: Mapping[int, Held], column: Column, rows: Rows) -> int:
    """Bytes on disk of texts of any length, about: HDF5 keeps them in heaps of 4096 bytes."""
    taken = 2 * HEAP_BYTES
    for start in range(0, len(rows), TEXTS_AT_ONCE):
        texts = gather(files, column, {}, rows[start : start + TEXTS_AT_ONCE])
        taken += sum(len(text) + 64 for text in texts)
    return taken + taken // 4


def _room_for_kept(parts: Sequence[Part]) -> int:
    """Bytes that ``_carry`` may need: no more than the files hold beside their columns."""
    return sum(_beside_columns(part) for part in parts if part.layout.kept)


def _beside_columns(part: Part) -> int:
    layout = part.layout
    rows = sum(column.row_bytes(layout.sizes) for column in layout.columns)
    return max(0, part.n_bytes - layout.rows * rows)


def _carry(parts: Sequence[Part], files: Mapping[int, Held], rows: Rows, new: h5py.File) -> None:
    """Put into ``new``, a file with all columns of ``rows``, whatever else the parts hold.

    Of one name, the first. Warns, in a line each (``ZooWarning``), of what cannot come along, and
    of what has a row for each NCA and is not moved with them. Raises ZooError for what HDF5 cannot
    copy: then nothing is lost yet.
    """
    for number, part in enumerate(parts):
        file = files[number].file
        _copy_attributes(file, new)
        for name in part.layout.by_name.keys() - part.added.keys():
            _copy_attributes(file[name], new[name])
        moved = not np.array_equal(rows.row[rows.part == number], np.arange(part.layout.rows))
        before = new.id.get_filesize() if part.layout.kept else 0
        for kept in part.layout.kept:
            if kept.name in new or not _copy(kept, file, new, part):
                _warn(
                    f"{part.path}: {kept.name} is not taken along ({kept.why}): there is another "
                    f"of that name; it stays in {part.path}"
                )
            elif kept.by_row and (moved or len(rows) > part.layout.rows):
                _warn(
                    f"{part.path}: {kept.name} comes along as it is ({kept.why}), so its rows are "
                    "no longer those of the zoo; write it as plain data to have them moved"
                )
            if new.id.get_filesize() - before > 2 * part.n_bytes:
                raise ZooError(
                    f"{part.path}: {kept.name}: copied, it takes more than the whole file; delete "
                    "it from the file, or move it to another"
                )


def _copy(kept: Kept, file: h5py.File, new: h5py.File, part: Part) -> bool:
    """Copy one thing as it is; false if there is one of that name."""
    if kept.link in list(new.id):
        return False
    try:
        kind = file.id.links.get_info(kept.link).type
        if kind == h5py.h5l.TYPE_HARD:
            h5py.h5o.copy(file.id, kept.link, new.id, kept.link)
            if kept.why.startswith(OTHER_LENGTH):  # the zoo may come to have that many rows
                _store(h5py.h5o.open(new.id, kept.link), CAME_ALONG.decode(), part.layout.rows)
        elif kind == h5py.h5l.TYPE_SOFT:
            new.id.links.create_soft(kept.link, file.id.links.get_val(kept.link))
        else:
            new.id.links.create_external(kept.link, *file.id.links.get_val(kept.link))
    except DAMAGE as error:
        raise ZooError(
            f"{part.path}: {kept.name} ({kept.why}) cannot be copied ({reason(error)}), and would "
            "be lost in the new file; delete it from the file, or move it to another"
        ) from None
    return True


def _copy_attributes(old: h5py.File | h5py.Dataset, new: h5py.File | h5py.Dataset) -> None:
    """Attributes that are not ours, numbers and texts, where there are none of these names."""
    try:
        for name in old.attrs:
            if name in OWN or name in new.attrs:
                continue
            stored = old.attrs.get_id(name)
            text = h5py.check_string_dtype(stored.dtype)
            plain = stored.dtype.kind in "biufS" or text is not None
            if plain and 0 < stored.get_storage_size() <= MAX_ATTRIBUTE_BYTES:
                new.attrs.create(name, old.attrs[name], dtype=stored.dtype)
    except DAMAGE as error:
        _warn(f"{old.file.filename}: an attribute is not taken along ({reason(error)})")


def _warn(text: str) -> None:
    warnings.warn(text, ZooWarning, stacklevel=3)


def _publish(
    path: Path, image: bytes, fill: Callable[[Path], None] | None = None, room: int = 0
) -> None:
    """Put ``image``, finished by ``fill``, at ``path``: whole and synced, or not at all."""
    with published(path, durable=True) as part:
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
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    memory = io.BytesIO()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, memory)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_LATEST)
    handle = h5py.h5f.create(b"zoo", h5py.h5f.ACC_TRUNC, fapl=access)
    with h5py.File(handle) as file:
        for name, value in layout.header.stored().items():
            _store(file.id, name, value)
        _store(file.id, START_DIGEST, start_digest(layout.header.init_weights))
        for column in layout.columns:
            dataset = _create(file, column, layout)
            if values is not None:
                _put(dataset, 0, values[column.name])
    return memory.getvalue()


def _create(file: h5py.File, column: Column, layout: Layout) -> h5py.Dataset:
    shape = column.row_shape(layout.sizes)
    dtype = np.dtype(column.dtype)
    length = None if column.dtype == ANY_LENGTH else dtype.itemsize
    dataset = file.create_dataset(
        column.name,
        (layout.rows, *shape),
        h5py.string_dtype("utf-8", length) if column.is_text else dtype,
        chunks=(_chunk_rows(column, layout), *shape),
        fletcher32=column.dtype != ANY_LENGTH,
    )
    _store(dataset.id, "description", column.description)
    _store(dataset.id, "units", column.units)
    if column.origin != "schema":
        for name in ("made_by", "made_with", "made"):
            if text := getattr(column, name):
                _store(dataset.id, name, text)
        if not column.is_text:
            _store(dataset.id, "missing", np.array(column.fill, dtype))
    return dataset


def _put(dataset: h5py.Dataset, start: int, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind == "S" and dataset.dtype.kind == "S":
        values = values.view(dataset.dtype)  # says that the bytes are UTF-8
    dataset[start : start + len(values)] = values


def _store(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of an object by its low-level id; where there is one, it stays.

    h5py's own way of doing so takes longer than all the rest of a shard.
    """
    if isinstance(value, str):
        text = value.encode()
        if len(text) > MAX_ATTRIBUTE_BYTES:
            raise ZooError(f"attribute {name}: {len(text)} bytes; {MAX_ATTRIBUTE_BYTES} fit")
        value = np.array(text, h5py.string_dtype("utf-8", max(1, len(text))))
    value = np.asarray(value)
    kind = h5py.h5t.py_create(value.dtype, logical=True)
    if h5py.h5a.exists(owner, name.encode()):
        return
    attribute = h5py.h5a.create(owner, name.encode(), kind, h5py.h5s.create_simple(value.shape))
    attribute.write(value)
