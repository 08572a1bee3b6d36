"""A flow that imagines, learnt from weights whose classes, spread and seeds are known by hand."""

import numpy as np
import pytest

from nca_zoo.automaton.noise import fold
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import write_archive
from nca_zoo.networks import flow as module
from nca_zoo.networks.flow import Size, learn_flow, read_flow, save_flow, waves
from nca_zoo.networks.learning import Schedule

N, K = 90, 3
KEYS = fold(5, np.arange(300))
SMALL = Size(components=K, schedule=Schedule(steps=500, batch=64, rate=5e-3))


@pytest.fixture(scope="module")
def known():
    """Class 4 lies on one side along the first of three axes, class 8 on the other, and only 8 has
    two branches along the second; seeds go along the third; a little of all else."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(N_PARAMS, K)))[0].T
    labels = np.repeat([4, 8], N // 2)
    scores = rng.normal(size=(N, K)) * [0.3, 0.3, 1.0]
    scores[:, 0] += np.where(labels == 4, 3, -3)
    scores[labels == 8, 1] += np.where(np.arange(N // 2) % 2, 2, -2)
    weights = 1 + scores @ axes + 1e-3 * rng.normal(size=(N, N_PARAMS)) / np.sqrt(N_PARAMS)
    places = 14 + 2 * scores[:, 2:] * [1, -1]
    return weights.astype(np.float32), places, labels, axes


@pytest.fixture(scope="module")
def flow(known):
    weights, places, labels, _ = known
    return learn_flow(weights, places, labels, {"zoo": "a"}, SMALL)


def drawn(flow, known, label):
    weights, places = flow.draw(label, KEYS)
    return (weights - 1.0) @ known[3].T, places


def test_classes_are_where_they_lie_and_branches_are_no_gaussian(flow, known):
    four, eight = (drawn(flow, known, label)[0] for label in (4, 8))
    assert np.abs(four[:, 0] - 3).mean() < 0.6
    assert np.abs(eight[:, 0] + 3).mean() < 0.6
    for side in (-2, 2):
        assert 0.3 < (np.abs(eight[:, 1] - side) < 1).mean() < 0.65
    assert (np.abs(eight[:, 1]) < 0.7).mean() < 0.2  # a Gaussian has a third of them there
    assert four[:, 2].std() == pytest.approx(1, abs=0.35)
    assert np.abs(four[:, 1]).mean() < 0.6


def test_seeds_come_along_with_the_weights(flow, known):
    scores, places = drawn(flow, known, 4)
    np.testing.assert_allclose(places, 14 + 2 * scores[:, 2:] * [1, -1], atol=0.2)


def test_what_a_key_draws_is_its_own(flow):
    np.testing.assert_allclose(flow.draw(8, KEYS[7:9])[0], flow.draw(8, KEYS[:20])[0][7:9])
    assert np.abs(flow.draw(8, KEYS[:1])[0] - flow.draw(8, KEYS[1:2])[0]).max() > 1e-4


def test_what_the_network_does_not_see_is_a_gaussian_of_the_class(known):
    """With one component learnt, two others are left: their means and spreads are the class's."""
    weights, places, labels, axes = known
    one = learn_flow(weights, places, labels, {}, Size(components=1, schedule=Schedule(steps=5)))
    for label in (4, 8):
        due = (weights[labels == label] @ axes.T)[:, 1:]
        drawn = (one.draw(label, KEYS)[0] @ axes.T)[:, 1:]
        np.testing.assert_allclose(drawn.mean(axis=0), due.mean(axis=0), atol=0.3)
        np.testing.assert_allclose(drawn.std(axis=0), due.std(axis=0), rtol=0.2)


def test_learning_again_gives_the_same_and_so_does_its_file(flow, known, tmp_path):
    weights, places, labels, _ = known
    few = Size(components=K, schedule=Schedule(steps=5))
    again = [learn_flow(weights, places, labels, {}, few).digest for _ in range(2)]
    assert again[0] == again[1] != flow.digest
    save_flow(tmp_path / "flow.npz", flow)
    read = read_flow(tmp_path / "flow.npz")
    assert read.digest == flow.digest
    assert read.recipe == flow.recipe == {"zoo": "a", "components": K, "steps": 500, "ncas": N}
    np.testing.assert_array_equal(read.draw(4, KEYS)[0], flow.draw(4, KEYS)[0])


def test_times_can_be_told_apart():
    told = waves(np.linspace(0, 1, 50))
    assert told.shape == (50, 2 * module.WAVES)
    apart = np.abs(told[:, None] - told[None]).max(axis=-1)
    assert apart[~np.eye(50, dtype=bool)].min() > 0.1


def test_classes_and_files_that_it_does_not_know(flow, tmp_path):
    with pytest.raises(ZooError, match=r"has met no class 7; it knows \[4, 8\]"):
        flow.draw(7, KEYS)
    path = tmp_path / "flow.npz"
    arrays = {name: getattr(flow, name) for name in module.ARRAYS}
    arrays |= {f"layer_{i}": layer for i, layer in enumerate(flow.layers)}
    for name, bad in (
        ("layer_2", flow.layers[2][1:]),
        ("mean", flow.mean * np.nan),
        ("axes", flow.axes.astype(np.float32)),
        ("labels", None),
    ):
        held = {n: a for n, a in (arrays | {name: bad}).items() if a is not None}
        write_archive(path, {}, held, compressed=False)
        with pytest.raises(ZooError, match=f"not a model file .*: {name} is .*; learn it anew"):
            read_flow(path)
