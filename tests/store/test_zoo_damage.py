"""Broken and hostile files: one clear line each, no crash, nothing read from elsewhere."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from mutations import bases, checked_blocks, lookup3
from rows import datasets, header, record

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.store.schema import COLUMNS, digests
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter

BIG = ("weights", "target", "grown", "loss")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(3)])
    return path


@pytest.fixture
def path(whole, tmp_path) -> Path:
    """A copy to break."""
    copy = tmp_path / "zoo.h5"
    copy.write_bytes(whole.read_bytes())
    return copy


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Every column and, as if they were columns, every attribute."""
    zoo = open_zoo(path)
    attributes = {f"@{name}": np.array(value) for name, value in header_of(zoo).items()}
    return {name: zoo.column(name) for name in zoo.columns} | attributes


def header_of(zoo: Zoo) -> dict[str, object]:
    return {
        name: value if isinstance(value, np.ndarray) else json.dumps(value)
        for name, value in zoo.attrs.items()
    }


def check_line(text: str, path: Path) -> None:
    assert text.isprintable(), repr(text)
    assert text.startswith(str(path)), text
    assert len(text) < len(str(path)) + 250, text


def check_broken(path: Path, words: str) -> None:
    """Opening, or reading some column, raises one line; so does ``verify``."""
    with pytest.raises(ZooError, match=words) as error:
        read_all(path)
    check_line(str(error.value), path)
    problems = verify(path)
    assert problems
    for problem in problems:
        check_line(problem, path)


def check_told_or_harmless(path: Path, before: dict[str, np.ndarray]) -> bool:
    """A changed file is either refused, by reader and ``verify`` alike, or reads as before."""
    problems = verify(path)
    for problem in problems:
        check_line(problem, path)
    try:
        after = read_all(path)
    except ZooError as error:
        check_line(str(error), path)
        assert problems
        return True
    assert not problems
    assert all(after[name].tobytes() == before[name].tobytes() for name in before)
    return False


def test_truncated_anywhere(whole, path):
    data, before = whole.read_bytes(), read_all(whole)
    places = {*range(0, 100, 7), *range(100, len(data), len(data) // 40), len(data) - 1}
    for stop in sorted(places):
        path.write_bytes(data[:stop])
        assert check_told_or_harmless(path, before), stop


def test_a_flipped_bit_anywhere(whole, path):
    data, before = bytearray(whole.read_bytes()), read_all(whole)
    rng = np.random.default_rng(0)
    head = rng.integers(0, 2000, 80)
    told = 0
    for place in [*head, *rng.integers(0, len(data), 170)]:
        data[place] ^= 1 << int(place) % 8
        path.write_bytes(data)
        told += check_told_or_harmless(path, before)
        data[place] ^= 1 << int(place) % 8
    assert told > 200  # the others lie between what the file uses


def test_bytes_of_nonsense(path):
    rng = np.random.default_rng(1)
    data = path.read_bytes()
    for size in (1, 7, 8, 512, 100_000):
        path.write_bytes(rng.bytes(size))
        check_broken(path, "not an HDF5 file")
        path.write_bytes(data[:8] + rng.bytes(size))
        check_broken(path, "damaged or truncated|not an HDF5 file")


def test_no_file_at_all(tmp_path):
    with pytest.raises(ZooError, match=r"no\.h5: no such file; make a zoo with `nca-zoo build`"):
        open_zoo(tmp_path / "no.h5")
    assert "no such file" in verify(tmp_path / "no.h5")[0]
    with pytest.raises(ZooError, match="found a folder"):
        open_zoo(tmp_path)
    (tmp_path / "empty.h5").touch()
    check_broken(tmp_path / "empty.h5", "the file is empty")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.h5")  # opening one would wait for ever
        check_broken(tmp_path / "pipe.h5", "something that is no file")


def test_hdf5_but_no_zoo(tmp_path):
    path = tmp_path / "zoo.h5"
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)
    check_broken(path, "HDF5, but no zoo")


def test_a_newer_schema(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 2
        del file["weights"]  # whatever that schema may hold
    check_broken(path, "written by a newer nca-zoo: schema 2, this one reads 1; upgrade")


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


def test_failed_fits_may_hold_anything(path):
    with h5py.File(path, "r+") as file:
        file["weights"][1] = np.nan
        file["weights_sha256"][1] = digests(file["weights"][1:2])[0]
        file["psnr_96"][1] = -np.inf
        file["status"][1] = b"diverged"
    assert verify(path) == []
    assert read_all(path)["id"].tolist() == [f"{i}-000" for i in range(3)]
    assert open_zoo(path).subset(open_zoo(path).good).id.tolist() == ["0-000", "2-000"]


def rewritten(path: Path, plain: Path) -> Path:
    values = datasets(path)
    with h5py.File(path) as old, h5py.File(plain, "w") as new:
        for name in old:
            new[name] = values[name]
        for name, value in old.attrs.items():
            new.attrs[name] = value
    return plain


def test_files_that_others_rewrote_are_read(path, tmp_path):
    """Contiguous, without checksums and descriptions: as plain h5py writes by default."""
    plain = rewritten(path, tmp_path / "plain.h5")
    after = read_all(plain)
    assert all(after[name].tobytes() == value.tobytes() for name, value in read_all(path).items())
    assert [line.split(": ")[2] for line in verify(plain)] == ["no description or no units"] * len(
        COLUMNS
    )


def test_a_flipped_bit_of_weights_in_a_file_without_checksums_of_its_own(path, tmp_path):
    plain = rewritten(path, tmp_path / "plain.h5")
    data = bytearray(plain.read_bytes())
    at = bytes(data).index(record(1)["weights"].tobytes())
    rng = np.random.default_rng(0)
    for place in at + rng.integers(0, 4 * N_PARAMS, 20):
        data[place] ^= 1 << int(place) % 8
        plain.write_bytes(data)
        assert any(" of 1-000" in problem for problem in verify(plain)), place
        data[place] ^= 1 << int(place) % 8
    plain.write_bytes(data)
    assert not any("1-000" in problem for problem in verify(plain))


def test_weights_that_were_exchanged_are_found(path):
    with h5py.File(path, "r+") as file:
        file["weights"][1, 7] += 0.5  # HDF5 renews its own checksum
    assert verify(path) == [
        f"{path}: weights of 1-000: not those that were stored (SHA-256 differs)"
    ]


def test_zoos_without_checksums_of_weights_are_read_and_go_on(path, tmp_path):
    with h5py.File(path, "r+") as file:
        del file["weights_sha256"]
    assert verify(path) == []
    assert "weights_sha256" not in open_zoo(path).columns
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in (3, 4)])
    zoo = open_zoo(path)
    known = {record(n)["id"]: record(n)["weights_sha256"] for n in (3, 4)}
    assert zoo.weights_sha256.tolist() == [known.get(name, "") for name in zoo.id]
    assert verify(path) == []


