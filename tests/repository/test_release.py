"""What a release carries: whole zoos, with cards, and digests that their addresses take."""

import hashlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rows import header, record

from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "docs" / "make_release.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout")


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("make_release", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture
def zoo(tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(i) for i in range(3)])
    return tmp_path / "zoo.h5"


@pytest.mark.wide
def test_a_release_holds_the_zoo_its_card_and_digests(script, zoo, tmp_path):
    out = tmp_path / "release"
    script.pack(zoo, "digits-3.h5", out)
    script.sums(out)
    names = {path.name for path in out.iterdir()}
    assert names == {"digits-3.h5", "digits-3.h5.sha256", "digits-3.md", "SHA256SUMS"}
    assert open_zoo(out / "digits-3.h5").id.tolist() == open_zoo(zoo).id.tolist()
    assert (out / "digits-3.md").read_text().startswith("---\n")
    real = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
    told = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    assert told == {name: real[name] for name in names - {"SHA256SUMS"}}
    assert (out / "digits-3.h5.sha256").read_text() == f"{real['digits-3.h5']}  digits-3.h5\n"
    assert f"/digits-3.h5#sha256={real['digits-3.h5']}" in script.words_of(out)
    assert "gh release upload v" in script.words_of(out)


def test_what_is_no_whole_zoo_is_no_release(script, zoo, tmp_path):
    zoo.write_bytes(zoo.read_bytes()[:-100])
    with pytest.raises(subprocess.CalledProcessError):
        script.pack(zoo, "digits-3.h5", tmp_path / "release")


def test_the_zoos_are_those_of_the_first_command(script):
    readme = (CHECKOUT / "README.md").read_text()
    assert "500 NCAs" in readme
    assert {name: " ".join(words) for name, words in script.zoos().items()} == {
        "digits-500.h5": "--digits 0-9 --per-class 50",
        "digits-20.h5": "--digits 0-9 --per-class 2 --out data/twenty.h5",
    }
    made = re.search(r"^release:.*\n\t(.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert made[1].endswith("docs/make_release.py")
