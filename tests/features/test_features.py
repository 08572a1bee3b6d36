import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from nca_zoo.automaton.rule import N_PARAMS, seed_state, unflatten
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import (
    FEATURES,
    FILM_CONTROLS,
    PICTURE_CONTROLS,
    STILL_CONTROLS,
    find_feature,
    with_controls,
)
from nca_zoo.features.measures import centre_on, informative_channels
from nca_zoo.store.settings import Settings

N, H, W = 6, 5, 7


@dataclass
class SmallZoo:
    """The attributes of a zoo that features read."""

    weights: np.ndarray
    target: np.ndarray
    grown: np.ndarray
    seed_row: np.ndarray
    seed_col: np.ndarray
    attrs: dict[str, Any] = field(default_factory=dict)
    trained: int = 4
    fire_rate: float = 0.5
    moving = None
    code = 0

    @property
    def settings(self) -> Settings:
        return Settings(self.attrs["settings"])

    @property
    def seed_hidden(self) -> bool:
        return self.settings.seed_hidden

    def seed_states(self, row: int) -> np.ndarray:
        return seed_state(H, W, self.seed_row[row], self.seed_col[row])


def small_zoo(rgba: str = "ink", **attrs: Any) -> SmallZoo:
    rng = np.random.default_rng(1)
    target = rng.integers(0, 256, (N, H, W, 4), dtype=np.uint8)
    if rgba in ("ink", "opaque grey"):
        target[..., :] = target[..., :1]
    if rgba.startswith("opaque"):
        target[..., 3] = 255
    return SmallZoo(
        weights=rng.normal(size=(N, N_PARAMS)).astype(np.float32),
        target=target,
        grown=rng.integers(0, 256, (N, H, W, 4), dtype=np.uint8),
        seed_row=rng.integers(0, H, N).astype(np.int16),
        seed_col=rng.integers(0, W, N).astype(np.int16),
        attrs={"settings": {"regime": {"seed_hidden": True}}} | attrs,
    )


def vectors(name: str, zoo: SmallZoo) -> np.ndarray:
    return FEATURES[name].vectors(zoo)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("weights", 8336),
        ("delta", 8336),
        ("W1", 128 * 48),
        ("b1", 128),
        ("W2", 16 * 128),
        ("b2", 16),
        ("aligned", 8336),
        ("canonical", 8336),
        ("invariants", 196),
        ("queries", 256 * 16),
        ("responses", 4 * 16 + 2),
        ("pixels", H * W),
        ("centred", (H + 2 * 2) * (W + 2 * 3)),  # so far off the middle is the farthest seed
        ("grown", H * W),
        ("deskewed", H * W),
        ("hog", 4 * 6 * 4 * 8),  # 5 x 7 cells of a pixel, in overlapping blocks of 2 x 2
        ("patches", 4 * 4 * 64),
        ("seed", 2),
        ("gradient", 8336),
    ],
)
def test_every_feature_is_one_float32_row_per_nca(name: str, columns: int) -> None:
    found = vectors(name, small_zoo(init_weights=np.zeros(N_PARAMS, np.float32)))
    assert found.shape == (N, columns)
    assert found.dtype == np.float32


def test_the_table_names_its_features_and_their_kinds() -> None:
    assert all(name == feature.name for name, feature in FEATURES.items())
    assert all("\n" not in feature.description for feature in FEATURES.values())
    controls = {name for name, feature in FEATURES.items() if feature.kind == "control"}
    assert controls == {*STILL_CONTROLS, *FILM_CONTROLS, "components", "seed", "gradient"}
    assert len(PICTURE_CONTROLS) == 6


def test_tensors_are_those_of_the_rule() -> None:
    zoo = small_zoo()
    for name, tensor in unflatten(zoo.weights).items():
        np.testing.assert_array_equal(vectors(name, zoo), tensor.reshape(N, -1))


def test_controls_do_not_see_the_weights() -> None:
    start = np.random.default_rng(3).normal(size=N_PARAMS).astype(np.float32) / 50
    zoo, other = small_zoo(init_weights=start), small_zoo(init_weights=start)
    other.weights = other.weights + 1
    for name, feature in FEATURES.items():
        if feature.kind == "control" and not (feature.moving or feature.coded):
            np.testing.assert_array_equal(vectors(name, zoo), vectors(name, other))


def test_the_gradient_of_a_grey_zoo_sees_alpha_alone(lively_weights: Any) -> None:
    start = lively_weights(3)
    zoo, other = small_zoo(init_weights=start), small_zoo(init_weights=start)
    other.target = other.target.copy()
    other.target[..., :3] //= 2
    assert not np.array_equal(vectors("gradient", zoo), vectors("gradient", other))
    zoo.trained = other.trained = 1
    np.testing.assert_array_equal(vectors("gradient", zoo), vectors("gradient", other))
    other.target[..., 3] //= 2
    assert not np.array_equal(vectors("gradient", zoo), vectors("gradient", other))


@pytest.mark.wide
def test_features_leave_the_zoo_as_it_was() -> None:
    zoo, untouched = small_zoo(init_weights=np.ones(N_PARAMS, np.float32)), small_zoo()
    for name, feature in FEATURES.items():
        if not (feature.moving or feature.coded):
            vectors(name, zoo)
    for name in ("weights", "target", "grown", "seed_row", "seed_col"):
        np.testing.assert_array_equal(getattr(zoo, name), getattr(untouched, name))


def test_delta_is_the_way_from_the_shared_start() -> None:
    start = np.random.default_rng(2).normal(size=N_PARAMS).astype(np.float32)
    zoo = small_zoo(init_weights=start)
    np.testing.assert_array_equal(vectors("delta", zoo)[3], zoo.weights[3] - start)


