"""What a folder holds besides pictures: left out, counted and named; or, strictly, a stop."""

import shutil

import encoders as made
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_builds import arguments, draw

import nca_zoo as nz
from nca_zoo.errors import ZooError
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import TargetSettings
from nca_zoo.store.zoofile import open_zoo
from nca_zoo_cli.main import group

INK = np.pad(np.full((4, 4), 200, np.uint8), 2)
ALL_BLACK = made.png(np.zeros((8, 8), np.uint8), 8, made.GREY)


@pytest.fixture
def folder(tmp_path):
    """Three classes of pictures in many formats, without anything else."""
    formats = {
        "cat": ("png", "jfif", "tif", "pgm", "webp"),
        "dog": ("tif", "TIFF"),
        "fox": ("bmp",),
    }
    for name, suffixes in formats.items():
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number, suffix in enumerate(suffixes):
            options = {"lossless": True} if suffix == "webp" else {}
            Image.fromarray(INK).save(tmp_path / "pets" / name / f"{number}.{suffix}", **options)
    shutil.copy(tmp_path / "pets" / "cat" / "0.png", tmp_path / "pets" / "fox" / "suffixless")
    shutil.copy(tmp_path / "pets" / "cat" / "0.png", tmp_path / "pets" / "fox" / "z.unknown")
    return tmp_path / "pets"


def loaded(folder, **options):
    """Ids and what was told, in that order."""
    told = []
    options = {"target": TargetSettings()} | options
    _, pictures = load_pictures(folder, tell=told.append, **options)
    return [picture.id for picture in pictures], told


def spoil(folder):
    """Put in, and in the place of, pictures what is none; gives what should be said of each."""
    whole = (folder / "cat" / "2.tif").read_bytes()
    (folder / "cat" / "2.tif").write_bytes(whole[: len(whole) - 30])
    (folder / "cat" / "3.pgm").write_bytes(b"P5 nothing")
    (folder / "dog" / "0.tif").write_bytes(made.tiff(INK * 3.0, 32, 1, sample_format=3))
    (folder / "fox" / "0.bmp").write_bytes(ALL_BLACK)
    (folder / "fox" / "notes.txt").write_text("not a picture")
    (folder / "fox" / "deep").mkdir()
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "readme").touch()
    return (
        "8 files left out",
        "cat/2.tif (",
        "cat/3.pgm (",
        "dog/0.tif (floats from 0 to 600, beyond 1; say which is full ink: --scale",
        "fox/0.bmp (empty)",
        "fox/notes.txt (no picture)",
        "fox/deep (a folder inside a class)",
        "gone.png (no file)",
        "readme (no picture)",
    )


def test_all_that_pillow_opens_is_tried(folder):
    source, pictures = load_pictures(folder)
    assert list(source.classes.values()) == ["cat", "dog", "fox"]
    assert [picture.label for picture in pictures] == [0] * 5 + [1] * 2 + [2] * 3
    for picture in pictures:
        if picture.id != "cat-1":  # JPEG
            np.testing.assert_array_equal(picture.pixels, INK)
    assert loaded(folder)[1] == []
    assert loaded(folder, strict=True)[1] == []


def test_what_is_left_out_is_counted_and_named_and_changes_no_other(folder):
    before, _ = loaded(folder)
    splits = {p.id: (p.split, p.source_index) for p in load_pictures(folder)[1]}
    expected = spoil(folder)
    after, (line,) = loaded(folder)
    for piece in expected:
        assert piece in line
    assert line.endswith("; --strict stops instead")
    assert len(line.splitlines()) == 1
    lost = {"cat-2", "cat-3", "dog-0", "fox-0"}
    assert after == [name for name in before if name not in lost]
    for picture in load_pictures(folder)[1]:
        assert splits[picture.id] == (picture.split, picture.source_index)
    assert loaded(folder, scale=600)[0] == [i for i in before if i not in lost - {"dog-0"}]


