"""What docs/notes/writeup.md is made with: the gecko, and the table."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rows import header, record

from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

DOCS = Path(__file__).parents[2] / "docs"


def script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gecko_is_what_its_code_draws():
    with Image.open(DOCS / "figures" / "writeup" / "gecko.png") as stored:
        np.testing.assert_array_equal(np.asarray(script("draw_gecko").draw()), np.asarray(stored))


@pytest.mark.parametrize(
    ("steps", "status", "whole"),
    [(1200, "below_gate", True), (300, "below_gate", False), (150, "ok", True)],
)
def test_a_fit_that_was_stopped_is_not_passed_off_as_whole(tmp_path, steps, status, whole):
    regime = {"name": "writeup", "batch": 64, "steps": 1200, "seed_hidden": False}
    with ZooWriter(tmp_path / "a.h5", header(regime=regime)) as writer:
        writer.add([record(0, train_steps=steps, status=status)])
    zoo, make = open_zoo(tmp_path / "a.h5"), script("make_writeup")
    assert make.is_whole(zoo) is whole
    table = make.table({("gecko", "writeup"): zoo})
    assert f"| gecko | `writeup` | {steps} | 64 |" in table
    assert ("stopped early" in table) is not whole


def test_the_page_has_a_place_for_the_table():
    page = (DOCS / "notes" / "writeup.md").read_text()
    assert len(script("make_writeup").TABLE.findall(page)) == 1
