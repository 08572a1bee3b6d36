"""A writer: from a picture to the weights of an NCA that grows it, in one pass, with no training.

It is linear: the picture, moved so that its seed cell is in the middle of a window, is described by
how much of each of K patterns is in it, and each pattern has its own change of the weights. How one
is learnt is for ``nca_zoo.networks.writing``.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import read_archive, write_archive
from nca_zoo.ground.arithmetic import total
from nca_zoo.pictures.targets import Target

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
MAX_WRITER_BYTES = 1 << 26
MADE_BY = "nca-zoo writer learn"


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes weights ``(P,)`` for pictures of C channels, of which it sees a window."""

    base: Floats  # (P,), what it writes for the mean picture
    mean: Floats  # (h, w, C), the mean picture, its seed at (h // 2, w // 2)
    patterns: Halves  # (K, h, w, C); what they find has a variance of 1 over the pictures learnt
    changes: Halves  # (K, P), of the weights, for 1 of each pattern
    recipe: dict[str, Any]  # how it was learnt, and how the NCAs that it learnt from run

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.mean.shape[0], self.mean.shape[1]

    @property
    def visible(self) -> str:
        """What is seen of the NCAs that it writes: see ``TargetSettings``."""
        return "grey" if self.recipe.get("visible") == "grey" else "rgba"

    @cached_property
    def digest(self) -> str:
        """16 hex digits that stand for what it writes."""
        parts = (self.base, self.mean, self.patterns, self.changes)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def weights(self, target: Target) -> Floats:
        """Weights ``(P,)`` for a target; the same bits on every machine.

        Of a target larger than the window what lies outside is not seen. Raises ZooError if it has
        other channels.
        """
        trained = target.trained
        if trained.shape[-1] != self.mean.shape[-1]:
            raise ZooError(
                f"this writer was learnt from NCAs that show {self.visible}, and this picture has "
                f"{trained.shape[-1]} channels to grow; use --visible {self.visible}"
            )
        seen = around(trained, target.seed_row, target.seed_col, self.grid)
        patterns = self.patterns.astype(np.float32) * (seen - self.mean)
        found = total(patterns.reshape(len(patterns), -1))
        return self.base + total(found[:, None] * self.changes.astype(np.float32), axis=0)


def around(picture: Floats, row: int, col: int, grid: tuple[int, int]) -> Floats:
    """The window ``(h, w, C)`` of a picture ``(H, W, C)`` whose middle is cell ``(row, col)``.

    Beyond the picture is nothing: zeros.
    """
    up, left = grid[0] // 2, grid[1] // 2
    padded = np.pad(picture, [(up, grid[0] - up), (left, grid[1] - left), (0, 0)])
    return padded[row : row + grid[0], col : col + grid[1]]


def save_writer(path: Path, writer: Writer) -> None:
    """Write a writer file."""
    names = ("base", "mean", "patterns", "changes")
    arrays = {name: getattr(writer, name) for name in names}
    write_archive(path, writer.recipe, arrays, compressed=True)


def read_writer(path: Path) -> Writer:
    """The writer of a file of ``save_writer``; raises ZooError for any other file."""
    arrays, recipe = read_archive(path, "writer file", MADE_BY, MAX_WRITER_BYTES)
    wrong = f"{path}: not a writer file of `{MADE_BY}`"
    window = arrays["mean"].shape if "mean" in arrays else ()
    k = len(arrays["patterns"]) if "patterns" in arrays and arrays["patterns"].ndim else 0
    expected = {
        "base": (np.float32, (rule.N_PARAMS,)),
        "mean": (np.float32, window),
        "patterns": (np.float16, (k, *window)),
        "changes": (np.float16, (k, rule.N_PARAMS)),
    }
    for name, (dtype, shape) in expected.items():
        if name not in arrays:
            raise ZooError(f"{wrong}: it holds no {name}")
        held = arrays[name]
        if held.dtype != dtype or held.shape != shape:
            raise ZooError(f"{wrong}: {name} are {held.dtype} {held.shape}")
        if not np.isfinite(held).all():
            raise ZooError(f"{wrong}: {name} are not finite")
    if len(window) != 3 or not k or window[-1] not in (1, rule.VISIBLE):
        raise ZooError(f"{wrong}: mean are {window}, and {k} patterns")
    return Writer(**{name: arrays[name] for name in expected}, recipe=recipe)
