"""The live window on a real X server without a screen, touched by a real mouse."""

import contextlib
import gc
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import ImageGrab
from rows import grey, header, record

from nca_zoo.automaton.rule import N_PARAMS, seed_state
from nca_zoo.automaton.signals import Told
from nca_zoo.life.rollout import Life, rollout
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.viewer.channels import look

GRID, SEED = (14, 12), (6, 5)
SCALE = 32  # pixels a cell
pytestmark = pytest.mark.skipif(
    shutil.which("xdotool") is None, reason="no mouse: install Debian's xdotool"
)

COMMAND = [sys.executable, "-m", "nca_zoo_cli.main", "show"]


def xdotool(display, *arguments):
    # Asking where the mouse is waits until the server has done all that came before.
    command = ["xdotool", *map(str, arguments), "getmouselocation"]
    subprocess.run(command, env={"DISPLAY": display}, capture_output=True, check=True)


class Hand:
    """A person before the window: looks at the screen, moves the mouse, presses keys."""

    def __init__(self, display, window, tank):
        self.display, self.window, self.tank = display, window, tank

    def wait(self, condition=lambda: False, seconds=0.2):
        """Let the window live until something holds, at most so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not condition():
            self.window.update()
            time.sleep(0.004)
        return condition()

    def place(self, widget, x=None, y=None):
        x = widget.winfo_width() // 2 if x is None else x
        y = widget.winfo_height() // 2 if y is None else y
        return widget.winfo_rootx() + x, widget.winfo_rooty() + y

    def click(self, widget, x=None, y=None):
        xdotool(self.display, "mousemove", *self.place(widget, x, y), "click", 1)
        self.wait()

    def press(self, *keys):
        xdotool(self.display, "key", *keys)
        self.wait()

    def cell(self, row, col):
        return SCALE * col + SCALE // 2, SCALE * row + SCALE // 2

    def named(self, text):
        """The control of that name."""

        def inside(widget):
            for child in widget.winfo_children():
                yield child
                yield from inside(child)

        return next(w for w in inside(self.tank) if "text" in w.keys() and w["text"] == text)  # noqa: SIM118

    def seen(self):
        """The colour of every cell, from the screen."""
        left, top = self.place(self.tank._glass, 0, 0)
        box = (left, top, left + SCALE * GRID[1], top + SCALE * GRID[0])
        picture = np.asarray(ImageGrab.grab(box, xdisplay=self.display).convert("RGB"))
        squares = picture.reshape(GRID[0], SCALE, GRID[1], SCALE, 3)
        assert (squares == squares[:, :1, :, :1]).all()  # sharp
        return squares[:, 0, :, 0]


@pytest.fixture
def weights(lively_weights):
    return lively_weights(3)


def open_tank(display, weights):
    from nca_zoo.viewer.window import Tank, Window

    window = Window("a window")
    life = Life(weights, seed_state(*GRID, *SEED))
    tank = Tank(window, life, np.zeros((*GRID, 4)), "7-012", "class 7")
    tank.pack()
    return Hand(display, window, tank)


@pytest.fixture
def hand(display, weights, monkeypatch):
    """Before a window whose automaton has begun to grow and is paused."""
    import tkinter as tk

    monkeypatch.setenv("DISPLAY", display)
    hand = open_tank(display, weights)
    assert hand.wait(lambda: hand.tank.life.step > 9, 20)
    hand.click(hand.named("Pause"))
    assert not hand.tank.playing
    yield hand
    with contextlib.suppress(tk.TclError):  # the test may have closed it
        hand.window.destroy()
    hand.window = hand.tank = None
    gc.collect()  # Tk's objects die here, in this thread, or abort in another


def test_it_grows_what_a_rollout_grows_and_shows_it(hand, weights):
    step = hand.tank.life.step
    expected = dict(rollout(weights, seed_state(*GRID, *SEED), step + 1))
    np.testing.assert_array_equal(hand.tank.life.state, expected[step])
    np.testing.assert_array_equal(hand.seen(), look(expected[step], "picture"))
    hand.wait(seconds=0.3)
    assert hand.tank.life.step == step  # it is paused
    hand.click(hand.named("Step"))
    np.testing.assert_array_equal(hand.tank.life.state, expected[step + 1])
    np.testing.assert_array_equal(hand.seen(), look(expected[step + 1], "picture"))
    hand.click(hand.named("Restart"))
    np.testing.assert_array_equal(hand.seen(), look(expected[0], "picture"))
    assert hand.tank.life.step == 0


def test_the_mouse_erases(hand):
    glass, before = hand.tank._glass, hand.tank.life.state.copy()
    hand.click(glass, *hand.cell(6, 5))
    rows, cols = np.ogrid[: GRID[0], : GRID[1]]
    hit = (rows - 6) ** 2 + (cols - 5) ** 2 <= 3**2
    expected = np.where(hit[..., None], 0, before)
    assert np.abs(before[hit]).sum() > 1
    np.testing.assert_array_equal(hand.tank.life.state, expected)
    np.testing.assert_array_equal(hand.seen(), look(expected, "picture"))


@pytest.mark.wide
def test_a_stroke_erases_all_along_it_and_may_leave_the_picture(hand):
    glass = hand.tank._glass
    hand.press("r", "period")
    hand.tank.life.state[:] = 1
    xdotool(hand.display, "mousemove", *hand.place(glass, *hand.cell(2, 0)), "mousedown", 1)
    for col in range(13):
        xdotool(hand.display, "mousemove", *hand.place(glass, *hand.cell(2, col)))
        hand.wait(seconds=0.03)
    xdotool(hand.display, "mouseup", 1)
    hand.wait()
    assert (hand.tank.life.state[:6] == 0).all()
    assert (hand.tank.life.state[6:] == 1).all()


@pytest.mark.wide
def test_a_click_plants_a_seed(hand):
    hand.press("r")
    hand.click(hand.named("plant a seed"))
    before = hand.tank.life.state.copy()
    hand.click(hand.tank._glass, *hand.cell(12, 10))
    assert (before[12, 10] == 0).all()
    changed = (hand.tank.life.state != before).any(axis=-1)
    assert np.argwhere(changed).tolist() == [[12, 10]]
    np.testing.assert_array_equal(hand.tank.life.state[12, 10], seed_state(*GRID, 12, 10)[12, 10])


def test_keys_play_step_and_restart(hand):
    step = hand.tank.life.step
    hand.press("period")
    assert hand.tank.life.step == step + 1
    hand.press("space")
    assert hand.wait(lambda: hand.tank.life.step > step + 3, 10)
    hand.press("space")
    assert not hand.tank.playing
    hand.press("r")
    assert hand.tank.life.step == 0


@pytest.mark.wide
def test_space_in_a_control_works_that_control_alone(hand):
    step = hand.tank.life.step
    hand.named("Step").focus_force()
    hand.press("space")
    assert (hand.tank.playing, hand.tank.life.step) == (False, step + 1)
    hand.named("plant a seed").focus_force()
    hand.press("space")
    assert not hand.tank.playing
    hand.tank.touch(0, 0)
    assert hand.tank.life.state[0, 0, 3] == 1


@pytest.mark.wide
def test_speed_and_view_are_chosen_from_lists(hand):
    def choose(label, *keys):
        row = hand.named(label).master.winfo_children()
        box = row[[str(w) for w in row].index(str(hand.named(label))) + 1]
        hand.click(box)
        hand.press(*keys, "Return")
        return box.get()

    before = hand.seen()
    assert choose("View", "Down", "Down", "Down", "Down", "Down") == "alpha"
    state = hand.tank.life.state
    np.testing.assert_array_equal(hand.seen(), look(state, "alpha"))
    assert not np.array_equal(hand.seen(), before)
    assert choose("Speed", "Down", "Down", "Down") == "fastest"
    hand.click(hand.named("Play"))
    rates = [0.0]  # over ten steps each; a busy machine slows some of them

    def fast():
        step, began = hand.tank.life.step, time.monotonic()
        hand.wait(lambda: hand.tank.life.step >= step + 10, 5)
        rates.append((hand.tank.life.step - step) / (time.monotonic() - began))
        return rates[-1] > 45  # 1x is 30

    assert hand.wait(fast, 60), max(rates)


@pytest.mark.wide
def test_another_automaton_may_take_its_place(hand, lively_weights):
    other = Life(lively_weights(4), seed_state(*GRID, 2, 2))
    wide = hand.tank.winfo_width()
    hand.tank.start(other)
    assert hand.wait(lambda: hand.tank.winfo_width() < wide, 5)  # it has no target
    hand.tank.start(other, np.ones((*GRID, 4)))
    assert hand.wait(lambda: hand.tank.winfo_width() == wide, 5)
    hand.click(hand.named("Restart"))
    assert hand.wait(lambda: other.step > 2, 10)
    assert hand.tank.life is other


@pytest.mark.wide
def test_a_grey_automaton_is_seen_by_its_alpha(hand, lively_weights):
    """One whose alpha is that of another, with garbage in R, G and B, in the other's place."""
    ink = np.random.default_rng(0).integers(0, 256, GRID, dtype=np.uint8)
    row = grey(0, lively_weights(3), ink, SEED)
    hand.tank._view.set("red")
    hand.tank.start(Life(row["weights"], seed_state(*GRID, *SEED)), row["target"] / 255, trained=1)
    assert hand.tank._view.get() == "picture"  # red is hidden
    offered = [*hand.tank._views["values"]]
    assert offered[:4] == ["picture", "alive mask", "alpha", "hidden 1"]
    assert offered[-1] == "hidden 15"
    hand.click(hand.named("Pause"))
    hand.tank.life.restart()
    hand.tank.life.grow(40)
    hand.click(hand.named("Step"))
    alpha = dict(rollout(lively_weights(3), seed_state(*GRID, *SEED), 41))[41][..., 3]
    alpha = np.clip(alpha, 0, 1)
    white = 255 * alpha[..., None] + (1 - alpha[..., None]) * np.array((24, 28, 36))
    assert np.abs(hand.seen() - white).max() <= 1
    decibels = -10 * np.log10(np.mean((alpha - ink / 255) ** 2))
    assert f"{decibels:.1f} dB" in hand.tank._status.get()
    hand.tank._view.set("hidden 13")
    hand.tank._draw()
    hand.wait()
    red = hand.tank.life.state[..., 0]
    assert np.abs(red).max() > 0.5
    np.testing.assert_array_equal(hand.seen(), look(hand.tank.life.state, "hidden 13", trained=1))
    bluish = hand.seen()[..., 2] > hand.seen()[..., 0]  # and orange above 0
    assert (bluish == (red < 0))[np.abs(red) > 0.1].all()
    hand.tank.start(hand.tank.life)  # as if it were one of all four channels
    assert "red" in hand.tank._views["values"]


