"""Made-up pictures for the tests of the viewer, and ways to read back what it wrote."""

import re
import subprocess

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

HEIGHT, WIDTH = 14, 12  # 32 pixels a cell: panels of 448 x 384
PANEL = (slice(32, 480), slice(32, 416))
TARGET_PANEL = (slice(32, 480), slice(448, 832))


def pictures(n, seed=0):
    """n premultiplied RGBA pictures (n, H, W, 4) of soft colours, with empty cells."""
    rng = np.random.default_rng(seed)
    alpha = np.clip(rng.uniform(-0.5, 1.5, (n, HEIGHT, WIDTH, 1)), 0, 1)
    return np.concatenate([alpha * rng.uniform(0, 1, (n, HEIGHT, WIDTH, 3)), alpha], axis=-1)


def middles(panel, scale=32):
    """The colour in the middle of every cell of a panel."""
    return panel[scale // 2 :: scale, scale // 2 :: scale].astype(int)


def cells_of(picture, columns, panels, size, gap, caption, foot=0, text=16):
    """The cells of every panel of a sheet, from the middles of their squares."""
    wide = max(WIDTH * size, 8 * text)
    across, down = wide + gap, HEIGHT * size + caption
    rows = -(-panels // columns)
    used = (gap + rows * down + foot, gap + columns * across)
    top, left = (
        gap + (side - use) // 4 * 2 for side, use in zip(picture.shape, used, strict=False)
    )
    for panel in range(panels):
        row, column = divmod(panel, columns)
        y, x = top + row * down, left + column * across + (wide - WIDTH * size) // 4 * 2
        yield middles(picture[y : y + HEIGHT * size, x : x + WIDTH * size], size)


def decode(path):
    """What ffmpeg says of a video, and its frames (N, height, width, 3)."""
    command = [get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    about = done.stderr.decode().partition("Output #0")[0]
    width, height = map(int, re.search(r" (\d+)x(\d+)[ ,]", about).groups())
    return about, np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def read_png(path):
    with Image.open(path) as found:
        return np.asarray(found)


def read_screen(lines):
    """The two colours and the character of every place of a line, as a terminal would set them."""
    rows = []
    for line in lines:
        row, upper, lower = [], None, None
        for codes, letter in re.findall(r"\x1b\[([\d;]*)m|(.)", line):
            if letter:
                row.append((letter, upper, lower))
                continue
            values = [int(code) for code in codes.split(";")]
            if values == [0]:
                upper = lower = None
            while len(values) >= 5:
                if values[:2] == [38, 2]:
                    upper = tuple(values[2:5])
                elif values[:2] == [48, 2]:
                    lower = tuple(values[2:5])
                values = values[5:]
        assert upper is lower is None  # the line ends plain
        rows.append(row)
    return rows
