"""Where weights start, and the files that hold a start."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from wide import mostly_wide

from nca_zoo.automaton import rule
from nca_zoo.automaton.noise import Stream, fold
from nca_zoo.building.settings import (
    as_films_ask,
    as_seeds_ask,
    as_starts_ask,
    as_synchrony_asks,
)
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.motions import MotionSettings
from nca_zoo.pictures.sources import load_pictures, meta_pictures
from nca_zoo.pictures.targets import TargetSettings, make_target
from nca_zoo.training import init, metastart
from nca_zoo.training.cohort import Cohort
from nca_zoo.training.init import (
    CODES,
    FEW,
    FILM_WRITERS,
    FIRST,
    FIRST_WRITER,
    INITS,
    META_STARTS,
    MOVING_STARTS,
    ROOMS,
    SOWN_STARTS,
    SYNCHRONOUS,
    WRITERS,
    Init,
    find_start,
    glorot,
    make_init,
    read_start,
    start_weights,
    write_start,
)
from nca_zoo.training.metastart import Recipe, inner, meta_learn
from nca_zoo.training.regime import REGIMES
from nca_zoo_cli.metastart import EARLY_ROUNDS, PIECES, films_of

STARTS = Path(init.__file__).parent / "starts"
SHIPPED = (META_STARTS, MOVING_STARTS, SOWN_STARTS)
PACKAGED = sorted({SYNCHRONOUS}.union(*(starts.values() for starts in SHIPPED)))


def test_glorot_is_uniform_in_w1_and_zero_elsewhere():
    tensors = rule.unflatten(glorot(3))
    limit = np.sqrt(6 / (48 + 128))
    assert np.abs(tensors["W1"]).max() <= limit
    assert tensors["W1"].std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    for name in ("b1", "W2", "b2"):
        assert not tensors[name].any()


@pytest.mark.parametrize("name", INITS)
def test_a_start_depends_on_what_it_should(name):
    target = make_target(np.full((5, 5), 200, np.uint8))

    def start(build_seed, rng_seed, attempt):
        return make_init(name, DEFAULT_REGIME, build_seed).weights(rng_seed, attempt, target)

    same_for_all = np.array_equal(start(1, 5, 0), start(1, 6, 0))
    assert same_for_all == (name != "independent")
    assert np.array_equal(start(1, 5, 0), start(1, 5, 0))
    assert np.array_equal(start(1, 5, 0), start(1, 5, 1)) == same_for_all
    differs = not np.array_equal(start(1, 5, 0), start(2, 5, 0))
    assert differs == (name == "shared")


def test_changing_the_weights_of_a_fit_leaves_the_shared_start_alone():
    start = make_init("shared", "growing")
    start.weights(0, 0)[:] = 7
    assert start.weights(0, 0).max() < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lucky", "growing"), "no start is called 'lucky'"),
        (("meta", "writeup"), "no meta-learned start ships for the regime 'writeup'; use --init"),
        (
            ("meta", "growing", 0, None, "grey"),
            "ships for the regime 'growing' and --visible grey; use .* `nca-zoo metastart "
            "--regime growing --visible grey`",
        ),
    ],
)
def test_a_start_that_does_not_exist(arguments, message):
    with pytest.raises(ZooError, match=message):
        make_init(*arguments)


def test_a_start_file_round_trips_and_is_checked(tmp_path):
    path = tmp_path / "mine.npz"
    write_start(path, glorot(4), {"rounds": 3}, glorot(5))
    weights, recipe = read_start(path)
    assert np.array_equal(weights, glorot(4))
    assert recipe == {"rounds": 3}
    assert make_init("meta", "writeup", start=path).shared is not None
    with pytest.raises(ZooError, match="goes with the start 'meta'"):
        make_init("shared", "growing", start=path)
    with pytest.raises(ZooError, match="no such start file"):
        read_start(tmp_path / "other.npz")

    good = path.read_bytes()
    for broken in (b"", b"PK", good[: len(good) // 2], b"x" * 500):
        path.write_bytes(broken)
        with pytest.raises(ZooError, match="not a start file") as refused:
            read_start(path)
        assert "pickle" not in str(refused.value)  # numpy's guess at what is no archive
    np.savez(path, weights=np.zeros(7, np.float32), recipe=np.array("{}"))
    with pytest.raises(ZooError, match=r"weights are float32 \(7,\)"):
        read_start(path)
    np.savez(path, weights=glorot(4), recipe=np.array("[]"))
    with pytest.raises(ZooError, match="its recipe is no JSON object"):
        read_start(path)
    np.savez(path, weights=np.array([{}], object), recipe=np.array("{}"))
    with pytest.raises(ZooError, match="not a start file"):
        read_start(path)


def test_a_start_goes_by_regime_and_what_is_visible():
    for regime, visible, name in (
        ("persistent", "rgba", "persistent"),
        ("persistent", "grey", "persistent-grey"),
        ("regenerating", "rgba", "regenerating"),
        ("regenerating", "grey", "regenerating"),
    ):
        with np.load(STARTS / f"{name}.npz") as file:
            start = make_init("meta", regime, visible=visible)
            np.testing.assert_array_equal(start.shared, file["weights"])
            np.testing.assert_array_equal(start_weights(name), file["weights"])
            np.testing.assert_array_equal(
                start_weights(str(STARTS / f"{name}.npz")), file["weights"]
            )
    for name in ("shared", "independent"):
        one, other = (make_init(name, "growing", visible=visible) for visible in ("rgba", "grey"))
        np.testing.assert_array_equal(one.weights(3, 0), other.weights(3, 0))


def test_every_packaged_start_is_used_and_is_there():
    used = {*PACKAGED, FIRST, ROOMS, *WRITERS.values(), *CODES.values(), *FEW.values()}
    used |= {FIRST_WRITER, *FILM_WRITERS.values()}
    assert {path.stem for path in STARTS.glob("*")} == used


@pytest.mark.parametrize("name", PACKAGED)
def test_the_packaged_starts_say_how_they_were_made(name):
    _, recipe = read_start(STARTS / f"{name}.npz")
    regime, visible = recipe["regime"]["name"], recipe.get("visible", "rgba")
    starts = MOVING_STARTS if "motion" in recipe else META_STARTS
    if "seeds" in recipe["regime"]:
        starts = SOWN_STARTS
    if name != SYNCHRONOUS:
        assert starts[regime, visible] == name
    settings = Recipe(**recipe["recipe"])
    assert recipe["rounds_done"] == recipe["recipe"]["rounds"]
    assert recipe["pictures"] == 800
    assert recipe["regime"] == as_json(inner(taught(recipe), settings).step_settings())


def as_json(settings):
    return json.loads(json.dumps(settings))


def taught(recipe):
    """The regime of a recipe, before its step size."""
    regime = REGIMES[recipe["regime"]["name"]].of_batch(recipe["regime"]["batch"])
    if seeds := recipe["regime"].get("seeds"):
        return replace(regime, **as_seeds_ask(regime, seeds), pieces=PIECES)
    if "motion" not in recipe:
        in_step = "fire_rate" in recipe["regime"]
        asked = as_synchrony_asks() if in_step else as_starts_ask(regime)
        return replace(regime, **asked)
    return replace(regime, **as_films_ask(regime))


@pytest.mark.parametrize("name", mostly_wide(PACKAGED))
def test_the_packaged_starts_are_what_their_recipe_makes(kept_digits, name):
    """The first rounds again, and where they lead; only rounding may differ."""
    with np.load(STARTS / f"{name}.npz") as archive:
        early, recipe = archive["early"], json.loads(str(archive["recipe"]))
    settings, pictures = (
        TargetSettings(visible=recipe.get("visible", "rgba")),
        meta_pictures(kept_digits),
    )
    targets = [make_target(picture.pixels, settings) for picture in pictures]
    films = None
    if "motion" in recipe:
        films = films_of(pictures, targets, settings, MotionSettings(**recipe["motion"]))
    learns, begins = Recipe(**recipe["recipe"]), begun_at(recipe)
    rounds = meta_learn(targets, taught(recipe), SparseEngine(2), learns, begins, films)
    redone = [next(rounds).weights for _ in range(EARLY_ROUNDS)][-1]
    moved = np.linalg.norm(early - begins.shared)
    assert np.linalg.norm(redone - early) < 0.05 * moved


def begun_at(recipe):
    """Where the recipe began."""
    if "start" in recipe:
        return find_start(recipe["start"])
    return Init("meta", glorot(fold(fold(recipe["recipe"]["seed"], Stream.META), Stream.INIT)))


def test_meta_pictures_are_in_no_test_split(kept_digits):
    """Nor in any zoo of up to 400 pictures a class."""
    learnt = {picture.id for picture in meta_pictures(kept_digits)}
    _, every = load_pictures("digits", data_dir=kept_digits)
    assert not learnt & {picture.id for picture in every if picture.split == "test"}
    _, zoo = load_pictures("digits", per_class=400, data_dir=kept_digits)
    assert not learnt & {picture.id for picture in zoo}
    assert len(learnt) == 800


def test_the_step_size_falls_within_a_round(monkeypatch):
    """From ``lr`` by equal amounts, so that one more step would be at ``fall`` of it; every round
    anew, and with wounds and averages where the regime has them."""
    seen = []

    class Spy(Cohort):
        def step(self):
            seen.append((self.regime.lr, self.regime.damaged, self.regime.average))
            super().step()

    monkeypatch.setattr(metastart, "Cohort", Spy)
    target = make_target(np.full((5, 5), 200, np.uint8))
    recipe = Recipe(rounds=2, tasks=1, first_steps=4, last_steps=4, lr=1e-3, fall=0.2)
    list(meta_learn([target], REGIMES["regenerating"], SparseEngine(), recipe))
    own = REGIMES["regenerating"].damaged, REGIMES["regenerating"].average
    np.testing.assert_allclose(seen, [(lr, *own) for lr in (1e-3, 8e-4, 6e-4, 4e-4)] * 2)


@pytest.mark.wide
def test_a_short_recipe_rebuilds_bit_for_bit_and_helps(kept_digits):
    """Meta-learning repeats itself exactly, and its start beats the one it began with."""
    pictures = meta_pictures(kept_digits)[:40]
    targets = [make_target(picture.pixels[4:24, 4:24]) for picture in pictures]
    recipe = Recipe(rounds=12, tasks=3, first_steps=6, last_steps=8)
    regime = REGIMES["growing"]
    first = [done.weights for done in meta_learn(targets, regime, SparseEngine(), recipe)]
    threaded = islice(meta_learn(targets, regime, SparseEngine(2), recipe), 3)
    assert np.array_equal(first[2], [done.weights for done in threaded][2])
    losses = [
        done.loss
        for weights in (glorot(1), first[-1])
        for done in meta_learn(
            targets[30:],
            regime,
            SparseEngine(),
            Recipe(rounds=1, tasks=5, first_steps=6),
            Init("meta", weights),
        )
    ]
    assert losses[1] < 0.8 * losses[0]
