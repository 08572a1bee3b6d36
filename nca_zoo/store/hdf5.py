"""HDF5 as it is handled here: a file is opened only to be read, and nothing in it is followed."""

import itertools
import math
import os
import re
import stat
import struct
import sys
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
SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCK = struct.Struct("<8sBBBB32sI")  # versions 2 and 3: signature, version, ..., checksum
MARK_AT = 11  # of it: whether somebody has the file open to write
CUT = re.compile(r"truncated file: eof = (\d+),.* stored_eof = (\d+)")  # of HDF5's own words
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
        if "already open for write" in str(error) or _is_written_elsewhere(path):
            raise ZooError(f"{path}: {_held(path)}; nothing in it is lost") from None
        if "signature not found" in str(error):
            raise ZooError(f"{path}: not an HDF5 file; expected a zoo") from None
        if cut := CUT.search(str(error)):
            there, whole = (f"{int(size):,}" for size in cut.groups())
            raise ZooError(
                f"{path}: damaged or truncated: {there} of its {whole} bytes are there; copy or "
                "download it again"
            ) from None
        raise ZooError(f"{path}: damaged or truncated ({reason(error)})") from None


def _held(path: Path) -> str:
    """What keeps a file from being read that some program has opened to write, and what to do."""
    if _is_written_elsewhere(path):
        return "another program has it open for writing: close it there"
    return (
        "a program that had it open for writing has died, or has it open still: close it there, or "
        f"clear its mark with `nca-zoo verify --repair --zoo {path}`"
    )


def _is_written_elsewhere(path: Path) -> bool:
    """Whether another program holds the lock that HDF5 takes to write; false where none is told."""
    if sys.platform == "win32":
        return False
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
    return False


def clear_mark(path: Path) -> bool:
    """Take back the mark that HDF5 sets while it writes to a file; whether there was one.

    As ``h5clear --status`` does. Raises ZooError if another program is writing to it now, or if the
    file cannot be written.
    """
    try:
        with path.open("rb") as file:
            block = bytearray(file.read(SUPERBLOCK.size))
        if len(block) < SUPERBLOCK.size:
            return False
        signature, version, *_, mark, _, checksum = SUPERBLOCK.unpack(block)
        marked = (
            signature == SIGNATURE
            and version in (2, 3)
            and mark
            and checksum == lookup3(block[:-CHECKSUM_BYTES])
        )
        if not marked:
            return False
        if _is_written_elsewhere(path):
            raise ZooError(f"{path}: {_held(path)}")
        block[MARK_AT] = 0
        block[-CHECKSUM_BYTES:] = lookup3(block[:-CHECKSUM_BYTES]).to_bytes(
            CHECKSUM_BYTES, "little"
        )
        with path.open("r+b") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ZooError(f"{path}: its mark cannot be cleared: {error.strerror}") from None
    return True


def lookup3(data: bytes | bytearray) -> int:
    """Bob Jenkins' hash of bytes (lookup3.c, ``hashlittle``): HDF5's checksum on metadata."""
    mask = 0xFFFFFFFF
    v = [(0xDEADBEEF + len(data)) & mask] * 3

    def turn(i: int, by: int) -> int:
        return (v[i] << by | v[i] >> (32 - by)) & mask

    blocks = [data[i : i + 12].ljust(12, b"\0") for i in range(0, len(data), 12)]
    for number, block in enumerate(blocks):
        v = [(x + y) & mask for x, y in zip(v, struct.unpack("<3I", block), strict=True)]
        if number < len(blocks) - 1:
            for i, by in enumerate((4, 6, 8, 16, 19, 4)):
                x, y, z = i % 3, (i + 1) % 3, (i + 2) % 3
                v[x] = ((v[x] - v[z]) & mask) ^ turn(z, by)
                v[z] = (v[z] + v[y]) & mask
    for i, by in enumerate((14, 11, 25, 16, 4, 14, 24) if blocks else ()):
        x, z = (i + 2) % 3, (i + 1) % 3
        v[x] = ((v[x] ^ v[z]) - turn(z, by)) & mask
    return v[2]


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
        if problem := _chunk_problem(dataset, n_bytes, bool(filters)):
            return None, f"damaged ({problem})"
    return dataset, ""


def item_bytes(dataset: h5py.h5d.DatasetID) -> int:
    """Bytes of one value on the disk; a text of any length is an address elsewhere in the file."""
    return ADDRESS_BYTES if dataset.dtype.kind == "O" else dataset.dtype.itemsize


def chunk_places(dataset: h5py.h5d.DatasetID) -> Iterator[tuple[int, ...]]:
    """Where each chunk of a dataset begins, as HDF5 names it."""
    steps = dataset.get_create_plist().get_chunk()
    return itertools.product(*map(range, itertools.repeat(0), dataset.shape, steps))


def _chunk_problem(dataset: h5py.h5d.DatasetID, n_bytes: int, checked: bool) -> str:
    """What is wrong with a dataset's list of chunks, which has no checksum; empty if nothing is.

    checked: whether chunks have checksums, as ours have; all must then be there, one at each place.
    """
    found: list[h5py.h5d.StoreInfo] = []
    dataset.chunk_iter(found.append)
    if any(chunk.size != n_bytes for chunk in found):  # with no room for a checksum HDF5 crashes
        return f"a chunk is not stored in {n_bytes} bytes"
    if not checked:
        return ""
    if any(chunk.filter_mask for chunk in found):
        return "a chunk is stored without its checksum"
    if {chunk.chunk_offset for chunk in found} != set(chunk_places(dataset)):
        return "a chunk is not where it belongs"
    if len({chunk.byte_offset for chunk in found}) < len(found):
        return "a chunk is listed twice"
    return ""


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
