"""Pictures of every mode, depth, format, orientation and profile, drawn at random: none is silently
wrong, by what went into the file and by a second reader that shares no code with Pillow."""

import io

import encoders as made
import numpy as np
import pytest
import torch
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures.image_files import read_file

ADOBE = 563 / 256
TO_SRGB = np.linalg.inv(made.SRGB_D50) @ made.ADOBE_D50
REFUSED = None  # what is expected of numbers of unknown scale


class Draw:
    """A random picture: ``file``, and the straight RGBA ``(H, W, 4)`` that it shows, 0 to 255."""

    def __init__(self, number):
        self.rng = np.random.default_rng(number)
        self.shape = tuple(self.rng.integers(3, 12, 2))
        self.orientation = int(self.rng.integers(1, 9))
        self.suffix = ""
        self.what = str(self.rng.choice(sorted(KINDS)))
        self.file, self.shown = KINDS[self.what](self)

    def any_of(self, *values):
        return values[self.rng.integers(len(values))]

    def samples(self, bits, channels=None):
        shape = self.shape if channels is None else (*self.shape, channels)
        return self.rng.integers(0, 2**bits, shape)

    def stored(self, upright):
        return made.stored(upright, self.orientation)


def grey(levels, alpha=None):
    return np.dstack([levels] * 3 + [np.full(levels.shape, 255) if alpha is None else alpha])


def colour(levels, alpha=None):
    return np.dstack([levels, np.full(levels.shape[:2], 255) if alpha is None else alpha])


def png_grey(draw):
    bits, gamma = draw.any_of(1, 2, 4, 8, 16), draw.any_of(None, None, 1.0, 1.8)
    samples = draw.samples(bits)
    clear = draw.any_of(None, samples[1, 1])
    profile = None if gamma is None else made.grey_profile(gamma)
    gone = None if clear is None else [clear]
    file = made.png(draw.stored(samples), bits, made.GREY, profile=profile, clear=gone,
                    orientation=draw.orientation)  # fmt: skip
    share = samples / (2**bits - 1)
    shown = share * 255 if gamma is None else made.srgb(share**gamma)
    return file, grey(shown, None if clear is None else np.where(samples == clear, 0, 255))


def png_colour(draw):
    bits, kind = draw.any_of((8, made.RGB), (16, made.RGB), (8, made.RGBA), (16, made.RGBA))
    samples = draw.samples(bits, 3 if kind == made.RGB else 4)
    clear = draw.any_of(None, samples[1, 1]) if kind == made.RGB else None
    adobe = draw.any_of(False, True)
    profile = made.colour_profile(made.ADOBE_D50, ADOBE) if adobe else None
    file = made.png(draw.stored(samples), bits, kind, clear=clear, profile=profile,
                    orientation=draw.orientation)  # fmt: skip
    if bits == 16 and clear is not None:
        return file, REFUSED
    share = samples / (2**bits - 1)
    rgb = share[..., :3] * 255
    if adobe:  # of 8 bits, as Pillow keeps no more
        levels = samples[..., :3] // (1 if bits == 8 else 256) / 255
        rgb = made.srgb(np.einsum("ij,hwj->hwi", TO_SRGB, levels**ADOBE))
    if kind == made.RGBA:
        return file, colour(rgb, share[..., 3] * 255)
    gone = None if clear is None else np.where((samples == clear).all(axis=-1), 0, 255)
    return file, colour(rgb, gone)


def png_grey_alpha(draw):
    bits = draw.any_of(8, 16)
    samples = draw.samples(bits, 2)
    file = made.png(draw.stored(samples), bits, made.LA, orientation=draw.orientation)
    share = samples / (2**bits - 1) * 255
    return file, grey(share[..., 0], share[..., 1])


def png_palette(draw):
    bits = draw.any_of(1, 2, 4, 8)
    samples, palette = draw.samples(bits), draw.rng.integers(0, 256, (2**bits, 3))
    clear = draw.any_of(None, draw.rng.integers(0, 256, 2**bits))
    file = made.png(draw.stored(samples), bits, made.PALETTE, palette=palette, clear=clear,
                    orientation=draw.orientation)  # fmt: skip
    return file, colour(palette[samples], None if clear is None else clear[samples])


def tiff_grey(draw):
    bits, sample_format = draw.any_of((8, 1), (16, 1), (16, 2), (32, 1), (32, 2), (32, 3), (12, 1))
    samples = draw.samples(bits - (sample_format == 2))
    beyond = False
    if sample_format == 3:
        beyond = draw.any_of(False, False, True)
        samples = draw.rng.random(draw.shape) * (300 if beyond else 1)
        samples[1, 1] = 2 if beyond else samples[1, 1]
    little = bits == 12 or (bits, sample_format) == (32, 1)  # the others Pillow does not open
    order = "<" if little else draw.any_of("<", ">")
    turned = (bits, sample_format, order) in {(8, 1, "<"), (8, 1, ">"), (16, 1, "<"), (32, 3, "<")}
    photometric = draw.any_of(0, 1) if turned else 1
    file = made.tiff(draw.stored(samples), bits, photometric, sample_format=sample_format,
                     order=order, orientation=draw.orientation)  # fmt: skip
    if beyond or sample_format == 2 or (bits, sample_format) == (32, 1):
        return file, REFUSED
    share = samples / (1 if sample_format == 3 else 2**bits - 1)
    return file, grey(255 * (share if photometric else 1 - share))


