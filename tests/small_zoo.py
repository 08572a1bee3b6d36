"""A zoo of noise that says as much of the class as asked for, and the probe of it: quickly."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nca_zoo.automaton.rule import N_PARAMS, seed_state
from nca_zoo.pictures.classes import Classes
from nca_zoo.probing.probe import ProbeResult, Row
from nca_zoo.probing.probe import probe as run_probe

SIDE = 6


@dataclass
class SmallZoo:
    """The attributes of a zoo that the probe reads."""

    weights: np.ndarray
    label: np.ndarray
    source_index: np.ndarray
    target: np.ndarray
    grown: np.ndarray
    seed_row: np.ndarray
    seed_col: np.ndarray
    good: np.ndarray
    psnr_96: np.ndarray
    psnr_400: np.ndarray
    split: np.ndarray
    attrs: dict[str, Any] = field(default_factory=lambda: {"init_weights": np.zeros(0)})
    scalars = ("id", "label", "psnr_96", "psnr_400", "split")
    described = ()
    trained = 4
    seed_hidden = True
    fire_rate = 0.5
    moving = None
    code = 0

    def seed_states(self, row: int) -> np.ndarray:
        return seed_state(SIDE, SIDE, int(self.seed_row[row]), int(self.seed_col[row]))

    def picture_numbers(self) -> np.ndarray:
        return np.unique(self.source_index, return_inverse=True)[1]

    @property
    def classes(self) -> Classes:
        return Classes()

    @property
    def id(self) -> np.ndarray:
        return np.array([f"{label}-{n}" for n, label in enumerate(self.label)])

    def known(self, name: str) -> np.ndarray:
        values = self.column(name)
        return ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), bool)

    def column(self, name: str) -> np.ndarray:
        return getattr(self, name)

    def subset(self, rows: np.ndarray) -> "SmallZoo":
        arrays = {k: v[rows] for k, v in vars(self).items() if k != "attrs"}
        return SmallZoo(**arrays, attrs=self.attrs)


def small_zoo(
    n: int = 60, classes: int = 3, in_weights: float = 0.0, in_pixels: float = 0.0, seed: int = 0
) -> SmallZoo:
    """Noise, plus as much of the class as asked for in the weights and in the pictures."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    say = np.eye(classes)[label]  # class c shifts every classes-th column
    weights = rng.normal(size=(n, N_PARAMS))
    weights += in_weights * np.tile(say, N_PARAMS // classes + 1)[:, :N_PARAMS]
    ink = rng.normal(size=(n, SIDE**2)) + in_pixels * np.tile(say, SIDE**2)[:, : SIDE**2]
    grey = np.clip(128 + 25 * ink, 0, 255).astype(np.uint8).reshape(n, SIDE, SIDE, 1)
    return SmallZoo(
        weights=weights.astype(np.float32),
        label=label.astype(np.int16),
        source_index=np.arange(n) + 100,
        target=np.repeat(grey, 4, axis=-1),
        grown=np.repeat(grey, 4, axis=-1),
        seed_row=rng.integers(2, 4, n).astype(np.int16),
        seed_col=rng.integers(2, 4, n).astype(np.int16),
        good=np.ones(n, bool),
        psnr_96=weights[:, 0] + 25,
        psnr_400=rng.normal(size=n) + 25,
        split=np.where(np.arange(n) % 5, "train", "test"),
    )


def probe(zoo: SmallZoo, **settings: Any) -> ProbeResult:
    quick = {"features": ["b1"], "readers": ["knn"], "repeats": 1, "jobs": 1}
    return run_probe(zoo, **{**quick, **settings})  # type: ignore[arg-type]


def row(result: ProbeResult, feature: str, reader: str = "knn") -> Row:
    return next(r for r in result.rows if (r.feature, r.reader) == (feature, reader))
