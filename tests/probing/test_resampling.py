import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_zoo.automaton import noise
from nca_zoo.probing.resampling import deal_folds, interval, resampled_means, shuffle_within


@st.composite
def grouped_labels(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups of 1 to 60 rows; rows of one group are of one class."""
    label_of = np.array(draw(st.lists(st.integers(0, 4), min_size=1, max_size=40)))
    copies = np.array([draw(st.integers(1, 3)) for _ in label_of])
    groups = np.repeat(np.arange(len(label_of)), copies)
    order = np.array(draw(st.permutations(range(len(groups)))))
    return np.repeat(label_of, copies)[order], groups[order]


@given(grouped_labels(), st.integers(2, 6), st.integers(0, 2**64 - 1))
def test_folds_are_even_stratified_and_keep_groups_whole(
    rows: tuple[np.ndarray, np.ndarray], folds: int, key: int
) -> None:
    labels, groups = rows
    fold = deal_folds(labels, groups, folds, key)
    pictures, first = np.unique(groups, return_index=True)
    for picture in pictures:
        assert len(set(fold[groups == picture])) == 1
    for members in [first, *(first[labels[first] == c] for c in set(labels))]:
        counts = np.bincount(fold[members], minlength=folds)
        assert counts.max() - counts.min() <= 1
        assert len(counts) == folds


def test_folds_follow_their_key() -> None:
    labels, groups = np.arange(60) % 3, np.arange(60)
    fold = deal_folds(labels, groups, 5, 7)
    np.testing.assert_array_equal(fold, deal_folds(labels, groups, 5, 7))
    assert (fold != deal_folds(labels, groups, 5, 8)).any()


def test_shuffled_labels_keep_every_folds_classes_and_lose_the_rest() -> None:
    labels = np.arange(3000) % 3
    fold = deal_folds(labels, np.arange(3000), 5, 1)
    shuffled = shuffle_within(labels, fold, 2)
    for k in range(5):
        np.testing.assert_array_equal(
            np.bincount(shuffled[fold == k]), np.bincount(labels[fold == k])
        )
    assert (shuffled == labels).mean() == pytest.approx(1 / 3, abs=0.04)


def test_resampled_means_draw_whole_groups_and_one_repeat_for_all() -> None:
    values = np.random.default_rng(0).normal(size=(2, 7, 3))
    groups = np.array([4, 4, 9, 1, 9, 9, 2])
    found = resampled_means(values, groups, key=5, resamples=20)
    pictures = np.unique(groups)
    drawn = set()
    for i in range(20):
        draws = noise.uniform(noise.fold(5, i), 5)
        repeat = int(2 * draws[4])
        drawn.add(repeat)
        rows = [values[repeat, groups == pictures[int(4 * draw)]] for draw in draws[:4]]
        np.testing.assert_allclose(found[i], np.concatenate(rows).mean(axis=0))
    assert drawn == {0, 1}


def test_what_all_rows_of_a_repeat_share_widens_the_interval() -> None:
    """Repeats that differ by one number for all: bad training sets hit all their test rows."""
    rng = np.random.default_rng(1)
    noise_of_rows, shared = rng.normal(size=(50, 400, 1)), rng.normal(size=(50, 1, 1)) / 5
    found = resampled_means(noise_of_rows + shared, np.arange(400), key=3)
    expected = np.hypot(1 / 20, shared.std())
    assert found.std() == pytest.approx(expected, rel=0.1)


def test_the_spread_of_resampled_means_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=(1, 400, 1))
    found = resampled_means(values, np.arange(400), key=1)
    assert found.mean() == pytest.approx(values.mean(), abs=0.005)
    assert found.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_neither_copies_nor_repeats_of_pictures_narrow_the_interval() -> None:
    values, pictures = np.random.default_rng(0).normal(size=(1, 100, 1)), np.arange(100)
    once = resampled_means(values, pictures, key=1, resamples=200)
    copied = np.repeat(values, 3, axis=1), np.repeat(pictures, 3)
    repeated = np.repeat(values, 2, axis=0), pictures
    for again in (copied, repeated):
        np.testing.assert_allclose(resampled_means(*again, key=1, resamples=200), once)


def test_differences_are_paired() -> None:
    right = (np.random.default_rng(0).random(300) < 0.8).astype(float)
    other = right.copy()
    other[:15] = 1 - other[:15]
    values = np.stack([right, right, other], axis=1)[None]
    found = resampled_means(values, np.arange(300), key=1)
    assert interval(found[:, 0] - found[:, 1]) == (0.0, 0.0)
    low, high = interval(found[:, 0] - found[:, 2])
    unpaired = np.hypot(found[:, 0].std(), found[:, 2].std())
    assert (high - low) / 3.92 < 0.6 * unpaired


def test_interval_is_the_central_95_percent() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


@pytest.mark.parametrize(("chance", "n"), [(0.5, 100), (0.9, 200)])
def test_the_interval_holds_a_bernoulli_share_as_often_as_it_says(chance: float, n: int) -> None:
    right = (np.random.default_rng(3).random((1, n, 400)) < chance).astype(float)
    found = resampled_means(right, np.arange(n), key=4, resamples=1000)  # of 400 samples at once
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    assert 0.91 <= ((low <= chance) & (chance <= high)).mean() <= 0.98


def test_the_interval_holds_what_cross_validation_estimates() -> None:
    """Repeated CV of the nearest class mean on 150 data sets of two overlapping Gaussians.

    What is estimated is the accuracy, on new rows, of a reader trained on four fifths of such a
    data set; benchmarks/probe_intervals.py asks the same of more populations and readers.
    """
    rng, n, data_sets = np.random.default_rng(5), 80, 150
    labels = np.arange(1080) % 2
    right, true = np.zeros((3, n, data_sets)), np.zeros(data_sets)
    for i in range(data_sets):
        rows = rng.normal(size=(1080, 8)) + 0.55 * labels[:, None]
        for repeat in range(3):
            fold = deal_folds(labels[:n], np.arange(n), 5, noise.fold(i, repeat))
            for k in range(5):
                x, y = rows[:n][fold != k], labels[:n][fold != k]
                means = np.stack([x[y == c].mean(axis=0) for c in (0, 1)])
                middle, across = means.mean(axis=0), means[1] - means[0]
                correct = ((rows - middle) @ across > 0) == labels
                right[repeat, fold == k, i] = correct[:n][fold == k]
                true[i] = correct[n:].mean()
    low, high = np.quantile(resampled_means(right, np.arange(n), 1, 500), [0.025, 0.975], axis=0)
    assert 0.90 <= ((low <= true.mean()) & (true.mean() <= high)).mean() <= 0.99
    assert right.mean() == pytest.approx(true.mean(), abs=0.015)