def tiff_colour(draw):
    bits, extra = draw.any_of(8, 16), draw.any_of("none", 0, 2)
    samples = draw.samples(bits, 3 if extra == "none" else 4)
    file = made.tiff(draw.stored(samples), bits, 2, extra=None if extra == "none" else extra,
                     order=draw.any_of("<", ">"), orientation=draw.orientation)  # fmt: skip
    levels = samples / (2**bits - 1) * 255
    return file, colour(levels[..., :3], levels[..., 3] if extra == 2 else None)


def bmp(draw):
    samples = draw.samples(8, draw.any_of(3, 4))
    if filling := samples.shape[-1] == 4 and draw.any_of(False, True):
        samples[..., 3] = 0
    alpha = samples[..., 3] if samples.shape[-1] == 4 and not filling else None
    return made.bmp(samples), colour(samples[..., :3], alpha)


def tga(draw):
    draw.suffix = ".tga"
    channels = draw.any_of(None, 3, 4)
    samples = draw.samples(8, channels)
    if channels is None:
        return made.tga(samples), grey(samples)
    return made.tga(samples), colour(samples[..., :3], samples[..., 3] if channels == 4 else None)


def pnm(draw):
    most, channels = draw.any_of(255, 1000, 65535), draw.any_of(None, 3)
    samples = draw.rng.integers(0, most + 1, draw.samples(1, channels).shape)
    shown = samples / most * 255
    return made.pnm(samples, most), grey(shown) if channels is None else colour(shown)


def pfm(draw):
    samples = draw.rng.random(draw.shape)
    return made.pfm(samples), grey(samples * 255)


def qoi(draw):
    samples = draw.samples(8, 3)
    return made.qoi(samples), colour(samples)


def by_pillow(draw):
    """Formats that only a library writes, without loss; what they show is known all the same."""
    kind, mode = draw.any_of(("webp", "RGB"), ("webp", "RGBA"), ("gif", "L"), ("jp2", "L"),
                             ("jp2", "RGB"), ("jp2", "RGBA"), ("jp2", "I;16"),
                             ("pcx", "L"), ("sgi", "RGB"), ("ico", "RGBA"))  # fmt: skip
    samples = draw.samples(16 if mode == "I;16" else 8, {"RGB": 3, "RGBA": 4}.get(mode))
    kept = {"webp": {"lossless": True, "exact": True}, "ico": {"sizes": [draw.shape[::-1]]}}
    exif = kind == "webp"
    upright = draw.stored(samples) if exif else samples
    image = Image.fromarray(np.ascontiguousarray(upright, "u2" if mode == "I;16" else "u1"))
    file = io.BytesIO()
    options = {"exif": made.exif(draw.orientation)} if exif else {}
    image.save(file, {"jp2": "JPEG2000"}.get(kind, kind), **kept.get(kind, {}), **options)
    if mode in ("L", "I;16"):
        return file.getvalue(), grey(samples / (257 if mode == "I;16" else 1))
    return file.getvalue(), colour(samples[..., :3], samples[..., 3] if mode == "RGBA" else None)


KINDS = {
    f.__name__: f
    for f in (png_grey, png_colour, png_grey_alpha, png_palette, tiff_grey, tiff_colour, bmp, tga,
              pnm, pfm, qoi, by_pillow)
}  # fmt: skip


def as_rgba(pixels):
    return grey(pixels) if pixels.ndim == 2 else pixels


def check(number, folder):
    """One picture: as it went in, or refused in one line that tells the range."""
    draw = Draw(number)
    path = folder / f"{number}{draw.suffix}"
    path.write_bytes(draw.file)
    try:
        read = as_rgba(read_file(path)).astype(float)
    except ZooError as error:
        assert draw.shown is REFUSED, f"{draw.what} {number}: {error}"
        assert len(str(error).splitlines()) == 1
        return draw, None
    assert draw.shown is not REFUSED, f"{draw.what} {number} is read, and nobody knows its scale"
    assert read.shape == draw.shown.shape, f"{draw.what} {number}"
    assert np.abs(read - draw.shown).max() <= 1, f"{draw.what} {number}"
    return draw, read


@pytest.mark.parametrize("first", [0, 60])
def test_pictures_of_any_kind(first, tmp_path):
    kinds = {check(number, tmp_path)[0].what for number in range(first, first + 60)}
    assert len(kinds) > 7


@pytest.mark.wide
@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")  # torchvision 0.29
def test_five_hundred_pictures_and_a_second_reader(tmp_path):
    refused = seconded = 0
    for number in range(1000, 1500):
        draw, read = check(number, tmp_path)
        refused += read is None
        if read is not None and draw.what.startswith("png") and b"iCCP" not in draw.file:
            from torchvision.io import ImageReadMode, decode_image  # which takes seconds

            data = torch.frombuffer(bytearray(draw.file), dtype=torch.uint8)
            second = decode_image(data, ImageReadMode.RGB, apply_exif_orientation=True)
            full = 1 if second.dtype == torch.uint8 else 257
            apart = second.permute(1, 2, 0).numpy() / full - read[..., :3]
            assert np.abs(apart).max() <= 1, f"{draw.what} {number}"
            seconded += 1
    assert refused > 20
    assert seconded > 80
