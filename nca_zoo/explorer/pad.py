"""What the page's drawing pad is made of: the writer that ships, and where a zoo's NCAs lie.

Packed for a page to carry: the large matrices as one byte a number, each row with a scale of its
own. ``web/writing.js`` unpacks it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.features.measures import Vectors
from nca_zoo.features.nearness import COMPONENTS, directions, seen_from
from nca_zoo.training.init import META_STARTS, WRITERS, shipped_writer, start_weights
from nca_zoo.training.regime import CA_STEPS, REGIMES
from nca_zoo.training.writer import Writer, in_bytes

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo

KIND = next(iter(WRITERS))  # the regime, and what is visible, of the writer that ships
LEARNS = REGIMES["persistent"]  # how a drawing is trained: a page makes no wounds


@dataclass(frozen=True, eq=False)
class Pad:
    """A pad for drawings whose NCAs are to be kin to those of a zoo."""

    zoo: "Zoo"
    writer: Writer

    @property
    def about(self) -> dict[str, Any]:
        """What JSON can say: sizes of what lies in ``data``, and how a drawing's NCA is trained."""
        regime = LEARNS
        return {
            "window": list(self.writer.grid),
            "patterns": len(self.writer.patterns),
            "units": len(self.writer.bias),
            "changes": len(self.writer.changes),
            "directions": COMPONENTS,
            "weights": N_PARAMS,
            "regime": {
                "batch": regime.batch,
                "pool": regime.pool,
                "lr": regime.lr,
                "steps": regime.steps + regime.extra_steps,
                "caSteps": list(CA_STEPS),
                "trials": [criterion.trial.steps for criterion in regime.gate.criteria],
                "stops": max(criterion.stops for criterion in regime.gate.criteria),
            },
        }

    @cached_property
    def data(self) -> bytes:
        """All numbers, one array after the other, float32, int16, then int8, little-endian.

        base (P), mean (K), bias (H), origin (D), moves (R, D); scales (K), (H), (R), (R) and (N) of
        the rows of what follows; patterns (K, h * w), into (H, K) and mix (R, K + H), of which a
        byte would be felt in all weights; changes (R, P) and directions (N, D).
        """
        writer, zoo = self.writer, self.zoo
        patterns = np.broadcast_to(writer.patterns, (len(writer.patterns), *writer.mean.shape))
        patterns = patterns.astype(np.float32)
        ink = patterns.sum(axis=-1).reshape(len(patterns), -1)  # a drawing's channels are all equal
        mean = (patterns * writer.mean).reshape(len(patterns), -1).sum(axis=1)
        changes = writer.changes * writer.scales[:, None]
        basis = seen_from(zoo.weights, zoo.good)
        written = basis.scores(np.concatenate([writer.base[None], writer.base + changes]))
        origin, moves = written[0], written[1:] - written[0]
        floats = [writer.base, mean, writer.bias, _wide(origin[None]), _wide(moves)]
        layers = [ink, *(layer.astype(np.float32) for layer in (writer.into, writer.mix))]
        near = _wide(directions(zoo.weights, zoo.good))
        packed = [in_bytes(layer, np.int16) for layer in layers]
        packed += [(writer.changes, writer.scales), in_bytes(near)]
        small, scales = zip(*packed, strict=True)
        parts = [part.astype("<f4") for part in (*floats, *scales)]
        return b"".join(part.tobytes() for part in (*parts, *small))


def make_pad(zoo: "Zoo") -> Pad | None:
    """A pad for a zoo's page; None if the writer that ships writes NCAs of another kind.

    Of the same kind are NCAs of stills and of one grid, regime, seed and fire rate that began at
    the same start: others have weights that those which are written cannot be compared with.
    """
    settings = zoo.settings
    if zoo.moving is not None:
        return None
    if (settings.regime, settings.visible, settings.init) != (*KIND, "meta"):
        return None
    writer = shipped_writer(*KIND)
    runs = {"seed_hidden": zoo.seed_hidden, "fire_rate": zoo.fire_rate}
    start = np.asarray(zoo.attrs["init_weights"])
    same = zoo.grid == writer.grid and all(writer.recipe[name] == runs[name] for name in runs)
    if not same or not np.array_equal(start, start_weights(META_STARTS[KIND])):
        return None
    return Pad(zoo, writer)


def _wide(rows: npt.NDArray[np.floating]) -> Vectors:
    """Rows with as many columns as there may be components: those that are missing are 0."""
    return np.pad(rows, [(0, 0), (0, COMPONENTS - rows.shape[1])]).astype(np.float32)
