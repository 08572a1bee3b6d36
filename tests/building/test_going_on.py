"""Going on: pictures are known by name and pixels, classes by name, whatever was added since."""

import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rows import as_schema_1

from nca_zoo.building.going_on import settings_for
from nca_zoo.building.settings import chosen
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

QUICKLY = ["--regime", "growing", "--steps", "1", "--extra-steps", "0", "--attempts", "1"]


def draw(folder, *names):
    """A picture of its own for each name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        ink = np.random.default_rng(zlib.crc32(name.encode())).integers(100, 256, (6, 6), np.uint8)
        Image.fromarray(ink).save(folder / name)
    return folder


def build(folder, out, *more):
    where = ["--source", str(folder), "--per-class", "all", "--out", str(out), "--jobs", "1"]
    return CliRunner().invoke(group, ["build", *where, *QUICKLY, *more])


def held(out):
    zoo = open_zoo(out)
    return {n: (i, c) for i, n, c in zip(zoo.id, zoo.name, zoo.class_name, strict=True)}


def test_a_picture_added_before_another_is_the_only_one_fitted(tmp_path):
    pets = draw(tmp_path / "pets", "cat/b.png", "cat/c.png", "fox/b.png")
    assert build(pets, tmp_path / "z.h5").exit_code == 0
    before = open_zoo(tmp_path / "z.h5").in_memory()
    draw(pets, "cat/a.png", "ape/x.png")
    run = build(pets, tmp_path / "z.h5")
    assert run.exit_code == 0, run.output
    assert "holds 3 of 5 already" in run.output
    assert held(tmp_path / "z.h5") == {
        "cat/a.png": ("cat-a", "cat"),
        "cat/b.png": ("cat-b", "cat"),
        "cat/c.png": ("cat-c", "cat"),
        "fox/b.png": ("fox-b", "fox"),
        "ape/x.png": ("ape-x", "ape"),
    }
    after = open_zoo(tmp_path / "z.h5")
    assert after.class_names == {0: "cat", 1: "fox", 2: "ape"}
    for name in ("weights", "label", "split", "source_index"):
        np.testing.assert_array_equal(
            after.ids(before.id).column(name), before.column(name), err_msg=name
        )
    assert verify(tmp_path / "z.h5") == []


def test_folders_of_one_name_go_into_one_file_by_their_classes(tmp_path):
    first = draw(tmp_path / "a" / "pets", "cat/b.png", "fox/b.png")
    second = draw(tmp_path / "c" / "pets", "dog/b.png", "owl/z.png")
    build(first, tmp_path / "z.h5")
    assert build(second, tmp_path / "z.h5").exit_code == 0
    assert {c for _, c in held(tmp_path / "z.h5").values()} == {"cat", "fox", "dog", "owl"}
    assert open_zoo(tmp_path / "z.h5").class_names == {0: "cat", 1: "fox", 2: "dog", 3: "owl"}


def test_a_picture_that_was_edited_is_named_and_fitted_anew_if_asked(tmp_path):
    pets = draw(tmp_path / "pets", "cat/a.png", "cat/b.png", "fox/b.png")
    build(pets, tmp_path / "z.h5")
    before = open_zoo(tmp_path / "z.h5").in_memory()
    Image.new("L", (6, 6), 200).save(pets / "cat" / "b.png")
    run = build(pets, tmp_path / "z.h5")
    assert run.exit_code == 1
    told = run.stderr.strip().splitlines()[-1]
    assert "cat/b.png (cat-b); --refit fits them anew" in told
    assert len(open_zoo(tmp_path / "z.h5")) == 3
    run = build(pets, tmp_path / "z.h5", "--refit")
    assert run.exit_code == 0, run.output
    after = open_zoo(tmp_path / "z.h5")
    assert sorted(after.id) == sorted(before.id)
    changed = after.index("cat-b")
    assert (after.target[changed] == 200).all()
    for nca_id in ("cat-a", "fox-b"):
        assert np.array_equal(
            after.weights[after.index(nca_id)], before.weights[before.index(nca_id)]
        )
    assert verify(tmp_path / "z.h5") == []
    assert build(pets, tmp_path / "z.h5").exit_code == 0


def test_the_last_picture_can_be_refitted(tmp_path):
    pets = draw(tmp_path / "pets", "a.png")
    build(pets, tmp_path / "z.h5")
    Image.new("L", (6, 6), 200).save(pets / "a.png")
    assert build(pets, tmp_path / "z.h5", "--refit").exit_code == 0
    assert (open_zoo(tmp_path / "z.h5").target == 200).all()


def test_a_name_that_comes_to_clash_gets_an_id_of_its_own(tmp_path):
    pets = draw(tmp_path / "pets", "猫/a.png")
    build(pets, tmp_path / "z.h5")
    draw(pets, "貓/a.png", "Mao/a.png")
    build(pets, tmp_path / "z.h5")
    found = held(tmp_path / "z.h5")
    assert found["猫/a.png"] == ("Mao-a", "猫")
    assert {i for i, _ in found.values()} == {"Mao-a", "Mao-a-2", "Mao-a-3"}


def test_a_zoo_of_version_0_1_is_gone_on_with_by_its_pixels(tmp_path):
    pets = draw(tmp_path / "pets", "cat/b.png", "fox/b.png")
    build(pets, tmp_path / "z.h5")
    as_schema_1(tmp_path / "z.h5")
    draw(pets, "ape/x.png")  # in 0.1 the number of cat would have become another's
    run = build(pets, tmp_path / "z.h5")
    assert run.exit_code == 0, run.output
    assert "holds 2 of 3 already" in run.output
    zoo = open_zoo(tmp_path / "z.h5")
    assert dict(zip(zoo.id.tolist(), zoo.class_name.tolist(), strict=True)) == {
        "cat-b": "cat", "fox-b": "fox", "ape-x": "ape",
    }  # fmt: skip
    assert zoo.class_names == {0: "cat", 1: "fox", 2: "ape"}
    gate = zoo.attrs["settings"]["regime"]["gate"]  # all its NCAs passed one and the same
    assert gate["pass_96"] == 20
    assert "pass_error" not in gate


def test_show_and_build_take_classes_by_name(tmp_path):
    pets = draw(tmp_path / "pets", "cat/b.png", "fox/b.png", "owl/b.png")
    assert build(pets, tmp_path / "z.h5", "--classes", "Fox,cat").exit_code == 0
    assert {c for _, c in held(tmp_path / "z.h5").values()} == {"cat", "fox"}
    run = build(pets, tmp_path / "y.h5", "--classes", "dog")
    assert (
        "no class 'dog' among the pictures of pets: there are 0 (cat), 1 (fox), 2 (owl)"
        in run.output
    )


@pytest.mark.wide
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_numbers_do_not_depend_on_the_workers(jobs, tmp_path):
    pets = draw(tmp_path / "pets", "b/1.png", "a/1.png", "10/1.png", "9/1.png")
    assert build(pets, tmp_path / "z.h5", "--jobs", jobs).exit_code == 0
    assert open_zoo(tmp_path / "z.h5").class_names == {0: "9", 1: "10", 2: "a", 3: "b"}


@pytest.mark.wide
def test_another_picture_of_the_same_pixels_is_another(tmp_path, monkeypatch):
    """In a set, whose pictures have no names but their ids, as in folders."""
    from nca_zoo.pictures import sources

    images, labels = (
        np.full((4, 6, 6), 200, np.uint8)
        - np.arange(4, dtype=np.uint8).repeat(36).reshape(4, 6, 6),
        np.array([0, 0, 1, 1], np.uint8),
    )
    images[3] = images[0]  # drawn twice, in two classes
    monkeypatch.setattr(sources, "read_digits", lambda folder: (images, labels))
    few = ["build", "--out", str(tmp_path / "z.h5"), "--jobs", "1", *QUICKLY]
    for per_class, count in (("1", 2), ("2", 4)):
        run = CliRunner().invoke(group, [*few, "--per-class", per_class])
        assert run.exit_code == 0, run.output
        assert len(open_zoo(tmp_path / "z.h5")) == count
    pets = draw(tmp_path / "pets", "a/x.png")
    for name in ("a/y.png", "b/x.png"):
        (pets / name).parent.mkdir(exist_ok=True)
        (pets / name).write_bytes((pets / "a/x.png").read_bytes())
        assert build(pets, tmp_path / "p.h5").exit_code == 0
    assert len(open_zoo(tmp_path / "p.h5")) == 3


@pytest.mark.parametrize(("held_before", "says"), [
    (False, "cannot be written: File exists"),
    (True, "cannot be written: File exists; 2 NCAs are safe, and the same command goes on from "
           "there"),
])  # fmt: skip
def test_what_is_safe_is_said_where_something_is(tmp_path, held_before, says):
    out = tmp_path / "z.h5"
    pets = draw(tmp_path / "pets", "a.png", "b.png")
    if held_before:
        assert build(pets, out).exit_code == 0
    draw(pets, "c.png")
    (tmp_path / "z.h5.shards").write_text("a file where the folder would be")
    run = build(pets, out)
    assert run.exit_code == 1
    assert run.stderr.strip().splitlines()[-1] == f"Error: {out}: {says}"


def test_a_zoo_goes_on_in_its_own_regime_unless_another_is_named(tmp_path):
    pets = draw(tmp_path / "pets", "cat/a.png")
    assert build(pets, tmp_path / "z.h5").exit_code == 0  # growing
    draw(pets, "cat/b.png")
    where = ["--source", str(pets), "--per-class", "all", "--out", str(tmp_path / "z.h5")]
    again = ["build", *where, "--jobs", "1", *QUICKLY[2:]]
    run = CliRunner().invoke(group, [*again, "--regime", "persistent"])
    assert run.exit_code == 1
    assert "regime" in run.stderr
    run = CliRunner().invoke(group, again)
    assert run.exit_code == 0, run.output
    zoo = open_zoo(tmp_path / "z.h5")
    assert len(zoo) == 2
    assert zoo.settings.values["regime"]["name"] == "growing"
    assert settings_for(tmp_path / "new.h5", chosen()).regime.name == DEFAULT_REGIME
