"""`nca-zoo fit`, from a picture file to its zoo, film, sheet and curve."""

import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import run
from PIL import Image
from readback import HEIGHT, PANEL, WIDTH, cells_of, middles
from rows import grey

import nca_zoo
import nca_zoo_cli.fit
from nca_zoo.building.settings import BuildSettings, solo_defaults
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.init import Init
from nca_zoo.training.regime import Regime

QUICKLY = ["--steps", "3", "--extra-steps", "0", "--attempts", "1", "--regime", "growing"]


@pytest.fixture
def picture(tmp_path):
    """A small coloured picture with alpha, alone in its folder."""
    rgba = np.zeros((10, 9, 4), np.uint8)
    rgba[3:7, 2:6] = (200, 60, 30, 255)
    rgba[4, 6:8] = (20, 60, 250, 120)
    path = tmp_path / "pictures" / "my gecko.png"
    path.parent.mkdir()
    Image.fromarray(rgba).save(path)
    return path


def test_fit_leaves_zoo_film_sheet_and_curve(picture, tmp_path, monkeypatch):
    monkeypatch.setenv("NCA_ZOO_DATA", str(tmp_path / "data"))
    result = run("fit", picture, *QUICKLY, "--film", "gif")
    folder = tmp_path / "data" / "fit"
    names = ["my-gecko-loss.png", "my-gecko-sheet.png", "my-gecko.gif", "my-gecko.h5"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all(str(folder / name) in result.stdout for name in names)
    with Image.open(folder / "my-gecko.gif") as film:
        assert film.n_frames == 101  # steps 0, 4, ... 400
    zoo = open_zoo(folder / "my-gecko.h5")
    assert zoo.id.tolist() == ["my-gecko"]
    assert zoo.attrs["source"] == "my gecko.png: an image file"
    assert zoo.train_steps.tolist() == [3]
    assert zoo.target[0, 3, 3].tolist() == [200, 60, 30, 255]
    assert result.stderr == ""  # a bar is for terminals


def test_the_weights_are_those_that_build_would_give(picture, tmp_path):
    run("fit", picture, *QUICKLY, "--out", tmp_path / "fit.h5", "--film", "none", "--threads", 2)
    run("build", "--source", picture.parent, "--per-class", "all", *QUICKLY, "--jobs", 1,
        "--lr", 7e-4, "--out", tmp_path / "build.h5")  # fmt: skip
    fit, built = open_zoo(tmp_path / "fit.h5"), open_zoo(tmp_path / "build.h5")
    for column in ("id", "weights", "loss", "psnr_96", "grown", "seed_row", "rng_seed"):
        np.testing.assert_array_equal(fit.column(column), built.column(column), err_msg=column)


def test_an_earlier_fit_is_replaced_only_if_asked(picture, tmp_path):
    out = tmp_path / "a.h5"
    command = ["fit", picture, *QUICKLY, "--film", "none", "--out", out]
    run(*command)
    before = open_zoo(out).weights
    again = run(*command, "--seed", 1, code=1)
    assert "exists already; give --replace" in again.stderr
    np.testing.assert_array_equal(open_zoo(out).weights, before)
    run(*command, "--seed", 1, "--replace")
    assert (open_zoo(out).weights != before).any()
    assert sorted(p.name for p in tmp_path.glob("*.h5*")) == ["a.h5"]


def test_rows_of_the_sheet_and_the_writeup_regime(picture, tmp_path):
    heights = []
    for rows in ("0", "0,1,2"):
        out = tmp_path / f"{rows}.h5"
        run("fit", picture, "--regime", "writeup", "--batch", 2, "--steps", 3, "--rows", rows,
            "--film", "none", "--out", out)  # fmt: skip
        with Image.open(tmp_path / f"{rows}-sheet.png") as sheet:
            heights.append(sheet.height)
    assert heights[1] > 1.7 * heights[0]
    zoo = open_zoo(out)
    assert zoo.attrs["settings"]["target"]["alpha"] == "ink"  # the picture has its own
    assert zoo.init.tolist() == ["independent"]


def test_of_a_grey_nca_film_and_sheet_show_alpha(tmp_path, monkeypatch, lively_weights):
    ink = np.zeros((HEIGHT, WIDTH), np.uint8)
    ink[5:8, 4:7] = 255, 200, 150
    Image.fromarray(ink).save(tmp_path / "seven.png")
    garbled = grey(0, lively_weights(3), ink, (6, 5))["weights"]
    regime = Regime("growing", batch=1, steps=1, extra_steps=0, attempts=1, lr=1e-12)
    settings = BuildSettings(regime, Init("shared", garbled), TargetSettings(visible="grey"))
    monkeypatch.setattr(nca_zoo_cli.fit, "solo_settings", lambda *_, **__: settings)
    run("fit", tmp_path / "seven.png", "--film", "gif", "--out", tmp_path / "a.h5")
    zoo = open_zoo(tmp_path / "a.h5")
    states = dict(nca_zoo.open(zoo.path, failed=True)["seven"].rollout(40, every=40, states=True))
    assert np.abs(states[40][..., 0] - states[40][..., 3]).max() > 0.5
    with Image.open(tmp_path / "a.gif") as film:
        film.seek(10)  # step 40
        shown = middles(np.asarray(film.convert("RGB"))[PANEL])
    alpha = np.clip(states[40][..., 3:4], 0, 1)
    assert np.abs(shown - (255 * alpha + (1 - alpha) * np.array((24, 28, 36)))).max() <= 8
    with Image.open(tmp_path / "a-sheet.png") as sheet:
        before, after = np.reshape(
            list(cells_of(np.asarray(sheet), 3, 6, 8, 12, 26, text=13)), (2, 3, HEIGHT, WIDTH, 3)
        )
    grown = zoo.grown[0, ..., 3]
    np.testing.assert_array_equal(zoo.grown[0, ..., 0], grown)
    for target, _, shown in (before, after):  # the last of a row is alpha
        assert (target[0, 0] == (24, 28, 36)).all()
        assert np.abs(shown[..., 0] - grown).max() <= 1


def test_a_big_picture_is_scaled_and_says_so(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (300, 200), (90, 120, 200)).save(path)
    result = run("fit", path, *QUICKLY, "--batch", 1, "--film", "none", "--out", tmp_path / "p.h5")
    assert "photo.jpg has 300 x 200 pixels; scaled to 40 x 40 cells" in result.stderr
    assert open_zoo(tmp_path / "p.h5").grid == (40, 40)


def test_defaults_follow_the_picture():
    full, sparse = np.full((8, 8, 4), 255, np.uint8), np.zeros((8, 8), np.uint8)
    sparse[3, 3] = 255
    assert solo_defaults(sparse, "persistent") == {"init": "meta", "alpha": "ink", "steps": 1000}
    assert solo_defaults(full, "growing")["lr"] == 7e-4
    assert solo_defaults(full[..., 0], "growing")["lr"] == 7e-4
    assert solo_defaults(np.zeros((8, 8, 4), np.uint8), "growing")["lr"] == 7e-4
    white = np.zeros((8, 8, 4), np.uint8)
    white[3, 3] = 255  # no colours to learn, if alpha alone is trained
    assert solo_defaults(white, "growing")["lr"] == 7e-4
    assert solo_defaults(white, "growing", "grey") == solo_defaults(sparse, "growing")
    assert solo_defaults(full, "growing", "grey")["lr"] == 7e-4
    assert solo_defaults(full, "writeup") == {"init": "independent", "alpha": "opaque"}
    full[0, 0, 3] = 0
    assert solo_defaults(full, "writeup")["alpha"] == "ink"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.png"], "no such file"),
        (["notes.txt"], "cannot be read as a picture"),
        (["blank.png"], "the picture is empty"),
        (["tiny.png"], "it must be 3 x 3 or more"),
        (["gecko.png", "--size", "2"], "--size 2: it must be from 3"),
        (["gecko.png", "--rows", "1,x"], "--rows '1,x' is not understood"),
        (["gecko.png", "--out", "gecko.mp4"], "must end in .h5"),
        (["gecko.png", "--out", "gecko.png/a.h5"], "gecko.png/a.h5: "),
        (["gecko.png", "--pool", "-3"], "pool is -3"),
        (["gecko.png", "--init", "meta", "--regime", "writeup"], "no meta-learned start ships"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    rgba = np.zeros((8, 8, 4), np.uint8)
    Image.fromarray(rgba).save("blank.png")
    Image.fromarray(rgba[:2, :2]).save("tiny.png")
    rgba[2:6, 2:6] = 255
    Image.fromarray(rgba).save("gecko.png")
    (tmp_path / "notes.txt").write_text("no picture")
    result = run("fit", *arguments, *QUICKLY[:-2], code=1)
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert not list(tmp_path.glob("**/*.h5"))


@pytest.mark.wide
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_what_has_been_learned(picture, tmp_path):
    out = tmp_path / "kept.h5"
    command = [sys.executable, "-m", "nca_zoo_cli.main", "fit", picture, "--regime", "writeup"]
    command += ["--batch", "1", "--steps", "100000", "--film", "none", "--out", out]
    import fcntl  # not on Windows
    import pty
    import select
    import termios

    screen, behind = pty.openpty()  # progress is for terminals
    fcntl.ioctl(behind, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    child = subprocess.Popen(
        [str(part) for part in command], stderr=behind, stdout=subprocess.PIPE, text=True
    )
    said = ""
    deadline = time.monotonic() + 240
    while "PSNR" not in said and time.monotonic() < deadline:
        if select.select([screen], [], [], 1)[0]:
            said += os.read(screen, 1000).decode(errors="replace")
    child.send_signal(signal.SIGINT)
    told, _ = child.communicate(timeout=240)
    os.close(behind)
    rest = os.read(screen, 100_000).decode(errors="replace")
    os.close(screen)
    assert child.returncode == 1
    assert "Traceback" not in said + rest
    zoo = open_zoo(out)
    steps = int(zoo.train_steps[0])
    assert 10 <= steps < 100000
    assert f"Stopped after {steps} training steps; kept as it is." in rest
    assert zoo.status[0] in ("below_gate", "dead")
    assert f"{zoo.status[0].replace('_', ' ')} after {steps} training steps" in told
    assert (tmp_path / "kept-sheet.png").exists()
