"""The first command: what it installs and says, and what it does where something is missing."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from nca_zoo_cli import bringing

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "start.py").exists(), reason="needs the checkout to start"
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """start.py in a checkout of its own, whose pip writes down what it is asked for."""
    (tmp_path / "start.py").write_bytes((CHECKOUT / "start.py").read_bytes())
    (tmp_path / "pyproject.toml").write_text("first")
    spec = importlib.util.spec_from_file_location("start", tmp_path / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.asked = []
    monkeypatch.setattr("venv.create", lambda folder, with_pip: folder.mkdir(exist_ok=True))
    module.real_pip = module.pip
    monkeypatch.setattr(module, "pip", lambda *words: module.asked.append(words[-1]))
    return module


def test_each_job_installs_what_it_uses_once(start, tmp_path, capsys):
    for job, asked in (("explore", ["."]), ("zoo", []), ("test", [".[dev]"]), ("zoo", [])):
        start.asked.clear()
        start.install(job)
        assert start.asked == asked
        said = capsys.readouterr().out
        assert bool(said) is bool(asked)
        assert not said or re.search(r"GB|gigabytes", said)
    (tmp_path / "pyproject.toml").write_text("second")
    start.install("explore")
    assert start.asked == ["."]


def test_torch_is_of_the_tests_and_of_an_extra_alone():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if name.startswith("torch")]
    extras = project["optional-dependencies"]
    wanted = extras["torch"]
    assert [re.match(r"\w+", name)[0] for name in wanted] == ["torch", "torchvision"]
    assert all(set(wanted) <= set(extras[name]) for name in ("dev", "notebook", "benchmarks"))


@pytest.mark.parametrize("lacking", ["venv", "ensurepip"])
def test_a_python_without_venv_gets_the_line_that_installs_it(start, monkeypatch, lacking):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == lacking else found(name)
    )
    with pytest.raises(SystemExit) as left:
        start.install("zoo")
    line = f"sudo apt-get install python3.{sys.version_info.minor}-venv"
    assert str(left.value).endswith(line)
    assert len(str(left.value).splitlines()) == 1
    assert not start.ENVIRONMENT.exists()
    assert "apt-get install python3-venv" in (CHECKOUT / "README.md").read_text()


def test_pip_that_fails_says_why_in_its_own_words(start, monkeypatch, tmp_path, capsys):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho Collecting much\necho ERROR: no space left\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(start, "SCRIPTS", tmp_path)
    with pytest.raises(SystemExit) as left:
        start.real_pip("install", "x")
    assert str(left.value).splitlines()[1:] == ["ERROR: no space left"]
    script.write_text("#!/bin/sh\necho Collecting much\n")
    start.real_pip("install", "x")
    assert re.fullmatch(r"Installed in \d+ s\.\n", capsys.readouterr().out)  # no bars into a file


class Terminal:
    def isatty(self):
        return True


@pytest.mark.parametrize(("agreed", "status"), [(False, 0), (True, 1), (True, 0)])
def test_torch_is_brought_in_if_a_person_agrees(monkeypatch, agreed, status):
    run = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(click, "confirm", lambda *_, **__: agreed)
    monkeypatch.setattr(subprocess, "call", lambda words, **_: run.append(words) or status)
    if agreed and not status:
        bringing.bring("torch")
        monkeypatch.setattr(sys, "argv", ["nca-zoo", "build", "--engine", "dense"])
        bringing.again()
        assert run[1][-3:] == ["build", "--engine", "dense"]
    else:
        with pytest.raises(click.ClickException, match=r"install it .*'nca-zoo\[torch\]'"):
            bringing.bring("torch")
    wanted = [sys.executable, "-m", "pip", "install", "nca-zoo[torch]"]
    assert run[:1] == ([wanted] if agreed else [])
