"""What lies beside the pixels of a file never matters: texts of any size, broken EXIF, profiles."""

import io
import struct
import zlib

import encoders as made
import numpy as np
import pytest
from PIL import Image

from nca_zoo.pictures.image_files import read_file

rng = np.random.default_rng(11)
GREY = rng.integers(0, 256, (4, 7))
BROKEN_EXIF = (  # none says which side is up
    b"",
    b"Exif",
    b"\0\x08\0\x02\x01\x12\0\x03",
    b"II*\0\xff\xff\xff\xff",
    b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40,
    b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 9, 10**9),
    b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",
    made.exif(77),
)


@pytest.fixture
def read(tmp_path):
    """What is read of a file with this content."""

    def of(content):
        (tmp_path / "picture").write_bytes(content)
        return read_file(tmp_path / "picture")

    return of


def texts():
    much = bytes(3_000_000)
    yield "one that is long", [made.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(much))]
    yield "long in UTF-8", [made.chunk(b"iTXt", b"Note\0\1\0\0\0" + zlib.compress(much))]
    many = made.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000)))
    yield "many, 90 MB in all", [many] * 100
    yield "no keyword", [made.chunk(b"tEXt", b"")]
    yield "not deflated", [made.chunk(b"zTXt", b"Comment\0\0no")]
    yield "a wrong checksum", [made.chunk(b"tEXt", b"Comment\0hello", crc=7)]
    yield "unknown", [made.chunk(b"abCd", b"\xff" * 99), made.chunk(b"tIME", b"")]
    yield "no resolution", [made.chunk(b"pHYs", b"\0"), made.chunk(b"gAMA", b"\0")]
    yield "broken profile", [made.chunk(b"iCCP", b"p\0\0" + b"\xff" * 30)]
    yield (
        "a profile with a wrong checksum",
        [made.chunk(b"iCCP", b"p\0\0" + zlib.compress(made.grey_profile(1.0)), crc=7)],
    )
    yield "EXIF with a wrong checksum", [made.chunk(b"eXIf", made.exif(6), crc=7)]
    yield "an animation that is none", [made.chunk(b"acTL", b"\0"), made.chunk(b"fcTL", b"\0")]


@pytest.mark.parametrize(("what", "before"), [*texts()], ids=lambda v: v if type(v) is str else "")
def test_other_chunks_of_png(what, before, read):
    np.testing.assert_array_equal(read(made.png(GREY, 8, made.GREY, before=before)), GREY)


@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_broken_exif(exif, read):
    file = made.png(GREY, 8, made.GREY, before=[made.chunk(b"eXIf", exif)])
    np.testing.assert_array_equal(read(file), GREY)
    for kind, options in (("JPEG", {}), ("WEBP", {"lossless": True})):
        plain, tagged = io.BytesIO(), io.BytesIO()
        image = Image.fromarray(GREY.astype(np.uint8))
        image.save(plain, kind, **options)
        image.save(tagged, kind, exif=b"Exif\0\0" + exif, **options)
        np.testing.assert_array_equal(read(tagged.getvalue()), read(plain.getvalue()))


def test_exif_that_is_whole_is_heeded_beside_what_is_not(read):
    stored = made.stored(GREY, 6)
    before = [made.chunk(b"tEXt", b"", crc=1)]
    file = made.png(stored, 8, made.GREY, before=before, orientation=6)
    np.testing.assert_array_equal(read(file), GREY)


@pytest.mark.parametrize(
    ("tag", "value"),
    [(34665, 10**9), (34853, 5), (330, 2**31), (34665, 8), (305, 2**32 - 1)],
)
def test_tags_of_tiff_that_lead_nowhere(tag, value, read):
    """Where EXIF, GPS and further pictures lie; and a tag with the name of a program."""
    for order in "<>":
        file = made.tiff(GREY, 8, 1, order=order, tags=[(tag, "I", [value])])
        np.testing.assert_array_equal(read(file), GREY)


@pytest.mark.parametrize("marker", [0xFE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE])
def test_other_segments_of_jpeg(marker, read):
    plain = io.BytesIO()
    Image.fromarray(GREY.astype(np.uint8)).save(plain, "JPEG")
    whole = plain.getvalue()
    texts = (b"JFIF\0", b"Exif\0\0II", b"http://ns.adobe.com/xap/1.0/\0<x", b"ICC_PROFILE\0",
             b"MPF\0II*\0\x08", b"Photoshop 3.0\0" + b"8BIM" * 9, b"Adobe")  # fmt: skip
    for data in (b"", b"\xff" * 60_000, *texts):
        segment = bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
        np.testing.assert_array_equal(read(whole[:2] + segment + whole[2:]), read(whole))


def test_what_comes_after_the_picture(read):
    file = made.png(GREY, 8, made.GREY)
    np.testing.assert_array_equal(read(file + b"PK\3\4" * 1000), GREY)
    np.testing.assert_array_equal(read(file[:-12]), GREY)  # the mark of the end is missing
