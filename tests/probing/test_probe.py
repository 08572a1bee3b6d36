import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nca_zoo.probing.probe as probing
from nca_zoo.automaton import noise
from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import FEATURES
from nca_zoo.features.reduction import MAX_COMPONENTS
from nca_zoo.networks import readers as networks
from nca_zoo.probing import readers
from nca_zoo.probing.probe import ProbeResult, Row
from nca_zoo.probing.probe import probe as run_probe
from nca_zoo.probing.quantities import Quantity
from nca_zoo.probing.readers import READERS, REGRESSORS, Reader, Setting
from nca_zoo.probing.resampling import deal_folds
from nca_zoo.probing.splits import cross_validation
from nca_zoo.store.schema import Header
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group
from nca_zoo_cli.probe import curve, summary, table, verdict

SIDE = 6


@dataclass
class SmallZoo:
    """The attributes of a zoo that the probe reads."""

    weights: np.ndarray
    label: np.ndarray
    source_index: np.ndarray
    target: np.ndarray
    grown: np.ndarray
    seed_row: np.ndarray
    seed_col: np.ndarray
    good: np.ndarray
    psnr_96: np.ndarray
    psnr_400: np.ndarray
    split: np.ndarray
    attrs: dict[str, Any] = field(default_factory=lambda: {"init_weights": np.zeros(0)})
    scalars = ("id", "label", "psnr_96", "psnr_400", "split")
    trained = 4

    def column(self, name: str) -> np.ndarray:
        return getattr(self, name)

    def subset(self, rows: np.ndarray) -> "SmallZoo":
        arrays = {k: v[rows] for k, v in vars(self).items() if k != "attrs"}
        return SmallZoo(**arrays, attrs=self.attrs)


def small_zoo(
    n: int = 60, classes: int = 3, in_weights: float = 0.0, in_pixels: float = 0.0, seed: int = 0
) -> SmallZoo:
    """Noise, plus as much of the class as asked for in the weights and in the pictures."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    say = np.eye(classes)[label]  # class c shifts every classes-th column
    weights = rng.normal(size=(n, N_PARAMS))
    weights += in_weights * np.tile(say, N_PARAMS // classes + 1)[:, :N_PARAMS]
    ink = rng.normal(size=(n, SIDE**2)) + in_pixels * np.tile(say, SIDE**2)[:, : SIDE**2]
    grey = np.clip(128 + 25 * ink, 0, 255).astype(np.uint8).reshape(n, SIDE, SIDE, 1)
    return SmallZoo(
        weights=weights.astype(np.float32),
        label=label.astype(np.int16),
        source_index=np.arange(n) + 100,
        target=np.repeat(grey, 4, axis=-1),
        grown=np.repeat(grey, 4, axis=-1),
        seed_row=rng.integers(2, 4, n).astype(np.int16),
        seed_col=rng.integers(2, 4, n).astype(np.int16),
        good=np.ones(n, bool),
        psnr_96=weights[:, 0] + 25,
        psnr_400=rng.normal(size=n) + 25,
        split=np.where(np.arange(n) % 5, "train", "test"),
    )


@pytest.fixture(autouse=True)
def quick_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers with one setting to choose from: tests/test_readers.py is about the choice."""
    for known in (READERS, REGRESSORS):
        for name, reader in known.items():
            if isinstance(reader, Reader):
                setting = Setting(MAX_COMPONENTS, reader.settings[0].estimator, unit=False)
                few = replace(reader, settings=(setting,), scalings=("standardise",))
                monkeypatch.setitem(known, name, few)


def probe(zoo: SmallZoo, **settings: Any) -> ProbeResult:
    quick = {"features": ["b1"], "readers": ["knn"], "repeats": 1, "jobs": 1}
    return run_probe(zoo, **{**quick, **settings})  # type: ignore[arg-type]


def row(result: ProbeResult, feature: str, reader: str = "knn") -> Row:
    return next(r for r in result.rows if (r.feature, r.reader) == (feature, reader))


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