def test_a_chunk_without_room_for_its_checksum_does_not_crash_hdf5(path):
    """Stored in 0 bytes, it says, under a checksum that vouches for it: HDF5 2.0 dies of it."""
    data = bytearray(bases()["native"].data)
    start, stop = checked_blocks(bytes(data))[2]  # ids: 4 rows of 64 bytes, and the checksum
    at = data.index((4 * 64 + 4).to_bytes(8, "little"), start, stop)
    data[at : at + 8] = bytes(8)
    data[stop : stop + 4] = lookup3(bytes(data[start:stop])).to_bytes(4, "little")
    path.write_bytes(data)
    words = f"{path}: id: damaged (a chunk is not stored in 260 bytes)"
    assert verify(path, guarded=True) == [words]
    with pytest.raises(ZooError, match="a chunk is not stored in 260 bytes"):
        open_zoo(path)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_verify_says_so_if_hdf5_crashes(path, tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -SEGV $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    problems = verify(path, guarded=True)
    assert problems == [f"{path}: HDF5 itself fails on it (status -11); do not open it"]


def test_a_guarded_verify_finds_the_same(path):
    assert verify(path, guarded=True) == verify(path) == []
    path.write_bytes(path.read_bytes()[:5000])
    assert verify(path, guarded=True) == verify(path) != []


def test_reading_waits_until_it_must(path):
    """Opening reads no weights, so a file with broken ones still tells all else."""
    data = bytearray(path.read_bytes())
    at = bytes(data).index(record(1)["weights"][:50].tobytes())
    data[at] ^= 4
    path.write_bytes(data)
    zoo = open_zoo(path)
    assert zoo.psnr_96.tolist() == [20, 21, 22]
    with pytest.raises(ZooError, match=r"weights: damaged \(a checksum does not match\)"):
        _ = zoo.weights
    assert verify(path) == [f"{path}: weights: damaged (a checksum does not match)"]


def test_a_broken_shard_is_named(path):
    shards = path.with_name("zoo.h5.shards")
    shards.mkdir()
    (shards / "00000001.h5").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ZooError, match=r"zoo\.h5\.shards.00000001\.h5: damaged or truncated"):
        open_zoo(path)
