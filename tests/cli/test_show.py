"""`nca-zoo show`, from a zoo file to the file or the screen."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from readback import (
    HEIGHT,
    PANEL,
    WIDTH,
    cells_of,
    decode,
    middles,
    pictures,
    read_png,
)

from nca_zoo.automaton import rule
from nca_zoo.automaton.wounds import Wound
from nca_zoo.choices import BACKGROUNDS as OFFERED
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.store.schema import Header
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.regime import REGIMES
from nca_zoo.viewer.channels import look, named_channels, shade
from nca_zoo.viewer.frames import BACKGROUNDS, composite, strip
from nca_zoo.viewer.terminal import shades
from nca_zoo_cli.main import group

NAMES = tuple(named_channels())


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, lively_weights):
    """A zoo of two lively NCAs, one of them marked as failed."""
    grown(lively_weights(0), 1)  # compiles what `show` runs, so that it draws no progress bar
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    target = np.round(255 * pictures(1, seed=1)[0]).astype(np.uint8)
    shared = {
        "source_index": 0, "split": "train", "seed_row": 6, "seed_col": 5, "rng_seed": 1,
        "init": "meta", "target": target, "grown": target, "psnr_96": 14.2, "psnr_400": 9.1,
        "alive_400": 0.5, "loss": np.zeros(100, np.float32), "train_steps": 1, "attempts": 1,
        "wall_s": 1.0,
    }  # fmt: skip
    header = Header(
        {"regime": REGIMES["persistent"].as_dict()}, "made", "none", "none", {}, lively_weights(0)
    )
    with ZooWriter(path, header) as writer:
        writer.add([
            shared | {"id": "7-012", "label": 7, "weights": lively_weights(3), "status": "ok"},
            shared
            | {"id": "gecko", "label": -1, "weights": lively_weights(4), "status": "below_gate"},
        ])  # fmt: skip
    return path


def run(zoo, *arguments, code=0):
    result = CliRunner().invoke(group, ["show", *arguments, "--zoo", str(zoo)])
    assert result.exit_code == code, result.output
    return result


def grown(weights, steps, **options):
    seed = rule.seed_state(HEIGHT, WIDTH, 6, 5)
    return dict(rollout(weights, seed, steps, **options))


def test_show_loads_nothing_that_trains(zoo, tmp_path):
    code = (
        "import sys; from nca_zoo_cli.main import group\n"
        "group(sys.argv[1:], standalone_mode=False)\n"
        "loaded = {'joblib', 'torch', 'nca_zoo.building.build', 'nca_zoo.training.trainer'}\n"
        "print(*loaded & set(sys.modules))"
    )
    shown = ["show", "7-012", "--zoo", str(zoo), "--steps", "1", "--out", str(tmp_path / "a.png")]
    ran = subprocess.run(
        [sys.executable, "-c", code, *shown], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "a.png").exists()
    assert ran.stdout.splitlines()[-1] == "", ran.stdout


def test_show_writes_a_video_beside_the_zoo(zoo, lively_weights):
    result = run(zoo, "7-012", "--steps", "20", "--seed", "5", "--damage", "9:6,5,2")
    path = zoo.parent / "show" / "7-012.mp4"
    states = grown(lively_weights(3), 20, seed=5, damage=[Wound(9, 6, 5, 2)])
    target = np.round(255 * pictures(1, seed=1)[0]) / 255
    db = psnr(states[20][..., :4], target)
    assert result.stdout == f"{path}\n7-012 at step 20: PSNR {db:.1f} dB against its target\n"
    assert result.stderr == ""
    _, frames = decode(path)
    assert len(frames) == 21
    for step in (0, 8, 9, 20):
        error = np.abs(middles(frames[step][PANEL]) - composite(states[step], "dark"))
        assert error.max() <= 8


def test_show_writes_by_the_ending(zoo, tmp_path):
    for name, magic in (("a.mp4", b"ftyp"), ("a.GIF", b"GIF89a"), ("a.png", b"PNG")):
        result = run(zoo, "7-012", "--steps", "12", "--every", "5", "--out", str(tmp_path / name))
        assert result.stdout.splitlines()[0] == str(tmp_path / name)
        assert magic in (tmp_path / name).read_bytes()[:16]
    with Image.open(tmp_path / "a.GIF") as found:
        assert found.n_frames == 4  # 0, 5, 10, 12
    result = run(zoo, "7-012", "--out", str(tmp_path / "a.avi"), code=1)
    assert result.stderr.endswith("a.avi: the name must end in one of .mp4, .gif, .png\n")


def test_a_strip_shows_the_wound_and_its_healing(zoo, tmp_path, lively_weights):
    path = tmp_path / "strip.png"
    run(zoo, "7-012", "--steps", "70", "--damage", "40", "--out", str(path))
    states = grown(lively_weights(3), 70, damage=[Wound(40)])
    shown = [(step, states[step]) for step in (0, 8, 16, 32, 40, 56, 64, 70)]
    target = np.round(255 * pictures(1, seed=1)[0]) / 255
    np.testing.assert_array_equal(read_png(path), strip(shown, target, "7-012", "class 7"))


def test_a_contact_sheet_shows_the_last_step_of_each(zoo, tmp_path, lively_weights):
    path = tmp_path / "sheet.png"
    result = run(zoo, "gecko", "7-012", "gecko", "--grid", "--steps", "30", "--out", str(path))
    lasts = [grown(lively_weights(seed), 30)[30] for seed in (4, 3, 4)]
    found = cells_of(read_png(path), 3, 3, 16, 16, 32, 40)
    for panel, state in zip(found, lasts, strict=True):
        np.testing.assert_array_equal(panel, composite(state, "dark"))
    target = np.round(255 * pictures(1, seed=1)[0]) / 255
    scores = [float(psnr(state[..., :4], target)) for state in lasts]
    assert result.stdout.splitlines() == [
        str(path),
        f"3 NCAs at step 30: PSNR against their targets {np.median(scores):.1f} dB in the median, "
        f"{min(scores):.1f} dB at the least",
    ]


def test_a_grid_of_films_is_the_films_side_by_side(zoo, tmp_path, lively_weights):
    path = tmp_path / "grid.mp4"
    arguments = ["--steps", "12", "--every", "4", "--columns", "1", "--damage", "8:6,5,2"]
    run(zoo, "7-012", "gecko", *arguments, "--out", str(path))
    _, frames = decode(path)
    assert len(frames) == 4
    for seed, panel in ((3, 0), (4, 1)):
        states = grown(lively_weights(seed), 12, damage=[Wound(8, 6, 5, 2)])
        for frame, step in zip(frames, (0, 4, 8, 12), strict=True):
            shown = list(cells_of(frame, 1, 2, 16, 16, 32, 40))[panel]
            assert np.abs(shown - composite(states[step], "dark")).max() <= 8


def test_a_grid_lies_beside_the_zoo_unless_a_file_is_named(zoo):
    result = run(zoo, "--digits", "0-9", "--sample", "3", "--grid", "--steps", "3")
    assert result.stdout.splitlines()[0] == str(zoo.parent / "show" / "grid.mp4")
    assert "1 NCA at step 3" in result.stdout  # only the good ones of the classes
    assert result.stderr == ""


def test_channels_stand_in_a_table(zoo, tmp_path, lively_weights):
    path = tmp_path / "table.png"
    run(zoo, "7-012", "--channels", "--steps", "40", "--out", str(path))
    states = grown(lively_weights(3), 40)
    found = list(cells_of(read_png(path), 17, 17 * 6, 8, 16, 32, text=14))
    for row, step in enumerate((0, 8, 16, 32, 40)):
        np.testing.assert_array_equal(found[17 * row], composite(states[step], "dark"))
        for c in range(16):
            expected = look(states[step], NAMES[c])
            np.testing.assert_array_equal(found[17 * row + 1 + c], expected)
    target = np.round(255 * pictures(1, seed=1)[0]) / 255
    np.testing.assert_array_equal(found[17 * 5], composite(target, "dark"))
    np.testing.assert_array_equal(found[17 * 5 + 4], shade(target[..., 3], 3))


def test_channels_can_be_a_film(zoo, tmp_path, lively_weights):
    path = tmp_path / "channels.mp4"
    run(zoo, "7-012", "--channels", "--steps", "9", "--out", str(path))
    _, frames = decode(path)
    assert len(frames) == 10
    state = grown(lively_weights(3), 9)[9]
    found = list(cells_of(frames[9], 6, 18, 12, 24, 40))
    views = ["picture", *NAMES[:4], None, *NAMES[4:]]
    for panel, view in zip(found, views, strict=True):
        if view:
            assert np.abs(panel - look(state, view)).max() <= 10


@pytest.mark.wide
def test_a_long_film_has_few_frames(zoo, tmp_path):
    run(zoo, "7-012", "--steps", "900", "--out", str(tmp_path / "long.gif"), "--fps", "50")
    with Image.open(tmp_path / "long.gif") as found:
        clock = 0
        for index in range(found.n_frames):
            found.seek(index)
            clock += found.info["duration"]
    assert clock == 301 * 20  # every third step, from 0 to 900


def test_show_in_the_terminal_and_in_its_place_a_pipe(zoo, lively_weights, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(2 * WIDTH + 4))
    monkeypatch.setenv("LINES", "24")
    result = run(zoo, "gecko", "--terminal", "--steps", "9")
    assert "\x1b" not in result.stdout
    *picture, caption, line = result.stdout.splitlines()
    expected = shades(np.clip(grown(lively_weights(4), 9)[9][..., :4], 0, 1))
    assert [row[:WIDTH] for row in picture] == expected
    assert caption.split() == ["step", "9", "gecko", "target"]
    assert line.startswith("gecko at step 9: PSNR ")
    assert result.stderr == (
        "note: gecko failed its fit (below_gate): PSNR 14.2 dB at step 96, 9.1 dB at step 400\n"
    )


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["7-021"], 1, "no NCA '7-021'; the nearest are 7-012"),
    (["7-012", "--damage", "soon"], 1, "damage 'soon' is not understood"),
    (["7-012", "--damage", "400"], 1, "the rollout ends at step 400"),
    (["7-012", "--damage", "3:14,0,2"], 1, "rows go from 0 to 13"),
    (["7-012", "--out", "nowhere/a.png"], 1, "nowhere/a.png: cannot be written: No such file"),
    (["7-012", "--steps", "802", "--every", "2", "--out", "a.png"], 1, "use --every 3 or more"),
    (["7-012", "--steps", "90000", "--every", "1"], 1, "more than 20000 pictures; use --every 5"),
    (["7-012", "--steps", "0"], 2, "0 is not in the range"),
    (["7-012", "--terminal", "--out", "a.gif"], 2, "leave out --terminal or --out"),
    (["7-012", "--terminal", "--window"], 2, "choose one of --terminal and --window"),
    (["7-012", "--window", "--damage", "9"], 2, "leave out --window or --damage"),
    (["7-012", "--window", "--out", "a.png"], 2, "leave out --window or --out"),
    (["7-012", "gecko", "--window"], 2, "--window shows one NCA"),
    (["7-012", "--grid", "--channels"], 2, "--channels shows one NCA"),
    (["7-012", "--digits", "7"], 2, "not both"),
    (["--digits", "3"], 1, "no class '3' in"),
    (["--digits", "three"], 1, "no class 'three' in"),
    (["7-012"] * 401, 1, "401 NCAs are too many for a grid, 400 fit"),
    (["7-012"] * 2 + ["--steps", "200000", "--every", "1"], 1, "use --every 2 or more"),
    (["7-012", "--channels", "--steps", "90", "--every", "1", "--out", "a.png"], 1, "than 40"),
    ([], 2, "Missing argument 'ID'"),
])  # fmt: skip
def test_bad_input_is_one_clear_line(zoo, arguments, code, words):
    errors = run(zoo, *arguments, code=code).stderr.splitlines()
    assert errors[-1].startswith("Error: ")
    assert words in errors[-1]
    assert len(errors) == 1 or code == 2


def test_the_show_folder_cannot_be_made(zoo, tmp_path):
    (tmp_path / "zoo.h5").write_bytes(zoo.read_bytes())
    (tmp_path / "show").write_text("in the way")
    result = run(tmp_path / "zoo.h5", "7-012", "--steps", "2", code=1)
    assert result.stderr.startswith("Error: cannot make ")
    assert "name a file with --out" in result.stderr


def test_looking_never_waits_for_torch():
    viewer = "nca_zoo.viewer.video, nca_zoo.viewer.terminal"
    modules = f"nca_zoo_cli.show, nca_zoo.life.rollout, nca_zoo.store.zoofile, {viewer}"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_command_offers_all_backgrounds():
    assert list(OFFERED) == list(BACKGROUNDS)
