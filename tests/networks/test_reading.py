"""What networks see of weights, practice, and reading pictures from weights, on small cases."""

import numpy as np
import pytest
import torch
from rows import header, record

from nca_zoo.automaton.noise import Study, fold
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import N_PARAMS, flatten, seed_state, unflatten
from nca_zoo.features.measures import centre_on
from nca_zoo.features.queries import answers
from nca_zoo.life.engines.dense import DenseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.networks.imagining import gaussian
from nca_zoo.networks.learning import Schedule
from nca_zoo.networks.modules import Queries, Tokens
from nca_zoo.networks.practice import grown_centred, practice
from nca_zoo.networks.readers import QUERY, TRANSFORMER
from nca_zoo.networks.reading import NetworkPictureReader, PictureReader
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

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


def test_practice_is_drawn_from_classes_in_turn_and_shows_what_grows_by_step_96(zoo):
    """Against the dense engine, which lives on its own code."""
    weights, pictures = practice(zoo, 7, seed=3)
    keys = fold(fold(3, Study.PRACTICE), np.arange(7))
    for number, label in enumerate([0, 1, 2, 0, 1, 2, 0]):
        members = np.flatnonzero(zoo.label == label)
        shares = gaussian(zoo.weights[members], keys[[number]])[0]
        np.testing.assert_allclose(weights[number], shares @ zoo.weights[members], atol=1e-5)
        row, col = (int(np.rint(shares @ place[members])) for place in (zoo.seed_row, zoo.seed_col))
        key = fold(fold(3, Study.PRACTICE, 1), np.array([number]))
        nca = Automata(weights[[number]], seed_state(*GRID, row, col)[None], key[:, None])
        state = DenseEngine("cpu").rollout(nca, nca.starts(), 0, 96)[:, 0]
        ink = np.clip(state[..., :4], 0, 1).mean(axis=-1, keepdims=True)
        due = centre_on(ink, np.array([row]), np.array([col]))
        np.testing.assert_allclose(pictures[[number]], due, atol=1e-4)


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
    with pytest.raises(ValueError, match="once it is fitted"):
        NetworkPictureReader(QUERY, QUICK).read(shown[0])
