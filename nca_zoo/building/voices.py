"""What NCAs of several pictures can be told to hear, instead of what they always do.

Apart from how such NCAs are made (together.py): to look at one loads nothing that trains.
"""

from dataclasses import dataclass

import numpy as np

from nca_zoo.automaton.record import check_array
from nca_zoo.automaton.rule import HIDDEN
from nca_zoo.automaton.signals import Circle, Floats, Told, parse_told, product
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import Zoo


@dataclass(frozen=True, eq=False)
class Voice:
    """What cells are told to hear, from when on and where: see ``Told``."""

    step: int
    s: Floats  # (d,)
    circle: Circle | None = None
    name: str = ""  # of the NCA that always hears it, if it is such a one ...
    S: Floats | None = None  # ... (128, d), how that hears
    picture: Floats | None = None  # ... (H, W, 4), what that grows


def voice_of(zoo: Zoo, text: str) -> Voice:
    """Read ``[STEP:]WHAT[@ROW,COL,RADIUS]``, where WHAT is an id of a zoo of several pictures, for
    what that NCA always hears, or numbers.

    Raises ZooError if its NCAs hear nothing, and for other numbers than they know.
    """
    step, what, circle = parse_told(text)
    ears, voices = _ears(zoo)
    d = voices.shape[1]
    if what in zoo.id:
        row = zoo.index(what)
        return Voice(step, voices[row], circle, what, ears[row], zoo.due(0, row))
    try:
        s = np.array([float(number) for number in what.split(",")], np.float32)
    except ValueError:
        s = np.zeros(0, np.float32)
    if s.shape != (d,) or not np.isfinite(s).all():
        raise ZooError(
            f"signal {text!r}: {what!r} is neither an id of {zoo.path} nor {d} numbers, which is "
            "what its NCAs hear"
        )
    return Voice(step, s, circle)


def told(zoo: Zoo, row: int, voice: Voice) -> Told:
    """What a voice is to the NCA in a row, whose own signal is part of its ``b1``.

    Raises ZooError for the voice of an NCA that hears in another way: of another fit.
    """
    S, s = _ears(zoo)
    if voice.S is not None and not np.array_equal(voice.S, S[row]):
        raise ZooError(f"{zoo.path}: {zoo.id[row]} and {voice.name} are not of one NCA")
    return Told(voice.step, product(S[row], voice.s - s[row]), voice.circle)


def voices_beside(zoo: Zoo, nca_id: str) -> dict[str, Floats]:
    """What an NCA of several pictures may hear instead, ``(128,)`` on top of ``b1``, by the ids of
    those that always hear it; empty if it hears nothing.

    Those are of its own fit: rows of one ``S``.
    """
    if not _hears(zoo):
        return {}
    row, S = zoo.index(nca_id), zoo.column("S")
    own = np.flatnonzero((S[row] == S).all(axis=(1, 2)))  # not even itself, if it hears nothing
    if not len(own):
        return {}
    (S, *_), s = _ears(zoo.subset(own))
    at = own.tolist().index(row)
    return {
        str(zoo.id[other]): product(S, s[place] - s[at])
        for place, other in enumerate(own)
        if other != row
    }


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
