"""Arithmetic of our own against exact fractions, decimals and hand-computed order."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.ground.arithmetic import cosine, log10, mean, norm, power, ten_to, total

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=70))
def test_sums_are_those_of_fractions_to_rounding(values):
    exact = sum(map(Fraction, values))
    size = float(sum(abs(Fraction(value)) for value in values))
    assert abs(total(np.array(values)) - float(exact)) <= 8 * 2.0**-52 * size
    assert norm(np.array(values)) == pytest.approx(math.hypot(*values), rel=1e-14, abs=1e-150)


def test_the_order_of_a_sum_is_ours():
    """The second half to the first, a + d, b + e, c, and so on, each rounded as float32."""
    a, b, c, d, e = values = np.array([1e8, 3.3, -1e8, 7.7, 0.1], np.float32)
    assert total(values) == ((a + d) + c) + (b + e)
    assert total(values) != values.astype(np.float64).sum()


def test_sums_over_any_axis_of_any_layout_leave_what_they_add_alone():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for axis in (0, 1, 2, -1):
        for same in (values, np.asfortranarray(values)):
            assert np.array_equal(total(same, axis), values.sum(axis))
            assert np.array_equal(mean(same, axis), values.mean(axis))
    assert np.array_equal(values.ravel(), np.arange(24))
    assert total(values).dtype == mean(values).dtype == np.float32


def test_a_norm_of_large_float32_does_not_overflow():
    assert norm(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30)
    assert np.isnan(norm(np.array([np.nan, 1], np.float32)))


@given(st.floats(2.0**-1000, 2.0**1000))
def test_logarithms_against_decimals(value):
    with localcontext(prec=40):
        exact = float(Decimal(value).log10())
    assert log10(value) == pytest.approx(exact, rel=1e-15, abs=1e-15)


def test_logarithms_of_many_at_once_and_of_1():
    assert np.allclose(log10([1.0, 10.0, 1e-3]), [0, 1, -3], rtol=1e-15)
    assert log10(1.0) == 0


def test_cosines_against_their_series_in_fractions():
    for step in range(101):
        angle = 0.5 * math.pi * step / 100
        exact = sum(
            Fraction(-1) ** n * Fraction(angle) ** (2 * n) / math.factorial(2 * n)
            for n in range(20)
        )
        assert cosine(angle) == pytest.approx(float(exact), rel=0, abs=1e-15)


def test_powers_are_products_one_by_one():
    assert power(0.9, 0) == 1
    assert power(0.9, 3) == 0.9 * 0.9 * 0.9
    assert power(0.999, 2400) == pytest.approx(float(Fraction(0.999) ** 2400), rel=1e-12)


@given(st.floats(-12, 12))
def test_powers_of_ten(exponent):
    assert math.isclose(ten_to(exponent), 10**exponent, rel_tol=1e-14)
