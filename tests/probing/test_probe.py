"""What the probe measures: the scores that a plain loop finds, and nothing that leaks."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_zoo import probe, row, small_zoo

import nca_zoo.probing.probe as probing
from nca_zoo.automaton import noise
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import FEATURES, PICTURE_CONTROLS
from nca_zoo.networks import readers as networks
from nca_zoo.probing import readers
from nca_zoo.probing.quantities import Quantity
from nca_zoo.probing.readers import READERS
from nca_zoo.probing.resampling import deal_folds
from nca_zoo.probing.splits import Splits, cross_validation
from nca_zoo_cli.probe import summary, verdict

pytestmark = pytest.mark.usefixtures("quick_readers")


@pytest.mark.parametrize("feature", ["b1", "pixels"])
@pytest.mark.parametrize("reader", ["logistic", "knn"])
def test_accuracy_is_that_of_a_plain_scikit_learn_loop(feature: str, reader: str) -> None:
    zoo = small_zoo(in_weights=0.4, in_pixels=0.4)
    found = probe(zoo, readers=[reader], repeats=2, folds=4, seed=3)

    x, y = FEATURES[feature].vectors(zoo).astype(float), zoo.label  # type: ignore[arg-type]
    scores = []
    for repeat in range(2):
        fold = deal_folds(y, zoo.source_index, 4, noise.fold(3, 1, repeat))
        for k in range(4):
            pca = make_pipeline(StandardScaler(), PCA(svd_solver="full"))
            train, test = pca.fit_transform(x[fold != k]), pca.transform(x[fold == k])
            length = np.sqrt((train**2).sum(axis=1).mean())
            model = (
                KNeighborsClassifier(5, weights="distance")
                if reader == "knn"
                else LogisticRegression(C=30)
            )
            model.fit(train / length, y[fold != k])
            scores.append(accuracy_score(y[fold == k], model.predict(test / length)))
    assert row(found, feature, reader).accuracy == pytest.approx(np.mean(scores), abs=1e-9)
    assert 0.4 < np.mean(scores) < 1


@pytest.mark.wide
def test_noise_is_read_at_chance_and_differs_from_no_other_noise() -> None:
    """A leak of labels or of test rows would lift these above chance."""
    of_noise = probe(small_zoo(240, 4), readers=["logistic", "knn"])
    assert of_noise.chance == 0.25
    for r in of_noise.rows:
        assert abs(r.accuracy - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 240), r
    assert sum(r.low <= 0.25 <= r.high for r in of_noise.rows) >= len(of_noise.rows) - 2
    against_raw = [d for d in of_noise.differences if d.control == "pixels"]
    assert all(d.low <= 0.02 and d.high >= -0.02 for d in against_raw)


@pytest.mark.wide
def test_shuffled_labels_are_read_at_chance_however_loud_the_weights() -> None:
    found = probe(small_zoo(120, 3, in_weights=3), repeats=2, readers=["logistic", "knn"])
    assert row(found, "b1").accuracy == 1
    for reader in ("logistic", "knn"):
        shuffled = row(found, "shuffled", reader)
        assert shuffled.kind == "control"
        assert abs(shuffled.accuracy - 1 / 3) < 4 * np.sqrt(2 / 9 / 120)


def test_weights_that_know_more_than_pixels_win_and_the_other_way_round() -> None:
    weights = probe(small_zoo(in_weights=1, in_pixels=0.2))
    pixels = probe(small_zoo(in_weights=0.02, in_pixels=2))
    assert weights.differences[0].low > 0.1
    assert pixels.differences[0].high < -0.1
    assert "b1 reads better than raw pixels by" in verdict(weights)[0]
    assert "b1 reads worse than raw pixels by" in verdict(pixels)[0]


def test_differences_are_those_of_the_rows_and_paired_with_the_best_pixel_control() -> None:
    found = probe(small_zoo(in_weights=0.1, in_pixels=0.3), readers=["logistic", "knn"])
    pixel_rows = [r for r in found.rows if r.feature in PICTURE_CONTROLS]
    best = max(r.accuracy for r in pixel_rows)
    for reader in ("logistic", "knn"):
        mine = [d for d in found.differences if d.reader == reader]
        assert {(d.control, d.control_reader) for d in mine} >= {("pixels", reader)}
        assert max(row(found, d.control, d.control_reader).accuracy for d in mine) == best
        for d in mine:
            control = row(found, d.control, d.control_reader).accuracy
            expected = row(found, d.feature, d.reader).accuracy - control
            assert d.difference == pytest.approx(expected)
            assert d.low <= d.difference <= d.high


def test_a_feature_that_is_a_controls_twin_differs_from_nothing() -> None:
    """Grown pictures equal to the targets: their rows must agree to the last bit."""
    found = probe(small_zoo(in_pixels=0.4))
    assert replace(row(found, "grown"), feature="pixels") == row(found, "pixels")


def test_delta_reads_like_weights() -> None:
    zoo = small_zoo(in_weights=0.1)
    zoo.attrs["init_weights"] = np.full(N_PARAMS, 0.5, np.float32)
    zoo.attrs["settings"] = {"regime": {"seed_hidden": True}}
    found = probe(zoo, features=["weights", "delta"])
    assert row(found, "delta").accuracy == pytest.approx(row(found, "weights").accuracy, abs=0.02)


def test_controls_are_always_read_and_every_row_says_of_how_many_pictures() -> None:
    found = probe(small_zoo(in_weights=0.2), features=["W1", "b1", "W1"])
    names = ["W1", "b1", *PICTURE_CONTROLS, "seed", "shuffled"]
    assert [r.feature for r in found.rows] == names
    assert [r.kind for r in found.rows] == ["weights"] * 2 + ["control"] * 8
    assert {r.n for r in found.rows} == {d.n for d in found.differences} == {60}


@pytest.mark.wide
def test_projection_meets_training_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spy in place of the projection; every row carries its own number as its first weight."""
    zoo = small_zoo()
    zoo.source_index = np.arange(60) % 33  # most pictures twice; 33 keeps the classes
    zoo.weights[:, 0] = 1000 + np.arange(60)
    seen = []

    def spy(train: np.ndarray, test: np.ndarray, *rest: Any) -> Any:
        if train.shape[1] == N_PARAMS:
            seen.append(((train[:, 0] - 1000).astype(int), (test[:, 0] - 1000).astype(int)))
        return project(train, test, *rest)

    project = readers.projections
    monkeypatch.setattr(readers, "projections", spy)
    found = probe(zoo, features=["weights"], repeats=2)
    assert len(seen) == 2 * 5
    for train, test in seen:
        assert sorted([*train, *test]) == list(range(60))
        assert not set(zoo.source_index[train]) & set(zoo.source_index[test])
    assert (found.n, found.n_ncas) == (33, 60)


