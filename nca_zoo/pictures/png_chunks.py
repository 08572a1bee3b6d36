"""The chunks of a PNG file that say what its pixels are, without those that lie beside them."""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
ABOUT_PIXELS = (b"tRNS", b"iCCP", b"eXIf")  # transparency, colour profile, which side is up


def bare(data: bytes) -> bytes:
    """A PNG with the chunks alone that its pixels need.

    Texts, times and the like are of any length and in any state; so is a profile or EXIF data
    whose checksum is wrong, and it goes too. What is wrong with the pixels stays wrong.
    """
    return SIGNATURE + b"".join(
        chunk
        for kind, chunk in _chunks(data)
        if kind in PIXELS or (kind in ABOUT_PIXELS and _whole(chunk))
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk; the last may be cut short."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place : place + 12 + length]
        if kind == b"IEND":
            return
        place += 12 + length


def _whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
