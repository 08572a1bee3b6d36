"""Mixing: lines and means against sums made by hand, and rows that cannot lie."""

import json
import shutil

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.automaton.rule import seed_state
from nca_zoo.errors import ZooError
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import mixing
from nca_zoo.studies.mixing import grow, line, survey
from nca_zoo.symmetry.group import act, random_element
from nca_zoo.viewer.medley import line_sheet, means_sheet
from nca_zoo_cli.main import group

GRID, N = (9, 8), 12
PLACE = {"seed_row": 4, "seed_col": 4}


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """Twelve NCAs of two classes, each near its class's own; targets are what these grow."""
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    centres = [lively_weights(0), lively_weights(2)]
    seed = seed_state(*GRID, 4, 4, True)
    grown = [np.clip(list(rollout(w, seed, 96))[-1][1][..., :4], 0, 1) for w in centres]
    rng = np.random.default_rng(0)
    rows = [
        record(
            i,
            GRID,
            id=f"{i % 2}-{i // 2:03d}",
            label=i % 2,
            weights=centres[i % 2]
            + rng.normal(0, 1e-4, len(centres[0])).astype(np.float32) * (i > 1),
            target=np.round(255 * grown[i % 2]).astype(np.uint8),
            **PLACE,
        )
        for i in range(N)
    ]
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return path


def test_a_line_is_what_the_weighted_sums_grow(path):
    zoo = open_zoo(path)
    found = line(zoo, "0-000", "1-002", points=3)
    first, last = (zoo.weights[zoo.index(i)].astype(float) for i in ("0-000", "1-002"))
    seed = seed_state(*GRID, 4, 4, True)
    for t, picture in zip(found.t, found.pictures, strict=True):
        mixed = ((1 - t) * first + t * last).astype(np.float32)
        expected = list(rollout(mixed, seed, 96))[-1][1]
        np.testing.assert_allclose(picture, np.clip(expected[..., :4], 0, 1), atol=1e-5)
    assert found.t == (0, 0.5, 1)
    assert found.distance == pytest.approx(np.linalg.norm(last - first))
    assert found.psnr_start[0] > 40 > found.psnr_start[2]
    assert found.psnr_end[2] > 30 > found.psnr_end[0]


def test_a_scrambled_copy_is_no_neighbour_until_it_is_aligned(tmp_path, lively_weights):
    one = lively_weights(0)
    other = act(random_element(3), one.astype(float)).astype(np.float32)
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(i, GRID, weights=w, **PLACE) for i, w in enumerate((one, other))])
    zoo = open_zoo(tmp_path / "zoo.h5")
    apart, together = (line(zoo, "0-000", "1-000", 3, aligned) for aligned in (False, True))
    np.testing.assert_allclose(together.pictures[1], together.pictures[0], atol=1e-2)
    assert np.abs(apart.pictures[1] - apart.pictures[0]).max() > 0.1
    assert together.distance < 0.05 * apart.distance


def test_grows_in_the_middle_wherever_the_seed_was(path):
    zoo = open_zoo(path)
    centred = mixing.centred_targets(zoo)
    pictures, living = grow(zoo, zoo.weights[:2])
    assert np.abs(pictures - centred[:2]).mean() < 0.05
    assert (living > 0).all()
    assert grow(zoo, np.zeros((1, zoo.weights.shape[1])))[0][0, 4, 4, 3] == 1  # the seed itself


@pytest.mark.wide
def test_the_survey_counts_what_is_known_beforehand(path):
    found = survey(open_zoo(path), pairs=12)
    kinds = {kind.name: kind for kind in found.kinds}
    assert len(kinds) == mixing.KINDS
    assert kinds["their targets"].nearest_db == 100
    assert kinds["the NCAs themselves"].read == 1
    assert kinds["half-way, same class"].read == 1
    assert kinds["mean of a class"].n == 2
    assert kinds["mean of a class"].read == 1
    assert kinds["moved from class to class"].read == 1  # exactly the other class's weights
    assert kinds["half-way, same class, scrambled, then aligned"].read == 1
    assert kinds["half-way, same class, scrambled"].nearest_db < (
        kinds["half-way, same class"].nearest_db - 3
    )
    assert kinds["pictures half-way, same class"].read == 1
    assert found.means_read == ("0", "1")
    assert found.n == N


@pytest.mark.wide
def test_fits_that_failed_are_mixed_where_all_are_asked_for(path, tmp_path):
    failed = tmp_path / "failed.h5"
    shutil.copyfile(path, failed)
    with h5py.File(failed, "a") as file:
        file["status"][0] = b"below_gate"
    assert survey(open_zoo(failed), pairs=1).n == N - 1
    said = run("survey", "--zoo", failed, "--pairs", 10, "--all-fits", "--out", tmp_path / "m.png",
               "--json")  # fmt: skip
    assert json.loads(said.stdout)["n"] == N


@pytest.mark.wide
def test_pictures_hold_every_panel(path):
    zoo = open_zoo(path)
    lines = [line(zoo, "0-000", "1-000", 4, aligned) for aligned in (False, True)]
    one, two = line_sheet(lines[:1]), line_sheet(lines)
    assert two.shape[1] == one.shape[1]
    assert two.shape[0] > 1.5 * one.shape[0]
    sheet = means_sheet(survey(zoo, pairs=10))
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 10


def run(*arguments):
    return CliRunner().invoke(group, ["mix", *map(str, arguments)])


@pytest.mark.wide
def test_the_commands(path, tmp_path):
    out = tmp_path / "line.png"
    result = run("line", "0-000", "1-000", "--zoo", path, "--points", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "From 0-000 to 1-000" in result.output
    result = run("survey", "--zoo", path, "--pairs", 10, "--out", tmp_path / "m.png", "--json")
    kinds = json.loads(result.stdout)["kinds"]
    assert {"name", "n", "alive", "read", "low", "high", "nearest_db", "sharpness"} == set(kinds[0])


def test_bad_input_is_one_line(path, tmp_path):
    assert "no NCA '0-00'" in run("line", "0-00", "1-000", "--zoo", path).output
    assert "must end in .png" in run("survey", "--zoo", path, "--out", "x.gif").output
    zoo = open_zoo(path)
    with pytest.raises(ZooError, match="two classes"):
        survey(zoo.subset(zoo.label == 0))
