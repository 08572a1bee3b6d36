"""The judge of mixtures: what it learned from, what it reads, and what sharp means."""

import numpy as np
import pytest
from rows import header, record
from scipy.ndimage import gaussian_filter

from nca_zoo.networks.judge import Judge, centred_targets, judge_of, sharpness
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target, restored
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

TARGET = {"alpha": "ink", "seed_at": "ink"}


def zoo_of(path, pictures, size, **settings):
    """A zoo of these pictures; nothing but targets and labels is of meaning."""
    rows = []
    for i, (label, pixels) in enumerate(pictures):
        target = make_target(pixels)
        place = {"seed_row": target.seed_row, "seed_col": target.seed_col}
        rgba = np.rint(255 * target.rgba).astype(np.uint8)
        rows.append(record(i, size, id=f"{label}-{i:03d}", label=label, target=rgba, **place))
    with ZooWriter(path, header(**settings)) as writer:
        writer.add(rows)
    return open_zoo(path)


@pytest.fixture
def learnt_from(monkeypatch):
    """What judges learn from, as they are asked to; they do not."""
    seen = []

    def lesson(self, pictures, labels, of):
        self.of = of
        seen.append((pictures, labels, of))

    monkeypatch.setattr(Judge, "__init__", lesson)
    return seen


def digits(kept, per_class):
    _, found = load_pictures(per_class=per_class, data_dir=kept)
    return [(picture.label, picture.pixels) for picture in found]


@pytest.mark.wide
def test_digits_are_judged_by_others_of_their_source_always_the_same(tmp_path, kept_digits):
    zoo = zoo_of(tmp_path / "zoo.h5", digits(kept_digits, 10), (28, 28), target=TARGET)
    judge, mixed = judge_of(zoo, kept_digits)
    assert mixed.all()
    assert judge.of == "3,000 digits that are not in the zoo"
    assert (judge.read(centred_targets(zoo)) == zoo.label).mean() > 0.9
    assert judge.read(np.zeros((1, 28, 28, 4), np.float32)).tolist() == [-1]


@pytest.mark.wide
def test_digits_of_the_judge_that_are_in_the_zoo_are_left_out(tmp_path, kept_digits, learnt_from):
    _, found = load_pictures(data_dir=kept_digits)
    some = [(p.label, p.pixels) for p in found if int(p.id.split("-")[1]) in (3, 499)]
    zoo = zoo_of(tmp_path / "zoo.h5", some, (28, 28), target=TARGET)
    assert judge_of(zoo, kept_digits)[0].of == "2,990 digits that are not in the zoo"
    ((seen, labels, _),) = learnt_from
    assert len(seen) == 2990
    assert np.bincount(labels).tolist() == [299] * 10
    mine = centred_targets(zoo)[zoo.label == 7]
    apart = np.abs(seen[labels == 7][:, None] - mine[None]).max(axis=(2, 3, 4))
    assert apart.min() > 0.1


def test_other_pictures_are_lent_to_the_judge_and_never_mixed(tmp_path, learnt_from):
    rng = np.random.default_rng(0)
    drawn = [(label, rng.integers(99, 256, (9, 8), np.uint8)) for label in (0, 1) for _ in range(5)]
    drawn += drawn[:3]  # some pictures have two NCAs
    zoo = zoo_of(tmp_path / "zoo.h5", drawn, (9, 8), source="cats")
    judge, mixed = judge_of(zoo, tmp_path)
    assert judge.of == f"{(~mixed).sum()} pictures apart"
    lent = {picture.tobytes() for picture in restored(zoo.target[~mixed])}
    kept = {picture.tobytes() for picture in restored(zoo.target[mixed])}
    assert not lent & kept
    assert (len(lent), len(kept)) == (4, 6)
    np.testing.assert_array_equal(learnt_from[0][0], centred_targets(zoo.subset(~mixed)))


def test_classes_too_small_to_lend_are_judged_by_what_there_is_and_it_is_said(tmp_path):
    rng = np.random.default_rng(0)
    drawn = [(label, rng.integers(99, 256, (9, 8), np.uint8)) for label in (0, 1, 0, 1)]
    judge, mixed = judge_of(zoo_of(tmp_path / "zoo.h5", drawn, (9, 8), source="cats"), tmp_path)
    assert mixed.all()
    assert judge.of == "these NCAs' own targets"


def test_blur_takes_sharpness_and_brightness_does_not():
    wave = 1 + np.sin(2 * np.pi * np.arange(64) / 16)
    picture = np.broadcast_to(wave[:, None, None], (64, 64, 1))[None].astype(np.float32)
    # differences of 1 + sin(kx): (2 sin(k / 2))^2 / 2, 63 of 64 of them, over 1 + 1/2
    expected = (2 * np.sin(np.pi / 16)) ** 2 / 3 * 63 / 64
    assert sharpness(picture)[0] == pytest.approx(expected, rel=0.02)
    blurred = gaussian_filter(picture, (0, 2, 2, 0))
    assert sharpness(blurred)[0] < 0.7 * sharpness(picture)[0]
    assert sharpness(picture / 3)[0] == pytest.approx(sharpness(picture)[0])
    assert sharpness(np.zeros((1, 5, 5, 4), np.float32))[0] == 0
