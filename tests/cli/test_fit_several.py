"""`nca-zoo fit` of several pictures: one NCA, a row for each signal."""

from importlib import resources

import numpy as np
import pytest
from commands import run
from PIL import Image

from nca_zoo.automaton.signals import heard
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.networks.writing import targets_of
from nca_zoo.pictures.targets import common_seed, make_target
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.init import make_init

QUICKLY = ["--steps", "3", "--extra-steps", "0", "--attempts", "1", "--film", "none"]


def ink(top, left):
    pixels = np.zeros((10, 9), np.uint8)
    pixels[top : top + 5, left : left + 4] = 255
    return pixels


@pytest.fixture
def pictures(tmp_path):
    """Three drawings that have one lit cell in common, not the middle of any."""
    paths = []
    for name, top, left in (("a", 1, 1), ("b", 4, 2), ("c", 5, 4)):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(ink(top, left)).save(paths[-1])
    return paths


def test_seeds_lie_where_most_pictures_are_lit():
    targets = [make_target(ink(*place)) for place in ((1, 1), (4, 2), (5, 4))]
    assert common_seed(targets) == (5, 4)


@pytest.mark.parametrize("code", [0, 2])
def test_rows_differ_in_what_they_hear_alone(pictures, tmp_path, code):
    out = tmp_path / "abc.h5"
    run("fit", *pictures, *QUICKLY, "--out", out, "--code", code)
    zoo = open_zoo(out)
    assert sorted(zoo.id) == ["a", "b", "c"]
    assert verify(out) == []
    assert list(regrow_problems(zoo)) == []
    assert (zoo.seed_row == 5).all()
    assert (zoo.seed_col == 4).all()
    S, s = zoo.column("S"), zoo.column("s")
    assert (S.shape, s.shape) == ((3, 128, code or 3), (3, code or 3))
    shared = zoo.weights.copy()
    shared[:, 6144:6272] -= np.einsum("nhd,nd->nh", S, s)
    np.testing.assert_allclose(shared, np.repeat(shared[:1], 3, axis=0), atol=1e-6)
    if not code:
        assert np.array_equal(s, np.eye(3))
        assert np.ptp(zoo.weights[:, 6144:6272], axis=0).max() > 1e-3
    for name, target in zip(zoo.id, zoo.target, strict=True):
        place = {"a": (1, 1), "b": (4, 2), "c": (5, 4)}[name]
        assert np.array_equal(target[..., 3], ink(*place))


def test_a_zoo_that_hears_is_shown_merged_and_exported_as_any(pictures, tmp_path):
    out, both = tmp_path / "ab.h5", tmp_path / "both.h5"
    run("fit", *pictures[:2], *QUICKLY, "--out", out)
    run("fit", pictures[2], *QUICKLY, "--out", tmp_path / "c.h5", "--batch", 3)
    merge_zoos([out, tmp_path / "c.h5"], both, mix_settings=True)
    merged = open_zoo(both)
    assert np.isfinite(merged.column("S")).all(axis=(1, 2)).tolist() == [True, True, False]
    run("show", "a", "--zoo", out, "--out", tmp_path / "a.png")
    run("export", "--all-fits", "--zoo", out, "--format", "npz", "--out", tmp_path / "ab.npz")
    with np.load(tmp_path / "ab.npz") as archive:
        assert archive["S"].shape == (2, 128, 2)
    assert "S " in run("info", "--zoo", out).stdout


def test_what_cannot_be_learnt_together_is_said_in_a_line(pictures, tmp_path):
    Image.fromarray(np.full((6, 6), 255, np.uint8)).save(tmp_path / "small.png")
    for arguments, words in (
        ([pictures[0], tmp_path / "small.png"], "pictures of one size"),
        ([pictures[0], pictures[0]], "two of these pictures are called a"),
        ([pictures[0], "--code", 2], "--code is for several pictures"),
        ([*pictures, "--rows", "0,1"], "--rows is for one picture"),
        ([*pictures, "--code", -1], "a code of -1 numbers"),
        ([*pictures, "--seeds", 2], "one NCA grows several pictures from one seed"),
        ([pictures[0], "--motion", "sway", "--seeds", 2], "leave out --seeds or --motion"),
    ):
        result = run("fit", *arguments, *QUICKLY, "--out", tmp_path / "no.h5", code=1)
        assert words in result.output
    assert not (tmp_path / "no.h5").exists()


def test_several_pictures_begin_at_a_rule_that_hears_codes(pictures, tmp_path):
    """Before the first step each is what a code of its own would grow; `--init meta` knows none."""
    coder = make_init("meta", "regenerating", code=16).coder
    still = ["--steps", "1", "--extra-steps", "0", "--attempts", "1", "--film", "none"]
    out, plain = tmp_path / "abc.h5", tmp_path / "plain.h5"
    run("fit", *pictures, *still, "--lr", "1e-12", "--out", out)
    run("fit", *pictures, *still, "--lr", "1e-12", "--out", plain, "--init", "meta")
    zoo = open_zoo(out)
    for row, target in enumerate(targets_of(zoo)):
        wanted = heard(coder.base, coder.S, coder.shares(target))
        np.testing.assert_allclose(zoo.weights[row], wanted, atol=1e-5)
    assert set(zoo.init) == {"written"}
    assert np.array_equal(zoo.attrs["init_weights"], coder.base)
    assert zoo.attrs["settings"]["writer"] == coder.digest
    assert "code" not in zoo.attrs["settings"]
    alike = open_zoo(plain)
    assert set(alike.init) == {"meta"}
    np.testing.assert_allclose(alike.weights, np.repeat(alike.weights[:1], 3, axis=0), atol=1e-5)


def test_where_several_pictures_begin_may_be_a_file_and_no_other_kind(pictures, tmp_path):
    starts = resources.files("nca_zoo.training") / "starts"
    out = ("--out", tmp_path / "ab.h5")
    for start, named in (("code", []), ("persistent", []), ("code", ["--init", "written"])):
        run(
            "fit",
            *pictures,
            *QUICKLY,
            *out,
            "--replace",
            "--start",
            starts / f"{start}.npz",
            *named,
        )
        assert set(open_zoo(out[1]).init) == {"meta" if start == "persistent" else "written"}
    for arguments, words in (
        (["--start", starts / "few.npz"], "knows no codes"),
        (["--init", "written", "--visible", "grey"], "no rule ships for several pictures"),
        (["--start", starts / "code.npz", "--visible", "grey"], "this shows another"),
    ):
        result = run("fit", *pictures, *QUICKLY, *out, "--replace", *arguments, code=1)
        assert words in result.output
    run("fit", *pictures, *QUICKLY, *out, "--replace", "--visible", "grey")
    assert set(open_zoo(out[1]).init) == {"meta"}
