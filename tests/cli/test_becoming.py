"""`nca-zoo show --as`: an NCA that goes on with the weights of another."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

import nca_zoo as nz
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.signals import Told
from nca_zoo.building.becoming import taking
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

GRID = (9, 10)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, lively_weights):
    """Three NCAs whose seeds lie apart, each with a picture of its own; of the last nobody knows
    how good it is."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("becoming") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        for i, (name, row, col) in enumerate((("a", 4, 5), ("b", 3, 7), ("c", 6, 2))):
            target = rng.integers(0, 255, (*GRID, 4)).astype(np.uint8)
            place = {"seed_row": row, "seed_col": col, "status": "unjudged" if i == 2 else "ok"}
            some = record(i, GRID, id=name, weights=lively_weights(i), target=target, **place)
            writer.add([some])
    return open_zoo(path)


def show(zoo, folder, *options, code=0):
    out = ["--steps", 12, "--every", 4, "--out", folder / "a.png", "--seed", 5]
    words = ["show", *options, "--zoo", zoo.path, *out]
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_its_states_go_on_by_the_weights_of_another(zoo, tmp_path, strips):
    """Two rollouts by hand: some steps of one, and from its last state some of the other."""
    said = show(zoo, tmp_path, "a", "--as", "4:b").stdout
    ((states, goal, about),) = strips
    engine, seed = make_engine(), zoo.seed_states(0)
    one, other = (Automata.grown(zoo.weights[i : i + 1], seed, 5) for i in (0, 1))
    begun = engine.rollout(one, one.starts(), 0, 4)
    on = engine.rollout(other, begun, 4, 8)
    assert np.array_equal(states[4], begun[0, 0, ..., :4])
    assert np.array_equal(states[12], on[0, 0, ..., :4])
    assert np.abs(states[12] - engine.rollout(one, begun, 4, 8)[0, 0, ..., :4]).max() > 0.01
    assert about == "b"
    # The seed of b lies a row above that of a, and two columns to the right.
    moved = np.zeros_like(zoo.due(0, 1))
    moved[1:, :-2] = zoo.due(0, 1)[:-1, 2:]
    assert np.array_equal(goal(4), zoo.due(0, 0))
    assert np.array_equal(goal(5), moved)
    assert f"a at step 12: PSNR {psnr(states[12], moved):.1f} dB against that of b" in said


def test_one_after_the_other_some_cells_and_many_at_once(zoo, tmp_path, strips):
    show(zoo, tmp_path, "a", "--as", "4:b", "--as", "8:c@4,5,2")
    ((states, goal, about),) = strips
    told = [Told(4, zoo.weights[1]), Told(8, zoo.weights[2], (4.0, 5.0, 2.0))]
    expected = dict(rollout(zoo.weights[0], zoo.seed_states(0), 12, 5, told=told))
    assert np.array_equal(states[12], expected[12][..., :4])
    assert about == "b"  # some cells are another, and the picture is of the rest
    assert np.array_equal(goal(12), goal(5))
    said = json.loads(show(zoo, tmp_path, "a", "b", "--as", "4:b", "--json").stdout)
    due = [
        float(
            psnr(
                dict(rollout(zoo.weights[i], zoo.seed_states(i), 12, 5, told=told[:1]))[12][
                    ..., :4
                ],
                picture,
            )
        )
        for i, picture in ((0, goal(5)), (1, zoo.due(0, 1)))
    ]
    assert [one["psnr"] for one in said["ncas"]] == pytest.approx(due)  # fmt: skip
    assert "dB" not in show(zoo, tmp_path, "a", "--as", "4:c").stdout  # nobody knows what c grows


def test_in_python(zoo):
    a, b = (nz.open(zoo.path, failed=True)[name] for name in "ab")
    states = dict(a.rollout(12, as_={4: b}, states=True, seed=5))
    told = [Told(4, b.weights)]
    expected = dict(rollout(a.weights, a.seed, 12, 5, told=told))
    assert np.array_equal(states[12], expected[12])
    frames = a.film(12, as_={4: b}, seed=5).frames()
    own = a.film(12, seed=5).frames()
    assert np.array_equal(frames[4], own[4])
    assert not np.array_equal(frames[5], own[5])
    with pytest.raises(ZooError, match="becoming another at step 12 would never be seen"):
        a.film(12, as_={12: b})


def test_what_it_cannot_become_is_said_in_a_line(zoo, tmp_path, lively_weights):
    for what, words in (
        ("d", "no NCA 'd'"),
        ("4:0,1", "no NCA '0,1'"),
        ("12:b", "becoming another at step 12 would never be seen"),
        ("4:b@1", "is not understood; write an id"),
    ):
        assert words in show(zoo, tmp_path, "a", "--as", what, code=1).output
    other = tmp_path / "steady.h5"
    with ZooWriter(other, header(regime={"name": "persistent", "fire_rate": 1.0})) as writer:
        writer.add([record(0, GRID, id="a", weights=lively_weights(0))])
    with pytest.raises(ZooError, match="a cannot become b, which shows other channels or fires at"):
        taking(zoo, "b").told(open_zoo(other), 0)
