"""Sets in IDX files: used where they lie, compared with torchvision's reading, never downloaded."""

import builtins
import re
import sys
import types
import urllib.error

import numpy as np
import pytest
from click.testing import CliRunner
from idx import BY_NAME, write_idx, write_set

from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group


@pytest.fixture
def no_torchvision(monkeypatch):
    """Importing torchvision fails the test."""
    real = builtins.__import__

    def guarded(name, *args, **kwargs):
        if name.partition(".")[0] == "torchvision":
            pytest.fail("torchvision was imported")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", guarded)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.usefixtures("no_torchvision")
def test_raw_files_are_used_without_a_network(name, tmp_path):
    _, images, labels = write_set(tmp_path, name)
    source, pictures = load_pictures(name, data_dir=tmp_path)
    assert source.name == name
    expected = ["0-000", "0-001", "0-002", "0-003", "1-000", "1-001", "1-002"]
    assert [p.id for p in pictures] == [*expected, "4-000", "4-001", "4-002"]
    assert [p.source_index for p in pictures] == [1, 3, 5, 8, 2, 6, 7, 0, 4, 9]
    for picture in pictures:
        image = images[picture.source_index]
        np.testing.assert_array_equal(picture.pixels, image.T if name == "emnist" else image)
        assert picture.label == labels[picture.source_index]
        assert picture.split == ("train" if picture.source_index < 7 else "test")
        assert picture.pixels.flags.c_contiguous


@pytest.mark.usefixtures("no_torchvision")
def test_selection_keeps_ids(tmp_path):
    write_set(tmp_path, "mnist")
    _, pictures = load_pictures("mnist", classes=(4, 1), per_class=1, data_dir=tmp_path)
    assert [p.id for p in pictures] == ["1-000", "4-000"]
    with pytest.raises(ZooError, match="--per-class 4: class 1 has 3 pictures"):
        load_pictures("mnist", classes=(0, 1), per_class=4, data_dir=tmp_path)


def test_torchvision_reads_the_same(tmp_path):
    from torchvision import datasets

    for name, idx_set in BY_NAME.items():
        write_set(tmp_path, name)
        _, pictures = load_pictures(name, data_dir=tmp_path)
        dataset = getattr(datasets, idx_set.dataset)
        parts = [
            dataset(tmp_path, train=t, download=True, **idx_set.options) for t in (True, False)
        ]
        theirs = [(np.asarray(image), label) for part in parts for image, label in part]
        for picture in pictures:
            image, label = theirs[picture.source_index]
            np.testing.assert_array_equal(picture.pixels, image.T if name == "emnist" else image)
            assert picture.label == label
        names = parts[0].classes
        assert [n.split(" - ")[0] for n in names] == list(idx_set.class_names)


def test_without_a_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    for name, idx_set in BY_NAME.items():
        with pytest.raises(ZooError) as caught:
            load_pictures(name, data_dir=tmp_path)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        # Newer torchvision gives the reason, older the file.
        reason = "<urlopen error Name or service|Error downloading [a-z0-9-]+"
        assert re.match(rf"{name} could not be downloaded \(({reason})", message)
        assert "connect to the internet and try again" in message
        assert f"{idx_set.test}-labels-idx1-ubyte into {tmp_path / idx_set.dataset}" in message


def test_missing_files_are_downloaded_and_stdout_stays_clean(tmp_path, monkeypatch, capsys):
    calls = []

    def fake_mnist(root, train, download):
        print("Downloading, and talking about it")
        calls.append((root, train, download))
        if train:
            write_set(tmp_path, "mnist")

    fake = types.ModuleType("torchvision")
    fake.datasets = types.SimpleNamespace(MNIST=fake_mnist)
    monkeypatch.setitem(sys.modules, "torchvision", fake)
    _, pictures = load_pictures("mnist", data_dir=tmp_path)
    assert len(pictures) == 10
    assert calls == [(tmp_path, True, True), (tmp_path, False, True)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("which", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:6], lambda b: b[:-1], lambda b: b * 2]
)
@pytest.mark.usefixtures("no_torchvision")
def test_damaged_files_are_named(which, damage, tmp_path):
    raw, _, _ = write_set(tmp_path, "mnist")
    (raw / which).write_bytes(damage((raw / which).read_bytes()))
    with pytest.raises(ZooError, match=f"{which} is damaged.*delete it") as caught:
        load_pictures("mnist", data_dir=tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("no_torchvision")
def test_a_header_that_promises_too_much_costs_nothing(tmp_path):
    raw, _, _ = write_set(tmp_path, "mnist")
    (raw / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"pixels")
    with pytest.raises(ZooError, match="is damaged"):
        load_pictures("mnist", data_dir=tmp_path)


@pytest.mark.usefixtures("no_torchvision")
def test_files_that_do_not_belong_together_are_named(tmp_path):
    raw, _, labels = write_set(tmp_path, "mnist")
    write_idx(raw / "train-labels-idx1-ubyte", labels[:5])
    with pytest.raises(
        ZooError, match=r"train-images-idx3-ubyte has 7 pictures but .* has 5 labels"
    ):
        load_pictures("mnist", data_dir=tmp_path)
    write_idx(raw / "train-labels-idx1-ubyte", labels[:7])
    write_idx(raw / "t10k-images-idx3-ubyte", np.zeros((3, 8, 8)))
    with pytest.raises(ZooError, match="differ in size: 4 x 5 and 8 x 8 pixels"):
        load_pictures("mnist", data_dir=tmp_path)


@pytest.mark.usefixtures("no_torchvision")
def test_a_build_of_all_of_a_set_keeps_its_official_split(tmp_path, monkeypatch):
    labels = (*range(10), 3, 3, 7, *range(10), 5)
    _, images, labels = write_set(tmp_path, "mnist", 8, 8, labels, train=13)
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path))
    arguments = ["build", "--source", "mnist", "--digits", "0-9", "--per-class", "all"]
    quickly = ["--steps", "1", "--extra-steps", "0", "--attempts", "1", "--jobs", "1"]
    result = CliRunner().invoke(group, [*arguments, *quickly])
    assert result.exit_code == 0, result.output
    zoo = open_zoo(tmp_path / "zoo.h5")
    assert sorted(zoo.source_index) == list(range(24))
    np.testing.assert_array_equal(zoo.label, labels[zoo.source_index])
    np.testing.assert_array_equal(zoo.split == "train", zoo.source_index < 13)
    np.testing.assert_array_equal(zoo.split == "test", zoo.source_index >= 13)
    # Counted within the class, training pictures first.
    places = [np.sum(labels[:index] == labels[index]) for index in zoo.source_index]
    assert zoo.id.tolist() == [f"{k}-{n:03d}" for k, n in zip(zoo.label, places, strict=True)]
    ink = images[zoo.source_index].astype(np.uint8)
    np.testing.assert_array_equal(zoo.target[..., 3], ink)
