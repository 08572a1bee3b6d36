"""``nca-zoo info``: say what a zoo file holds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from nca_zoo.errors import printable
from nca_zoo.store.schema import HEALING
from nca_zoo.store.settings import Settings

from .options import NCA_ID, json_option, print_json, zoo_option

if TYPE_CHECKING:
    from nca_zoo.store.columns import Column
    from nca_zoo.store.zoofile import Zoo


@click.command()
@click.argument("nca_id", metavar="[ID]", required=False, type=NCA_ID)
@zoo_option
@click.option("--card", is_flag=True, help="Print a dataset card: README.md for Hugging Face.")
@click.option("--croissant", is_flag=True, help="Print Croissant metadata: croissant.json.")
@click.option("--digest", is_flag=True, help="Print 64 digits that stand for ids and weights.")
@click.option("--url", help="Where the dataset will be published, for --croissant.")
@json_option
def info(
    zoo: Path, nca_id: str | None, card: bool, croissant: bool, digest: bool, url: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Say what a zoo file holds, or all that it says about one NCA.

    \b
    nca-zoo info
    nca-zoo info 7-012
    nca-zoo info --zoo data/growing.h5 --json
    nca-zoo info --card > README.md
    nca-zoo info --digest
    """
    from nca_zoo.store.zoofile import open_zoo

    if sum((card, croissant, digest, as_json, nca_id is not None)) > 1 and not (nca_id and as_json):
        raise click.UsageError("name one of ID, --card, --croissant, --digest and --json")
    held = open_zoo(zoo)
    if digest:
        click.echo(held.digest)
        return
    if card or croissant:
        from nca_zoo.exchange import card as dataset

        text = dataset.card(held) if card else json.dumps(dataset.croissant(held, url), indent=2)
        click.echo(text.rstrip("\n"))
        return
    if nca_id is not None:
        about = one(held, nca_id)
        units = {column.name: column.units for column in held.described}
        lines = [_line(name, value, units.get(name, "")) for name, value in about.items()]
    else:
        about = summary(held)
        lines = [*facts(about), "", *class_table(about), *further(about)]
    if as_json:
        print_json(about)
    else:
        click.echo("\n".join(lines))


def one(zoo: "Zoo", nca_id: str) -> dict[str, Any]:
    """Every column of one NCA that is a single value; None where it has none."""
    row = zoo.subset([zoo.index(nca_id)])
    values = {
        column.name: _plain(row.column(column.name)[0])
        if column.is_text or row.known(column.name)[0]
        else None
        for column in row.described
        if not column.shape
    }
    return values | {"class_name": str(row.class_name[0]) or None}


def _further(column: "Column") -> dict[str, Any]:
    """A column that is not of the schema: what it is, and who made it how."""
    kind = "text" if column.is_text else np.dtype(column.dtype).name
    told = ("units", "description", "origin", "made_by", "made_with", "made")
    shape = [int(side) for side in column.shape]
    return {"name": column.name, "type": kind, "shape": shape} | {
        name: getattr(column, name) for name in told
    }


def further(about: dict[str, Any]) -> list[str]:
    """Lines on the columns that were added, and on what is kept and not read; none if none are."""
    lines = []
    for column in about["further"]:
        shape = f" {tuple(column['shape'])}" if column["shape"] else ""
        units = f", {column['units']}" if column["units"] else ""
        made = ", ".join(filter(None, (column[name] for name in ("made_by", "made_with", "made"))))
        told = column["description"] or ("by another program" if not made else "")
        lines.append(
            f"{column['name']:14} {column['type']}{shape}{units}  {told}{f' ({made})' * bool(made)}"
        )
    head = ["", "Columns added to it:"] if lines else []
    kept = [f"kept, not read: {line}" for line in about["kept"]]
    return [*head, *lines, *([""] * bool(kept)), *kept]


def _line(name: str, value: Any, units: str) -> str:
    if value is None:
        return f"{name:14} -"
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{name:14} {printable(shown)} {units}".rstrip()


