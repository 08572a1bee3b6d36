"""`nca-zoo draw` with a mouse, on an X server of its own (Xvfb); skipped where there is none."""

import gc
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from rows import grey, header, record

from nca_zoo.automaton.wounds import Wound
from nca_zoo.building.settings import BuildSettings
from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.gate import gate
from nca_zoo.training.init import Init
from nca_zoo.training.regime import Regime
from nca_zoo.training.trainer import Fit
from nca_zoo.viewer.drawing import Drawing
from nca_zoo.viewer.frames import BACKGROUNDS
from nca_zoo_cli.draw import _page

pytest.importorskip("tkinter", reason="this Python has no tkinter")
from nca_zoo.viewer.player import WOUND
from nca_zoo.viewer.window import HEX

GATE = gate(1, 99, stable=False, every=10**6)
REGIME = Regime("growing", batch=1, steps=14, extra_steps=0, attempts=1, gate=GATE)
SIZE = 28


@pytest.fixture
def window(display, monkeypatch, tmp_path, lively_weights):
    """A window with an empty drawing; trains for 14 steps."""
    from nca_zoo.viewer.drawing_window import DrawingWindow
    from nca_zoo.viewer.window import Window

    monkeypatch.setenv("DISPLAY", display)
    gc.collect()  # the last test's window, for the same reason
    root = Window("draw")

    def settings(pixels, regime=REGIME):
        return BuildSettings(regime, Init("shared", lively_weights(3)))

    pages = []
    places = (tmp_path / "a.png", tmp_path / "zoos", 1, pages.append)
    made = DrawingWindow(root, Drawing.blank(SIZE), settings, *places)
    made.pages = pages
    root.update()
    yield made
    if root.children:
        made.close()


def drag(window, places, button=1, of=None):
    """Press the mouse at the first cell, move over the others and let go."""
    canvas, (first, *rest) = of or window.canvas, places

    def mouse(event, place):
        row, col = (int((value + 0.5) * canvas.scale) for value in place)
        canvas.event_generate(event, x=col, y=row)
        window.update()

    mouse(f"<ButtonPress-{button}>", first)
    for place in rest:
        mouse(f"<B{button}-Motion>", place)
    mouse(f"<ButtonRelease-{button}>", places[-1])


def wait(window, until, seconds=120):
    """Let the window live until something is so; the longest time that it did not answer, in s."""
    longest, deadline = 0.0, time.monotonic() + seconds
    while not until():
        began = time.monotonic()
        window.update()
        longest = max(longest, time.monotonic() - began)
        assert began < deadline, window.status.get()
        time.sleep(0.005)
    return longest


def test_the_mouse_paints_erases_and_undoes(window):
    window.radius.set(0)
    window.swatches["#e5484d"].invoke()
    drag(window, [(4, 4), (4, 12)])
    pixels = window.drawing.pixels
    assert pixels[4, 4:13].tolist() == [[0xE5, 0x48, 0x4D, 255]] * 9
    assert np.count_nonzero(pixels[..., 3]) == 9
    window.alpha.set(100)
    drag(window, [(10, 3), (14, 3)])
    assert window.drawing.pixels[12, 3].tolist() == [0xE5, 0x48, 0x4D, 100]
    drag(window, [(4, 6), (4, 8)], button=3)
    assert not window.drawing.pixels[4, 6:9].any()
    window.erasing.set(True)
    drag(window, [(4, 4)])
    assert not window.drawing.pixels[4, 4].any()
    for _ in range(2):
        window.buttons["Undo"].invoke()
    assert window.drawing.pixels[4, 4:13, 3].tolist() == [255] * 9
    assert window.drawing.pixels[12, 3, 3] == 100
    window.buttons["Redo"].invoke()
    assert not window.drawing.pixels[4, 6:9].any()


