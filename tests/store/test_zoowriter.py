import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from rows import datasets, header, record, same
from wide import mostly_wide

from nca_zoo.errors import ZooError
from nca_zoo.store import assemble, zoowriter
from nca_zoo.store.schema import resample_loss
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

CHILD = Path(__file__).parents[1].joinpath("zoo_child.py")


def build(path: Path, numbers, batch: int = 1) -> Path:
    with ZooWriter(path, header()) as writer:
        todo = [n for n in numbers if record(n)["id"] not in writer.finished_ids()]
        for start in range(0, len(todo), batch):
            writer.add([record(number) for number in todo[start : start + batch]])
    return path


def child(*arguments: object) -> subprocess.Popen[str]:
    """Another process that writes; see ``zoo_child.py``."""
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.wide
def test_a_resumed_build_is_the_uninterrupted_one(tmp_path):
    whole = build(tmp_path / "whole.h5", range(11), 3)
    parts = tmp_path / "parts.h5"
    for stop in (2, 3, 7, 11):
        build(parts, range(stop))
    assert same(datasets(whole), datasets(parts))
    before = parts.stat()
    build(parts, range(11))  # nothing left to do
    assert parts.stat().st_mtime_ns == before.st_mtime_ns
    with h5py.File(parts) as file:
        created = file.attrs["created"]
    build(parts, range(12))
    with h5py.File(parts) as file:
        assert file.attrs["created"] == created


@pytest.mark.wide
def test_files_stay_few(tmp_path, monkeypatch):
    monkeypatch.setattr(zoowriter, "FAN_BITS", 1)  # two shards become one
    path = tmp_path / "zoo.h5"
    most = 0
    with ZooWriter(path, header()) as writer:
        for number in range(24):
            writer.add([record(number)])
            most = max(most, len(list((tmp_path / "zoo.h5.shards").iterdir())))
            assert len(open_zoo(path)) == number + 1
    assert most <= 4
    assert same(datasets(path), datasets(build(tmp_path / "other.h5", range(24), 24)))


def test_other_settings_are_refused(tmp_path):
    path = build(tmp_path / "zoo.h5", range(2))
    before = path.read_bytes()
    with pytest.raises(ZooError) as error:
        ZooWriter(path, header(seed=3, regime={"name": "persistent", "batch": 4}))
    text = str(error.value)
    assert "seed 0 -> 3" in text
    assert "regime.batch 2 -> 4" in text
    assert "--out" in text
    assert "\n" not in text
    assert path.read_bytes() == before
    build(path, range(3))  # the lock was let go


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": np.zeros(5, np.float32)}, r"0-000: weights: expected float32 \(8336,\)"),
        ({"target": np.zeros((3, 4, 4))}, "target: expected uint8"),
        ({"status": "fine"}, "status is fine"),
        ({"id": "../up"}, "id is"),
        ({"id": "a" * 65}, "text of 64 bytes"),
        ({"label": 40_000}, "label"),
        ({"label": 1.5}, "label"),
        ({"seed_row": 3}, "seed_row of 0-000 is 3; expected 0 to 2"),
        ({"weights": np.full(8336, np.inf, np.float32)}, "weights of 0-000 is inf"),
        ({"loss": resample_loss([1.0], 7)}, "loss: expected"),
    ],
)
def test_wrong_rows_are_refused_whole(tmp_path, changes, words):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(1)])
        with pytest.raises(ZooError, match=words):
            writer.add([record(2), record(0, **changes)])
        assert writer.finished_ids() == {record(1)["id"]}
    assert len(open_zoo(path)) == 1


def test_an_id_comes_once(tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(1)])
        with pytest.raises(ZooError, match=r"1-000 is in .* already"):
            writer.add([record(1)])
        with pytest.raises(ZooError, match=r"2-000 is in .* already"):
            writer.add([record(2), record(2)])
        writer.add([])


def test_a_second_build_is_refused(tmp_path):
    path = tmp_path / "zoo.h5"
    first = child("hold", path)
    assert first.stdout is not None
    assert first.stdout.readline() == "holding\n"
    with pytest.raises(ZooError, match=rf"process {first.pid} on "):
        ZooWriter(path, header())
    first.kill()  # no crash leaves the lock behind
    first.communicate()
    assert (tmp_path / "zoo.h5.lock").exists()
    build(path, range(1))
    assert not (tmp_path / "zoo.h5.lock").exists()


@pytest.mark.wide
def test_rows_merged_but_not_deleted_are_read_once(tmp_path, monkeypatch):
    path = tmp_path / "zoo.h5"
    writer = ZooWriter(path, header())
    monkeypatch.setattr(ZooWriter, "_delete", lambda self, shards: None)
    for number in range(4):
        writer.add([record(number)])
    writer.close()
    monkeypatch.undo()
    assert len(list((tmp_path / "zoo.h5.shards").glob("*.h5"))) == 4
    assert len(datasets(path)["id"]) == len(open_zoo(path)) == 4
    build(path, range(5))
    assert same(datasets(path), datasets(build(tmp_path / "other.h5", range(5))))
    assert not (tmp_path / "zoo.h5.shards").exists()


