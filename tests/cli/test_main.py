"""What every command does alike: paths, encodings, errors that nobody foresaw."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli import main
from nca_zoo_cli.options import FilePath, progress_bar

NO_TEXT = os.fsdecode(b"caf\xe9.h5")  # Latin-1: no UTF-8


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(3)])
    return tmp_path / "zoo.h5"


def nca_zoo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "nca_zoo_cli.main", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment})


def test_an_end_of_a_file_is_no_ctrl_d(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def cut() -> None:
        raise EOFError("Ran out of input")

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: cut)
    done = CliRunner().invoke(main.group, ["cut"])
    assert done.exit_code == 1
    assert "Aborted" not in done.output
    line = done.output.strip()
    assert line.startswith("Error: EOFError in test_main.py, line ")
    assert "\n" not in line


@pytest.mark.parametrize("argument", [["--zoo=~/zoo.h5"], ["--zoo", "~/zoo.h5"]])
def test_a_tilde_is_the_home(zoo: Path, argument: list[str]) -> None:
    done = nca_zoo("info", *argument, HOME=str(zoo.parent), USERPROFILE=str(zoo.parent))
    assert done.returncode == 0, done.stderr
    assert str(zoo).encode() in done.stdout


def test_every_path_that_is_asked_for_knows_the_home() -> None:
    plain = []
    for name in main.COMMANDS:
        command = main.group.get_command(click.Context(main.group), name)
        commands = [command, *getattr(command, "commands", {}).values()]
        for parameter in (p for c in commands for p in c.params):
            if isinstance(parameter.type, click.Path) and not isinstance(parameter.type, FilePath):
                plain.append(f"{name}: {parameter.name}")
    assert plain == []


def test_a_tilde_is_the_home_in_python(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(zoo.parent))
    monkeypatch.setenv("USERPROFILE", str(zoo.parent))
    assert open_zoo("~/zoo.h5").path == zoo


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_name_that_is_no_text_is_read_and_said_as_it_is(zoo: Path) -> None:
    odd = zoo.with_name(NO_TEXT)
    shutil.copy(zoo, odd)
    for command in ("info", "verify"):
        done = nca_zoo(command, "--zoo", str(odd), PYTHONIOENCODING="utf-8")
        assert done.returncode == 0, done.stderr
        assert os.fsencode(odd) in done.stdout
    missing = nca_zoo("info", "--zoo", f"{odd}.gone", PYTHONIOENCODING="utf-8")
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"Error: " + os.fsencode(odd))


@pytest.mark.parametrize("encoding", ["cp1252", "cp437"])
def test_an_encoding_without_the_letters_gets_question_marks(zoo: Path, encoding: str) -> None:
    butterfly = zoo.with_name("日本🦋.h5")
    shutil.copy(zoo, butterfly)
    done = nca_zoo("info", "--zoo", str(butterfly), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"???.h5" in done.stdout
    missing = nca_zoo("info", "--zoo", f"{butterfly}.gone", PYTHONIOENCODING=encoding)
    assert missing.returncode == 1
    assert b"Traceback" not in missing.stderr
    assert b"???.h5.gone: no such file" in missing.stderr


def test_bars_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with progress_bar(total=3, mininterval=0) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar(total=3, mininterval=0) as bar:
        bar.update(2)
    assert "2/3" in capsys.readouterr().err
