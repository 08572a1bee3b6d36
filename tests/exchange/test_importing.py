"""Imported NCAs: judged by what they do here, marked for what nobody knows, and shown."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rows import header, record
from safetensors.numpy import save_file

import nca_zoo
from nca_zoo.automaton import rule
from nca_zoo.exchange.distill import pack
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.image_files import read_file
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group


def run(*arguments, code=0):
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert code == 0 or len(result.stderr.strip().splitlines()) == 1
    return result


@pytest.fixture
def nca(tmp_path, lively_weights):
    """A file of one NCA, and its weights."""

    def save(seed, name):
        weights = lively_weights(seed)
        tensors = {n: np.ascontiguousarray(w) for n, w in rule.unflatten(weights).items()}
        save_file(tensors, tmp_path / name)
        return tmp_path / name, weights

    return save


@pytest.fixture
def drawing(tmp_path):
    ink = np.zeros((6, 5), np.uint8)
    ink[1:4, 1:4] = 255
    Image.fromarray(ink).save(tmp_path / "drawing.png")
    return tmp_path / "drawing.png"


def test_without_a_picture_an_nca_is_unjudged_and_shown(tmp_path, nca):
    path, weights = nca(3, "my lizard!.safetensors")
    out = tmp_path / "zoo.h5"
    said = run("import", path, "--out", out, "--grid", "9,8", "--seed-at", "2,3").stdout
    assert "my-lizard: unjudged; no target to judge it by" in said
    zoo = open_zoo(out)
    assert zoo.id.tolist() == ["my-lizard"]
    assert zoo.grid == (9, 8)
    assert not zoo.good.any()
    np.testing.assert_array_equal(zoo.weights[0], weights)
    assert (zoo.seed_row[0], zoo.seed_col[0]) == (2, 3)
    assert np.isnan([zoo.psnr_96[0], zoo.psnr_400[0], zoo.wall_s[0], *zoo.loss[0]]).all()
    assert not zoo.target.any()
    states = dict(rollout(weights, rule.seed_state(9, 8, 2, 3), 400, every=96))
    grown = np.clip(states[96][..., :4], 0, 1) * 255
    assert np.abs(zoo.grown[0] - grown).max() <= 0.5
    assert zoo.alive_400[0] == pytest.approx(rule.alive(states[400]).mean())
    assert verify(out) == []

    strip = tmp_path / "strip.png"
    result = run("show", "my-lizard", "--zoo", out, "--out", strip, "--steps", 20)
    assert strip.exists()
    assert "imported without a picture" in result.stderr
    assert "PSNR" not in result.output
    assert "1 unjudged" in run("info", "--zoo", out).stdout


def test_with_a_picture_an_nca_is_measured(tmp_path, nca, drawing):
    path, weights = nca(3, "a.safetensors")
    out = tmp_path / "zoo.h5"
    run("import", path, "--out", out, "--target", drawing, "--pad", 2, "--label", 4)
    zoo = open_zoo(out)
    assert zoo.grid == (10, 9)
    assert (zoo.seed_row[0], zoo.seed_col[0], zoo.label[0]) == (5, 4, 4)
    target = np.pad(make_target(read_file(drawing)).rgba, [(2, 2), (2, 2), (0, 0)])
    np.testing.assert_array_equal(zoo.target[0] / 255, target)
    states = dict(rollout(weights, rule.seed_state(10, 9, 5, 4), 400, every=96))
    for step, measured in ((96, zoo.psnr_96[0]), (400, zoo.psnr_400[0])):
        assert measured == pytest.approx(float(psnr(states[step][..., :4], target)), abs=1e-3)
    assert zoo.status[0] in ("below_gate", "dead")  # random weights draw nothing


def test_an_nca_that_grows_its_picture_is_ok(tmp_path, lively_weights):
    """The picture is what the NCA grows, so at step 96 it is right; loss and time stay unknown."""
    w = rule.unflatten(lively_weights(3))
    for tensor in (w["W2"], w["b2"]):
        tensor[: rule.ALPHA] = 0  # black paint, whose colours no picture file can get wrong
    save_file(w, tmp_path / "a.safetensors")
    seed = rule.seed_state(9, 8, 4, 4)
    grown = dict(rollout(rule.flatten(w), seed, 96, every=96))[96][..., :4]
    rgba = np.rint(np.clip(grown, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "grown.png")
    out = tmp_path / "zoo.h5"
    command = ["import", tmp_path / "a.safetensors", "--out", out, "--growing"]
    assert "a: ok; PSNR" in run(*command, "--target", tmp_path / "grown.png").stdout
    zoo = open_zoo(out)
    assert zoo.good.all()
    assert np.isnan(zoo.loss).all()
    assert verify(out) == []
    with h5py.File(out) as file:
        regime = json.loads(file.attrs["settings"])["regime"]
    assert regime["gate"]["pass_400"] is None
    assert regime["name"] == "unknown"


@pytest.mark.wide
def test_many_are_added_class_by_class(tmp_path, nca, drawing, lively_weights):
    (a, _), (b, _) = nca(1, "a.safetensors"), nca(2, "b.safetensors")
    (tmp_path / "c.json").write_text(json.dumps(pack(lively_weights(4))))
    out = tmp_path / "zoo.h5"
    run("import", a, b, "--out", out, "--target", drawing, "--label", 1)
    said = run("import", tmp_path / "c.json", "--out", out, "--target", drawing, "--label", 2)
    assert f"{out}: 3 NCAs" in said.stdout
    zoo = open_zoo(out)
    assert zoo.id.tolist() == ["a", "b", "c"]
    assert zoo.source_index[0] == zoo.source_index[1] != zoo.source_index[2]
    again = run("import", a, "--out", out, "--target", drawing, code=1)
    assert f"a is in {out} already; --id gives this one another name" in again.stderr
    run("import", a, "--out", out, "--target", drawing, "--id", "a.2")
    assert sorted(open_zoo(out).id.tolist()) == ["a", "a.2", "b", "c"]
    other = run("import", a, "--out", out, "--seed-alpha", "--grid", "6,5", "--id", "d", code=1)
    assert "regime.seed_hidden True -> False" in other.stderr


def test_the_seed_may_have_alpha_alone(tmp_path, nca):
    path, weights = nca(3, "a.safetensors")
    run("import", path, "--out", tmp_path / "zoo.h5", "--grid", "7,7", "--seed-alpha")
    zoo = open_zoo(tmp_path / "zoo.h5")
    [*_, (_, state)] = nca_zoo.open(zoo.path, failed=True)["a"].rollout(96, states=True)
    alone = dict(rollout(weights, rule.seed_state(7, 7, 3, 3, hidden=False), 96))[96]
    np.testing.assert_array_equal(state, alone)
    assert np.abs(zoo.grown[0] / 255 - np.clip(alone[..., :4], 0, 1)).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed-at", "64,3"], "--seed-at 64,3 lies outside the grid of 64 x 64"),
        (["--target", "x.png", "--target", "y.png"], "2 pictures for 1 NCAs"),
        (["--id", "ä"], "--id '\\xe4': an id is up to 64 letters, digits"),
        (["--id", "x", "--id", "y"], "--id is given 2 times for 1 NCAs"),
        (["--target", "x.png", "--grid", "5,5"], "--grid is for NCAs without a picture"),
        (["--ignore", "x"], "no tensor 'x' to ignore"),
        (["--target", "missing.png"], "missing.png"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, nca, arguments, words):
    path, _ = nca(3, "a.safetensors")
    result = run("import", path, "--out", tmp_path / "zoo.h5", *arguments, code=1)
    assert words in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_cells_are_two_numbers(tmp_path, nca):
    path, _ = nca(3, "a.safetensors")
    result = CliRunner().invoke(group, ["import", str(path), "--grid", "28x28"])
    assert result.exit_code == 2
    assert "write two whole numbers" in result.stderr


def test_exported_and_imported_again_an_nca_is_the_same(tmp_path, lively_weights):
    zoo = tmp_path / "zoo.h5"
    with ZooWriter(zoo, header()) as writer:
        writer.add([record(7, weights=lively_weights(7))])
    folder = tmp_path / "files"
    run("export", "--format", "safetensors", "--each", "--zoo", zoo, "--out", folder)
    run("export", "--format", "torch", "--each", "--zoo", zoo, "--out", folder)
    for name in ("1-002.safetensors", "1-002.pt"):
        out = tmp_path / f"{name}.h5"
        run("import", folder / name, "--out", out, "--grid", "5,5")
        back = open_zoo(out)
        assert back.id.tolist() == ["1-002"]
        np.testing.assert_array_equal(back.weights, open_zoo(zoo).weights)


@pytest.fixture
def grey(tmp_path, lively_weights):
    """An exported grey NCA, as safetensors and as a torch state dict, and its weights."""
    zoo, weights = tmp_path / "grey.h5", lively_weights(7)
    with ZooWriter(zoo, header(target={"alpha": "ink", "visible": "grey"})) as writer:
        writer.add([record(7, weights=weights)])
    export = ["export", "--each", "--zoo", zoo, "--out", tmp_path / "files", "--format"]
    assert "note:" not in run(*export, "safetensors").stderr
    assert "`nca-zoo import` needs --visible grey" in run(*export, "torch").stderr
    assert "the demo does not know" in run(*export, "distill").stderr
    return [tmp_path / "files" / f"1-002.{ending}" for ending in ("safetensors", "pt")], weights


@pytest.mark.wide
def test_a_grey_nca_comes_back_grey(tmp_path, grey, drawing):
    (safetensors, torch), weights = grey
    ink = read_file(drawing) / 255
    state = dict(rollout(weights, rule.seed_state(6, 5, 3, 2), 96, every=96))[96]
    alpha = np.clip(state[..., 3].astype(float), 0, 1)
    assert np.abs(alpha[..., None] - np.clip(state[..., :3], 0, 1)).max() > 0.1
    by_hand = -10 * np.log10(((alpha - ink) ** 2).mean())
    for number, files in enumerate(([safetensors], [torch, "--visible", "grey"])):
        out = tmp_path / f"{number}.h5"
        run("import", *files, "--out", out, "--target", drawing)
        zoo = open_zoo(out)
        assert zoo.visible == "grey"
        assert zoo.psnr_96[0] == pytest.approx(by_hand, abs=1e-3)
        for channel in range(4):
            assert np.abs(zoo.grown[0, ..., channel] - 255 * alpha).max() <= 0.51
        with h5py.File(out) as file:
            assert json.loads(file.attrs["settings"])["target"] == {"visible": "grey"}
    run("import", safetensors, "--out", tmp_path / "blank.h5", "--grid", "6,5")
    blank = open_zoo(tmp_path / "blank.h5")
    assert (blank.visible, blank.status[0]) == ("grey", "unjudged")
    np.testing.assert_array_equal(blank.grown[0], zoo.grown[0])


def test_what_is_seen_may_be_told_and_must_be_one(tmp_path, grey, nca):
    (safetensors, torch), _ = grey
    foreign, _ = nca(3, "a.safetensors")
    told, out = tmp_path / "told.h5", tmp_path / "zoo.h5"
    run("import", safetensors, "--visible", "rgba", "--out", told)
    assert open_zoo(told).visible == "rgba"
    with h5py.File(told) as file:
        assert "target" not in json.loads(file.attrs["settings"])
    for other in (torch, foreign):
        both = run("import", other, safetensors, "--out", out, code=1).stderr
        assert f"{safetensors} is grey and {other} does not say so" in both
    assert not out.exists()
    run("import", foreign, "--out", out)
    assert open_zoo(out).visible == "rgba"
    more = run("import", safetensors, "--out", out, code=1).stderr
    assert "target.visible rgba -> grey" in more
    coloured = tmp_path / "coloured.png"
    Image.new("RGB", (6, 5), (200, 60, 30)).save(coloured)
    refused = run("import", safetensors, "--target", coloured, "--out", tmp_path / "c.h5", code=1)
    assert "is not white ink on nothing" in refused.stderr


@pytest.mark.parametrize("settings", ["", "[]", "{", '{"target": 3}', "[" * 10_000, "null"])
def test_settings_of_other_forms_are_no_settings(tmp_path, lively_weights, settings):
    tensors = rule.unflatten(lively_weights(3))
    tensors = {name: np.ascontiguousarray(w) for name, w in tensors.items()}
    save_file(tensors, tmp_path / "a.safetensors", {"settings": settings})
    run("import", tmp_path / "a.safetensors", "--out", tmp_path / "zoo.h5", "--grid", "6,5")
    assert open_zoo(tmp_path / "zoo.h5").visible == "rgba"


def test_a_class_goes_by_its_name(tmp_path, drawing):
    for name, label in (("a", "cat"), ("b", "7"), ("c", "cat")):
        path = tmp_path / f"{name}.npz"
        np.savez(path, **rule.unflatten(np.zeros(rule.N_PARAMS, np.float32)))
        run("import", path, "--out", tmp_path / "z.h5", "--target", drawing, "--label", label)
    zoo = open_zoo(tmp_path / "z.h5")
    found = dict(zip(zoo.id.tolist(), zoo.class_name.tolist(), strict=True))
    assert found == {"a": "cat", "b": "7", "c": "cat"}
