"""Films: targets that move, from animated files, folders of frames, or one picture and a motion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from nca_zoo.automaton.rule import ALIVE_THRESHOLD, ALPHA, compared
from nca_zoo.errors import ZooError
from nca_zoo.pictures.folders import pictures_in
from nca_zoo.pictures.image_files import image_size, is_animated, read_files, read_frames
from nca_zoo.pictures.levels import Pixels
from nca_zoo.pictures.motions import FILM, MORPH, Motion, MotionSettings, morphed, moved
from nca_zoo.pictures.sources import Picture, Source, lone_picture
from nca_zoo.pictures.targets import Rgba, Target, TargetSettings, common_seed, make_target

MOST_TIMES = 64  # equal times that a film of frames of unequal length is divided into


@dataclass(frozen=True, eq=False)
class Film:
    """A target that moves: what is due in each of F equal parts of its period."""

    frames: Rgba  # (F, H, W, 4), as a ``Target`` has them
    motion: Motion
    period: int  # CA steps
    clocked: bool  # whether cells hear the phase
    channels: int  # how many of RGBA are trained, from the last

    def due(self, step: int) -> Rgba:
        """The frame ``(H, W, 4)`` that is due at a CA step."""
        return self.frames[step % self.period * len(self.frames) // self.period]

    @property
    def trained(self) -> Rgba:
        """What training compares states with: ``(F, H, W, channels)``."""
        return self.frames[..., compared(self.channels)]


def is_film(path: Path) -> bool:
    """Whether a path is a folder of frames or an animated file."""
    return path.is_dir() or is_animated(path)


def film_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of an image file, or of the first in a folder of frames."""
    return image_size(_frames_in(path)[0] if path.is_dir() else path)


def load_film(
    path: Path, size: int | None = None, scale: float | None = None
) -> tuple[Source, Picture]:
    """An animated file (GIF, APNG, WebP), or a folder of frames in natural order, as one picture.

    Its ``frames`` are of equal time: one of twice the time comes twice. Its id is the file's or
    folder's name. Pixels, ``size`` and ``scale`` as for ``load_picture``. Raises ZooError for a
    folder without pictures, for one frame alone, and for frames of different sizes.
    """
    if path.is_dir():
        found = read_files(_frames_in(path), size, scale)
        for one in found:
            if isinstance(one, ZooError):
                raise one
        frames = [one for one in found if isinstance(one, np.ndarray)]
    else:
        timed = read_frames(path, size, scale)
        frames = of_equal_time([pixels for pixels, _ in timed], [ms for _, ms in timed])
    if len(frames) < 2:
        raise ZooError(f"{path} holds one frame; a film has two or more")
    frames = _alike(frames)
    source, picture = lone_picture(frames[0], path)
    return source, replace(picture, frames=tuple(frames))


def _frames_in(folder: Path) -> list[Path]:
    paths = pictures_in(folder)
    if not paths:
        raise ZooError(
            f"{folder} holds no frames: expected image files, in the order of their names"
        )
    return paths


def of_equal_time(frames: Sequence[Pixels], durations: Sequence[int]) -> list[Pixels]:
    """Frames repeated until all last equally long, or seen at ``MOST_TIMES`` even times."""
    ends = list(accumulate(durations))
    n = ends[-1] // math.gcd(*durations)
    n = n if n <= max(MOST_TIMES, len(frames)) else MOST_TIMES
    begins = [k * ends[-1] // n for k in range(n)]
    return [frames[int(np.searchsorted(ends, begin, side="right"))] for begin in begins]


def _alike(frames: Sequence[Pixels]) -> list[Pixels]:
    """All ink, or all straight RGBA if one of them is."""
    if all(frame.ndim == 2 for frame in frames):
        return list(frames)
    return [
        frame if frame.ndim == 3 else np.dstack([frame] * 3 + [np.full_like(frame, 255)])
        for frame in frames
    ]


def film_of(
    picture: Picture, target: Target, look: TargetSettings, motion: MotionSettings, key: int
) -> tuple[Film, Target]:
    """How a picture moves, and its target with a seed that most frames light.

    target: that of the picture by ``look``; key: decides what is drawn. The first frame is the
    target. Raises ZooError, naming the picture, for a frame of which nothing would live.
    """
    if motion.motion == FILM:
        frames = np.stack([_grown_from(frame, picture, look) for frame in picture.frames])
    elif motion.motion == MORPH:
        _, other = picture.frames
        frames = morphed(target.rgba, _grown_from(other, picture, look), motion.period)
    else:
        return in_motion(target, motion, picture.source_index, key, look, picture.id)
    return _filmed(frames, motion.of(picture.source_index, key), target, motion, look, picture.id)


def in_motion(
    target: Target,
    motion: MotionSettings,
    turn: int,
    key: int,
    look: TargetSettings,
    name: str = "a picture",
) -> tuple[Film, Target]:
    """How a target moves, and itself with a seed that most frames light.

    turn, key: decide what is dealt out and drawn, as in ``MotionSettings.of``. name: whose target
    it is, for errors.
    """
    told = motion.of(turn, key)
    frames = moved(target.rgba, told, motion.period, look.alpha == "opaque")
    return _filmed(frames, told, target, motion, look, name)


def _filmed(
    frames: Rgba,
    told: Motion,
    target: Target,
    motion: MotionSettings,
    look: TargetSettings,
    name: str,
) -> tuple[Film, Target]:
    empty = frames[..., ALPHA].max(axis=(1, 2)) <= ALIVE_THRESHOLD
    if empty.any():
        raise ZooError(
            f"{name}: frame {int(empty.argmax()) + 1} of {len(frames)} is empty, and an NCA "
            "of which nothing is left cannot come back; leave such frames out"
        )
    if look.seed_at == "ink":
        row, col = common_seed([replace(target, rgba=frame) for frame in frames])
        target = replace(target, seed_row=row, seed_col=col)
    clocked = motion.clock == "phase"
    return Film(frames, told, motion.period, clocked, target.channels), target


def _grown_from(pixels: Pixels, picture: Picture, look: TargetSettings) -> Rgba:
    try:
        return make_target(pixels, look).rgba
    except ZooError as error:
        raise ZooError(f"{picture.id}: a frame: {error}") from None


def paired(one: Picture, other: Picture) -> Picture:
    """A picture that is to become another and come back; raises ZooError for other sizes."""
    (height, width), there = one.pixels.shape[:2], other.pixels.shape[:2]
    if there != (height, width):
        raise ZooError(
            f"{one.id} is {width} x {height} cells and {other.id} {there[1]} x {there[0]}: one can "
            "become the other if their sizes are one; give --size"
        )
    return replace(one, frames=tuple(_alike([one.pixels, other.pixels])))
