"""A file appears whole or not at all, and a stage of some work is a part of it."""

import os
import stat

import pytest

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import published
from nca_zoo.ground.progress import stage


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_at_the_end_alone(tmp_path, durable):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with published(path, durable=durable) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), published(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_the_disk_refuses_is_one_line(tmp_path):
    path = tmp_path / "nowhere" / "a.txt"
    with (
        pytest.raises(ZooError, match=r"a.txt: cannot be written: No such file.*; try b$"),
        published(path, hint="; try b"),
    ):
        pass


@pytest.mark.skipif(os.name != "posix", reason="files have other permissions there")
def test_others_may_read_it_as_they_may_any_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    with published(tmp_path / "a") as part:
        part.write_text("x")
        part.chmod(0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_stages_are_parts_of_the_whole():
    told = []
    for number in range(2):
        progress = stage(lambda done, total: told.append((done, total)), number, 2)
        for done in (1, 2, 3):
            progress(done, 3)
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
