"""Tables of defaults in the pages, made from the code: ``make tables``.

python docs/make_tables.py            write them into the pages
python docs/make_tables.py --check    say which page differs, and exit with 1

A table stands between ``<!-- made: NAME -->`` and ``<!-- end -->``; the tests compare it word for
word with what the code says now.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo_cli.training_options import SOLO

DOCS = Path(__file__).parent


LOSS_WORDS = {"final": "last state", "every_step": "every CA step", "late": "some late CA steps"}


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def number(value: float | None) -> str:
    """A number as the pages write it: 1,200 and 1.5e-3; "-" for none, "never" for infinity."""
    if value is None:
        return "-"
    if value == float("inf"):
        return "never"
    if value and abs(value) < 0.01:
        mantissa, power = f"{value:e}".split("e")
        return f"{float(mantissa):g}e{int(power)}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _of_regimes(words: dict[str, Callable[[Regime], str]]) -> str:
    rows = ([text, *(say(regime) for regime in REGIMES.values())] for text, say in words.items())
    return grid(["", *(f"`{name}`" for name in REGIMES)], rows)


def regimes() -> str:
    """Every number of every regime but its gate's."""
    return _of_regimes(
        {
            "examples a training step": lambda r: number(r.batch),
            "of these wounded": lambda r: number(r.damaged or None),
            "states in the pool": lambda r: number(r.pool or None),
            "training steps of an attempt": lambda r: number(r.steps),
            "more, if short of the gate": lambda r: number(r.extra_steps or None),
            "attempts": lambda r: number(r.attempts),
            "Adam's step size": lambda r: number(r.lr),
            "it falls": _falls,
            "gradients of length 1": lambda r: "yes" if r.normalise_gradient else "no",
            "loss": lambda r: LOSS_WORDS[r.loss],
            "seed's hidden channels": lambda r: "1" if r.seed_hidden else "0",
            "what is kept": _kept,
            "must reach at 96 / 400, dB": _passes,
            "training stops at 96 / 400, dB": _stops,
            "wounds that must close / stop it": _heals,
        }
    )


def gates() -> str:
    """What a regime's gate asks for, and where training stops."""
    return _of_regimes(
        {
            "must reach at step 96 / 400, dB": _passes,
            "training stops at step 96 / 400, dB": _stops,
            "of the standard wounds must close / training stops": _heals,
        }
    )


def solo() -> str:
    """The defaults of commands that train on one picture."""
    words = {
        "steps": "training steps of an attempt",
        "lr": "Adam's step size",
        "init": "where weights start",
        "alpha": "what lives",
    }
    rows = ((f"`--{name}`", SOLO[name], words[name]) for name in words)
    return grid(["option", "default of `fit` and `draw`", ""], rows)


def _falls(regime: Regime) -> str:
    if regime.schedule == "cosine":
        return f"by a cosine to 0 at step {number(regime.decay_at)}"
    return f"to a tenth at step {number(regime.decay_at)}"


def _kept(regime: Regime) -> str:
    steps = 1 / (1 - regime.average)
    return f"a mean of some {steps:.0f} steps" if regime.average else "the last step"


def _heals(regime: Regime) -> str:
    heals = regime.gate.heals
    return f"{heals.passes:.0%} / {heals.stops:.0%}".replace("%", " %") if heals else "-"


def _passes(regime: Regime) -> str:
    return (
        f"{number(regime.gate.as_dict()['pass_96'])} / {number(regime.gate.as_dict()['pass_400'])}"
    )


def _stops(regime: Regime) -> str:
    if regime.gate.as_dict()["stop_96"] == float("inf"):
        return number(regime.gate.as_dict()["stop_96"])
    return (
        f"{number(regime.gate.as_dict()['stop_96'])} / {number(regime.gate.as_dict()['stop_400'])}"
    )


TABLES = {"regimes": regimes, "gates": gates, "solo": solo}
MARKED = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """The page with every made table as it is made now."""
    return MARKED.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n{m[4]}", page)


def main() -> int:
    """Write the tables, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    given = parser.parse_args()
    old = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    stale = {path: renewed(text) for path, text in old.items() if renewed(text) != text}
    for path, text in stale.items():
        if not given.check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(DOCS)}: {'differs' if given.check else 'written'}")
    return int(given.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
