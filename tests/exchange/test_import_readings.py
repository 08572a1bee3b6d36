"""Importing NCAs of other conventions: found by what they grow, and given ids of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_importing import run

import nca_zoo
from nca_zoo.automaton import rule
from nca_zoo.exchange import trying
from nca_zoo.exchange.conventions import Convention
from nca_zoo.exchange.foreign import read_ncas
from nca_zoo.exchange.trying import best_reading
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.schema import NAME
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.gate import gate

TRIALS = Path(__file__).parent / "trials"
SEVEN = ["--target", TRIALS / "seven.png", "--seed-at", "15,16"]


@pytest.fixture(scope="module")
def trained():
    """The tensors of the trained NCA, as its code base named them."""
    with np.load(TRIALS / "nca.npz") as file:
        return dict(file)


def _swapped(tensors):
    """As a code base has it whose first Sobel filter looks down: x and y change places."""
    blocks = tensors["fc0_weight"].reshape(128, 3, 16)
    return tensors | {"fc0_weight": blocks[:, [0, 2, 1]].reshape(128, 48)}


def _saved(path, tensors):
    torch.save({name: torch.from_numpy(t.copy()) for name, t in tensors.items()}, path)
    return path


@pytest.mark.wide
def test_with_the_axes_swapped_the_picture_says_so(tmp_path, trained):
    file, out = _saved(tmp_path / "nca.pt", _swapped(trained)), tmp_path / "zoo.h5"
    said = run("import", file, *SEVEN, "--out", out).stdout
    assert "nca: ok; PSNR 2" in said
    assert said.splitlines()[0].endswith("; read with --sobel yx")
    zoo = open_zoo(out)
    assert zoo.good.all()
    expected = rule.flatten({"W1": trained["fc0_weight"], "b1": trained["fc0_bias"],
                             "W2": trained["fc1_weight"], "b2": trained["fc1_bias"]})  # fmt: skip
    np.testing.assert_array_equal(zoo.weights[0], expected)
    told = tmp_path / "told.h5"
    said = run("import", file, *SEVEN, "--sobel", "yx", "--out", told).stdout
    assert said.splitlines()[0].endswith("; read with --sobel yx")
    np.testing.assert_array_equal(open_zoo(told).weights, zoo.weights)
    blind = tmp_path / "blind.h5"
    said = run("import", file, "--grid", "28,28", "--out", blind).stdout
    assert "read with" not in said
    assert not np.array_equal(open_zoo(blind).weights, zoo.weights)


def test_a_mirrored_code_base_of_other_scale_is_found(tmp_path, trained):
    """Signs, scale and order at once; only what is told is not tried."""
    blocks = trained["fc0_weight"].reshape(128, 3, 16) * np.float32([1, -1, 1])[:, None]
    blocks[:, 1:] /= 8
    theirs = trained | {"fc0_weight": blocks.transpose(0, 2, 1).reshape(128, 48)}
    file = _saved(tmp_path / "nca.pt", theirs)
    said = run("import", file, *SEVEN, "--out", tmp_path / "zoo.h5", "--sobel", "xy",
               "--rgba", "first", "--step-size", 1, "--seed-hidden").stdout  # fmt: skip
    assert "ok; PSNR 2" in said
    assert "read with --perception interleaved --sobel-sign -+ --sobel-scale 1" in said


def test_filters_in_a_file_leave_little_to_try_and_what_grew_one_is_tried_first(
    tmp_path, monkeypatch
):
    grown = []
    real = trying._reached

    def counted(nca, target, tries, *more):
        grown.append(len(tries))
        return real(nca, target, tries, *more)

    monkeypatch.setattr(trying, "_reached", counted)
    out = tmp_path / "zoo.h5"
    files = [TRIALS / "cax.npz", TRIALS / "cax.msgpack"]
    said = run("import", *files, *SEVEN, "--out", out).stdout.splitlines()
    assert grown == [1, 8, 1]  # RGBA first or last, steps of 1 or 2, two kinds of seed; then none
    for line, name in zip(said, ("cax", "cax-2"), strict=False):
        assert line.startswith(f"{name}: ok; PSNR 2")
        assert line.endswith("; read with --rgba last --step-size 2")


def test_a_seed_of_alpha_alone_is_found_and_kept_in_the_zoo(tmp_path, trained):
    """An NCA whose hidden units count what stands in the seed's hidden channels."""
    still = {name: np.zeros_like(t) for name, t in trained.items()}
    still["fc0_weight"][0, 4] = 1  # what is seen of hidden channel 4
    still["fc1_weight"][3, 0] = -1  # takes alpha away
    file = _saved(tmp_path / "nca.pt", still)
    pixel = np.zeros((7, 7, 4), np.uint8)
    pixel[3, 3, 3] = 255
    Image.fromarray(pixel).save(tmp_path / "pixel.png")
    out = tmp_path / "zoo.h5"
    command = ["import", file, "--target", tmp_path / "pixel.png", "--rgba", "first",
               "--perception", "blocks"]  # fmt: skip
    said = run(*command, "--out", out).stdout
    assert "nca: ok; PSNR 100.0 dB" in said
    assert said.splitlines()[0].endswith("; read with --seed-alpha")
    assert not nca_zoo.open(out)["nca"].seed[..., 4:].any()