def summary(zoo: "Zoo") -> dict[str, Any]:
    """What the file says of itself, and how its NCAs are. Reads no weights."""
    statuses, counts = np.unique(zoo.status, return_counts=True)
    attrs = zoo.attrs
    return {
        "zoo": str(zoo.path),
        "bytes": zoo.file_bytes,
        "ncas": len(zoo),
        "status": dict(zip(statuses.tolist(), counts.tolist(), strict=True)),
        "grid": list(zoo.grid),
        "columns": list(zoo.columns),
        "further": [_further(column) for column in zoo.described if column.origin != "schema"],
        "kept": list(zoo.kept),
        "visible": zoo.visible,
        "shared_start": bool(len(attrs["init_weights"])),
        **{name: attrs[name] for name in ("schema", "created", "source", "licence", "engine")},
        **{name: attrs[name] for name in ("versions", "settings")},
        "heals": heals(zoo),
        "classes": _classes(zoo),
        "all": _class(None, "", zoo.status, zoo.psnr_96, zoo.psnr_400),
    }


def heals(zoo: "Zoo") -> dict[str, float]:
    """The share of wounds of every kind that good NCAs close; nothing of older zoos."""
    names = [name for name in zoo.columns if name in HEALING]
    known = {name: zoo.column(name)[zoo.good & zoo.known(name)] for name in names}
    return {name: float(shares.mean()) for name, shares in known.items() if len(shares)}


def healing_line(shares: dict[str, float]) -> str:
    """``radius 3 92 %, ..., half 60 % of wounds`` for ``heals``; nothing for nothing."""
    told = [
        f"{name.replace('heals_', '' if name == 'heals_half' else 'radius ')} {100 * share:.0f} %"
        for name, share in shares.items()
    ]
    return ", ".join(told) + " of wounds" if told else ""


def _classes(zoo: "Zoo") -> list[dict[str, Any]]:
    labels, starts = np.unique(zoo.label, return_index=True)  # rows are sorted by label
    columns = [np.split(values, starts[1:]) for values in (zoo.status, zoo.psnr_96, zoo.psnr_400)]
    found = zip(labels.tolist(), *columns, strict=True)
    return [_class(label, zoo.classes.name(label), *rest) for label, *rest in found]


def _class(
    label: int | None, name: str, status: Any, psnr_96: Any, psnr_400: Any
) -> dict[str, Any]:
    """Counts, and medians over all NCAs of a class, failed ones too; unjudged ones did not fail."""
    ok, unjudged = (int((status == kind).sum()) for kind in ("ok", "unjudged"))
    return {
        "class": name or None,
        "label": label,
        "ncas": len(status),
        "ok": ok,
        "failed": len(status) - ok - unjudged,
        "median_psnr_96": _median(psnr_96),
        "median_psnr_400": _median(psnr_400),
    }


def _median(values: Any) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _plain(value: Any) -> Any:
    value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def facts(about: dict[str, Any]) -> list[str]:
    """The summary as lines for people, without the table of classes."""
    settings = Settings(about["settings"])
    start = "one for all" if about["shared_start"] else "one for each"
    rows = {
        "NCAs": ", ".join(f"{count} {status}" for status, count in about["status"].items()),
        "grid": "{} x {} cells".format(*about["grid"]),
        "source": about["source"],
        "licence": about["licence"],
        "visible": {"rgba": "RGBA", "grey": "grey: alpha alone, as white ink"}[about["visible"]],
        "start": f"{settings.init}, {start}",
        "regime": _pairs(_regime(settings)),
        "heals": healing_line(about["heals"]),
        "engine": about["engine"],
        "versions": _pairs(about["versions"]),
        "created": f"{about['created']}, schema {about['schema']}",
    }
    head = f"{about['zoo']}: {about['ncas']} NCAs, {about['bytes'] / 1e6:.1f} MB"
    return [head, "", *(f"{name:10}{value}" for name, value in rows.items() if value)]


def _regime(settings: Settings) -> dict[str, Any]:
    prefix = "regime."
    return {k.removeprefix(prefix): v for k, v in settings.flat.items() if k.startswith(prefix)}


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def class_table(about: dict[str, Any]) -> list[str]:
    """A line for each class: how many, how many failed, median PSNR."""
    names = [row["class"] or "none" for row in about["classes"]] + ["all"]
    wide = max(5, *map(len, names))
    lines = [f"{'class':>{wide}}{'NCAs':>8}{'ok':>8}{'failed':>8}   median PSNR at step 96, 400"]
    for name, row in zip(names, (*about["classes"], about["all"]), strict=True):
        at_96, at_400 = (
            "-" if row[key] is None else f"{row[key]:.1f}"
            for key in ("median_psnr_96", "median_psnr_400")
        )
        counts = f"{name:>{wide}}{row['ncas']:>8}{row['ok']:>8}{row['failed']:>8}"
        lines.append(f"{counts}{at_96:>14}{at_400:>8} dB")
    return lines
