"""Checkpoints of TensorFlow written by hand, from its description of the format, to read back."""

import struct

import numpy as np

DTYPES = {"f4": 1, "f8": 2, "i4": 3, "i8": 9, "f2": 19}


def crc32c(data):
    """Bit by bit, as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def varint(number):
    more = b""
    while number > 127:
        more += bytes([number & 127 | 128])
        number >>= 7
    return more + bytes([number])


def field(number, value):
    """A field of a protocol buffer: numbers as varints, bytes as they are."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def entry(array, shard, offset, **changes):
    """BundleEntryProto of an array; changes: other values for dtype, shape, size or crc."""
    told = {
        "dtype": DTYPES[array.dtype.str[1:]],
        "shape": array.shape,
        "size": array.nbytes,
        "crc": masked(array.tobytes()),
    } | changes
    shape = b"".join(field(2, field(1, side)) for side in told["shape"])
    parts = [field(1, told["dtype"]), field(2, shape)]
    parts += [field(3, shard)] if shard else []
    parts += [field(4, offset)] if offset else []
    return b"".join(parts) + field(5, told["size"]) + b"\x35" + struct.pack("<I", told["crc"])


def block(pairs, kind=0):
    """A block of the table with shared beginnings of keys, its kind and its checksum."""
    body, last = b"", b""
    for key, value in pairs:
        same = 0
        while same < min(len(key), len(last)) and key[same] == last[same]:
            same += 1
        body += varint(same) + varint(len(key) - same) + varint(len(value)) + key[same:] + value
        last = key
    body += struct.pack("<II", 0, 1) + bytes([kind])
    return body + struct.pack("<I", masked(body))


def table(pairs, kind=0):
    """The index: blocks of two entries each, so that there are several."""
    pairs = sorted(pairs)
    data, handles = b"", []
    for start in range(0, len(pairs), 2):
        some = block(pairs[start : start + 2], kind)
        handles.append((pairs[start : start + 2][-1][0], varint(len(data)) + varint(len(some) - 5)))
        data += some
    meta, index = block([]), block(handles)
    where = [len(data), len(meta) - 5, len(data) + len(meta), len(index) - 5]
    foot = b"".join(map(varint, where)).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    return data + meta + index + foot


def write(prefix, tensors, shards=1, changes=None, endian=0, kind=0):
    """A checkpoint of named arrays, shared among shards; changes by name as in ``entry``."""
    data, pairs = [b""] * shards, [(b"", field(1, shards) + (field(2, endian) if endian else b""))]
    for number, (name, array) in enumerate(tensors.items()):
        shard = number % shards
        told = entry(array, shard, len(data[shard]), **(changes or {}).get(name, {}))
        pairs.append((name.encode(), told))
        data[shard] += np.ascontiguousarray(array).tobytes()
    graph = b"a graph of objects"
    pairs.append((b"_CHECKPOINTABLE_OBJECT_GRAPH", field(1, 7) + field(4, len(data[0]))
                  + field(5, len(graph))))  # fmt: skip
    data[0] += graph
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(pairs, kind))
    for shard, held in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(held)
    return prefix.with_name(f"{prefix.name}.index")