def test_a_zoo_without_a_shared_start_has_no_gradient_at_it() -> None:
    shared = small_zoo(init_weights=np.ones(N_PARAMS, np.float32))
    names = [feature.name for feature in with_controls(shared, ["b1", "W1", "b1"])]  # type: ignore[arg-type]
    assert names == ["b1", "W1", *PICTURE_CONTROLS, "seed", "gradient"]
    alone = small_zoo(init_weights=np.zeros(0, np.float32))
    assert [f.name for f in with_controls(alone, ["b1"])] == ["b1", *names[2:-1]]  # type: ignore[arg-type]
    with pytest.raises(ZooError, match="gradient needs a zoo whose NCAs share one start"):
        vectors("gradient", alone)


def test_delta_without_a_shared_start_is_refused_in_one_line() -> None:
    with pytest.raises(ZooError, match="share one start") as caught:
        vectors("delta", small_zoo(init_weights=np.zeros(0, np.float32)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rgba", "channels"),
    [
        ("ink", [[0, 1, 2, 3]]),
        ("opaque grey", [[0, 1, 2]]),
        ("opaque colour", [[0], [1], [2]]),
        ("colour", [[0], [1], [2], [3]]),
    ],
)
def test_channels_that_say_something(rgba: str, channels: list[list[int]]) -> None:
    zoo = small_zoo(rgba)
    assert informative_channels(zoo.target) == channels
    for name in ("pixels", "grown"):
        assert vectors(name, zoo).shape == (N, H * W * len(channels))


def test_a_channel_that_differs_in_a_single_cell_is_no_copy() -> None:
    target = small_zoo("ink").target
    target[2, 1, 1, 0] ^= 1
    assert informative_channels(target) == [[0], [1, 2, 3]]


def test_blank_pictures_keep_one_channel() -> None:
    assert informative_channels(np.zeros((N, H, W, 4), np.uint8)) == [[0, 1, 2, 3]]


def test_pixels_are_ink_between_0_and_1() -> None:
    ink, opaque = small_zoo("ink"), small_zoo("opaque grey")
    expected = ink.target[..., 3].reshape(N, -1) / 255
    np.testing.assert_allclose(vectors("pixels", ink), expected, atol=1e-7)
    expected = opaque.target[..., :3].mean(-1).reshape(N, -1) / 255
    np.testing.assert_allclose(vectors("pixels", opaque), expected, atol=1e-7)


def test_colours_keep_all_four_channels() -> None:
    zoo = small_zoo("colour")
    np.testing.assert_allclose(vectors("pixels", zoo), zoo.target.reshape(N, -1) / 255, atol=1e-7)


def test_grown_pictures_are_seen_through_the_targets_channels() -> None:
    zoo = small_zoo("opaque grey")
    expected = zoo.grown[..., :3].mean(-1).reshape(N, -1) / 255
    np.testing.assert_allclose(vectors("grown", zoo), expected, atol=1e-6)


def test_centring_by_hand() -> None:
    picture = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)[None, :, :, None]
    moved = {
        (1, 1): [[1, 2, 3], [4, 5, 6], [7, 8, 9]],  # the middle of 3 x 3
        (0, 0): [[0, 0, 0], [0, 1, 2], [0, 4, 5]],
        (2, 1): [[4, 5, 6], [7, 8, 9], [0, 0, 0]],
        (1, 2): [[2, 3, 0], [5, 6, 0], [8, 9, 0]],
    }
    for (row, col), expected in moved.items():
        found = centre_on(picture, np.array([row]), np.array([col]))
        np.testing.assert_array_equal(found[0, :, :, 0], expected, err_msg=f"seed {row, col}")


def test_centring_puts_every_seed_in_the_middle() -> None:
    zoo = small_zoo("colour")
    pictures = (zoo.target / 255).astype(np.float32)
    found = centre_on(pictures, zoo.seed_row, zoo.seed_col)
    for i, (row, col) in enumerate(zip(zoo.seed_row, zoo.seed_col, strict=True)):
        np.testing.assert_array_equal(found[i, H // 2, W // 2], pictures[i, row, col])
        for y in range(H):
            for x in range(W):
                from_y, from_x = y + row - H // 2, x + col - W // 2
                inside = 0 <= from_y < H and 0 <= from_x < W
                expected = pictures[i, from_y, from_x] if inside else np.zeros(4)
                np.testing.assert_array_equal(found[i, y, x], expected)


def test_the_control_that_is_centred_loses_nothing_and_has_every_seed_in_one_place() -> None:
    zoo = small_zoo("colour")
    seen = FEATURES["centred"].seen(zoo)  # type: ignore[arg-type]
    totals = (zoo.target / 255).sum(axis=(1, 2))
    np.testing.assert_allclose(seen.sum(axis=(1, 2)), totals, rtol=1e-5)
    middle = seen[:, seen.shape[1] // 2, seen.shape[2] // 2]
    at_seed = zoo.target[np.arange(N), zoo.seed_row, zoo.seed_col] / 255
    np.testing.assert_allclose(middle, at_seed, atol=1e-7)


def test_seed_is_row_and_column() -> None:
    zoo = small_zoo()
    np.testing.assert_array_equal(vectors("seed", zoo).T, [zoo.seed_row, zoo.seed_col])


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    assert find_feature("W2").name == "W2"
    with pytest.raises(
        ZooError,
        match=r"'w2'.*weights, delta, W1, b1, W2, b2, fitted, aligned, canonical, invariants",
    ):
        find_feature("w2")


def test_features_import_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, nca_zoo.features.catalogue; assert not {'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
