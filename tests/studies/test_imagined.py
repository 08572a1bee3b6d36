"""Imagined NCAs, of real digits that cost no training: kept, counted, compared."""

import json
from itertools import pairwise

import h5py
import numpy as np
import pytest
from commands import run
from PIL import Image
from rows import header, still
from scipy.spatial.distance import cdist
from written_zoo import written_zoo

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.networks.flow import WAVES, WIDTH, Flow, Size, read_flow, save_flow
from nca_zoo.networks.learning import Schedule
from nca_zoo.pictures.targets import restored
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.imagining import STEPS, imagine, learn_to_imagine
from nca_zoo.studies.novelty import compare, frechet, nearest
from nca_zoo_cli.imagine import TAUGHT


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, kept_digits):
    return written_zoo(tmp_path_factory.mktemp("zoo") / "zoo.h5", kept_digits, 28)


@pytest.mark.wide
def test_what_is_imagined_is_new_and_a_zoo_like_any_other(zoo, tmp_path):
    out, sheet = tmp_path / "i.h5", tmp_path / "s.png"
    words = ("imagine", zoo.path, "--class", "7", "--count", 3, "--steps", 3, "--jobs", 1)
    said = json.loads(run(*words, "--out", out, "--sheet", sheet, "--json").stdout)
    found = open_zoo(out)
    assert found.init.tolist() == ["imagined"] * 3
    assert (found.label == 7).all()
    assert found.good.all()
    assert (found.train_steps <= 3).all()
    assert said["tried"] >= 3 + said["misread"] + said["failed"] - 8
    sevens = zoo.weights[zoo.label == 7]
    assert (cdist(found.weights, zoo.weights).min(axis=1) > 0.3).all()
    assert np.linalg.norm(found.weights - sevens.mean(axis=0), axis=1).max() < 2 * np.max(
        np.linalg.norm(sevens - sevens.mean(axis=0), axis=1)
    )
    target = restored(found.target)[0]
    *_, (_, state) = rollout(found.weights[0], found.seed_states(0), 400)
    assert psnr(state[..., :4], target) == pytest.approx(found.psnr_400[0], abs=0.01)
    with h5py.File(out) as file:
        settings = json.loads(file.attrs["settings"])
        assert settings["imagined"] == {"zoo": zoo.digest, "ncas": len(zoo)}
        assert settings["source"] == "imagined"
        assert settings["regime"]["steps"] == 3
    run("verify", out)
    run("info", out)
    with Image.open(sheet) as drawn:
        assert drawn.width > 3 * 28
    assert "--replace" in run(*words, "--out", out, code=1).output
    run(*words, "--out", out, "--replace")


@pytest.mark.wide
def test_more_of_them_begin_with_the_same_and_another_seed_gives_others(zoo):
    few, more, other = (
        imagine(zoo, [1], count, seed, steps=0) for count, seed in ((1, 0), (2, 0), (1, 1))
    )
    np.testing.assert_array_equal(few.fits[0].weights, more.fits[0].weights)
    assert few.fits[0].job.id == more.fits[0].job.id
    assert np.abs(few.fits[0].weights - other.fits[0].weights).max() > 0.01


@pytest.mark.wide
def test_each_is_trained_to_stay_what_it_grew_before(zoo):
    before, after = (imagine(zoo, [7], 6, steps=steps) for steps in (0, 10))
    first, then = ({fit.job.id: fit for fit in each.fits} for each in (before, after))
    both = first.keys() & then.keys()
    assert both
    for name in both:  # of the same picture
        assert 0 < then[name].train_steps <= 10
        assert 0 < np.linalg.norm(then[name].weights - first[name].weights) < 1
        np.testing.assert_array_equal(first[name].job.target.rgba, then[name].job.target.rgba)


@pytest.mark.wide
@pytest.mark.usefixtures("brief_flows")
def test_rows_say_what_they_are_of(zoo, tmp_path):
    only = ["one that is known, and noise", "average of 4", "flow, settled", "`imagine`: read"]
    found = compare(zoo, steps=3, data_dir=tmp_path, only=only)
    assert (found.learnt_from, found.held_out) == (22, 6)
    assert [row.name for row in found.rows] == [
        "NCAs held out",
        "one that is known, and noise",
        "average of 4",
        "flow, settled",
        "`imagine`: read, settled, gated",
    ]
    assert found.tried >= 6
    rows = {row.name: row for row in found.rows}
    held_out = rows["NCAs held out"]
    assert held_out.weights == pytest.approx(1)
    for row in found.rows:
        assert row.low <= row.read <= row.high
    noisy = rows["one that is known, and noise"]
    assert noisy.weights == pytest.approx(1, abs=0.1)  # moved by as much as NCAs held out lie apart
    assert rows["average of 4"].weights < 0.8
    assert noisy.nearest_db > held_out.nearest_db
    kept = rows["`imagine`: read, settled, gated"]
    assert (kept.n, kept.passed > 0.5) == (6, True)
    json.dumps(found.as_dict())


