"""Learning curves as a picture: how well features are read, by pictures learned from."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nca_zoo.probing.probe import Point, ProbeResult

# Weights in warm colours, controls in cool ones, in the order in which they come; where there are
# more than colours, they begin again with another mark.
_WARM = ("#d6336c", "#e8590c", "#f08c00", "#a61e4d", "#9c36b5")
_COOL = ("#1971c2", "#0c8599", "#2f9e44", "#868e96", "#5f3dc4")
_MARKS = "osv^D"
_LEFT_OUT = ("shuffled",)


def write_curve(path: Path, result: "ProbeResult") -> None:
    """Write the learning curves of a probe to ``path``: PNG, SVG or PDF, by its suffix.

    One panel for each reader; points are scores, bars their intervals, the dashed line is chance.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    readers = list(dict.fromkeys(point.row.reader for point in result.curve))
    figure = Figure(figsize=(4.2 * len(readers) + 1.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, len(readers), sharey=True))
    looks = _looks(result.curve)
    for panel, reader in zip(panels, readers, strict=True):
        for feature, look in looks.items():
            points = [p for p in result.curve if (p.row.feature, p.row.reader) == (feature, reader)]
            if points:
                _draw(panel, points, feature, *look)
        sizes = sorted({point.size for point in result.curve})
        panel.set_xscale("log")
        # A size too near the next has no room for its number.
        room = [b > 1.4 * a for a, b in pairwise([*sizes, np.inf])]
        panel.set_xticks(sizes, [str(s) if r else "" for s, r in zip(sizes, room, strict=True)])
        panel.minorticks_off()
        panel.set_title(reader)
        panel.set_xlabel("pictures learned from")
        panel.axhline(result.chance, color="0.6", linestyle="--", linewidth=1)
        panel.grid(alpha=0.25)
    panels[0].set_ylabel(f"{result.target}: {result.measure}")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", frameon=False)
    figure.savefig(path, dpi=150, metadata=_no_date(path))


def _draw(panel: "object", points: Sequence["Point"], feature: str, colour: str, mark: str) -> None:
    points = sorted(points, key=lambda point: point.size)
    sizes = [point.size for point in points]
    scores = np.array([[p.row.low, p.row.score, p.row.high] for p in points]).T
    around = np.maximum([scores[1] - scores[0], scores[2] - scores[1]], 0)
    style = "-" if points[0].row.kind == "weights" else "--"
    panel.errorbar(  # type: ignore[attr-defined]
        sizes, scores[1], around, label=feature, color=colour, marker=mark, linestyle=style,
        markersize=4, capsize=2, linewidth=1.4,
    )  # fmt: skip


def _looks(curve: Sequence["Point"]) -> dict[str, tuple[str, str]]:
    """A colour and a mark for every feature, no two alike."""
    kinds = {p.row.feature: p.row.kind for p in curve if p.row.feature not in _LEFT_OUT}
    counts = {"weights": 0, "control": 0}
    looks = {}
    for feature, kind in kinds.items():
        palette = _WARM if kind == "weights" else _COOL
        again, place = divmod(counts[kind], len(palette))
        looks[feature] = palette[place], _MARKS[again]
        counts[kind] += 1
    return looks


def _no_date(path: Path) -> dict[str, None] | None:
    """The same result gives the same file."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
