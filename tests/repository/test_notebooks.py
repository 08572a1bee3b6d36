"""The notebooks run from top to bottom, on a small zoo that the first of them builds."""

import importlib.util
import io
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browsing import BROWSERS, PATIENCE_MS
from PIL import Image
from playwright.sync_api import sync_playwright

import nca_zoo
from nca_zoo.errors import ZooError
from nca_zoo.explorer.notebook import live

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
BRIEF = {  # words of the code, and others with which it says the same of a small zoo, and sooner
    "1": {'classes="0-9", per_class=50': 'classes="1,7", per_class=5, regime="persistent", jobs=1'},
    "3": {"Reader(), 40": "Reader(), 2", "Reader(), 60, 3e-3)}": "Reader(), 2, 3e-3)}",
          "deaf = fit(SetReader(), 60": "deaf = fit(SetReader(), 2"},
    "6": {"steps=800": "steps=3"},
    "7": {"Schedule(800": "Schedule(8"},
}  # fmt: skip
LARGEST = 300_000  # bytes of a notebook in the repository


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = load(NOTEBOOKS / "execute.py")


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def said(notebook):
    return "".join(output.get("text", "") for output in outputs(notebook))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The first notebook, executed, and the folder with the zoo that it built."""
    folder = tmp_path_factory.mktemp("data")
    wanted = {"NCA_ZOO_DATA": str(folder), "OMP_NUM_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in wanted.items():
            patch.setenv(name, value)
        yield execute.run(NOTEBOOKS / NAMES[0], BRIEF["1"]), folder


@pytest.fixture(scope="module")
def zoo(first):
    return nca_zoo.open(first[1] / "zoo.h5", failed=True)


@pytest.mark.wide
def test_the_first_notebook_builds_a_zoo_and_shows_it(first, zoo):
    notebook, _ = first
    assert len(zoo) == 10
    assert zoo.good.sum() > 6
    shown = [output.data for output in outputs(notebook) if "data" in output]
    assert sum("image/png" in data for data in shown) == 3
    assert not any("iframe" in data.get("text/html", "") for data in shown)


@pytest.mark.wide
@pytest.mark.parametrize("name", NAMES[1:])
def test_a_notebook_runs_from_top_to_bottom(name, first):
    notebook = execute.run(NOTEBOOKS / name, BRIEF.get(name[0], {}))  # raises if a cell fails
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    if name.startswith("4"):
        share = dict(re.findall(r"^(.*?)\s{2,}([\d.]+) %$", said(notebook), re.MULTILINE))
        assert float(share["as trained"]) > float(share["chance"])
        aligned = float(share["scrambled, then aligned"])
        assert aligned >= float(share["scrambled"])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_small_and_has_outputs(name):
    path = NOTEBOOKS / name
    assert path.stat().st_size < LARGEST
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "run `make notebooks`"
    assert not any(output.output_type == "error" for output in outputs(notebook))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_needs_no_shell(name):
    """So that it runs on Windows, too; the first begins as people type it."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not [source for source in code if re.search(r"^\s*[!%]", source, re.MULTILINE)]
    assert "nz.build(" in code[0] or not name.startswith("1")


@pytest.mark.wide
def test_live_names_unknown_ids(zoo):
    with pytest.raises(ZooError, match="no NCA '7-999'"):
        live(zoo, ["7-999"])


@pytest.mark.wide
def test_live_leaves_a_picture_for_readers_of_the_file(zoo):
    shown = live(zoo, list(zoo.id[:3]))
    picture = np.asarray(Image.open(io.BytesIO(shown.still)))
    assert picture.ndim == 3
    assert (picture > 200).any()  # ink
    assert set(shown._repr_mimebundle_()) == {"text/html", "image/png"}


@pytest.mark.wide
def test_live_grows_and_is_wounded_inside_another_page(zoo, tmp_path):
    """The page runs in a sandboxed frame, as in a notebook, and asks for nothing."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Debian's chromium (apt-get install chromium)")
    frame = live(zoo, ["7-001", "1-000"])._repr_mimebundle_()["text/html"]
    around = tmp_path / "notebook.html"
    around.write_text(f"<!doctype html><title>notebook</title>{frame}")
    complaints, requests = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1100, "height": 800})
        tab.set_default_timeout(PATIENCE_MS)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(around.as_uri())
        inside = tab.frame_locator("iframe")
        inside.locator("body.ready").wait_for()
        assert inside.locator("#grown").inner_text() == "7-001"
        assert inside.locator("#count").inner_text() == f"2 of {len(zoo)} NCAs"
        for _ in range(300):
            if int(inside.locator("#step").inner_text()) > 5:
                break
            tab.wait_for_timeout(100)
        inside.locator("#play").click()
        before = inside.locator("#tank").screenshot()
        inside.locator("#tank").click()
        assert inside.locator("#tank").screenshot() != before
        browser.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", around.as_uri()))] == []
