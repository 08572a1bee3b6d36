"""Samples: even over the classes, and always the same."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.viewer.picking import sample_classes, sample_rows


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=40), st.integers(1, 9))
def test_so_many_of_each_class_class_by_class(labels, most):
    labels = np.array(labels)
    rows = sample_classes(labels, most)
    assert len(set(rows.tolist())) == len(rows)
    assert np.array_equal(rows, sample_classes(labels, most))
    assert (np.diff(labels[rows]) >= 0).all()
    for label in np.unique(labels):
        mine = rows[labels[rows] == label]
        assert len(mine) == min(most, (labels == label).sum())
        assert (np.diff(mine) > 0).all()


def test_a_larger_sample_holds_the_smaller_one():
    labels = np.repeat([0, 1, 2], [50, 5, 45])
    assert set(sample_classes(labels, 3)) < set(sample_classes(labels, 4))
    assert set(sample_rows(labels, 9)) == set(sample_classes(labels, 3))
