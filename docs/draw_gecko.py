"""The gecko of the write-up's page: our own drawing, as code.

python docs/draw_gecko.py [FILE.png]
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 40  # cells
FINE = 16  # drawn so many times larger, then averaged down
FILE = Path(__file__).parent / "figures" / "writeup" / "gecko.png"

SKIN, BELLY, SPOT = (88, 178, 72), (150, 214, 96), (238, 150, 46)
EYE, PUPIL = (250, 232, 120), (24, 30, 24)

# Places are in cells: x to the right, y down. The body is a spine of discs (x, y, radius).
SPINE = (
    *((11.5, 8.5, 4.4), (14.5, 11.5, 3.6), (18.0, 14.5, 4.4), (21.5, 18.0, 4.8)),
    *((23.5, 22.0, 4.3), (23.5, 25.5, 3.2), (21.5, 28.8, 2.6), (18.0, 31.2, 2.3)),
    *((14.0, 32.2, 2.0), (10.4, 31.0, 1.7), (8.6, 28.2, 1.4), (9.8, 25.6, 1.2), (12.2, 25.4, 1.0)),
)
LEGS = (  # shoulder or hip, knee, foot
    ((15.5, 14.0), (10.5, 16.5), (6.0, 18.0)),
    ((17.5, 12.0), (22.0, 8.5), (21.0, 4.5)),
    ((22.0, 23.0), (16.0, 24.0), (12.0, 21.5)),
    ((24.5, 22.0), (30.0, 21.5), (32.5, 25.5)),
)
TOE, TOES = 2.3, (-55, 0, 55)  # length in cells, degrees from the direction of the shin
SPOTS = (
    (18.4, 14.6, 1.25),
    (22.0, 18.6, 1.5),
    (23.8, 23.2, 1.3),
    (20.8, 29.2, 1.0),
    (13.8, 32.2, 0.9),
)
EYES = ((8.6, 9.6), (12.6, 5.8))


def draw() -> Image.Image:
    """The gecko as straight RGBA, SIDE x SIDE."""
    image = Image.new("RGBA", (SIDE * FINE, SIDE * FINE))
    pen = ImageDraw.Draw(image)

    def disc(x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        box = [FINE * value for value in (x - radius, y - radius, x + radius, y + radius)]
        pen.ellipse(box, fill=colour)

    def limb(points: np.ndarray, radii: np.ndarray, colour: tuple[int, int, int]) -> None:
        """A chain of discs, thick enough to be one shape."""
        for (start, end), (r, s) in zip(pairwise(points), pairwise(radii), strict=True):
            for t in np.linspace(0, 1, 40):
                disc(*(start + t * (end - start)), r + t * (s - r), colour)

    for joints in LEGS:
        leg = np.array(joints)
        limb(leg, np.array([1.9, 1.4, 1.1]), SKIN)
        shin = leg[2] - leg[1]
        for degrees in TOES:
            turn = np.deg2rad(degrees)
            spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            tip = leg[2] + TOE * spin @ shin / np.linalg.norm(shin)
            limb(np.stack([leg[2], tip]), np.array([0.6, 0.85]), SKIN)
    spine = np.array(SPINE)
    limb(spine[:, :2], spine[:, 2], SKIN)
    limb(spine[:, :2], 0.55 * spine[:, 2], BELLY)
    for spot in SPOTS:
        disc(*spot, SPOT)
    for x, y in EYES:
        disc(x, y, 1.7, EYE)
        disc(x, y, 0.85, PUPIL)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


if __name__ == "__main__":
    draw().save(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
