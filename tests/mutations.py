"""Ways to break a zoo file, each a function of a random generator; used by ``broken_zoos.py``.

Three whole zoos are broken: one as a build writes it, with checksums on all metadata; the same as
plain h5py rewrites it, in the oldest format and without any checksum, so that nonsense reaches
HDF5's own parser; and that with chunks.
"""

import io
import json
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from rows import GRID, datasets, header, still

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.store.schema import ATTRIBUTES, COLUMNS
from nca_zoo.store.zoowriter import ZooWriter

ROWS = 4
Generator = np.random.Generator
Bases = dict[str, "Base"]


@dataclass(frozen=True)
class Base:
    """A whole zoo, and the places in it that hold metadata: neither data nor empty."""

    data: bytes
    metadata: np.ndarray  # (M,)


@cache
def bases() -> Bases:
    with tempfile.TemporaryDirectory() as folder:
        native, plain, chunked = (Path(folder, name) for name in ("native", "plain", "chunked"))
        with ZooWriter(native, replace(header(), created="2026-11-24T00:00:00+00:00")) as writer:
            writer.add([still(number, GRID) for number in range(ROWS)])
        _forget_times(native)
        for path, options in ((plain, {}), (chunked, {"chunks": True})):
            with h5py.File(native) as old, h5py.File(path, "w") as new:
                for name, values in datasets(native).items():
                    new.create_dataset(name, data=values, **options)
                    for key, value in old[name].attrs.items():
                        new[name].attrs[key] = value
                for key, value in old.attrs.items():
                    new.attrs[key] = value
        return {path.name: _base(path) for path in (native, plain, chunked)}


def _forget_times(path: Path) -> None:
    """Wipe the four times in the root's object header: the bytes are then always the same."""
    data = bytearray(path.read_bytes())
    start, stop = checked_blocks(bytes(data))[1]
    data[start + 6 : start + 22] = bytes(16)
    data[stop : stop + 4] = lookup3(bytes(data[start:stop])).to_bytes(4, "little")
    path.write_bytes(data)


def _base(path: Path) -> Base:
    data = path.read_bytes()
    is_metadata = np.ones(len(data), bool)
    with h5py.File(path) as file:
        for dataset in file.values():
            if dataset.chunks is None:
                start = dataset.id.get_offset()
                is_metadata[start : start + dataset.nbytes] = False
                continue
            for number in range(dataset.id.get_num_chunks()):
                chunk = dataset.id.get_chunk_info(number)
                is_metadata[chunk.byte_offset : chunk.byte_offset + chunk.size] = False
    used = np.frombuffer(data, np.uint8) != 0
    near = np.convolve(used, np.ones(17), "same") > 0  # not the long empty stretches
    start = data.find(header().init_weights.tobytes())
    is_metadata[start + 8 : start + 4 * N_PARAMS] = False  # an attribute, but no metadata
    return Base(data, np.flatnonzero(is_metadata & near))


def _any(rng: Generator, whole: Bases) -> Base:
    return whole[rng.choice(list(whole))]


def truncated(rng: Generator, whole: Bases) -> bytes:
    data = _any(rng, whole).data
    return data[: rng.integers(len(data))]


def longer(rng: Generator, whole: Bases) -> bytes:
    data = _any(rng, whole).data
    return [data + rng.bytes(int(rng.integers(1, 10_000))), data + data, rng.bytes(512) + data][
        rng.integers(3)
    ]


