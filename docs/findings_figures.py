"""Figures of the study that no command draws: accuracies as bars, with their intervals."""

from pathlib import Path
from typing import Any

import numpy as np
from findings_tables import best
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PLAIN = ("weights", "aligned", "procrustes", "invariants", "queries", "pixels", "hog", "shuffled")
COLOURS = ("#1971c2", "#4dabf7", "#74c0fc", "#2f9e44", "#f08c00", "#868e96", "#495057", "#dee2e6")

PARTS = {"between pictures": "#dee2e6", "the fit's own": "#4dabf7", "luck of the masks": "#adb5bd"}
TOLD = ("#1864ab", "#f08c00")  # what weights say, and what responses say


def ladder(path: Path, result: dict[str, Any]) -> None:
    """The accuracy ladder: a group of bars a zoo, a bar a representation."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for i, (feature, colour) in enumerate(zip(PLAIN, COLOURS, strict=True)):
        found = [(z, best(zoo["probe"]["rows"], feature)) for z, zoo in enumerate(result.values())]
        found = [(z, row) for z, row in found if row]
        places = np.array([z + (i - len(PLAIN) / 2) * 0.1 for z, _ in found])
        _bars(axes, places, [row for _, row in found], 0.09, colour, feature)
    _finish(axes, list(result), "accuracy, best simple reader")
    figure.legend(loc="outside right center", frameon=False)
    _save(figure, path)


def fall(path: Path, result: dict[str, Any]) -> None:
    """The orbit drop: accuracy before and after scrambling, for the best reader before."""
    before, after = result["before"]["rows"], result["after"]["rows"]
    features = [f for f in PLAIN if best(before, f) and f != "shuffled"]
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    pairs = [
        (old, next(n for n in after if (n["feature"], n["reader"]) == (f, old["reader"])))
        for f in features
        if (old := best(before, f))
    ]
    places = np.arange(len(features))
    _bars(axes, places - 0.2, [old for old, _ in pairs], 0.36, COLOURS[0], "as trained")
    _bars(axes, places + 0.2, [new for _, new in pairs], 0.36, COLOURS[4], "scrambled")
    _finish(axes, features, "accuracy")
    figure.legend(loc="outside right center", frameon=False)
    _save(figure, path)


def within(path: Path, result: dict[str, Any]) -> None:
    """Of what the variance of each quantity is made up, and what is read of the fits' own part."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes, names = figure.subplots(), []
    for regime, found in result.items():
        agree = {one["quantity"]: max(one["r"], 0) for one in found["reliability"]}
        for share in found["shares"]:
            name, place = share["quantity"], len(names)
            own = share["share"] * agree[name]
            parts = (1 - share["share"], own, share["share"] - own)
            for begin, part, colour in zip(np.cumsum([0, *parts]), parts, PARTS, strict=False):
                axes.barh(place, part, 0.7, left=begin, color=PARTS[colour], label=colour)
            for row, told in enumerate(("weights", "responses")):
                r2 = next(r["r2"] for r in found["rows"]
                          if (r["quantity"], r["feature"]) == (name, told))  # fmt: skip
                read, label = max(r2, 0) * share["share"], f"of that read from {told}"
                axes.barh(place - 0.12 + 0.24 * row, read, 0.14, left=parts[0],
                          color=TOLD[row], label=label)  # fmt: skip
            names.append(f"{name}, {regime}")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the variance")
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside right center", frameon=False)
    _save(figure, path)


def _bars(
    axes: Any, places: Any, rows: list[dict[str, Any]], width: float, colour: str, name: str
) -> None:
    scores = np.array([row["score"] for row in rows])
    low, high = (np.array([row[side] for row in rows]) for side in ("low", "high"))
    errors = np.maximum([scores - low, high - scores], 0)
    axes.bar(places, scores, width, color=colour, label=name)
    axes.errorbar(places, scores, errors, fmt="none", ecolor="0.2", elinewidth=0.8, capsize=1.5)


def _finish(axes: Any, names: list[str], label: str) -> None:
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])
    axes.set_ylabel(label)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", alpha=0.25)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=130, metadata={"Software": None})
