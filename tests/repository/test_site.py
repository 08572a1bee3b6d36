"""The site: built strictly from what is installed, with every module, nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rows import header, record

from nca_zoo.store.zoowriter import ZooWriter

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.wide


@pytest.fixture(scope="module")
def site(tmp_path_factory, lively_weights):
    """The site as `make site` builds it, around a zoo of three."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    with ZooWriter(folder / "zoo.h5", header()) as writer:
        writer.add([record(number, (9, 7), weights=lively_weights(number)) for number in range(3)])
    command = [CHECKOUT / "docs" / "make_site.py", folder / "site", "--zoo", folder / "zoo.h5"]
    run = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    assert run.stdout.strip() == str(folder / "site" / "index.html")
    return folder / "site"


def test_every_module_has_a_place_in_it(site):
    places = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    for source in (CHECKOUT / "nca_zoo").rglob("*.py"):
        parts = source.relative_to(CHECKOUT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            assert f'id="{".".join(parts)}"' in places, parts
    assert "all weights" in (site / "api" / "features.html").read_text(encoding="utf-8")


def test_every_room_page_notebook_and_list_is_in_the_menu(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    menu = set(re.findall(r'href="([\w./-]+\.html)"', home))
    rooms = {path.parent.name for path in (CHECKOUT / "nca_zoo").glob("*/__init__.py")}
    assert {f"api/{room}.html" for room in rooms | {"nca_zoo"}} <= menu
    pages = {path.relative_to(CHECKOUT) for path in (CHECKOUT / "docs").rglob("*.md")}
    pages |= {path.relative_to(CHECKOUT) for path in (CHECKOUT / "notebooks").glob("*.ipynb")}
    wanted = {path.with_suffix(".html").as_posix() for path in pages - {Path("docs/README.md")}}
    assert wanted | {"docs/index.html", "explorer/index.html", "CONTRIBUTING.html"} <= menu


def test_pages_load_nothing_from_elsewhere(site):
    loaded = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=[\"']?(https?:|//)")
    for path in site.rglob("*.html"):
        assert not loaded.search(path.read_text(encoding="utf-8")), path
    for path in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:|//)", path.read_text()), path


def test_the_zoo_lives_in_a_page_and_notebooks_show_what_came_out(site):
    assert 'src="twenty.html"' in (site / "explorer" / "index.html").read_text(encoding="utf-8")
    assert (site / "explorer" / "twenty.html").stat().st_size > 100_000
    page = (site / "notebooks" / "1-build-and-look.html").read_text(encoding="utf-8")
    assert 'src="1-build-and-look-0.png"' in page
    assert (site / "notebooks" / "1-build-and-look.ipynb").exists()


def test_search_knows_pages_and_the_api(site):
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "docs/regimes.html" in index
    assert "nca_zoo.symmetry.procrustes" in index
