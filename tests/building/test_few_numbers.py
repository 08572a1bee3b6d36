"""Tensors that are fitted alone: the others stay the start's, or are one rule learnt for all."""

from dataclasses import replace

import numpy as np
import pytest
from commands import run
from small_builds import draw

from nca_zoo.automaton.rule import N_PARAMS, TENSORS, param_slices
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.building.settings import build_settings, chosen, quiet
from nca_zoo.errors import ZooError
from nca_zoo.face.verbs import open as open_face
from nca_zoo.features.transformers import Tensor
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.settings import Settings
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.writer import read_writer

PERSISTENT = REGIMES["persistent"]
FEW = replace(PERSISTENT, train=("b2", "b1"))
START = make_init("meta", "persistent")


def targets(n=2):
    inks = np.zeros((n, 9, 9), np.uint8)
    for k in range(n):
        inks[k, 2:7, 3 : 5 + k] = 255
    return [make_target(ink) for ink in inks]


def trained(regime, steps=2):
    cohort = Cohort(regime, make_engine(threads=1), 9, 9, 4, room=2)
    for k, target in enumerate(targets()):
        cohort.add(Member(Job(str(k), target, START, k)))
    for _ in range(steps):
        cohort.step()
    return cohort.weights.copy()


@pytest.mark.parametrize("tensors", [("b1", "b2"), ("W2",), TENSORS])
def test_only_what_is_fitted_changes(tensors):
    found = trained(replace(PERSISTENT, train=tensors))
    for name, part in param_slices().items():
        moved = found[:, part] != START.shared[part]
        assert moved.any() == (name in tensors), name


def learn(pictures, out, *more, code=0):
    few = ["--rounds", 3, "--tasks", 2, "--threads", 1]
    return run("metastart", "--train", "b1,b2", "--regime", "regenerating", "--source", pictures,
               *few, "--out", out, *more, code=code)  # fmt: skip


def build(pictures, out, *more, code=0):
    few = ["--per-class", 2, "--steps", 4, "--extra-steps", 0, "--attempts", 1, "--jobs", 1]
    return run("build", "--source", pictures, "--train", "b1,b2", *few, *more, "--out", out,
               code=code)  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("few") / "pictures", 2, 4)


@pytest.fixture(scope="module")
def start(pictures):
    """One rule for these pictures, hardly learnt, and what writes the rest."""
    out = pictures.parent / "few.npz"
    learn(pictures, out)
    return out


def test_a_rule_is_learnt_with_what_writes_few_numbers(pictures, start):
    writer = read_writer(start)
    assert writer.touched == FEW.train
    assert writer.S is None
    begun = make_init("meta", "regenerating").shared
    targets = [make_target(picture.pixels) for picture in load_pictures(pictures)[1]]
    written = np.stack([writer.weights(target) for target in targets])
    for name, part in param_slices().items():
        assert (writer.base[part] != begun[part]).any(), name
        assert (written[:, part] == writer.base[part]).all() == (name not in FEW.train), name
    assert writer.recipe["end_to_end"]["steps"] == 3


def test_a_zoo_of_few_numbers_shares_the_rest(pictures, start, tmp_path):
    out = tmp_path / "few.h5"
    build(pictures, out, "--start", start)
    zoo, writer = open_zoo(out), read_writer(start)
    for name, part in param_slices().items():
        if name in FEW.train:
            assert len(np.unique(zoo.weights[:, part], axis=0)) == len(zoo) == 4
        else:
            assert (zoo.weights[:, part] == writer.base[part]).all(), name
    assert set(zoo.column("init")) == {"written"}
    assert zoo.settings.values["writer"] == writer.digest
    assert zoo.attrs["regime"]["train"] == ["b1", "b2"]
    X, _ = open_face(out, failed=True).xy(feature="fitted")
    assert X.shape == (4, 144)
    assert verify(out) == []
    assert list(regrow_problems(zoo)) == []
    other = tmp_path / "other.h5"
    build(pictures, other, "--start", start, "--init", "meta", code=1)
    said = build(pictures, other, "--start", start, "--fire-rate", 1, code=1).output
    assert "was learnt with fire_rate 0.5, and this build has 1.0" in said


def test_which_start_few_numbers_have(start):
    def init(**choices):
        return build_settings(chosen(**choices), quiet, init="meta", alpha="ink").init

    ships = init(train="b2,b1")
    assert (ships.name, ships.writer.touched) == ("written", FEW.train)
    assert init(train="b1,b2", init="meta").shared is not None
    assert init(train="W2").name == "meta"
    assert init(train="W2", init="written").writer.touched == TENSORS
    assert init(train="b1", start=start).writer.digest == read_writer(start).digest
    assert init(start=start).name == "written"  # a file says what it is
    assert init().name == "meta"


def test_what_one_rule_is_not_learnt_with(pictures, tmp_path):
    out = tmp_path / "no.npz"
    assert "leave --lr out" in learn(pictures, out, "--lr", 1e-3, code=1).output
    assert "leave --train or --code out" in learn(pictures, out, "--code", 3, code=1).output
    said = learn(pictures, out, "--train", "b1,b3", code=1).output
    assert "must be some of W1, b1, W2, b2" in said


def test_the_setting_is_kept_where_it_is_not_all():
    assert "train" not in PERSISTENT.as_dict()
    assert FEW.train == ("b1", "b2")
    assert FEW.as_dict()["train"] == ("b1", "b2")
    settings = build_settings(chosen(train="b2, b1"), quiet, init="meta", alpha="ink")
    assert settings.regime.train == ("b1", "b2")
    assert Settings({"regime": {"train": ["b1", "b2"]}}).fitted == ("b1", "b2")
    assert Settings({}).fitted == TENSORS
    for wrong in ("b3", "b1,b3", " , "):
        with pytest.raises(ZooError, match="must be some of W1, b1, W2, b2"):
            build_settings(chosen(train=wrong), quiet, init="meta", alpha="ink")
    with pytest.raises(ZooError, match=r"regime\.train"):
        _ = Settings({"regime": {"train": "b1"}}).fitted


def test_the_short_vector_is_those_tensors():
    weights = np.arange(2 * N_PARAMS, dtype=np.float32).reshape(2, N_PARAMS)
    short = Tensor("b1,b2").transform(weights)
    parts = [weights[:, param_slices()[name]] for name in ("b1", "b2")]
    np.testing.assert_array_equal(short, np.concatenate(parts, axis=1))
    assert short.shape == (2, 144)