def test_strict_stops(folder):
    expected = spoil(folder)
    with pytest.raises(ZooError) as caught:
        loaded(folder, strict=True)
    for piece in expected:
        assert piece in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_of_very_many_some_are_named(folder):
    for number in range(30):
        (folder / "cat" / f"{number}.txt").touch()
    (line,) = loaded(folder)[1]
    assert line.startswith("30 files left out: cat/0.txt (no picture), cat/1.txt (no picture), ")
    assert " and 20 more;" in line
    assert line.count("no picture") == 10


def test_if_nothing_is_left_that_is_said(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ZooError, match=r"no picture of .* can be used: 1 file left out: a\.png \("):
        loaded(tmp_path)


def test_what_only_has_colours_is_left_out_of_a_grey_zoo(folder):
    Image.new("RGB", (8, 8), (200, 0, 0)).save(folder / "fox" / "red.png")
    (line,) = loaded(folder, target=TargetSettings(visible="grey"))[1]
    assert "1 file left out: fox/red.png (not white ink on nothing, which is all that" in line


def test_a_build_goes_on_without_and_takes_it_once_it_is_repaired(tmp_path):
    folder = draw(tmp_path / "pictures", 2, 3)
    whole = (folder / "1" / "1.png").read_bytes()
    (folder / "1" / "1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").touch()
    command = arguments(folder, tmp_path / "zoo.h5")
    strict = CliRunner().invoke(group, [*command, "--strict"])
    assert strict.exit_code == 1
    assert "2 files left out: notes.txt (no picture), 1/1.png (cut short); repair" in strict.stderr
    assert not (tmp_path / "zoo.h5").exists()
    done = CliRunner().invoke(group, command)
    assert done.exit_code == 0, done.stderr
    said = "note: 2 files left out: notes.txt (no picture), 1/1.png (cut short); --strict stops"
    assert said in done.stderr
    ids = ["0-0", "0-1", "0-2", "1-0", "1-2"]
    assert sorted(open_zoo(tmp_path / "zoo.h5").id) == ids
    (folder / "1" / "1.png").write_bytes(whole)
    (folder / "notes.txt").unlink()
    assert CliRunner().invoke(group, [*command, "--strict"]).exit_code == 0
    assert sorted(open_zoo(tmp_path / "zoo.h5").id) == sorted([*ids, "1-1"])


def test_a_scale_is_kept_and_another_is_refused(tmp_path):
    (tmp_path / "deep").mkdir()
    for number in range(2):
        file = made.tiff(INK.astype(int) * (1000 - number), 32, 1, sample_format=2)
        (tmp_path / "deep" / f"{number}.tif").write_bytes(file)
    command = arguments(tmp_path / "deep", tmp_path / "zoo.h5")
    refused = CliRunner().invoke(group, command)
    assert refused.exit_code == 1
    assert "0.tif (integers from 0 to 200000, of unknown scale; say which is full" in refused.stderr
    done = CliRunner().invoke(group, [*command, "--scale", "255000"])
    assert done.exit_code == 0, done.stderr
    assert open_zoo(tmp_path / "zoo.h5").target.max() == 200
    other = CliRunner().invoke(group, [*command, "--scale", "300000"])
    assert other.exit_code == 1
    assert "scale" in other.stderr
    bad = CliRunner().invoke(group, [*command, "--scale", "0"])
    assert "--scale 0.0: it must be a number above 0" in bad.stderr


def test_from_python_a_warning_says_it(folder, tmp_path):
    spoil(folder)
    quick = {"steps": 1, "extra_steps": 0, "attempts": 1, "init": "shared", "jobs": 1}
    with pytest.raises(ZooError, match="8 files left out"):
        nz.build(folder, per_class="all", out=tmp_path / "a.h5", strict=True, **quick)
    with pytest.warns(nz.ZooWarning, match="8 files left out: "):
        zoo = nz.build(folder, per_class="all", out=tmp_path / "b.h5", failed=True, **quick)
    assert len(zoo) == 6
