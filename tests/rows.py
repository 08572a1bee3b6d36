"""Rows of a made-up zoo, cheap to make and the same every time, for the tests of the zoo file."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nca_zoo.automaton.rule import CHANNELS, HIDDEN, N_PARAMS, param_slices
from nca_zoo.store.schema import Header, resample_loss
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.symmetry.group import Element, act

GRID = (3, 4)
GREY = {"alpha": "ink", "seed_at": "ink", "visible": "grey"}  # settings of a grey zoo's targets


def record(number: int, grid: tuple[int, int] = GRID, **changes: Any) -> dict[str, Any]:
    """The row of one NCA: the ``number // 3``-th of class ``number % 3``."""
    rng = np.random.default_rng(number)
    height, width = grid
    label, index = number % 3, number // 3
    row = {
        "id": f"{label}-{index:03d}",
        "name": f"{label}/é {index}.png",
        "weights": rng.standard_normal(N_PARAMS, dtype=np.float32),
        "label": label,
        "source_index": number,
        "split": "test" if number % 5 == 0 else "train",
        "seed_row": int(rng.integers(height)),
        "seed_col": int(rng.integers(width)),
        "rng_seed": 2**64 - 1 - number,
        "init": "meta",
        "target": rng.integers(0, 256, (height, width, 4), dtype=np.uint8),
        "grown": rng.integers(0, 256, (height, width, 4), dtype=np.uint8),
        "psnr_96": np.float32(20 + number),
        "psnr_400": np.float32(19 + number),
        "alive_400": np.float32(0.25),
        "loss": resample_loss(rng.random(7)),
        "train_steps": 100 + number,
        "attempts": 1,
        "status": "ok",
        "wall_s": np.float32(1.5),
    } | changes
    return row | {
        "weights_sha256": hashlib.sha256(np.asarray(row["weights"]).tobytes()).hexdigest(),
        "picture_sha256": hashlib.sha256(np.asarray(row["target"]).tobytes()).hexdigest(),
    }


def build(path: Path, numbers: Iterable[int], **changes: Any) -> Path:
    """A zoo of these rows; of one that is there already, those that are not."""
    with ZooWriter(path, header(**changes)) as writer:
        for row in map(record, numbers):
            if row["id"] not in writer.finished_ids():
                writer.add([row])
    return path


def still(number: int, grid: tuple[int, int] = (6, 5)) -> dict[str, Any]:
    """An NCA with no update: for ever its seed cell, of which all measures are known."""
    row = record(number, grid)
    for name in ("W2", "b2"):
        row["weights"][param_slices()[name]] = 0
    grown = np.zeros((*grid, 4), np.uint8)
    grown[row["seed_row"], row["seed_col"], 3] = 255
    mse = np.mean((grown / 255 - row["target"] / 255) ** 2)
    decibels = -10 * np.log10(mse)
    row["weights_sha256"] = hashlib.sha256(row["weights"].tobytes()).hexdigest()
    return row | {"grown": grown, "psnr_96": decibels, "psnr_400": decibels, "alive_400": 0.3}


def grey(
    number: int, weights: np.ndarray, ink: np.ndarray, seed: tuple[int, int], **changes: Any
) -> dict[str, Any]:
    """An NCA of a grey zoo, as ``header(target=GREY)`` says, with garbage in R, G and B.

    Its alpha is what ``weights`` grow from ``seed``; ink: the picture (H, W), uint8.
    """
    garbage = np.eye(CHANNELS)
    garbage[:3, :3] = [[-0.7, 0, 0], [0.9, 0.4, 0], [0, 0.5, -1.6]]
    garbage[1, 5], garbage[1, 6] = 0.8, -0.8  # hidden channels, alike in the seed
    weights = act(Element(np.arange(HIDDEN), np.ones(HIDDEN), garbage), weights)
    picture = np.repeat(ink[..., None], 4, axis=-1)
    row, col = seed
    own = {"weights": weights, "target": picture, "grown": picture}
    return record(number, ink.shape, **own, seed_row=row, seed_col=col, **changes)


def header(**changes: Any) -> Header:
    """What all rows share; ``changes`` go into the settings."""
    settings: dict[str, Any] = {
        "source": "digits",
        "seed": 0,
        "init": "meta",
        "regime": {
            "name": "persistent",
            "batch": 2,
            "seed_hidden": True,
            "gate": {"pass_400": 20.0, "stop_96": float("inf")},
        },
    }
    return Header(
        settings=settings | changes,
        source="digits: made up",
        licence="CC0",
        engine="sparse",
        versions={"numpy": "2.0"},
        init_weights=np.arange(N_PARAMS, dtype=np.float32),
    )


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Every dataset of a file, read with plain h5py."""
    with h5py.File(path, "r") as file:
        return {name: file[name][...] for name in file}


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    """Whether two files hold the same datasets, bit by bit."""
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )


def as_schema_1(path: Path) -> Path:
    """Make a zoo file what version 0.1 would have written: no names, no digests of pictures, and a
    gate that asks for PSNR alone."""
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 1
        settings = json.loads(file.attrs["settings"])
        for asked in ("pass_error", "pass_window"):
            settings["regime"].get("gate", {}).pop(asked, None)
        file.attrs["settings"] = np.bytes_(json.dumps(settings).encode())
        del file.attrs["class_names"], file["name"], file["picture_sha256"]
    return path
