"""The gate's verdicts, and how a zoo file says what it asked."""

import dataclasses
import json

import numpy as np
import pytest

from nca_zoo.errors import ZooError
from nca_zoo.life.quality import STABLE, Look
from nca_zoo.training.gate import Criterion, Gate, Heals, gate
from nca_zoo.training.regime import REGIMES


def looks_of(psnr_96, psnr_400, alive_96=0.5, alive_400=0.5, error_400=0.0, window_400=0.0):
    def look(*measured):
        psnr, alive, error, window = (np.array([value], np.float32) for value in measured)
        return Look(psnr, alive, np.zeros((1, 3, 3, 4), np.float32), error, window)

    late = look(psnr_400, alive_400, error_400, window_400)
    return {"96": look(psnr_96, alive_96, 0.0, 0.0), "400": late}


@pytest.mark.parametrize(
    ("measured", "asked", "expected"),
    [
        (looks_of(25, 21), Gate(), "ok"),
        (looks_of(25, 19), Gate(), "below_gate"),
        (looks_of(19, 25), Gate(), "below_gate"),
        (looks_of(25, 5), gate(stable=False), "ok"),
        (looks_of(30, 30, alive_400=0), Gate(), "dead"),
        (looks_of(30, 30, alive_400=0), gate(stable=False), "ok"),
        (looks_of(30, 30, alive_96=0), gate(stable=False), "dead"),
        (looks_of(5, 25), Gate((Criterion(STABLE),)), "ok"),
        (looks_of(25, 25, error_400=0.051), Gate(), "below_gate"),  # of a thin picture
        (looks_of(25, 25, error_400=0.049), Gate(), "ok"),
        (looks_of(25, 25, error_400=0.051), Gate(error=None), "ok"),  # that of version 0.1
        (looks_of(25, 25, window_400=0.151), Gate(), "below_gate"),  # a hole
        (looks_of(25, 25, window_400=0.149), Gate(), "ok"),
        (looks_of(25, 25, window_400=0.151), Gate(window=None), "ok"),
    ],
)
def test_verdict(measured, asked, expected):
    assert asked.verdict(measured, np.zeros((1, 8336), np.float32)) == [expected]


def test_what_does_not_heal_is_below_a_gate_that_asks_for_it():
    weights, whole = np.zeros((1, 8336), np.float32), looks_of(30, 30)
    asks = gate(heals=Heals(passes=0.5))
    for heals, expected in ((False, "below_gate"), (True, "ok")):
        assert asks.verdict(whole, weights, np.array([heals])) == [expected]
    assert asks.verdict(looks_of(30, 10), weights, np.array([True])) == ["below_gate"]
    assert Gate().verdict(whole, weights) == ["ok"]


def test_until_what_training_lasts_can_be_chosen():
    asks = gate(heals=Heals(passes=0.5, stops=0.9))
    later = asks.until(db=31.5, heals=1.0)
    assert later.enough == {"96": 31.5, "400": 31.5}
    assert later.heals == Heals(0.5, 1.0)
    assert [c.passes for c in later.criteria] == [20, 20]  # what is ok stays
    assert asks.until() == asks
    healed = "100 % of the wounds healed"
    assert later.waits_for == f"31.5 dB at step 96, 31.5 dB at step 400, {healed}"
    assert Gate().waits_for == "25 dB at step 96, 25 dB at step 400"
    assert not gate(stops=float("inf")).waits_for
    for wrong, said in (
        ({"db": 19.0}, "until 19 dB: the gate asks for 20 dB"),
        ({"db": float("nan")}, "until nan dB"),
        ({"heals": 0.4}, "until 0.4 of the wounds heal: the gate asks for 0.5"),
        ({"heals": 1.2}, "share of wounds that heal is 1.2; it must be from 0 to 1"),
    ):
        with pytest.raises(ZooError, match=said):
            asks.until(**wrong)
    with pytest.raises(ZooError, match=r"trains no healing.*--regime regenerating"):
        Gate().until(heals=0.9)


def test_weights_that_are_not_finite_have_diverged():
    weights = np.zeros((1, 8336), np.float32)
    weights[0, 17] = np.nan
    assert Gate().verdict(looks_of(30, 30), weights) == ["diverged"]


def test_training_may_end_where_every_criterion_says_so():
    asked = gate(passes=20, stops=25)
    assert asked.reached(looks_of(25, 25), "stops")
    assert not asked.reached(looks_of(25, 24), "stops")
    assert asked.enough == {"96": 25, "400": 25}
    assert not gate(stops=float("inf")).may_stop
    assert asked.score(looks_of(30, 22)) == 22


def test_the_file_says_of_a_gate_what_it_always_said():
    """Zoos that version 0.1 began go on with the same settings."""
    persistent = {
        "pass_96": 20.0, "pass_400": 20.0, "stop_96": 27.0, "stop_400": 27.0, "check_every": 10,
    }  # fmt: skip
    told = REGIMES["persistent"].as_dict()["gate"]
    assert told == persistent | {"pass_error": 0.05, "pass_window": 0.15}
    before = dataclasses.replace(REGIMES["persistent"].gate, error=None, window=None)
    assert before.as_dict() == persistent
    growing = REGIMES["growing"].as_dict()["gate"]
    assert growing["pass_400"] is growing["stop_400"] is None
    assert json.dumps(REGIMES["growing"].as_dict(), sort_keys=True)
