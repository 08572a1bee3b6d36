"""`nca-zoo build --code`: one rule for all pictures, of which each has a code of its own."""

from dataclasses import fields, replace

import numpy as np
import pytest
from commands import run
from small_builds import draw

from nca_zoo.automaton.rule import param_slices
from nca_zoo.automaton.signals import B1
from nca_zoo.building.becoming import hearing, weights_beside
from nca_zoo.building.build import make_job
from nca_zoo.building.regrow import regrow_problems
from nca_zoo.building.settings import BuildSettings, build_settings, chosen, quiet
from nca_zoo.errors import ZooError
from nca_zoo.face.verbs import open as open_face
from nca_zoo.features.catalogue import find_feature, with_controls
from nca_zoo.life.engines import make_engine
from nca_zoo.networks.coding import FEW_SIZE, rule_begins
from nca_zoo.networks.end_to_end import FIRST, Course, EndToEnd
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import TargetSettings, make_target
from nca_zoo.store.merging import merge_zoos
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training.init import CODES, FEW, find_start, make_init
from nca_zoo.training.trainer import train
from nca_zoo.training.writer import read_writer, save_writer
from nca_zoo_cli.metastart import RULE_BENT, RULE_RATES, RULE_TASKS

D = 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("codes") / "pictures", 2, 4)


def learn(pictures, out, *more, code=0):
    few = ["--rounds", 6, "--tasks", 2, "--threads", 1]
    return run("metastart", "--code", D, "--regime", "regenerating", "--source", pictures, *few,
               "--out", out, *more, code=code)  # fmt: skip


@pytest.fixture(scope="module")
def rule(pictures):
    """One rule for these pictures, hardly learnt."""
    out = pictures.parent / "rule.npz"
    learn(pictures, out)
    return out


def build(pictures, rule, out, *more, code=0):
    few = ["--per-class", 2, "--steps", 8, "--jobs", 1]
    return run("build", "--source", pictures, "--code", D, "--start", rule, *few, *more,
               "--out", out, code=code)  # fmt: skip


@pytest.fixture(scope="module")
def zoo(pictures, rule):
    out = pictures.parent / "codes.h5"
    build(pictures, rule, out)
    return open_zoo(out)


def test_all_that_differs_is_the_code(zoo, rule):
    coder = read_writer(rule)
    S, s = zoo.column("S"), zoo.column("s")
    assert s.shape == (4, D)
    assert len(np.unique(s, axis=0)) == 4
    assert (S == coder.S).all()
    for name, part in param_slices().items():
        if name != "b1":
            assert (zoo.weights[:, part] == coder.base[part]).all(), name
    bias = coder.base[B1] + np.einsum("hd,nd->nh", S[0].astype(float), s.astype(float))
    np.testing.assert_allclose(zoo.weights[:, B1], bias, atol=1e-6)
    assert (zoo.attrs["init_weights"] == coder.base).all()
    assert zoo.settings.values["code"] == {"numbers": D, "rule": coder.digest}
    assert zoo.attrs["regime"]["train"] == []
    assert (zoo.column("attempts") == 1).all()
    assert verify(zoo.path) == []
    assert list(regrow_problems(zoo)) == []


def test_codes_begin_where_the_rules_coder_puts_them_and_learn_from_there(pictures, rule):
    """Loss falls as only the code moves; untouched, it is what the coder says, in plain sums."""
    settings = build_settings(
        chosen(code=D, start=rule, steps=40, seed=3), quiet, init="meta", alpha="ink"
    )
    assert isinstance(settings, BuildSettings)
    _, (picture, *_) = load_pictures(pictures)
    job, coder = make_job(picture, settings), read_writer(rule)
    height, width = job.target.trained.shape[:2]
    seen = np.zeros((height, width, 4))
    down, right = height // 2 - job.target.seed_row, width // 2 - job.target.seed_col
    for row in range(height):
        for col in range(width):
            if 0 <= row + down < height and 0 <= col + right < width:
                seen[row + down, col + right] = job.target.trained[row, col]
    found = (coder.patterns.astype(float) * (seen - coder.mean)).sum(axis=(1, 2, 3))
    units = np.maximum(coder.into.astype(float) @ found + coder.bias, 0)
    code = coder.mix.astype(float) @ [*found, *units]
    np.testing.assert_allclose(job.start(0)[-D:], code, rtol=1e-4, atol=1e-5)
    (fit,) = train([job], settings.regime, make_engine(threads=1), 1)
    S, s = fit.signal
    assert (S == coder.S).all()
    assert np.abs(s[0] - code).max() > 0.05
    assert np.mean(fit.losses[-8:]) < np.mean(fit.losses[:8])


