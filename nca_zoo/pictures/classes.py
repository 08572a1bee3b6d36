"""What the classes of pictures are called. A name lasts; a number is one file's way to store it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError, can_be_shown, printable

MAX_CLASS = 32767  # labels are stored as int16
MOST_LETTERS = 200  # of a name
NO_CLASS = -1
LISTED = 30  # classes that an error names at most
_RANGE = re.compile(r"([0-9]{1,5})\s*(?:-\s*([0-9]{1,5}))?")


class Classes(Mapping[int, str]):
    """The names of classes by their numbers, in the order of the numbers.

    A number that has no name here is called by its digits. Raises ZooError for one name of two
    classes, for a name that is empty, too long or cannot be shown, and for numbers that cannot be
    stored.
    """

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self._names = MappingProxyType(dict(sorted((names or {}).items())))
        self._numbers = {name: number for number, name in self._names.items()}
        for number, name in self._names.items():
            if not 0 <= number <= MAX_CLASS:
                raise ZooError(f"class {number}: numbers of classes are 0 to {MAX_CLASS}")
            if not 0 < len(name) <= MOST_LETTERS or not can_be_shown(name):
                raise ZooError(
                    f"class {number} is called {name[:40]!a}; expected 1 to {MOST_LETTERS} letters "
                    "of one line"
                )
            if self._numbers[name] != number:
                raise ZooError(f"classes {number} and {self._numbers[name]} are both called {name}")

    def __getitem__(self, number: int) -> str:
        return self._names[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Classes({dict(self._names)})"

    def name(self, number: int) -> str:
        """What a class is called; nothing for ``NO_CLASS``."""
        return "" if number < 0 else self._names.get(number, str(number))

    def named(self, labels: npt.ArrayLike) -> npt.NDArray[np.str_]:
        """The names of labels of any shape."""
        numbers, place = np.unique(np.asarray(labels), return_inverse=True)
        names = np.array([self.name(int(number)) for number in numbers], np.str_)
        return names[place].reshape(np.shape(labels))

    def with_labels(self, labels: Iterable[int]) -> "Classes":
        """These classes, and those of further labels, called by their digits."""
        new = {int(n): str(n) for n in labels if n >= 0 and n not in self._names}
        return Classes({**self._names, **new}) if new else self

    def joined(self, other: "Classes") -> tuple["Classes", dict[int, int]]:
        """The classes of both, and what numbers those of ``other`` have among them.

        One name is one class. A class that is new keeps its number if that is free, or else gets
        the next after all others.
        """
        names, numbers = dict(self._names), {}
        for number, name in other.items():
            if name not in self._numbers and number in names:
                number = _free(set(names))
            numbers[other._numbers[name]] = self._numbers.get(name, number)
            names[numbers[other._numbers[name]]] = name
        return Classes(names), numbers

    def chosen(self, text: str, where: str = "here") -> tuple[int, ...]:
        """The numbers of the classes that a person names, sorted, each once.

        text: names or numbers between commas, ``"cat,fox"`` or ``"3,5,8"``, and ranges of numbers,
        ``"0-4, 9"``, of which those count that there are. A name goes before a number; letters may
        be small or large where that leaves no doubt. where: these classes are, for ``ZooError``,
        which names the piece that is none.
        """
        numbers: set[int] = set()
        for piece in (text,) if text.strip() in self._numbers else text.split(","):
            numbers.update(self._meant(piece.strip(), where))
        return tuple(sorted(numbers))

    def _meant(self, piece: str, where: str) -> Iterable[int]:
        alike = [n for n, name in self._names.items() if name.casefold() == piece.casefold()]
        if piece in self._numbers:
            return [self._numbers[piece]]
        if len(alike) == 1:
            return alike
        if match := _RANGE.fullmatch(piece):
            wanted = range(int(match[1]), int(match[2] or match[1]) + 1)
            # As long as the numbers are names, they are those classes, whatever their numbers here.
            found = [self._numbers.get(str(n), n) for n in wanted]
            if there := [number for number in found if number in self._names]:
                return there
        raise ZooError(f"no class {printable(piece)[:40]!r} {where}: {self.listed()}")

    def listed(self) -> str:
        """All of them in words, for an error."""
        if not self._names:
            return "there are none"
        words = [n if n == str(k) else f"{k} ({n})" for k, n in self._names.items()]
        more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
        return f"there are {', '.join(words[:LISTED])}{more}"


def numbered(names: Sequence[str]) -> Classes:
    """Classes of these names: by the names' own numbers if all are numbers, else counted from 0."""
    if names and all(re.fullmatch("[0-9]{1,5}", name) for name in names):
        own = {int(name): name for name in names}
        if len(own) == len(names) and max(own) <= MAX_CLASS:
            return Classes(own)
    return Classes(dict(enumerate(names)))


def _free(taken: set[int]) -> int:
    """A number that no class has: the next, or the first that is left."""
    if max(taken) < MAX_CLASS:
        return max(taken) + 1
    left = set(range(MAX_CLASS + 1)) - taken
    if not left:
        raise ZooError(f"more than {MAX_CLASS + 1} classes do not fit one zoo")
    return min(left)
