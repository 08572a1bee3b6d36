import json
from typing import get_args

import numpy as np
import pytest
from rows import header

from nca_zoo.automaton.rule import N_PARAMS, PARAM_SPEC
from nca_zoo.errors import ZooError
from nca_zoo.store.schema import (
    ATTRIBUTES,
    BY_NAME,
    COLUMNS,
    STATUSES,
    Header,
    column_problem,
    resample_loss,
)
from nca_zoo.training.gate import Status

SIZES = {"H": 3, "W": 4, "L": 100}


def test_columns_explain_themselves():
    assert all(column.description for column in (*COLUMNS, *ATTRIBUTES))
    assert len(BY_NAME) == len(COLUMNS)
    assert BY_NAME["weights"].row_bytes(SIZES) == 4 * N_PARAMS
    assert BY_NAME["target"].row_shape(SIZES) == (3, 4, 4)


def test_statuses_are_those_of_the_gate_and_one_without():
    assert set(STATUSES) - set(get_args(Status)) == {"unjudged"}
    assert set(STATUSES) >= set(get_args(Status))


def test_only_what_nobody_recorded_may_be_unknown():
    ids, ok = np.array([b"a"]), np.array([True])
    may = {
        column.name
        for column in COLUMNS
        if column.is_float
        and not column_problem(
            column, np.full((1, *column.row_shape(SIZES)), np.nan, column.dtype), ids, ok, SIZES
        )
    }
    assert may == {"loss", "wall_s", "heals_3", "heals_5", "heals_7", "heals_half"}


def test_stored_attributes_are_strict_json():
    stored = header().stored()
    settings = json.loads(stored["settings"], parse_constant=pytest.fail)
    assert settings["regime"]["gate"]["stop_96"] == "inf"  # JSON knows no infinity
    assert [tuple(shape) for _, shape in json.loads(stored["param_spec"])] == [
        shape for _, shape in PARAM_SPEC
    ]


def test_header_names_differing_settings():
    differ = header().differences(header(seed=7, regime={"name": "persistent", "batch": 4}))
    assert "seed 0 -> 7" in differ
    assert "regime.batch 2 -> 4" in differ
    assert "regime.gate.stop_96 inf -> unset" in differ
    assert header().differences(header()) == []


def test_header_names_another_start():
    other = Header(**header().__dict__ | {"init_weights": np.zeros(N_PARAMS, np.float32)})
    assert header().differences(other) == ["the shared start (init_weights) is another"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "digits\x1b[2J"}, "control characters"),
        ({"settings": {"a": ["b\u202e"]}}, "control characters"),
        ({"settings": {"regime": 3}}, "regime"),
        ({"settings": []}, "JSON object"),
        ({"init_weights": np.zeros(3, np.float32)}, "expected float32"),
        ({"init_weights": np.full(N_PARAMS, np.nan, np.float32)}, "not finite"),
    ],
)
def test_header_refuses(changes, words):
    with pytest.raises(ZooError, match=words):
        Header(**header().__dict__ | changes)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("id", b"7-012", b"7/012"),
        ("id", b"a" * 64, b""),
        ("id", b"gecko.v2_b", b"\x1b[2J"),
        ("status", b"dead", b"fine"),
        ("label", -1, -2),
        ("seed_row", 2, 3),
        ("seed_col", 3, 4),
        ("seed_col", 0, -1),
        ("alive_400", 1.0, 1.001),
        ("psnr_96", 0.0, np.nan),
        ("loss", 0.5, np.inf),
        ("attempts", 1, 0),
        ("weights", -3e38, np.nan),
    ],
)
def test_column_problem(name, good, bad):
    column = BY_NAME[name]
    ids = np.array([b"1-000", b"2-000"])
    ok = np.ones(2, bool)
    values = np.full((2, *column.row_shape(SIZES)), good, column.dtype)
    assert column_problem(column, values, ids, ok, SIZES) is None
    values[1] = bad
    problem = column_problem(column, values, ids, ok, SIZES)
    assert problem is not None
    assert problem.isprintable()
    assert name in problem
    assert column.is_text or "2-000" in problem
    if column.is_float:  # a failed fit may hold anything
        assert column_problem(column, values, ids, np.array([True, False]), SIZES) is None


def test_resampled_loss_is_the_curve_by_linear_interpolation():
    curve = np.array([4.0, 2.0, 1.0])
    np.testing.assert_allclose(resample_loss(curve, 5), [4, 3, 2, 1.5, 1])
    np.testing.assert_array_equal(resample_loss(curve, 3), curve.astype(np.float32))
    np.testing.assert_array_equal(resample_loss([7.0], 3), [7, 7, 7])
    with pytest.raises(ValueError, match="at least one step"):
        resample_loss([])
