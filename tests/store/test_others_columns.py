"""What other programs put into a zoo file: read where it can be, kept in any case, never a reason
to refuse the zoo."""

import os
import re

import h5py
import numpy as np
import pytest
import rows
from click.testing import CliRunner
from rows import datasets, header, record

from nca_zoo.errors import ZooError, ZooWarning
from nca_zoo.exchange.exporting import export
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.schema import COLUMNS
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.measuring import columns
from nca_zoo_cli.main import group

N = 4


def build(path, numbers=range(N)):
    return rows.build(path, numbers)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built") / "zoo.h5")


COLUMN_KINDS = {
    "int8": np.arange(N, dtype="i1"),
    "int64": np.arange(N) - 2,
    "big-endian": np.arange(N, dtype=">i4"),
    "uint8 pictures": np.arange(N * 6, dtype="u1").reshape(N, 2, 3),
    "uint64": np.arange(N, dtype="u8") + 2**63,
    "float16": np.arange(N, dtype="f2"),
    "float64": np.linspace(0, 1, N),
    "big-endian floats": np.arange(N, dtype=">f8"),
    "booleans": np.array([True, False, True, True]),
    "fixed texts": np.array(["a", "bb", "", "é"]).astype(object),
    "bytes": np.array([b"a", b"bb", b"", b"c"]),
}


def stored(kind):
    values = COLUMN_KINDS[kind]
    return np.char.encode(values.astype(str), "utf-8") if kind == "fixed texts" else values


@pytest.mark.wide
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_plain_data_with_a_row_for_each_nca_are_a_column(path, kind):
    values = stored(kind)
    with h5py.File(path, "r+") as file:
        file["mine"] = values
        file["mine"].attrs["units"] = "degrees"  # of any length, as h5py writes texts
        ids = file["id"].asstr()[:].tolist()
    zoo = open_zoo(path)
    assert zoo.columns[-1] == "mine"
    assert zoo.described[-1].origin == "foreign"
    assert zoo.described[-1].units == "degrees"
    assert zoo.kept == ()
    wanted = COLUMN_KINDS[kind]
    if values.dtype.kind == "S":
        wanted = [v if isinstance(v, str) else v.decode() for v in wanted.tolist()]
    np.testing.assert_array_equal(zoo.mine, wanted)
    assert zoo.mine.dtype.isnative
    assert verify(path) == []
    build(path, range(N + 2))  # the build goes on
    grown = open_zoo(path)
    there = [grown.index(nca_id) for nca_id in ids]
    new = np.setdiff1d(np.arange(N + 2), there)
    np.testing.assert_array_equal(grown.mine[there], zoo.mine)
    with h5py.File(path) as file:
        assert file["mine"].attrs["units"] in ("degrees", b"degrees")
        fill = file["mine"].attrs.get("missing")
    if values.dtype.kind == "f":
        assert np.isnan(grown.mine[new]).all()
    elif values.dtype.kind == "S":
        assert grown.mine[new].tolist() == ["", ""]
    else:
        assert (grown.mine[new] == fill).all()
        assert fill not in values or values.dtype.kind == "b"


def test_texts_of_any_length_are_a_column(path):
    texts = ["", "a\nb", "é" * 500, "x" * 70_000]
    with h5py.File(path, "r+") as file:
        file["notes"] = texts
    assert open_zoo(path).notes.tolist() == texts
    assert verify(path) == []
    build(path, range(N + 3))
    zoo = open_zoo(path)
    assert sorted(zoo.notes) == sorted([*texts, "", "", ""])
    assert zoo.notes[zoo.index("0-000")] == texts[0]
    with h5py.File(path) as file:
        assert h5py.check_string_dtype(file["notes"].dtype).length is None


@pytest.mark.wide
def test_texts_that_all_point_at_one_long_one_do_not_fill_the_memory(tmp_path):
    path = build(tmp_path / "zoo.h5", range(40))
    with h5py.File(path, "r+") as file:
        file["notes"] = ["x" * 200_000, *[""] * 39]
        place = file["notes"].id.get_offset()
    data = bytearray(path.read_bytes())
    for row in range(1, 40):
        data[place + 16 * row : place + 16 * (row + 1)] = data[place : place + 16]
    path.write_bytes(data)
    with pytest.raises(ZooError, match="more text than the"):
        _ = open_zoo(path).notes
    assert "more text" in verify(path)[0]


def compressed(file):
    file.create_dataset("mine", data=np.arange(N), compression="gzip")


def virtual(file):
    layout = h5py.VirtualLayout((N,), "<f4")
    layout[...] = h5py.VirtualSource("secret.h5", "psnr_96", (N,))
    file.create_virtual_dataset("mine", layout)