def test_one_id_with_other_weights_is_a_conflict(tmp_path):
    path = build(tmp_path / "zoo.h5", range(3))
    other = build(tmp_path / "other.h5", [1])
    with h5py.File(other, "r+") as file:
        file["weights"][0, 5] += 1
    (tmp_path / "zoo.h5.shards").mkdir()
    other.rename(tmp_path / "zoo.h5.shards" / "00000001.h5")
    with pytest.raises(ZooError, match=r"1-000 is in .*zoo.h5 and in .*00000001.h5 with other"):
        open_zoo(path)
    assert len(datasets(path)["id"]) == 3


@pytest.mark.wide
def test_columns_measured_later_are_carried_on(tmp_path):
    path = build(tmp_path / "zoo.h5", range(3))
    with h5py.File(path, "r+") as file:
        file["drift"] = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
        file["drift"].attrs["units"] = np.bytes_("dB")
    build(path, range(5))
    zoo = open_zoo(path)
    assert zoo.columns[-1] == "drift"
    drift = {name: zoo.column("drift")[row].tolist() for row, name in enumerate(zoo.id)}
    assert [drift[f"{label}-000"] for label in range(3)] == [[1, 2], [3, 4], [5, 6]]
    assert np.isnan(drift["0-001"]).all()
    with h5py.File(path) as file:
        assert file["drift"].attrs["units"] == b"dB"


@pytest.mark.wide
def test_disks_that_cannot_promise_room(tmp_path, monkeypatch):
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(assemble.os, "posix_fallocate", refuse, raising=False)
    path = build(tmp_path / "zoo.h5", range(5))
    monkeypatch.undo()
    other = build(tmp_path / "other.h5", range(5))
    assert same(datasets(path), datasets(other))
    assert path.stat().st_size == other.stat().st_size


def test_no_room_for_a_shard(tmp_path, monkeypatch):
    path = tmp_path / "zoo.h5"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with ZooWriter(path, header()) as writer:
        writer.add([record(0)])
        monkeypatch.setattr(assemble.os, "fsync", full)
        with pytest.raises(ZooError, match="cannot be written: No space left on device"):
            writer.add([record(1)])
        monkeypatch.undo()
        assert not list(tmp_path.rglob("*.tmp"))
        assert writer.finished_ids() == {"0-000"}
        writer.add([record(1)])
    assert len(open_zoo(path)) == 2


@pytest.mark.wide
def test_ctrl_c_while_merging(tmp_path, monkeypatch):
    path = tmp_path / "zoo.h5"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ZooWriter(path, header()) as writer:
        writer.add([record(0), record(1)])
        writer.add([record(2)])  # stays in its shard
        with monkeypatch.context() as patch:
            patch.setattr(assemble, "gather", interrupt)
            writer.add([record(3)])
    assert [entry.name for entry in tmp_path.iterdir()] == ["zoo.h5"]
    assert same(datasets(path), datasets(build(tmp_path / "other.h5", range(4))))


@pytest.mark.wide
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("limit", mostly_wide([30_000, 100, 1_100_000, 1_400_000], 2))
def test_the_system_refuses_to_write_more(tmp_path, limit):
    """A limit on the size of files, met by shards or by the merged file, is a full disk to us."""
    path = tmp_path / "zoo.h5"
    with child("limit", path, limit) as process:
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert "cannot be written: File too large" in err.splitlines()[-1]
    assert not list(tmp_path.rglob("*.tmp"))
    finished = json.loads(out.splitlines()[-1])
    if not finished:
        return
    assert sorted(open_zoo(path).id) == sorted(record(n)["id"] for n in finished)
    whole = build(tmp_path / "whole.h5", range(12), 12)
    assert same(datasets(build(path, range(12), 12)), datasets(whole))


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is wanted")
    with pytest.raises(ZooError, match="cannot be written: "):
        ZooWriter(blocked / "zoo.h5", header())
    if os.geteuid() == 0:  # whom no permissions stop

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "open", refuse)
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(ZooError, match=r"zoo.h5: cannot be written: Permission denied"):
        ZooWriter(tmp_path / "closed" / "zoo.h5", header())


def test_what_is_no_zoo_is_not_overwritten(tmp_path):
    path = tmp_path / "zoo.h5"
    path.write_text("precious")
    with pytest.raises(ZooError, match="not an HDF5 file"):
        ZooWriter(path, header())
    assert path.read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.wide
def test_kills_lose_nothing(tmp_path):
    """SIGKILL at every kind of moment; ``zoo_child.py`` checks after each and resumes."""
    with child("kills", tmp_path) as process:
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    report = json.loads(out.splitlines()[-1])
    assert report["killed"] >= 10
    assert report["unfinished_files_seen"] > 0
    reference = datasets(build(tmp_path / "reference.h5", range(report["rows"])))
    for path in sorted(tmp_path.glob("killed-*.h5")):
        assert same(datasets(path), reference), path
