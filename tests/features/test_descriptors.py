"""Descriptors against pictures drawn by hand, and against slow code that says the same."""

from pathlib import Path

import numpy as np
import pytest

from nca_zoo.features.descriptors import (
    PATCHES,
    PatchBank,
    deskewed,
    gradient_histograms,
    learnt_patches,
)
from nca_zoo.features.measures import slant
from nca_zoo.pictures.sources import meta_pictures

SIDE = 28


def bar(lean: float, row: int = 14, col: int = 14, length: int = 12) -> np.ndarray:
    """A bar of three pixels across, (28, 28, 1); each row ``lean`` pixels left of that above."""
    picture = np.zeros((SIDE, SIDE, 1), np.float32)
    for step in range(length):
        left = round(col - lean * (step - length / 2)) - 1
        picture[row - length // 2 + step, left : left + 3] = 1
    return picture


@pytest.mark.parametrize("lean", [-0.5, 0.4, 0.75])
def test_what_leans_is_sheared_upright_and_brought_to_the_middle(lean: float) -> None:
    crooked = bar(lean, 12, 15)[None]
    straight = deskewed(crooked)
    assert abs(slant(crooked[..., 0])[0]) > 20
    assert abs(slant(straight[..., 0])[0]) < 3
    assert straight.sum() == pytest.approx(crooked.sum(), rel=0.02)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    for at in (rows, cols):
        assert (straight[0, ..., 0] * at).sum() / straight.sum() == pytest.approx(13.5, abs=0.1)


def test_what_is_upright_and_central_already_stays_as_it_is() -> None:
    picture = np.zeros((1, SIDE, SIDE, 2), np.float32)
    picture[0, 8:20, 12:16, 0] = 1
    picture[0, 8:20, 12:16, 1] = 0.5
    np.testing.assert_allclose(deskewed(picture), picture, atol=1e-6)


def test_pictures_without_shape_are_no_trouble() -> None:
    empty, line = np.zeros((2, 1, SIDE, SIDE, 1), np.float32)
    line[0, 5, 3:9] = 1
    assert not deskewed(empty).any()
    assert deskewed(line).sum() == pytest.approx(6)
    for describe in (gradient_histograms, learnt_patches().answers):
        assert np.isfinite(describe(np.concatenate([empty, line]))).all()
    assert not gradient_histograms(empty).any()


def test_histograms_tell_upright_edges_from_level_ones() -> None:
    level = np.zeros((1, SIDE, SIDE, 1), np.float32)
    level[:, 14:] = 1
    found = [
        gradient_histograms(picture).reshape(-1, 8).sum(axis=0)
        for picture in (level, level.swapaxes(1, 2))
    ]
    assert all((one > 0).sum() == 1 for one in found)
    assert found[0].argmax() != found[1].argmax()


@pytest.mark.parametrize("shape", [(3, 3, 1), (40, 40, 4), (9, 30, 3)])
def test_pictures_of_any_size_are_described(shape: tuple[int, int, int]) -> None:
    pictures = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    regions = min(4, shape[0]) * min(4, shape[1])
    assert learnt_patches().answers(pictures).shape == (2, regions * PATCHES * shape[2])
    assert gradient_histograms(pictures).shape[0] == 2


def test_answers_of_patches_are_what_a_loop_over_pixels_finds() -> None:
    rng = np.random.default_rng(1)
    bank = PatchBank(rng.normal(size=(3, 25)))
    picture = rng.random((8, 8, 1)).astype(np.float32)
    found = bank.answers(picture[None]).reshape(1, 4, 4, 3)[0]
    padded = np.pad(picture[..., 0].astype(float), 2)
    sums = np.zeros((4, 4, 3))
    for row in range(8):
        for col in range(8):
            patch = padded[row : row + 5, col : col + 5].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 0.01)
            away = np.array([np.linalg.norm(patch - centre) for centre in bank.centres])
            sums[row // 2, col // 2] += np.maximum(away.mean() - away, 0)
    np.testing.assert_allclose(found, sums / 4, atol=1e-6)


def test_the_patches_that_are_shipped_are_those_of_the_starts_pictures(
    kept_digits: Path,
) -> None:
    pictures = [picture.pixels for picture in meta_pictures(kept_digits)]
    ink = np.stack(pictures).astype(np.float32) / np.float32(255)
    again, shipped = PatchBank.learn(ink).centres, learnt_patches().centres
    assert shipped.shape == (PATCHES, 25)
    away = np.linalg.norm(again[:, None] - shipped[None], axis=-1)
    assert np.median(away.min(axis=1)) < 0.01  # processors may round a few of them apart
