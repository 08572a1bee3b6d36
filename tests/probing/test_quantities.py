from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.features.measures import slant, stroke_width
from nca_zoo.probing.probe import probe
from nca_zoo.probing.quantities import names, quantity
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter


def line(lean: float, width: int, size: int = 60) -> np.ndarray:
    """A bar drawn by Pillow, leaning ``lean`` degrees to the right."""
    picture = Image.new("L", (4 * size, 4 * size))
    away = 4 * 22 * np.tan(np.radians(lean))
    ends = [(2 * size - away, 4 * size - 32), (2 * size + away, 32)]
    ImageDraw.Draw(picture).line(ends, fill=255, width=4 * width)
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX)) / 255


@pytest.mark.parametrize("width", [2, 4, 6, 10])
def test_the_width_of_a_bar_is_its_width(width: int) -> None:
    assert stroke_width(line(0, width)[None])[0] == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize("lean", [-30, -10, 0, 10, 30])
def test_the_slant_of_a_bar_is_its_angle(lean: float) -> None:
    assert slant(line(lean, 3)[None])[0] == pytest.approx(lean, abs=1.5)


def test_an_empty_picture_has_neither_width_nor_slant() -> None:
    assert np.isnan(stroke_width(np.zeros((1, 5, 5))))[0]
    assert np.isnan(slant(np.zeros((1, 5, 5))))[0]
    full = np.ones((2, 5, 5))
    assert np.isfinite([*stroke_width(full), *slant(full)]).all()


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    rows = [record(i, label=-1 if i == 4 else i % 3) for i in range(9)]
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    return open_zoo(tmp_path / "zoo.h5")


def test_classes_names_and_numbers(zoo: Zoo) -> None:
    of_class = quantity(zoo, "class")
    assert (of_class.numeric, of_class.classes) == (False, ("0", "1", "2"))
    assert of_class.known.sum() == 8
    split = quantity(zoo, "split")
    assert split.classes == ("test", "train")
    np.testing.assert_array_equal(split.values == 0, zoo.split == "test")
    number = quantity(zoo, "train_steps")
    assert number.numeric
    np.testing.assert_array_equal(number.values, zoo.train_steps)
    np.testing.assert_allclose(quantity(zoo, "drift").values, zoo.psnr_96 - zoo.psnr_400)
    assert quantity(zoo, "width").units == "pixels"


def test_what_cannot_be_read_is_answered_with_what_can(zoo: Zoo) -> None:
    for name in ("id", "weights", "wdith"):
        with pytest.raises(ZooError, match=rf"'{name}' to read; choose from class, width, slant"):
            quantity(zoo, name)
    assert all(quantity(zoo, name).values.shape == (9,) for name in names(zoo))


def test_what_never_grew_has_no_drift(tmp_path: Path) -> None:
    """0 dB lost between two empty pictures would be the best of all."""
    dead = {"grown": np.zeros((3, 4, 4), np.uint8), "status": "dead", "alive_400": np.float32(0)}
    rows = [record(0), record(1, **dead, psnr_96=np.float32(9), psnr_400=np.float32(9))]
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    drift = quantity(open_zoo(tmp_path / "zoo.h5"), "drift")
    assert drift.known.tolist() == [True, False]


@pytest.mark.parametrize("count", [0, 3])
def test_what_is_known_of_too_few_is_said_in_a_line(zoo: Zoo, count: int) -> None:
    """Of none, too: there are no quantiles of nothing."""
    zoo.add("luck", np.where(np.arange(9) < count, np.arange(9.0), np.nan))
    words = f"the zoo has {count} pictures with an NCA to read of which luck is known and the"
    with pytest.raises(ZooError, match=words):
        probe(zoo, readers=["knn"], target="luck", jobs=1)


def test_what_heals_is_the_mean_over_all_kinds_of_wounds(tmp_path: Path) -> None:
    shares = {"heals_3": 1, "heals_5": 0.75, "heals_7": 0.5, "heals_half": 0}
    rows = [record(0, **{name: np.float32(share) for name, share in shares.items()}), record(1)]
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    heals = quantity(open_zoo(tmp_path / "zoo.h5"), "heals")
    np.testing.assert_array_equal(heals.values, [0.5625, np.nan])


def test_where_nobody_wounded_it_is_not_known_what_heals(zoo: Zoo) -> None:
    assert not quantity(zoo, "heals").known.any()
