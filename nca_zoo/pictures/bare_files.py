"""PNG and JPEG files without what lies beside their pixels.

Texts, times, thumbnails and the like are of any length and in any state, and Pillow may refuse the
picture for them. What is wrong with the pixels stays wrong.
"""

import struct
import zlib
from collections.abc import Iterator

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
ANIMATION = (b"acTL", b"fcTL", b"fdAT")
ABOUT_PIXELS = (b"tRNS", b"iCCP", b"eXIf")  # transparency, colour profile, which side is up

START_OF_SCAN, COMMENT = 0xDA, 0xFE
APPLICATION = range(0xE0, 0xF0)
SEGMENTS = (  # of applications, that say how to show the pixels: marker, name, least length
    (0xE0, b"JFIF\0", 14),
    (0xE1, b"Exif\0\0", 6),
    (0xE2, b"ICC_PROFILE\0", 14),
    (0xEE, b"Adobe", 12),
)


def bare(data: bytes, moving: bool = False) -> bytes:
    """The bytes of a file, if it is PNG or JPEG without what its pixels do not need.

    moving: of a PNG keep all frames, not the first alone.
    """
    kept = PIXELS + ANIMATION * moving
    if data.startswith(PNG):
        return PNG + b"".join(chunk for kind, chunk in _chunks(data) if _wanted(kind, chunk, kept))
    if data.startswith(JPEG):
        return data[:2] + b"".join(_segments(data))
    return data


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk of a PNG; the last may be cut short."""
    place = len(PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place : place + 12 + length]
        if kind == b"IEND":
            return
        place += 12 + length


def _wanted(kind: bytes, chunk: bytes, kept: tuple[bytes, ...]) -> bool:
    """Whether a chunk is of ``kept`` kinds, or is about pixels and whole."""
    whole = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
    return kind in kept or (kind in ABOUT_PIXELS and whole)


def _segments(data: bytes) -> Iterator[bytes]:
    """The segments of a JPEG that its pixels need, and then all from the first scan on."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != START_OF_SCAN:
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : end]
        needed = marker != COMMENT and marker not in APPLICATION
        if needed or any(
            marker == of and body.startswith(name) and len(body) >= least
            for of, name, least in SEGMENTS
        ):
            yield data[place:end]
        place = end
    yield data[place:]
