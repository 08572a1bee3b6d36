"""Folders of image files: every kind of file that people have, and every way it can be wrong."""

import numpy as np
import pytest
from PIL import Image

from nca_zoo.errors import ZooError
from nca_zoo.pictures import image_files, levels
from nca_zoo.pictures.folders import list_folder
from nca_zoo.pictures.image_files import fitted, read_file
from nca_zoo.pictures.names import natural
from nca_zoo.pictures.sources import load_picture, load_pictures

rng = np.random.default_rng(3)
GREY = rng.integers(0, 256, (6, 5), np.uint8)
RGB = rng.integers(0, 256, (6, 5, 3), np.uint8)
RGBA = rng.integers(0, 256, (6, 5, 4), np.uint8)
OPAQUE_RGB = np.dstack([RGB, np.full((6, 5), 255, np.uint8)])


def only_picture(folder, **options):
    _, pictures = load_pictures(folder, **options)
    assert len(pictures) == 1
    return pictures[0].pixels


@pytest.mark.parametrize(
    ("name", "pixels", "options", "expected"),
    [
        ("a.png", RGBA, {}, RGBA),
        ("a.webp", RGBA, {"lossless": True, "exact": True}, RGBA),
        ("a.png", GREY, {}, GREY),
        ("a.BMP", GREY, {}, GREY),
        ("a.png", RGB, {}, OPAQUE_RGB),
        ("a.bmp", RGB, {}, OPAQUE_RGB),
        ("a.png", GREY.astype(np.uint16) * 257, {}, GREY),
        ("a.png", (GREY > 99), {}, (GREY > 99) * np.uint8(255)),
        ("a.png", RGBA[..., :2], {}, np.dstack([RGBA[..., [0, 0, 0]], RGBA[..., 1]])),
        ("a.gif", GREY, {}, GREY),
        ("a.gif", np.arange(256, dtype=np.uint8).reshape(16, 16), {}, np.r_[:256].reshape(16, 16)),
        ("a.webp", RGB, {"lossless": True}, OPAQUE_RGB),
    ],
)
def test_every_kind_of_file(name, pixels, options, expected, tmp_path):
    Image.fromarray(pixels).save(tmp_path / name, **options)
    read = only_picture(tmp_path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, expected)


def test_a_transparent_colour_of_a_palette_is_respected(tmp_path):
    image = Image.new("P", (3, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 2), 0)
    image.save(tmp_path / "a.png", transparency=0)
    read = only_picture(tmp_path)
    assert read[2, 0, 3] == 0
    assert read[0, 0].tolist() == [200, 100, 50, 255]


