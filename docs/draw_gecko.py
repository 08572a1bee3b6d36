"""Our own gecko, drawn by code: as it sits on the write-up's page, and as it walks.

python docs/draw_gecko.py            # figures/writeup/gecko.png and figures/walking-gecko.gif
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SIDE = 40  # cells
FINE = 16  # drawn so many times larger, then averaged down
FIGURES = Path(__file__).parent / "figures"
SITTING, WALKING = FIGURES / "writeup" / "gecko.png", FIGURES / "walking-gecko.gif"
FRAMES, FRAME_MS, ENLARGED = 32, 30, 4  # of a round; pixels a cell, as a GIF's have no soft edges

SKIN, BELLY, SPOT = (88, 178, 72), (150, 214, 96), (238, 150, 46)
EYE, PUPIL = (250, 232, 120), (24, 30, 24)
THIGH, TOE = (1.9, 1.4, 1.1), (0.6, 0.85)  # radii of legs and toes, in cells
REACH, TOES = 2.3, (-55, 0, 55)  # of a toe: length in cells, degrees from the direction of the shin

Places = npt.NDArray[np.float64]  # (..., 2)


@dataclass(frozen=True)
class Pose:
    """Where its parts are, in cells: x to the right, y down. Discs are x, y and radius."""

    spine: Places  # (n, 3), discs from the snout to the tip of the tail
    legs: Places  # (4, 3, 2), shoulder or hip, knee, foot
    spots: Places  # (5, 3), discs
    eyes: Places  # (2, 2)


SITS = Pose(
    spine=np.array(
        (
            *((11.5, 8.5, 4.4), (14.5, 11.5, 3.6), (18.0, 14.5, 4.4), (21.5, 18.0, 4.8)),
            *((23.5, 22.0, 4.3), (23.5, 25.5, 3.2), (21.5, 28.8, 2.6), (18.0, 31.2, 2.3)),
            *((14.0, 32.2, 2.0), (10.4, 31.0, 1.7), (8.6, 28.2, 1.4), (9.8, 25.6, 1.2)),
            (12.2, 25.4, 1.0),
        )
    ),
    legs=np.array(
        (
            ((15.5, 14.0), (10.5, 16.5), (6.0, 18.0)),
            ((17.5, 12.0), (22.0, 8.5), (21.0, 4.5)),
            ((22.0, 23.0), (16.0, 24.0), (12.0, 21.5)),
            ((24.5, 22.0), (30.0, 21.5), (32.5, 25.5)),
        )
    ),
    spots=np.array(
        (
            *((18.4, 14.6, 1.25), (22.0, 18.6, 1.5), (23.8, 23.2, 1.3)),
            *((20.8, 29.2, 1.0), (13.8, 32.2, 0.9)),
        )
    ),
    eyes=np.array(((8.6, 9.6), (12.6, 5.8))),
)

# It walks on the spot, along the diagonal. Places on its axis are in cells, ahead being positive;
# MIDDLE is that of the frame. Every part swings aside, a share of the round after the snout.
HEADING, MIDDLE = np.array((-1.0, -1.0)) / np.sqrt(2), -2.3
SPINE = (  # place, radius, swing, lag
    *((16.5, 3.8, 0.9, 0.0), (13.5, 4.3, 0.7, 0.0), (10.0, 3.3, 0.5, 0.05), (6.0, 4.1, 0.5, 0.45)),
    *((1.0, 4.7, 1.1, 0.5), (-4.0, 4.2, 0.5, 0.55), (-8.0, 3.1, 1.0, 0.9), (-12.0, 2.5, 2.0, 1.0)),
    *((-16.0, 2.1, 3.0, 1.15), (-19.5, 1.7, 3.8, 1.3), (-22.5, 1.2, 4.3, 1.4)),
)
SPOTTED = ((6.0, 1.25), (1.0, 1.5), (-4.0, 1.3), (-10.5, 1.0), (-16.5, 0.9))  # place, radius
EYED = (14.8, 3.5)  # place, to each side
STRIDE, LIFT = 2.5, 1.0  # of a foot: to and fro, and outward while it is in the air
LEGS = (  # shoulder or hip, knee ahead of it, foot ahead of it; side; when it is farthest ahead
    *((6.0, -1.8, 1.0, -1, 0.0), (6.0, -1.8, 1.0, 1, 0.5)),
    *((-4.5, 1.8, -1.4, -1, 0.5), (-4.5, 1.8, -1.4, 1, 0.0)),
)
SPREAD = (2.0, 6.2, 9.6)  # of shoulder, knee and foot from the axis


def walks(share: float) -> Pose:
    """How it is at a share of its round: legs step in diagonal pairs, spine and tail swing."""
    along, radius, swing, lag = np.array(SPINE).T
    aside = swing * np.sin(2 * np.pi * (share - lag))

    def at(place: npt.ArrayLike, from_axis: npt.ArrayLike = 0.0) -> Places:
        """Cells of a place on the axis, where the spine is there and so far to its side."""
        there = np.interp(place, along[::-1], aside[::-1]) + from_axis
        across = np.array((-HEADING[1], HEADING[0]))
        ahead = np.asarray(place) - MIDDLE
        return SIDE / 2 + np.multiply.outer(ahead, HEADING) + np.multiply.outer(there, across)

    legs = []
    for root, knee, foot, side, first in LEGS:
        phase = 2 * np.pi * (share - first)
        forth, lifted = STRIDE * np.cos(phase), LIFT * max(0.0, -np.sin(phase))
        ahead = root + np.array((0, knee + forth / 3, foot + forth))
        spread = np.array(SPREAD) + np.array((0, lifted / 2, lifted))
        legs.append(at(ahead, side * spread))
    place, size = np.array(SPOTTED).T
    return Pose(
        spine=np.column_stack([at(along), radius]),
        legs=np.array(legs),
        spots=np.column_stack([at(place), size]),
        eyes=at(np.full(2, EYED[0]), (-EYED[1], EYED[1])),
    )


def draw(pose: Pose = SITS) -> Image.Image:
    """The gecko as straight RGBA, SIDE x SIDE."""
    return painted(pose, FINE).resize((SIDE, SIDE), Image.Resampling.BOX)


def walk() -> list[Image.Image]:
    """The frames of a round, several pixels a cell: a fit scales them to its cells."""
    return [painted(walks(number / FRAMES), ENLARGED) for number in range(FRAMES)]


def painted(pose: Pose, fine: int) -> Image.Image:
    """The gecko, so many pixels a cell, in few colours and with hard edges."""
    image = Image.new("RGBA", (SIDE * fine, SIDE * fine))
    pen = ImageDraw.Draw(image)

    def disc(x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        box = [fine * value for value in (x - radius, y - radius, x + radius, y + radius)]
        pen.ellipse(box, fill=colour)

    def limb(points: Places, radii: npt.ArrayLike, colour: tuple[int, int, int]) -> None:
        """A chain of discs, thick enough to be one shape."""
        for (start, end), (r, s) in zip(pairwise(points), pairwise(np.array(radii)), strict=True):
            for t in np.linspace(0, 1, 40):
                disc(*(start + t * (end - start)), r + t * (s - r), colour)

    for leg in pose.legs:
        limb(leg, THIGH, SKIN)
        shin = leg[2] - leg[1]
        for degrees in TOES:
            turn = np.deg2rad(degrees)
            spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            tip = leg[2] + REACH * spin @ shin / np.linalg.norm(shin)
            limb(np.stack([leg[2], tip]), TOE, SKIN)
    limb(pose.spine[:, :2], pose.spine[:, 2], SKIN)
    limb(pose.spine[:, :2], 0.55 * pose.spine[:, 2], BELLY)
    for spot in pose.spots:
        disc(*spot, SPOT)
    for x, y in pose.eyes:
        disc(x, y, 1.7, EYE)
        disc(x, y, 0.85, PUPIL)
    return image


if __name__ == "__main__":
    draw().save(SITTING)
    first, *others = walk()
    first.save(WALKING, save_all=True, append_images=others, duration=FRAME_MS, loop=0, disposal=2)
