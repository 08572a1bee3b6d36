import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import GRID, datasets, header, record, same

import nca_zoo
from nca_zoo.automaton.rule import N_PARAMS, PARAM_SPEC, unflatten
from nca_zoo.errors import ZooError
from nca_zoo.store.schema import ATTRIBUTES, COLUMNS, HEALING
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


def write(path: Path, numbers, batch=2, grid=GRID, **changes) -> Path:
    rows = [record(number, grid, **changes) for number in numbers]
    with ZooWriter(path, header()) as writer:
        for start in range(0, len(rows), batch):
            writer.add(rows[start : start + batch])
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """Seven NCAs of three classes, the fifth of which failed."""
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(4)])
        failed = np.full(N_PARAMS, np.nan, np.float32)
        writer.add([record(4, status="diverged", weights=failed, psnr_96=np.nan)])
        writer.add([record(5), record(6)])
    return path


def expected(numbers):
    """Records in the order of the file."""
    return sorted(
        (record(number) for number in numbers),
        key=lambda row: (row["label"], row["source_index"], row["id"]),
    )


def test_plain_h5py_reads_it(path):
    rows = expected(range(7))
    with h5py.File(path, "r") as file:
        assert list(file.attrs) == sorted(file.attrs)
        assert set(file) == {column.name for column in COLUMNS}
        for dataset in file.values():
            assert dataset.shape[0] == 7
            assert dataset.dtype.kind in "Sfiu"  # nothing of variable length, no references
            assert dataset.attrs["description"].decode().isprintable()
            assert dataset.attrs["units"].decode().isprintable()
            assert dataset.fletcher32
            assert dataset.compression is None
        assert file["psnr_96"].attrs["units"] == b"dB"
        assert file["id"].asstr()[:].tolist() == [row["id"] for row in rows]
        assert file["rng_seed"].dtype == np.uint64
        assert file["rng_seed"][:].tolist() == [row["rng_seed"] for row in rows]
        fine = [i for i, row in enumerate(rows) if row["id"] != "1-001"]
        for name in ("weights", "target", "grown", "loss", "psnr_96", "seed_row"):
            values = np.stack([rows[i][name] for i in fine])
            np.testing.assert_array_equal(file[name][:][fine], values)
        assert file.attrs["schema"] == 2
        assert json.loads(file.attrs["param_spec"]) == [[n, list(s)] for n, s in PARAM_SPEC]
        assert json.loads(file.attrs["settings"])["regime"]["batch"] == 2
        np.testing.assert_array_equal(file.attrs["init_weights"], header().init_weights)
        assert file.attrs["licence"].decode() == "CC0"


def test_only_the_file_is_left(path):
    assert [entry.name for entry in path.parent.iterdir()] == ["zoo.h5"]


def test_zoo_has_every_column(path):
    zoo = open_zoo(path)
    rows = expected(range(7))
    assert len(zoo) == 7
    assert zoo.grid == GRID
    assert zoo.id.tolist() == [row["id"] for row in rows]
    assert zoo.columns == tuple(column.name for column in COLUMNS)
    for column in COLUMNS:
        values = zoo.column(column.name)
        assert values.shape == (7, *column.row_shape({"H": 3, "W": 4, "L": 100}))
        assert getattr(zoo, column.name) is values  # read once
    assert zoo.split.tolist() == [row["split"] for row in rows]
    assert zoo.good.tolist() == [row["id"] != "1-001" for row in rows]
    assert zoo.attrs["regime"]["name"] == "persistent"
    assert zoo.attrs["settings"]["init"] == "meta"
    assert zoo.file_bytes == path.stat().st_size


def test_names_the_nearest(path):
    zoo = open_zoo(path)
    assert zoo.id[zoo.index("2-001")] == "2-001"
    with pytest.raises(ZooError, match=r"no NCA '2-01'; the nearest are .*2-001"):
        zoo.index("2-01")
    with pytest.raises(ZooError, match=r"no column 'psnr'; the nearest are psnr_96"):
        zoo.column("psnr")
    with pytest.raises(AttributeError):
        _ = zoo.nothing


@pytest.mark.parametrize("which", [[5, 0, 0], [True, False] * 3 + [True], [], np.array([2])])
def test_subset_is_the_same_rows(path, which):
    zoo = open_zoo(path)
    rows = np.flatnonzero(which) if which and isinstance(which[0], bool) else np.array(which, int)
    part = open_zoo(path).subset(which)
    assert len(part) == len(rows)
    for name in ("id", "weights", "target", "psnr_96"):
        np.testing.assert_array_equal(part.column(name), zoo.column(name)[rows])


@pytest.mark.parametrize("hidden", [True, False])
def test_a_zoo_gives_the_states_that_its_ncas_grow_from(tmp_path, hidden):
    about = header(regime={"name": "persistent", "seed_hidden": hidden})
    with ZooWriter(tmp_path / "zoo.h5", about) as writer:
        writer.add([record(0, (6, 9), seed_row=1, seed_col=2)])
        writer.add([record(1, (6, 9), seed_row=4, seed_col=8)])
    states = open_zoo(tmp_path / "zoo.h5").seed_states()
    assert states.shape == (2, 6, 9, 16)
    assert states.dtype == np.float32
    assert np.argwhere(states.any(axis=-1)).tolist() == [[0, 1, 2], [1, 4, 8]]
    np.testing.assert_array_equal(states[1, 4, 8], [0, 0, 0, 1] + [float(hidden)] * 12)
    zoo = open_zoo(tmp_path / "zoo.h5")
    np.testing.assert_array_equal(zoo.seed_states(1), states[1])
    np.testing.assert_array_equal(zoo.seed_states([1, 0]), states[::-1])


