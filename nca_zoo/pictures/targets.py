"""From a picture to what an NCA should grow: an RGBA target, and the cell it grows from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nca_zoo import choices
from nca_zoo.automaton.rule import ALIVE_THRESHOLD, ALPHA, TRAINED, VISIBLE, compared
from nca_zoo.automaton.seeds import HALF_INK, lit_cells
from nca_zoo.errors import ZooError

Pixels = npt.NDArray[np.uint8]
Rgba = npt.NDArray[np.float32]

SMALLEST = 3  # cells a side: the rule looks at 3 x 3


@dataclass(frozen=True)
class TargetSettings:
    """How a picture becomes a target.

    alpha: ``ink`` makes what is drawn alive and the background dead: a grey picture's ink is its
        alpha, in white; an RGBA picture keeps its own. ``opaque``, the write-up's convention, lays
        the picture on black with alpha 1 everywhere, so that every cell lives.
    seed_at: ``ink`` seeds the lit cell nearest the centre, so that the first cells live where the
        target does; ``center`` seeds cell ``(H // 2, W // 2)``, whatever is there.
    visible: ``rgba`` trains all four visible channels; ``grey`` alpha alone, for pictures whose
        four are equal: what is drawn in white ink on nothing.
    """

    alpha: Literal["ink", "opaque"] = "ink"
    seed_at: Literal["ink", "center"] = "ink"
    visible: Literal["rgba", "grey"] = "rgba"

    def __post_init__(self) -> None:
        allowed_values = (
            ("alpha", choices.ALPHAS),
            ("seed_at", choices.SEEDS_AT),
            ("visible", choices.VISIBLE),
        )
        for name, allowed in allowed_values:
            if getattr(self, name) not in allowed:
                raise ZooError(
                    f"{name} is {getattr(self, name)!r}; it must be {' or '.join(allowed)}"
                )
        if self.visible == "grey" and self.alpha == "opaque":
            raise ZooError(
                "visible grey makes alpha the picture, so alpha cannot be opaque (writeup's "
                "default): use --alpha ink"
            )

    @property
    def trained(self) -> int:
        """How many of the visible channels are trained, from the last: see ``rule.seen``."""
        return TRAINED[self.visible]

    def as_dict(self) -> dict[str, str]:
        """The settings as plain values, for the zoo file.

        ``visible`` only where it is not ``rgba``: zoos from before there was a choice go on.
        """
        values = asdict(self)
        if self.visible == "rgba":
            del values["visible"]
        return values


@dataclass(frozen=True, eq=False)
class Target:
    """What one NCA should grow, and from where."""

    rgba: Rgba  # (H, W, 4) in [0, 1], RGB premultiplied by alpha, all multiples of 1/255
    seed_row: int
    seed_col: int
    channels: int = VISIBLE  # how many of RGBA are trained, from the last

    @property
    def trained(self) -> Rgba:
        """What training compares a state with: ``(H, W, channels)``."""
        return self.rgba[..., compared(self.channels)]


def make_target(pixels: Pixels, settings: TargetSettings = TargetSettings()) -> Target:
    """The target of a picture: ``(H, W)`` ink or ``(H, W, 4)`` straight RGBA, uint8.

    Raises ZooError for a picture of fewer than 3 x 3 pixels, for an empty one, whose ink (or
    alpha) is nowhere above the alive threshold of 0.1, and with visible grey for anything but white
    ink: colours, black, or an opaque background.
    """
    _check(pixels)
    levels = _premultiplied(pixels)
    ink = levels[..., ALPHA].copy()
    if ink.max() <= 255 * ALIVE_THRESHOLD:
        raise ZooError(
            f"the picture is empty: its strongest ink (or alpha) is {ink.max()} of 255, and cells "
            f"live above {int(255 * ALIVE_THRESHOLD)}; leave it out"
        )
    if settings.alpha == "opaque":
        levels[..., ALPHA] = 255
    if settings.visible == "grey" and (levels != levels[..., ALPHA:]).any():
        raise ZooError(
            "the picture is not white ink on nothing, which is all that visible grey shows: use "
            "--visible rgba, or save it as greyscale, white on black"
        )
    height, width = ink.shape
    row, col = _seed_on(ink) if settings.seed_at == "ink" else (height // 2, width // 2)
    return Target(restored(levels), row, col, settings.trained)


def common_seed(targets: Sequence[Target]) -> tuple[int, int]:
    """A seed cell for targets of one size: of those that most of them light, the central one."""
    lit = np.sum([target.rgba[..., ALPHA] >= HALF_INK for target in targets], axis=0)
    return _seed_on(np.where(lit == lit.max(), 255, 0).astype(np.uint8))


def stored(rgba: npt.NDArray[np.floating]) -> Pixels:
    """Values as they are stored, uint8: clipped to [0, 1] and rounded to 1/255; NaN becomes 0."""
    return np.rint(np.clip(np.nan_to_num(rgba), 0, 1) * 255).astype(np.uint8)


def restored(levels: Pixels) -> Rgba:
    """Values in [0, 1], float32, from uint8: undoes ``stored``."""
    return levels.astype(np.float32) / np.float32(255)


def _check(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (4,)):
        raise ValueError(
            f"expected uint8 pixels (H, W) or (H, W, 4), found {pixels.dtype} {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise ZooError(
            f"the picture is {width} x {height} pixels; it must be {SMALLEST} x {SMALLEST} or more"
        )


def _premultiplied(pixels: Pixels) -> Pixels:
    """Premultiplied RGBA ``(H, W, 4)``, rounded to whole levels; ink is white paint."""
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], VISIBLE, axis=-1)
    alpha = pixels[..., ALPHA:].astype(np.int32)
    colour = (pixels[..., :ALPHA] * alpha + 127) // 255  # the nearest level: there are no ties
    return np.concatenate([colour, alpha], axis=-1).astype(np.uint8)


def _seed_on(ink: Pixels) -> tuple[int, int]:
    """The cell nearest the centre among those with at least half ink, or else the most.

    Of cells equally near, the uppermost, and then the leftmost.
    """
    height, width = ink.shape
    lit = lit_cells(restored(ink))
    rows, cols = np.ogrid[:height, :width]
    twice_away = (2 * rows - (height - 1)) ** 2 + (2 * cols - (width - 1)) ** 2
    nearest = int(np.where(lit, twice_away, np.iinfo(np.int64).max).argmin())
    return nearest // width, nearest % width