def test_if_no_reading_grows_it_the_usual_one_is_kept_and_it_is_said(tmp_path, lively_weights):
    file = _saved(tmp_path / "nca.pt", rule.unflatten(lively_weights(3)))
    said = run("import", file, *SEVEN, "--rgba", "first", "--step-size", 1, "--sobel-scale", 0.125,
               "--out", tmp_path / "zoo.h5").stdout  # fmt: skip
    assert "nca: below_gate" in said
    assert "; none of 32 ways to read it grows the picture" in said
    np.testing.assert_array_equal(open_zoo(tmp_path / "zoo.h5").weights[0], lively_weights(3))


def test_of_readings_that_grow_alike_the_nearest_to_the_usual_is_taken(trained, tmp_path):
    """All is symmetric here: signs and order cannot be told, so the usual ones stay."""
    still = {name: np.zeros_like(t) for name, t in trained.items()}
    (nca,) = read_ncas(_saved(tmp_path / "nca.pt", still))
    ink = np.zeros((7, 7), np.uint8)
    ink[3, 3] = 255
    target = make_target(ink)
    asked = gate(stops=101.0)  # so that one good reading does not end it
    reading = best_reading(nca, target, {}, (True, False), asked)
    assert (reading.convention, reading.seed_hidden) == (Convention(), True)
    assert reading.tried == 384
    last = best_reading(nca, target, {"rgba": "last"}, (True, False), asked)
    assert last.convention == Convention(rgba="last")


def test_names_that_were_cleaned_away_do_not_collide(tmp_path, trained):
    """Whatever is left of names in other scripts, two of them are two NCAs."""
    out, ids = tmp_path / "zoo.h5", []
    for folder, name in enumerate(["🦋", "日本", "🦋", "💥", "ä öü", "..."]):
        folder = tmp_path / str(folder)
        folder.mkdir()
        file = _saved(folder / f"{name}.pt", trained)
        run("import", file, "--out", out, "--grid", "7,7")
        ids = open_zoo(out).id.tolist()
    assert len(set(ids)) == 6
    assert all(NAME.fullmatch(nca_id) for nca_id in ids)
    files = [_saved(tmp_path / folder / "same.pt", trained) for folder in "01"]
    run("import", *files, "--out", out, "--grid", "7,7")
    assert open_zoo(out).id.tolist()[6:] == ["same", "same-2"]


def test_a_given_id_is_one_and_is_free(tmp_path, trained):
    file, out = _saved(tmp_path / "🦋.pt", trained), tmp_path / "zoo.h5"
    command = ["import", file, "--out", out, "--grid", "7,7"]
    assert run(*command, "--id", "butterfly").stdout.startswith("butterfly: unjudged")
    refused = run(*command, "--id", "butterfly", code=1).stderr
    assert f"--id butterfly is taken: every NCA of {out} has an id of its own" in refused
    twice = run(*command, file, "--id", "x", "--id", "x", code=1)
    assert "--id x is taken" in twice.stderr
    assert open_zoo(out).id.tolist() == ["butterfly"]


def test_a_file_of_several_ncas_gives_a_row_each(tmp_path, trained):
    nested = {name: torch.from_numpy(t) for name, t in trained.items()}
    torch.save({"model": nested, "ema": nested, "step": 3}, tmp_path / "run.pt")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes((TRIALS / "seven.png").read_bytes())
    pictures = ["--target", tmp_path / "a.png", "--target", tmp_path / "b.png", *SEVEN[2:]]
    out = tmp_path / "zoo.h5"
    run("import", tmp_path / "run.pt", *pictures, "--out", out)
    zoo = open_zoo(out)
    assert zoo.id.tolist() == ["run-model", "run-ema"]
    assert zoo.good.all()
    assert zoo.source_index.tolist() == [0, 1]


@pytest.mark.parametrize("sign", ["++", "-+", "+-", "--"])
def test_signs_are_typed_as_they_are(tmp_path, trained, sign):
    file, out = _saved(tmp_path / "nca.pt", trained), tmp_path / "zoo.h5"
    said = run("import", file, "--sobel-sign", sign, "--out", out, "--grid", "7,7").stdout
    named = "" if sign == "++" else f"; read with --sobel-sign {sign}"
    assert said.splitlines()[0] == f"nca: unjudged; no target to judge it by{named}"
    (nca,) = read_ncas(file)
    expected = nca.weights(Convention(sobel_sign=sign))
    np.testing.assert_array_equal(open_zoo(out).weights[0], expected)