@pytest.mark.parametrize("changes", [{"regime": {}}, {"regime": {"seed_hidden": True}}])
def test_a_zoo_that_does_not_say_what_its_seeds_are_like(tmp_path, changes):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header(**changes)) as writer:
        writer.add([record(0)])
    if changes["regime"]:
        assert open_zoo(path).seed_states().shape == (1, *GRID, 16)
        return
    with pytest.raises(ZooError, match=r"zoo\.h5: .*seed_hidden"):
        open_zoo(path).seed_states()


def test_readers_of_other_libraries(path):
    zoo = nca_zoo.open(path)
    features, labels = zoo.xy()
    assert features.shape == (6, N_PARAMS)
    assert np.isfinite(features).all()
    assert labels.tolist() == [0, 0, 0, 1, 2, 2]
    frame = zoo.frame()
    assert frame.loc["2-001", "psnr_96"] == 25
    assert "weights" not in frame
    dataset = zoo.torch_dataset()
    weights, label = dataset[5]
    np.testing.assert_array_equal(weights.numpy(), record(5)["weights"])
    assert int(label) == 2


@settings(max_examples=15)
@given(
    grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    numbers=st.lists(st.integers(0, 40), min_size=1, max_size=9, unique=True),
    batch=st.integers(1, 9),
)
def test_round_trip(tmp_path_factory, grid, numbers, batch):
    path = write(tmp_path_factory.mktemp("zoo") / "z.h5", numbers, batch, grid)
    zoo = open_zoo(path)
    assert sorted(zoo.id) == sorted(record(number)["id"] for number in numbers)
    for number in numbers:
        unknown = dict.fromkeys(HEALING, np.nan) | {"repeat": 0}  # nobody measured or counted it
        row = record(number, grid) | unknown
        at = zoo.index(row["id"])
        for column in COLUMNS:
            np.testing.assert_array_equal(zoo.column(column.name)[at], row[column.name])
    in_one = write(tmp_path_factory.mktemp("zoo") / "z.h5", sorted(numbers), 99, grid)
    assert same(datasets(path), datasets(in_one))  # neither order nor batches leave a trace


def test_columns_longer_than_a_block_and_a_chunk(tmp_path):
    path = write(tmp_path / "z.h5", range(30), 30, (128, 160))
    with h5py.File(path) as file:
        assert file["target"].chunks[0] < 30
        assert file["weights"].chunks[0] < 30
    zoo = open_zoo(path)
    for number in (0, 13, 29):
        row = record(number, (128, 160))
        one = zoo.subset([zoo.index(row["id"])])
        np.testing.assert_array_equal(one.target[0], row["target"])
        np.testing.assert_array_equal(zoo.grown[zoo.index(row["id"])], row["grown"])


def test_shards_are_read_with_the_file(tmp_path):
    path = tmp_path / "zoo.h5"
    writer = ZooWriter(path, header())
    for number in range(5):  # merged after rows 1, 2 and 4; row 5 stays in its shard
        writer.add([record(number)])
    assert len(datasets(path)["id"]) == 4
    (tmp_path / "zoo.h5.shards" / "00000009.h5.tmp").write_bytes(b"unfinished")
    zoo = open_zoo(path)
    assert zoo.id.tolist() == [row["id"] for row in expected(range(5))]
    _ = zoo.psnr_96
    writer.close()  # merges the shard that the open zoo was to read from
    rows = expected(range(5))
    np.testing.assert_array_equal(zoo.weights, [row["weights"] for row in rows])
    np.testing.assert_array_equal(zoo.subset([1]).loss[0], rows[1]["loss"])


def test_becoming_another_zoo_is_noticed(tmp_path):
    path = write(tmp_path / "zoo.h5", range(3))
    zoo = open_zoo(path)
    path.unlink()
    write(path, range(1, 5))
    with pytest.raises(ZooError, match="became another zoo"):
        _ = zoo.weights


def test_a_link_to_a_zoo_is_that_zoo(tmp_path):
    path = write(tmp_path / "zoo.h5", range(3))
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    with ZooWriter(link, header()) as writer:
        writer.add([record(3)])
    assert link.is_symlink()
    assert len(open_zoo(link)) == len(open_zoo(path)) == 4


def test_reading_needs_no_torch(path):
    code = (
        "import sys; from nca_zoo.store.zoofile import open_zoo; "
        "from nca_zoo.store.verify import verify; "
        f"open_zoo({str(path)!r}).weights; assert verify({str(path)!r}) == []; "
        "sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


DOCS = Path(__file__).parents[2] / "docs" / "zoo-file.md"
ON_DISK = DOCS.with_name("zoo-file-on-disk.md")
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS.read_text() + ON_DISK.read_text(), re.S)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_docs(tmp_path, monkeypatch, example):
    (tmp_path / "data").mkdir()
    rows = [record(number, label=7, id=f"7-{number:03d}") for number in range(3)]
    with ZooWriter(tmp_path / "data" / "zoo.h5", header()) as writer:
        writer.add([*rows, record(4, status="dead")])
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, str(DOCS), "exec"), names)
    if "tensors" in names:
        plain = {name: array.tolist() for name, array in names["tensors"].items()}
        mine = unflatten(open_zoo("data/zoo.h5").weights[0])
        assert plain == {name: array.tolist() for name, array in mine.items()}
    if "frame" in names:
        assert ("dead" in set(names["frame"]["status"])) == ("nca_zoo" not in example)


def test_the_docs_name_all_columns_and_attributes():
    told = set(re.findall(r"`(\w+)`", DOCS.read_text()))
    assert {item.name for item in (*COLUMNS, *ATTRIBUTES)} <= told
