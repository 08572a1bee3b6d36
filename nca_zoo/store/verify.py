"""Checking a zoo from end to end: form, checksums of every chunk, every value, every id."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.progress import Progress, silent
from nca_zoo.store.beside import find_columns, read_beside
from nca_zoo.store.hdf5 import DAMAGE, chunk_places, clear_mark, opened, reason
from nca_zoo.store.layout import Layout, inspect
from nca_zoo.store.parts import BLOCK_BYTES, Held, Rows, find_shards, gather, zoo_path
from nca_zoo.store.schema import BY_NAME, Column, column_problem, digests, picture_digests
from nca_zoo.store.zoofile import Zoo, open_zoo

Regrow = Callable[[Zoo], Iterable[str]]  # problems of a zoo's NCAs, found by growing them again
Sums = Callable[[Any], npt.NDArray[Any]]
CHECKSUMS: dict[str, tuple[str, Sums]] = {  # of a column: which holds them, and how they are made
    "weights": ("weights_sha256", digests),
    "target": ("picture_sha256", picture_digests),
}
REGROW_ROWS = 16  # NCAs that are grown again at a time


def verify(
    path: str | Path,
    regrow: Regrow | None = None,
    sample: int | None = None,
    guarded: bool = False,
    progress: Callable[[str], Progress] = lambda what: silent,
) -> list[str]:
    """All that is wrong with a zoo, one line each; empty if nothing is.

    Reads every byte of every column, a few blocks at a time. If the file is in order, ``regrow``
    is asked about ``sample`` good NCAs spread evenly over it, or about all with None. ``guarded``
    reads in another process first: a file can be made such that HDF5 itself crashes on it.
    """
    path = zoo_path(path)
    problems = _problems_seen_by_a_child(path) if guarded else _problems(path, progress("files"))
    if problems:
        return problems
    try:
        zoo = open_zoo(path)
        if regrow is None:
            return []
        chosen = np.flatnonzero(zoo.good)
        if sample is not None and sample < len(chosen):
            chosen = chosen[np.linspace(0, len(chosen) - 1, sample).astype(int)]
        for start in range(0, len(chosen), REGROW_ROWS):
            block = chosen[start : start + REGROW_ROWS]
            problems += regrow(zoo.subset(block))
            progress("NCAs")(start + len(block), len(chosen))
        return problems
    except ZooError as error:
        return [str(error)]


def _problems_seen_by_a_child(path: Path) -> list[str]:
    command = [sys.executable, "-P", "-m", "nca_zoo.store.verify", str(path)]  # not from here
    child = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if child.returncode:
        return [f"{path}: HDF5 itself fails on it (status {child.returncode}); do not open it"]
    return list(json.loads(child.stdout))


def _problems(path: Path, progress: Progress) -> list[str]:
    shards = find_shards(path)
    files = [path, *shards] if os.path.exists(path) or not shards else shards
    beside = find_columns(path)
    problems: list[str] = []
    for file in beside:
        found = list(_added_problems(file))
        if os.path.exists(file):
            problems += found
    for done, file in enumerate(files):
        found = list(_file_problems(file))
        progress(done + 1, len(files))
        if file == path or os.path.exists(file):  # else a build has merged it meanwhile
            problems += found
    return problems


def _file_problems(path: Path) -> Iterator[str]:
    try:
        with opened(path) as file:
            layout, problems = inspect(file)
            if layout is None:
                yield from (f"{path}: {problem}" for problem in problems)
                return
            ids, status = (_column(file, BY_NAME[name], layout) for name in ("id", "status"))
            sums = {of: _column(file, BY_NAME[name], layout) for of, (name, _) in CHECKSUMS.items()}
            names = layout.header.class_names
            for label in np.unique(_column(file, BY_NAME["label"], layout)).tolist():
                if layout.header.schema > 1 and label >= 0 and label not in names:
                    yield f"{path}: label {label}: class_names does not name it"
            if len(np.unique(ids)) < len(ids):
                yield f"{path}: ids occur more than once"
            for column in layout.columns:
                about = file[column.name].attrs
                if column.name in BY_NAME and not {"description", "units"} <= set(about):
                    yield f"{path}: {column.name}: no description or no units"
                if problem := _column_problem(file, column, layout, ids, status == b"ok", sums):
                    yield f"{path}: {problem}"
    except ZooError as error:
        yield str(error)
    except DAMAGE as error:
        yield f"{path}: damaged ({reason(error)})"


def _added_problems(path: Path) -> Iterator[str]:
    """What is wrong with a file of columns beside a zoo."""
    try:
        added = read_beside(path)
        with opened(path) as file:
            there = {0: Held(file, {column.name: column for column in added.columns})}
            for column in added.columns:
                step = max(1, BLOCK_BYTES // max(1, column.row_bytes({})))
                for start in range(0, len(added.ids), step):
                    stop = min(start + step, len(added.ids))
                    gather(there, column, {}, _rows(start, stop))
    except ZooError as error:
        yield str(error)


def _column(file: h5py.File, column: Column, layout: Layout) -> npt.NDArray[Any]:
    return gather({0: Held(file, layout.by_name)}, column, layout.sizes, _rows(0, layout.rows))


def _rows(start: int, stop: int) -> Rows:
    return Rows(np.zeros(stop - start, np.int64), np.arange(start, stop))


def _column_problem(
    file: h5py.File, column: Column, layout: Layout, ids: npt.NDArray[Any], ok: npt.NDArray[Any],
    sums: Mapping[str, npt.NDArray[Any]],
) -> str | None:  # fmt: skip
    """The first problem of a column, read block by block."""
    if unlisted := _unlisted(file[column.name].id):
        return f"{column.name}: {unlisted}"
    step = max(1, BLOCK_BYTES // max(1, column.row_bytes(layout.sizes)))
    for start in range(0, layout.rows, step):
        block = slice(start, min(start + step, layout.rows))
        there = {0: Held(file, layout.by_name)}
        values = gather(there, column, layout.sizes, _rows(block.start, block.stop))
        if problem := column_problem(column, values, ids[block], ok[block], layout.sizes):
            return problem
        if column.name in CHECKSUMS:
            told, made = sums[column.name][block], CHECKSUMS[column.name][1]
            wrong = (told != b"") & (told != made(values))
            if wrong.any():
                name = ids[block][np.argmax(wrong)].decode()
                return f"{column.name} of {name}: not as it was stored (SHA-256 differs)"
    return None


def _unlisted(dataset: h5py.h5d.DatasetID) -> str:
    """What is wrong with the way to a column's chunks: HDF5 shows one it does not find as zeros."""
    if not dataset.get_create_plist().get_nfilters():
        return ""
    try:
        for place in chunk_places(dataset):
            dataset.read_direct_chunk(place)
    except DAMAGE:
        return f"damaged (the chunk at row {place[0]} is not found)"
    return ""


def repair(path: str | Path) -> list[str]:
    """Clear the marks that HDF5 left in files of a zoo whose writer died; which they were.

    Changes no byte beside them; ``verify`` then says whether the file is whole. Raises ZooError if
    a program is writing to one of them now.
    """
    path = zoo_path(path)
    files = (file for file in (path, *find_shards(path), *find_columns(path)) if file.exists())
    return [str(file) for file in files if clear_mark(file)]


if __name__ == "__main__":  # the child of a guarded ``verify``
    print(json.dumps(_problems(Path(sys.argv[1]), silent)))