@pytest.mark.wide
def test_a_failure_inside_reaches_the_caller(hand):
    hand.window.after(1, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hand.window.run()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, lively_weights):
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([
            record(k, GRID, weights=lively_weights(3), seed_row=6, seed_col=5) for k in range(2)
        ])  # fmt: skip
    return path


@pytest.mark.wide
def test_the_command_opens_a_window_that_a_key_closes(display, zoo):
    command = [*COMMAND, "1-000", "--window", "--zoo", zoo]
    process = subprocess.Popen(
        command,
        env=os.environ | {"DISPLAY": display},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        window = find_window(display, "1-000", process)
        until = time.monotonic() + 60
        while len(ImageGrab.grab(xdisplay=display).getcolors(900_000)) <= 20:
            assert time.monotonic() < until, "nothing is shown"
            time.sleep(0.1)
        xdotool(display, "windowfocus", window, "key", "Escape")
        said, _ = process.communicate(timeout=120)
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()


def find_window(display, name, process):
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        search = ["xdotool", "search", "--onlyvisible", "--name", name]
        found = subprocess.run(search, env={"DISPLAY": display}, capture_output=True).stdout
        if found:
            return found.split()[0].decode()
        time.sleep(0.1)
    process.kill()
    return pytest.fail(f"no window: {process.communicate()}")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there, a display is always")
@pytest.mark.parametrize(("before", "screen", "words"), [
    ("", "", b"no window can be opened here (no display name"),
    ("", ":987", b'no window can be opened here (couldn\'t connect to display ":987")'),
    ("import sys; sys.modules['tkinter'] = None\n", "", b"no tkinter"),
])  # fmt: skip
@pytest.mark.wide
def test_no_window_is_one_clear_line(zoo, before, screen, words):
    arguments = ["show", "1-000", "--window", "--zoo", str(zoo)]
    code = f"{before}from nca_zoo_cli.main import group\ngroup({arguments!r})"
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment |= {"DISPLAY": screen} if screen else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert words in done.stderr
    assert b"--terminal" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.wide
def test_a_slider_lets_it_become_another_and_a_restart_keeps_it(display, weights, monkeypatch):
    from nca_zoo.viewer.window import Tank, Window

    monkeypatch.setenv("DISPLAY", display)
    more = np.linspace(-0.01, 0.01, N_PARAMS, dtype=np.float32)
    window = Window("a window")
    life = Life(weights, seed_state(*GRID, *SEED))
    others = {"b": weights + more, "c": weights - more}
    tank = Tank(window, life, others=others)
    tank.pack()
    tank.play(False)
    tank.restart()
    (scale,) = [w for w in tank.winfo_children()[-1].winfo_children() if "Scale" in w.winfo_class()]
    life.grow(3)
    scale.set(0.5)
    life.grow(3)
    told = [Told(3, 0.5 * weights + 0.5 * others["b"])]
    path = dict(rollout(weights, seed_state(*GRID, *SEED), 6, told=told))
    np.testing.assert_array_equal(life.state, path[6])
    scale.set(1)
    tank.restart()
    life.grow(4)
    path = dict(rollout(weights, seed_state(*GRID, *SEED), 4, told=[Told(0, others["b"])]))
    np.testing.assert_array_equal(life.state, path[4])
    window.destroy()
    del window, tank
    gc.collect()
