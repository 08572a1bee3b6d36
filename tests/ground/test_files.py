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


@pytest.mark.skipif(os.name != "posix", reason="links need a permission there")
def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "film.mp4", tmp_path / "film.mp4"
    link.symlink_to(target)
    for content in ("first, where the link led nowhere", "second"):
        with published(link) as part:
            assert part.parent == target.parent
            part.write_text(content)
        assert link.is_symlink()
        assert target.read_text() == content
    with pytest.raises(ZeroDivisionError), published(link):
        raise ZeroDivisionError
    assert target.read_text() == "second"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    for name, words in (("pipe", "no file"), ("folder", "a folder"), ("link", "no file")):
        before = (tmp_path / name).stat()
        with (
            pytest.raises(ZooError, match=f"cannot be written: it is {words}; use b$"),
            published(tmp_path / name, hint="; use b"),
        ):
            pass
        assert os.path.samestat((tmp_path / name).stat(), before)


def test_stages_are_parts_of_the_whole():
    told = []
    for number in range(2):
        progress = stage(lambda done, total: told.append((done, total)), number, 2)
        for done in (1, 2, 3):
            progress(done, 3)
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
