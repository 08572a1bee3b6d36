"""Settings as others ask them: what is said, what is meant, what nobody says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import GREY, header

from nca_zoo.errors import ZooError
from nca_zoo.store.settings import LEFT_OUT, Settings, dotted
from nca_zoo.training.regime import REGIMES


def test_what_a_zoo_says():
    settings = Settings(header().settings)
    assert (settings.regime, settings.init, settings.visible) == ("persistent", "meta", "rgba")
    assert settings.seed_hidden
    assert settings.stable
    assert settings.trained == 4
    assert Settings(header(target=GREY).settings).trained == 1
    assert settings.values["seed"] == 0


@pytest.mark.parametrize("regime", REGIMES.values(), ids=list(REGIMES))
def test_every_regime_says_what_is_asked(regime):
    settings = Settings({"regime": regime.as_dict()})
    assert settings.regime == regime.name
    assert settings.seed_hidden == regime.seed_hidden
    assert settings.stable == (len(regime.gate.trials) == 2)


@pytest.mark.parametrize("values", [{}, {"regime": {}}, {"regime": 3, "init": [], "target": "x"}])
def test_what_nobody_says(values):
    settings = Settings(values)
    assert settings.regime == settings.init == "unknown"
    assert settings.visible == "rgba"
    assert settings.mixed == {}
    for ask in ("seed_hidden", "stable"):
        with pytest.raises(ZooError, match="its settings lack regime"):
            getattr(settings, ask)


def test_the_fire_rate_is_one_half_unless_it_is_said():
    assert Settings({}).fire_rate == 0.5
    assert Settings({"regime": {"fire_rate": 1}}).fire_rate == 1
    for rate in (0, True, "all", 2):
        with pytest.raises(ZooError, match="fire_rate"):
            _ = Settings({"regime": {"fire_rate": rate}}).fire_rate


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), plain, max_size=4))
def test_any_settings_are_kept_whole(values):
    settings = Settings(values)
    assert settings.values == values
    assert dotted(values).items() <= settings.flat.items() or LEFT_OUT.keys() & dotted(values)
    assert settings.visible in ("rgba", "grey")
