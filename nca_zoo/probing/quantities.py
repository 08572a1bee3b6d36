"""Quantities: what a probe may read of every NCA, by name: its class, a column, a measurement.

Numbers are read by regression, names by classification. ``width``, ``slant``, ``drift`` and
``heals`` are measured here from what zoos hold, ``course`` and ``speed`` of targets that move; a
column of the file with that name goes before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import Floats, pictures, slant, stroke_width
from nca_zoo.store.schema import HEALING

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

CLASS = "class"
_NAMES = ("label", "split", "init", "status", "direction")  # whose values are names, not amounts
_NOTHING_TO_READ = ("id", "name", "picture_sha256")


@dataclass(frozen=True)
class Quantity:
    """One value for every NCA of a zoo."""

    name: str
    numeric: bool
    units: str
    values: npt.NDArray[Any]  # (N,): float64, NaN if not known; or codes of classes, -1 if none
    classes: tuple[str, ...] = ()  # what the codes stand for

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which NCAs have a value: bool ``(N,)``."""
        return np.isfinite(self.values) if self.numeric else self.values >= 0


def _ink(zoo: "Zoo") -> Floats:
    return pictures(zoo.target, zoo.target).mean(axis=-1).astype(float)


def _drift(zoo: "Zoo") -> Floats:
    """Of an NCA that has grown nothing, which nothing can lose, it is not known."""
    grown = zoo.grown.reshape(len(zoo), -1).any(axis=1)
    return np.where(grown, np.asarray(zoo.psnr_96, float) - zoo.psnr_400, np.nan)


def _heals(zoo: "Zoo") -> Floats:
    """Where the file holds only some of the shares, or none, it is not known."""
    if not set(HEALING) <= set(zoo.columns):
        return np.full(len(zoo), np.nan)
    return np.mean([zoo.column(name).astype(float) for name in HEALING], axis=0)


def _course(zoo: "Zoo") -> npt.NDArray[np.str_]:
    """Kind of motion and direction in one: ``walk +``."""
    sides = np.where(zoo.column("direction") > 0, "+", "-")
    return np.char.add(np.char.add(zoo.column("motion").astype(str), " "), sides)


# Name -> units, what it is, and how it is measured.
MEASURED: dict[str, tuple[str, str, Callable[["Zoo"], Floats]]] = {
    "width": ("pixels", "mean stroke width of the target", lambda zoo: stroke_width(_ink(zoo))),
    "slant": ("degrees", "lean of the target to the right", lambda zoo: slant(_ink(zoo))),
    "drift": ("dB", "PSNR lost between CA steps 96 and 400", _drift),
    "heals": ("", "share of all standard wounds that heal", _heals),
}


# Of targets that move: the same for names, and for numbers.
MOVES: dict[str, tuple[str, Callable[["Zoo"], npt.NDArray[Any]]]] = {
    "course": ("", _course),
    "speed": (
        "rounds per 100 CA steps",
        lambda zoo: 100 * zoo.column("cycles") / zoo.column("period"),
    ),
}


def names(zoo: "Zoo") -> tuple[str, ...]:
    """Every quantity that can be read from a zoo."""
    columns = [n for n in zoo.scalars if n not in (*_NOTHING_TO_READ, *MEASURED, *MOVES, "label")]
    moves = MOVES if "cycles" in zoo.scalars else ()
    return (CLASS, *MEASURED, *moves, *columns)


def quantity(zoo: "Zoo", name: str) -> Quantity:
    """The quantity of that name; a ``ZooError`` lists all names if there is none."""
    if name in (CLASS, "label"):
        of_class = _coded(CLASS, np.asarray(zoo.label), np.asarray(zoo.label) >= 0)
        called = tuple(zoo.classes.name(int(code)) for code in of_class.classes)
        return replace(of_class, classes=called)
    if name in MEASURED and name not in getattr(zoo, "scalars", ()):
        units, _, measure = MEASURED[name]
        return Quantity(name, True, units, measure(zoo))
    if name in MOVES and name in names(zoo) and name not in zoo.scalars:
        units, tell = MOVES[name]
        values = tell(zoo)
        numeric = values.dtype.kind == "f"
        known = np.ones(len(values), bool)
        return Quantity(name, True, units, values) if numeric else _coded(name, values, known)
    if name not in names(zoo):
        raise ZooError(f"there is nothing called {name!r} to read; choose from {_listed(zoo)}")
    values = zoo.column(name)
    units = next((column.units for column in zoo.described if column.name == name), "")
    if values.dtype.kind in "fiu" and name not in _NAMES:
        return Quantity(name, True, units, np.where(zoo.known(name), values.astype(float), np.nan))
    return _coded(name, values, zoo.known(name))


def _coded(name: str, values: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> Quantity:
    classes, codes = np.unique(values[known], return_inverse=True)
    found = np.full(len(values), -1)
    found[known] = codes
    return Quantity(name, False, "", found, tuple(map(str, classes)))


def _listed(zoo: "Zoo") -> str:
    return ", ".join(names(zoo))
