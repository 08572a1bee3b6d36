"""A zoo as its page needs it: what JSON can say, and the pictures and weights as plain bytes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import ALPHA
from nca_zoo.building.becoming import rules_of
from nca_zoo.errors import ZooError
from nca_zoo.explorer.chart import Chart
from nca_zoo.explorer.pad import Pad, make_pad
from nca_zoo.store.columns import Column

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

LEFT_OUT = ("weights_sha256", "picture_sha256")  # columns that nobody wants to look at
FEATURES = ("weights", "pixels")  # maps that are offered unless others are asked for


@dataclass(frozen=True, eq=False)
class Exhibit:
    """What the page shows of N NCAs."""

    about: dict[str, Any]  # strict JSON: sizes, columns, names of classes and maps
    charts: tuple[Chart, ...]  # the maps
    targets: bytes  # uint8 (N, H, W, 4), premultiplied RGBA
    weights: npt.NDArray[np.float32]  # (N, P), and of NCAs that hear a clock 512 more
    films: npt.NDArray[np.uint8] | None = None  # (N, F, H, W, 4), or 1 for white ink, if they move
    pad: Pad | None = None  # to draw on, where what is drawn can be written as a kin of these

    def weights_of(self, row: int) -> bytes:
        """The weights (P,) of one NCA as little-endian float32."""
        return self.weights[row].astype("<f4").tobytes()

    def film_of(self, row: int) -> bytes:
        """What one NCA is to look like, frame by frame; nothing of a target that stands still."""
        return b"" if self.films is None else self.films[row].tobytes()


def make_exhibit(
    zoo: "Zoo",
    features: Sequence[str] = FEATURES,
    total: int | None = None,
    opening: int | None = None,
    draws: bool = True,
) -> Exhibit:
    """Gather what a zoo's page needs; its maps are laid out when they are asked for.

    features: names from ``nca_zoo.features.catalogue``, one map each; total: how many NCAs the zoo
    has, if ``zoo`` is a sample; opening: the row that the page opens with, otherwise a good one at
    random; draws: whether a drawing pad belongs to it, if there is a writer for such NCAs. Raises
    ZooError for an unknown feature or an empty zoo.
    """
    if not len(zoo):
        raise ZooError(f"{zoo.path}: holds no NCA yet; there is nothing to explore")
    if not features:
        raise ZooError("--features names nothing; write for example weights,pixels")
    charts = tuple(Chart(zoo, name) for name in features)
    height, width = zoo.grid
    pad = make_pad(zoo) if draws else None
    films = _films(zoo)
    about = {
        "name": zoo.path.name,
        "source": zoo.attrs["source"],
        "total": total or len(zoo),
        "opening": opening,
        "height": height,
        "width": width,
        "seedHidden": zoo.seed_hidden,
        "seedsTold": zoo.seeds > 1,
        "fireRate": zoo.fire_rate,
        "trained": zoo.trained,
        "period": zoo.moving and zoo.moving.period,
        "filmChannels": None if films is None else films.shape[-1],
        "classNames": {str(number): name for number, name in zoo.classes.items()},
        "rules": rules_of(zoo),
        "columns": [_column(zoo, name) for name in zoo.scalars if name not in LEFT_OUT],
        "maps": [chart.name for chart in charts],
        "pad": pad and pad.about,
    }
    return Exhibit(about, charts, zoo.target.tobytes(), _with_clocks(zoo), films, pad)


def _with_clocks(zoo: "Zoo") -> npt.NDArray[np.float32]:
    """Weights and, of NCAs that hear a clock, how they hear it: a row each."""
    signal = zoo.signal()
    if signal is None:
        return zoo.weights
    return np.concatenate([zoo.weights, signal.S.reshape(len(zoo), -1)], axis=1)


def _films(zoo: "Zoo") -> npt.NDArray[np.uint8] | None:
    """All frames of targets that move; white ink as one number a cell, a quarter of the bytes."""
    if zoo.moving is None:
        return None
    film = zoo.films
    return film[..., ALPHA:] if (film == film[..., ALPHA:]).all() else film


def _column(zoo: "Zoo", name: str) -> dict[str, Any]:
    """A column of one value an NCA; text if JavaScript's numbers could not hold it."""
    values = zoo.column(name)
    column = next(column for column in zoo.described if column.name == name)
    number = values.dtype.kind in "if" or (values.dtype.kind == "u" and values.itemsize < 8)
    items = values.tolist()
    return {
        "name": name,
        "units": column.units,
        "description": column.description,
        "number": number,
        "classes": _names_classes(column),
        "values": [_plain(item, column.missing) for item in items]
        if number
        else list(map(str, items)),
    }


def _names_classes(column: Column) -> bool:
    """Whether its integers name things and do not count them: labels, clusters."""
    kind = np.dtype(column.dtype).kind
    added = column.origin != "schema" and kind in "iu" and not column.units
    return column.name == "label" or added


def _plain(value: float, missing: Any = None) -> float | None:
    """A number as JSON has it, with no more digits than float32 holds; None for no value."""
    if not math.isfinite(value) or (missing is not None and value == missing):
        return None
    return value if isinstance(value, int) else float(f"{value:.7g}")
