"""Growths that are looked at on their way, along ink."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nca_zoo.life.engines.goals import NEVER, Goals, at_the_end
from nca_zoo.training.fronts import EDGE, LOOKS, PACE, on_the_way, ways


def searched(ink, begun):
    """The same by a queue, cell by cell."""
    far = np.full(ink.shape, np.inf)
    queue = deque(map(tuple, np.argwhere(begun).tolist()))
    for cell in queue:
        far[cell] = 0
    while queue:
        row, col = queue.popleft()
        for r in range(max(row - 1, 0), min(row + 2, ink.shape[0])):
            for c in range(max(col - 1, 0), min(col + 2, ink.shape[1])):
                if ink[r, c] and np.isinf(far[r, c]):
                    far[r, c] = far[row, col] + 1
                    queue.append((r, c))
    return far


@given(arrays(bool, (2, 6, 7)), st.integers(0, 41), st.integers(0, 41))
def test_ways_lead_along_ink(ink, one, other):
    begun = np.zeros((2, 6, 7), bool)
    begun.reshape(2, -1)[[0, 1], [one, other]] = True
    found = ways(ink, begun)
    for k in range(2):
        assert np.array_equal(found[k], searched(ink[k], begun[k]))


def test_a_way_goes_round_the_corner():
    ink = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1]], bool)
    begun = np.zeros((3, 4), bool)
    begun[0, 0] = True
    inf = np.inf
    assert ways(ink, begun).tolist() == [[0, 1, 2, 3], [inf, inf, inf, 3], [inf, inf, inf, 4]]


def test_what_is_due_comes_on_and_others_are_looked_at_in_the_end_alone():
    picture = np.ones((2, 3, 60, 4), np.float32)  # two strokes, and growths from their ends
    picture[1] *= 0.5
    begun, which = np.zeros((2, 5, 3, 60), bool), np.array([0, 3])
    begun[:, 0, 1, 0] = True
    begun[:, 3, 1, 59] = True
    steps = np.array([60, 30])
    goals = on_the_way(at_the_end(picture, steps, 5), begun, which, steps, LOOKS, 0.5)
    assert np.array_equal(goals.frames[:, 0], picture)
    for k, taken in enumerate(steps):
        looked = [at for at in LOOKS if at < taken]
        for example in range(5):
            when = goals.when[k, example]
            due = [*looked, taken] if example in which else [taken]
            assert np.flatnonzero(when != NEVER).tolist() == [at - 1 for at in due]
            assert when[taken - 1] == 0
        for look in looked:
            seen = goals.frames[k, goals.when[k, 0, look - 1]]
            front = PACE * 0.5 * look
            cells = np.arange(60)
            assert np.array_equal(
                seen[1, cells < front - EDGE], picture[k, 1, cells < front - EDGE]
            )
            assert not seen[1, cells > front + EDGE].any()
            other = goals.frames[k, goals.when[k, 3, look - 1]]
            assert np.array_equal(other, seen[:, ::-1])


def test_what_lives_is_due_at_once_each_its_own_picture():
    """Of two pictures that one NCA grows, a wound in the middle of a stroke: its edges are due
    first, the rest as if nothing had happened."""
    pictures = np.stack([np.full((1, 1, 40, 4), shade, np.float32) for shade in (1, 0.5)], axis=1)
    steps = np.array([50])
    last = at_the_end(pictures[:, 0], steps, 2)
    last.when[:, 1, steps - 1] = 1
    begun = np.ones((1, 2, 1, 40), bool)
    begun[..., 10:30] = False
    goals = on_the_way(Goals(pictures, last.when), begun, np.arange(2), steps, (5,), 1.0)
    for example, shade in enumerate((1, 0.5)):
        seen = goals.frames[0, goals.when[0, example, 4]][0, :, 0]
        assert (seen[:10] == shade).all()
        assert (np.diff(seen[9:20]) <= 0).all()
        assert not seen[18:22].any()
        assert np.array_equal(seen, seen[::-1])
