import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from nca_zoo.errors import ZooError
from nca_zoo.features import reduction
from nca_zoo.features.reduction import SCALINGS, project, unit_rows
from nca_zoo.probing import readers
from nca_zoo.probing.logistic import Logistic
from nca_zoo.probing.nearest import NearestClasses, NearestNumbers
from nca_zoo.probing.pairs import BAND, radial
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


@pytest.mark.parametrize("columns", [40, 600])
def test_all_scalings_at_once_are_each_alone(columns: int) -> None:
    x, _ = clouds(150, columns, seed=8)
    together = reduction.projections(x[:100], x[100:])
    for scaling in SCALINGS:
        for here, there in zip(together[scaling], project(x[:100], x[100:], scaling), strict=True):
            np.testing.assert_array_equal(here, there)
        basis = reduction.find_basis(x[:100], scaling)
        for some, rows in zip(together[scaling], (x[:100], x[100:]), strict=True):
            np.testing.assert_allclose(some, basis.scores(rows), atol=2e-5)


@pytest.mark.parametrize("rank", [30, 12])
def test_columns_are_made_orthonormal_even_where_some_depend_on_others(rank: int) -> None:
    rng = np.random.default_rng(rank)
    some = (rng.normal(size=(90, rank)) @ rng.normal(size=(rank, 30))).astype(np.float32)
    found = reduction._orthonormal(some)
    np.testing.assert_allclose(found.T @ found, np.eye(30), atol=1e-5)
    np.testing.assert_allclose(found @ (found.T @ some), some, atol=1e-4)
    if rank == 30:
        theirs = np.linalg.qr(some)[0]
        np.testing.assert_allclose(np.abs(found), np.abs(theirs), atol=1e-6)


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


@pytest.mark.parametrize("n", [1, BAND, 2 * BAND + 3])
def test_the_radial_kernel_is_scikit_learns(n: int) -> None:
    rng = np.random.default_rng(n)
    left, right = rng.normal(size=(n, 7)), rng.normal(size=(40, 7))
    for others in (left, right):  # itself, and somebody else
        np.testing.assert_allclose(radial(left, others, 0.1), rbf_kernel(left, others, 0.1))
    assert (radial(left, left, 0.1) == radial(left, left, 0.1).T).all()


@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.parametrize("parts", [1, 3], ids=["by one inner fold", "by all"])
def test_support_vectors_read_as_scikit_learns_do(
    monkeypatch: pytest.MonkeyPatch, parts: int, numeric: bool
) -> None:
    """With a kernel of all rows or of some, as libsvm makes it itself, and the same choice."""
    monkeypatch.setattr(readers, "FEW_ROWS", 1000 if parts == 3 else 10)
    x, labels = clouds(150, 30, seed=6)
    labels[::3] = np.random.default_rng(1).integers(0, 3, 50)  # some lie
    known = x[:, 5].astype(float) if numeric else labels
    fold, y, inner = Fold(x[:100], x[100:]), known[:100], np.arange(100) // 3 % 3
    if numeric:
        y = (y - y.mean()) / y.std()
    reader = (REGRESSORS if numeric else READERS)["svm"]
    assert isinstance(reader, Reader)
    scaling, setting = reader.choose(fold, y, inner)

    def plain(some: Setting) -> SVC | SVR:
        given = {"C": some.estimator.C, "gamma": some.pairs.keywords["gamma"]}  # type: ignore
        return (SVR if numeric else SVC)(**given)

    def good(scaling: str, some: Setting) -> float:
        rows, total = some.rows(fold.scores(scaling))[0], 0.0  # type: ignore[arg-type]
        for k in range(parts):
            model = plain(some).fit(rows[inner != k], y[inner != k])
            answers, wanted = model.predict(rows[inner == k]), y[inner == k]
            total += -((answers - wanted) ** 2).sum() if numeric else (answers == wanted).sum()
        return total

    by_scaling = [good(scaling, reader.settings[0]) for scaling in SCALINGS]
    assert scaling == SCALINGS[int(np.argmax(by_scaling))]
    by_setting = [good(scaling, some) for some in reader.settings]
    assert len(set(by_setting)) > 1
    assert setting is reader.settings[int(np.argmax(by_setting))]
    train, test = setting.rows(fold.scores(scaling))
    expected = plain(setting).fit(train, y).predict(test)
    found = reader.predict(fold, y, inner)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("c", [30.0, 3.0])
def test_logistic_regression_is_scikit_learns(classes: int, c: float) -> None:
    """Step for step: after three steps, too, when it is far from done."""
    rng = np.random.default_rng(classes)
    labels = 5 + np.arange(120) % classes
    x = rng.normal(size=(120, 15)) + rng.normal(size=(15 + classes, 15))[labels]
    for steps in (3, 10_000):
        mine = Logistic(c, max_iter=steps).fit(x, labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs = LogisticRegression(C=c, tol=1e-3, max_iter=steps).fit(x, labels)
        away = mine.weights_ - mine.weights_[:, :1]  # only differences between classes count
        wanted = np.vstack([theirs.coef_.T, theirs.intercept_])
        wanted = wanted - wanted[:, :1] if classes > 2 else np.hstack([0 * wanted, wanted])
        np.testing.assert_allclose(away, wanted, atol=1e-9)
        np.testing.assert_array_equal(mine.predict(x), theirs.predict(x))


def test_nearest_neighbours_are_scikit_learns() -> None:
    """Rows that are there twice, with other answers, among them."""
    x, labels = clouds(120, 6)
    x = np.vstack([x, np.round(x[:40])]).astype(float)
    x[130:140] = x[:10]
    labels = np.append(labels, (labels[:40] + 1) % 3)
    for k in (1, 3, 5):
        theirs = KNeighborsClassifier(k, weights="distance", algorithm="brute").fit(x, labels)
        found = NearestClasses(k).fit(x, labels).predict(x)
        np.testing.assert_array_equal(found, theirs.predict(x))
        numbers = np.sin(np.arange(len(x)))
        mean = KNeighborsRegressor(k, weights="distance", algorithm="brute").fit(x, numbers)
        np.testing.assert_allclose(NearestNumbers(k).fit(x, numbers).predict(x), mean.predict(x))


def test_neighbours_that_are_equal_count_alone_whatever_rounding_makes_of_it() -> None:
    """Two that are equal and disagree, and others that are near: the first class, as on a tie."""
    pairs = np.random.default_rng(3).normal(size=(200, 2))
    learned = np.concatenate([pairs, pairs, pairs + 1e-3])
    classes = np.repeat([1, 2, 2], 200)
    np.testing.assert_array_equal(NearestClasses(3).fit(learned, classes).predict(pairs), 1)
    found = NearestNumbers(3).fit(learned, classes.astype(float)).predict(pairs)
    np.testing.assert_array_equal(found, 1.5)


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


@pytest.mark.wide
@pytest.mark.parametrize(("known", "least"), [(READERS, 0.9), (REGRESSORS, 0.5)])
def test_a_perceptron_learns(known: dict[str, Reader], least: float) -> None:
    x, labels = clouds(90, 6, seed=3)
    wanted = labels if known is READERS else x[:, 5].astype(float)
    found = known["mlp"].predict(Fold(x, x), wanted, labels)
    score = (found == wanted).mean() if known is READERS else np.corrcoef(found, wanted)[0, 1]
    assert score > least


@pytest.mark.wide
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
