import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from nca_zoo.errors import ZooError
from nca_zoo.readers import READERS, Fold, Reader, Setting, find_reader, project


def clouds(n: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes; columns of very different spread, one of them constant."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.normal(size=(n, columns)) + np.random.default_rng(9).normal(size=(3, columns))[labels]
    x *= np.geomspace(0.1, 10, columns)
    x[:, 0] = 3
    return x.astype(np.float32), labels


@pytest.mark.parametrize("columns", [8, 300], ids=["fewer columns than rows", "more"])
@pytest.mark.parametrize("scaling", ["standardise", "centre"])
def test_projection_is_scikit_learns_pca_divided_by_one_number(columns: int, scaling: str) -> None:
    x, _ = clouds(80, columns)
    train, test = x[:60], x[60:]
    scores, test_scores = project(train, test, scaling, components=5)  # type: ignore[arg-type]

    scaler = StandardScaler(with_std=scaling == "standardise").fit(train.astype(float))
    pca = PCA(5, svd_solver="full").fit(scaler.transform(train.astype(float)))
    expected = pca.transform(scaler.transform(train.astype(float)))
    expected_test = pca.transform(scaler.transform(test.astype(float)))
    length = np.sqrt((expected**2).sum(axis=1).mean())
    signs = np.sign((scores * expected).sum(axis=0))
    np.testing.assert_allclose(scores * signs, expected / length, atol=1e-4)
    np.testing.assert_allclose(test_scores * signs, expected_test / length, atol=1e-4)
    assert (scores**2).sum(axis=1).mean() == pytest.approx(1)


def test_projection_knows_nothing_of_the_test_rows() -> None:
    x, _ = clouds(80, 300)
    scores, test_scores = project(x[:60], x[60:], "standardise")
    again, moved = project(x[:60], x[60:] * 7 + 1, "standardise")
    np.testing.assert_array_equal(scores, again)
    _, alone = project(x[:60], x[60:61], "standardise")
    np.testing.assert_allclose(alone[0], test_scores[0], atol=1e-5)
    assert not np.allclose(moved, test_scores)


@pytest.mark.parametrize("columns", [3, 200])
def test_a_feature_that_never_changes_has_nothing_to_say(columns: int) -> None:
    x = np.full((30, columns), 0.1, np.float32)
    scores, test_scores = project(x[:20], x[20:], "standardise")
    assert not scores.any()
    assert not test_scores.any()


def test_repeated_rows_and_columns_add_no_components() -> None:
    x, _ = clouds(30, 6)
    twice = np.tile(x, (2, 30))
    assert project(twice, x[:3].repeat(30, axis=1), "standardise")[0].shape == (60, 5)


def test_readers_choose_by_inner_folds_and_predict_with_the_choice() -> None:
    x, labels = clouds(90, 40, seed=4)
    train, test, y = x[:60], x[60:], labels[:60]
    inner = np.arange(60) // 3 % 3
    fold = Fold(train, test)
    reader = READERS["knn"]
    right = []
    for setting in reader.grid:
        scores = fold.projections[setting.scaling][0][:, : setting.components]
        correct = 0
        for k in range(3):
            model = KNeighborsClassifier(5).fit(scores[inner != k], y[inner != k])
            correct += (model.predict(scores[inner == k]) == y[inner == k]).sum()
        right.append(correct)
    assert len(set(right)) > 1
    best = reader.grid[right.index(max(right))]
    assert reader.choose(fold, y, inner) is best
    scores, test_scores = fold.projections[best.scaling]
    model = KNeighborsClassifier(5).fit(scores[:, : best.components], y)
    expected = model.predict(test_scores[:, : best.components])
    np.testing.assert_array_equal(reader.predict(fold, y, inner), expected)


def test_of_equally_good_settings_the_first_is_chosen() -> None:
    settings = tuple(Setting("centre", 5, KNeighborsClassifier(5)) for _ in range(3))
    x, labels = clouds(60, 10)
    reader = Reader("three", "the same thrice", settings)
    assert reader.choose(Fold(x, x), labels, np.arange(60) % 4) is settings[0]


def test_settings_are_never_fitted_themselves() -> None:
    x, labels = clouds(60, 10)
    for reader in READERS.values():
        reader.predict(Fold(x, x), labels, np.arange(60) % 4)
        assert not any(hasattr(setting.classifier, "classes_") for setting in reader.grid)


def test_logistic_regression_converges_whatever_the_labels() -> None:
    """Warnings are errors here: separable, useless and shuffled features alike."""
    rng = np.random.default_rng(0)
    x, labels = clouds(90, 400, seed=1)
    for vectors in (x, x * 0 + 1, rng.normal(size=x.shape).astype(np.float32), x[:, :2] * 1e4):
        for y in (labels, rng.permutation(labels), np.sort(labels)):
            guesses = READERS["logistic"].predict(Fold(vectors, vectors), y, np.arange(90) % 4)
            assert set(guesses) <= {0, 1, 2}


def test_the_penalty_is_blind_to_units() -> None:
    x, labels = clouds(90, 30)
    train = slice(0, 60)
    answers = [
        LogisticRegression(C=10).fit(a, labels[train]).predict_proba(b)
        for a, b in (project(x[train] * u, x[60:] * u, "centre") for u in (1, 1000))
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-2)


def test_unknown_readers_are_answered_with_the_known_ones() -> None:
    assert find_reader("knn").name == "knn"
    with pytest.raises(ZooError, match=r"'svm'.*logistic, knn"):
        find_reader("svm")
