"""Locks: held, let go, and on file systems and systems that have other ways."""

import errno
import os
import sys

import pytest

from nca_zoo.errors import ZooError
from nca_zoo.ground import files, locks
from nca_zoo.ground.files import published
from nca_zoo.ground.locks import FileLock


@pytest.fixture
def lockless(monkeypatch):
    """A file system without locks."""

    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_try_lock", refuse)


@pytest.mark.parametrize("locks_are", ["there", "missing"])
def test_the_second_is_told_who_the_first_is(tmp_path, request, locks_are):
    words = f"busy: process {os.getpid()} on ."
    if locks_are == "missing":
        request.getfixturevalue("lockless")
        words = f"busy: process {os.getpid()} on .*no locks.*delete .*held"
    first = FileLock(tmp_path / "lock", "busy:")
    with pytest.raises(ZooError, match=words):
        FileLock(tmp_path / "lock", "busy:")
    first.release()
    assert os.listdir(tmp_path) == []
    FileLock(tmp_path / "lock", "busy:").release()


def test_without_locks_what_a_crash_left_is_named(tmp_path, lockless):
    (tmp_path / "lock.held").write_text("77 on elsewhere\n")
    with pytest.raises(
        ZooError, match=r"process 77 on elsewhere, or was.*has ended, delete .*held"
    ):
        FileLock(tmp_path / "lock", "busy:")
    (tmp_path / "lock.held").unlink()
    FileLock(tmp_path / "lock", "busy:").release()


def test_on_windows_a_lock_is_closed_before_its_file_goes(tmp_path, monkeypatch):
    lock = FileLock(tmp_path / "lock", "busy:")
    descriptor, unlink = lock._descriptor, os.unlink
    monkeypatch.setattr(sys, "platform", "win32")

    def strict(path, **more):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)  # else Windows would refuse
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", strict)
    lock.release()
    assert not (tmp_path / "lock").exists()


def test_on_windows_a_file_that_is_read_is_replaced_after_a_moment(tmp_path, monkeypatch):
    replace, refusals = os.replace, [True, True, True]

    def held(*paths):
        if refusals:
            refusals.pop()
            raise PermissionError(errno.EACCES, "used by another process")
        replace(*paths)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(files, "WAITS_S", (0.01,) * 4)
    with pytest.raises(ZooError, match="cannot be written"), published(tmp_path / "a"):
        pass  # elsewhere that is a permission that is missing
    refusals[:] = [True, True, True]
    monkeypatch.setattr(sys, "platform", "win32")
    with published(tmp_path / "a") as part:
        part.write_text("x")
    assert (tmp_path / "a").read_text() == "x"
    assert not refusals
