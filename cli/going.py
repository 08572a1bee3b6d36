"""Work that takes long, from the command line: with a bar, and so that the same line goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import read_archive, write_archive
from nca_zoo.ground.interrupts import heeded

from .options import progress_bar

if TYPE_CHECKING:
    from nca_zoo.networks.end_to_end import EndToEnd
    from nca_zoo.training.rooms import Rooms

SAVED_EVERY = 100  # training steps
MOST_STATE = 1 << 28  # bytes of what going on needs


@contextmanager
def stoppable(
    safe: Callable[[], int], of: int, what: str, where: Path
) -> Iterator[Callable[[], None]]:
    """Ends the command at Ctrl-C, and says how many (``what``) of all are not to be done again.

    Yields what is to be called for each that is done: it ends the command if Python lost the signal
    (``heeded``).
    """
    try:
        with heeded() as heed:
            yield heed
    except KeyboardInterrupt:
        done = safe()
        kept = f"{done} of {of} {what}s are safe in {where}; the same command goes on from there."
        click.echo(f"Stopped: {kept}" if done else f"Stopped before any {what} was safe.", err=True)
        raise SystemExit(1) from None


def learn_on(lessons: "EndToEnd | Rooms", out: Path, made_by: str) -> None:
    """Take all training steps of a course; until then, what going on needs lies beside ``out``.

    made_by: the command, for errors. Raises ZooError if what lies there is of something else.
    """
    course, told = lessons.course, lessons.told
    beside = out.with_name(f"{out.name}.going")
    if beside.exists():
        state, of = read_archive(beside, "half-done training", made_by, MOST_STATE)
        if of != told:
            raise ZooError(
                f"{beside} is of a training begun in another way; go on with the same options, or "
                "remove the file"
            )
        lessons.go_on(state)

    def safe() -> int:
        return lessons.taken // SAVED_EVERY * SAVED_EVERY

    bar = progress_bar(total=course.steps, initial=lessons.taken, unit="step")
    with stoppable(safe, course.steps, "training step", beside) as heed, bar as shown:
        while lessons.taken < course.steps:
            heed()
            losses = lessons.step()
            shown.set_postfix_str(f"loss {losses[0]:.4f}", refresh=False)
            shown.update()
            if lessons.taken % SAVED_EVERY == 0:
                write_archive(beside, told, lessons.state, compressed=False)
    beside.unlink(missing_ok=True)
