import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rows import header, record
from wide import mostly_wide

from nca_zoo.errors import ZooError
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.embedding import embed, grid_for, settle
from nca_zoo.viewer.atlas import HEADER, MARGIN, UNKNOWN, atlas, colour_of, tint
from nca_zoo.viewer.frames import BACKGROUNDS
from nca_zoo_cli.main import group


@pytest.mark.wide
def test_groups_that_are_far_apart_stay_apart_and_a_seed_fixes_the_map() -> None:
    rng = np.random.default_rng(0)
    which = np.arange(40) % 2
    vectors = (rng.normal(size=(40, 30)) + 20 * which[:, None]).astype(np.float32)
    places = embed(vectors, seed=2**40 + 1)
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + 1e9 * np.eye(40)
    assert (which[apart.argmin(axis=1)] == which).all()
    np.testing.assert_array_equal(places, embed(vectors, seed=2**40 + 1))
    assert not np.allclose(places, embed(vectors, seed=7))


def test_too_few_rows_are_said_so() -> None:
    with pytest.raises(ZooError, match="needs 10 NCAs and there are 3"):
        embed(np.zeros((3, 4), np.float32))


def test_no_two_points_share_a_cell_and_none_leaves_the_grid() -> None:
    places = np.random.default_rng(1).normal(size=(300, 2)) ** 3
    cells = settle(places, (18, 20))
    assert len(np.unique(cells, axis=0)) == 300
    assert (cells >= 0).all()
    assert (cells < (18, 20)).all()
    full = settle(np.zeros((12, 2)), (3, 4))  # all in one place, no cell to spare
    assert len(np.unique(full, axis=0)) == 12
    with pytest.raises(ZooError, match="do not fit"):
        settle(places, (10, 10))


def test_points_with_room_stand_where_they_belong() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(settle(corners, (5, 5)), [[4, 0], [4, 4], [0, 0], [0, 4]])


@pytest.mark.parametrize("stretch", [1e-6, 0.5, 1.0, 1.5, 1e6])
def test_a_grid_has_room_for_all(stretch: float) -> None:
    places = np.random.default_rng(2).random((90, 2)) * (stretch, 1)
    rows, columns = grid_for(places)
    assert rows * columns >= 2 * 90
    assert rows <= columns + 1


def test_ink_takes_the_colour_of_its_class_and_the_rest_that_of_the_page() -> None:
    pictures = np.zeros((2, 1, 2, 4), np.uint8)
    pictures[:, 0, 0] = 255
    found = tint(pictures, np.array([3, -1]), [3])
    np.testing.assert_array_equal(found[:, 0, 0], [colour_of(3, [3]), UNKNOWN])
    assert (found[:, 0, 1] == BACKGROUNDS["dark"].page).all()


def test_every_picture_stands_whole_in_its_cell() -> None:
    pictures = np.full((3, 4, 5, 4), 255, np.uint8)
    labels, cells = np.array([0, 1, 2]), np.array([[0, 0], [1, 3], [2, 1]])
    picture = atlas(pictures, labels, cells, (3, 60), "title", "caption")
    for label, (row, column) in zip(labels, cells, strict=True):
        area = picture[HEADER + 4 * row :, MARGIN + 5 * column :][:4, :5]
        assert (area == colour_of(int(label), [0, 1, 2])).all()
    assert (picture[:HEADER] != BACKGROUNDS["dark"].page).any()  # title and legend


@pytest.mark.wide
def test_the_command_writes_the_same_picture_twice(tmp_path: Path) -> None:
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(i) for i in range(24)])
    call = ["map", "--zoo", str(tmp_path / "zoo.h5"), "--feature", "b1", "--seed", "4", "--out"]
    for name in ("a.png", "b.png"):
        found = CliRunner().invoke(group, [*call, str(tmp_path / name)])
        assert found.exit_code == 0, found.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "RGB"
    wrong = CliRunner().invoke(group, [*call, str(tmp_path / "a.gif")])
    assert wrong.exit_code == 1
    assert "must end in .png" in wrong.output


@pytest.mark.parametrize(("good", "failed", "says"), mostly_wide([
    (1, 0, "needs 10 NCAs and there are 1; build more"),
    (3, 4, "there are 3, and 4 whose fit failed; build more"),
    (3, 9, "there are 3, and 9 whose fit failed; read these, too, with --all-fits"),
], 2))  # fmt: skip
def test_a_zoo_too_small_for_a_map_says_what_would_help(tmp_path, good, failed, says) -> None:
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(i) for i in range(good)])
        if failed:
            writer.add([record(good + i, status="below_gate") for i in range(failed)])
    call = ["map", str(path), "--feature", "b1", "--out", str(tmp_path / "a.png")]
    assert says in CliRunner().invoke(group, call).stderr
    if "--all-fits" in says:
        assert CliRunner().invoke(group, [*call, "--all-fits"]).exit_code == 0


def test_a_page_of_a_sample_holds_the_sample(tmp_path: Path) -> None:
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(i) for i in range(24)])
    out = tmp_path / "map.html"
    call = ["map", "--zoo", str(tmp_path / "zoo.h5"), "--feature", "b1", "--html", str(out)]
    for options, count in (([], 24), (["--sample", "6"], 6), (["--sample", "all"], 24)):
        found = CliRunner().invoke(group, [*call, *options])
        assert found.exit_code == 0, found.output
        (text,) = re.findall(r'id="data-about">(.*?)</script>', out.read_text("utf-8"))
        about = json.loads(text)
        assert about["total"] == 24
        assert len(about["columns"][0]["values"]) == count
