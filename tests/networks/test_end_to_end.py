"""Learning to write from what grows: derivatives by hand, a writer that gets better, going on."""

from dataclasses import replace

import numpy as np
import pytest
from rows import header, record

from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import ALPHA, seed_state
from nca_zoo.errors import ZooError
from nca_zoo.ground.archives import read_archive, write_archive
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.networks import end_to_end
from nca_zoo.networks.end_to_end import LEARNT, STAGES, Course, EndToEnd, found_in
from nca_zoo.networks.writing import Size, beginning, targets_of
from nca_zoo.pictures.motions import bent
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

GRID, N = (8, 9), 30
COURSE = Course(steps=30, begun=2, rate=3e-3, changes_rate=3e-4, base_rate=3e-4)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, lively_weights):
    """Bars of three lengths, and NCAs near one that lives."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, replace(header(), init_weights=lively_weights(0))) as writer:
        for i in range(N):
            target = np.zeros((*GRID, 4), np.uint8)
            target[3:5, 3 : 5 + i % 3] = 150 + 3 * i
            weights = lively_weights(0) + rng.normal(0, 1e-3, 8336).astype(np.float32)
            place = {"seed_row": 4, "seed_col": 4}
            writer.add([record(i, GRID, weights=weights, target=target, **place)])
    return open_zoo(path)


@pytest.fixture(scope="module")
def begun(zoo):
    return beginning(zoo, targets_of(zoo), Size(components=5, hidden=7, changes=4))


def lessons(zoo, begun, course=COURSE):
    return EndToEnd(begun, targets_of(zoo), SparseEngine(), course)


def error(writer, zoo):
    """Mean squared error at step 80, under masks of its own."""
    targets = targets_of(zoo)
    weights = np.stack([writer.weights(target) for target in targets])
    seeds = np.stack([seed_state(*GRID, t.seed_row, t.seed_col) for t in targets])
    ncas = Automata.grown(weights, seeds, seed=5)
    grown = SparseEngine().rollout(ncas, ncas.starts(), 0, 80)[:, 0, ..., :4]
    return np.mean((grown - np.stack([t.rgba for t in targets])) ** 2)


@pytest.fixture(scope="module")
def learnt(zoo, begun):
    taught = lessons(zoo, begun)
    losses = [taught.step() for _ in range(COURSE.steps)]
    return taught, losses


def test_what_grows_comes_nearer_to_the_pictures(zoo, begun, learnt):
    taught, losses = learnt
    assert all(len(each) == STAGES for each in losses)
    writer = taught.writer("bars")
    assert error(writer, zoo) < 0.7 * error(begun, zoo)
    assert writer.recipe["end_to_end"]["pictures"] == N
    assert writer.recipe["end_to_end"]["source"] == "bars"
    assert np.abs(writer.mix[:, 5:].astype(float)).max() > 0  # the units have their say
    for name in ("patterns", "mean"):
        np.testing.assert_array_equal(getattr(writer, name), getattr(begun, name))


def test_derivatives_are_those_of_what_is_written():
    """Against differences of the weights in double precision, in random directions."""
    rng = np.random.default_rng(0)
    shapes = {"into": (7, 5), "bias": (7,), "mix": (4, 12), "changes": (4, 50), "base": (50,)}
    held = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    found, gradients = rng.normal(size=(3, 5)), rng.normal(size=(3, 50))
    by = end_to_end._Written(found, held).back(gradients)
    assert set(by) == {*LEARNT}
    for name, shape in shapes.items():
        along = rng.normal(size=shape)
        ends = []
        for side in (-1, 1):
            moved = held | {name: held[name] + side * 1e-6 * along}
            ends.append((end_to_end._Written(found, moved).weights * gradients).sum())
        slope = (ends[1] - ends[0]) / 2e-6
        assert slope == pytest.approx((by[name] * along).sum(), rel=1e-5), name


def test_it_writes_in_training_what_its_file_writes(zoo, begun, learnt):
    taught, _ = learnt
    written = end_to_end._Written(found_in(begun, targets_of(zoo)), taught.state).weights
    file = np.stack([taught.writer("bars").weights(target) for target in targets_of(zoo)])
    moved = np.abs(written - begun.base).max()
    assert np.abs(written - file).max() < 0.02 * moved  # but for a byte a number


def test_pictures_weigh_alike_and_none_far_more_than_most():
    gradients = np.ones((5, 4), np.float32) * np.array([[1], [2], [0.5], [100], [0]], np.float32)
    weighed = end_to_end._weighed(gradients, np.array([1, 2, 0.5, 1, np.nan]))
    np.testing.assert_allclose(weighed[:, 0] * 5, [1, 1, 1, 2, 0])


def test_a_batch_is_begun_goes_on_and_leaves(zoo, begun):
    taught = lessons(zoo, begun)
    first = taught.state["pictures"].copy()
    taught.step()
    second = taught.state["pictures"].copy()
    np.testing.assert_array_equal(second[2:], first[:2])
    ended = taught.state["states"].copy()
    taught.step()
    np.testing.assert_array_equal(taught.state["pictures"][2:], second[:2])
    assert (ended[:2, ..., ALPHA] > 0.1).any(axis=(1, 2)).all()  # who was just begun, lives
    assert not np.array_equal(ended, taught.state["states"])


def test_it_goes_on_to_the_same_bits(zoo, begun, learnt, tmp_path):
    whole, _ = learnt
    part = lessons(zoo, begun)
    for _ in range(11):
        part.step()
    write_archive(tmp_path / "going.npz", {}, part.state, compressed=False)
    on = lessons(zoo, begun)
    on.go_on(read_archive(tmp_path / "going.npz", "state", "nobody", 1 << 28)[0])
    for _ in range(COURSE.steps - 11):
        on.step()
    assert on.writer("bars").digest == whole.writer("bars").digest


def test_an_nca_that_diverges_leaves_its_batch_and_teaches_nothing(zoo, begun):
    wild = replace(begun, base=1e3 * begun.base)
    taught = lessons(zoo, wild)
    taught.step()
    for name in LEARNT:
        assert np.isfinite(taught.state[name]).all(), name
    assert np.isfinite(taught.state["states"]).all()


def test_bent_copies_are_others_that_stay_what_they_are(zoo, begun, monkeypatch):
    """Behind the pictures come their copies; each is always the same, begun on a lit cell of its
    own, and met in training."""
    taught = lessons(zoo, begun, replace(COURSE, bent=3))
    met = []
    monkeypatch.setattr(end_to_end, "bent", lambda rgba, key: met.append(key) or bent(rgba, key))
    targets = targets_of(zoo)
    for which in (0, 7):
        copies = [taught._bent(which + N * copy) for copy in range(4)]
        assert copies[0].rgba is taught._targets[which].rgba
        inks = [copy.rgba[..., ALPHA].sum() for copy in copies]
        np.testing.assert_allclose(inks, inks[0], rtol=0.35)
        apart = [np.abs(copy.rgba - targets[which].rgba).max() for copy in copies]
        assert apart[0] == 0
        assert min(apart[1:]) > 0.02  # bars of two rows have little to bend
        assert len({copy.rgba.tobytes() for copy in copies}) == 4
        for copy in copies:
            assert copy.rgba[copy.seed_row, copy.seed_col, ALPHA] >= 0.5
    again = lessons(zoo, begun, replace(COURSE, bent=3))
    np.testing.assert_array_equal(again._bent(7 + N).rgba, taught._bent(7 + N).rgba)
    before = len(met)
    for _ in range(8):
        taught.step()
    assert len(met) > before
    assert taught.writer("bars").recipe["end_to_end"]["bent"] == 3


def test_a_seed_that_is_the_grids_centre_stays_there(zoo, begun):
    middle = [replace(target, seed_row=0, seed_col=0) for target in targets_of(zoo)]
    taught = EndToEnd(begun, middle, SparseEngine(), replace(COURSE, bent=1))
    assert (taught._bent(N).seed_row, taught._bent(N).seed_col) == (0, 0)


def test_settings_that_cannot_be():
    with pytest.raises(ZooError, match="bent is -1; it must be 0 or more"):
        Course(bent=-1)
    for name in ("steps", "begun", "rate", "changes_rate", "base_rate"):
        with pytest.raises(ZooError, match=f"{name} is 0; it must be more than 0"):
            Course(**{name: 0})
