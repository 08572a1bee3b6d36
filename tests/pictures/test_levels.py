"""The right values: every depth, alpha, profile and orientation, against what the formats say.

The files are written by ``encoders``, which knows nothing of Pillow.
"""

import encoders as made
import numpy as np
import pytest
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures.image_files import read_file
from nca_zoo.pictures.levels import pixels_of_array, pixels_of_image

rng = np.random.default_rng(7)
GREY = rng.integers(0, 256, (4, 7))
RGB = rng.integers(0, 256, (4, 7, 3))
RGBA = rng.integers(0, 256, (4, 7, 4))
DEEP = rng.integers(0, 65536, (4, 7))
OPAQUE = np.full((4, 7, 1), 255)


@pytest.fixture
def read(tmp_path):
    """What is read of a file with this content."""

    def of(content, size=None, scale=None, suffix=""):
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(content)
        return read_file(path, size, scale)

    return of


def same(read, expected, within=0):
    assert read.dtype == np.uint8
    assert read.shape == np.shape(expected)
    assert np.abs(read - np.asarray(expected, float)).max() <= within


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_of_png_at_every_depth(bits, read):
    samples = rng.integers(0, 2**bits, (5, 9))
    same(read(made.png(samples, bits, made.GREY)), samples / (2**bits - 1) * 255, 0.5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_one_transparent_grey_of_png_at_every_depth(bits, read):
    samples = rng.integers(0, 2**bits, (5, 9))
    clear = samples[2, 3]
    found = read(made.png(samples, bits, made.GREY, clear=[clear]))
    same(found[..., 3], np.where(samples == clear, 0, 255))
    for channel in range(3):
        same(found[..., channel], samples / (2**bits - 1) * 255, 0.5)


def test_one_transparent_colour_of_png(read):
    found = read(made.png(RGB, 8, made.RGB, clear=RGB[1, 2]))
    same(found, np.dstack([RGB, np.where((RGB[1, 2] == RGB).all(axis=-1), 0, 255)]))
    deep = rng.integers(0, 65536, (4, 7, 3))
    with pytest.raises(ZooError, match="holds one transparent colour of 16 bits; save it with an"):
        read(made.png(deep, 16, made.RGB, clear=deep[1, 2]))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_grey_that_is_not_square_stands_upright(orientation, order, read):
    stored = made.stored(GREY, orientation)
    same(read(made.tiff(stored, 8, 1, orientation=orientation, order=order)), GREY)
    same(read(made.png(stored, 8, made.GREY, orientation=orientation)), GREY)
    deep = made.tiff(made.stored(DEEP, orientation), 16, 1, orientation=orientation, order=order)
    same(read(deep), DEEP / 257, 0.5)
    colours = made.stored(RGB, orientation)
    expected = np.dstack([RGB, OPAQUE])
    same(read(made.tiff(colours, 8, 2, orientation=orientation, order=order)), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_where_white_is_zero_numbers_are_turned_round(bits, read):
    samples = rng.integers(0, 2**bits, (5, 16))
    same(read(made.tiff(samples, bits, 0)), 255 - samples / (2**bits - 1) * 255, 0.5)
    floats = rng.random((5, 9))
    same(read(made.tiff(floats, 32, 0, sample_format=3)), 255 - floats * 255, 0.5)


def test_twelve_bits_of_tiff_go_up_to_4095(read):
    samples = rng.integers(0, 4096, (4, 8))
    same(read(made.tiff(samples, 12, 1)), samples / 4095 * 255, 0.5)


@pytest.mark.parametrize("most", [7, 255, 1023, 65535])
def test_a_pgm_goes_up_to_its_own_maximum(most, read):
    samples = rng.integers(0, most + 1, (4, 7))
    same(read(made.pnm(samples, most)), samples / most * 255, 1 if most < 255 else 0.5)


def test_floats_go_from_0_to_1(read):
    floats = rng.random((4, 7))
    for order in "<>":
        same(read(made.tiff(floats, 32, 1, sample_format=3, order=order)), floats * 255, 0.51)
    same(read(made.pfm(floats)), floats * 255, 0.51)


@pytest.mark.parametrize(
    ("samples", "bits", "kind", "scale", "words"),
    [
        (GREY / 100 + 1, 32, 3, None, r"floats from 1(\.\d+)? to \d(\.\d+)?, beyond 1; say which"),
        (GREY / 100 + 1, 32, 3, 2, r"floats from .*, beyond 2; say which is full ink: --scale"),
        (GREY / 255 - 0.1, 32, 3, 255, r"floats from -0\.\d+ to 0\.\d+; a picture begins at 0"),
        (np.where(GREY[0, 0] == GREY, np.nan, 0.5), 32, 3, None, "numbers that are not finite"),
        (np.where(GREY[0, 0] == GREY, np.inf, 0.5), 32, 3, 9, "numbers that are not finite"),
        (GREY * 201, 32, 2, None, r"integers from \d+ to \d{5}, of unknown scale; say which"),
        (GREY, 32, 1, None, r"integers from \d+ to \d+, of unknown scale; say which"),
        (GREY, 16, 2, None, r"integers from \d+ to \d+, of unknown scale; say which"),
        (DEEP, 16, 1, 4095, r"integers from \d+ to \d{5}, beyond 4095; say which"),
    ],
)
def test_numbers_of_unknown_scale_are_refused_with_their_range(
    samples, bits, kind, scale, words, read
):
    with pytest.raises(ZooError, match=f"picture holds {words}") as caught:
        read(made.tiff(samples, bits, 1, sample_format=kind), scale=scale)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("samples", "bits", "kind", "scale"),
    [
        (GREY / 50, 32, 3, 5.1),
        (GREY * 10**7, 32, 1, 255 * 10**7),  # beyond what signed numbers hold
        (GREY * 1000, 32, 2, 255_000),
        (GREY, 16, 2, 255),
        (GREY * 4, 16, 1, 1020),
    ],
)
def test_a_scale_says_which_number_is_full_ink(samples, bits, kind, scale, read):
    for order in "<>" if (bits, kind) != (32, 1) else "<":
        file = made.tiff(samples, bits, 1, sample_format=kind, order=order)
        same(read(file, scale=scale), GREY)


def test_a_scale_is_for_greys_of_more_than_8_bits(read):
    same(read(made.png(GREY, 8, made.GREY), scale=1000), GREY)
    same(read(made.png(RGBA, 8, made.RGBA), scale=1000), RGBA)


def grey_in_every_form():
    ramp = np.arange(256)
    yield "grey", made.png(GREY, 8, made.GREY)
    yield "RGB", made.png(np.dstack([GREY] * 3), 8, made.RGB)
    yield "palette", made.png(GREY, 8, made.PALETTE, palette=np.dstack([ramp] * 3))
    yield (
        "opaque palette",
        made.png(GREY, 8, made.PALETTE, palette=np.dstack([ramp] * 3), clear=[255] * 256),
    )
    yield "grey and alpha", made.png(np.dstack([GREY, OPAQUE]), 8, made.LA)
    yield "RGBA", made.png(np.dstack([GREY, GREY, GREY, OPAQUE]), 8, made.RGBA)
    yield "16 bits", made.png(GREY * 257, 16, made.GREY)
    yield "16 bits of RGB", made.png(np.dstack([GREY * 257] * 3), 16, made.RGB)
    yield "TIFF", made.tiff(np.dstack([GREY] * 3), 8, 2)
    yield "BMP", made.bmp(np.dstack([GREY] * 3))
    yield "rounded", made.png(np.dstack([GREY, GREY, np.where(GREY < 9, GREY + 2, GREY)]), 8, 2)


@pytest.mark.parametrize(("form", "file"), [*grey_in_every_form()], ids=lambda form: str(form)[:15])
def test_opaque_grey_is_ink_in_whatever_form(form, file, read):
    same(read(file), GREY, 1 if form == "rounded" else 0)


def test_one_cell_in_colour_or_transparent_and_it_is_no_ink(read):
    for place, value in (((0, 0, 2), 3), ((0, 0, 3), 254)):
        rgba = np.dstack([GREY, GREY, GREY, OPAQUE])
        rgba[0, 0, :3] = 0
        rgba[place] = value
        same(read(made.png(rgba, 8, made.RGBA)), rgba)


@pytest.mark.parametrize(("suffix", "write"), [(".bmp", made.bmp), (".tga", made.tga)])
def test_alpha_of_zeros_where_it_is_filling_is_none(suffix, write, read):
    padded = np.dstack([RGB, 0 * OPAQUE])
    same(read(write(padded), suffix=suffix), np.dstack([RGB, OPAQUE]))
    same(read(write(RGBA), suffix=suffix), RGBA)
    grey = np.dstack([GREY, GREY, GREY, 0 * OPAQUE])
    same(read(write(grey), suffix=suffix), GREY)


def test_alpha_of_zeros_that_a_format_declares_is_kept(read):
    empty = np.dstack([RGB, 0 * OPAQUE])
    same(read(made.png(empty, 8, made.RGBA)), empty)
    same(read(made.tiff(empty, 8, 2, extra=2)), empty)
    same(read(made.tiff(empty, 8, 2)), np.dstack([RGB, OPAQUE]))  # it declares none
    same(read(made.tiff(RGBA, 8, 2, extra=0)), np.dstack([RGBA[..., :3], OPAQUE]))


def test_premultiplied_alpha_of_tiff_is_made_straight(read):
    alpha = rng.integers(128, 256, (4, 7, 1))
    pre = np.rint(RGB * alpha / 255).astype(int)
    found = read(made.tiff(np.dstack([pre, alpha]), 8, 2, extra=1))
    same(found, np.dstack([RGB, alpha]), 2)
    grey = read(made.tiff(np.dstack([pre[..., 0], alpha]), 8, 1, extra=1))
    same(grey, np.dstack([RGB[..., :1]] * 3 + [alpha]), 2)


def adobe(levels):
    to_srgb = np.linalg.inv(made.SRGB_D50) @ made.ADOBE_D50
    return made.srgb(np.einsum("ij,hwj->hwi", to_srgb, (levels / 255) ** (563 / 256)))


def test_a_colour_profile_is_brought_to_srgb(read):
    profile = made.colour_profile(made.ADOBE_D50, 563 / 256)
    found = read(made.png(RGB, 8, made.RGB, profile=profile))
    same(found, np.dstack([adobe(RGB), OPAQUE]), 1)
    found = read(made.png(RGBA, 8, made.RGBA, profile=profile))
    same(found, np.dstack([adobe(RGBA[..., :3]), RGBA[..., 3]]), 1)
    found = read(made.tiff(RGB, 8, 2, profile=profile))
    same(found, np.dstack([adobe(RGB), OPAQUE]), 1)
    ink = read(made.png(GREY, 8, made.GREY, profile=profile))  # by rights not allowed
    same(ink, adobe(np.dstack([GREY] * 3)).mean(axis=-1), 1)
    ink = read(made.png(GREY * 257, 16, made.GREY, profile=profile))
    same(ink, adobe(np.dstack([GREY] * 3)).mean(axis=-1), 1)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_profile_of_greys_is_heeded_at_every_depth(gamma, read):
    profile = made.grey_profile(gamma)
    same(read(made.png(GREY, 8, made.GREY, profile=profile)), made.srgb((GREY / 255) ** gamma), 1)
    deep = read(made.png(DEEP, 16, made.GREY, profile=profile))
    same(deep, made.srgb((DEEP / 65535) ** gamma), 1)
    floats = read(made.tiff(DEEP / 65535, 32, 1, sample_format=3, profile=profile))
    same(floats, made.srgb((DEEP / 65535) ** gamma), 1)
    la = read(made.png(RGBA[..., 2:], 8, made.LA, profile=profile))
    same(la[..., 0], made.srgb((RGBA[..., 2] / 255) ** gamma), 1)
    same(la[..., 3], RGBA[..., 3])


def test_a_profile_of_srgb_changes_nothing(read):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same(read(made.png(RGBA, 8, made.RGBA, profile=profile)), RGBA)


def test_a_profile_that_cannot_be_used_is_passed_over(read):
    whole = made.colour_profile(made.ADOBE_D50, 2.2)
    for profile in (b"", b"no profile", whole[:150], made.grey_profile(1.0)):
        same(read(made.png(RGBA, 8, made.RGBA, profile=profile)), RGBA)
    broken = made.chunk(b"iCCP", b"p\0\0not deflated")
    same(read(made.png(RGBA, 8, made.RGBA, before=[broken])), RGBA)


def test_images_of_pil_follow_the_same_rule():
    for image in (Image.fromarray(np.dstack([GREY] * 3).astype(np.uint8)),
                  Image.fromarray(GREY.astype(np.uint16) * 257),
                  Image.fromarray((GREY / 255).astype(np.float32))):  # fmt: skip
        same(pixels_of_image(image), GREY)
    lab = Image.fromarray(RGB.astype(np.uint8)).convert("LAB")
    same(pixels_of_image(lab)[..., 3], OPAQUE[..., 0])
    premultiplied = Image.new("La", (4, 4), (100, 128))
    same(pixels_of_image(premultiplied), np.full((4, 4, 4), (199, 199, 199, 128)), 1)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint16, np.float32, np.float16])
def test_arrays_follow_the_same_rule(kind):
    top = 1 if np.dtype(kind).kind == "f" else 255
    within = 0.6 if kind is np.float16 else 0
    for values, expected in (
        (GREY, GREY),
        (GREY[..., None], GREY),
        (np.dstack([GREY] * 3), GREY),
        (np.dstack([GREY, GREY, GREY, OPAQUE]), GREY),
        (RGB, np.dstack([RGB, OPAQUE])),
        (RGBA, RGBA),
    ):
        same(pixels_of_array((values / 255 * top).round(6).astype(kind)), expected, within)


def test_arrays_may_have_a_scale():
    same(pixels_of_array(DEEP, 65535), DEEP / 257, 0.5)
    same(pixels_of_array(RGBA * 3.0, 765), RGBA)
    same(pixels_of_array(GREY > 99, 4095), (GREY > 99) * 255)


def test_floats_may_round_past_their_ends():
    nearly = (np.array([[0, 0.5, 1]]) * np.ones((3, 1)) - 1e-7) * (1 + 3e-7)
    same(pixels_of_array(nearly), np.rint(nearly * 255))
    with pytest.raises(ZooError, match="beyond 1; say"):
        pixels_of_array(nearly + 1e-4)
