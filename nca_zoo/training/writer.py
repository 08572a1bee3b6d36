"""A writer: from a picture to the weights of an NCA that grows it, in one pass, with no training.

The picture, moved so that its seed cell is in the middle of a window, is described by how much of
each of K patterns is in it. From that follows, straight and through H rectified units, how much of
each of R changes its weights are to have. Without units it is linear. Changes may be of some
tensors alone: the others are then one rule for all that it writes. One whose changes are of the
hidden bias writes a code: R numbers that NCAs of one rule hear as a signal. One for films also sees
how the whole of a film swings, and writes how the cells hear a clock. How one is learnt is for
``nca_zoo.networks``.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.signals import B1, HANDS
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import read_archive, write_archive
from nca_zoo.ground.arithmetic import total
from nca_zoo.pictures.motions import SWINGS, swings
from nca_zoo.pictures.targets import Rgba, Target

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes = npt.NDArray[np.int8]
MAX_WRITER_BYTES = 1 << 26
MADE_BY = "nca-zoo writer learn"
CLOCK = slice(rule.N_PARAMS, rule.N_PARAMS + rule.HIDDEN * HANDS)  # in what one for films writes


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes weights ``(P,)`` for pictures of C channels, of which it sees a window.

    One for films writes n = P + 128 x HANDS numbers, else n is P.
    """

    base: Floats  # (n,), to which the changes are added
    mean: Floats  # (h, w, C), the mean picture, its seed at (h // 2, w // 2)
    patterns: Halves  # (K, h, w, C), or of 1 channel that holds for all C
    into: Halves  # (H, K + M), from what was found to the hidden units ...
    bias: Floats  # (H,) ... and theirs
    mix: Halves  # (R, K + M + H), from what was found, and the units, to how much of each change
    changes: Bytes  # (R, n), of the weights; a row times its scale
    scales: Floats  # (R,)
    recipe: dict[str, Any]  # how it was learnt, and how the NCAs that it learnt from run
    # (M,), what of each of a film's `swings` counts as 1; of one for stills M is 0
    swings: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.mean.shape[0], self.mean.shape[1]

    @property
    def visible(self) -> str:
        """What is seen of the NCAs that it writes: see ``TargetSettings``."""
        return "grey" if self.recipe.get("visible") == "grey" else "rgba"

    @property
    def for_films(self) -> bool:
        """Whether it writes for targets that move, and cells that hear a clock."""
        return len(self.swings) > 0

    @cached_property
    def digest(self) -> str:
        """16 hex digits that stand for what it writes."""
        parts = (getattr(self, name) for name in (*ARRAYS, *OF_FILMS))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    @cached_property
    def touched(self) -> tuple[str, ...]:
        """The tensors that its changes are of; the others are the base's in all that it writes."""
        parts = rule.param_slices().items()
        return tuple(name for name, part in parts if self.changes[:, part].any())

    @cached_property
    def S(self) -> Floats | None:
        """How the cells of all that it writes hear their codes, ``(128, R)``, if its changes are of
        ``b1`` alone: ``weights`` are then ``heard(base, S, code)``, but for rounding."""
        if self.touched != ("b1",):
            return None
        return (self.scales * self.changes[:, B1].T).astype(np.float32)

    def weights(self, target: Target) -> Floats:
        """Weights ``(P,)`` for a target; the same bits on every machine. Raises as ``shares``."""
        return self.begins(target)[0]

    def begins(self, target: Target, film: Rgba | None = None) -> tuple[Floats, Floats | None]:
        """Weights ``(P,)``, and of one for films how their cells hear a clock, ``(128, HANDS)``.

        film: the frames ``(F, H, W, 4)``, of which the target is the first. Raises as ``shares``.
        """
        scaled = (self.shares(target, film) * self.scales)[:, None]
        written: Floats = self.base + total(scaled * self.changes.astype(np.float32), axis=0)
        if not self.for_films:
            return written, None
        return written[: rule.N_PARAMS], written[CLOCK].reshape(rule.HIDDEN, HANDS)

    def shares(self, target: Target, film: Rgba | None = None) -> Floats:
        """How much of each change the weights for a target have, ``(R,)``: its code.

        Of a target larger than the window what lies outside is not seen. Raises ZooError if it has
        other channels, and for a still where it writes for films.
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
        if self.for_films:
            if film is None:
                raise ZooError("this writer writes for targets that move, and this is a still")
            found = np.concatenate([found, swings(film) / self.swings])
        units = np.maximum(total(self.into.astype(np.float32) * found) + self.bias, 0)
        return total(self.mix.astype(np.float32) * np.concatenate([found, units]))


ARRAYS = ("base", "mean", "patterns", "into", "bias", "mix", "changes", "scales")
OF_FILMS = ("swings",)  # arrays that files of writers for stills have none of


def in_bytes(
    rows: npt.NDArray[np.floating], kind: npt.DTypeLike = np.int8
) -> tuple[npt.NDArray[Any], Floats]:
    """Rows ``(N, n)`` as small integers, and what 1 of each row is worth, ``(N,)``."""
    levels = np.float32(np.iinfo(kind).max)
    largest = np.abs(rows).max(axis=1).astype(np.float32)
    scales = np.maximum(largest, np.finfo(np.float32).tiny * levels) / levels
    return np.rint(rows / scales[:, None]).astype(kind), scales


def around(picture: Floats, row: int, col: int, grid: tuple[int, int]) -> Floats:
    """The window ``(h, w, C)`` of a picture ``(H, W, C)`` whose middle is cell ``(row, col)``.

    Beyond the picture is nothing: zeros.
    """
    up, left = grid[0] // 2, grid[1] // 2
    padded = np.pad(picture, [(up, grid[0] - up), (left, grid[1] - left), (0, 0)])
    return padded[row : row + grid[0], col : col + grid[1]]


def save_writer(path: Path, writer: Writer) -> None:
    """Write a writer file."""
    held = (*ARRAYS, *OF_FILMS) if writer.for_films else ARRAYS
    arrays = {name: getattr(writer, name) for name in held}
    write_archive(path, writer.recipe, arrays, compressed=True)


def read_writer(path: Path, made_by: str = MADE_BY) -> Writer:
    """The writer of a file of ``save_writer``; raises ZooError for any other file.

    made_by: the command that makes such a file, for the error.
    """
    arrays, recipe = read_archive(path, "writer file", made_by, MAX_WRITER_BYTES)
    wrong = f"{path}: not a writer file of `{made_by}`"
    for name in ARRAYS:
        if name not in arrays:
            raise ZooError(f"{wrong}: it holds no {name}")
    window = arrays["mean"].shape
    if len(window) != 3 or not min(window) or window[-1] not in (1, rule.VISIBLE):
        raise ZooError(f"{wrong}: mean are {window}")
    m = SWINGS if OF_FILMS[0] in arrays else 0
    n = CLOCK.stop if m else rule.N_PARAMS
    k, h, r = (len(np.atleast_1d(arrays[name])) for name in ("patterns", "bias", "scales"))
    channels = 1 if arrays["patterns"].shape[3:] == (1,) else window[-1]
    expected = {
        "base": (np.float32, (n,)),
        "mean": (np.float32, window),
        "patterns": (np.float16, (k, *window[:2], channels)),
        "into": (np.float16, (h, k + m)),
        "bias": (np.float32, (h,)),
        "mix": (np.float16, (r, k + m + h)),
        "changes": (np.int8, (r, n)),
        "scales": (np.float32, (r,)),
        **({"swings": (np.float32, (m,))} if m else {}),
    }
    for name, (dtype, shape) in expected.items():
        held = arrays[name]
        if held.dtype != dtype or held.shape != shape:
            raise ZooError(f"{wrong}: {name} are {held.dtype} {held.shape}")
        if not np.isfinite(held).all():
            raise ZooError(f"{wrong}: {name} are not finite")
    if not (k and r):
        raise ZooError(f"{wrong}: it has {k} patterns and {r} changes")
    return Writer(**{name: arrays[name] for name in expected}, recipe=recipe)
