"""Results of the study as Markdown tables: plain functions from JSON values to text."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nca_zoo.features.catalogue import PICTURE_CONTROLS

Row = dict[str, Any]
SCALINGS = ("soft", "standardise", "centre")
CONTROLS = (*PICTURE_CONTROLS, "gradient", "seed", "shuffled")


def percent(row: Row) -> str:
    """``89.0 % (86.1 to 91.7)``."""
    return f"{100 * row['score']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, with a blank line before and after."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n" + "\n".join(lines) + "\n"


def best(rows: Sequence[Row], feature: str) -> Row | None:
    """The reader that reads a feature best; None if nobody read it."""
    some = [row for row in rows if row["feature"] == feature]
    return max(some, key=lambda row: row["score"]) if some else None


def score(rows: Sequence[Row], feature: str) -> float:
    """The best reader's score."""
    return max(row["score"] for row in rows if row["feature"] == feature)


def ladder(result: dict[str, Any]) -> str:
    """One column a zoo, one row a representation, the best of its readers in each cell."""
    names = list(result)
    features = list(
        dict.fromkeys(r["feature"] for z in result.values() for r in z["probe"]["rows"])
    )
    features = [f for f in features if f not in CONTROLS] + [f for f in CONTROLS if f in features]
    rows = []
    for feature in features:
        cells = [best(result[name]["probe"]["rows"], feature) for name in names]
        rows.append([f"`{feature}`", *(percent(c) if c else "-" for c in cells)])
    networks = [result[name].get("network") for name in names]
    rows.append(["`pixels`, convolution", *(percent(row) if row else "-" for row in networks)])
    zoos = [result[name]["zoo"] for name in names]
    rows.append(["passed the gate", *(f"{100 * z['passed']:.0f} %" for z in zoos)])
    rows.append(["PSNR 96 / 400, dB", *(f"{z['psnr_96']:.1f} / {z['psnr_400']:.1f}" for z in zoos)])
    rows.append(["training steps", *(f"{z['train_steps']:.0f}" for z in zoos)])
    moved = [z["moved"] for z in zoos]
    rows.append(["distance from start", *("-" if m is None else f"{m:.2f}" for m in moved)])
    n = [result[name]["probe"]["n"] for name in names]
    rows.append(["pictures", *(str(k) for k in n)])
    text = markdown(["representation", *names], rows)
    return text + "\n".join(recovered(result, regime) for regime in ("growing", "persistent"))


def recovered(result: dict[str, Any], regime: str) -> str:
    """How much of the gap from independent to shared starts each representation closes."""
    shared, alone = (result.get(f"{init} {regime}") for init in ("shared", "independent"))
    if not shared or not alone:
        return ""
    rows = alone["probe"]["rows"]
    floor = score(rows, "weights")
    gap = score(shared["probe"]["rows"], "weights") - floor
    if gap <= 0:
        return f"\n{regime}: no gap between shared and independent starts to close.\n"
    parts = []
    for feature in dict.fromkeys(row["feature"] for row in rows if row["kind"] == "weights"):
        if feature != "weights":
            parts.append(f"`{feature}` {100 * (score(rows, feature) - floor) / gap:.0f} %")
    return (
        f"\n{regime}: of the {100 * gap:.1f} points between raw weights of shared and of "
        f"independent starts, {', '.join(parts)} are recovered.\n"
    )


def budgets(result: dict[str, Any]) -> str:
    """Readability by training steps."""
    rows = []
    for steps, found in result.items():
        read = found["probe"]["rows"]
        seen = [row for row in map(partial(best, read), PICTURE_CONTROLS) if row]
        rival = max(seen, key=lambda row: row["score"]) if seen else None
        cells = [best(read, "weights"), best(read, "pixels"), rival]
        zoo = found["zoo"]
        rows.append(
            [steps, f"{zoo['train_steps']:.0f}", f"{zoo['moved']:.3f}", f"{zoo['psnr_96']:.1f}",
             *(percent(c) if c else "-" for c in cells),]
        )  # fmt: skip
    head = ["steps at most", "taken", "distance from start", "PSNR 96, dB",
            "weights", "pixels", "best picture control"]  # fmt: skip
    return markdown(head, rows)


