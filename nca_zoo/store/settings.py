"""What every fit of a zoo shares, read once: the file's JSON as a record that others ask.

Unknown keys are kept in ``values``; what a file does not say, or says in another form, is None or
the default that it means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.rule import TENSORS, TRAINED
from nca_zoo.automaton.seeds import MOST_SEEDS
from nca_zoo.choices import CLOCKS
from nca_zoo.errors import ZooError
from nca_zoo.pictures.motions import PERIODS

UNKNOWN = "unknown"
# What settings mean that do not say it.
LEFT_OUT = {
    "target.visible": "rgba",
    "regime.fire_rate": FIRE_RATE,
    "regime.seeds": 1,
    "motion.clock": "still",
}


@dataclass(frozen=True)
class Moving:
    """That targets move: in how many CA steps they come round, and whether cells hear the phase."""

    period: int
    clocked: bool


@dataclass(frozen=True)
class Settings:
    """The settings of a zoo; ``values`` is the whole, as the file has it."""

    values: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def flat(self) -> dict[str, Any]:
        """All of them by dotted names, with what is meant where nothing is said."""
        return LEFT_OUT | dotted(self.values)

    def _text(self, name: str) -> str:
        value = self.flat.get(name)
        return value if isinstance(value, str) else UNKNOWN

    @property
    def source(self) -> str:
        """Name of the source of the pictures, or ``unknown``."""
        return self._text("source")

    @property
    def regime(self) -> str:
        """Name of the regime, or ``unknown``."""
        return self._text("regime.name")

    @property
    def init(self) -> str:
        """What weights started from, or ``unknown``."""
        return self._text("init")

    @property
    def visible(self) -> str:
        """What is seen of the NCAs: ``grey``, or else ``rgba``."""
        return "grey" if self.flat["target.visible"] == "grey" else "rgba"

    @property
    def trained(self) -> int:
        """How many of the visible channels are seen, from the last: see ``rule.seen``."""
        return TRAINED[self.visible]

    @property
    def fitted(self) -> tuple[str, ...]:
        """The tensors that were fitted to each picture; raises ZooError for what are none."""
        names = self.flat.get("regime.train", TENSORS)
        if self.code:
            raise ZooError("no tensor of its NCAs was fitted to a picture, but a code: use code")
        if not isinstance(names, list | tuple) or not names or not {*map(str, names)} <= {*TENSORS}:
            raise ZooError(
                f"its settings say regime.train {names!r}, which must be some of "
                f"{', '.join(TENSORS)}"
            )
        return tuple(name for name in TENSORS if name in names)

    @property
    def code(self) -> int:
        """How many numbers each picture's code has, if its NCAs are of one rule; else 0.

        Raises ZooError if it is no such number.
        """
        code = self.flat.get("code.numbers", 0)
        if type(code) is not int or code < 0:
            raise ZooError(f"its settings say code.numbers {code!r}, which must be 1 or more")
        return code

    @property
    def fire_rate(self) -> float:
        """Chance of a cell to be updated in a CA step; raises ZooError if it is none."""
        rate = self.flat["regime.fire_rate"]
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise ZooError(
                f"its settings say regime.fire_rate {rate!r}, which must be above 0 and at most 1"
            )
        return float(rate)

    @property
    def moving(self) -> Moving | None:
        """How its targets move, if they do; raises ZooError if that cannot be."""
        if "motion" not in self.values:
            return None
        period, clock = (self.flat.get(f"motion.{name}") for name in ("period", "clock"))
        if type(period) is not int or period not in PERIODS or clock not in CLOCKS:
            raise ZooError(
                f"its settings say motion.period {period!r} and motion.clock {clock!r}; expected "
                f"{PERIODS[0]} to {PERIODS[-1]} CA steps, and {' or '.join(CLOCKS)}"
            )
        return Moving(period, clock == "phase")

    @property
    def seed_hidden(self) -> bool:
        """Whether seeds light their hidden channels; raises ZooError if nobody says so."""
        if "regime.seed_hidden" not in self.flat:
            raise ZooError(
                "its settings lack regime.seed_hidden, so that its NCAs can neither be grown nor "
                "aligned; build it again"
            )
        return bool(self.flat["regime.seed_hidden"])

    @property
    def seeds(self) -> int:
        """How many seeds its NCAs learnt to grow from, at most; raises ZooError if it is none."""
        seeds = self.flat["regime.seeds"]
        if type(seeds) is not int or not 1 <= seeds <= MOST_SEEDS:
            raise ZooError(
                f"its settings say regime.seeds {seeds!r}, which must be from 1 to {MOST_SEEDS}"
            )
        return seeds

    @property
    def stable(self) -> bool:
        """Whether the gate asked anything of step 400; raises ZooError if nobody says so."""
        regime = self.values.get("regime")
        if not isinstance(regime, Mapping) or not isinstance(regime.get("gate"), Mapping):
            raise ZooError("its settings lack regime.gate, so nobody knows what its NCAs passed")
        return self.flat.get("regime.gate.pass_400") is not None

    @property
    def mixed(self) -> Mapping[str, Any]:
        """What differs between the zoos that were merged into this: name -> all values."""
        mixed = self.values.get("mixed")
        return mixed if isinstance(mixed, Mapping) else {}


def dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: ``{"regime.batch": 2, ...}``."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
