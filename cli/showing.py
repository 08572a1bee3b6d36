"""What `nca-zoo show` draws of NCAs, and says of them."""

import shutil
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_zoo.ground.progress import counted

from .options import progress

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.viewer.frames import Pixels, Reel

    from .course import Course, States


def findings(ncas: "Zoo", scores: list[float | None]) -> list[dict[str, Any]]:
    """What a program is told of each."""
    rows = zip(ncas.id.tolist(), ncas.status.tolist(), scores, strict=True)
    return [{"id": name, "status": status, "psnr": score} for name, status, score in rows]


def in_words(
    ncas: "Zoo", course: "Course", step: int, scores: list[float | None], grid: bool
) -> str:
    """What a person is told of all."""
    known = [score for score in scores if score is not None]
    if not known:
        return ""
    whose = None if course.last is None else f"that of {course.last.id[0]}"
    if not grid:
        against = whose or "its target"
        return f"{ncas.id[0]} at step {step}: PSNR {known[0]:.1f} dB against {against}"
    against = whose or "their targets"
    return (
        f"{len(known)} NCA{'s' * (len(known) > 1)} at step {step}: PSNR against {against} "
        f"{statistics.median(known):.1f} dB in the median, {min(known):.1f} dB at the least"
    )


def side_by_side(
    ncas: "Zoo", course: "Course", steps: int, shown: set[int], columns: int, background: str
) -> tuple["Reel", list[float | None]]:
    """The film of many NCAs, and the score of the last picture of each."""
    import numpy as np

    from nca_zoo.viewer.frames import ContactFilm, Panel, composite, seeds_in

    panels, scores = [], []
    with progress("roll out", " NCAs") as advance:
        for row in counted(range(len(ncas)), len(ncas), advance):
            states = course.states(ncas, row, steps, shown)
            scores.append(course.score(ncas, row, states))
            cells = composite(np.stack([state for _, state in states]), background)
            known = len(states) == 1 and scores[-1] is not None  # a film's last is of another frame
            right = f"{scores[-1]:.1f} dB" if known else ""
            panels.append(Panel(cells, ncas.id[row], right, seeds_in(states)))
    return ContactFilm(
        [step for step, _ in states], panels, ncas.path.name, columns, background
    ), scores


def picture_of(kind: str, still: bool, states: "States", look: dict[str, Any]) -> "Reel | Pixels":
    """A film of one NCA, or of its channels; of a file that stands still a strip or a table."""
    from nca_zoo.viewer.channels import ChannelFilm, channel_table
    from nca_zoo.viewer.frames import Film, strip

    if kind == "channels":
        return channel_table(states, **look) if still else ChannelFilm(states, **look)
    return strip(states, **look) if still else Film(states, **look)


def play_here(states: "States", look: dict[str, Any], fps: int) -> None:
    """Play them in the terminal."""
    from nca_zoo.viewer.terminal import Abilities, Screen, play

    abilities = Abilities.of(sys.stdout)
    size = shutil.get_terminal_size()
    screen = Screen(**look, colour=abilities.colour, size=(size.columns, size.lines))
    play((screen.draw(*pair) for pair in states), fps, sys.stdout, abilities.animate)


def write(out: Path, picture: "Reel | Pixels", fps: int) -> None:
    """Write the file, by its ending."""
    from nca_zoo.viewer.frames import Reel
    from nca_zoo.viewer.video import write_gif, write_mp4, write_png

    if not isinstance(picture, Reel):
        write_png(out, picture)
    elif out.suffix.lower() == ".png":
        write_png(out, picture[-1])
    else:
        write_film = write_gif if out.suffix.lower() == ".gif" else write_mp4
        with progress(out.name, " frames") as advance:
            write_film(out, picture, fps, advance)