def test_saving_writes_the_png_and_opening_brings_it_back(window, tmp_path):
    drag(window, [(4, 4), (9, 12)])
    drawn = window.drawing.pixels.copy()
    window.buttons["Save"].invoke()
    window.buttons["Clear"].invoke()
    assert window.drawing.empty
    window.open(tmp_path / "a.png")
    np.testing.assert_array_equal(window.drawing.pixels, drawn)
    (tmp_path / "b.png").write_text("no picture")
    window.open(tmp_path / "b.png")
    assert "cannot be read as a picture" in window.status.get()
    np.testing.assert_array_equal(window.drawing.pixels, drawn)


def test_grow_trains_plays_and_keeps(window, tmp_path):
    assert window.buttons["Grow"].instate(["disabled"])
    drag(window, [(10, 10), (18, 18)])
    drawn = window.drawing.pixels.copy()
    window.buttons["Grow"].invoke()
    drag(window, [(2, 2)])  # drawing goes on meanwhile, for the next time
    assert window.buttons["Grow"].instate(["disabled"])
    began = time.monotonic()
    stalled = wait(window, lambda: window.fit is not None)
    assert stalled < max(2, (time.monotonic() - began) / 2)  # a busy machine may hold it up
    assert window.fit.train_steps == 14
    rgba = np.round(255 * window.fit.job.target.rgba)
    np.testing.assert_array_equal(rgba[..., 3], drawn[..., 3])
    wait(window, lambda: window.player.step > 12)
    assert "CA step" in window.status.get()
    window.buttons["Keep the NCA"].invoke()
    assert not window.player.playing
    window.buttons["Keep the NCA"].invoke()
    first, second = (open_zoo(tmp_path / "zoos" / name) for name in ("a.h5", "a-2.h5"))
    np.testing.assert_array_equal(first.weights[0], window.fit.weights)
    np.testing.assert_array_equal(first.weights, second.weights)


def test_what_grew_is_wounded_where_the_mouse_drags(window, lively_weights):
    once = replace(REGIME, steps=1, lr=1e-12)
    window._settings_for = lambda pixels: BuildSettings(once, Init("shared", lively_weights(3)))
    drag(window, [(14, 14)])
    window.buttons["Grow"].invoke()
    wait(window, lambda: window.player.step > 25)
    window.player.halt()
    before = window.player.life.state
    wounded = before.copy()
    for row, col in ((12, 12), (12, 15)):
        wounded = Wound(0, row, col, WOUND).apply(wounded)
    assert (wounded != before).any()
    drag(window, [(12, 12), (12, 15)], of=window.player)
    shown = window.player.life.state
    assert ((shown == 0) >= (wounded == 0)).mean() > 0.99  # but for half a pixel of the mouse
    assert np.abs(shown - wounded).max(axis=-1).astype(bool).sum() < 8
    window.buttons["Replay"].invoke()
    assert window.player.step == 0


def test_train_longer_goes_on_from_there(window, tmp_path):
    drag(window, [(10, 10), (18, 18)])
    assert window.buttons["Train longer"].instate(["disabled"])
    window.buttons["Grow"].invoke()
    wait(window, lambda: window.fit is not None)
    first = window.fit
    window.buttons["Train longer"].invoke()
    assert window.player.life is None  # no wounds while it learns
    np.testing.assert_array_equal(window._grown_from[1].init.shared, first.weights)
    wait(window, lambda: window.work is None)
    assert window.fit.train_steps == 28
    assert window.fit.score >= first.score
    assert window.fit.job is not first.job
    window.buttons["On the page"].invoke()
    (zoo,) = window.pages
    assert "its page" in window.status.get()
    held = open_zoo(zoo)
    np.testing.assert_array_equal(held.weights[0], window.fit.weights)
    assert held.init[0] == "continued"
    assert verify(zoo) == []


