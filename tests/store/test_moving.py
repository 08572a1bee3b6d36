"""Reading and merging a zoo while a build merges and rewrites its parts."""

from dataclasses import replace

import numpy as np
import pytest
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.store import merging, parts, table
from nca_zoo.store.merging import Merged, merge_zoos
from nca_zoo.store.parts import PartMoved
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture
def building(tmp_path):
    """A build that is going on: rows 5 and 3 in the main file, 7 in a shard."""
    with ZooWriter(tmp_path / "running.h5", header()) as writer:
        writer.add([record(5), record(3)])
        writer.add([record(7)])
        yield writer


def going_on(writer, numbers, original):
    """``original``, but the build merges in one more row just before each of the first calls."""
    ahead = iter(numbers)

    def call(*arguments, **options):
        if (number := next(ahead, None)) is not None:
            writer.add([record(number)])
            writer.consolidate()
        return original(*arguments, **options)

    return call


def check(zoo, numbers):
    """Every NCA is itself."""
    want = {record(number)["id"]: record(number) for number in numbers}
    assert sorted(zoo.id.tolist()) == sorted(want)
    for name in ("weights", "target", "psnr_96", "source_index"):
        for row, nca_id in enumerate(zoo.id.tolist()):
            np.testing.assert_array_equal(zoo.column(name)[row], want[nca_id][name])


def test_a_zoo_that_is_being_built_merges_as_it_then_is(building, tmp_path, monkeypatch):
    """Row 0 comes first of all: whoever reads old places in the new file swaps NCAs."""
    moved = going_on(building, [0, 1], merging.merge)
    monkeypatch.setattr(merging, "merge", moved)
    with ZooWriter(tmp_path / "other.h5", header()) as writer:
        writer.add([record(2)])
    merged = merge_zoos([building.path, tmp_path / "other.h5"], tmp_path / "zoo.h5")
    assert merged == Merged(rows=6, twins=0)
    check(open_zoo(tmp_path / "zoo.h5"), [0, 1, 2, 3, 5, 7])
    assert not list(tmp_path.glob("zoo.h5?*"))


def test_a_reader_lives_through_merges_in_a_row(building, monkeypatch):
    zoo = open_zoo(building.path)
    monkeypatch.setattr(table, "read_rows", going_on(building, [0, 1, 2, 4], table.read_rows))
    check(zoo, [3, 5, 7])


def test_what_was_opened_in_the_middle_of_a_merge_is_read(building, monkeypatch):
    monkeypatch.setattr(table, "locate", going_on(building, [0], table.locate))
    check(open_zoo(building.path), [3, 5, 7])


@pytest.mark.wide
def test_a_zoo_that_never_stands_still_is_told_in_a_line(building, monkeypatch):
    zoo = open_zoo(building.path)
    looks = iter(range(10_000))

    def moves(*_):
        next(looks)
        raise PartMoved(f"{building.path}: changed while it was read; open the zoo again")

    monkeypatch.setattr(table, "read_rows", moves)
    with pytest.raises(
        ZooError, match=r"running\.h5: changed while it was read; open the zoo again"
    ):
        _ = zoo.weights
    assert next(looks) == parts.LOOKS + 1


def test_a_zoo_that_was_built_anew_meanwhile_is_another(tmp_path):
    """The same settings and ids, other weights: columns of the two must not meet."""
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, replace(header(), created="2026-11-27T00:00:00+00:00")) as writer:
        writer.add([record(0)])
    zoo = open_zoo(path)
    assert zoo.psnr_96[0] == 20
    path.unlink()
    with ZooWriter(path, replace(header(), created="2026-11-27T00:00:01+00:00")) as writer:
        writer.add([record(0, weights=record(1)["weights"], psnr_96=np.float32(40))])
    with pytest.raises(ZooError, match="became another zoo while it was read"):
        _ = zoo.weights
