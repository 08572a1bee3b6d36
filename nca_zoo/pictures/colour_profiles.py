"""Colours as sRGB, whatever space a picture's profile (ICC) says that they are in."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

EXACT = ImageCms.Flags.NOOPTIMIZE  # the shortcuts of LittleCMS are wrong by up to 10 levels
SPACES = {"GRAY": ("L", "I;16"), "RGB": ("RGB",), "CMYK": ("CMYK",)}
ROUNDING = 1  # levels; a profile that moves none by more is sRGB, and the pixels stay as they are


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """``image`` of mode L, I;16, RGB or CMYK as L or RGB of sRGB, or as it is.

    A profile that is damaged or for another kind of picture is no profile.
    """
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "I;16":
            image = Image.fromarray(eight_bits(np.asarray(image)))
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if image.mode not in SPACES.get(space, ()):
            return image
        srgb = ImageCms.createProfile("sRGB")
        seen: Any = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB", flags=EXACT)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    if space == "GRAY":
        seen = seen.getchannel("G")
    return image if seen.mode == image.mode and _alike(seen, image) else seen


def eight_bits(levels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Levels of 0 to 65535 as the nearest of 0 to 255."""
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _alike(one: Image.Image, other: Image.Image) -> bool:
    apart = np.asarray(one).astype(np.int16) - np.asarray(other)
    return int(np.abs(apart).max()) <= ROUNDING
