"""What must be said of a broken zoo, by its reader and by ``verify``."""

import json
from pathlib import Path

import numpy as np
import pytest

from nca_zoo.errors import ZooError
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import Zoo, open_zoo


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Every column and, as if they were columns, every attribute."""
    zoo = open_zoo(path)
    attributes = {f"@{name}": np.array(value) for name, value in header_of(zoo).items()}
    return {name: zoo.column(name) for name in zoo.columns} | attributes


def header_of(zoo: Zoo) -> dict[str, object]:
    return {
        name: value if isinstance(value, np.ndarray) else json.dumps(value)
        for name, value in zoo.attrs.items()
    }


def check_line(text: str, path: Path) -> None:
    assert text.isprintable(), repr(text)
    assert text.startswith(str(path)), text
    assert len(text) < len(str(path)) + 250, text


def check_broken(path: Path, words: str) -> None:
    """Opening, or reading some column, raises one line; so does ``verify``."""
    with pytest.raises(ZooError, match=words) as error:
        read_all(path)
    check_line(str(error.value), path)
    problems = verify(path)
    assert problems
    for problem in problems:
        check_line(problem, path)


def check_told_or_harmless(path: Path, before: dict[str, np.ndarray]) -> bool:
    """A changed file is either refused, by reader and ``verify`` alike, or reads as before."""
    problems = verify(path)
    for problem in problems:
        check_line(problem, path)
    try:
        after = read_all(path)
    except ZooError as error:
        check_line(str(error), path)
        assert problems
        return True
    assert not problems
    assert all(after[name].tobytes() == before[name].tobytes() for name in before)
    return False
