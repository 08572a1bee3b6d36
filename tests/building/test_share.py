"""Shares of a build: disjoint, complete, and merged the same zoo as a whole build."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rows import datasets, same

from nca_zoo.building.share import Share, parse_share
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group


@given(n=st.integers(1, 50), of=st.integers(1, 60))
def test_shares_are_disjoint_and_complete(n, of):
    shares = [Share(number, of).take(range(n)) for number in range(1, min(n, of) + 1)]
    assert sorted(item for share in shares for item in share) == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for number in range(n + 1, of + 1):
        with pytest.raises(ZooError, match=f"only {n} pictures"):
            Share(number, of).take(range(n))


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{0,8}/[0-9]{0,8}", fullmatch=True))
def test_what_is_no_share_is_refused_in_a_line(text):
    try:
        share = parse_share(text)
    except ZooError as error:
        assert "\n" not in str(error)
    else:
        assert 1 <= share.number <= share.of
        assert [int(piece) for piece in text.split("/")] == [share.number, share.of]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "-1/4", "1", "1/2/3", "a/b"])
def test_shares_that_cannot_be(text):
    with pytest.raises(ZooError, match="--part"):
        parse_share(text)


def test_files_of_shares_sort_in_order():
    names = [Share(number, 12).file(Path("data/zoo.h5")).name for number in (2, 11)]
    assert names == ["zoo-part-02-of-12.h5", "zoo-part-11-of-12.h5"]


@pytest.fixture
def drawings(tmp_path):
    """A folder of seven 8 x 8 pictures in two classes and none."""
    folder = tmp_path / "drawings"
    for k, name in enumerate(["3/a", "3/b", "3/c", "5/a", "5/b", "x", "y"]):
        ink = np.zeros((8, 8), np.uint8)
        ink[2:5, 1 : 3 + k % 4] = 200
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ink).save(path)
    return folder


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.mark.wide
def test_merged_parts_are_the_whole_build_bit_for_bit(tmp_path, drawings):
    command = ["build", "--source", drawings, "--per-class", "all", "--init", "independent"]
    command += ["--regime", "growing", "--steps", 3, "--extra-steps", 0, "--attempts", 1]
    command += ["--jobs", 1]
    assert run(*command, "--out", tmp_path / "whole.h5").exit_code == 0
    for number in (3, 1, 2):
        part = run(*command, "--out", tmp_path / "zoo.h5", "--part", f"{number}/3")
        assert part.exit_code == 0, part.output
    parts = sorted(tmp_path.glob("zoo-part-*-of-3.h5"))
    assert [len(open_zoo(part)) for part in parts] == [3, 2, 2]
    merged = run("merge", *parts, "--out", tmp_path / "zoo.h5")
    assert merged.exit_code == 0, merged.output
    assert "7 NCAs of 3 zoos" in merged.stdout

    whole, zoo = (datasets(tmp_path / name) for name in ("whole.h5", "zoo.h5"))
    assert (whole.pop("wall_s") > 0).all()
    assert (zoo.pop("wall_s") > 0).all()
    assert same(whole, zoo)
    whole, zoo = (open_zoo(tmp_path / name).attrs for name in ("whole.h5", "zoo.h5"))
    assert whole.pop("init_weights").shape == zoo.pop("init_weights").shape == (0,)
    whole.pop("created")
    assert zoo.pop("created") == min(open_zoo(part).attrs["created"] for part in parts)
    assert whole == zoo

    # The same build without --part finds nothing missing, and fits what a lost part left out.
    again = run(*command, "--out", tmp_path / "zoo.h5")
    assert "holds 7 of 7 already" in again.stderr
    assert run("merge", *parts[:2], "--out", tmp_path / "lacking.h5").exit_code == 0
    completed = run(*command, "--out", tmp_path / "lacking.h5")
    assert "holds 5 of 7 already" in completed.stderr
    lacking = datasets(tmp_path / "lacking.h5")
    np.testing.assert_array_equal(lacking["weights"], datasets(tmp_path / "whole.h5")["weights"])


def test_more_parts_than_pictures(tmp_path, drawings):
    result = run("build", "--source", drawings, "--out", tmp_path / "zoo.h5", "--part", "9/9",
                 "--per-class", "all", "--init", "shared")  # fmt: skip
    assert result.exit_code == 1
    assert "there are only 7 pictures; use no more parts than that" in result.stderr
    assert not list(tmp_path.glob("*.h5*"))