def prior(result: dict[str, Any]) -> str:
    """Readability by what the start was learnt from, the best of the readers in each cell."""
    rows = []
    for name, found in result.items():
        read, zoo = found["rows"], found["zoo"]
        cells = [best(read, f) for f in ("weights", "patches", "pixels", "hog")]
        rows.append(
            [name, *(percent(c) if c else "-" for c in cells),
             f"{zoo['psnr_96']:.1f} / {zoo['psnr_400']:.1f}", f"{100 * zoo['passed']:.0f} %"]
        )  # fmt: skip
    head = ["start learnt from", "weights", "patches learnt from the same", "pixels",
            "histograms of gradients", "PSNR 96 / 400, dB", "passed the gate"]  # fmt: skip
    return markdown(head, rows)


def curve(result: dict[str, Any]) -> str:
    """Accuracy by sample size: best simple reader of each feature."""
    points = result["curve"]
    sizes = sorted({point["size"] for point in points})
    if not sizes:
        return ""
    rows = []
    for feature in dict.fromkeys(point["row"]["feature"] for point in points):
        cells = [best([p["row"] for p in points if p["size"] == size], feature) for size in sizes]
        rows.append([f"`{feature}`", *(percent(c) if c else "-" for c in cells)])
    return markdown(["pictures learned from", *map(str, sizes)], rows)


def clusters(result: dict[str, Any]) -> str:
    """Mean NMI over sets of pictures, and the lead of weights over pixels within a set; nothing of
    fewer than two sets."""
    blocks = result["blocks"]
    if len(blocks) < 2:
        return ""
    nmi: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    for row in blocks[0]:
        what = _what(row)
        nmi[what] = np.array([r["nmi"] for b in blocks for r in b if _what(r) == what])
    rows, lines = [], []
    for method in ("kmeans", "hdbscan"):
        for feature in ("weights", *PICTURE_CONTROLS, "gradient"):
            cells = [nmi[method, feature, s] for s in SCALINGS if (method, feature, s) in nmi]
            if cells:
                means = (f"{np.mean(c):.3f} ({np.std(c, ddof=1):.3f})" for c in cells)
                rows.append([f"`{feature}`", method, *means])
        ours = nmi[method, "weights", "soft"]
        for controls in (("pixels",), PICTURE_CONTROLS):
            there = {k: v for k, v in nmi.items() if k[0] == method and k[1] in controls}
            rival = max(there, key=lambda k: float(np.mean(there[k])))
            more = ours - there[rival]
            span = stats.t.interval(0.95, len(more) - 1, np.mean(more), stats.sem(more))
            lines.append(
                f"- {method}, weights (soft) minus {' '.join(rival[1:])}, set by set: "
                f"{np.mean(more):+.3f} ({span[0]:+.3f} to {span[1]:+.3f}), "
                f"above 0 in {np.sum(more > 0)} of {len(more)}."
            )
    lines = list(dict.fromkeys(lines))
    head = ["feature", "method", *SCALINGS]
    return (
        f"\nNMI with the classes, mean (SD) over {len(blocks)} sets of {result['per_class']} "
        f"pictures a class, none in two:\n{markdown(head, rows)}\n" + "\n".join(lines) + "\n"
    )


def _what(row: Row) -> tuple[str, str, str]:
    return row["method"], row["feature"], row["scaling"]


def orbit(result: dict[str, Any]) -> str:
    """Before and after scrambling."""
    rows = []
    for old, new in zip(result["before"]["rows"], result["after"]["rows"], strict=True):
        if old["kind"] == "weights" or old["feature"] == "pixels":
            rows.append([f"`{old['feature']}`", old["reader"], percent(old), percent(new)])
    return markdown(["feature", "reader", "before", "scrambled"], rows)


