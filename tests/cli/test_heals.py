"""What commands and readers say of wounds that close, and how one asks for more of them."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.building.settings import chosen, zoo_settings
from nca_zoo.errors import ZooError
from nca_zoo.probing.quantities import names, quantity
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

SHARES = ({"heals_3": 1.0, "heals_half": 0.5}, {"heals_3": 0.5, "heals_half": 0.0}, {})


@pytest.fixture
def path(tmp_path):
    """Three NCAs; of the last nobody knows whether it heals, and of none about circles of 5."""
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number, **shares) for number, shares in enumerate(SHARES)])
    return tmp_path / "zoo.h5"


def test_shares_are_columns_and_what_nobody_knows_is_missing(path):
    assert verify(path) == []
    with h5py.File(path) as file:
        stored = {name: file[name][:] for name in ("heals_3", "heals_5", "heals_half")}
    np.testing.assert_array_equal(stored["heals_3"], np.float32([1, 0.5, np.nan]))
    assert np.isnan(stored["heals_5"]).all()
    zoo = open_zoo(path)
    assert "heals_half" in names(zoo)
    np.testing.assert_array_equal(quantity(zoo, "heals_half").values, [0.5, 0, np.nan])


def test_a_share_is_from_0_to_1(tmp_path):
    with (
        ZooWriter(tmp_path / "zoo.h5", header()) as writer,
        pytest.raises(ZooError, match=r"heals_3 of 0-000 is 1\.5; expected 0 to 1"),
    ):
        writer.add([record(0, heals_3=1.5)])


def test_info_tells_means_of_what_is_known(path):
    told = CliRunner().invoke(group, ["info", "--zoo", str(path)])
    assert "heals     radius 3 75 %, half 25 % of wounds" in told.stdout.splitlines()
    about = json.loads(CliRunner().invoke(group, ["info", "--zoo", str(path), "--json"]).stdout)
    assert about["heals"] == {"heals_3": 0.75, "heals_half": 0.25}


def test_a_zoo_from_before_says_nothing(path):
    """Without the columns it opens, is whole, and is silent about healing."""
    with h5py.File(path, "r+") as file:
        for name in ("heals_3", "heals_5", "heals_7", "heals_half"):
            del file[name]
    assert verify(path) == []
    told = CliRunner().invoke(group, ["info", "--zoo", str(path)])
    assert told.exit_code == 0
    assert not any(line.startswith("heals") for line in told.stdout.splitlines())
    with ZooWriter(path, header()) as writer:  # and it can be added to
        writer.add([record(7, heals_3=0.25)])
    np.testing.assert_array_equal(np.isnan(open_zoo(path).heals_3), [True, True, False, True])


def test_until_what_training_lasts_is_a_setting_of_the_zoo():
    settings = zoo_settings(chosen(regime="regenerating", until=30, until_heals=0.95))
    gate = settings.regime.as_dict()["gate"]
    assert (gate["stop_96"], gate["stop_400"], gate["stop_heals"]) == (30, 30, 0.95)
    assert zoo_settings(chosen(until=31)).regime.as_dict()["gate"]["stop_96"] == 31
    with pytest.raises(ZooError, match="trains no healing"):
        zoo_settings(chosen(regime="persistent", until_heals=0.9))
    with pytest.raises(ZooError, match="until 12 dB: the gate asks for 20 dB"):
        zoo_settings(chosen(until=12))


@pytest.mark.parametrize("command", ["build", "fit", "draw"])
def test_commands_take_it(command):
    assert "--until-heals SHARE" in CliRunner().invoke(group, [command, "--help"]).stdout
