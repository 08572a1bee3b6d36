import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from nca_zoo.errors import ZooError
from nca_zoo.features import reduction
from nca_zoo.features.reduction import SCALINGS, project, unit_rows
from nca_zoo.probing.kernel import KernelSVC, KernelSVR
from nca_zoo.probing.readers import READERS, REGRESSORS, Fold, Reader, Setting, find_reader


def clouds(n: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes; columns of very different spread, one of them constant."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    x = rng.normal(size=(n, columns)) + np.random.default_rng(9).normal(size=(3, columns))[labels]
    x *= np.geomspace(0.1, 10, columns)
    x[:, 0] = 3
    return x.astype(np.float32), labels


@pytest.mark.parametrize("columns", [8, 300], ids=["fewer columns than rows", "more"])
@pytest.mark.parametrize("scaling", ["standardise", "centre", "soft"])
def test_projection_is_scikit_learns_pca_divided_by_one_number(columns: int, scaling: str) -> None:
    x, _ = clouds(80, columns)
    train, test = x[:60], x[60:]
    scores, test_scores = project(train, test, scaling, components=5)  # type: ignore[arg-type]

    scaler = StandardScaler(with_std=scaling != "centre").fit(train.astype(float))
    if scaling == "soft":
        scaler.scale_ = np.sqrt(scaler.scale_)
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


def test_a_large_matrix_has_the_same_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """The randomised search against the exact one, on spectra like those of weights."""
    x, _ = clouds(150, 300, seed=5)
    exact = project(x[:120], x[120:], "standardise", components=8)
    monkeypatch.setattr(reduction, "EXACT", 10)
    found = project(x[:120], x[120:], "standardise", components=8)
    for here, there in zip(found, exact, strict=True):
        here, there = here[:, :4], there[:, :4]
        cosines = (unit_rows(here) * unit_rows(there * np.sign((here * there).sum(axis=0)))).sum(1)
        assert cosines.min() > 0.98


def test_readers_choose_by_inner_folds_and_predict_with_the_choice() -> None:
    x, labels = clouds(90, 40, seed=4)
    train, test, y = x[:60], x[60:], labels[:60]
    inner = np.arange(60) // 3 % 3
    fold = Fold(train, test)
    five, one = KNeighborsClassifier(5), KNeighborsClassifier(1)
    settings = (Setting(30, five, unit=False), Setting(4, one), Setting(3, five, even=1.0))
    reader = Reader("knn", "", settings)

    def right(scaling: str, setting: Setting) -> int:
        scores = fold.scores(scaling)[0][:, : setting.components]  # type: ignore[arg-type]
        if setting.even:
            scores = scores / scores.std(axis=0)
        if setting.unit:
            scores = scores / np.linalg.norm(scores, axis=1, keepdims=True)
        correct = 0
        for k in range(3):
            model = clone(setting.estimator).fit(scores[inner != k], y[inner != k])
            correct += (model.predict(scores[inner == k]) == y[inner == k]).sum()
        return correct

    scalings = SCALINGS
    by_scaling = [right(scaling, settings[0]) for scaling in scalings]
    assert len(set(by_scaling)) > 1
    scaling = scalings[int(np.argmax(by_scaling))]
    by_setting = [right(scaling, setting) for setting in settings]
    assert len(set(by_setting)) > 1
    best = settings[int(np.argmax(by_setting))]
    assert reader.choose(fold, y, inner) == (scaling, best)
    scores, test_scores = best.seen(fold.scores(scaling))  # type: ignore[arg-type]
    expected = clone(best.estimator).fit(scores, y).predict(test_scores)
    np.testing.assert_array_equal(reader.predict(fold, y, inner), expected)


def test_of_equally_good_settings_the_first_is_chosen() -> None:
    settings = tuple(Setting(5, KNeighborsClassifier(5)) for _ in range(3))
    x, labels = clouds(60, 10)
    reader = Reader("three", "the same thrice", settings, ("centre",))
    assert reader.choose(Fold(x, x), labels, np.arange(60) % 4)[1] is settings[0]


def test_settings_are_never_fitted_themselves() -> None:
    x, labels = clouds(60, 10)
    for name in ("logistic", "knn", "svm"):
        reader = READERS[name]
        reader.predict(Fold(x, x), labels, np.arange(60) % 4)
        assert isinstance(reader, Reader)
        assert not any(hasattr(setting.estimator, "classes_") for setting in reader.settings)


def test_neighbours_are_no_more_than_there_are_rows() -> None:
    x, labels = clouds(6, 10)
    assert set(READERS["knn"].predict(Fold(x, x), labels, np.arange(6) // 3)) <= {0, 1, 2}


def test_the_kernel_machines_are_scikit_learns() -> None:
    x, labels = clouds(90, 6)
    numbers = x[:, 1].astype(float)
    mine, theirs = KernelSVC(3, 0.1).fit(x, labels), SVC(C=3, gamma=0.1).fit(x, labels)
    assert (mine.predict(x) == theirs.predict(x)).mean() > 0.98
    found = KernelSVR(3, 0.1).fit(x, numbers).predict(x)
    np.testing.assert_allclose(found, SVR(C=3, gamma=0.1).fit(x, numbers).predict(x), atol=0.02)


@pytest.mark.parametrize("name", ["ridge", "knn", "svm"])
def test_numbers_are_read_in_any_units(name: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(90, 5)).astype(np.float32)
    y = x[:, 0] - 0.5 * x[:, 1] + 0.05 * rng.normal(size=90)
    inner, fold = np.arange(60) % 3, Fold(x[:60], x[60:])
    found = REGRESSORS[name].predict(fold, y[:60], inner)
    assert np.corrcoef(found, y[60:])[0, 1] > 0.8
    again = REGRESSORS[name].predict(fold, 1000 * y[:60] + 7, inner)
    np.testing.assert_allclose(again, 1000 * found + 7, rtol=1e-3, atol=2)


@pytest.mark.parametrize(("known", "least"), [(READERS, 0.9), (REGRESSORS, 0.5)])
def test_a_perceptron_learns(known: dict[str, Reader], least: float) -> None:
    x, labels = clouds(90, 6, seed=3)
    wanted = labels if known is READERS else x[:, 5].astype(float)
    found = known["mlp"].predict(Fold(x, x), wanted, labels)
    score = (found == wanted).mean() if known is READERS else np.corrcoef(found, wanted)[0, 1]
    assert score > least


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
    with pytest.raises(ZooError, match=r"'svn'.*logistic, knn"):
        find_reader("svn")
    with pytest.raises(ZooError, match=r"'logistic'.*ridge, knn"):
        find_reader("logistic", numeric=True)
