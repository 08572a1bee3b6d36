"""The one exception and the one warning that reach a person, and how they quote others."""

import difflib
import unicodedata
from collections.abc import Iterable

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of letters, line breaks
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # that turn text round


class ZooError(Exception):
    """Something a person can put right: its text is one line that says what is wrong, what was
    expected and what to do. The command line prints it and exits with 1."""


class DiskError(ZooError):
    """The disk refuses a file: full, read-only or not ours."""


class ZooWarning(UserWarning):
    """Something a person should know and need not put right: one line, as of ``ZooError``."""


def can_be_shown(text: str) -> bool:
    """Whether a text in any script is harmless in a terminal: one line, read as it is written."""
    return not any(unicodedata.category(c) in _CONTROLS or c in _TURNS for c in text)


def printable(text: str) -> str:
    """``text`` with a question mark for every letter that must not reach a terminal."""
    return "".join(letter if can_be_shown(letter) else "?" for letter in text)


def one_line(error: BaseException) -> str:
    """What another library says is wrong, as one short line that can be shown."""
    return printable(" ".join(str(error).split()).strip("'\"")[:120]) or type(error).__name__


def nearest(name: str, names: Iterable[str]) -> str:
    """``"; the nearest are ..."``: three at most that begin with it or are like it; or nothing."""
    known = [str(one) for one in names]
    begin = [one for one in known if name and one.startswith(name)]
    near = list(dict.fromkeys([*begin, *difflib.get_close_matches(name, known, 3, 0.5)]))[:3]
    return f"; the nearest are {', '.join(near)}" if near else ""
