"""`nca-zoo draw` with a mouse, on an X server of its own (Xvfb); skipped where there is none."""

import gc
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from rows import grey

from nca_zoo.building.build import BuildSettings
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.gate import gate
from nca_zoo.training.init import Init
from nca_zoo.training.regime import Regime
from nca_zoo.training.trainer import Fit
from nca_zoo.viewer.drawing import Drawing

pytest.importorskip("tkinter", reason="this Python has no tkinter")
GATE = gate(1, 99, stable=False, every=10**6)
REGIME = Regime("growing", batch=1, steps=14, extra_steps=0, attempts=1, gate=GATE)
SIZE = 28


@pytest.fixture
def window(display, monkeypatch, tmp_path, lively_weights):
    """A window with an empty drawing; trains for 14 steps."""
    import tkinter as tk

    from nca_zoo.viewer.drawing_window import DrawingWindow

    monkeypatch.setenv("DISPLAY", display)
    gc.collect()  # the last test's window, for the same reason
    root = tk.Tk()

    def settings(pixels, regime=REGIME):
        return BuildSettings(regime, Init("shared", lively_weights(3)))

    made = DrawingWindow(root, Drawing.blank(SIZE), settings, tmp_path / "a.png", tmp_path / "zoos")
    root.update()
    yield made
    if root.children:
        made.close()


def drag(window, places, button=1):
    """Press the mouse at the first cell, move over the others and let go."""
    canvas, (first, *rest) = window.canvas, places

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
    states = dict(rollout(window.fit.weights, start, 41))
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
    assert line.startswith("Error: cannot open a window on ")
