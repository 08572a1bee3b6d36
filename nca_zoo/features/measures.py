"""Pictures as vectors and as measurements: what can be known of an NCA without its weights.

Pictures are ``(N, H, W, C)`` float32 in [0, 1], one channel for each group of channels of the
targets that say the same.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import VISIBLE

Vectors = npt.NDArray[np.float32]
ByteImages = npt.NDArray[np.uint8]  # (N, H, W, 4), premultiplied RGBA
Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

INKED = 0.5  # a pixel counts as inside the stroke from half of its picture's strongest ink


def informative_channels(target: ByteImages) -> list[list[int]]:
    """The channels of targets ``(N, H, W, 4)`` that say something, copies grouped together.

    Channels that are equal in every target form one group; a channel with one value everywhere
    says nothing and is left out. Grey ink gives ``[[0, 1, 2, 3]]``, opaque grey ``[[0, 1, 2]]``,
    colours with transparency ``[[0], [1], [2], [3]]``.
    """
    groups: list[list[int]] = []
    for channel in range(VISIBLE):
        values = target[..., channel]
        if values.size and values.min() == values.max():
            continue
        for group in groups:
            if np.array_equal(values, target[..., group[0]]):
                group.append(channel)
                break
        else:
            groups.append([channel])
    return groups or [list(range(VISIBLE))]


def pictures(images: ByteImages, target: ByteImages) -> Vectors:
    """Images ``(N, H, W, 4)`` as ``(N, H, W, C)``: one channel per informative group of targets."""
    channels = [images[..., group].mean(-1) for group in informative_channels(target)]
    return np.stack(channels, axis=-1).astype(np.float32) / np.float32(255)


def centre_on(
    pictures: Vectors, rows: Ints, cols: Ints, margin: tuple[int, int] = (0, 0)
) -> Vectors:
    """Move cell ``(rows[i], cols[i])`` of picture i to the middle of the grid, ``(H//2, W//2)``.

    pictures: ``(N, H, W, C)``; rows, cols: ``(N,)``; margin: cells that are added to the grid on
    each side first. Cells that come from beyond the border are zero, cells that leave the grid with
    its margin are lost.
    """
    beyond = ((0, 0), *((side, side) for side in margin), (0, 0))
    pictures = np.pad(pictures, beyond)
    height, width = pictures.shape[1:3]
    rows, cols = np.asarray(rows, int) + margin[0], np.asarray(cols, int) + margin[1]
    from_row = np.arange(height) + (rows - height // 2)[:, None]  # (N, H)
    from_col = np.arange(width) + (cols - width // 2)[:, None]  # (N, W)
    inside = ((from_row >= 0) & (from_row < height))[:, :, None] & (
        (from_col >= 0) & (from_col < width)
    )[:, None, :]
    picture = np.arange(len(pictures))[:, None, None]
    moved = pictures[
        picture,
        from_row.clip(0, height - 1)[:, :, None],
        from_col.clip(0, width - 1)[:, None, :],
    ]
    return moved * inside[..., None].astype(np.float32)


def wide_enough(grid: tuple[int, int], rows: Ints, cols: Ints) -> tuple[int, int]:
    """The margin in which no cell is lost when cells ``(rows, cols)`` come to the middle."""
    away = (np.abs(np.asarray(at, int) - n // 2) for at, n in zip((rows, cols), grid, strict=True))
    height, width = (int(far.max(initial=0)) for far in away)
    return height, width


def stroke_width(ink: Floats) -> Floats:
    """Mean width of the strokes of pictures ``(N, H, W)``, in pixels; NaN if one is empty.

    Across a long bar of an even width w, the distances of inked pixels to the nearest pixel without
    ink are 1, 2, ..., w/2, w/2, ..., 1, with a mean of ``(w + 2) / 4``: hence ``4 mean - 2``.
    Pixels beyond the border have no ink.
    """
    from scipy.ndimage import distance_transform_edt

    widths = np.full(len(ink), np.nan)
    for i, picture in enumerate(ink):
        inside = np.pad(_inked(picture), 1)
        if inside.any():
            widths[i] = 4 * distance_transform_edt(inside)[inside].mean() - 2
    return widths


@dataclass(frozen=True)
class Moments:
    """Moments of the ink of N pictures, each ``(N,)``; NaN where there is none."""

    mass: Floats
    row: Floats  # of the centre of mass
    col: Floats
    row_variance: Floats
    covariance: Floats  # of rows and columns


def moments(ink: Floats) -> Moments:
    """Mass, centre and spread of the ink of pictures ``(N, H, W)``, in pixels."""
    rows, cols = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(float)
    mass = ink.sum(axis=(1, 2))
    share = ink / np.where(mass > 0, mass, np.nan)[:, None, None]
    row, col = (share * rows).sum(axis=(1, 2)), (share * cols).sum(axis=(1, 2))
    y, x = rows - row[:, None, None], cols - col[:, None, None]
    return Moments(
        mass, row, col, (share * y * y).sum(axis=(1, 2)), (share * x * y).sum(axis=(1, 2))
    )


def slant(ink: Floats) -> Floats:
    """How far strokes of pictures ``(N, H, W)`` lean to the right, in degrees; NaN if not known.

    The angle of the shear that makes rows and columns of the ink uncorrelated: 0 upright, 45 if
    each row stands one pixel right of the row below. By moments, as MNIST is commonly deskewed.
    """
    of = moments(ink)
    lean = -of.covariance / np.where(of.row_variance > 0, of.row_variance, np.nan)
    return np.degrees(np.arctan(lean))


def extent(ink: Floats) -> Floats:
    """How large the drawings of pictures ``(N, H, W)`` are, in pixels; NaN where there is no ink.

    The root mean square distance of the ink from its centre.
    """
    of = moments(ink)
    columns = moments(ink.swapaxes(1, 2))
    return np.sqrt(of.row_variance + columns.row_variance)


def _inked(picture: Floats) -> npt.NDArray[np.bool_]:
    return (picture > 0) & (picture >= INKED * picture.max())
