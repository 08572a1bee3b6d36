"""Seeds that are cuttings, and those that are drawn, against numbers by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton.noise import fold, uniform
from nca_zoo.automaton.rule import seed_state
from nca_zoo.automaton.seeds import Seed, SeedKind, drawn_cells, lit_cells, parse_seed
from nca_zoo.errors import ZooError

GROWN = uniform(5, 5 * 6 * 16).reshape(5, 6, 16).astype(np.float32)
GROWN[0, 4] = 0  # a dead cell


@pytest.mark.parametrize("hidden", [True, False])
def test_a_cutting_holds_what_the_grown_cell_does_but_for_what_is_seen(hidden):
    kind = SeedKind(hidden, GROWN)
    state = kind.state((5, 6), [(3, 1), (0, 4)])
    assert state[3, 1].tolist() == [0, 0, 0, 1, *GROWN[3, 1, 4:].tolist()]
    assert state[0, 4].tolist() == [0, 0, 0, 1] + 12 * [float(hidden)]  # nothing to cut there
    state[3, 1] = state[0, 4] = 0
    assert not state.any()


@pytest.mark.parametrize("kind", [SeedKind(), SeedKind(False), SeedKind(True, GROWN)])
def test_a_planted_seed_changes_its_cell_alone(kind):
    busy = np.full((5, 6, 16), 7, np.float32)
    planted = kind.planted(busy, 3, 1)
    assert np.array_equal(planted[3, 1], kind.state((5, 6), [(3, 1)])[3, 1])
    planted[3, 1] = 7
    assert np.array_equal(planted, busy)
    if kind.grown is None:
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
