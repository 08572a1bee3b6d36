"""A zoo in formats that others read: safetensors, NPZ, Parquet, CSV, torch, Distill's JSON.

Each format has up to two forms: all NCAs in one file, or one NCA in a file of its own. What lies
where in them: docs/export.md.
"""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.rule import PARAM_SPEC, param_slices, unflatten
from nca_zoo.errors import ZooError
from nca_zoo.exchange.distill import pack
from nca_zoo.ground.files import make_folder, published
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.store.columns import Column
from nca_zoo.store.schema import ATTRIBUTES
from nca_zoo.store.zoofile import CLASS_NAME, Zoo

BLOCK_ROWS = 1000  # of a Parquet file's row groups

Write = Callable[[Zoo, Path], None]


def export(
    zoo: Zoo,
    kind: str,
    out: Path,
    each: bool = False,
    progress: Progress = silent,
) -> list[Path]:
    """Write all NCAs of ``zoo`` in the format ``kind``; returns the files.

    out: the file; with ``each`` a folder, in which every NCA gets a file named by its id. Files
    appear whole or not at all and replace older ones. All but Parquet hold the whole zoo in memory.
    Raises ZooError for a format without the form that is asked for, for a missing library, and for
    what the disk refuses.
    """
    form = FORMATS[kind]
    write = form.one if each else form.whole
    if write is None:
        has = "--each gives one file an NCA" if form.whole is None else "leave out --each"
        raise ZooError(f"the format {kind} has no such form; {has}")
    if not len(zoo):
        raise ZooError(f"{zoo.path}: no NCA to export")
    make_folder(out if each else out.parent)
    if not each:
        with published(out) as part:
            write(zoo, part)
        return [out]
    files = []
    for row, nca_id in enumerate(zoo.id):
        files.append(out / f"{nca_id}{form.suffix}")
        with published(files[-1]) as part:
            write(zoo.subset([row]), part)
        progress(row + 1, len(zoo))
    return files


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        raise ZooError(
            f"this format needs {package}, which is not installed: pip install 'nca-zoo[export]'"
        ) from None


def attributes(zoo: Zoo) -> dict[str, str]:
    """What the zoo says about all its NCAs, as texts: JSON but for plain sentences."""
    texts = {
        attribute.name: zoo.attrs[attribute.name]
        if attribute.kind == "text"
        else json.dumps(zoo.attrs[attribute.name], sort_keys=True)
        for attribute in ATTRIBUTES
        if attribute.kind != "weights"
    }
    texts["columns"] = json.dumps({column.name: told(column) for column in zoo.described})
    missing = {
        column.name: int(column.fill) for column in zoo.described if column.missing is not None
    }
    return texts | ({"missing": json.dumps(missing)} if missing else {})


def told(column: Column) -> str:
    """A column's description and units, and how it was made if it was added: one line."""
    text = f"{column.description} [{column.units}]" if column.units else column.description
    made = ", ".join(filter(None, (column.made_by, column.made_with, column.made)))
    return f"{text} ({made})" if made else text


def text_columns(zoo: Zoo) -> list[str]:
    """Names of the columns of texts."""
    return [column.name for column in zoo.described if column.is_text]


def _arrays(zoo: Zoo) -> dict[str, npt.NDArray[Any]]:
    """Every column of numbers, and the start that all share if there is one."""
    start = zoo.attrs["init_weights"]
    texts = text_columns(zoo)
    arrays = {name: zoo.column(name) for name in zoo.columns if name not in texts}
    return arrays | ({"init_weights": start} if len(start) else {})


def _texts(zoo: Zoo) -> dict[str, list[str]]:
    texts = {name: zoo.column(name).tolist() for name in text_columns(zoo)}
    return {CLASS_NAME: zoo.class_name.tolist()} | texts


def _tensors(zoo: Zoo) -> dict[str, npt.NDArray[np.float32]]:
    """The named tensors of a zoo of one NCA."""
    return {name: np.ascontiguousarray(w) for name, w in unflatten(zoo.weights[0]).items()}


def _safetensors(zoo: Zoo, path: Path) -> None:
    texts = {name: json.dumps(values) for name, values in _texts(zoo).items()}
    _library("safetensors.numpy").save_file(_arrays(zoo), path, attributes(zoo) | texts)


def _safetensors_one(zoo: Zoo, path: Path) -> None:
    about = {name: str(zoo.column(name)[0]) for name in zoo.scalars}
    _library("safetensors.numpy").save_file(_tensors(zoo), path, attributes(zoo) | about)