def test_noise_is_read_at_chance_and_differs_from_no_other_noise() -> None:
    """A leak of labels or of test rows would lift these above chance."""
    of_noise = probe(small_zoo(240, 4), readers=["logistic", "knn"])
    assert of_noise.chance == 0.25
    for r in of_noise.rows:
        assert abs(r.accuracy - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 240), r
    assert sum(r.low <= 0.25 <= r.high for r in of_noise.rows) >= len(of_noise.rows) - 2
    against_raw = [d for d in of_noise.differences if d.control == "pixels"]
    assert all(d.low <= 0.02 and d.high >= -0.02 for d in against_raw)


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
    pixel_rows = [r for r in found.rows if r.feature in ("pixels", "centred", "grown")]
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
    names = ["W1", "b1", "pixels", "centred", "grown", "seed", "shuffled"]
    assert [r.feature for r in found.rows] == names
    assert [r.kind for r in found.rows] == ["weights"] * 2 + ["control"] * 5
    assert {r.n for r in found.rows} == {d.n for d in found.differences} == {60}


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

    project = readers.project
    monkeypatch.setattr(readers, "project", spy)
    found = probe(zoo, features=["weights"], repeats=2)
    assert len(seen) == 2 * 5
    for train, test in seen:
        assert sorted([*train, *test]) == list(range(60))
        assert not set(zoo.source_index[train]) & set(zoo.source_index[test])
    assert (found.n, found.n_ncas) == (33, 60)


def test_two_ncas_of_one_picture_do_not_give_each_other_away() -> None:
    """Twins with random labels: parting them would be read almost perfectly by neighbours."""
    once = small_zoo(60, 3)
    twice = once.subset(np.tile(np.arange(60), 5))
    found = probe(twice)
    assert (found.n, found.n_ncas) == (60, 300)
    assert abs(row(found, "b1").accuracy - 1 / 3) < 0.25


def test_the_same_seed_gives_the_same_numbers_whatever_the_jobs() -> None:
    zoo = small_zoo(in_weights=0.05, in_pixels=0.2)
    one = probe(zoo, folds=3)
    assert probe(zoo, folds=3, jobs=2) == one
    assert probe(zoo, folds=3, seed=1) != one


def test_progress_counts_every_fold() -> None:
    steps: list[tuple[int, int]] = []
    probe(small_zoo(), folds=3, repeats=2, progress=lambda *step: steps.append(step))
    assert steps == [(i, 30) for i in range(1, 31)]  # 5 features x 2 repeats x 3 folds


def test_failed_fits_are_left_out_unless_asked_for() -> None:
    zoo = small_zoo(n=70, in_weights=0.2)
    zoo.good[:6] = False
    zoo.label[10] = -1
    zoo.weights[20, 5] = np.nan
    zoo.weights[21, 5] = 3e38
    found, everything = probe(zoo), probe(zoo, all_fits=True)
    assert (found.n, found.left_out) == (61, 9)
    assert (everything.n, everything.left_out) == (67, 3)


def test_a_small_class_lowers_the_number_of_folds() -> None:
    zoo = small_zoo()
    found = probe(zoo.subset(np.flatnonzero((zoo.label > 0) | (np.arange(60) < 12))))
    assert found.folds == 4
    assert any("smallest class has 4 pictures" in line for line in summary(found, 5))


def _cut(keep: str) -> SmallZoo:
    zoo = small_zoo()
    rows = np.arange(60)
    chosen = {
        "nothing": rows < 0,
        "few": rows < 19,
        "one class": zoo.label == 1,
        "rare": (zoo.label > 0) | (rows < 9),
    }
    return zoo.subset(np.flatnonzero(chosen[keep]))