def test_one_becomes_another_by_its_code(zoo):
    one, other = zoo.id[0], zoo.id[3]
    changed = hearing(zoo, f"200:{other}").told(zoo, 0)
    np.testing.assert_allclose(changed.weights, zoo.weights[3], rtol=1e-4, atol=1e-6)
    beside = weights_beside(zoo, one)
    assert set(beside) == set(zoo.id[1:])
    np.testing.assert_array_equal(beside[other], changed.weights)
    out = zoo.path.with_name("shown.png")
    run("show", one, zoo.path, "--signal", f"4:{other}", "--steps", 8, "--every", 4, "--out", out)
    assert out.exists()


def test_the_code_is_a_feature(zoo, pictures, tmp_path):
    assert (find_feature("code").vectors(zoo) == zoo.column("s")).all()
    X, _ = open_face(zoo.path, failed=True).xy(feature="code")
    np.testing.assert_array_equal(X, zoo.column("s"))
    with pytest.raises(ZooError, match=r"no tensor .* was fitted .* use code"):
        find_feature("fitted").vectors(zoo)
    plain = tmp_path / "plain.h5"
    run("build", "--source", pictures, "--per-class", 1, "--steps", 1, "--extra-steps", 0,
        "--attempts", 1, "--jobs", 1, "--out", plain)  # fmt: skip
    for name in ("code", "components"):
        with pytest.raises(ZooError, match=rf"{name} is for NCAs of one rule \(build --code\)"):
            find_feature(name).vectors(open_zoo(plain))
    named = [feature.name for feature in with_controls(zoo, ["code"])]
    assert named[0] == "code"
    assert "components" in named
    assert "components" not in [feature.name for feature in with_controls(open_zoo(plain), [])]


def test_as_many_components_are_those_of_the_pictures(zoo):
    """As lengths and angles are kept by turning, against all distances from numpy's own SVD."""
    found = find_feature("components").vectors(zoo)
    assert found.shape == zoo.column("s").shape
    flat = find_feature("centred").vectors(zoo).astype(float)
    flat -= flat.mean(axis=0)
    left, worth, _ = np.linalg.svd(flat, full_matrices=False)
    expected = (left * worth)[:, :D]

    def apart(rows):
        far = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
        return far / far.max()

    np.testing.assert_allclose(apart(found), apart(expected), atol=1e-4)


