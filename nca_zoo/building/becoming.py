"""NCAs that become others while they live: states go on, and the weights are another's.

Which weights is told by an id, or, where several pictures are grown by one rule, by a signal: who
hears what another always hears is that one. What grows then stands where its own seed stood.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nca_zoo.automaton.record import check_array
from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import Circle, Floats, Told, heard, parse_told
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import Zoo

Goal = Floats | Callable[[int], Floats]  # a picture (H, W, 4), or what is due at a CA step


@dataclass(frozen=True, eq=False)
class Becoming:
    """From a CA step on, cells live as another NCA, or hear what none may always hear."""

    step: int
    circle: Circle | None = None  # row, column and radius of the cells; all unless given
    other: Zoo | None = None  # the NCA that they become, alone
    s: Floats | None = None  # (d,), what they hear; None: they take all weights of the other

    def told(self, zoo: Zoo, row: int) -> Told:
        """What it is to the NCA in a row of a zoo.

        Raises ZooError for the signal of an NCA that hears in another way, of another fit, and for
        the weights of one that shows other channels, or fires at another rate.
        """
        if self.other is not None:
            self._check(self.other, zoo, row)
        if self.s is not None:  # what the NCA in the row always hears is part of its b1
            S, s = _ears(zoo)
            weights = heard(zoo.weights[row], S[row], self.s - s[row])
            return Told(self.step, weights, self.circle)
        assert self.other is not None
        return Told(self.step, self.other.weights[0], self.circle, self.other.signal([0]))

    def _check(self, other: Zoo, zoo: Zoo, row: int) -> None:
        if self.s is not None:
            if not np.array_equal(other.column("S")[0], zoo.column("S")[row]):
                raise ZooError(f"{zoo.path}: {zoo.id[row]} and {other.id[0]} are not of one NCA")
        elif (other.trained, other.fire_rate) != (zoo.trained, zoo.fire_rate):
            raise ZooError(
                f"{zoo.id[row]} cannot become {other.id[0]}, which shows other channels or fires "
                "at another rate; name one of a zoo that was built alike"
            )


def hearing(zoo: Zoo, text: str) -> Becoming:
    """Read ``[STEP:]WHAT[@ROW,COL,RADIUS]``, where WHAT is an id of a zoo of several pictures, for
    what that NCA always hears, or numbers.

    Raises ZooError if its NCAs hear nothing, and for other numbers than they know.
    """
    step, what, circle = parse_told(text)
    d = _ears(zoo)[1].shape[1]
    if what in zoo.id:
        other = zoo.subset([zoo.index(what)])
        return Becoming(step, circle, other, _ears(other)[1][0])
    try:
        s = np.array([float(number) for number in what.split(",")], np.float32)
    except ValueError:
        s = np.zeros(0, np.float32)
    if s.shape != (d,) or not np.isfinite(s).all():
        raise ZooError(
            f"signal {text!r}: {what!r} is neither an id of {zoo.path} nor {d} numbers, which is "
            "what its NCAs hear"
        )
    return Becoming(step, circle, s=s)


def taking(zoo: Zoo, text: str) -> Becoming:
    """Read ``[STEP:]ID[@ROW,COL,RADIUS]``: whose weights are taken, all of them.

    Raises ZooError for an id that the zoo does not hold.
    """
    step, what, circle = parse_told(text, numbers=False)
    return Becoming(step, circle, zoo.subset([zoo.index(what)]))


def last_of(becoming: Sequence[Becoming]) -> Zoo | None:
    """Who all cells are in the end, alone; None if they stay what they were."""
    others = _others(becoming)
    return others[-1].other if others else None


def goal(zoo: Zoo, row: int, becoming: Sequence[Becoming]) -> Goal:
    """What the NCA in a row is to look like: its picture, or that of whom all cells have become,
    moved with the seed that they grew from."""
    own, others = zoo.goal(row), _others(becoming)
    if not others:
        return own
    seed = int(zoo.seed_row[row]), int(zoo.seed_col[row])

    def due(now: int) -> Floats:
        begun = [one.other for one in others if one.step < now and one.other is not None]
        if not begun:
            return own(now) if callable(own) else own
        last = begun[-1]
        down, right = seed[0] - int(last.seed_row[0]), seed[1] - int(last.seed_col[0])
        return _moved(last.due(now, 0), down, right)

    return due


def _others(becoming: Sequence[Becoming]) -> list[Becoming]:
    """Those that make all cells another NCA, in their order."""
    whole = [one for one in becoming if one.other is not None and one.circle is None]
    return sorted(whole, key=lambda one: one.step)


def _moved(picture: Floats, down: int, right: int) -> Floats:
    """A picture ``(H, W, C)`` moved by so many cells; beyond its border is nothing."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, [(height, height), (width, width), (0, 0)])
    return padded[height - down :, width - right :][:height, :width]


def weights_beside(zoo: Zoo, nca_id: str) -> dict[str, Floats]:
    """The weights ``(P,)`` of those that an NCA of several pictures becomes as it hears what they
    hear, by their ids; empty if it hears nothing.

    Those are of its own fit: rows of one ``S``.
    """
    if not _hears(zoo):
        return {}
    row, S = zoo.index(nca_id), zoo.column("S")
    own = np.flatnonzero((S[row] == S).all(axis=(1, 2)))  # not even itself, if it hears nothing
    if not len(own):
        return {}
    alike, at = zoo.subset(own), own.tolist().index(row)
    (S, *_), s = _ears(alike)
    named = zip(alike.id.tolist(), s, strict=True)
    return {name: heard(zoo.weights[row], S, one - s[at]) for name, one in named if name != nca_id}


def rules_of(zoo: Zoo) -> list[int | None] | None:
    """Of which rule each NCA is, by a number, if they hear signals: those of one can become each
    other while they live. None for what hears nothing."""
    if not _hears(zoo):
        return None
    rules: dict[bytes, int] = {}
    S = zoo.column("S")
    return [rules.setdefault(one.tobytes(), len(rules)) if np.isfinite(one).all() else None
            for one in S]  # fmt: skip


def _hears(zoo: Zoo) -> bool:
    """Whether it says what its NCAs always hear; of some of them that may still be nothing."""
    return {"S", "s"} <= set(zoo.columns)


def _ears(zoo: Zoo) -> tuple[Floats, Floats]:
    """S ``(N, 128, d)`` and s ``(N, d)`` of NCAs that always hear a signal."""
    if not _hears(zoo):
        raise ZooError(
            f"{zoo.path}: its NCAs hear no signal that could be another; nca-zoo fit A.png B.png "
            "makes one that does, and build --code many"
        )
    S, s = zoo.column("S"), zoo.column("s")
    try:
        check_array("S", S, (len(zoo), HIDDEN, None), np.float32)
        check_array("s", s, (len(zoo), S.shape[2]), np.float32)
    except ValueError as error:
        raise ZooError(f"{zoo.path}: {error}") from None
    if not (np.isfinite(S).all() and np.isfinite(s).all()):
        raise ZooError(f"{zoo.path}: some of these NCAs hear no signal; name those that do")
    return S, s
