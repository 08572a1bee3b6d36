"""``zoo.add``: a column in the file, whole or not at all, beside it until it is next written."""

import os

import h5py
import numpy as np
import pytest
import rows
from killing import killed_at_call
from rows import datasets, header

from nca_zoo.errors import ZooError
from nca_zoo.store import zoowriter
from nca_zoo.store.beside import columns_folder
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

N = 5


def build(path, numbers=range(N), **changes):
    return rows.build(path, numbers, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built") / "zoo.h5")


@pytest.fixture
def large(path, monkeypatch):
    """A file too large to be written anew for a column: what is added stays beside it."""
    monkeypatch.setattr(zoowriter, "SMALL_BYTES", 0)
    monkeypatch.setattr(zoowriter, "LARGE_SHARE", 0)
    return path


VALUES = {
    "lean": np.linspace(-1, 1, N),
    "half": np.arange(N, dtype="f2"),
    "turns": np.arange(N),
    "pictures": np.arange(N * 12, dtype="u1").reshape(N, 2, 2, 3),
    "whether": np.arange(N) % 2 == 0,
    "word": ["one", "two", "", "é", "five"],
    "words": np.array([["a", "bb"]] * N),
}


@pytest.mark.wide
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("where", ["path", "large"])
def test_numbers_of_any_shape_and_texts(name, where, request):
    path = request.getfixturevalue(where)
    before = path.stat().st_mtime_ns
    zoo = open_zoo(path)
    zoo.add(name, VALUES[name], "what it is", "degrees", made_by="by hand")
    for read in (zoo, open_zoo(path)):
        np.testing.assert_array_equal(read.column(name), VALUES[name])
        column = read.described[-1]
        assert (column.units, column.description) == ("degrees", "what it is")
        assert (column.origin, column.made_by) == ("added", "by hand")
        assert column.made_with.startswith("nca-zoo ")
        assert column.made.startswith("20")
    assert (path.stat().st_mtime_ns == before) == (where == "large")
    assert columns_folder(path).exists() == (where == "large")
    assert verify(path) == []
    zoo.consolidate()
    assert [p.name for p in path.parent.iterdir()] == ["zoo.h5"]
    with h5py.File(path) as file:  # which is how others find it
        attributes = {key: file[name].attrs[key] for key in file[name].attrs}
        assert attributes["units"] == b"degrees"
        assert attributes["made_by"] == b"by hand"
        assert {"description", "made_with", "made"} <= set(attributes)
    np.testing.assert_array_equal(open_zoo(path).column(name), VALUES[name])


@pytest.mark.parametrize("where", ["path", "large"])
def test_other_ncas_have_no_value(where, request):
    path = request.getfixturevalue(where)
    some = open_zoo(path).subset([3, 1])
    some.add("lean", [3.0, 1.0])
    some.add("turns", np.array([3, 1], "i2"))
    some.add("word", ["three", "one"])
    assert some.turns.tolist() == [3, 1]
    zoo = open_zoo(path)
    np.testing.assert_array_equal(zoo.lean, [np.nan, 1, np.nan, 3, np.nan])
    assert zoo.turns.tolist() == [-32768, 1, -32768, 3, -32768]
    assert zoo.word.tolist() == ["", "one", "", "three", ""]
    build(path, range(N + 2))  # and the build goes on
    grown = open_zoo(path)
    assert len(grown) == N + 2
    for row, nca_id in enumerate(zoo.id):
        assert grown.turns[grown.index(nca_id)] == zoo.turns[row]
    assert (grown.turns == -32768).sum() == N
    assert datasets(path)["turns"].tolist() == grown.turns.tolist()  # one file again


def test_an_integer_stands_for_missing_that_is_none_of_them(path):
    some = open_zoo(path).subset([0, 1])
    some.add("high", np.array([255, 254], "u1"))
    assert open_zoo(path).high.tolist() == [255, 254, 253, 253, 253]
    some.add("zero", np.array([255, 254], "u1"), missing=0)
    assert open_zoo(path).zero.tolist() == [255, 254, 0, 0, 0]
    with h5py.File(path) as file:
        assert file["high"].attrs["missing"] == 253
    with pytest.raises(ZooError, match="every uint8 occurs"):
        some.add("all", np.arange(512, dtype="u2").astype("u1").reshape(2, 256))


def test_replacing(large):
    zoo = open_zoo(large)
    zoo.add("lean", np.arange(N), "first")
    with pytest.raises(ZooError, match=r"lean is in .* already; replace=True"):
        zoo.add("lean", np.zeros(N))
    zoo.subset([0]).add("lean", ["a text"], replace=True)
    assert open_zoo(large).lean.tolist() == ["a text", "", "", "", ""]
    assert len(list(columns_folder(large).iterdir())) == 1
    zoo = open_zoo(large)
    zoo.consolidate()
    zoo.add("lean", np.ones(N, int), replace=True)
    assert open_zoo(large).lean.tolist() == [1] * N
    zoo.consolidate()
    assert datasets(large)["lean"].tolist() == [1] * N


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("weights", np.zeros(N), "weights is a zoo's own name"),
        ("subset", np.zeros(N), "subset is a zoo's own name"),
        ("path", np.zeros(N), "path is a zoo's own name"),
        ("a-b", np.zeros(N), "cannot name a column"),
        ("_x", np.zeros(N), "cannot name a column"),
        ("for", np.zeros(N), "cannot name a column"),
        ("\x1b[2J", np.zeros(N), "cannot name a column"),
        ("lean", np.zeros(N - 1), r"expected a value for each of 5 NCAs, found \(4,\)"),
        ("lean", 3.0, "expected a value for each"),
        ("lean", np.zeros((N, 0)), "holds nothing"),
        ("lean", np.zeros(N, complex), "expected numbers or texts, found complex128"),
        ("lean", [None] * N, "expected numbers or texts"),
        ("lean", [[1], [1, 2], [], [], []], "expected an array"),
        ("lean", np.array(["2020-01-01"] * N, "M8[D]"), "expected numbers or texts"),
        ("lean", ["x" * 70_000] * N, "a text of 70000 bytes"),
        ("theirs", np.zeros(N), "theirs was written by another program"),
        ("group", np.zeros(N), "holds group already"),
    ],
)
def test_refused_and_the_file_is_as_it_was(path, name, values, words):
    with h5py.File(path, "r+") as file:
        file["theirs"] = np.arange(N)
        file.create_group("group")
    before = path.read_bytes()
    with pytest.raises(ZooError, match=words) as error:
        open_zoo(path).add(name, values)
    assert str(error.value).isprintable()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["zoo.h5"]