@pytest.mark.wide
def test_two_ncas_of_one_picture_do_not_give_each_other_away() -> None:
    """Twins with random labels: parting them would be read almost perfectly by neighbours."""
    once = small_zoo(60, 3)
    twice = once.subset(np.tile(np.arange(60), 5))
    found = probe(twice)
    assert (found.n, found.n_ncas) == (60, 300)
    assert abs(row(found, "b1").accuracy - 1 / 3) < 0.25


@pytest.mark.wide
def test_the_same_seed_gives_the_same_numbers_whatever_the_jobs() -> None:
    zoo = small_zoo(in_weights=0.05, in_pixels=0.2)
    few = partial(probe, zoo, features=["weights"], folds=3)
    one = few()
    assert few(jobs=2) == one
    assert few(seed=1) != one


def test_progress_counts_every_fold() -> None:
    steps: list[tuple[int, int]] = []
    probe(small_zoo(), folds=3, repeats=2, progress=lambda *step: steps.append(step))
    assert steps == [(i, 48) for i in range(1, 49)]  # 8 features x 2 repeats x 3 folds


@pytest.mark.wide
def test_r2_is_that_of_a_plain_scikit_learn_loop() -> None:
    """W1 holds psnr_96 in its first column; psnr_400 is noise."""
    zoo = small_zoo(60)
    zoo.weights[:, :200] = 0.02 * zoo.weights[:, :200] + zoo.weights[:, :1]
    found = probe(zoo, features=["W1"], readers=["ridge"], target="psnr_96", folds=4, seed=3)
    x, y = zoo.weights[:, :6144].astype(float), zoo.psnr_96.astype(float)
    strata = np.searchsorted(np.quantile(y, np.arange(1, 10) / 10), y)
    fold = deal_folds(strata, zoo.source_index, 4, noise.fold(3, 1, 0))
    squares, around = 0.0, 0.0
    for k in range(4):
        pca = make_pipeline(StandardScaler(), PCA(svd_solver="full"))
        train, test = pca.fit_transform(x[fold != k]), pca.transform(x[fold == k])
        length, middle = np.sqrt((train**2).sum(axis=1).mean()), y[fold != k].mean()
        spread = y[fold != k].std()
        model = Ridge(1.0).fit(train / length, (y[fold != k] - middle) / spread)
        answers = model.predict(test / length) * spread + middle
        squares += ((answers - y[fold == k]) ** 2).sum()
        around += ((y[fold == k] - middle) ** 2).sum()
    mine = row(found, "W1", "ridge")
    assert mine.score == pytest.approx(1 - squares / around, abs=1e-4)
    assert mine.score > 0.3 > row(found, "shuffled", "ridge").score
    assert mine.low <= mine.score <= mine.high
    assert (found.measure, found.classes, found.chance) == ("R2", (), 0.0)
    assert "reads better than raw pixels by" in verdict(found)[0]
    assert "of R2" in verdict(found)[0]


def test_a_number_that_nothing_knows_has_no_r2() -> None:
    found = probe(small_zoo(120), readers=["ridge", "knn"], target="psnr_400")
    assert all(r.score < 0.15 for r in found.rows)
    assert all(r.low < 0.1 for r in found.rows)