def test_a_photograph_is_opaque_and_stands_upright(tmp_path):
    image = Image.new("RGB", (8, 4), (250, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    image.save(tmp_path / "a.jpg", exif=exif)
    read = only_picture(tmp_path)
    assert read.shape == (8, 4, 4)
    assert (read[..., 3] == 255).all()


def test_cmyk_becomes_colour(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    read = only_picture(tmp_path)
    assert read.shape == (8, 8, 4)
    assert read[4, 4, 0] > 200 > 60 > read[4, 4, 1]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_the_first_frame_stands_for_an_animation(name, tmp_path):
    frames = [Image.new("RGBA", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=50, **options)
    assert only_picture(tmp_path)[0, 0].tolist() == [255, 0, 0, 255]


def test_classes_named_by_numbers_are_those_numbers(tmp_path):
    for name in ("10", "9", "03", "empty"):
        (tmp_path / name).mkdir()
    for name in ("10/b.png", "10/a.png", "9/a.png", "03/a.jpg", "empty/notes.txt", "loose.png"):
        (tmp_path / name).touch()
    found = list_folder(tmp_path)
    assert found.classes == {3: "03", 9: "9", 10: "10"}
    assert found.labels == [3, 9, 10, 10, -1]
    assert found.ids == ["03-a", "9-a", "10-a", "10-b", "loose"]
    assert [p.name for p in found.paths] == ["a.jpg", "a.png", "a.png", "b.png", "loose.png"]


@pytest.mark.parametrize("names", [("1", "two"), ("1", "01"), ("1", "99999"), ("1", "-1")])
def test_other_classes_are_counted_from_0(names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    assert list_folder(tmp_path).classes == dict(enumerate(sorted(names, key=natural)))


def test_ids_are_clean_and_unique(tmp_path):
    names = ["gecko.png", "gecko.jpg", "gecko-2.png", "a/b.png", "a-b.png", "my  gecko (1).png"]
    names += ["--zoo.png", "日本.png", "été.png", "!!!.png", ".hidden.png", "notes.txt"]
    (tmp_path / "a").mkdir()
    for name in names:
        (tmp_path / name).touch()
    found = list_folder(tmp_path)
    by_name = {p.name: id for p, id in zip(found.paths, found.ids, strict=True)}
    assert by_name == {
        "b.png": "a-b",
        "a-b.png": "a-b-2",
        "gecko-2.png": "gecko-2",
        "gecko.jpg": "gecko",
        "gecko.png": "gecko-3",
        "my  gecko (1).png": "my-gecko-1",
        "--zoo.png": "zoo",
        "été.png": "ete",
        "!!!.png": "picture",
        "日本.png": "RiBen",
    }


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["deep/er/a.png"]])
def test_a_folder_without_pictures_says_what_it_expected(names, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ZooError, match="holds no pictures: expected image files, or a folder of"):
        load_pictures(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp"])
def test_unreadable_files_are_named(suffix, tmp_path):
    path = tmp_path / f"broken.{suffix}"
    image = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
    image.save(path)
    whole = path.read_bytes()
    for content in (b"", b"no picture", whole[:20], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ZooError, match=rf"broken\.{suffix} cannot be read as a pic") as caught:
            read_file(path)
        assert len(str(caught.value).splitlines()) == 1
        with pytest.raises(ZooError, match=rf"1 file left out: broken\.{suffix} \(") as caught:
            load_pictures(tmp_path)
        assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_cut_short_is_said_to_be(tmp_path):
    Image.fromarray(RGB).resize((90, 90)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ZooError, match=r"a\.png cannot be read as a picture \(cut short\): repair"):
        read_file(tmp_path / "a.png")


def test_what_is_not_there_is_no_such_file(tmp_path):
    with pytest.raises(ZooError, match=r"nowhere\.png: no such file$"):
        load_picture(tmp_path / "nowhere.png")
    with pytest.raises(ZooError, match=r"cannot be read as a picture \(Is a directory\)"):
        load_picture(tmp_path)


@pytest.mark.parametrize("size", [None, 20])
def test_a_picture_of_too_many_pixels_is_not_unpacked(size, tmp_path, monkeypatch):
    Image.new("1", (200, 200)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(image_files, "MOST", 39_999)
    with pytest.raises(ZooError, match=r"bomb\.png cannot be read .*\(200 x 200 pixels\): scale"):
        read_file(tmp_path / "bomb.png", size)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_a_large_photo_is_scaled_down(mode, kind, tmp_path, monkeypatch):
    if (kind, mode) in {("jpeg", m) for m in ("1", "LA", "P", "RGBA")} | {("png", "CMYK")}:
        pytest.skip(f"{kind} has no {mode}")
    rows, cols = np.ogrid[:200, :300]
    disc = np.hypot(rows - 90, cols - 130) < 70
    image = Image.fromarray(np.where(disc[..., None], (200, 90, 40), (10, 60, 90)).astype(np.uint8))
    image.convert(mode).save(
        tmp_path / "photo", kind, **({"quality": 95} if kind == "jpeg" else {})
    )
    whole = read_file(tmp_path / "photo", 20)
    for limits in ((60_000, 2), (20_000, 3)):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)  # Pillow's own would stop it
        for module in (image_files, levels):
            monkeypatch.setattr(module, "WHOLE", limits[0] // 2)
            monkeypatch.setattr(module, "WELL_ABOVE", limits[1])
        small = read_file(tmp_path / "photo", 20)
        assert small.shape == whole.shape
        apart = np.abs(small.astype(int) - whole)
        assert apart.mean() < 4
        assert np.percentile(apart, 90) < 12


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path, monkeypatch):
    Image.new("RGB", (1600, 1200), (9, 99, 199)).save(tmp_path / "photo.jpg", quality=95)
    monkeypatch.setattr(image_files, "WHOLE", 1_000_000)
    monkeypatch.setattr(image_files, "MOST", 200 * 150)  # an eighth a side, and no more
    small = read_file(tmp_path / "photo.jpg", 16)
    assert small.shape == (16, 16, 4)
    np.testing.assert_allclose(small[8, 8], (9, 99, 199, 255), atol=3)


def test_the_odd_file_out_is_named_and_size_helps(tmp_path):
    for name, size in (("a", (6, 4)), ("b", (5, 7)), ("c", (6, 4))):
        Image.new("L", size, 200).save(tmp_path / f"{name}.png")
    expected = r"b\.png is 5 x 7 pixels, others are 6 x 4: .* --size 6"
    with pytest.raises(ZooError, match=expected):
        load_pictures(tmp_path)
    _, pictures = load_pictures(tmp_path, size=6)
    assert {picture.pixels.shape for picture in pictures} == {(6, 6)}


def test_fitting_keeps_proportions_on_an_empty_ground():
    wide = fitted(np.full((10, 20), 255, np.uint8), 10)
    assert (wide[2:7] == 255).all()
    assert (wide[:2] == 0).all()
    assert (wide[7:] == 0).all()
    assert fitted(np.full((1, 400, 4), 255, np.uint8), 20)[:, :, 3].any(axis=1).sum() == 1
    assert fitted(np.full((100, 4000), 255, np.uint8), 120).any(axis=1).sum() == 3
    same = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(fitted(same, 4), same)
    np.testing.assert_array_equal(fitted(same, None), same)


@pytest.mark.parametrize("sides", [(100, 4000), (4000, 100), (2, 28)])
def test_long_thin_pictures_are_not_flattened_to_a_line(tmp_path, sides):
    Image.new("L", sides, 255).save(tmp_path / "long.png")
    Image.new("L", (9, 9), 255).save(tmp_path / "square.png")
    with pytest.raises(ZooError, match=r"long.png holds .* leave .* scale it to \d+ cells or more"):
        load_picture(tmp_path / "long.png", 20)
    _, pictures = load_pictures(tmp_path, size=20)  # the others are of use
    assert [picture.name for picture in pictures] == ["square.png"]


def test_the_colour_of_transparent_pixels_does_not_bleed():
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[..., 1] = 255  # green nobody sees
    pixels[8:24, 8:24] = (255, 0, 0, 255)
    small = fitted(pixels, 9).astype(int)
    seen = small[..., 3] > 40
    assert seen.any()
    assert (small[seen][:, 0] > 250).all()
    assert (small[seen][:, 1] < 5).all()
