"""Several fits of one picture: what they share, what they do not, and that they stay together."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from test_going_on import build, draw

from nca_zoo.automaton.noise import fit_seed
from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import Picture, repeated
from nca_zoo.probing.quantities import quantity
from nca_zoo.probing.splits import cross_validation, fixed_split
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("pets"), "cat/a.png", "cat/b.png", "fox/a.png")


@pytest.fixture(scope="module")
def thrice(pets, tmp_path_factory):
    out = tmp_path_factory.mktemp("thrice") / "z.h5"
    run = build(pets, out, "--repeats", "3")
    assert run.exit_code == 0, run.output
    return out


def test_the_file_says_which_picture_and_which_fit(thrice):
    with h5py.File(thrice) as file:
        ids = file["id"].asstr()[:].tolist()
        assert ids[:4] == ["cat-a", "cat-a+02", "cat-a+03", "cat-b"]
        assert file["repeat"][:].tolist() == [1, 2, 3] * 3
        assert file["name"].asstr()[:3].tolist() == ["cat/a.png"] * 3
        assert len(set(file["picture_sha256"][:3])) == 1
        assert len(set(file["picture_sha256"][:])) == 3
        assert len(set(file["split"][:3])) == 1
        assert file["rng_seed"][1] == fit_seed(0, "cat-a+02")
        assert len(np.unique(file["weights"][:3], axis=0)) == 3
    assert verify(thrice) == []


def test_the_first_fit_is_that_of_a_build_without_repeats(pets, thrice, tmp_path):
    assert build(pets, tmp_path / "z.h5").exit_code == 0
    once, all_three = open_zoo(tmp_path / "z.h5").in_memory(), open_zoo(thrice)
    np.testing.assert_array_equal(all_three.ids(once.id).weights, once.weights)

    run = build(pets, tmp_path / "z.h5", "--repeats", "3")  # and one that goes on adds the others
    assert "holds 3 of 9 already" in run.output
    more = open_zoo(tmp_path / "z.h5")
    np.testing.assert_array_equal(more.id, all_three.id)
    np.testing.assert_array_equal(more.weights, all_three.weights)
    assert "holds 9 of 9 already" in build(pets, tmp_path / "z.h5", "--repeats", "3").output
    assert "holds 3 of 3 already" in build(pets, tmp_path / "z.h5").output


@pytest.mark.wide
def test_all_fits_of_an_edited_picture_are_fitted_anew(tmp_path):
    pets = draw(tmp_path / "pets", "cat/a.png", "fox/a.png")
    assert build(pets, tmp_path / "z.h5", "--repeats", "2").exit_code == 0
    before = open_zoo(tmp_path / "z.h5").in_memory()
    (pets / "fox/a.png").unlink()
    draw(pets, "fox/b.png")
    (pets / "fox/b.png").rename(pets / "fox/a.png")
    run = build(pets, tmp_path / "z.h5", "--repeats", "2")
    assert run.exit_code == 1
    assert "fox/a.png (fox-a), fox/a.png (fox-a+02)" in run.output
    assert build(pets, tmp_path / "z.h5", "--repeats", "2", "--refit").exit_code == 0
    after = open_zoo(tmp_path / "z.h5")
    same = (after.weights == before.weights).all(axis=1)
    assert dict(zip(after.id, same, strict=True)) == {
        "cat-a": True, "cat-a+02": True, "fox-a": False, "fox-a+02": False,
    }  # fmt: skip


def test_parts_hold_whole_pictures_and_merge_into_the_same_zoo(pets, thrice, tmp_path):
    for part in ("1/2", "2/2"):
        run = build(pets, tmp_path / "z.h5", "--repeats", "3", "--part", part)
        assert run.exit_code == 0, run.output
    parts = sorted(tmp_path.glob("z-part-*.h5"))
    held = [set(open_zoo(part).name) for part in parts]
    assert not held[0] & held[1]
    merge_zoos(parts, tmp_path / "z.h5")
    merged, whole = open_zoo(tmp_path / "z.h5"), open_zoo(thrice)
    np.testing.assert_array_equal(merged.id, whole.id)
    np.testing.assert_array_equal(merged.weights, whole.weights)
    np.testing.assert_array_equal(merged.repeat, whole.repeat)


@pytest.mark.wide
def test_folds_keep_the_fits_of_a_picture_together(tmp_path):
    names = [f"{c}/{k}.png" for c in ("cat", "fox") for k in range(10)]
    pets = draw(tmp_path / "pets", *names)
    assert build(pets, tmp_path / "z.h5", "--repeats", "2").exit_code == 0
    zoo = open_zoo(tmp_path / "z.h5")
    asked = quantity(zoo, "class")
    groups = zoo.picture_numbers()
    assert len(np.unique(groups)) == 20
    for splits in (
        cross_validation(asked, groups, 3, 2, seed=0),
        fixed_split(asked, groups, zoo.split, seed=0),
    ):
        for side in splits.sides:
            assert not {*zoo.name[side.train]} & {*zoo.name[side.test]}


def test_a_zoo_without_the_column_goes_on(pets, tmp_path):
    assert build(pets, tmp_path / "z.h5").exit_code == 0
    with h5py.File(tmp_path / "z.h5", "r+") as file:
        del file["repeat"]
    run = build(pets, tmp_path / "z.h5", "--repeats", "2")
    assert "holds 3 of 6 already" in run.output, run.output
    assert open_zoo(tmp_path / "z.h5").repeat.tolist() == [0, 2] * 3  # nobody counted the first


def test_what_cannot_be_repeated_is_one_line(pets, tmp_path):
    for times in ("0", "10000"):
        run = CliRunner().invoke(
            group, ["build", "--source", str(pets), "--per-class", "all", "--repeats", times,
                    "--out", str(tmp_path / "z.h5")]
        )  # fmt: skip
        assert run.exit_code == 1
        assert run.output.strip().splitlines()[-1].endswith("it must be from 1 to 9999")
    long = Picture("x" * 62, 0, 0, "train", np.zeros((3, 3), np.uint8), "long")
    with pytest.raises(ZooError, match="long: its name is too long"):
        repeated([long], 2)
    assert repeated([long], 1) == [long]
