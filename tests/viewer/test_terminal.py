"""What the terminal shows, read back as colours; and the cursor after Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
from io import StringIO

import numpy as np
import pytest
from readback import HEIGHT, WIDTH, pictures, read_screen

from nca_zoo.viewer.frames import composite
from nca_zoo.viewer.terminal import RAMP, Abilities, Screen, half_blocks, play, shades


@pytest.mark.parametrize("height", [6, 7])
def test_half_blocks_say_every_colour(height):
    cells = composite(pictures(1)[0], "checker")[:height]
    cells[:, 3:6] = cells[:, 3:4]  # a run of one colour
    rows = read_screen(half_blocks(cells))
    assert len(rows) == (height + 1) // 2
    for row, col in np.ndindex(height, WIDTH):
        letter, *colours = rows[row // 2][col]
        assert letter == "▀"
        assert colours[row % 2] == tuple(cells[row, col])
    if height % 2:
        assert all(lower is None for _, _, lower in rows[-1])


def test_shades_grow_darker_with_the_ink():
    ramp = np.linspace(0, 1, len(RAMP))[None, :, None].repeat(2, axis=0).repeat(4, axis=2)
    assert shades(ramp) == [RAMP]
    assert shades(np.vstack([ramp, np.full_like(ramp[:1], np.nan)])) == [RAMP, " " * len(RAMP)]


def test_a_pair_of_digits_fits_80_columns():
    digit = np.zeros((28, 28, 4))
    for colour in (True, False):
        rows = read_screen(Screen(digit, "7-012", "class 7", colour=colour).draw(96, digit))
        assert len(rows) == 15
        assert {len(row) for row in rows} == {60}
        caption = "".join(letter for letter, _, _ in rows[-1])
        assert caption.split() == ["step", "96", "7-012", "target", "class", "7"]


def test_the_screen_shows_the_automaton_beside_its_target():
    state, target = pictures(2)
    screen = Screen(target, "7-012", background="checker", size=(2 * WIDTH + 4, 24))
    rows = read_screen(screen.draw(0, state))
    for row, col in np.ndindex(HEIGHT, WIDTH):
        here, there = rows[row // 2][col], rows[row // 2][WIDTH + 4 + col]
        assert here[1 + row % 2] == tuple(composite(state, "checker")[row, col])
        assert there[1 + row % 2] == tuple(composite(target, "checker")[row, col])


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 8)])
def test_large_pictures_are_averaged_down_to_fit(size):
    target = np.zeros((65, 90, 4))
    target[:, :45] = 1
    lines = Screen(target, "a name that is long", colour=False, size=size).draw(1, target)
    assert len(lines) < size[1]
    assert max(map(len, lines)) <= size[0]
    assert lines[0].startswith("@@")


@pytest.mark.parametrize(("size", "times"), [((80, 24), 1), ((116, 30), 2), ((400, 100), 7)])
def test_a_large_terminal_is_filled(size, times):
    state, target = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, 4))
    rows = read_screen(Screen(target, "7-012", size=size).draw(0, state))
    assert len(rows) == 14 * times + 1 < size[1]
    assert len(rows[0]) == 56 * times + 4 <= size[0]
    cells = composite(state, "dark").repeat(times, axis=0).repeat(times, axis=1)
    for row, col in ((0, 0), (13, 5), (28 * times - 1, 28 * times - 1)):
        assert rows[row // 2][col][1 + row % 2] == tuple(cells[row, col])


@pytest.mark.parametrize(("environ", "encoding", "tty", "colour", "animate"), [
    ({}, "utf-8", True, True, True),
    ({"TERM": "xterm"}, "utf-8", False, False, False),
    ({"NO_COLOR": "1"}, "utf-8", True, False, True),
    ({"NO_COLOR": ""}, "utf-8", True, True, True),
    ({"TERM": "dumb"}, "utf-8", True, False, False),
    ({}, "latin-1", True, False, True),
    ({}, None, False, False, False),
])  # fmt: skip
def test_abilities(environ, encoding, tty, colour, animate):
    class Stream(StringIO):
        def isatty(self):
            return tty

    Stream.encoding = encoding
    assert Abilities.of(Stream(), environ) == Abilities(colour, animate)


def test_only_the_last_picture_goes_into_a_pipe():
    stream = StringIO()
    play(([f"picture {n}", "caption"] for n in range(5)), 1, stream, animate=False)
    assert stream.getvalue() == "picture 4\ncaption\n"


def test_pictures_are_drawn_over_each_other():
    stream = StringIO()
    play((["top", f"step {n}"] for n in range(3)), 1000, stream, animate=True)
    up = "\x1b[2F"
    frames = [f"top\x1b[K\nstep {n}\x1b[K\n" for n in range(3)]
    assert stream.getvalue() == "\x1b[?25l" + up.join(frames) + "\x1b[0m\x1b[?25h"


PLAYER = """
import itertools, sys
from nca_zoo.viewer.terminal import play
play(([f"step {n}"] for n in itertools.count()), 100, sys.stdout, sys.stdout.isatty())
"""


def test_ctrl_c_gives_the_cursor_back():
    screen, terminal = pty.openpty()
    player = subprocess.Popen(
        [sys.executable, "-c", PLAYER], stdout=terminal, stderr=subprocess.DEVNULL
    )
    os.close(terminal)
    seen = b""
    while b"step 3" not in seen:
        seen += os.read(screen, 1 << 16)
    player.send_signal(signal.SIGINT)
    while not seen.endswith(b"\x1b[?25h"):
        seen += os.read(screen, 1 << 16)
    player.wait()
    os.close(screen)
    assert seen.startswith(b"\x1b[?25l")
    assert seen.endswith(b"\n\x1b[0m\x1b[?25h")
