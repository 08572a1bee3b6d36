"""MP4, GIF and PNG files, read back; and what is left after a failure."""

import re

import numpy as np
import pytest
from PIL import Image
from readback import PANEL, decode, middles, pictures, read_png

from nca_zoo.errors import ZooError
from nca_zoo.viewer import video
from nca_zoo.viewer.frames import BACKGROUNDS, Film


@pytest.fixture(scope="module")
def film():
    return Film(list(enumerate(pictures(11))), pictures(1, seed=1)[0], "7-012", "class 7")


@pytest.mark.parametrize("fps", [30, 7])
def test_mp4_read_back(film, tmp_path, fps):
    path = tmp_path / "film.mp4"
    video.write_mp4(path, film, fps)
    about, frames = decode(path)
    assert re.search(rf"Video: h264 .* yuv420p\(tv, bt709, .* 864x544.* {fps} fps", about)
    seconds = float(re.search(r"Duration: 00:00:([\d.]+)", about)[1])
    assert seconds == pytest.approx(11 / fps, abs=0.02)
    assert len(frames) == 11
    for found, drawn in zip(frames, film, strict=True):
        error = np.abs(middles(found[PANEL]) - middles(drawn[PANEL]))
        assert error.max() <= 8
        assert error.mean() <= 2
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("fps", [30, 25, 7, 50])
def test_gif_read_back(film, tmp_path, fps):
    still = [film[i] for i in (0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8)]  # equal frames may be merged
    path = tmp_path / "film.gif"
    video.write_gif(path, still, fps)
    with Image.open(path) as found:
        assert found.info["loop"] == 0
        assert found.size == (864, 544)
        clock = 0
        for index in range(found.n_frames):
            found.seek(index)
            frame = np.asarray(found.convert("RGB"))
            drawn = still[round(clock / 1000 * fps)]
            error = np.abs(middles(frame[PANEL]) - middles(drawn[PANEL]))
            assert error.mean() <= 12  # 256 colours for thousands; another frame is 50 off
            clock += found.info["duration"]
    assert clock == pytest.approx(11 / fps * 1000, abs=5)


def test_gif_keeps_the_colours_of_a_grey_digit(tmp_path):
    grey = pictures(1)[0][..., 3:].round(1).repeat(4, axis=-1)
    few = Film([(step, grey * step / 4) for step in range(5)], grey, "0-000")
    video.write_gif(tmp_path / "grey.gif", few, 10)
    with Image.open(tmp_path / "grey.gif") as found:
        for index, drawn in enumerate(few):
            found.seek(index)
            error = np.abs(np.asarray(found.convert("RGB")).astype(int) - drawn)
            assert error.max() <= 6
            for flat in (BACKGROUNDS["dark"].page, BACKGROUNDS["dark"].cells[0]):
                assert (error[(drawn == flat).all(axis=-1)] == 0).all()


def test_gif_that_browsers_would_slow_down(film, tmp_path):
    with pytest.raises(ZooError, match="at most 50 frames a second, not 60"):
        video.write_gif(tmp_path / "film.gif", film, 60)


def test_png_read_back(film, tmp_path):
    video.write_png(tmp_path / "frame.png", film[4])
    np.testing.assert_array_equal(read_png(tmp_path / "frame.png"), film[4])


WRITERS = {"film.mp4": video.write_mp4, "film.gif": video.write_gif}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_half_way_leaves_what_was_there(film, tmp_path, name, trouble):
    (tmp_path / name).write_text("before")

    def stumble(done, total):
        if done == 5:
            raise trouble("half way")

    with pytest.raises(ZooError if trouble is OSError else trouble, match="half way"):
        WRITERS[name](tmp_path / name, film, 30, stumble)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_not_there(film, tmp_path, name):
    with pytest.raises(ZooError, match=f"{name}: cannot be written: No such file") as error:
        WRITERS[name](tmp_path / "nowhere" / name, film, 30)
    assert len(str(error.value).splitlines()) == 1


def test_an_encoder_that_fails_is_heard(film, tmp_path, monkeypatch):
    broken = tmp_path / "ffmpeg"
    broken.write_text(
        "#!/bin/sh\necho 'Error writing trailer: No space left on device' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(video, "get_ffmpeg_exe", lambda: str(broken))
    with pytest.raises(ZooError, match=r"film\.mp4: cannot be written: No space left.*; name"):
        video.write_mp4(tmp_path / "film.mp4", film, 30)
    assert list(tmp_path.iterdir()) == [broken]


def test_no_encoder_at_all(film, tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(video, "get_ffmpeg_exe", missing)
    with pytest.raises(ZooError, match=r"no ffmpeg was found; .* or write a \.gif"):
        video.write_mp4(tmp_path / "film.mp4", film, 30)
