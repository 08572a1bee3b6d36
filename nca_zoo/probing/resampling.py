"""Resampling: which pictures share a fold, labels that lie, and how far a mean can be trusted.

All draws come from a key (nca_zoo/automaton/noise.py). ``groups`` says which picture each row
shows: rows of one picture stay together, in folds and in the bootstrap, since they are not
independent.
"""

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton import noise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

RESAMPLES = 2000
COVERAGE = 0.95
_AT_ONCE = 50  # resamples: enough to be quick, few enough to be small


def deal_folds(labels: Ints, groups: Ints, folds: int, key: int) -> Ints:
    """Random stratified folds ``(N,)``, numbered from 0, that never part rows of one group.

    Groups are shuffled, sorted by class and dealt out in turn like cards: every class, and all of
    them together, spread over the folds as evenly as numbers of groups allow.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(noise.uniform(key, len(first)), kind="stable")
    order = order[np.argsort(labels[first][order], kind="stable")]
    fold = np.empty(len(first), int)
    fold[order] = np.arange(len(first)) % folds
    return fold[group]


def shuffle_within(labels: Ints, fold: Ints, key: int) -> Ints:
    """Labels ``(N,)`` shuffled inside each fold, so that the folds stay stratified.

    A shuffle across folds would leave some class over-represented in training and therefore
    under-represented in testing, and push accuracy below chance.
    """
    shuffled = labels.copy()
    for k in np.unique(fold):
        members = np.flatnonzero(fold == k)
        order = np.argsort(noise.uniform(noise.fold(key, int(k)), len(members)))
        shuffled[members] = labels[members][order]
    return shuffled


def resampled_means(values: Floats, groups: Ints, key: int, resamples: int = RESAMPLES) -> Floats:
    """Bootstrap over groups: the means of ``values`` in each resample, ``(resamples, C)``.

    values: ``(R, N, C)``, R repeats of the same measurements of N rows. Whole groups are drawn
    with replacement, as many as there are, with the values of one repeat, drawn as well, the same
    for all: repeats reuse the same pictures, so that more of them must not narrow the interval,
    and what all rows of a repeat share (its folds, its training sets) must widen it. All columns
    share the draws: the difference of two is the paired bootstrap of their difference.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    repeats, _, columns = values.shape
    sums = np.zeros((len(sizes), repeats, columns))
    np.add.at(sums, group, values.swapaxes(0, 1))
    means = np.empty((resamples, columns))
    for start in range(0, resamples, _AT_ONCE):
        some = np.arange(start, min(start + _AT_ONCE, resamples))
        draws = noise.uniform(noise.fold(key, some), len(sizes) + 1)
        drawn = (draws[:, :-1] * len(sizes)).astype(int)
        repeat = (draws[:, -1:] * repeats).astype(int)
        means[some] = sums[drawn, repeat].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    return means


def interval(resampled: Floats) -> tuple[float, float]:
    """The central 95 % of resampled values ``(resamples,)``: a percentile bootstrap interval."""
    low, high = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
