"""What people install: sdist and wheel are built, and the wheel works far from the checkout."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from rows import header, record

from nca_zoo.zoowriter import ZooWriter

CHECKOUT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").exists(), reason="needs the checkout to build from"
)


def run(*command, **options):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of an sdist, and of the wheel that was built from it."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    checkout = folder / "checkout"  # setuptools would leave its files in the real one
    skipped = (".git", ".venv", "data", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns(*skipped, "notebooks"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, checkout)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The interpreter of an environment with the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = folder / scripts / ("python.exe" if sys.platform == "win32" else "python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (Path(site) / "shared.pth").write_text("\n".join(shared))
    wheel = next(built.glob("*.whl"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet",
        "--force-reinstall", "--no-index", wheel)  # fmt: skip
    return python


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
    code = "from nca_zoo.init import make_init as m; print(m('meta', 'persistent').shared.shape)"
    assert "(8336,)" in run(installed, "-c", code, cwd=tmp_path)


def test_tests_run_on_the_wheel(installed, tmp_path):
    for name in (
        "conftest",
        "browsing",
        "plain",
        "rows",
        "test_rule",
        "test_schema",
        "test_distill",
    ):
        source = CHECKOUT / "tests" / f"{name}.py"
        if source.exists():
            shutil.copy(source, tmp_path)
    said = run(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path, cwd=tmp_path)
    assert "passed" in said


def test_this_interpreter_is_what_the_wheel_asks_for(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
    assert "Requires-Python: >=3.11" in text
    assert f"Version: {_version()}" in text
    assert sysconfig.get_python_version() >= "3.11"
