"""Names in any script, natural order, official splits: what a folder's pictures are called."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.pictures.folders import list_folder
from nca_zoo.pictures.names import MOST_IN_ID, NAME_BYTES, cleaned, natural, true_name, unique
from nca_zoo.pictures.sources import load_pictures


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return list_folder(folder)


def test_names_of_any_script_stay_apart_and_can_be_read(tmp_path):
    found = touch(tmp_path, "猫/0.png", "犬/0.png", "кот/0.png", "🦋.png", "日本.png")
    ids = dict(zip(found.names, found.ids, strict=True))
    assert ids == {
        "猫/0.png": "Mao-0",
        "犬/0.png": "Quan-0",
        "кот/0.png": "kot-0",
        "🦋.png": "butterfly",
        "日本.png": "RiBen",
    }
    assert set(found.classes.values()) == {"猫", "犬", "кот"}


def test_names_that_transliterate_alike_stay_apart(tmp_path):
    found = touch(tmp_path, "猫/a.png", "貓/a.png")
    assert found.ids == ["Mao-a", "Mao-a-2"]
    assert set(found.classes.values()) == {"猫", "貓"}


def test_numbers_in_names_count_by_their_value(tmp_path):
    found = touch(tmp_path, *(f"class {n}/img{k}.png" for n in (10, 2, 1) for k in (10, 9, 1)))
    assert list(found.classes.values()) == ["class 1", "class 2", "class 10"]
    assert [p.name for p in found.paths[:3]] == ["img1.png", "img9.png", "img10.png"]


def test_a_file_that_says_its_class_says_it_once(tmp_path):
    found = touch(tmp_path, "cat/cat_1.png", "cat/category.png", "1/10.png")
    assert sorted(found.ids) == ["1-10", "cat-category", "cat_1"]


def test_official_splits_are_understood(tmp_path):
    files = ["train/0/a.png", "train/0/b.png", "train/1/a.png", "test/0/a.png", "val/1/z.png"]
    found = touch(tmp_path, *files)
    assert found.classes == {0: "0", 1: "1"}
    assert dict(zip(found.names, found.splits, strict=True)) == {
        name: "train" if name.startswith("train") else "test" for name in files
    }
    assert sorted(found.ids) == ["0-a", "0-a-test", "0-b", "1-a", "1-z-test"]
    assert found.labels == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("extra", ["cat/a.png", "train/a.png"])
def test_classes_called_train_and_test_are_classes(extra, tmp_path):
    found = touch(tmp_path, "train/a.png", "test/a.png", extra)
    assert {"train", "test"} <= set(found.classes.values())
    assert set(found.splits) == {None}


def test_the_split_of_a_folder_that_has_one_is_read_from_it(tmp_path):
    from PIL import Image

    for name in ("train/cat/a.png", "test/cat/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("L", (5, 5), 200).save(tmp_path / name)
    _, pictures = load_pictures(tmp_path)
    assert {p.name: p.split for p in pictures} == {
        "train/cat/a.png": "train",
        "test/cat/b.png": "test",
    }


@given(st.text(max_size=300))
def test_a_stored_name_fits_and_can_be_shown(name):
    told = true_name(name)
    assert len(told.encode()) <= NAME_BYTES
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in told)
    assert true_name(told) == told


def test_names_that_differ_late_stay_apart():
    assert true_name("猫" * 200 + "a") != true_name("猫" * 200 + "b")
    assert true_name("e\u0301") == true_name("\u00e9")  # as macOS writes it, and as others do
    assert true_name("a\udcffb") == "a\\udcffb"  # a byte that is no UTF-8


@given(st.text(max_size=80))
def test_every_name_makes_an_id(name):
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,56}", cleaned(name))


@given(st.lists(st.text("ab-2", min_size=1, max_size=70), max_size=12))
def test_ids_are_unique_and_fit(ids):
    made = unique(ids, taken=["a", "b-2"])
    assert len({*made, "a", "b-2"}) == len(ids) + 2
    assert all(len(name) <= MOST_IN_ID for name in made)


@given(st.lists(st.text(max_size=6)))
def test_natural_order_is_an_order(names):
    in_order = sorted(names, key=natural)
    assert sorted(sorted(names), key=natural) == in_order