def dynamics(result: dict[str, Any]) -> str:
    """R2 of every quantity, and what it costs."""
    rows, costs = [], []
    for regime, found in result.items():
        for gain in found["gains"]:
            name = gain["quantity"]
            of = {r["feature"]: r for r in found["rows"] if r["quantity"] == name}
            cells = [_span(of[f], "r2") for f in ("weights", gain["control"], "shuffled")]
            cells[1] = f"`{gain['control']}` {cells[1]}"
            span = f"{gain['difference']:+.2f} ({gain['low']:+.2f} to {gain['high']:+.2f})"
            rows.append([regime, f"`{name}`", *cells, span])
        if found["simulate_cpu_s"]:
            times = found["simulate_cpu_s"] / found["read_cpu_s"]
            costs.append(
                f"{regime}: {found['n']} pictures; measuring {found['simulate_cpu_s']:.2f} s of "
                f"CPU an NCA, reading {1e6 * found['read_cpu_s']:.0f} microseconds, {times:,.0f} "
                f"times less, after {found['train_cpu_s']:.1f} s of training."
            )
    head = ["regime", "quantity", "R2, weights", "R2, best picture", "R2, shuffled", "difference"]
    return markdown(head, rows) + "\n" + "\n".join(f"- {cost}" for cost in costs) + "\n"


def within(result: dict[str, Any]) -> str:
    """What NCAs of one picture differ in, and R2 of that part from each feature."""
    features = list(dict.fromkeys(r["feature"] for f in result.values() for r in f["rows"]))
    rows = []
    for regime, found in result.items():
        agree = {r["quantity"]: r for r in found["reliability"]}
        for share in found["shares"]:
            name = share["quantity"]
            r2 = {r["feature"]: r for r in found["rows"] if r["quantity"] == name}
            rows.append(
                [regime, f"`{name}`", f"{share['n']} / {share['n_ncas']}",
                 f"{100 * share['share']:.0f} % ({100 * share['low']:.0f} to "
                 f"{100 * share['high']:.0f})",
                 _span(agree[name], "r"), *(_span(r2[f], "r2") for f in features)]
            )  # fmt: skip
    head = ["regime", "quantity", "pictures / NCAs", "of the variance", "other masks agree, r"]
    text = markdown([*head, *(f"R2, {feature}" for feature in features)], rows)
    steps = list(next(iter(result.values()))["sooner"])
    rows = [[r, *(_span(f["sooner"][step], "r") for step in steps)] for r, f in result.items()]
    return text + markdown(["drift by step", *steps], rows)


def _span(row: Row, name: str) -> str:
    return f"{row[name]:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def mixing(result: dict[str, Any]) -> str:
    """How often each kind of mixture is a digit of its class."""
    kinds = {name: {k["name"]: k for k in found["kinds"]} for name, found in result.items()}
    rows = []
    for kind in next(iter(kinds.values())):
        cells = []
        for found in kinds.values():
            k = found[kind]
            span = f"{100 * k['low']:.0f} to {100 * k['high']:.0f}"
            near = "all empty" if k["nearest_db"] is None else f"{k['nearest_db']:.1f} dB"
            sharp = "" if k["sharpness"] is None else f", {k['sharpness']:.2f}"
            cells.append(f"{100 * k['read']:.0f} % ({span}), {near}{sharp}")
        rows.append([kind, *cells])
    return markdown(["read as its class, PSNR to the nearest target, sharpness", *kinds], rows)


def landscape(result: dict[str, Any]) -> str:
    """The map is a figure."""
    return f"\n{result['ncas']} NCAs.\n"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "ladder": ladder,
    "budgets": budgets,
    "prior": prior,
    "curve": curve,
    "clusters": clusters,
    "orbit": orbit,
    "dynamics": dynamics,
    "within": within,
    "mixing": mixing,
    "map": landscape,
}