def bit_flipped(rng: Generator, whole: Bases) -> bytes:
    data = bytearray(_any(rng, whole).data)
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def metadata_flipped(rng: Generator, whole: Bases) -> bytes:
    base = _any(rng, whole)
    data = bytearray(base.data)
    for place in rng.choice(base.metadata, rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def metadata_numbers(rng: Generator, whole: Bases) -> bytes:
    """Numbers that parsers stumble over, where addresses, sizes and counts may be."""
    base = _any(rng, whole)
    data = bytearray(base.data)
    for place in rng.choice(base.metadata, rng.integers(1, 4)):
        width = int(rng.choice([1, 2, 4, 8]))
        top = 256**width
        numbers = [0, 1, top - 1, top // 2, top // 2 - 1, len(data), int(rng.integers(len(data)))]
        data[place : place + width] = (int(rng.choice(numbers)) % top).to_bytes(width, "little")
    return bytes(data[: len(base.data)])


def blocks_moved(rng: Generator, whole: Bases) -> bytes:
    base = _any(rng, whole)
    data = bytearray(base.data)
    size = int(rng.integers(1, 2000))
    to, source = (int(place) for place in rng.choice(base.metadata, 2))
    data[to : to + size] = [data[source : source + size], bytes(size), rng.bytes(size)][
        rng.integers(3)
    ]
    return bytes(data[: len(base.data)])


def with_good_checksums(rng: Generator, whole: Bases) -> bytes:
    """Nonsense in object headers, and checksums that vouch for it: not damage but intent."""
    data = bytearray(whole["native"].data)
    blocks = checked_blocks(bytes(data))
    for _ in range(rng.integers(1, 4)):
        start, stop = blocks[rng.integers(len(blocks))]
        place = int(rng.integers(start + 5, stop))
        if rng.random() < 0.5:
            data[place] ^= 1 << int(rng.integers(8))
        else:
            width = min(int(rng.choice([1, 2, 4, 8])), stop - place)
            number = int(rng.choice([0, 1, 255, 256**width - 1, 256**width // 2])) % 256**width
            data[place : place + width] = number.to_bytes(width, "little")
        data[stop : stop + 4] = lookup3(bytes(data[start:stop])).to_bytes(4, "little")
    return bytes(data)


@cache
def checked_blocks(data: bytes) -> list[tuple[int, int]]:
    """Start and end of the superblock and of every object header: a checksum follows each."""
    blocks = [(0, 44)]
    start = data.find(b"OHDR")
    while start >= 0:
        flags = data[start + 5]
        at = start + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        blocks.append((start, at + width + int.from_bytes(data[at : at + width], "little")))
        start = data.find(b"OHDR", start + 1)
    for start, stop in blocks:
        assert lookup3(data[start:stop]) == int.from_bytes(data[stop : stop + 4], "little")
    return blocks


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash of bytes, as HDF5 uses it on metadata (lookup3.c, hashlittle)."""
    mask = 0xFFFFFFFF

    def rotated(x: int, by: int) -> int:
        return ((x << by) | (x >> (32 - by))) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    rest = data
    while len(rest) > 12:
        x, y, z = struct.unpack("<3I", rest[:12])
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        a = ((a - c) & mask) ^ rotated(c, 4)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rotated(a, 6)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rotated(b, 8)
        b = (b + a) & mask
        a = ((a - c) & mask) ^ rotated(c, 16)
        c = (c + b) & mask
        b = ((b - a) & mask) ^ rotated(a, 19)
        a = (a + c) & mask
        c = ((c - b) & mask) ^ rotated(b, 4)
        b = (b + a) & mask
        rest = rest[12:]
    if not rest:
        return c
    x, y, z = struct.unpack("<3I", rest.ljust(12, b"\0"))
    a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
    for step in range(7):
        by = (14, 11, 25, 16, 4, 14, 24)[step]
        # c from b, a from c, b from a, and round again
        if step % 3 == 0:
            c = ((c ^ b) - rotated(b, by)) & mask
        elif step % 3 == 1:
            a = ((a ^ c) - rotated(c, by)) & mask
        else:
            b = ((b ^ a) - rotated(a, by)) & mask
    return c


def _edited(change: Callable[[Generator, h5py.File], None]) -> Callable[[Generator, Bases], bytes]:
    """A way to break a zoo with h5py itself, which leaves the file's own structure sound."""

    def edit(rng: Generator, whole: Bases) -> bytes:
        memory = io.BytesIO(_any(rng, whole).data)
        with h5py.File(memory, "r+") as file:
            for _ in range(rng.integers(1, 3)):
                change(rng, file)
        return memory.getvalue()

    return edit


def _name(rng: Generator, file: h5py.File) -> str:
    return str(rng.choice([column.name for column in COLUMNS if column.name in file] or ["x"]))


def _without(file: h5py.File, name: str) -> None:
    if name in file:
        del file[name]


def _other_shape(rng: Generator, file: h5py.File) -> None:
    name = _name(rng, file)
    _without(file, name)
    kinds = ["<f4", ">f4", "<f8", "<i8", "|u1", "S64", "S1", "?", "c8", "f2", "S70000"]
    kinds += [h5py.string_dtype(), h5py.vlen_dtype("i4"), h5py.ref_dtype, [("a", "i2")], "(3,)f4"]
    shape = tuple(int(size) for size in rng.choice([0, 1, 3, 4, 5, 16], rng.integers(0, 5)))
    kind = kinds[rng.integers(len(kinds))]
    file.create_dataset(name, shape, np.dtype(kind) if isinstance(kind, list) else kind)


def _missing(rng: Generator, file: h5py.File) -> None:
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.5:
            _without(file, _name(rng, file))
        else:
            name = str(rng.choice([attribute.name for attribute in ATTRIBUTES]))
            if name in file.attrs:
                del file.attrs[name]


def _huge(rng: Generator, file: h5py.File) -> None:
    """Sizes that no memory holds, of data that were never written."""
    name = _name(rng, file) if rng.random() < 0.8 else "more"
    column = next((column for column in COLUMNS if column.name == name), COLUMNS[1])
    row = column.row_shape({"H": 3, "W": 4, "L": 100})
    rows = int(rng.choice([10**6, 2**31, 2**40, 2**62 // max(1, int(np.prod(row)) * 64)]))
    side = int(rng.choice([10**4, 2**20]))
    shape = (rows, *row) if rng.random() < 0.7 else (ROWS, *(side for _ in row))
    chunk = tuple(min(size, 64) for size in shape)
    if rng.random() < 0.2:
        chunk = (min(shape[0], 2**20), *chunk[1:])
    if np.prod(chunk, dtype=float) * np.dtype(column.dtype).itemsize >= 2**32:
        chunk = tuple(1 for _ in shape)
    _without(file, name)
    try:
        file.create_dataset(
            name, shape, column.dtype, chunks=chunk, maxshape=tuple(None for _ in shape)
        )
    except (ValueError, OverflowError):
        file.create_dataset(name, shape[:1], column.dtype, chunks=(1,))


def _elsewhere(rng: Generator, file: h5py.File) -> None:
    """Links, virtual and external data that lead to other files, or for ever to a pipe."""
    name = _name(rng, file) if rng.random() < 0.8 else "more"
    targets = ["../secret.h5", "secret.h5", "../pipe.h5", "/etc/passwd", "/dev/zero", "."]
    target = str(rng.choice(targets))
    _without(file, name)
    way = rng.integers(5)
    if way == 0:
        file[name] = h5py.ExternalLink(target, str(rng.choice(["/weights", "/", "/id"])))
    elif way == 1:
        file[name] = h5py.SoftLink(str(rng.choice(["/weights", "/" + name, ".", "../x"])))
    elif way == 2:
        layout = h5py.VirtualLayout((ROWS, N_PARAMS), "<f4")
        layout[...] = h5py.VirtualSource(target, "weights", (ROWS, N_PARAMS))
        file.create_virtual_dataset(name, layout)
    elif way == 3:
        places = [(target, 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, (ROWS, N_PARAMS), "<f4", external=places)
    else:
        group = file.create_group(name)
        group["inner"] = h5py.ExternalLink(target, "/")


def _others(rng: Generator, file: h5py.File) -> None:
    """What other programs might have put there: columns, and what is none."""
    kinds = ["<i8", ">i2", "?", "f2", "S9", "c8", h5py.ref_dtype, "(2,)f4", h5py.string_dtype()]
    name = str(rng.choice(["more", "rollout", "_rows", "x y", "\x1b[2J"]))
    _without(file, name)
    shape = (ROWS + int(rng.integers(2)), *rng.choice([1, 2, 70], rng.integers(0, 3)))
    more = file.create_dataset(name, shape, kinds[rng.integers(9)])
    more.attrs["units"] = file.attrs["by"] = str(rng.choice(NASTY[:8]))
    if h5py.check_string_dtype(more.dtype):
        more[...] = str(rng.choice(NASTY[:8])).encode() * 99


NASTY = (
    "\x1b[2J", "\x1b]0;x\x07", "<script>alert(1)</script>", "../../etc/passwd", "a\nb", "a\rb",
    "\u202etxet", "\u2028", "%s%n", "'; drop table", "\x00", "é" * 20, "", " ", "-", "--help", ".",
    "..", "CON", "a" * 64, "\ud7ff", "\U0001f600" * 16, "0-000",
)  # fmt: skip


def _hostile_text(rng: Generator, file: h5py.File) -> None:
    settings = json.loads(file.attrs["settings"])
    text = str(rng.choice(NASTY)).encode()
    way = rng.integers(5)
    if way == 0:
        name = str(rng.choice(["id", "status", "split", "init"]))
        if name in file and file[name].dtype.kind == "S" and file[name].shape == (ROWS,):
            file[name][int(rng.integers(ROWS))] = text[: file[name].dtype.itemsize]
    elif way == 1:
        name = str(rng.choice(["source", "licence", "engine", "created"]))
        file.attrs[name] = np.bytes_(text * int(rng.choice([1, 3, 500])) or b" ")
    elif way == 2:
        settings[text.decode()] = {text.decode(): text.decode() * 99}
        file.attrs["settings"] = np.bytes_(json.dumps(settings).encode())
    elif way == 3:
        name = text.decode().replace("/", "") or "x"
        if "\x00" not in name and name not in (".", "..") and name not in file:
            extra = file.create_dataset(name, data=np.zeros(ROWS, "f4"))
            extra.attrs["units"] = np.bytes_(text or b" ")
            extra.attrs["description"] = np.bytes_(text or b" ")
    else:
        name = _name(rng, file)
        if name in file:
            file[name].attrs["units"] = np.bytes_(text or b" ")


def _other_settings(rng: Generator, file: h5py.File) -> None:
    """JSON that is sound, and means something else or nothing."""
    values: list[Any] = [None, True, 0, -1, 1e308, "x", [], {}, [[]], {"a": {}}, "inf", 10**30]
    value = values[rng.integers(len(values))]
    made = json.loads(file.attrs["settings"])
    way = rng.integers(4)
    regime = made.get("regime") if isinstance(made, dict) else None
    if way == 0 or not isinstance(made, dict) or not made:
        made = value
    elif way == 1:
        made[str(rng.choice(list(made)))] = value
    elif way == 2 and isinstance(regime, dict) and regime:
        regime[str(rng.choice(list(regime)))] = value
    else:
        file.attrs[str(rng.choice(["versions", "param_spec"]))] = np.bytes_(json.dumps(value))
    file.attrs["settings"] = np.bytes_(json.dumps(made).encode())


def _odd_values(rng: Generator, file: h5py.File) -> None:
    name = _name(rng, file)
    if name not in file or not file[name].size:
        return
    column = next(column for column in COLUMNS if column.name == name)
    row = int(rng.integers(len(file[name])))
    if column.is_float:
        file[name][row] = rng.choice([np.nan, np.inf, -np.inf, 1e38, -1, 0])
    elif not column.is_text:
        limits = np.iinfo(column.dtype)
        file[name][row] = [limits.min, limits.max, 0][rng.integers(3)]
    else:
        file[name][row] = file[name][0]


def _newer(rng: Generator, file: h5py.File) -> None:
    file.attrs["schema"] = [2, 99, 0, -1, 2**62, 1.0, "1", [1, 1]][rng.integers(8)]
    if rng.random() < 0.5:
        _other_shape(rng, file)


KINDS: dict[str, Callable[[Generator, Bases], bytes]] = {
    "truncated": truncated,
    "longer": longer,
    "a flipped bit": bit_flipped,
    "flipped bits in metadata": metadata_flipped,
    "odd numbers in metadata": metadata_numbers,
    "blocks moved or wiped": blocks_moved,
    "nonsense with good checksums": with_good_checksums,
    "other shapes and types": _edited(_other_shape),
    "missing parts": _edited(_missing),
    "huge sizes": _edited(_huge),
    "leading elsewhere": _edited(_elsewhere),
    "what others put there": _edited(_others),
    "hostile text": _edited(_hostile_text),
    "other settings": _edited(_other_settings),
    "odd values": _edited(_odd_values),
    "another schema": _edited(_newer),
}
