"""Do the probe's 95 % intervals hold the truth 95 times in 100?

    python benchmarks/probe_intervals.py

Draws many small data sets from a population that is known, runs the probe's cross-validation on
each, and counts how often an interval holds what it claims to: the accuracy, on new pictures, of
a reader trained on four fifths of such a data set; and the difference of two features' accuracies.
Compares three intervals: the probe's own, a bootstrap that averages the repeats of each picture
first, and the corrected resampled t interval of Nadeau and Bengio (2003). Takes half a minute.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import t as student

from nca_zoo.automaton import noise
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.probing.resampling import COVERAGE, deal_folds, resampled_means

FOLDS, REPEATS, DATA_SETS = 5, 3, 300
Draw = Callable[[int, int], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def nearest_mean(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    classes = np.unique(y)
    means = np.stack([x[y == c].mean(axis=0) for c in classes])
    return classes[np.argmax(new @ means.T - (means**2).sum(axis=1) / 2, axis=1)]


def nearest_neighbour(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    return y[np.argmax(new @ x.T - (x**2).sum(axis=1) / 2, axis=1)]


def gaussians(classes: int, columns: int, apart: float) -> Draw:
    """Gaussian classes: each call draws n rows to cross-validate and 1,500 others to test on."""
    means = np.random.default_rng(0).normal(size=(classes, columns)) * apart

    def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed + 1)
        labels = np.arange(n + 1500) % classes
        rows = rng.normal(size=(n + 1500, columns)) + means[labels]
        return rows[:n], labels[:n], rows[n:], labels[n:]

    return draw


def digits() -> Draw:
    """The embedded digits, on their first 30 principal components; tested on those not drawn."""
    pictures = load_pictures("digits")[1]
    labels = np.array([picture.label for picture in pictures])
    pixels = np.stack([picture.pixels for picture in pictures]).reshape(len(labels), -1) / 255
    pixels -= pixels.mean(axis=0)
    rows = pixels @ np.linalg.eigh(pixels.T @ pixels)[1][:, :-31:-1]

    def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        order = np.random.default_rng(seed).permutation(len(labels))
        fold = deal_folds(labels[order], np.arange(len(labels)), len(labels) // n, seed)
        mine, others = order[fold == 0], order[fold != 0][:1500]
        return rows[mine], labels[mine], rows[others], labels[others]

    return draw


def coverage(draw: Draw, reader: Callable[..., np.ndarray], n: int, fewer: int) -> list[float]:
    """How often each interval holds, for accuracy and for the difference from `fewer` columns."""
    right = np.zeros((REPEATS, n, DATA_SETS, 2))
    per_fold = np.zeros((REPEATS * FOLDS, DATA_SETS, 2))
    true = np.zeros((DATA_SETS, 2))
    for i in range(DATA_SETS):
        x, y, new, new_y = draw(n, i)
        for repeat in range(REPEATS):
            fold = deal_folds(y, np.arange(n), FOLDS, noise.fold(i, repeat))
            for k in range(FOLDS):
                train, test = fold != k, fold == k
                for j, columns in enumerate((slice(None), slice(fewer))):
                    a, b = x[train, columns], x[test, columns]
                    answers = reader(a, y[train], b) == y[test]
                    right[repeat, test, i, j] = answers
                    per_fold[repeat * FOLDS + k, i, j] = answers.mean()
                    if repeat == k == 0:
                        true[i, j] = (reader(a, y[train], new[:, columns]) == new_y).mean()
    found = []
    for contrast in ([1, 0], [1, -1]):
        truth, values = (true @ contrast).mean(), right @ contrast
        mean = values.mean(axis=(0, 1))
        for repeats in (values, values.mean(axis=0)[None]):
            resampled = resampled_means(repeats, np.arange(n), key=1, resamples=1000)
            low, high = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
            found.append(float(((low <= truth) & (truth <= high)).mean()))
        spread = (per_fold @ contrast).std(axis=0, ddof=1)
        error = spread * np.sqrt(1 / len(per_fold) + 1 / (FOLDS - 1))
        half = error * student.ppf((1 + COVERAGE) / 2, len(per_fold) - 1)
        found.append(float((abs(mean - truth) <= half).mean()))
    return found


def main() -> None:
    print(f"{'':<34}{'accuracy':^27}{'difference':^27}")
    print(
        f"{'population':<20}{'reader':<10}{'n':>4}" + f"{'probe':>9}{'averaged':>9}{'N-B':>9}" * 2
    )
    small, large = gaussians(2, 8, 0.45), gaussians(10, 50, 0.35)
    cases = [
        ("2 Gaussians", small, 80, 3),
        ("10 Gaussians", large, 300, 20),
        ("MNIST digits", digits(), 250, 10),
    ]
    for name, draw, n, fewer in cases:
        for reader in (nearest_mean, nearest_neighbour):
            found = coverage(draw, reader, n, fewer)
            label = reader.__name__.removeprefix("nearest_")
            print(f"{name:<20}{label:<10}{n:>4}" + "".join(f"{100 * c:>7.0f} %" for c in found))


if __name__ == "__main__":
    main()
