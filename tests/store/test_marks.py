"""A zoo that another program holds open, or died holding."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from damage import read_all
from mutations import lookup3 as other_lookup3

from nca_zoo.errors import ZooError
from nca_zoo.store.hdf5 import MARK_AT, clear_mark, lookup3
from nca_zoo.store.verify import repair, verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

HOLD = """
import sys, h5py
file = h5py.File(sys.argv[1], "r+", libver=("v110", "latest"))
file.attrs["note"] = "mine"
file.flush()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def newer(path: Path) -> Path:
    """The zoo as version 0.1 wrote it, in a form in which HDF5 marks files that are written to."""
    with h5py.File(path) as old, h5py.File(f"{path}.new", "w", libver=("v110", "v110")) as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs.create(name, value, dtype=old.attrs.get_id(name).dtype)
    os.replace(f"{path}.new", path)
    assert path.read_bytes()[8] == 3
    assert verify(path) == []
    return path


@pytest.fixture
def holder(newer: Path) -> Iterator[subprocess.Popen]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(newer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline().strip() == b"held"
    yield child
    child.kill()
    child.communicate()


def test_a_file_held_open_is_said_to_be(newer: Path, holder: subprocess.Popen) -> None:
    with pytest.raises(ZooError, match=r"another program has it open for writing: close it there"):
        open_zoo(newer)
    before = newer.read_bytes()
    with pytest.raises(ZooError, match="another program has it open"):
        repair(newer)
    assert newer.read_bytes() == before
    holder.communicate()  # it closes the file and ends
    assert len(open_zoo(newer)) == 3


def test_a_file_whose_writer_died_is_mended(newer: Path, holder: subprocess.Popen) -> None:
    whole = read_all_before(newer)
    holder.kill()
    holder.wait()
    assert newer.read_bytes()[MARK_AT]
    with pytest.raises(ZooError, match=r"has died.*nca-zoo verify --repair.*nothing in it is lost"):
        open_zoo(newer)
    assert "--repair" in verify(newer)[0]
    done = CliRunner().invoke(group, ["verify", "--zoo", str(newer), "--repair", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["ok"]
    assert done.stderr == f"{newer}: a program died while it had this open; its mark is cleared\n"
    assert all(after.tobytes() == whole[name].tobytes() for name, after in read_all(newer).items())
    assert repair(newer) == []


def read_all_before(path: Path) -> dict[str, np.ndarray]:
    """What the file held before anybody opened it to write, taken from the data that HDF5 shows."""
    copy = path.with_name("copy.h5")
    copy.write_bytes(path.read_bytes())
    assert clear_mark(copy)
    return read_all(copy)


def test_a_mark_is_cleared_in_shards_too(newer: Path) -> None:
    data = bytearray(newer.read_bytes())
    data[MARK_AT] = 1
    data[44:48] = other_lookup3(bytes(data[:44])).to_bytes(4, "little")
    shard = newer.with_name(newer.name + ".shards") / "00000001.h5"
    shard.parent.mkdir()
    shard.write_bytes(data)
    assert repair(newer) == [str(shard)]
    assert verify(newer) == []


def test_what_is_no_mark_is_left_alone(newer: Path) -> None:
    data = bytearray(newer.read_bytes())
    data[MARK_AT] = 1  # a flipped bit: the checksum says so
    newer.write_bytes(data)
    assert not clear_mark(newer)
    assert newer.read_bytes() == data
    newer.write_bytes(b"short")
    assert not clear_mark(newer)


def test_the_checksum_is_the_one_of_hdf5(newer: Path) -> None:
    data = newer.read_bytes()
    assert lookup3(data[:44]) == int.from_bytes(data[44:48], "little")
    rng = np.random.default_rng(0)
    for length in range(40):
        some = rng.bytes(length)
        assert lookup3(some) == other_lookup3(some)