def group_with_links(file):
    file.create_group("mine")["out"] = h5py.ExternalLink("secret.h5", "/")
    file["mine/deep"] = np.arange(7)


def put(value, name="mine"):
    def change(file):
        file[name] = value

    return change


def enumeration(file):
    kind = h5py.enum_dtype({"A": 0, "B": 1}, "i1")
    file.create_dataset("mine", data=np.zeros(N, "i1"), dtype=kind)


KEPT = {
    "group": (group_with_links, "mine: not a dataset"),
    "another length": (put(np.arange(N + 1)), rf"mine: shape \({N + 1},\); a column here has"),
    "scalar": (put(3.5), r"mine: shape \(\)"),
    "no columns": (put(np.zeros((N, 0))), "it holds nothing"),
    "compressed": (compressed, "mine: compressed or filtered"),
    "soft link": (put(h5py.SoftLink("/loss")), "mine: a link, which is not followed"),
    "external link": (put(h5py.ExternalLink("secret.h5", "/")), "mine: a link"),
    "virtual": (virtual, "mine: its data lie in other files"),
    "external storage": (
        lambda file: file.create_dataset("mine", (N,), "<f4", external=[("secret.raw", 0, 16)]),
        "mine: its data lie in other files",
    ),
    "records": (put(np.zeros(N, [("a", "i4")])), "mine: records"),
    "complex": (put(np.zeros(N, complex)), "mine: complex"),
    "lists": (
        lambda file: file.create_dataset("mine", (N,), h5py.vlen_dtype("i4")),
        "mine: data of any length",
    ),
    "references": (
        lambda file: file.create_dataset("mine", (N,), h5py.ref_dtype),
        "mine: references",
    ),
    "enumeration": (enumeration, "mine: an enumeration"),
    "a terabyte, never written": (
        lambda file: file.create_dataset("mine", (N, 10**11), "<f8", chunks=(1, 1000)),
        "mine: says it holds",
    ),
    "escape in a name": (put(np.zeros(N), "\x1b[2J"), r"'\\x1b\[2J': such a name no column"),
}


@pytest.mark.wide
@pytest.mark.parametrize("name", KEPT)
def test_what_is_no_column_is_kept_and_named(path, name):
    change, words = KEPT[name]
    os.mkfifo(path.with_name("secret.h5"))  # whoever opens it waits for ever
    os.mkfifo(path.with_name("secret.raw"))
    with h5py.File(path, "r+") as file:
        change(file)
        file.attrs["by"] = "somebody"
    zoo = open_zoo(path)
    assert zoo.columns == tuple(column.name for column in COLUMNS)
    assert len(zoo.kept) == 1
    assert re.search(words, zoo.kept[0])
    assert verify(path) == []
    told = CliRunner().invoke(group, ["info", "--zoo", str(path)])
    assert told.exit_code == 0, told.output
    assert zoo.kept[0] in told.stdout
    by_row = name == "compressed" or name in (
        "records", "complex", "lists", "references", "enumeration", "a terabyte, never written",
        "escape in a name", "no columns",
    )  # fmt: skip
    if by_row:
        with pytest.warns(ZooWarning, match="comes along as it is"):
            build(path, range(N + 1))
    else:
        build(path, range(N + 1))
    assert open_zoo(path).kept[0].split(":")[0] == zoo.kept[0].split(":")[0]
    with h5py.File(path) as file:
        assert file.attrs["by"] == "somebody"
        assert len(file["id"]) == N + 1
        if name == "compressed":
            assert file["mine"].compression == "gzip"
            assert file["mine"][:].tolist() == list(range(N))
        elif name == "group":
            assert file["mine/deep"][:].tolist() == list(range(7))
            assert file["mine"].get("out", getlink=True).filename == "secret.h5"
        elif "link" in name:
            assert type(file.get("mine", getlink=True)).__name__ in ("SoftLink", "ExternalLink")


def test_a_name_of_ours_is_as_strict_as_ever(path):
    with h5py.File(path, "r+") as file:
        values = file["weights_sha256"][:]
        del file["weights_sha256"]
        file.create_dataset("weights_sha256", data=values, compression="gzip")
    with pytest.raises(ZooError, match="weights_sha256: compressed"):
        open_zoo(path)


@pytest.mark.wide
@pytest.mark.parametrize("name", ["rollout", "subset", "path", "attrs", "_rows", "xy", "good"])
def test_no_column_takes_the_place_of_what_a_zoo_can_do(path, name):
    with h5py.File(path, "r+") as file:
        file[name] = np.arange(N)
    zoo, plain = open_zoo(path), open_zoo(build(path.with_name("plain.h5")))
    if name.startswith("_"):
        assert zoo.__dict__[name].row.tolist() == plain.__dict__[name].row.tolist()
    assert type(getattr(zoo, name, None)) is type(getattr(plain, name, None)) or name in (
        "rollout",
        "xy",
    )
    assert zoo.column(name).tolist() == list(range(N))


