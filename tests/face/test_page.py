"""The lines of docs/python.md run, in a script and in a notebook, on a zoo of its own."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from rows import header, record

from nca_zoo.store.zoowriter import ZooWriter

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUICK = "steps=2, extra_steps=0, attempts=1"


def quick(code):
    """The same lines with little training and short lives: two steps, two digits."""
    code = code.replace("400, ", "40, ").replace("every=100", "every=10").replace("(200)", "(20)")
    code = code.replace("size=40)", f"size=12, {QUICK})").replace('"0-9"', '"3,7"')
    code = code.replace("per_class=50)", f"per_class=1, jobs=1, out='data/built.h5', {QUICK})")
    return "import warnings; warnings.simplefilter('ignore')\n" + code


@pytest.fixture
def folder(tmp_path, lively_weights):
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[5:15, 6:14] = (250, 200, 40, 255)
    Image.fromarray(rgba).save(tmp_path / "emoji.png")
    (tmp_path / "data").mkdir()
    rows = [("3-000", 3), ("7-012", 7), ("7-013", 7)]
    with ZooWriter(tmp_path / "data" / "zoo.h5", header()) as writer:
        for number, (nca_id, label) in enumerate(rows):
            own = {"id": nca_id, "label": label, "weights": lively_weights(number)}
            writer.add([record(number + 1, (9, 8), **own)])
    return tmp_path


def check(folder):
    assert (folder / "emoji.mp4").stat().st_size > 1000
    assert (folder / "emoji.h5").exists()
    assert (folder / "data" / "built.h5").exists()


@pytest.mark.wide
def test_in_a_script(folder):
    assert len(BLOCKS) == 3
    command = [sys.executable, "-c", "\n".join(map(quick, BLOCKS))]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    check(folder)


@pytest.mark.wide
def test_in_a_notebook(folder):
    """Cell by cell; what a cell ends with shows itself."""
    notebook = nbformat.v4.new_notebook()
    ends = ("film", "zoo", 'zoo["7-012"]', 'nz.fit("emoji.png", 9, steps=2, attempts=1).live()')
    for block, *shown in ((BLOCKS[0], ends[0], ends[3]), (BLOCKS[1], *ends[1:3]), (BLOCKS[2],)):
        cells = [quick(block), *shown]
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    check(folder)
    pages = [
        output.data.get("text/html", "")
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type in ("execute_result", "display_data")
    ]
    assert any("data:image/gif" in page for page in pages)
    assert any("<iframe" in page for page in pages)
    assert any("3 NCAs of 9 x 8 cells" in page and "data:image/png" in page for page in pages)
    assert any("NCA 7-012" in page for page in pages)


def test_the_lines_of_the_page_are_those_of_the_design():
    """One place says what the public face is; these lines are what it promises."""
    for line in (
        'nca = nz.fit("emoji.png", size=40)',
        "nca.status, nca.psnr_96, nca.weights, nca.tensors",
        'nca.save("emoji.h5")',
        "nca.live()",
        "film = nca.film(400, damage=[nz.Wound(200)])",
        "for step, picture in nca.rollout(400, every=100):",
        'zoo = nz.build("digits", classes="0-9", per_class=50)',
        "zoo = nz.open()",
        'zoo["7-012"], zoo[3:8], zoo[zoo.label == 7], zoo.ids(["3-000", "7-012"])',
        'X, y = zoo.xy(y="label", split="train", feature="weights")',
        "for step, pictures in zoo.rollout(400, every=100, batch=256):",
    ):
        assert line in PAGE
