"""Zoos whose NCAs grow from several seeds, from the command line to the file and its readers."""

import h5py
import numpy as np
import pytest
from commands import run
from rows import header, record
from small_builds import arguments, draw, made

import nca_zoo as nz
from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.automaton.seeds import SeedKind, drawn_cells
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.errors import ZooError
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.life.rollout import rollout
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("seeded") / "pictures", 1, 2)


@pytest.fixture(scope="module")
def zoo(pictures):
    """Two NCAs, some steps into their training."""
    out = pictures.parent / "seeded.h5"
    made([*arguments(pictures, out, steps=8), "--seeds", "2", "--batch", "2"])
    return open_zoo(out)


def sown(zoo, row, *cells):
    """A state with seeds that are told how far from an NCA's own they stand."""
    return SeedKind(True, (zoo.seed_row[row], zoo.seed_col[row])).state((8, 8), cells)


@pytest.mark.wide
def test_the_file_says_what_its_ncas_grow_from(zoo):
    assert verify(zoo.path) == []
    assert (zoo.seeds, zoo.settings.values["regime"]["seeds"]) == (2, 2)
    with h5py.File(zoo.path) as file:
        assert {"psnr_seeds", "seeds_1", "seeds_2"} <= set(file)
        assert "seeds_3" not in file
        assert file["psnr_seeds"].attrs["units"] == b"dB"
        assert file["seeds_1"].shape == (2,)
    assert list(regrow_problems(zoo)) == []


@pytest.mark.wide
def test_a_build_goes_on_only_with_as_many_seeds(zoo, pictures):
    command = arguments(pictures, zoo.path, steps=8)
    assert "regime.seeds 2 -> 3" in run(*command, "--seeds", 3, "--batch", 2, code=1).output
    assert "regime.seeds 2 -> 1" in run(*command, "--batch", 2, code=1).output


@pytest.mark.wide
def test_python_plants_where_and_when_it_is_told(zoo):
    nca = nz.NCA(zoo.subset([0]))
    cells, late = [(3, 3), (2, 2)], nz.Seed(5, 7, 0)
    path = dict(nca.rollout(9, states=True, seeds=[*cells, late]))
    assert np.array_equal(path[0], sown(zoo, 0, *cells))
    assert path[0][3, 3, 4:].any()
    assert np.array_equal(path[5][7, 0], sown(zoo, 0, (7, 0))[7, 0])
    own = dict(nca.rollout(9, states=True, seeds=[late]))
    assert np.array_equal(own[0], zoo.seed_states(0))
    plain = dict(rollout(zoo.weights[0], sown(zoo, 0, (3, 3)), 9, fire_rate=zoo.fire_rate))
    assert np.array_equal(dict(nca.rollout(9, states=True, seeds=[(3, 3)]))[9], plain[9])
    with pytest.raises(ZooError, match="outside the grid of 8 x 8"):
        nca.film(9, seeds=[(8, 0)])


@pytest.mark.wide
def test_show_grows_from_the_seeds_that_are_named_or_drawn(zoo, tmp_path, monkeypatch):
    shown = []

    def strip(states, **_):
        shown.append(states)
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr("nca_zoo.viewer.frames.strip", strip)
    out = ["--zoo", zoo.path, "--steps", 6, "--every", 3, "--out", tmp_path / "a.png"]
    first = zoo.id[0]
    nca = nz.NCA(zoo.subset([0]))
    key = fold(fold(4, Stream.ROLLOUT), Stream.SEEDS)
    drawn = drawn_cells(key, zoo.target[0, ..., 3] / 255, 2)
    for command, seeds in (
        (["--plant", "3,4"], [(3, 4)]),
        (["--plant", "3,4", "--plant", "3:1,1"], [(3, 4), nz.Seed(3, 1, 1)]),
        (["--plant", "3:1,1"], [nz.Seed(3, 1, 1)]),
        (["--seeds", 2], drawn),
    ):
        run("show", first, *command, "--seed", 4, *out)
        for step, picture in shown.pop():
            expected = dict(nca.rollout(6, seeds=seeds, seed=4))[step]
            np.testing.assert_array_equal(picture, expected)
    for wrong, code, words in (
        (["--plant", "9,9"], 1, "outside the grid of 8 x 8"),
        (["--plant", "here"], 1, "write ROW,COL or STEP:ROW,COL"),
        (["--plant", "6:1,1"], 1, "would never be seen to grow"),
        (["--seeds", 0], 2, "--seeds"),
    ):
        assert words in run("show", first, *wrong, *out, code=code).output
    late = run("show", first, "--zoo", zoo.path, "--window", "--plant", "6:1,1", code=2).output
    assert "planted later by the mouse" in late


@pytest.mark.wide
def test_the_page_is_told_that_seeds_are_told_their_place(zoo):
    about = make_exhibit(zoo, ["weights"]).about
    assert (about["seedHidden"], about["seedsTold"], about["pad"]) == (True, True, None)


def test_an_nca_of_one_seed_is_planted_with_seeds_like_its_own(tmp_path):
    path = tmp_path / "plain.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(0, (8, 8))])
    plain = open_zoo(path)
    assert plain.seeds == 1
    assert plain.seed_kind(0).home is None
    first = dict(nz.NCA(plain).rollout(1, states=True, seeds=[(3, 3)]))[0]
    assert np.array_equal(first, rule.seed_state(8, 8, 3, 3))


@pytest.mark.wide
def test_zoos_of_other_seeds_are_not_mixed(zoo, tmp_path):
    plain = tmp_path / "plain.h5"
    with ZooWriter(plain, header()) as writer:
        writer.add([record(0, (8, 8))])
    with pytest.raises(ZooError, match="they grow from other numbers of seeds"):
        merge_zoos([zoo.path, plain], tmp_path / "both.h5", mix_settings=True)


def test_what_was_trained_for_it_grows_from_either_end_and_from_both():
    """An L, by the defaults but for fewer steps; what grows is compared with it anew."""
    ink = np.zeros((12, 12), np.uint8)
    ink[2:10, 2:5] = ink[7:10, 2:10] = 255
    nca = nz.fit(ink, seeds=2, steps=1500)
    assert nca.status == "ok"
    for seeds in ([(2, 3)], [(8, 9)], [(2, 3), (8, 9)], [(2, 3), nz.Seed(60, 8, 9)]):
        grown = dict(nca.rollout(300, seeds=seeds, seed=7))[300]
        error = np.square(np.clip(grown[..., 3], 0, 1) - ink / 255).mean()
        assert -10 * np.log10(error) > 25, seeds


@pytest.mark.wide
def test_fit_says_how_it_grows_from_other_seeds(pictures, tmp_path):
    picture, out = next(pictures.rglob("*.png")), tmp_path / "one.h5"
    told = run("fit", picture, "--seeds", 2, "--steps", 2, "--batch", 2, "--out", out).output
    zoo = open_zoo(out, failed=True)
    share = 100 * (zoo.seeds_1[0] + zoo.seeds_2[0]) / 2
    assert f"{share:.0f} % of growths from other seeds are whole" in told
    assert f"--zoo {out} --seeds 2" in told
