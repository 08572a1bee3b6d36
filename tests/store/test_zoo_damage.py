"""Broken files: one clear line each, no crash, and never other numbers than were stored."""

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from damage import check_broken, check_told_or_harmless, read_all
from mutations import bases, checked_blocks
from rows import datasets, header, record

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.store.schema import COLUMNS, digests
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


def test_truncated_anywhere(whole, path):
    data, before = whole.read_bytes(), read_all(whole)
    places = {*range(0, 100, 7), *range(100, len(data), len(data) // 40), len(data) - 1}
    for stop in sorted(places):
        path.write_bytes(data[:stop])
        assert check_told_or_harmless(path, before), stop


def test_a_file_that_was_cut_says_how_much_of_it_is_there(whole, path):
    data = whole.read_bytes()
    path.write_bytes(data[:-1000])
    held, size = f"{len(data) - 1000:,}", f"{len(data):,}"
    with pytest.raises(ZooError, match=f"truncated: {held} of its {size} bytes are there; copy"):
        open_zoo(path)


@pytest.mark.wide
def test_a_flipped_bit_anywhere(whole, path):
    data, before = bytearray(whole.read_bytes()), read_all(whole)
    rng = np.random.default_rng(0)
    head = rng.integers(0, 2000, 40)
    told = 0
    for place in [*head, *rng.integers(0, len(data), 85)]:
        data[place] ^= 1 << int(place) % 8
        path.write_bytes(data)
        told += check_told_or_harmless(path, before)
        data[place] ^= 1 << int(place) % 8
    assert told >= 100  # the others lie between what the file uses


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
        file.attrs["schema"] = 3
        del file["weights"]  # whatever that schema may hold
    check_broken(path, "written by a newer nca-zoo: schema 3, this one reads 2; upgrade")


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
    assert verify(path) == [f"{path}: weights of 1-000: not as it was stored (SHA-256 differs)"]


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
    """Stored in 0 bytes, says the list of chunks: HDF5 2.0 dies of it."""
    data = bytearray(bases()["native"].data)
    size = (4 * 64 + 4).to_bytes(4, "little")  # ids: 4 rows of 64 bytes, and the checksum
    at = data.index(size, data.index(b"TREE"))
    data[at : at + 4] = bytes(4)
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


def test_the_file_is_one_that_hdf5_1_8_reads(path):
    data = path.read_bytes()
    assert data[8] == 2  # the superblock's version, of 1.8
    headers = [start for start, _ in checked_blocks(data)[1:]]
    assert len(headers) > len(COLUMNS)
    assert {data[start + 4] for start in headers} == {2}  # with checksums, which 1.8 has, too
    assert not data[headers[0] + 5] & 0x10  # a flag of which pyfive and jsfive know nothing
    assert not any(mark in data for mark in (b"FADB", b"FAHD", b"EAHD"))  # lists of 1.10
    pyfive = pytest.importorskip("pyfive")
    with pyfive.File(str(path)) as file:
        for name, values in datasets(path).items():
            np.testing.assert_array_equal(file[name][:].astype(values.dtype), values, name)
        assert file.attrs["schema"] == 2


def test_every_chunk_must_be_listed_where_it_is(path):
    data = bytearray(path.read_bytes())
    tree = data.index(b"TREE")
    for place, words in (
        (6, "is not where it belongs"),  # how many chunks there are
        (24 + 4, "without its checksum"),  # which filters were left out
        (24 + 8, "where it belongs|bad coordinate"),  # the first row of the chunk
    ):
        data[tree + place] ^= 1
        path.write_bytes(data)
        check_broken(path, words)
        data[tree + place] ^= 1
