"""What networks see of weights, and reading pictures from weights, on small cases."""

import numpy as np
import pytest
import torch
from rows import header, record
from sklearn.kernel_ridge import KernelRidge

from nca_zoo.automaton.rule import N_PARAMS, flatten, unflatten
from nca_zoo.features.queries import answers
from nca_zoo.life.quality import psnr
from nca_zoo.networks.learning import Schedule
from nca_zoo.networks.modules import Queries, Tokens, UNet
from nca_zoo.networks.readers import QUERY, TRANSFORMER
from nca_zoo.networks.reading import (
    KERNEL_PENALTIES,
    NARROW,
    KernelPictureReader,
    NetworkPictureReader,
    PictureReader,
    SeenPictureReader,
)
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.reading import grown_centred

GRID, N = (9, 8), 12
QUICK = Schedule(steps=50, batch=32, rate=3e-3)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, lively_weights):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        for i in range(N):
            weights = lively_weights(0) + rng.normal(0, 1e-3, N_PARAMS).astype(np.float32)
            target = np.repeat(rng.integers(0, 256, (*GRID, 1), np.uint8), 4, axis=-1)
            place = {"seed_row": 3 + i % 2, "seed_col": 4, "target": target, "grown": target}
            writer.add([record(i, GRID, weights=weights, **place)])
    return open_zoo(path)


def test_pictures_of_a_zoo_have_one_channel_where_all_say_the_same(zoo):
    seen = grown_centred(zoo)
    assert seen.shape == (N, *GRID, 1)
    np.testing.assert_allclose(seen[1, ..., 0], zoo.grown[1, ..., 0] / 255, atol=1e-6)
    np.testing.assert_allclose(seen[0, 1:, :, 0], zoo.grown[0, :-1, :, 0] / 255, atol=1e-6)


def test_learnt_queries_are_answered_as_the_feature_has_it(lively_weights):
    weights = np.stack([lively_weights(i) for i in range(3)])
    perceptions = np.random.default_rng(0).normal(size=(7, 48)).astype(np.float32)
    network = Queries(2, torch.from_numpy(perceptions), torch.from_numpy(weights))
    found = network.answers(torch.from_numpy(weights)).detach().numpy()
    np.testing.assert_allclose(found, answers(weights, perceptions), rtol=1e-4, atol=1e-5)


def test_a_transformer_is_given_every_weight_once_on_the_scale_of_its_tensor():
    rng = np.random.default_rng(0)
    train = rng.normal(5, 1, (50, N_PARAMS)).astype(np.float32)
    parts = unflatten(train)
    parts["W2"] *= 100
    train = flatten(parts)
    units, bias = TRANSFORMER.sight(train, ())(train)
    assert units.shape == (50, 128, 65)
    centred = {name: part - part.mean(axis=0) for name, part in unflatten(train).items()}
    scaled = {name: part / part.std() for name, part in centred.items()}
    np.testing.assert_allclose(units[:, 3, :48], scaled["W1"][:, 3], atol=1e-4)
    np.testing.assert_allclose(units[:, 3, 48], scaled["b1"][:, 3], atol=1e-4)
    np.testing.assert_allclose(units[:, 3, 49:], scaled["W2"][:, :, 3], atol=1e-4)
    np.testing.assert_allclose(bias, scaled["b2"], atol=1e-4)


def test_tokens_are_told_apart_by_their_places():
    torch.manual_seed(0)
    network = Tokens(5).eval()
    units, bias = torch.randn(2, 128, 65), torch.zeros(2, 16)
    moved = units.roll(8, dims=1)
    assert (network(units, bias) - network(moved, bias)).abs().max() > 1e-3


@pytest.fixture(scope="module")
def shown(lively_weights):
    """Weights along two directions, and pictures that brighten along each."""
    rng = np.random.default_rng(1)
    amounts = rng.uniform(-1, 1, (120, 2)).astype(np.float32)
    directions = 0.02 * rng.normal(size=(2, N_PARAMS)).astype(np.float32)
    pictures = np.full((120, 6, 5, 1), 0.5, np.float32)
    pictures[:, :3] += 0.4 * amounts[:, :1, None, None]
    pictures[:, 3:] += 0.4 * np.abs(amounts[:, 1:, None, None]) - 0.2  # no straight line
    return lively_weights(0) + amounts @ directions, pictures


