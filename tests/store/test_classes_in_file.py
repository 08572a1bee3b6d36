"""Schema 2: what a label, an id and a picture are called, in files of either schema, mixed."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from rows import as_schema_1, header, record

from nca_zoo.errors import ZooError, ZooWarning
from nca_zoo.pictures.classes import Classes
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group


def zoo(path, names, rows, **settings):
    """rows: of each NCA a number, its id and label, and what else is to be said of it."""
    with ZooWriter(path, replace(header(**settings), class_names=Classes(names))) as writer:
        writer.add([record(n, id=nca_id, label=k, **more) for n, nca_id, k, more in numbered(rows)])
    return path


def numbered(rows):
    for row in rows:
        number, nca_id, label, *more = row
        yield number, nca_id, label, more[0] if more else {}


def called(path):
    """id -> class, as h5py sees it."""
    with h5py.File(path) as file:
        names = json.loads(file.attrs["class_names"])
        labels = file["label"][:].tolist()
        return {i.decode(): names.get(str(k)) for i, k in zip(file["id"][:], labels, strict=True)}


def test_the_file_says_what_its_classes_and_pictures_are(tmp_path):
    path = zoo(
        tmp_path / "z.h5", {0: "cat", 1: "猫"}, [(1, "a", 0, {"name": "cat/ä.png"}), (2, "b", 1)]
    )
    with h5py.File(path) as file:
        assert file.attrs["schema"] == 2
        assert json.loads(file.attrs["class_names"]) == {"0": "cat", "1": "猫"}
        assert file["name"].asstr()[:].tolist() == ["cat/ä.png", "2/é 0.png"]
        for target, told in zip(file["target"], file["picture_sha256"], strict=True):
            assert hashlib.sha256(target.tobytes()).hexdigest() == told.decode()
    held = open_zoo(path)
    assert held.class_names == {0: "cat", 1: "猫"}
    assert held.class_name.tolist() == ["cat", "猫"]
    assert held.frame().class_name.tolist() == ["cat", "猫"]
    assert verify(path) == []


def test_a_label_without_a_name_is_called_by_its_digits(tmp_path):
    path = zoo(tmp_path / "z.h5", {0: "cat"}, [(1, "a", 0), (2, "b", 5), (3, "c", -1)])
    assert called(path) == {"a": "cat", "b": "5", "c": None}


def test_classes_that_are_added_get_numbers_of_their_own(tmp_path):
    path = zoo(tmp_path / "z.h5", {0: "cat", 1: "fox"}, [(1, "cat-b", 0), (2, "fox-b", 1)])
    zoo(path, {0: "dog", 1: "fox", 2: "owl"}, [(3, "dog-b", 0), (4, "fox-z", 1), (5, "owl-z", 2)])
    assert called(path) == {
        "cat-b": "cat", "fox-b": "fox", "dog-b": "dog", "fox-z": "fox", "owl-z": "owl",
    }  # fmt: skip
    assert open_zoo(path).class_names == {0: "cat", 1: "fox", 2: "dog", 3: "owl"}
    assert verify(path) == []


def test_a_build_under_way_knows_the_classes_of_all_its_parts(tmp_path):
    path = zoo(tmp_path / "z.h5", {0: "cat"}, [(1, "a", 0), (2, "b", 0), (3, "c", 0)])
    writer = ZooWriter(path, replace(header(), class_names=Classes({0: "dog"})))
    writer.add([record(4, id="d", label=0)])
    assert open_zoo(path).class_name.tolist() == ["cat"] * 3 + ["dog"]
    assert verify(path) == []
    writer.close()


def test_merging_goes_by_names(tmp_path):
    one = zoo(tmp_path / "one.h5", {0: "cat", 1: "fox"}, [(1, "cat-a", 0), (2, "fox-a", 1)])
    two = zoo(tmp_path / "two.h5", {0: "dog", 1: "cat"}, [(3, "dog-a", 0), (4, "cat-b", 1)])
    merge_zoos([one, two], tmp_path / "both.h5")
    assert called(tmp_path / "both.h5") == {
        "cat-a": "cat", "fox-a": "fox", "dog-a": "dog", "cat-b": "cat",
    }  # fmt: skip
    held = open_zoo(tmp_path / "both.h5")
    assert held.class_names == {0: "cat", 1: "fox", 2: "dog"}
    assert held.label.tolist() == sorted(held.label)
    assert verify(tmp_path / "both.h5") == []


def test_an_id_that_stands_for_two_is_refused_or_renamed(tmp_path):
    one = zoo(tmp_path / "digits.h5", {3: "3"}, [(1, "3-000", 3), (2, "3-001", 3)])
    two = zoo(tmp_path / "fashion.h5", {3: "Dress"}, [(3, "3-000", 3), (2, "3-001", 3)])
    with pytest.raises(ZooError, match=r"3-000 is in .*digits.h5 and in .*--rename keeps both"):
        merge_zoos([one, two], tmp_path / "both.h5")
    merged = merge_zoos([one, two], tmp_path / "both.h5", rename=True)
    assert (merged.rows, merged.twins, merged.renamed) == (3, 1, 1)
    assert called(tmp_path / "both.h5") == {
        "3-000": "3", "3-001": "3", "fashion-3-000": "Dress",
    }  # fmt: skip
    held = open_zoo(tmp_path / "both.h5")
    was = open_zoo(two)
    for name in ("weights", "target", "name"):
        np.testing.assert_array_equal(
            held.column(name)[held.index("fashion-3-000")], was.column(name)[was.index("3-000")]
        )


def test_the_example_of_the_help_runs(tmp_path):
    one = zoo(tmp_path / "digits.h5", {3: "3"}, [(1, "3-000", 3)])
    two = zoo(tmp_path / "fashion.h5", {3: "Dress"}, [(2, "3-000", 3)], source="fashion")
    out = str(tmp_path / "both.h5")
    run = CliRunner().invoke(group, ["merge", str(one), str(two), "--out", out, "--mix-settings"])
    assert run.exit_code == 0, run.output
    assert "1 id stood for two NCAs; in the later zoo it begins with its name" in run.output
    assert called(out) == {"3-000": "3", "fashion-3-000": "Dress"}


def test_columns_beside_a_zoo_follow_an_nca_that_is_renamed(tmp_path, monkeypatch):
    from nca_zoo.store import zoowriter

    one = zoo(tmp_path / "one.h5", {0: "a"}, [(1, "x", 0)])
    two = zoo(tmp_path / "two.h5", {0: "b"}, [(2, "x", 0), (3, "y", 0)])
    monkeypatch.setattr(zoowriter, "SMALL_BYTES", 0)
    monkeypatch.setattr(zoowriter, "LARGE_SHARE", 0)
    open_zoo(two).add("lean", [1.5, 2.5])
    assert list((tmp_path / "two.h5.columns").glob("*.h5"))
    merge_zoos([one, two], tmp_path / "both.h5", rename=True)
    held = open_zoo(tmp_path / "both.h5")
    lean = dict(zip(held.id.tolist(), held.lean.tolist(), strict=True))
    assert (lean["two-x"], lean["y"]) == (1.5, 2.5)
    assert np.isnan(lean["x"])


def test_a_zoo_of_schema_1_is_read_gone_on_with_and_merged(tmp_path):
    rows = [(1, "cat-000", 0), (2, "fox-000", 1)]
    old = as_schema_1(zoo(tmp_path / "old.h5", {}, rows, source="pets"))
    assert verify(old) == []
    held = open_zoo(old)
    assert held.attrs["schema"] == 1
    assert held.name.tolist() == ["cat-000", "fox-000"]
    told = [hashlib.sha256(target.tobytes()).hexdigest() for target in held.target]
    assert held.picture_sha256.tolist() == told
    new = zoo(tmp_path / "new.h5", {0: "dog"}, [(3, "dog-b", 0)], source="pets")
    with pytest.warns(ZooWarning, match=r"old.h5: written by version 0.1, which kept no names"):
        merge_zoos([old, new], tmp_path / "both.h5")
    assert called(tmp_path / "both.h5") == {"cat-000": "0", "fox-000": "1", "dog-b": "dog"}
    zoo(old, {0: "dog"}, [(3, "dog-b", 0)], source="pets")
    assert called(old) == {"cat-000": "0", "fox-000": "1", "dog-b": "dog"}
    assert open_zoo(old).name.tolist() == ["cat-000", "fox-000", "0/é 1.png"]
    assert verify(old) == []


def test_a_set_of_schema_1_has_the_names_that_the_set_has(tmp_path):
    old = as_schema_1(zoo(tmp_path / "old.h5", {}, [(1, "3-000", 3)], source="fashion"))
    assert open_zoo(old).class_name.tolist() == ["Dress"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (b"[]", "class_names: expected JSON of the form"),
        (b'{"cat": "0"}', "class_names: expected JSON of the form"),
        (b'{"0": 1}', "class_names: expected JSON of the form"),
        (b'{"0": "cat", "1": "cat"}', "classes 1 and 0 are both called cat|both called cat"),
        (b'{"0": "a\\u0007"}', "class_names: class 0 is called"),
        (b"no", "not JSON"),
    ],
)
def test_wrong_names_are_refused(told, words, tmp_path):
    path = zoo(tmp_path / "z.h5", {0: "cat"}, [(1, "a", 0)])
    with h5py.File(path, "r+") as file:
        file.attrs["class_names"] = np.bytes_(told)
    with pytest.raises(ZooError, match=words):
        open_zoo(path)


def test_verify_sees_a_picture_that_is_another_and_a_label_without_a_name(tmp_path):
    path = zoo(tmp_path / "z.h5", {0: "cat"}, [(1, "a", 0), (2, "b", 0)])
    with h5py.File(path, "r+") as file:
        file["target"][1, 0, 0, 0] += 1
        file["label"][0] = 7
    problems = "\n".join(verify(path))
    assert "target of b: not as it was stored (SHA-256 differs)" in problems
    assert "label 7: class_names does not name it" in problems


def test_too_many_long_names_for_the_file_are_one_line(tmp_path):
    names = {n: f"{n:0190d}" for n in range(400)}
    with pytest.raises(ZooError, match=r"attribute class_names: .* bytes; 64000 fit"):
        zoo(tmp_path / "z.h5", names, [(1, "a", 0)])


def test_ncas_of_one_picture_are_known_by_its_pixels(tmp_path):
    target = record(1)["target"]
    blank = np.zeros_like(target)
    rows = [(1, "a", 0, {"target": target}), (2, "b", 0), (3, "c", 0, {"target": target})]
    rows += [(n, f"n{n}", 0, {"target": blank}) for n in (4, 5)]  # unknown: each its own
    held = open_zoo(zoo(tmp_path / "z.h5", {0: "cat"}, rows))
    which = dict(zip(held.id.tolist(), held.picture_numbers().tolist(), strict=True))
    assert which["a"] == which["c"]
    assert len({which[i] for i in ("a", "b", "n4", "n5")}) == 4
