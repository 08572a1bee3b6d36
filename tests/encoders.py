"""Writers of image files from their specifications, for tests: they share no code with Pillow.

Samples are ``(H, W)`` or ``(H, W, C)`` numbers as they lie in the file.
"""

import struct
import zlib

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, LA, RGBA = 0, 2, 3, 4, 6  # colour types of PNG
D50 = (0.9642, 1.0, 0.8249)
SRGB_D50 = np.array(  # columns: XYZ of red, green and blue, adapted to D50
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
ADOBE_D50 = np.array(
    [
        [0.6097559, 0.2052401, 0.1492240],
        [0.3111242, 0.6256560, 0.0632197],
        [0.0194811, 0.0608902, 0.7448387],
    ]
)


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(samples, bits, kind, *, before=(), palette=None, clear=None, profile=None, orientation=1):
    """A PNG. before: chunks between header and pixels. clear: what tRNS holds, in samples."""
    height, width = samples.shape[:2]
    parts = [chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, kind, 0, 0, 0)), *before]
    if profile is not None:
        parts.append(chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))
    if orientation != 1:
        parts.append(chunk(b"eXIf", exif(orientation)))
    if palette is not None:
        parts.append(chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes()))
    if clear is not None:
        wide = "u1" if kind == PALETTE else ">u2"
        parts.append(chunk(b"tRNS", np.asarray(clear, wide).tobytes()))
    rows = b"".join(b"\0" + row for row in packed(samples, bits, ">"))
    return PNG + b"".join([*parts, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def packed(samples, bits, order):
    """The bytes of each row, of unsigned samples of 1 to 16 bits."""
    for row in samples.reshape(len(samples), -1):
        if bits in (8, 16):
            yield row.astype(f"{order}u{bits // 8}").tobytes()
        else:
            ones = (row[:, None] >> np.arange(bits)[::-1]) & 1
            yield np.packbits(ones.reshape(-1).astype(np.uint8)).tobytes()


def exif(orientation):
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def stored(upright, orientation):
    """How a picture lies in a file that says how to turn it."""
    return [
        lambda a: a,
        np.fliplr,
        lambda a: np.rot90(a, 2),
        np.flipud,
        lambda a: np.swapaxes(a, 0, 1),
        lambda a: np.rot90(a, 1),  # to be shown a quarter clockwise
        lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
        lambda a: np.rot90(a, -1),
    ][orientation - 1](upright)


def tiff(samples, bits, photometric, *, sample_format=1, order="<", orientation=1, extra=None,
         palette=None, profile=None, tags=()):  # fmt: skip
    """An uncompressed TIFF of one strip."""
    height, width = samples.shape[:2]
    count = samples.shape[2] if samples.ndim == 3 else 1
    if bits == 32 or sample_format != 1:
        kind = {1: "u", 2: "i", 3: "f"}[sample_format]
        pixels = samples.astype(f"{order}{kind}{bits // 8}").tobytes()
    else:
        pixels = b"".join(packed(samples, bits, order))
    fields = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [bits] * count),
        (259, "H", [1]),
        (262, "H", [photometric]),
        (273, "I", [8]),
        (274, "H", [orientation]),
        (277, "H", [count]),
        (278, "I", [height]),
        (279, "I", [len(pixels)]),
        *([] if palette is None else [(320, "H", list(np.asarray(palette).T.reshape(-1)))]),
        *([] if extra is None else [(338, "H", [extra])]),
        (339, "H", [sample_format] * count),
        *([] if profile is None else [(34675, "B", list(profile))]),
        *tags,
    ]
    pixels += b"\0" * (len(pixels) % 2)
    start = 8 + len(pixels)
    after = start + 2 + 12 * len(fields) + 4
    entries, beyond = b"", b""
    for tag, kind, values in sorted(fields):
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        number = {"B": 7, "H": 3, "I": 4}[kind]
        where = data.ljust(4, b"\0")
        if len(data) > 4:
            where = struct.pack(f"{order}I", after + len(beyond))
            beyond += data + b"\0" * (len(data) % 2)
        entries += struct.pack(f"{order}HHI", tag, number, len(values)) + where
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, start)
    count = struct.pack(f"{order}H", len(fields))
    return head + pixels + count + entries + b"\0" * 4 + beyond


def bmp(samples):
    """A BMP of 24 bits, or of 32 with masks that declare alpha."""
    height, width, count = samples.shape
    order = [2, 1, 0, 3][:count]
    rows = [row[:, order].astype(np.uint8).tobytes() for row in samples[::-1]]
    pixels = b"".join(row + b"\0" * (-len(row) % 4) for row in rows)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if count == 4 else b""
    size = 40 if count == 3 else 108
    info = struct.pack("<IiiHHIIiiII", size, width, height, 1, 8 * count, 3 * (count == 4),
                       len(pixels), 2835, 2835, 0, 0) + masks  # fmt: skip
    info = info.ljust(size, b"\0")
    head = b"BM" + struct.pack("<IHHI", 14 + size + len(pixels), 0, 0, 14 + size)
    return head + info + pixels


def tga(samples):
    """A TGA of version 1, with 8, 24 or 32 bits a pixel, from the top."""
    height, width = samples.shape[:2]
    count = samples.shape[2] if samples.ndim == 3 else 1
    pixels = samples if count == 1 else samples[..., [2, 1, 0, 3][:count]]
    kind = 3 if count == 1 else 2
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, width, height, 8 * count, 0x20)
    return head + pixels.astype(np.uint8).tobytes()


def pnm(samples, most):
    """A PGM or PPM in binary, with numbers up to ``most``."""
    height, width = samples.shape[:2]
    kind = "P5" if samples.ndim == 2 else "P6"
    wide = ">u2" if most > 255 else "u1"
    return f"{kind}\n{width} {height}\n{most}\n".encode() + samples.astype(wide).tobytes()


def pfm(samples):
    """A grey PFM: floats, from the bottom."""
    height, width = samples.shape
    return f"Pf\n{width} {height}\n-1.0\n".encode() + samples[::-1].astype("<f4").tobytes()


def qoi(samples):
    """A QOI of RGB, each pixel in full."""
    height, width = samples.shape[:2]
    pixels = np.insert(samples.reshape(-1, 3), 0, 0xFE, axis=1).astype(np.uint8).tobytes()
    return b"qoif" + struct.pack(">2I2B", width, height, 3, 0) + pixels + bytes(7) + b"\x01"


def grey_profile(gamma):
    """An ICC profile of greys."""
    return _icc(b"GRAY", [(b"kTRC", _curve(gamma))])


def colour_profile(matrix, gamma):
    """An ICC profile of the primaries in the columns of ``matrix``, XYZ adapted to D50."""
    primaries = zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix.T, strict=True)
    curves = [(name, _curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _icc(b"RGB ", [(name, _xyz(column)) for name, column in primaries] + curves)


def srgb(linear):
    """Levels of 0 to 255, not rounded, of linear light from 0 to 1."""
    light = np.clip(linear, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256))


def _xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _icc(space, tags):
    text = b"trial\0"
    about = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = [(b"desc", about + bytes(-len(about) % 4)), (b"wtpt", _xyz(D50)), *tags]
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags:
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(">I4xI4s4s4s12x4s", place + len(body), 0x02100000, b"mntr", space, b"XYZ ",
                       b"acsp")  # fmt: skip
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
