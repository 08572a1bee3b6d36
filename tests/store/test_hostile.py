"""Files made to do harm, or by another tool: one clear line each, nothing read from elsewhere."""

import json
from collections.abc import Callable

import h5py
import numpy as np
import pytest
from damage import check_broken

from nca_zoo.automaton.rule import N_PARAMS


def replace(name: str, make: Callable[[np.ndarray], object]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file[name][...]
        del file[name]
        file[name] = make(values)

    return change


def edit(name: str, place: object, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][place] = value

    return change


def attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value

    return change


def linked(name: str, link: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = link

    return change


def dataset(name: str, *shape: object, **options: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, *shape, **options)

    return change


def compressed(file: h5py.File) -> None:
    values = file["weights"][...]
    del file["weights"]
    file.create_dataset("weights", data=values, compression="gzip")


def virtual(file: h5py.File) -> None:
    values = h5py.VirtualLayout((3, N_PARAMS), "<f4")
    values[...] = h5py.VirtualSource("secret.h5", "weights", (3, N_PARAMS))
    del file["weights"]
    file.create_virtual_dataset("weights", values)


HOSTILE = {
    "missing dataset": (lambda file: file.__delitem__("loss"), "loss: missing"),
    "float64 weights": (replace("weights", lambda v: v.astype("f8")), "weights: expected float32"),
    "big-endian weights": (replace("weights", lambda v: v.astype(">f4")), "weights: expected"),
    "flat weights": (replace("weights", np.ravel), r"weights: expected float32 \(3, 8336\)"),
    "a row short": (replace("psnr_96", lambda v: v[1:]), r"psnr_96: expected float32 \(3,\)"),
    "a target of three channels": (replace("target", lambda v: v[..., :3]), "target: expected"),
    "a target of other sizes": (replace("target", lambda v: v[:, 1:]), "grown: expected"),
    "loss without points": (replace("loss", lambda v: v[:, 0]), "id, target, loss: expected"),
    "no rows": (dataset("id", (0,), "S64"), "none of them empty"),
    "ids of any length": (
        replace("id", lambda v: v.astype(str).astype(object)),
        "id: expected .S64 .*found object",
    ),
    "scalar id": (replace("id", lambda v: v[0]), "id, target, loss"),
    "compound": (dataset("label", (3,), np.dtype([("a", "i2")])), "label: expected int16"),
    "references": (dataset("label", (3,), h5py.ref_dtype), "label: expected int16"),
    "no data at all": (dataset("id", dtype="S64", data=h5py.Empty("S64")), "damaged|expected"),
    "compressed": (compressed, "weights: compressed or filtered"),
    "external link": (linked("weights", h5py.ExternalLink("secret.h5", "/weights")), "a link"),
    "soft link": (linked("weights", h5py.SoftLink("/loss")), "a link, which is not followed"),
    "virtual": (virtual, "weights: its data lie in other files"),
    "external storage": (
        dataset("weights", (3, N_PARAMS), "<f4", external=[("secret.raw", 0, 10**6)]),
        "weights: its data lie in other files",
    ),
    "a terabyte, never written": (
        dataset("weights", (30_000_000, N_PARAMS), "<f4", chunks=(1, N_PARAMS)),
        r"weights: expected float32 \(3, 8336\)",
    ),
    "huge chunks": (
        dataset("label", (3,), "<i2", chunks=(10**8,), maxshape=(None,)),
        "label: chunks of",
    ),
    "not a number": (edit("weights", (1, 7), np.nan), "weights of 1-000 is nan"),
    "seed off the grid": (edit("seed_row", 1, 3), "seed_row of 1-000 is 3"),
    "status": (edit("status", 1, b"great"), "status is great"),
    "escape in an id": (edit("id", 1, b"\x1b]0;x\x07"), r"id is '\\x1b"),
    "path in an id": (edit("id", 1, b"../../x"), r"id is '\.\./"),
    "markup in an id": (edit("id", 1, b"<b>"), "id is '<b>'"),
    "no utf-8 in an id": (edit("id", 1, b"\xff\xfe"), r"id is '\\"),
    "an id twice": (edit("id", 1, b"0-000"), "0-000 occurs more than once|more than once"),
    "no schema": (attribute("schema", None), "no attribute schema"),
    "schema in words": (attribute("schema", "one"), "attribute schema: expected one integer"),
    "schema 0": (attribute("schema", 0), "attribute schema is 0; expected 1"),
    "no settings": (attribute("settings", None), "attribute settings: missing"),
    "settings of any length": (attribute("settings", "{}"), "variable-length data"),
    "settings no JSON": (attribute("settings", np.bytes_(b"{")), "settings: not JSON"),
    "settings too deep": (attribute("settings", np.bytes_(b"[" * 60_000)), "settings: not JSON"),
    "settings deep": (
        attribute("settings", np.bytes_(b'{"a":' * 30 + b"1" + b"}" * 30)),
        "nested deeper than 20",
    ),
    "settings a list": (attribute("settings", np.bytes_(b"[]")), "expected a JSON object"),
    "settings with long numbers": (
        attribute("settings", np.bytes_(b'{"a": ' + b"1" * 9_000 + b"}")),
        "settings: not JSON",
    ),
    "escape in settings": (
        attribute("settings", np.bytes_(json.dumps({"regime": {"\x1b[2J": 1}}).encode())),
        "control characters",
    ),
    "escape in a source": (attribute("source", np.bytes_(b"\x1b[31mred")), "control characters"),
    "no text in a licence": (attribute("licence", np.bytes_(b"\xff")), "licence: not UTF-8"),
    "another rule": (attribute("param_spec", np.bytes_(b"[]")), "found another rule's"),
    "a short start": (attribute("init_weights", np.zeros(7, "f4")), "init_weights: expected"),
    "a start not finite": (
        attribute("init_weights", np.full(N_PARAMS, np.inf, "f4")),
        "init_weights: holds numbers that are not finite",
    ),
    "a long attribute": (attribute("source", np.bytes_(b"a" * 64_001)), "source: larger than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(path, name):
    change, words = HOSTILE[name]
    secret = path.parent / "secret.h5"
    secret.write_bytes(path.read_bytes())
    (path.parent / "secret.raw").write_bytes(bytes(10**6))
    with h5py.File(path, "r+") as file:
        change(file)
    check_broken(path, words)
