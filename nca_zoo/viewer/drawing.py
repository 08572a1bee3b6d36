"""A drawing: RGBA cells that a brush paints and erases, with undo. Knows nothing of windows."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from nca_zoo.ground.files import make_folder, published
from nca_zoo.pictures.image_files import Pixels, read_file

UNDO_STEPS = 100
Place = tuple[float, float]  # row and column in cells; cell 0 reaches from 0 to 1


class Drawing:
    """``pixels``: straight RGBA ``(H, W, 4)``, uint8, transparent at first."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self._past: list[Pixels] = []
        self._future: list[Pixels] = []

    @classmethod
    def blank(cls, size: int) -> "Drawing":
        """An empty drawing of ``size`` x ``size`` cells."""
        return cls(np.zeros((size, size, 4), np.uint8))

    @classmethod
    def opened(cls, path: Path, size: int | None, scale: float | None = None) -> "Drawing":
        """A picture file, scaled to ``size`` x ``size``; grey is white paint, as for training."""
        pixels = read_file(path, size, scale)
        if pixels.ndim == 2:
            white = np.full((*pixels.shape, 3), 255, np.uint8)
            pixels = np.concatenate([white, pixels[..., None]], axis=-1)
        return cls(pixels.copy())

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn."""
        return not self.pixels[..., 3].any()

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def begin(self) -> None:
        """What follows, up to the next ``begin``, is one thing to undo."""
        self._past = [*self._past, self.pixels.copy()][-UNDO_STEPS:]
        self._future.clear()

    def undo(self) -> bool:
        """Take the last thing back; False if there is none."""
        return self._swap(self._past, self._future)

    def redo(self) -> bool:
        """Do again what was taken back last; False if there is nothing."""
        return self._swap(self._future, self._past)

    def _swap(self, source: list[Pixels], other: list[Pixels]) -> bool:
        if not source:
            return False
        other.append(self.pixels)
        self.pixels = source.pop()
        return True

    def stroke(
        self, start: Place, end: Place, colour: tuple[int, int, int, int], radius: float
    ) -> None:
        """Set every cell whose centre is within ``radius`` cells of the line to ``colour``.

        The cells under both ends are always set. Alpha 0 erases.
        """
        paint = np.array(colour if colour[3] else (0, 0, 0, 0), np.uint8)
        self.pixels[self._near(start, end, radius)] = paint

    def clear(self) -> None:
        """Erase everything."""
        self.pixels[:] = 0

    def _near(self, start: Place, end: Place, radius: float) -> npt.NDArray[np.bool_]:
        height, width = self.pixels.shape[:2]
        rows, cols = np.ogrid[:height, :width]
        (row, col), along = start, np.subtract(end, start)
        down, right = rows + 0.5 - row, cols + 0.5 - col  # from the start to the cells' centres
        length = float(along @ along)
        share = np.clip((down * along[0] + right * along[1]) / length, 0, 1) if length else 0.0
        near = (down - share * along[0]) ** 2 + (right - share * along[1]) ** 2 <= radius**2
        for place in (start, end):
            cell = int(np.floor(place[0])), int(np.floor(place[1]))
            if 0 <= cell[0] < height and 0 <= cell[1] < width:
                near[cell] = True
        return np.asarray(near)

    def save(self, path: Path) -> None:
        """Write a PNG with alpha; a file appears whole or not at all."""
        make_folder(path.parent)
        with published(path) as part:
            Image.fromarray(self.pixels).save(part, format="PNG")
