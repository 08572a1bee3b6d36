"""Tensors that are fitted alone: the others stay the start's, or are learnt in common."""

from dataclasses import replace

import numpy as np
import pytest

from nca_zoo.automaton.rule import N_PARAMS, TENSORS, param_slices
from nca_zoo.building.settings import build_settings, chosen, quiet
from nca_zoo.errors import ZooError
from nca_zoo.features.transformers import Tensor
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.settings import Settings
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import make_init
from nca_zoo.training.metastart import Recipe, meta_learn
from nca_zoo.training.regime import REGIMES

PERSISTENT = REGIMES["persistent"]
FEW = replace(PERSISTENT, train=("b2", "b1"))
START = make_init("meta", "persistent")


def targets(n=2):
    inks = np.zeros((n, 9, 9), np.uint8)
    for k in range(n):
        inks[k, 2:7, 3 : 5 + k] = 255
    return [make_target(ink) for ink in inks]


def trained(regime, steps=2, common=False):
    cohort = Cohort(regime, make_engine(threads=1), 9, 9, 4, room=2, common=common)
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


def test_in_common_means_the_same_in_all():
    found = trained(FEW, common=True)
    for name, part in param_slices().items():
        assert np.array_equal(found[0, part], found[1, part]) == (name not in FEW.train), name
        assert (found[:, part] != START.shared[part]).any()


def test_a_start_for_few_numbers_moves_all_tensors():
    recipe = Recipe(rounds=1, tasks=2, first_steps=2, last_steps=2)
    *_, last = meta_learn(targets(), FEW, make_engine(threads=1), recipe, START)
    for part in param_slices().values():
        assert (last.weights[part] != START.shared[part]).any()


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
