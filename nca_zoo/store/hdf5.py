"""HDF5 as it is handled here: a file is opened only to be read, and nothing in it is followed."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from nca_zoo.errors import ZooError, one_line
from nca_zoo.store.schema import MAX_ATTRIBUTE_BYTES

Stamp = tuple[int, int, int]  # of a file: bytes, time of writing, number of its own

CHUNK_BYTES = 1 << 19
CHECKSUM_BYTES = 4  # behind each chunk
ADDRESS_BYTES = 16  # of a text of any length
# What h5py raises on a damaged or hostile file
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)


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


def stamp(file: h5py.File) -> Stamp:
    """What tells an open file from another that was, or will be, at the same path."""
    found = os.fstat(file.id.get_vfd_handle())
    return found.st_size, found.st_mtime_ns, found.st_ino


def raw_dataset(file: h5py.File, name: str) -> tuple[h5py.h5d.DatasetID | None, str]:
    """A dataset that can be read as a column, or why it must not be.

    Asks for nothing that makes HDF5 open another file: it does so for as little as the shape of a
    virtual dataset. In h5py's low-level calls, which take a tenth of the time.
    """
    link = name.encode("utf-8", "surrogateescape")
    if file.id.links.get_info(link).type != h5py.h5l.TYPE_HARD:
        return None, "a link, which is not followed; expected a dataset in the file"
    if h5py.h5o.get_info(file.id, link).type != h5py.h5o.TYPE_DATASET:
        return None, "not a dataset"
    dataset = h5py.h5d.open(file.id, link)
    stored = dataset.get_create_plist()
    if stored.get_layout() == h5py.h5d.VIRTUAL or stored.get_external_count():
        return None, "its data lie in other files, which are not read"
    filters = {stored.get_filter(i)[0] for i in range(stored.get_nfilters())}
    if filters - {h5py.h5z.FILTER_FLETCHER32}:
        return None, "compressed or filtered; expected raw data, with checksums at most"
    if stored.get_layout() == h5py.h5d.CHUNKED:
        chunk, shape = stored.get_chunk(), dataset.shape
        if any(part > whole for part, whole in zip(chunk, shape, strict=True)):
            return None, f"chunks of {chunk} in data of {shape}"
        n_bytes = math.prod(chunk) * item_bytes(dataset) + CHECKSUM_BYTES * len(filters)
        if not _chunks_take(dataset, n_bytes):
            return None, f"damaged (a chunk is not stored in {n_bytes} bytes)"
    return dataset, ""


def item_bytes(dataset: h5py.h5d.DatasetID) -> int:
    """Bytes of one value on the disk; a text of any length is an address elsewhere in the file."""
    return ADDRESS_BYTES if dataset.dtype.kind == "O" else dataset.dtype.itemsize


def _chunks_take(dataset: h5py.h5d.DatasetID, n_bytes: int) -> bool:
    """Whether each chunk is stored in so many bytes: with no room for a checksum HDF5 crashes."""
    return not dataset.chunk_iter(lambda stored: True if stored.size != n_bytes else None)


def about(attributes: h5py.AttributeManager, key: str) -> str:
    """A dataset's attribute of that name; empty if it is no plain text."""
    if key not in attributes:
        return ""
    stored = attributes.get_id(key)
    if stored.shape or not h5py.check_string_dtype(stored.dtype):
        return ""
    value = attributes[key]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if text.isprintable() and len(text) <= MAX_ATTRIBUTE_BYTES else ""