def _npz(zoo: Zoo, path: Path) -> None:
    arrays: dict[str, Any] = {name: np.array(values) for name, values in _texts(zoo).items()}
    arrays |= _arrays(zoo) | {"attributes": np.array(json.dumps(attributes(zoo)))}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _parquet(zoo: Zoo, path: Path) -> None:
    pa, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    head = {name: text.encode() for name, text in attributes(zoo).items()}
    head["init_weights"] = zoo.attrs["init_weights"].astype("<f4").tobytes()

    def array(values: npt.NDArray[Any]) -> Any:
        if values.ndim == 1:
            return pa.array(values)
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values[0].size)

    columns = {column.name: column for column in zoo.described}

    def table(rows: Zoo) -> Any:
        arrays, fields = [], []
        for name in dict.fromkeys((*rows.columns, CLASS_NAME)):
            values = rows.column(name)
            arrays.append(array(values))
            about = _about(columns[name]) if name in columns else {}
            shape = {"shape": json.dumps(values.shape[1:]), **about}
            fields.append(pa.field(name, arrays[-1].type, False, shape))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, head))

    starts = range(0, len(zoo), BLOCK_ROWS)
    tables = (table(zoo.subset(np.arange(len(zoo))[i : i + BLOCK_ROWS])) for i in starts)
    first = next(tables)
    with parquet.ParquetWriter(path, first.schema, use_dictionary=text_columns(zoo)) as writer:
        writer.write_table(first)
        for block in tables:
            writer.write_table(block)


def _about(column: Column) -> dict[str, str]:
    """What a Parquet field says of itself, as the dataset in the zoo does."""
    names = ("description", "units", "made_by", "made_with", "made")
    return {name: text for name in names if (text := getattr(column, name))}


def metadata_csv(zoo: Zoo) -> str:
    """Everything that is one value for each NCA, as CSV: a line each, and one of names."""
    return zoo.frame().to_csv(lineterminator="\n")


def _csv(zoo: Zoo, path: Path) -> None:
    path.write_text(metadata_csv(zoo), encoding="utf-8", newline="")


def _torch(zoo: Zoo, path: Path) -> None:
    torch = _library("torch")
    arrays = _arrays(zoo)
    weights = torch.from_numpy(arrays.pop("weights").copy())
    slices = param_slices()
    start = arrays.pop("init_weights", np.zeros(0, np.float32))
    checkpoint = {
        # Views of one storage, which the file holds once
        "state_dicts": {
            nca_id: {name: weights[row, slices[name]].view(shape) for name, shape in PARAM_SPEC}
            for row, nca_id in enumerate(zoo.id.tolist())
        },
        # The seeds keep their bits, signed: torch 2.4 and 2.5 save no unsigned 64-bit numbers.
        "columns": _texts(zoo)
        | {
            name: torch.from_numpy((a.view(np.int64) if a.dtype == np.uint64 else a).copy())
            for name, a in arrays.items()
        },
        "init_weights": torch.from_numpy(start.copy()),
        "attributes": attributes(zoo),
    }
    torch.save(checkpoint, path)


def _torch_one(zoo: Zoo, path: Path) -> None:
    torch = _library("torch")
    torch.save({name: torch.from_numpy(w.copy()) for name, w in _tensors(zoo).items()}, path)


def _distill_one(zoo: Zoo, path: Path) -> None:
    if zoo.fire_rate != FIRE_RATE:
        raise ZooError(
            f"{zoo.path}: its cells fire with chance {zoo.fire_rate:g}, and those of the Distill "
            f"demo with {FIRE_RATE:g}; use another format"
        )
    if zoo.signal() is not None:
        raise ZooError(
            f"{zoo.path}: its cells hear a clock, and the Distill demo has none; use another format"
        )
    path.write_text(json.dumps(pack(zoo.weights[0])), encoding="utf-8")


@dataclass(frozen=True)
class Format:
    """How a format is written: all NCAs in one file, and a zoo of one NCA."""

    suffix: str
    whole: Write | None
    one: Write | None


FORMATS = {
    "safetensors": Format(".safetensors", _safetensors, _safetensors_one),
    "npz": Format(".npz", _npz, None),
    "parquet": Format(".parquet", _parquet, None),
    "csv": Format(".csv", _csv, None),
    "torch": Format(".pt", _torch, _torch_one),
    "distill": Format(".json", None, _distill_one),
}
