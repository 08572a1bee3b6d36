"""A fire rate from the command line to the file, and to everybody who lets its NCAs live."""

import numpy as np
import pytest
from small_builds import arguments, draw, made

import nca_zoo as nz
from nca_zoo.automaton import noise, rule
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.building.settings import chosen, zoo_settings
from nca_zoo.errors import ZooError
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.fronts import LOOKS
from nca_zoo.training.regime import CA_STEPS, Regime


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A zoo in which nothing is left to chance."""
    folder = tmp_path_factory.mktemp("fire")
    out = folder / "zoo.h5"
    command = arguments(draw(folder / "pictures", 1, 2), out, steps=30)
    made([*command, "--fire-rate", "1"])
    return open_zoo(out)


def test_the_file_says_so_and_the_stored_pictures_grow_again(zoo):
    assert zoo.settings.values["regime"]["fire_rate"] == 1
    assert zoo.fire_rate == 1
    assert list(regrow_problems(zoo)) == []


def test_everybody_lets_them_live_by_it(zoo):
    state = zoo.seed_states(0).astype(float)
    for _ in range(20):
        state = rule.step(zoo.weights[0].astype(float), state, np.ones(zoo.grid, bool))
    assert (state[..., 3] > 0.1).any()
    opened = nz.open(zoo.path, failed=True)
    for seed in (0, 5):  # of masks that do not matter
        (_, found), *_ = list(opened[0].rollout(20, every=20, states=True, seed=seed))[1:]
        np.testing.assert_allclose(found, state, rtol=0, atol=1e-4)
        (_, found), *_ = list(opened.rollout(20, every=20, states=True, seed=seed))[1:]
        np.testing.assert_allclose(found[0], state, rtol=0, atol=1e-4)


def test_wounded_ones_in_step_are_rolled_out_for_less_and_looked_at_on_the_way():
    for rate, ca_steps, looks in ((1.0, (32, 48), LOOKS), (0.75, CA_STEPS, ())):
        regime = zoo_settings(chosen(fire_rate=rate)).regime
        assert (regime.fire_rate, regime.ca_steps, regime.looks) == (rate, ca_steps, looks)
    for name in ("persistent", "growing"):  # which meet no wounds
        regime = zoo_settings(chosen(fire_rate=1.0, regime=name)).regime
        assert (regime.ca_steps, regime.looks) == (CA_STEPS, ())


@pytest.mark.parametrize(("batch", "damaged"), [(2, 1), (3, 2), (9, 8)])
def test_all_but_one_of_a_batch_are_wounded(batch, damaged):
    assert zoo_settings(chosen(batch=batch)).regime.damaged == damaged
    assert zoo_settings(chosen(batch=batch, regime="persistent")).regime.damaged == 0


def test_one_example_is_too_few_for_wounds():
    with pytest.raises(ZooError, match="batch is 1: one is begun anew"):
        zoo_settings(chosen(batch=1))
    assert zoo_settings(chosen(batch=1, regime="persistent")).regime.batch == 1


def test_a_rate_is_kept_only_where_it_is_not_half():
    assert "fire_rate" not in Regime("growing").as_dict()
    assert Regime("growing", fire_rate=0.75).step_settings()["fire_rate"] == 0.75
    assert noise.fire_level(Regime("growing").fire_rate) == 128
    for rate in (0, -1, 1.5, float("nan")):
        with pytest.raises(ZooError, match="fire_rate"):
            Regime("growing", fire_rate=rate)
