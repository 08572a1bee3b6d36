"""Seeds that are told their place, and those that are drawn, against numbers by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton.noise import fold
from nca_zoo.automaton.rule import seed_state
from nca_zoo.automaton.seeds import (
    Seed,
    SeedKind,
    drawn_cells,
    home_of,
    lit_cells,
    parse_seed,
    place,
    places,
)
from nca_zoo.errors import ZooError


def test_a_seed_is_told_how_far_from_home_it_stands():
    """Five cells down, ten to the left: an eighth of the slow round, half of the fast one."""
    state = SeedKind(True, (3, 14)).state((20, 20), [(8, 4), (3, 14)])
    eighth, quarter, half, whole = [0, np.sqrt(2)], [1, -1], [-1, -1], [1, 1]
    expected = [0, 0, 0, 1, *eighth, *quarter, *half, *whole, 1, 1, 1, 1]
    np.testing.assert_allclose(state[8, 4], expected, atol=1e-6)
    assert np.array_equal(state[3, 14], seed_state(20, 20, 3, 14)[3, 14])  # to the bit
    state[8, 4] = state[3, 14] = 0
    assert not state.any()


def test_no_two_places_of_a_grid_are_told_alike():
    told = places((40, 40), (17, 31)).reshape(-1, 8)
    apart = np.linalg.norm(told[:, None] - told[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.8  # one cell, most of it by what turns fast
    assert np.array_equal(told.reshape(40, 40, 8)[3, 5], place(3 - 17, 5 - 31))
    assert np.array_equal(place(-7, 4), place(33, -36))
    assert home_of(seed_state(9, 8, 5, 2)) == (5, 2)


@pytest.mark.parametrize("kind", [SeedKind(), SeedKind(False), SeedKind(True, (2, 5))])
def test_a_planted_seed_changes_its_cell_alone(kind):
    busy = np.full((5, 6, 16), 7, np.float32)
    planted = kind.planted(busy, 3, 1)
    assert np.array_equal(planted[3, 1], kind.state((5, 6), [(3, 1)])[3, 1])
    planted[3, 1] = 7
    assert np.array_equal(planted, busy)
    if kind.home is None:
        assert np.array_equal(kind.state((5, 6), [(3, 1)]), seed_state(5, 6, 3, 1, kind.hidden))


def test_cells_are_drawn_from_the_lit_ones_and_all_are_met():
    alpha = np.zeros((6, 7), np.float32)
    lit = {(1, 2), (1, 3), (4, 5), (5, 0)}
    for cell in lit:
        alpha[cell] = 0.9
    alpha[0, 0] = 0.49
    drawn = [drawn_cells(fold(3, i), alpha, 2) for i in range(60)]
    assert all(len(set(cells)) == 2 and lit >= set(cells) for cells in drawn)
    assert len({frozenset(cells) for cells in drawn}) == 6  # all pairs of four
    assert drawn[5] == drawn_cells(fold(3, 5), alpha, 2)
    assert set(drawn_cells(9, alpha, 7)) == lit  # there are no more
    faint = np.where(alpha == np.float32(0.49), 0.2, 0)
    assert drawn_cells(9, faint, 3) == [(0, 0)]  # the strongest there is


def test_cells_that_weigh_more_are_drawn_more_often():
    alpha, weights = np.ones((8, 8)), np.ones((8, 8))
    weights[2, 3] = 4
    first = [drawn_cells(fold(5, i), alpha, 1, weights)[0] for i in range(4000)]
    expected = 4000 * 4 / 67
    assert abs(first.count((2, 3)) - expected) < 0.2 * expected
    assert len(set(first)) == 64
    assert len(set(drawn_cells(1, alpha, 64, weights))) == 64


def test_a_cell_is_lit_from_the_level_128_on():
    levels = np.arange(256, dtype=np.float32).reshape(16, 16) / np.float32(255)
    assert np.count_nonzero(lit_cells(levels)) == 128
    assert lit_cells(levels).ravel()[128:].all()


def test_parse_seed():
    assert parse_seed("14,9") == Seed(0, 14, 9)
    assert parse_seed(" 200:0,27 ") == Seed(200, 0, 27)


@given(st.text() | st.from_regex(r"-?\d+[:,][\d.,+e-]*", fullmatch=True))
def test_any_other_text_is_one_line_of_error(text):
    try:
        parse_seed(text)
    except ZooError as error:
        assert len(str(error).splitlines()) == 1
        assert "200:14,9" in str(error)
