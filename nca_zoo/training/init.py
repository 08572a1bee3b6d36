"""Where weights start: independent draws, one shared draw, or a meta-learned start."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.choices import INITS
from nca_zoo.errors import ZooError, one_line
from nca_zoo.ground.files import published

Floats = npt.NDArray[np.float32]
MAX_START_BYTES = 1 << 20
META_STARTS = {  # that ship, by regime and what is visible
    ("growing", "rgba"): "growing",
    ("persistent", "rgba"): "persistent",
    ("persistent", "grey"): "persistent-grey",
    ("regenerating", "rgba"): "regenerating",
    ("regenerating", "grey"): "persistent-grey",
}


@dataclass(frozen=True)
class Init:
    """The start of every fit of a zoo: one weight vector for all, or None for a draw each."""

    name: str
    shared: Floats | None = None
    visible: str = "rgba"  # what a learnt start's own NCAs showed

    def weights(self, rng_seed: int, attempt: int) -> Floats:
        """Starting weights ``(P,)`` of the NCA with this seed, at its ``attempt``, from 0."""
        if self.shared is not None:
            return self.shared.copy()
        return glorot(fold(fold(rng_seed, Stream.INIT), attempt))


def glorot(key: int) -> Floats:
    """Distill's start ``(P,)``: W1 Glorot uniform, everything else zero, so that nothing grows."""
    shapes, slices = dict(rule.PARAM_SPEC), rule.param_slices()
    fan_out, fan_in = shapes["W1"]
    limit = np.sqrt(6 / (fan_in + fan_out))
    weights = np.zeros(rule.N_PARAMS, np.float32)
    weights[slices["W1"]] = limit * (2 * uniform(key, fan_in * fan_out) - 1)
    return weights


def make_init(
    name: str,
    regime: str,
    build_seed: int = 0,
    start: Path | None = None,
    visible: str = "rgba",
) -> Init:
    """The start called ``name`` for a regime and what is visible (``TargetSettings.visible``).

    ``start`` is a file of `nca-zoo metastart`, taken in place of those that ship.
    """
    if name not in INITS:
        raise ZooError(f"no start is called {name!r}; there are {', '.join(INITS)}")
    if start is not None and name != "meta":
        raise ZooError(f"a start file goes with the start 'meta', not with {name!r}")
    if name == "independent":
        return Init(name)
    if name == "shared":
        return Init(name, glorot(fold(build_seed, Stream.INIT)))
    if start is not None:
        return _learnt(start)
    if (regime, visible) not in META_STARTS:
        grey = "" if visible == "rgba" else f" --visible {visible}"
        raise ZooError(
            f"no meta-learned start ships for the regime {regime!r}{grey and ' and' + grey}; use "
            "--init shared, --init independent, or --start with a file of "
            f"`nca-zoo metastart --regime {regime}{grey}`"
        )
    return _shipped(META_STARTS[regime, visible])


def start_weights(start: str) -> Floats:
    """Weights ``(P,)`` of the start of that name that ships, or of a start file."""
    shipped = start in META_STARTS.values()
    return (_shipped(start) if shipped else _learnt(Path(start))).weights(0, 0)


def _shipped(name: str) -> Init:
    with resources.as_file(resources.files("nca_zoo.training") / "starts" / f"{name}.npz") as path:
        return _learnt(path)


def _learnt(path: Path) -> Init:
    """The start of a start file."""
    weights, recipe = read_start(path)
    return Init("meta", weights, "grey" if recipe.get("visible") == "grey" else "rgba")


def write_start(path: Path, weights: Floats, recipe: dict[str, Any], early: Floats) -> None:
    """Write starting weights ``(P,)`` and the settings that they were learnt with.

    ``early`` ``(P,)`` is where the recipe stood after its first rounds, so that a short rerun can
    be compared.
    """
    text = json.dumps(recipe, sort_keys=True)
    with published(path) as part, part.open("wb") as file:
        np.savez(file, weights=weights, recipe=np.array(text), early=early)


def read_start(path: Path) -> tuple[Floats, dict[str, Any]]:
    """Starting weights ``(P,)`` and their recipe from a file of ``write_start``."""
    wrong = f"{path}: not a start file of `nca-zoo metastart`"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > MAX_START_BYTES:
                raise ValueError(f"unpacks to more than {MAX_START_BYTES} bytes")
            weights, recipe = archive["weights"], json.loads(str(archive["recipe"]))
    except FileNotFoundError:
        raise ZooError(f"{path}: no such start file") from None
    except Exception as error:  # a damaged archive fails in a dozen ways, all meaning the same
        raise ZooError(f"{wrong} ({one_line(error)})") from None
    if not isinstance(recipe, dict):
        raise ZooError(f"{wrong}: its recipe is no JSON object")
    if weights.shape != (rule.N_PARAMS,) or weights.dtype != np.float32:
        raise ZooError(f"{wrong}: weights are {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise ZooError(f"{wrong}: weights are not finite")
    return weights, recipe
