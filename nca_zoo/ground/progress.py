"""How far some work is: one way to tell it, for all that takes long."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

Progress = Callable[[int, int], None]  # what is done, and all of it, in one unit


def silent(done: int, total: int) -> None:
    """Nobody listens."""


def stage(progress: Progress, number: int, of: int) -> Progress:
    """Stage ``number``, from 0, of ``of`` equal ones, as part of the whole."""
    return lambda done, total: progress(number * total + done, of * total)


def counted(items: Iterable[Item], total: int, progress: Progress) -> Iterator[Item]:
    """The items, of which there are ``total``; tells of each once it has been worked on."""
    for done, item in enumerate(items, start=1):
        yield item
        progress(done, total)
