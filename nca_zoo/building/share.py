"""One machine's share of a build: every n-th picture, in a file of its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nca_zoo.errors import ZooError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share:
    """Share ``number``, from 1, of ``of``: picture ``number``, ``number + of``, ... of the build.

    The shares of a build have no picture in common and together have all. Taking every n-th spreads
    the classes evenly, and with them the work: a thin digit is fitted faster than a thick one.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ZooError(
                f"--part {self.number}/{self.of}: the first number is from 1 to {self.of}"
            )

    def take(self, items: Sequence[Item]) -> Sequence[Item]:
        """This share of the pictures; raises ZooError if there is none for it."""
        if self.number > len(items):
            raise ZooError(
                f"--part {self.number}/{self.of}: there are only {len(items)} pictures; "
                "use no more parts than that"
            )
        return items[self.number - 1 :: self.of]

    def file(self, out: Path) -> Path:
        """Where this share is written if the whole goes to ``out``: ``zoo-part-03-of-16.h5``."""
        number = f"{self.number:0{len(str(self.of))}d}"
        return out.with_name(f"{out.stem}-part-{number}-of-{self.of}{out.suffix}")


def parse_share(text: str) -> Share:
    """Read ``3/16``, the third of 16 shares.

    >>> parse_share("3/16")
    Share(number=3, of=16)
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    if match is None:
        raise ZooError(f"--part {text!r} is not understood; write 3/16 for the third of 16 parts")
    return Share(int(match[1]), int(match[2]))
