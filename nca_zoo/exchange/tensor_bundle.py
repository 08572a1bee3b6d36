"""Checkpoints of TensorFlow, read without it: an index of tensors, and shards that hold them.

``NAME.index`` is a sorted table as LevelDB has it, uncompressed, whose values are the protocol
buffers ``BundleHeaderProto`` (key ``""``) and ``BundleEntryProto`` of
``tensorflow/core/protobuf/tensor_bundle.proto``; the tensors lie in ``NAME.data-00000-of-00001``.
Blocks and tensors carry CRC-32C sums, which are checked. Every size is checked before it is used.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError

MAX_TENSORS = 16 << 20  # bytes of all of a checkpoint's tensors: sums are taken byte by byte
MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5  # bytes at the end of the table, and after each block
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 6: "i1", 9: "<i8", 10: "?", 19: "<f2"}

Message = dict[int, list[Any]]  # a protocol buffer's values, by their fields' numbers


def read(index: Path, most: int) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a checkpoint, from its index; raises ZooError for one that is damaged.

    most: bytes that a file may have.
    """
    entries = dict(_table(index.read_bytes()))
    header = _message(entries.pop(b"", b""))
    shards = _one(header, 1, 1)
    if _one(header, 2, 0) != 0:
        raise ZooError("a checkpoint of a big-endian machine, which is not read here")
    wanted = {}
    for key, value in entries.items():
        entry = _message(value)
        if _one(entry, 1, 0) in DTYPES and not entry.get(7):  # texts, and slices of large tensors
            wanted[key.decode()] = entry
    total = sum(_one(entry, 5, 0) for entry in wanted.values())
    if total > MAX_TENSORS:
        raise ZooError(f"claims {total} bytes of tensors; an NCA has 33 KB")
    files: dict[int, bytes] = {}
    tensors = {}
    for name, entry in wanted.items():
        number = _one(entry, 3, 0)
        if number not in files:
            if not number < shards < 100_000:
                raise ZooError(f"{name!a} lies in part {number} of {shards}")
            file = index.with_suffix(f".data-{number:05d}-of-{shards:05d}")
            if file.stat().st_size > most:
                raise ZooError(f"{file.name} is larger than {most >> 20} MB; one NCA has 33 KB")
            files[number] = file.read_bytes()
        tensors[name] = _tensor(name, entry, files[number])
    return tensors


def _tensor(name: str, entry: Message, shard: bytes) -> npt.NDArray[Any]:
    dtype = np.dtype(DTYPES[_one(entry, 1, 0)])
    shape = [_one(_message(side), 1, 0) for side in _message(_one(entry, 2, b"")).get(2, [])]
    start, size = _one(entry, 4, 0), _one(entry, 5, 0)
    count = int(np.prod(shape, dtype=object))
    data = shard[start : start + size]
    if len(data) != size or count * dtype.itemsize != size:
        raise ZooError(f"{name!a} of shape {tuple(shape)[:8]} is cut short or damaged")
    if masked_crc32c(data) != _one(entry, 6, 0):
        raise ZooError(f"{name!a} is damaged: its checksum does not fit")
    return np.frombuffer(data, dtype).reshape(shape)


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, in order."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ZooError("not the index of a TensorFlow checkpoint")
    at = len(data) - FOOTER
    for _ in range(2):  # the handle of the block of properties, of which there are none
        _, at = _varint(data, at)
    for _, handle in _block(data, data[at:-8]):
        yield from _block(data, handle)


def _block(data: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block of the table, each key with what it shares with the last."""
    start, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
    end = start + size
    if end + TRAILER > len(data) or size < 4:
        raise ZooError("its index points beyond its end")
    kind, told = struct.unpack("<BI", data[end : end + TRAILER])
    if masked_crc32c(data[start : end + 1]) != told:
        raise ZooError("its index is damaged: a checksum does not fit")
    if kind != 0:
        raise ZooError("its index is compressed, as TensorFlow never writes it")
    restarts = int.from_bytes(data[end - 4 : end], "little")
    stop = end - 4 * (restarts + 1)
    at, key = start, b""
    while at < stop:
        shared, at = _varint(data, at)
        fresh, at = _varint(data, at)
        length, at = _varint(data, at)
        if shared > len(key) or at + fresh + length > stop:
            raise ZooError("its index is damaged: an entry does not fit")
        key = key[:shared] + data[at : at + fresh]
        at += fresh + length
        yield key, data[at - length : at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next one begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise ZooError("its index is damaged: a number has no end")


def _message(data: bytes) -> Message:
    """A protocol buffer, field by field."""
    fields: Message = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        value: Any
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire == BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
            value, at = int.from_bytes(data[at : at + size], "little"), at + size
        else:
            raise ZooError("its index is damaged: an entry of no known kind")
        if at > len(data):
            raise ZooError("its index is damaged: an entry is cut short")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _one(message: Message, field: int, default: Any) -> Any:
    """A field's last value, or what it is where it is left out; of the default's type."""
    value = message.get(field, [default])[-1]
    if type(value) is not type(default):
        raise ZooError("its index is damaged: an entry of another kind")
    return value


def masked_crc32c(data: bytes) -> int:
    """The sum of RFC 3720, turned and shifted as LevelDB keeps it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC_TABLE = tuple(map(_crc_of, range(256)))
