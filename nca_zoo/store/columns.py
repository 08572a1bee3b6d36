"""What a column is: its type and shape, where it comes from, what stands for a missing value."""

import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError, can_be_shown, one_line

NEW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
MOST_LETTERS = 1 << 16  # bytes of a text
MOST_TRIED = 300  # integers that might stand for a missing value

Sizes = Mapping[str, int]  # grid height "H", grid width "W", points of the loss curve "L"
Texts = npt.NDArray[np.str_]

ANY_LENGTH = "O"  # the type of a column of texts of any length, as h5py stores lists of `str`


@dataclass(frozen=True)
class Column:
    """One dataset of the file: a value for each of the N NCAs.

    A size in ``shape`` is a number or the name of one of ``Sizes``. ``low`` and ``high`` bound the
    values, both included; of floating-point columns only in rows whose status is ok. ``inside``
    names a size that the values stay below. With ``or_unknown`` NaN is allowed in every row: what
    nobody recorded of an NCA that was trained elsewhere. What is ``optional`` may be missing from a
    file, a text also empty: zoos that were written before it was thought of have none.

    ``origin``: ``schema``, if the format knows it; ``added``, if it was left by ``zoo.add`` or a
    command, which then say in ``made_by``, ``made_with`` and ``made`` how, with which version and
    when; ``foreign``, if another program wrote it into the file. ``missing`` stands for the value
    of a row that has none; None: that of its kind (``fill``).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] = ()
    units: str = ""
    description: str = ""
    low: float = -np.inf
    high: float = np.inf
    inside: str = ""
    or_unknown: bool = False
    optional: bool = False
    origin: Literal["schema", "added", "foreign"] = "added"
    missing: Any = None
    made_by: str = ""
    made_with: str = ""
    made: str = ""

    def row_shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Shape of one row in a zoo of these sizes."""
        return tuple(sizes[size] if isinstance(size, str) else size for size in self.shape)

    def row_bytes(self, sizes: Sizes) -> int:
        """Bytes of one row in a zoo of these sizes; of a text of any length, of its address."""
        return math.prod(self.row_shape(sizes)) * np.dtype(self.dtype).itemsize

    @property
    def is_text(self) -> bool:
        return np.dtype(self.dtype).kind in "SO"

    @property
    def is_float(self) -> bool:
        return np.dtype(self.dtype).kind == "f"

    @property
    def fill(self) -> Any:
        """What a row holds that has no value: ``missing``, or that of its kind.

        NaN, no text, False, the lowest signed and the highest unsigned integer of the type.
        """
        if self.missing is not None:
            return self.missing
        kind = np.dtype(self.dtype).kind
        if kind in "iu":
            limits = np.iinfo(self.dtype)
            return limits.min if kind == "i" else limits.max
        return {"f": np.nan, "b": False}.get(kind, b"")


def decoded(values: npt.NDArray[Any]) -> Texts:
    """Texts ``(N, ...)`` as they lie in a file, UTF-8 bytes, as ``str``."""
    if values.dtype == object:
        return np.array([bytes(value).decode("utf-8", "replace") for value in values], np.str_)
    try:
        return values.astype(np.str_)  # ASCII, as all texts of the schema are
    except UnicodeDecodeError:
        return np.char.decode(values, "utf-8", "replace")


def encoded(texts: Texts, column: Column) -> npt.NDArray[Any]:
    """What ``decoded`` undoes: UTF-8 bytes as they lie in a file."""
    if column.dtype == ANY_LENGTH:
        return np.array([text.encode() for text in texts.tolist()], object)
    return np.char.encode(texts, "utf-8").astype(column.dtype)


def in_common(one: Column, other: Column) -> Column | None:
    """The column that can hold the values of both; None if there is none.

    Of one shape and kind: the wider type. Units, description and what is missing are ``one``'s.
    """
    if (one.dtype, one.shape) == (other.dtype, other.shape):
        return one
    kinds = {np.dtype(column.dtype).kind for column in (one, other)}
    if one.shape != other.shape or (len(kinds) > 1 and not kinds <= {"S", "O"}):
        return None
    if "O" in kinds:
        return replace(one, dtype=ANY_LENGTH) if not one.shape else None
    wider = np.promote_types(one.dtype, other.dtype)
    return replace(one, dtype=wider.str, missing=one.fill)


def new_column(
    name: str,
    values: npt.ArrayLike,
    rows: int,
    description: str = "",
    units: str = "",
    missing: Any = None,
    **made: str,
) -> tuple[Column, npt.NDArray[Any]]:
    """A column to be added, and its values ``(rows, ...)`` as they are stored.

    Numbers of any shape, true and false, texts. ``missing``: what stands for no value; NaN and no
    text for floats and texts, for integers one that does not occur. Raises ZooError for a name that
    Python could not use, for other types, and for another number of rows.
    """
    if not NEW_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ZooError(
            f"{name[:70]!a} cannot name a column: up to 64 letters, digits and underscores, and a "
            "letter first, as Python's own names are"
        )
    for what, text in (("description", description), ("units", units)):
        if not can_be_shown(text):
            raise ZooError(f"{what} of {name}: holds control characters or line breaks")
    stored = _stored(name, values)
    if stored.shape[:1] != (rows,):
        raise ZooError(f"{name}: expected a value for each of {rows} NCAs, found {stored.shape}")
    if not stored.size:
        raise ZooError(f"{name}: shape {stored.shape} holds nothing")
    if stored.dtype.kind in "iu":
        missing = _unused(name, stored) if missing is None else stored.dtype.type(missing)
    else:
        missing = None
    shape = tuple(stored.shape[1:])
    about = {"units": units, "description": description, **made}
    return Column(name, stored.dtype.str, shape, missing=missing, **about), stored  # type: ignore[arg-type]


def _stored(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Values as a column holds them: little-endian numbers, or UTF-8 of fixed length."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ZooError(f"{name}: expected an array ({one_line(error)})") from None
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.ravel()):
        array = array.astype(np.str_)
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "biufS" or (kind == "f" and size > 8):
        raise ZooError(f"{name}: expected numbers or texts, found {array.dtype}")
    if kind == "S":
        if size > MOST_LETTERS:
            raise ZooError(f"{name}: a text of {size} bytes; a column holds up to {MOST_LETTERS}")
        return array.astype(f"S{max(1, size)}")
    return array.astype(array.dtype.newbyteorder("<"))


def _unused(name: str, values: npt.NDArray[Any]) -> Any:
    """An integer of the type of ``values`` that is none of them."""
    usual = values.dtype.type(Column(name, values.dtype.str).fill)
    if not (values == usual).any():
        return usual
    limits = np.iinfo(values.dtype)
    step = 1 if values.dtype.kind == "i" else -1
    for tried in range(1, min(MOST_TRIED, limits.max - limits.min + 1)):
        other = values.dtype.type(int(usual) + step * tried)
        if not (values == other).any():
            return other
    raise ZooError(
        f"{name}: every {values.dtype} occurs, so none can stand for a missing value: say "
        "missing=, or use a wider type"
    )
