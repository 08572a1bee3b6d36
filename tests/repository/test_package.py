"""What people install: sdist and wheel are built, and the wheel works far from the checkout."""

import base64
import hashlib
import os
import sysconfig
import tarfile
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from on_the_wheel import CHECKOUT, build, install, run
from rows import header, record

import nca_zoo
import nca_zoo_cli
from nca_zoo.store.zoowriter import ZooWriter

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").exists(), reason="needs the checkout to build from"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of an sdist, and of the wheel that was built from it."""
    if "NCA_ZOO_BUILT" in os.environ:  # these tests run on that wheel
        return Path(os.environ["NCA_ZOO_BUILT"])
    pytest.importorskip("build")
    return build(tmp_path_factory.mktemp("dist")).parent


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The interpreter of an environment with the wheel, and the libraries of this one."""
    return install(next(built.glob("*.whl")), tmp_path_factory.mktemp("installed"))


def test_the_sdist_builds_the_wheel_and_both_hold_what_they_must(built):
    wheel, sdist = next(built.glob("*.whl")), next(built.glob("*.tar.gz"))
    assert wheel.name.endswith("py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for inside in (CHECKOUT / "nca_zoo").rglob("*"):
        if inside.is_file() and "__pycache__" not in inside.parts:
            assert inside.relative_to(CHECKOUT).as_posix() in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "nca_zoo",
        "nca_zoo_cli",
    }
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "nca_zoo/py.typed"} <= files


def test_the_wheel_is_typed_and_says_its_version(installed, tmp_path):
    code = "import nca_zoo, pathlib; print(pathlib.Path(nca_zoo.__file__).parent)"
    place = Path(run(installed, "-c", code, cwd=tmp_path).strip())
    assert installed.parents[1] in place.parents
    assert (place / "py.typed").exists()
    command = installed.parent / "nca-zoo"
    assert run(command, "--version", cwd=tmp_path).strip() == f"nca-zoo, version {_version()}"


def _version():
    return version("nca-zoo")


@pytest.mark.wide
def test_the_wheel_reads_a_zoo_and_brings_its_data(installed, tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(3)])
    command = installed.parent / "nca-zoo"
    assert "3 NCAs" in run(command, "info", "--zoo", "zoo.h5", cwd=tmp_path)
    run(command, "explore", "--zoo", "zoo.h5", "--html", "page.html", cwd=tmp_path)
    assert "main.js" in (tmp_path / "page.html").read_text()
    run(command, "verify", "--zoo", "zoo.h5", cwd=tmp_path)
    run(command, "export", "--format", "npz", "--zoo", "zoo.h5", cwd=tmp_path)
    assert (tmp_path / "zoo.npz").exists()
    code = "from nca_zoo.training.init import make_init; "
    code += "print(make_init('meta', 'persistent').shared.shape)"
    assert "(8336,)" in run(installed, "-c", code, cwd=tmp_path)


def test_the_code_under_test_is_a_whole_wheel_or_the_whole_checkout():
    """Both packages from one place; if that is an installed wheel, every file as it came."""
    places = {Path(package.__file__).resolve().parent for package in (nca_zoo, nca_zoo_cli)}
    if places == {CHECKOUT / "nca_zoo", CHECKOUT / "cli"}:
        return
    files = [file for file in distribution("nca-zoo").files if file.hash]
    for file in files:
        digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
    wheel = {file.locate().resolve() for file in files}
    assert {place / "__init__.py" for place in places} <= wheel
    assert not any(CHECKOUT in path.parents for path in wheel)


def test_this_interpreter_is_what_the_wheel_asks_for(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
    assert "Requires-Python: >=3.11" in text
    assert f"Version: {_version()}" in text
    assert sysconfig.get_python_version() >= "3.11"