def test_the_zoos_own_split_learns_from_train_and_asks_test() -> None:
    zoo = small_zoo(100, in_weights=0.4)
    found = probe(zoo, split=True)
    assert (found.n, found.n_train, found.folds, found.repeats) == (20, 80, 1, 1)
    train, test = zoo.split == "train", zoo.split == "test"
    scaled = make_pipeline(StandardScaler(), PCA(svd_solver="full"))
    x = zoo.weights[:, 6144:6272].astype(float)
    model = KNeighborsClassifier(5, weights="distance")
    model.fit(scaled.fit_transform(x[train]), zoo.label[train])
    right = (model.predict(scaled.transform(x[test])) == zoo.label[test]).mean()
    assert row(found, "b1").score == pytest.approx(right)
    assert "own split" in summary(found, 5)[0]
    zoo.source_index[0] = zoo.source_index[1]
    with pytest.raises(ZooError, match="both sides"):
        probe(zoo, split=True)


def thinned(sizes: tuple[int, ...], pictures: int = 90) -> tuple[np.ndarray, Splits, list[Splits]]:
    labels, groups = np.arange(pictures) % 3, np.arange(pictures)
    asked = Quantity("class", False, "", labels, ("0", "1", "2"))
    splits = cross_validation(asked, groups, 3, 2, seed=1)
    return labels, splits, [splits.thinned(size) for size in sizes]


def test_thinning_is_nested_and_keeps_the_classes() -> None:
    labels, splits, (few, more) = thinned((12, 30))
    assert (few.repeats, more.repeats) == (2 * 5, 2 * 2)  # of 60: five sets of 12, two of 30
    for draw in range(2):
        part = slice(6 * draw, 6 * draw + 6)
        for full, some, many in zip(splits.sides, few.sides[part], more.sides[part], strict=True):
            assert (some.train <= many.train).all()
            assert (many.train <= full.train).all()
            assert (np.bincount(labels[some.train]) == 4).all()
            assert (some.test == full.test).all()


def test_every_repeat_of_a_thinned_probe_asks_about_everybody_once() -> None:
    _, splits, (few,) = thinned((12,))
    assert len(few.shuffled) == few.repeats
    for repeat in range(few.repeats):
        sides = [side for side in few.sides if side.repeat == repeat]
        assert (sum(side.test.astype(int) for side in sides) == 1).all()
        assert (few.shuffled[repeat] == splits.shuffled[repeat // 5]).all()


def test_training_sets_of_different_folds_and_draws_are_drawn_apart() -> None:
    """Sets of 60 of 400: 15 % in common if of one fold, 7.5 % of two, whose 400 share 200."""
    _, _, (few,) = thinned((60,), pictures=600)
    sets = [side.train for side in few.sides if side.repeat < 5]
    common = [(a & b).sum() / 60 for i, a in enumerate(sets) for b in sets[:i]]
    assert np.mean(common) == pytest.approx(0.096, abs=0.02)
    assert max(common) < 0.35


def test_the_best_reader_of_weights_meets_the_best_of_pixels() -> None:
    found = probe(small_zoo(in_weights=0.2, in_pixels=0.2), readers=["logistic", "knn", "svm"])
    assert found.best is not None
    mine = max(r.score for r in found.rows if r.feature == "b1")
    theirs = max(r.score for r in found.rows if r.feature in PICTURE_CONTROLS)
    assert found.best.difference == pytest.approx(mine - theirs)


def test_networks_read_only_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "set", networks.SET_READER.for_steps(3))
    monkeypatch.setattr(probing, "CEILING", networks.CEILING.for_steps(3))
    zoo = small_zoo(30)
    found = probe(zoo, features=["weights", "b1"], readers=["set", "knn"], ceiling=True, folds=2)
    met = {r.reader: {x.feature for x in found.rows if x.reader == r.reader} for r in found.rows}
    assert met["set"] == {"weights", "shuffled"}
    assert met["cnn"] == {"pixels", "centred", "grown", "deskewed"}
    assert met["knn"] >= {"weights", "b1", "pixels", "seed", "shuffled"}
    assert all(d.control_reader == "knn" for d in found.differences)


def test_a_network_on_pictures_counts_as_a_control(monkeypatch: pytest.MonkeyPatch) -> None:
    """A support vector machine in its place, beside neighbours alone: the best of both is met."""
    monkeypatch.setattr(probing, "CEILING", replace(READERS["svm"], name="cnn", sees="pictures"))
    found = probe(small_zoo(90, in_pixels=0.25), readers=["knn"], ceiling=True)
    seen = [r for r in found.rows if r.feature in PICTURE_CONTROLS]
    best = max(seen, key=lambda r: r.score)
    assert best.reader == "cnn"
    assert found.best is not None
    assert (found.best.control, found.best.control_reader) == (best.feature, "cnn")
    assert "best picture control" in verdict(found)[1]


def test_help_imports_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, nca_zoo_cli.probe; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