def test_distances_are_those_of_others():
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(20, 5)), rng.normal(size=(7, 5))
    np.testing.assert_allclose(nearest(known, new), cdist(new, known).min(axis=1))
    spread = np.array([1.0, 2, 3])
    one = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * spread
    other = one * [2, 1, 1] + [0, 5, 0]
    by_hand = 5**2 + (4 / 3) * (2 - 1) ** 2  # of diagonal covariances, with n - 1 below
    assert frechet(one, other) == pytest.approx(by_hand)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_what_nothing_can_be_imagined_from(zoo, tmp_path):
    with pytest.raises(ZooError, match="needs 10 good NCAs of a class, and there are 9 of class 7"):
        imagine(zoo.subset(np.flatnonzero(zoo.label == 7)[:9]), [7], 1)
    with ZooWriter(tmp_path / "noise.h5", header()) as writer:
        rows = [still(i) | {"label": 0} for i in range(12)]
        for row in rows:
            row["weights"] = np.random.default_rng(i := row["source_index"]).normal(
                size=N_PARAMS
            ).astype(np.float32) * (1 + i)
            del row["weights_sha256"]
        writer.add(rows)
    with pytest.raises(ZooError, match="0 passed, and 1 are wanted; ask for fewer"):
        imagine(open_zoo(tmp_path / "noise.h5"), [0], 1, steps=0)
    assert "no class 'x' in" in run("imagine", zoo.path, "--class", "x", code=1).output
    said = run("imagine", zoo.path, "--class", "7", "--sheet", tmp_path / "a.jpg", code=1)
    assert "must end in .png" in said.output
    with pytest.raises(ZooError, match=r"no way to imagine is called dreams; there are: .*'flow'"):
        compare(zoo, only=["flow", "dreams"])
    said = run("imagine", zoo.path, "--class", "7", "--only", "flow", code=1)
    assert "--only chooses rows of --compare" in said.output
    with pytest.raises(ZooError, match="two classes"):
        compare(zoo.subset(zoo.label == 7))


def test_a_class_alone_has_nobody_to_read_it(tmp_path):
    with ZooWriter(tmp_path / "still.h5", header()) as writer:
        writer.add([still(i) | {"label": 0} for i in range(12)])
    found = imagine(open_zoo(tmp_path / "still.h5"), [0], 2, steps=0)
    assert (found.misread, found.failed, len(found.fits)) == (0, 0, 2)


@pytest.mark.wide
def test_a_flow_draws_what_is_imagined(zoo, tmp_path):
    model = tmp_path / "flow.npz"
    quick = Size(components=12, schedule=Schedule(60, batch=128))
    save_flow(model, learn_to_imagine(zoo, quick))
    words = ("imagine", zoo.path, "--class", "7", "--count", 2, "--steps", 3, "--jobs", 1)
    said = run(*words, "--model", model, "--out", tmp_path / "f.h5").stdout
    assert "2 NCAs; of" in said
    run(*words, "--out", tmp_path / "g.h5")
    flown, drawn = open_zoo(tmp_path / "f.h5"), open_zoo(tmp_path / "g.h5")
    assert cdist(flown.weights, drawn.weights).min() > 0.3  # not those of the Gaussian
    with h5py.File(tmp_path / "f.h5") as file:
        imagined = json.loads(file.attrs["settings"])["imagined"]
    assert imagined == {"zoo": zoo.digest, "ncas": len(zoo), "flow": read_flow(model).digest}


def test_a_model_is_of_one_zoo_and_goes_with_nothing_else(zoo, tmp_path):
    model, ends = tmp_path / "flow.npz", (1 + 1 + 2 * WAVES, WIDTH, WIDTH, 1)
    shapes = [shape for start, end in pairwise(ends) for shape in ((end, start), (end,))]
    layers = tuple(np.zeros(shape, np.float32) for shape in shapes)
    row = np.zeros((1, N_PARAMS + 2), np.float16)
    mean, of = row.astype(np.float32), {"zoo": "another's digest"}
    label = np.array([7])
    save_flow(model, Flow(mean[0], row, label, mean, row, label, layers, of))
    words = ("imagine", zoo.path, "--class", "7", "--out", tmp_path / "a.h5")
    said = run(*words, "--model", model, code=1).output
    assert "was learnt from another zoo" in said
    assert "--learn" in said
    for more in (("--compare",), ("--learn", tmp_path / "b.npz")):
        said = run("imagine", zoo.path, "--model", model, *more, code=1).output
        assert "name one of them" in said
    with pytest.raises(ZooError, match="needs 10 good NCAs of a class"):
        learn_to_imagine(zoo.subset(np.flatnonzero(zoo.label == 7)[:9]))


def test_the_command_names_the_default_that_there_is():
    assert TAUGHT == STEPS