def test_a_description_is_one_line(path):
    with pytest.raises(ZooError, match="description of lean: holds control characters"):
        open_zoo(path).add("lean", np.zeros(N), "two\nlines")


def test_a_second_writer_is_refused(path):
    with (
        ZooWriter(path, header()),
        pytest.raises(ZooError, match="is being written already"),
    ):
        open_zoo(path).add("lean", np.zeros(N))
    open_zoo(path).add("lean", np.zeros(N))


def test_columns_of_an_earlier_zoo_of_that_name_are_not_this_ones(large):
    open_zoo(large).add("lean", np.arange(N))
    left = next(columns_folder(large).iterdir())
    kept = left.read_bytes()
    large.unlink()
    build(large, seed=3)
    columns_folder(large).mkdir(exist_ok=True)
    left.write_bytes(kept)
    zoo = open_zoo(large)
    assert "lean" not in zoo.columns
    assert "belongs to another zoo" in zoo.kept[0]
    build(large, range(N + 1), seed=3)
    assert left.exists()


def test_a_broken_file_of_columns_is_named(large):
    open_zoo(large).add("lean", np.arange(N))
    (left,) = columns_folder(large).iterdir()
    left.write_bytes(left.read_bytes()[:3000])
    with pytest.raises(ZooError, match=r"columns.00000001\.h5: damaged or truncated"):
        open_zoo(large)
    assert "00000001.h5" in verify(large)[0]


def test_what_was_open_meanwhile_reads_on(large):
    open_zoo(large).add("lean", np.arange(N))
    early = open_zoo(large)
    open_zoo(large).consolidate()
    assert early.lean.tolist() == list(range(N))


@pytest.mark.wide
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("where", ["path", "large"])
def test_a_kill_at_any_call_leaves_a_whole_zoo_with_the_column_or_without(where, request):
    """SIGKILL before every call of the system that an ``add`` makes, one after the other."""
    path = request.getfixturevalue(where)
    open_zoo(path).add("lean", np.zeros(N), "the first")
    whole = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
    seen = set()
    for count in range(1, 60):
        for p in path.parent.rglob("*"):
            if p.is_file():
                p.unlink()
        for p, data in whole.items():
            p.parent.mkdir(exist_ok=True)
            p.write_bytes(data)
        killed = killed_at_call(
            count, lambda: open_zoo(path).add("lean", np.ones(N), "the second", replace=True)
        )
        zoo = open_zoo(path)
        assert set(zoo.lean.tolist()) in ({0.0}, {1.0})
        assert zoo.described[-1].description == ("the second" if zoo.lean[0] else "the first")
        assert verify(path) == []
        seen.add(float(zoo.lean[0]))
        zoo.add("more", np.arange(N))  # nothing is locked or left in the way
        assert open_zoo(path).lean.tolist() == zoo.lean.tolist()
        if not killed:
            break
    assert not killed
    assert count > 5
    assert seen == {0.0, 1.0}