@pytest.mark.wide
def test_a_zoo_of_codes_goes_on_with_its_own_rule_alone(pictures, rule, zoo, tmp_path):
    out = tmp_path / "more.h5"
    build(pictures, rule, out, "--per-class", 1)
    build(pictures, rule, out)
    more = open_zoo(out)
    assert more.digest == zoo.digest  # in two goes as in one
    other = tmp_path / "other.npz"
    coder = read_writer(rule)
    save_writer(other, replace(coder, bias=coder.bias + np.float32(0.5)))
    said = build(pictures, other, out, "--per-class", 3, code=1).output
    assert "was built with other settings: code.rule" in said
    build(pictures, other, tmp_path / "others.h5")
    with pytest.raises(ZooError, match=r"other settings .*code\.rule"):
        merge_zoos([out, tmp_path / "others.h5"], tmp_path / "both.h5")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"code": 0}, "a code of 0 numbers; it must be 1 or more"),
        ({"code": 5}, r"no rule for codes of 5 numbers ships .*metastart --code 5"),
        ({"code": 16, "regime": "writeup"}, "ships for the regime 'writeup'"),
        ({"code": 16, "init": "shared"}, "leave --init shared out"),
        ({"code": 16, "motion": "sway"}, "leave --motion out"),
        ({"code": 16, "train": "b1"}, "leave --train out"),
        ({"code": 16, "seeds": 3}, "leave --seeds or --code out"),
        ({"code": 16, "fire_rate": 1.0}, r"with fire_rate 0\.5, and this build has 1\.0"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(asked, words):
    with pytest.raises(ZooError, match=words):
        build_settings(chosen(**asked), quiet, init="meta", alpha="ink")


def test_a_file_of_other_codes_is_no_start(rule):
    with pytest.raises(ZooError, match=r"codes of 3 numbers .*expected --code 4"):
        make_init("meta", "regenerating", start=rule, code=4)
    with pytest.raises(ZooError, match="expected --code 3 and --visible grey"):
        make_init("meta", "regenerating", start=rule, visible="grey", code=3)
    as_written_up = chosen(code=3, start=rule, regime="writeup")
    with pytest.raises(ZooError, match=r"with seed_hidden True, .* regime regenerating"):
        build_settings(as_written_up, quiet, init="meta", alpha="ink")
    linear = rule.with_name("linear.npz")
    coder = read_writer(rule)
    anywhere = coder.changes.copy()
    anywhere[0, 0] = 1
    save_writer(linear, replace(coder, changes=anywhere))
    with pytest.raises(ZooError, match="it knows no codes"):
        make_init("meta", "regenerating", start=linear, code=3)


def test_a_rule_is_learnt_in_two_goes_as_in_one(pictures, rule, tmp_path, monkeypatch):
    from nca_zoo_cli import going

    kept, out = going.write_archive, tmp_path / "rule.npz"

    def stops(*what, **how):
        kept(*what, **how)
        raise ZooError("stopped")

    monkeypatch.setattr(going, "SAVED_EVERY", 4)
    monkeypatch.setattr(going, "write_archive", stops)
    learn(pictures, out, code=1)
    monkeypatch.undo()
    assert not out.exists()
    learn(pictures, out)
    assert read_writer(out).digest == read_writer(rule).digest
    assert not out.with_name("rule.npz.going").exists()


def test_a_rule_says_how_it_was_learnt_and_takes_no_option_of_other_starts(pictures, rule):
    recipe = read_writer(rule).recipe
    assert (recipe["regime"], recipe["start"]) == ("regenerating", "regenerating")
    told = recipe["end_to_end"]
    assert (told["steps"], told["begun"], told["pictures"]) == (6, 2, 8)
    start = make_init("meta", "regenerating").shared
    moved = read_writer(rule).base != start
    for name, part in param_slices().items():
        assert moved[part].any(), name
    said = learn(pictures, rule.with_name("no.npz"), "--lr", 1e-3, code=1).output
    assert "leave --lr out" in said


def course_of(told):
    """The course that a recipe tells; of before there were films it does not say all of it."""
    known = [field.name for field in fields(Course) if field.name in told]
    return Course(**{name: told[name] for name in known})


def first_losses_again(coder, targets, code, *few):
    """How wrong pictures were in the first training steps of a rule, redone by its recipe alone."""
    told = coder.recipe["end_to_end"]
    course = course_of(told)
    start = find_start(coder.recipe["start"]).shared
    begun = rule_begins(start, targets, code, coder.recipe, *few, seed=course.seed)
    lessons = EndToEnd(begun, targets, make_engine(threads=1), course)
    return [lessons.step() for _ in range(min(FIRST, course.steps))]


def test_a_recipe_is_enough_to_learn_a_rule_again(pictures, rule):
    coder = read_writer(rule)
    targets = [make_target(picture.pixels) for picture in load_pictures(pictures)[1]]
    again = first_losses_again(coder, targets, D)
    np.testing.assert_allclose(again, coder.recipe["end_to_end"]["first_losses"], rtol=1e-3)


@pytest.mark.wide
@pytest.mark.parametrize("wanted", [*CODES, *FEW])
def test_rules_that_ship_are_what_their_recipe_makes(kept_digits, wanted):
    """Of the command's defaults but for `--source digits` and more rounds; and the first training
    steps again: only rounding may differ, which every step makes more of."""
    regime, visible, what = wanted
    if wanted in CODES:
        coder, rounds = make_init("meta", regime, visible=visible, code=what).coder, 24_000
        begins = (what,)
    else:
        coder, rounds = make_init("written", regime, visible=visible, train=what).writer, 20_000
        begins = (None, what, FEW_SIZE)
    told, look = coder.recipe["end_to_end"], TargetSettings(visible=visible)
    usual = Course(rounds, RULE_TASKS, *RULE_RATES, bent=RULE_BENT)
    assert course_of(told) == usual
    assert (told["taken"], told["source"]) == (usual.steps, "digits")
    assert coder.recipe["regime"] == regime
    _, digits = load_pictures("digits", data_dir=kept_digits)
    taught = [picture for picture in digits if picture.split == "train"]
    again = first_losses_again(coder, [make_target(p.pixels, look) for p in taught], *begins)
    np.testing.assert_allclose(again[:4], told["first_losses"][:4], rtol=2e-3)
    np.testing.assert_allclose(again, told["first_losses"], rtol=5e-2)