@pytest.mark.parametrize(
    ("keep", "settings", "text"),
    [
        ("nothing", {}, "has 0 pictures"),
        ("few", {}, "has 19 pictures.*needs 20"),
        ("one class", {}, "are of class 1"),
        ("rare", {}, "class 0 has 3 pictures.*needs 4"),
        ("rare", {"features": ["wieghts"]}, "no feature 'wieghts'"),
        ("rare", {"readers": ["svn"]}, "no reader of classes is called 'svn'"),
        ("rare", {"target": "wdith"}, "nothing called 'wdith'"),
        ("rare", {"target": "width", "readers": ["logistic"]}, "no reader of numbers"),
        ("rare", {"readers": []}, "no reader"),
        ("rare", {"folds": 1}, "folds is 1"),
        ("rare", {"repeats": 0}, "repeats is 0"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    keep: str, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ZooError, match=text) as caught:
        probe(_cut(keep), **settings)
    assert "\n" not in str(caught.value)


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


def test_learning_curves_start_low_and_end_with_the_table() -> None:
    zoo = small_zoo(180, in_weights=0.6)
    found = probe(zoo, sizes=[9, 48], folds=3)
    mine = {p.size: p.row.score for p in found.curve if p.row.feature == "b1"}
    assert list(mine) == [9, 48, 120]
    assert mine[9] + 0.05 < mine[120] == row(found, "b1").score
    assert len(found.curve) == 3 * len(found.rows)
    assert "b1 knn" in "\n".join(curve(found))
    with pytest.raises(ZooError, match="size 130 is more than the 120 pictures"):
        probe(zoo, sizes=[130], folds=3)


def test_thinning_is_nested_and_keeps_the_classes() -> None:
    labels, groups = np.arange(90) % 3, np.arange(90)
    asked = Quantity("class", False, "", labels, ("0", "1", "2"))
    splits = cross_validation(asked, groups, 3, 1, seed=1)
    few, more = splits.thinned(12), splits.thinned(30)
    for full, some, many in zip(splits.sides, few.sides, more.sides, strict=True):
        assert (some.train <= many.train).all()
        assert (many.train <= full.train).all()
        assert (np.bincount(labels[some.train]) == 4).all()
        assert (some.test == full.test).all()


def test_the_best_reader_of_weights_meets_the_best_of_pixels() -> None:
    found = probe(small_zoo(in_weights=0.2, in_pixels=0.2), readers=["logistic", "knn", "svm"])
    assert found.best is not None
    mine = max(r.score for r in found.rows if r.feature == "b1")
    theirs = max(r.score for r in found.rows if r.feature in ("pixels", "centred", "grown"))
    assert found.best.difference == pytest.approx(mine - theirs)


def test_networks_read_only_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "set", replace(networks.SET_READER, steps=3))
    monkeypatch.setattr(probing, "CEILING", replace(networks.CEILING, steps=3))
    zoo = small_zoo(30)
    found = probe(zoo, features=["weights", "b1"], readers=["set", "knn"], ceiling=True, folds=2)
    met = {r.reader: {x.feature for x in found.rows if x.reader == r.reader} for r in found.rows}
    assert met["set"] == {"weights", "shuffled"}
    assert met["cnn"] == {"pixels", "centred", "grown"}
    assert met["knn"] >= {"weights", "b1", "pixels", "seed", "shuffled"}
    assert all(d.control_reader == "knn" for d in found.differences)


def test_result_survives_json() -> None:
    found = probe(small_zoo(in_weights=0.2))
    again = json.loads(json.dumps(found.as_dict()))
    assert again["rows"][0]["score"] == found.rows[0].score
    assert tuple(again["differences"][0].values()) == tuple(vars(found.differences[0]).values())
    assert (again["n"], again["folds"], again["classes"]) == (60, 5, [0, 1, 2])


def test_the_table_shows_every_number_and_marks_controls() -> None:
    found = probe(small_zoo(in_weights=0.2), readers=["logistic", "knn"])
    text = table(found)
    for r in found.rows:
        line = next(t for t in text if t.split()[0] == r.feature and f" {r.reader} " in t)
        assert f"{100 * r.accuracy:.1f} %" in line
        assert ("control" in line) == (r.kind == "control")
    assert len(text) == len(found.rows) + len(found.differences) + 3
    assert "guessing: 33.3 %" in summary(found, 5)[0]


def test_the_verdict_is_as_plain_when_nothing_can_be_told() -> None:
    found = probe(small_zoo(in_weights=0.2), features=["weights"])
    close = replace(found.differences[0], difference=0.012, low=-0.02, high=0.043)
    best = replace(close, control="grown", low=0.001)
    assert verdict(replace(found, differences=(close, best))) == [
        "Weights and raw pixels cannot be told apart: +1.2 points "
        "(95 % interval -2.0 to 4.3; 60 pictures, knn).",
        "Weights read better than the best pixel control (grown pictures, knn) by 1.2 points "
        "(95 % interval 0.1 to 4.3; 60 pictures, knn).",
    ]
    tensor = replace(close, feature="W1", low=-0.04, high=-0.01, difference=-0.025)
    assert verdict(replace(found, differences=(tensor,))) == [
        "W1 reads worse than raw pixels by 2.5 points "
        "(95 % interval -4.0 to -1.0; 60 pictures, knn)."
    ]
    assert "nothing to compare" in verdict(probe(small_zoo(), features=["pixels"]))[0]


@pytest.fixture
def zoo_file(tmp_path: Path) -> Path:
    """A real file of 30 NCAs of 3 classes; one fit failed."""
    zoo = small_zoo(30, in_weights=0.5)
    records = [
        {
            "id": f"{zoo.label[i]}-{i:03d}",
            "weights": zoo.weights[i],
            "label": zoo.label[i],
            "source_index": zoo.source_index[i],
            "split": "train",
            "seed_row": zoo.seed_row[i],
            "seed_col": zoo.seed_col[i],
            "rng_seed": i,
            "init": "shared",
            "target": zoo.target[i],
            "grown": zoo.grown[i],
            "psnr_96": 25.0,
            "psnr_400": 25.0,
            "alive_400": 0.2,
            "wall_s": 1.0,
            "loss": np.ones(5, np.float32),
            "train_steps": 100,
            "attempts": 1,
            "status": "ok" if i else "below_gate",
        }
        for i in range(30)
    ]
    start = np.full(N_PARAMS, 0.5, np.float32)
    header = Header({}, "made for a test", "none", "sparse", {}, init_weights=start)
    with ZooWriter(tmp_path / "zoo.h5", header) as writer:
        writer.add(records)
    return tmp_path / "zoo.h5"


def test_the_command_prints_table_and_verdict_and_the_same_as_json(zoo_file: Path) -> None:
    options = ["probe", "--zoo", str(zoo_file), "--features", "b1, delta", "--folds", "3"]
    people = CliRunner().invoke(group, [*options, "--repeats", "1"])
    program = CliRunner().invoke(group, [*options, "--repeats", "1", "--json"])
    assert people.exit_code == program.exit_code == 0, people.output + program.output
    found = json.loads(program.stdout)
    assert (found["n"], found["left_out"], found["folds"]) == (29, 1, 3)
    for r in found["rows"]:
        assert f"{100 * r['score']:.1f} %   {100 * r['low']:.1f} to" in people.stdout
    assert "1 NCA left out" in people.stdout
    assert any(line.startswith("b1 reads") for line in people.stdout.splitlines())


def test_the_command_fails_in_one_line(zoo_file: Path) -> None:
    for options in (["--features", "W3"], ["--zoo", str(zoo_file.with_name("none.h5"))]):
        run = CliRunner().invoke(group, ["probe", "--zoo", str(zoo_file), *options])
        assert run.exit_code == 1
        assert run.stdout == ""
        assert run.stderr.startswith("Error: ")
        assert len(run.stderr.splitlines()) == 1
    assert CliRunner().invoke(group, ["probe", "--folds", "1"]).exit_code == 2


def test_help_imports_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, nca_zoo_cli.probe; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_probing_never_imports_torch() -> None:
    code = "import sys, nca_zoo.probing.probe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