def test_what_becomes_no_better_or_fails_leaves_the_nca_that_there_was(window, monkeypatch):
    drag(window, [(10, 10), (18, 18)])
    window.buttons["Grow"].invoke()
    wait(window, lambda: window.fit is not None)
    first, grown_from = window.fit, window._grown_from
    window._before, window._earlier = first, grown_from
    window._grown_from = (grown_from[0], "other settings")
    window._finish(replace(first, job=replace(first.job), score=first.score - 1, train_steps=5))
    np.testing.assert_array_equal(window.fit.weights, first.weights)
    assert window.fit.train_steps == first.train_steps + 5
    assert window._grown_from == grown_from
    window._grown_from = (grown_from[0], "other settings")
    window._finish(ZooError("no room"))
    assert window._grown_from == grown_from
    assert window.status.get() == "no room"
    assert window.buttons["Keep the NCA"].instate(["!disabled"])


def test_the_page_of_a_drawing_is_one_file(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with ZooWriter(tmp_path / "fish.h5", header()) as writer:
        writer.add([record(0)])
    page = _page(tmp_path / "fish.h5")
    assert opened == [page.resolve().as_uri()]
    assert "0-000" in page.read_text("utf-8")


def test_both_windows_have_one_look(window):
    from tkinter import ttk

    assert ttk.Style(window).theme_use() == "clam"
    ground = HEX.format(*BACKGROUNDS["dark"].page)
    assert ttk.Style(window).lookup("TFrame", "background") == ground


@pytest.mark.wide
def test_of_a_grey_nca_alpha_plays(window, lively_weights):
    seed, black = (14, 14), np.zeros((SIZE, SIZE), np.uint8)
    garbled = grey(0, lively_weights(3), black, seed)["weights"]
    once = replace(REGIME, steps=1, lr=1e-12)
    settings = BuildSettings(once, Init("shared", garbled), TargetSettings(visible="grey"))
    window._settings_for = lambda pixels: settings
    drag(window, [seed])
    window.buttons["Grow"].invoke()
    shown = []
    wait(window, lambda: window.fit is not None)
    window.player.show = lambda rgba: shown.append((window.player.step, rgba))
    wait(window, lambda: window.player.step > 40)
    start = window.fit.job.seed_state(REGIME)
    states = dict(rollout(window.fit.weights, start, window.player.step))
    assert np.abs(states[40][..., 0] - states[40][..., 3]).max() > 0.5
    for step, rgba in shown:
        np.testing.assert_array_equal(rgba, np.repeat(states[step][..., 3:4], 4, axis=-1))
    assert len(shown) > 30


def test_stop_keeps_what_has_been_learned(window):
    endless = BuildSettings(Regime("growing", batch=1, steps=10**6, gate=GATE), Init("independent"))
    window._settings_for = lambda pixels: endless
    drag(window, [(10, 10), (18, 18)])
    window.buttons["Grow"].invoke()
    wait(window, lambda: "training step" in window.status.get() and "loss" in window.status.get())
    window.buttons["Stop"].invoke()
    wait(window, lambda: window.fit is not None)
    assert window.bar["value"] == window.bar["maximum"]  # ended, though not all steps were taken
    assert 10 <= window.fit.train_steps < 10**6
    assert window.buttons["Replay"].instate(["!disabled"])


def test_an_empty_drawing_and_a_faint_one_are_not_grown(window):
    window.grow()
    assert "the picture is empty" in window.status.get()
    assert window.work is None


def test_closing_in_the_middle_ends_the_training(window):
    drag(window, [(10, 10), (18, 18)])
    window.grow()
    work = window.work
    window.close()
    assert isinstance(work.news()[-1], Fit)
    assert not window._window.children


@pytest.mark.wide
@pytest.mark.parametrize("display_name", ["", ":4711"])
def test_without_a_display_there_is_one_clear_line(display_name):
    done = subprocess.run(
        [sys.executable, "-m", "nca_zoo_cli.main", "draw"],
        env=os.environ | {"DISPLAY": display_name},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: no window can be opened here (")
    assert line.endswith("; use a desktop, ssh -X, or xvfb-run")
