"""The zoo that ``nca_zoo.open`` gives: rows, arrays, rollouts, what it looks like."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from rows import header, record
from torch.utils.data import DataLoader

import nca_zoo as nz
from nca_zoo.automaton import noise, rule
from nca_zoo.features.catalogue import find_feature
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

GRID = (6, 5)


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """Seven NCAs of three classes, of which one failed."""
    path = tmp_path_factory.mktemp("face") / "zoo.h5"
    rows = [record(n, GRID, weights=lively_weights(n)) for n in range(7)]
    rows[4] |= {"status": "diverged", "weights": np.full(rule.N_PARAMS, np.nan, np.float32)}
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return path


@pytest.fixture
def zoo(path):
    return nz.open(path)


def test_failed_fits_are_left_out_unless_asked_for(path, zoo):
    assert len(zoo) == 6
    assert "1-001" not in zoo
    assert len(nz.open(path, failed=True)) == 7
    assert "1-001" in nz.open(path, failed=True)
    assert np.isfinite(zoo.xy()[0]).all()
    assert len(zoo.torch_dataset()) == 6
    assert [nca.id for nca in zoo] == zoo.id.tolist()
    with pytest.raises(nz.ZooError, match="1-001 is not among these 6 NCAs of it"):
        zoo["1-001"]


def test_the_zoo_of_the_environment(path, monkeypatch):
    monkeypatch.setenv("NCA_ZOO_DATA", str(path.parent))
    assert len(nz.open()) == 6


def test_rows_by_all_that_numpy_users_type(zoo):
    every = zoo.id.tolist()
    assert isinstance(zoo["2-001"], nz.NCA)
    assert zoo[3].id == zoo[np.int64(3)].id == every[3]
    assert zoo[-1].id == every[-1]
    for key, rows in (
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [5, 3, 1]),
        (zoo.label == 2, [4, 5]),
        ((zoo.label == 2).tolist(), [4, 5]),
        ([4, 0], [4, 0]),
        ([-1], [5]),
        (np.array([2]), [2]),
        ([], []),
        (["2-001", "0-000"], [5, 0]),
        (zoo.id[[5, 0]], [5, 0]),
    ):
        some = zoo[key]
        assert type(some) is type(zoo)
        assert some.id.tolist() == [every[row] for row in rows]
        np.testing.assert_array_equal(some.psnr_96, zoo.psnr_96[rows])
    assert zoo.ids(["2-001", "0-000"]).id.tolist() == ["2-001", "0-000"]
    for wrong in (6, -7, np.zeros(3, bool), [9]):
        with pytest.raises(IndexError):
            zoo[wrong]
    with pytest.raises(TypeError, match="a zoo's rows are ids"):
        zoo[1.5]
    with pytest.raises(nz.ZooError, match=r"no NCA '2-01'; the nearest are .*2-001"):
        zoo["2-01"]


def test_columns_are_found_by_tab_and_a_misspelt_one_is_answered(zoo):
    assert {"weights", "psnr_96", "xy", "add", "rollout"} <= set(dir(zoo))
    assert {"weights", "tensors", "psnr_96", "film", "live"} <= set(dir(zoo[0]))
    with pytest.raises(AttributeError, match="a zoo has no 'weigths'; the nearest are weights"):
        _ = zoo.weigths
    with pytest.raises(AttributeError, match="an NCA has no 'wieghts'; the nearest are weights"):
        _ = zoo[0].wieghts


def test_what_is_handed_out_is_read_only(path, zoo):
    for name in zoo.columns:
        with pytest.raises(ValueError, match="read-only"):
            zoo.column(name)[0] = zoo.column(name)[0]
    with pytest.raises(ValueError, match="read-only"):
        zoo[0].weights[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        open_zoo(path).weights[0] = 1


def test_xy(zoo):
    features, labels = zoo.xy()
    np.testing.assert_array_equal(features, zoo.weights)
    np.testing.assert_array_equal(labels, zoo.label)
    train = zoo.split == "train"
    features, y = zoo.xy(y="psnr_400", split="train", feature="pixels")
    np.testing.assert_array_equal(features, find_feature("pixels").vectors(zoo)[train])
    np.testing.assert_array_equal(y, zoo.psnr_400[train])
    assert zoo.xy(split="test")[1].tolist() == zoo.label[~train].tolist()
    with pytest.raises(nz.ZooError, match="no column 'lable'; the nearest are label"):
        zoo.xy(y="lable")
    with pytest.raises(nz.ZooError, match="there is no feature 'wings'"):
        zoo.xy(feature="wings")
    with pytest.raises(nz.ZooError, match="no split 'tset'; there are"):
        zoo.xy(split="tset")


def test_torch_dataset(zoo):
    weights, label = zoo.torch_dataset()[2]
    assert torch.equal(weights, torch.from_numpy(zoo.weights[2].copy()))
    assert label.dtype == torch.int64
    data = zoo.torch_dataset(
        ("weights", "target"), "train", lambda w: w[:3], target_transform=lambda t: t.sum()
    )
    assert len(data) == (zoo.split == "train").sum()
    first, picture = data[0]
    assert first.shape == (3,)
    row = int(np.flatnonzero(zoo.split == "train")[0])
    assert picture == pytest.approx(zoo.target[row].sum() / 255, rel=1e-5)
    names = zoo.torch_dataset("id")
    assert names[1] == zoo.id[1]
    rgba, seed, good = zoo.torch_dataset(("grown", "rng_seed", "psnr_96"))[1]
    np.testing.assert_allclose(rgba, zoo.grown[1].transpose(2, 0, 1) / 255, rtol=1e-6)
    assert np.uint64(seed.item() % 2**64) == zoo.rng_seed[1]
    assert good == zoo.psnr_96[1]
    batch, _ = next(iter(DataLoader(zoo.torch_dataset(), batch_size=4)))
    assert batch.shape == (4, rule.N_PARAMS)


def test_without_torch_one_clear_line(path):
    code = (
        "import sys; sys.modules['torch'] = None; import nca_zoo\n"
        f"zoo = nca_zoo.open({str(path)!r})\n"
        "try: zoo.torch_dataset()\n"
        "except nca_zoo.ZooError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "this needs torch, which is not installed: pip install 'nca-zoo[torch]'"
    ]


def plain(nca, steps, wounds=()):
    """States 0 to ``steps`` by the plain rule."""
    key = noise.fold(0, noise.Stream.ROLLOUT)
    state, states = nca.seed.astype(float), []
    for step in range(steps + 1):
        for wound in wounds:
            state = wound.apply(state) if wound.step == step else state
        states.append(state)
        state = rule.step(nca.weights, state, noise.fire_mask(key, step, *GRID))
    return states


@pytest.mark.parametrize("batch", [1, 4, 256])
def test_rollouts_of_all_are_those_of_the_plain_rule(zoo, batch):
    wound = nz.Wound(7, 3, 2, 1)
    seen = dict(zoo.rollout(20, every=8, batch=batch, damage=wound))
    assert list(seen) == [0, 8, 16, 20]
    states = dict(zoo.rollout(20, every=8, batch=batch, damage=[wound], states=True))
    for row, nca in enumerate(zoo):
        wanted = plain(nca, 20, [wound])
        own = dict(nca.rollout(20, damage=wound, every=8))
        for step in seen:
            np.testing.assert_allclose(states[step][row], wanted[step], atol=1e-4)
            np.testing.assert_array_equal(seen[step][row], states[step][row][..., :4])
            np.testing.assert_array_equal(own[step], seen[step][row])
    with pytest.raises(nz.ZooError, match="would never be seen to heal"):
        zoo.rollout(20, damage=nz.Wound(20))
    with pytest.raises(ValueError, match="expected steps >= 0"):
        zoo.rollout(20, batch=0)


def test_what_a_zoo_looks_like(zoo):
    text = repr(zoo)
    assert "6 NCAs of 6 x 5 cells" in text
    assert "2-001" in text
    assert "columns: id, name, repeat, weights, label" in text
    html = zoo._repr_html_()
    assert html.count("data:image/png;base64,") == 12
    assert "<script" not in html
    assert "NCA 0-000" in zoo[0]._repr_html_()
    assert repr(zoo[0]).startswith("<NCA 0-000: ok, 6 x 5 cells, PSNR 20.0 dB")
    assert "0 NCAs" in repr(zoo[[]])
    assert "0 NCAs" in zoo[[]]._repr_html_()


def test_hostile_text_is_escaped(path, tmp_path):
    copy = tmp_path / "<b>.h5"
    copy.write_bytes(path.read_bytes())
    zoo = nz.open(copy)
    zoo.add("note", ["<script>alert(1)</script>\x1b[2J"] * 6)
    assert "<script" not in zoo[0]._repr_html_() + zoo._repr_html_()
    assert "<b>.h5" not in zoo._repr_html_()
    assert "\x1b" not in zoo[0]._repr_html_() + repr(zoo)


def test_add_is_seen_in_the_zoo_that_it_was_added_to(path, tmp_path):
    copy = tmp_path / "zoo.h5"
    copy.write_bytes(path.read_bytes())
    zoo = nz.open(copy)
    zoo.add("lean", np.arange(6.0), units="degrees", description="how far it leans")
    assert zoo.lean.tolist() == list(range(6))
    assert zoo["2-001"].lean == 5
    assert "lean" in dir(zoo)
    assert np.isnan(nz.open(copy, failed=True)["1-001"].lean)
    with pytest.raises(nz.ZooError, match="torch_dataset is a zoo's own name"):
        zoo.add("torch_dataset", np.arange(6))


def test_a_zoo_that_nobody_judged_is_opened_whole(tmp_path, lively_weights):
    unknown = {"status": "unjudged", "psnr_96": np.nan, "psnr_400": np.nan}
    rows = [record(n, GRID, weights=lively_weights(n), **unknown) for n in range(3)]
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add(rows)
    zoo = nz.open(tmp_path / "zoo.h5")
    assert len(zoo) == 3
    assert repr(zoo[0]) == "<NCA 0-000: unjudged, 6 x 5 cells>"
    assert len(zoo[0].film(8).frames(4)) == 3
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(3, GRID, weights=lively_weights(3))])
    assert nz.open(tmp_path / "zoo.h5").id.tolist() == ["0-001"]
    assert len(nz.open(tmp_path / "zoo.h5", failed=True)) == 4


def test_a_file_that_is_cut_is_one_line(path, tmp_path):
    data = path.read_bytes()
    for kept in (1, 8, 100, 5000, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.h5").write_bytes(data[:kept])
        with pytest.raises(nz.ZooError, match=r"cut\.h5: ") as told:
            _ = nz.open(tmp_path / "cut.h5").weights
        assert len(str(told.value).splitlines()) == 1
