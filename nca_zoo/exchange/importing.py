"""NCAs that were trained elsewhere as rows of a zoo: measured here, marked as what they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.errors import ZooError
from nca_zoo.exchange.foreign import Floats, Foreign
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, measure, stored_measures
from nca_zoo.pictures.names import cleaned, unique
from nca_zoo.pictures.targets import Target, stored
from nca_zoo.store.schema import LOSS_POINTS, NAME, Header
from nca_zoo.training.gate import Gate, gate

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Origin:
    """What is known of all NCAs of an import.

    seed_hidden: whether the seed cell's hidden channels start at 1. stable: whether they were
    trained to last, so that step 400 counts in judging them. visible: as in ``TargetSettings``.
    """

    source: str = "imported"
    seed_hidden: bool = True
    stable: bool = True
    visible: str = "rgba"

    @property
    def gate(self) -> Gate:
        """What an imported NCA must reach to be stored as ok."""
        return gate(stable=self.stable)

    def header(self) -> Header:
        """What the zoo file says; nothing is made up: what is not known is not there."""
        gate = {k: v for k, v in self.gate.as_dict().items() if k.startswith("pass")}
        return Header(
            settings={
                "source": self.source,
                "init": UNKNOWN,
                "regime": {"name": UNKNOWN, "seed_hidden": self.seed_hidden, "gate": gate},
                **({} if self.visible == "rgba" else {"target": {"visible": self.visible}}),
            },
            source=self.source,
            licence=UNKNOWN,
            engine=UNKNOWN,
            versions={"nca-zoo": version("nca-zoo")},
        )


def blank(height: int, width: int) -> Floats:
    """The target ``(H, W, 4)`` of an NCA whose picture is not known: nothing at all."""
    return np.zeros((height, width, 4), np.float32)


def ids_for(
    ncas: Sequence[Foreign], given: Sequence[str], taken: Collection[str], zoo: Path
) -> list[str]:
    """An id for each NCA: those given, or else their cleaned names.

    A name that cleaning changed, or that several of them have, gets a number behind it where it is
    taken. Raises ZooError for ids that cannot be, and for one that the zoo, ``taken``, has already.
    """
    if given and len(given) != len(ncas):
        raise ZooError(f"--id is given {len(given)} times for {len(ncas)} NCAs: name each, or none")
    for nca_id in given:
        if not NAME.fullmatch(nca_id):
            raise ZooError(
                f"--id {nca_id!a}: an id is up to 64 letters, digits, '.', '_' and '-' of ASCII"
            )
        if nca_id in taken or given.count(nca_id) > 1:
            raise ZooError(f"--id {nca_id} is taken: every NCA of {zoo} has an id of its own")
    ids: list[str] = list(given)
    for nca in ncas[len(ids) :]:
        name = cleaned(nca.name)
        if name in taken and name == nca.name:
            raise ZooError(f"{name} is in {zoo} already; --id gives this one another name")
        ids += unique([name], {*taken, *ids})
    return ids


def imported(
    nca_id: str, weights: Floats, target: Target, origin: Origin, label: int, source_index: int
) -> dict[str, Any]:
    """A row of the zoo file for weights ``(P,)`` that were trained elsewhere.

    The NCA is grown here and judged as every other, by its target. If that is ``blank`` its status
    is ``unjudged`` and its PSNRs are NaN. Loss curve and computing time are not known: NaN; nor are
    training steps, attempts and random seed: 0, 1 and 0.
    """
    height, width = target.rgba.shape[:2]
    if not (0 <= target.seed_row < height and 0 <= target.seed_col < width):
        raise ZooError(
            f"--seed-at {target.seed_row},{target.seed_col} lies outside the grid of {height} x "
            f"{width} cells"
        )
    seed = seed_state(height, width, target.seed_row, target.seed_col, origin.seed_hidden)
    pixels = stored(target.rgba)
    nca = Automata.grown(weights[None], seed, shows=target.channels)
    looks = measure(make_engine("sparse"), nca, target.trained[None])
    judged = bool(pixels.any())
    unknown = np.float32(np.nan)
    measured = {
        name: values[0] if judged or not name.startswith("psnr") else unknown
        for name, values in stored_measures(looks).items()
    }
    return {
        "id": nca_id,
        "weights": weights,
        "label": label,
        "source_index": source_index,
        "split": UNKNOWN,
        "seed_row": target.seed_row,
        "seed_col": target.seed_col,
        "rng_seed": 0,
        "init": UNKNOWN,
        "target": pixels,
        "grown": stored(looks[GROWN.name].pictures[0]),
        **measured,
        "loss": np.full(LOSS_POINTS, np.nan, np.float32),
        "train_steps": 0,
        "attempts": 1,
        "status": origin.gate.verdict(looks, weights[None])[0] if judged else "unjudged",
        "wall_s": unknown,
    }