@pytest.mark.wide
@pytest.mark.parametrize("kind", [TRANSFORMER, QUERY], ids=["transformer", "query"])
def test_networks_read_what_no_straight_line_does(shown, kind):
    weights, pictures = shown
    reader = NetworkPictureReader(kind, QUICK).fit(weights[:100], pictures[:100])
    told = reader.read(weights[100:])
    assert told.shape == (20, 6, 5, 1)
    assert 0 <= told.min() <= told.max() <= 1
    ridge = PictureReader().fit(weights[:100], pictures[:100])
    plain = psnr(ridge.read(weights[100:]), pictures[100:])
    assert np.median(psnr(told, pictures[100:])) > np.median(plain) + 1
    assert reader.parameters > 10_000
    assert ridge.parameters == 99 * (N_PARAMS + 30) + 30


def test_a_network_learns_the_same_again_and_leaves_chance_to_others(shown):
    weights, pictures = shown
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    told = [
        NetworkPictureReader(QUERY, Schedule(steps=3)).fit(weights, pictures).read(weights[:2])
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*told)
    np.testing.assert_array_equal(torch.rand(3), expected)


def test_nothing_is_read_before_it_is_learnt(shown):
    for reader in (NetworkPictureReader(QUERY, QUICK), KernelPictureReader(),
                   SeenPictureReader(QUICK)):  # fmt: skip
        with pytest.raises(ValueError, match="once it is fitted"):
            reader.read(shown[0])


def test_kernel_ridge_regression_is_that_of_a_library(shown):
    """scikit-learn's, of the same kernel; and what it tells of one left out is what one tells that
    has not met it."""
    weights, pictures = shown
    reader = KernelPictureReader().fit(weights[:100], pictures[:100])
    told = reader.read(weights[100:])
    assert told.shape == (20, 6, 5, 1)
    fitted = [
        KernelRidge(alpha=penalty, kernel="rbf", gamma=narrow / spread(weights[:100]))
        for narrow in NARROW
        for penalty in KERNEL_PENALTIES
    ]
    mean = pictures[:100].mean(axis=0).ravel()
    flat = pictures[:100].reshape(100, -1) - mean
    centred = weights.astype(float) - weights[:100].mean(axis=0, dtype=float)

    def of(model, keep, new):
        found = model.fit(centred[:100][keep], flat[keep]).predict(new) + mean
        return np.clip(found, 0, 1)

    every = np.arange(100)
    off = [np.abs(of(model, every, centred[100:]) - told.reshape(20, -1)).max() for model in fitted]
    assert min(off) < 2e-3
    model = fitted[int(np.argmin(off))]
    for one in (0, 57):
        alone = of(model, every != one, centred[[one]])
        np.testing.assert_allclose(reader.left_out[one].ravel(), alone[0], atol=2e-3)
    assert reader.parameters > 100 * 30


def spread(weights):
    """The mean squared distance from the mean."""
    return float(np.square(weights - weights.mean(axis=0, dtype=float)).sum(axis=1).mean())


def test_a_u_net_sees_pictures_of_any_size_and_each_alone():
    torch.manual_seed(0)
    for height, width, channels in ((6, 5, 1), (9, 8, 4), (28, 28, 1)):
        network = UNet(channels)
        pictures = torch.rand(3, channels, height, width)
        found = network(pictures)
        assert found.shape == pictures.shape
        torch.testing.assert_close(network(pictures[1:2]), found[1:2])
        torch.nn.init.zeros_(network.add.weight)
        torch.nn.init.zeros_(network.add.bias)
        torch.testing.assert_close(network(pictures), pictures)


def test_a_network_that_looks_mends_what_is_told(lively_weights):
    """Where pictures are strokes that weights tell only half of."""
    rng = np.random.default_rng(2)
    places = rng.integers(0, 6, 160)
    pictures = np.zeros((160, 8, 8, 1), np.float32)
    pictures[np.arange(160), :, places] = pictures[np.arange(160), :, places + 1] = 1
    known = np.zeros((160, 8))
    known[np.arange(160), places] = 1
    known += rng.normal(0, 0.3, known.shape)
    directions = 0.02 * rng.normal(size=(8, N_PARAMS))
    weights = (lively_weights(0) + known @ directions).astype(np.float32)
    plain = KernelPictureReader().fit(weights[:120], pictures[:120])
    looks = SeenPictureReader(Schedule(steps=150, rate=3e-3)).fit(weights[:120], pictures[:120])
    before, after = (psnr(one.read(weights[120:]), pictures[120:]) for one in (plain, looks))
    assert np.median(after) > np.median(before) + 1
    assert looks.parameters > plain.parameters + 10_000