def test_an_integer_column_of_somebody_else_goes_everywhere(path, tmp_path):
    with h5py.File(path, "r+") as file:
        file["turns"] = np.arange(N)
        ids = file["id"].asstr()[:].tolist()
    turns = dict(zip(ids, range(N), strict=True))

    def check(where, missing=()):
        zoo = open_zoo(where)
        found = dict(zip(zoo.id.tolist(), zoo.turns.tolist(), strict=True))
        assert {nca_id: found[nca_id] for nca_id in ids} == turns
        assert {found[nca_id] for nca_id in missing} <= {np.iinfo(np.int64).min}

    other = build(tmp_path / "other.h5", [N, N + 1])
    merge_zoos([other, path], tmp_path / "merged.h5")
    check(tmp_path / "merged.h5", [record(N)["id"], record(N + 1)["id"]])
    build(path, range(N + 1))
    check(path, [record(N)["id"]])
    with ZooWriter(path, header()) as writer:
        column = columns()[0]
        writer.add_columns({column: np.zeros(N + 1, np.float32)}, open_zoo(path).id.tolist())
    check(path, [record(N)["id"]])
    open_zoo(path).add("mine", np.arange(N + 1))
    check(path)
    export(open_zoo(path), "npz", tmp_path / "zoo.npz")
    with np.load(tmp_path / "zoo.npz") as archive:
        assert dict(zip(archive["id"].tolist(), archive["turns"].tolist(), strict=True)) == {
            nca_id: turns.get(nca_id, np.iinfo(np.int64).min) for nca_id in archive["id"].tolist()
        }
    assert datasets(path)["turns"].dtype == np.int64


def test_attributes_of_other_programs_come_along(path):
    with h5py.File(path, "r+") as file:
        file["turns"] = np.arange(N)
        for owner in (file, file["turns"], file["psnr_96"]):
            owner.attrs["by"], owner.attrs["numbers"] = "somebody", np.arange(3)
            owner.attrs["to"] = file["id"].ref  # means nothing in another file
    build(path, range(N + 1))
    with h5py.File(path) as file:
        for owner in (file, file["turns"], file["psnr_96"]):
            assert owner.attrs["by"] == "somebody"
            assert owner.attrs["numbers"].tolist() == [0, 1, 2]
            assert "to" not in owner.attrs
        assert file["psnr_96"].attrs["units"] == b"dB"


def test_columns_of_several_zoos_get_the_wider_type(tmp_path):
    paths = [build(tmp_path / f"{i}.h5", [i]) for i in range(3)]
    with h5py.File(paths[0], "r+") as file:
        file["turns"], file["word"] = np.array([3], "i1"), np.array([b"abc"])
    with h5py.File(paths[1], "r+") as file:
        file["turns"], file["word"] = np.array([-7], "i8"), np.array([b"defgh"])
    with h5py.File(paths[2], "r+") as file:
        file["word"] = ["of any length"]
    merge_zoos(paths, tmp_path / "all.h5")
    zoo = open_zoo(tmp_path / "all.h5")
    assert zoo.turns.tolist() == [3, -7, -128]
    assert zoo.word.tolist() == ["abc", "defgh", "of any length"]
    with h5py.File(paths[2], "r+") as file:
        file["turns"] = np.array([0.5])
    with pytest.raises(ZooError, match=r"2\.h5: turns is <f8.*rename or delete one"):
        merge_zoos(paths, tmp_path / "none.h5")


def test_two_things_of_one_name_that_are_no_columns(tmp_path):
    paths = [build(tmp_path / f"{i}.h5", [i]) for i in range(2)]
    for path in paths:
        with h5py.File(path, "r+") as file:
            file.create_group("more").attrs["of"] = path.name
    with pytest.warns(ZooWarning, match=r"1\.h5: more is not taken along .* stays in"):
        merge_zoos(paths, tmp_path / "all.h5")
    with h5py.File(tmp_path / "all.h5") as file:
        assert file["more"].attrs["of"] == "0.h5"


def test_a_copy_that_would_be_larger_than_the_file_is_refused(path):
    with h5py.File(path, "r+") as file:
        for number in range(60):
            file[f"loop{number}"] = file["/"]
    assert len(open_zoo(path).kept) == 60
    with pytest.raises(ZooError, match="takes more than the whole file"):
        build(path, range(N + 1))
    assert len(open_zoo(path)) == N + 1  # in its shard
