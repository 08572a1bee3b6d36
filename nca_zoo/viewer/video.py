"""Files of frames: MP4, GIF and PNG. A file appears whole or not at all.

ffmpeg (of the imageio-ffmpeg package) is run directly: that way its failures are seen, and frames
are never resized.
"""

import contextlib
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import published
from nca_zoo.ground.progress import Progress, counted, silent
from nca_zoo.viewer.frames import Pixels

HINT = "; name another file with --out"

# Without the marks, players guess the colour space, and guess differently.
BT709 = "scale=out_color_matrix=bt709:out_range=tv,setparams=color_primaries=bt709:color_trc=bt709"
SMALL = 1 << 20  # pixels; threads that share a smaller frame mostly wait for each other
GIF_MAX_FPS = 50  # browsers slow down frames shorter than 20 ms
PALETTE_FRAMES = 16  # a GIF's colours are chosen from about so many of its frames
EXACT_COLOURS = 64  # of its 256 colours, how many are the most frequent ones, unchanged


def write_mp4(
    path: Path | str, frames: Sequence[Pixels], fps: int, progress: Progress = silent
) -> None:
    """Write frames, uint8 RGB (height, width, 3) with even sides, as H.264 that plays anywhere.

    progress: hears of the frames. Raises ZooError if the file cannot be written.
    """
    height, width, _ = frames[0].shape
    command = [
        *(_ffmpeg(), "-v", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps)),
        *("-i", "pipe:0", "-vf", BT709, "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-preset", "superfast", "-tune", "animation", "-crf", "14"),
        *("-threads", str(int(height * width < SMALL))),  # 0: as many as there are cores
        *("-movflags", "+faststart", "-f", "mp4"),
    ]
    with published(path, HINT) as part, tempfile.TemporaryFile() as complaints:
        command.append(f"file:{part}")  # else a colon in the name would make it a protocol
        encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints)
        assert encoder.stdin is not None
        try:
            for frame in counted(frames, len(frames), progress):
                encoder.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            pass  # the encoder's own complaint says more
        except BaseException:
            encoder.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                encoder.stdin.close()
            failed = encoder.wait() != 0
        if failed:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            raise OSError(lines[-1].rsplit(": ", 1)[-1] if lines else "the encoder stopped")


def _ffmpeg() -> str:
    try:
        return get_ffmpeg_exe()
    except RuntimeError:
        raise ZooError(
            "no ffmpeg was found; install one (pip install imageio-ffmpeg) or write a .gif"
        ) from None


def write_gif(
    path: Path | str, frames: Sequence[Pixels], fps: int, progress: Progress = silent
) -> None:
    """Write frames, uint8 RGB (height, width, 3), as a GIF that repeats for ever.

    GIFs count time in hundredths of a second: delays are dealt out so that every frame begins
    within 5 ms of its time. Other arguments and errors as for ``write_mp4``.
    """
    if fps > GIF_MAX_FPS:
        raise ZooError(
            f"a GIF shows at most {GIF_MAX_FPS} frames a second, not {fps}; "
            f"use --fps {GIF_MAX_FPS} or less, or write an .mp4"
        )
    palette = _palette(frames[:: max(1, len(frames) // PALETTE_FRAMES)])
    begins = [10 * round(100 * k / fps) for k in range(len(frames) + 1)]
    pictures = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in counted(frames, len(frames), progress)
    )
    with published(path, HINT) as part, part.open("wb") as file:
        next(pictures).save(
            file,
            format="GIF",
            save_all=True,
            append_images=pictures,
            duration=np.diff(begins).tolist(),
            loop=0,
        )


def _palette(frames: Iterable[Pixels]) -> Image.Image:
    """An image whose palette serves all frames: frequent colours as they are, then median cut."""
    counts: Counter[Any] = Counter()
    for frame in frames:
        picture = Image.fromarray(frame)
        for n, colour in picture.getcolors(picture.width * picture.height) or ():
            counts[colour] += n
    colours = [colour for colour, _ in counts.most_common()]
    if len(colours) > 256:
        rest = Image.fromarray(np.array([colours[EXACT_COLOURS:]], np.uint8))
        flat = rest.quantize(256 - EXACT_COLOURS).getpalette() or []
        colours[EXACT_COLOURS:] = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in colours for value in colour])
    return palette


def write_png(path: Path | str, picture: Pixels) -> None:
    """Write one picture, uint8 RGB (height, width, 3). Errors as for ``write_mp4``."""
    with published(path, HINT) as part:
        Image.fromarray(picture).save(part, format="PNG", optimize=True)
