"""What docs/notes/writeup.md is made with: the gecko, also as it walks, and the table."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from rows import header, record

from nca_zoo.building.settings import picture_to_fit
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


def test_the_walking_gecko_is_what_its_code_draws_and_can_be_fitted():
    path, draw = DOCS / "figures" / "walking-gecko.gif", script("draw_gecko")
    with Image.open(path) as stored:
        frames = [frame.convert("RGBA") for frame in ImageSequence.Iterator(stored)]
    for kept, drawn in zip(frames, draw.walk(), strict=True):
        lit = np.asarray(drawn)[..., 3] > 0
        assert not lit[[0, -1]].any()  # nothing is cut off
        assert not lit[:, [0, -1]].any()
        assert np.array_equal(np.asarray(kept)[..., 3] > 0, lit)
        assert np.array_equal(np.asarray(kept)[lit], np.asarray(drawn)[lit])
    _, picture = picture_to_fit(path, None)
    assert np.array(picture.frames).shape == (32, 40, 40, 4)


def test_it_steps_with_two_legs_at_a_time_that_stand_across():
    """A foot ahead of its middle place or behind it, and half a round later the other way."""
    draw = script("draw_gecko")
    feet = np.stack([draw.walks(share).legs[:, 2] for share in np.arange(16) / 16]) @ draw.HEADING
    ahead = feet - feet.mean(axis=0)  # (16, 4): fore left and right, hind left and right
    np.testing.assert_allclose(ahead[:, 0], ahead[:, 3], atol=0.05)
    np.testing.assert_allclose(ahead[:, 1], ahead[:, 2], atol=0.05)
    np.testing.assert_allclose(ahead[:, 0], np.roll(ahead[:, 1], 8), atol=0.05)
    assert np.ptp(ahead[:, 0]) > 4
    assert draw.walks(1.25).spine == pytest.approx(draw.walks(0.25).spine)  # it comes round


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
