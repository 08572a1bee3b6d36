"""Names in any script: as they are stored and shown, their order, and ids that are made of them."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from anyascii import anyascii

from nca_zoo.errors import can_be_shown

MOST_IN_ID = 64  # letters of an id
NAME_BYTES = 255  # of a picture's name in UTF-8


def natural(name: str) -> tuple[list[str | int], str]:
    """What names are sorted by: numbers in them by their value. The same on every system."""
    pieces = re.split("([0-9]+)", name)
    return [int(p) if i % 2 else p for i, p in enumerate(pieces)], name


def true_name(name: str, most: int = NAME_BYTES) -> str:
    """A name in any script as it is stored and shown: composed, and in one line.

    What cannot be shown is written as an escape; of a name of more than ``most`` bytes in UTF-8 the
    beginning is kept, and a mark of the rest.
    """
    composed = unicodedata.normalize("NFC", name)
    told = "".join(c if can_be_shown(c) else ascii(c)[1:-1] for c in composed)
    if len(told.encode()) <= most:
        return told
    mark = "~" + hashlib.sha256(told.encode()).hexdigest()[:8]
    return told.encode()[: most - len(mark)].decode("utf-8", "ignore") + mark


def cleaned(name: str, most: int = 56) -> str:
    """A name in any script fit for an id: ASCII letters, digits, ``_``, ``.``, single hyphens."""
    told = re.sub(r"[^\w.]+", "-", anyascii(name)).strip("-.")
    return told[:most].strip("-.") or "picture"


def unique(ids: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The ids, with ``-2``, ``-3``... behind those that come again or are ``taken``."""
    seen, made = set(taken), []
    for name in ids:
        candidate, count = name[:MOST_IN_ID], 1
        while candidate in seen:
            count += 1
            candidate = f"{name[: MOST_IN_ID - len(str(count)) - 1]}-{count}"
        seen.add(candidate)
        made.append(candidate)
    return made
