"""A writer against sums made by hand, its file, and NCAs that are judged as they were written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nca_zoo.automaton import rule
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.errors import ZooError
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import Target
from nca_zoo.training import init
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import (
    WRITERS,
    Init,
    make_init,
    shipped_writer,
    write_start,
)
from nca_zoo.training.regime import REGIMES
from nca_zoo.training.trainer import untrained
from nca_zoo.training.writer import ARRAYS, Writer, around, in_bytes, read_writer, save_writer

STARTS = Path(init.__file__).parent / "starts"


def small_writer(base=None, seed=0, units=2, **recipe) -> Writer:
    """A writer of three patterns in a window of 4 x 5 cells, all numbers drawn."""
    rng = np.random.default_rng(seed)
    changes, scales = in_bytes(1e-3 * rng.normal(size=(5, rule.N_PARAMS)))
    return Writer(
        base=np.zeros(rule.N_PARAMS, np.float32) if base is None else base,
        mean=rng.uniform(size=(4, 5, 4)).astype(np.float32),
        patterns=rng.normal(size=(3, 4, 5, 4)).astype(np.float16),
        into=rng.normal(size=(units, 3)).astype(np.float16),
        bias=rng.normal(size=units).astype(np.float32),
        mix=rng.normal(size=(5, 3 + units)).astype(np.float16),
        changes=changes,
        scales=scales,
        recipe=recipe,
    )


def blob(side=8, at=(4, 4)) -> Target:
    picture = np.zeros((side, side, 4), np.float32)
    picture[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2] = 0.8
    return Target(picture, *at)


def test_the_window_has_the_seed_in_its_middle_and_nothing_beyond_the_picture():
    picture = np.arange(1, 13, dtype=np.float32).reshape(3, 4, 1)
    seen = around(picture, 0, 3, (3, 3))[..., 0]
    np.testing.assert_array_equal(seen, [[0, 0, 0], [3, 4, 0], [7, 8, 0]])
    whole = around(picture, 1, 2, (3, 4))[..., 0]  # as centre_on has it: the middle is H//2, W//2
    np.testing.assert_array_equal(whole, picture[..., 0])
    wide = around(picture, 1, 1, (7, 9))[..., 0]
    assert wide[3, 4] == picture[1, 1, 0]
    assert wide.sum() == picture.sum()


@pytest.mark.parametrize("units", [0, 2, 7])
def test_what_is_written_is_the_base_and_so_much_of_each_change(units):
    writer, target = small_writer(glorot := init.glorot(1), units=units), blob()
    seen = np.zeros((4, 5, 4))
    for row in range(4):
        for col in range(5):
            seen[row, col] = target.rgba[4 - 2 + row, 4 - 2 + col]
    found = np.einsum("khwc,hwc->k", writer.patterns.astype(float), seen - writer.mean)
    fires = [max(0.0, line @ found + b) for line, b in zip(writer.into, writer.bias, strict=True)]
    assert units < 7 or 0 in fires  # the bend is met
    shares = writer.mix.astype(float) @ [*found, *fires]
    rows = writer.changes.astype(float) * writer.scales[:, None]
    np.testing.assert_allclose(writer.weights(target), glorot + shares @ rows, rtol=1e-4, atol=1e-6)
    assert writer.weights(target).dtype == np.float32


def test_a_pattern_of_one_channel_holds_for_all():
    writer = small_writer()
    one = replace(writer, patterns=writer.patterns[..., :1])
    all_four = replace(writer, patterns=np.repeat(one.patterns, 4, axis=-1))
    np.testing.assert_array_equal(one.weights(blob()), all_four.weights(blob()))


def test_rows_in_bytes_are_off_by_half_a_step_at_most():
    rows = np.random.default_rng(0).normal(size=(4, 50)) * [[1e-6], [1], [0], [30]]
    small, scales = in_bytes(rows)
    assert small.dtype == np.int8
    assert np.abs(small).max(axis=1).tolist() == [127, 127, 0, 127]
    off = np.abs(small * scales[:, None].astype(float) - rows)
    assert (off <= 0.5001 * scales[:, None] + 1e-37).all()


def test_a_picture_is_written_alike_wherever_it_lies():
    writer = small_writer()
    here, there = writer.weights(blob(12, (4, 4))), writer.weights(blob(15, (8, 9)))
    np.testing.assert_array_equal(here, there)


def test_a_writer_of_four_channels_is_not_asked_for_grey():
    picture = blob()
    grey = Target(picture.rgba, picture.seed_row, picture.seed_col, channels=1)
    with pytest.raises(ZooError, match="show rgba, and this picture has 1 channels to grow"):
        small_writer().weights(grey)


def test_a_writer_file_round_trips_and_is_checked(tmp_path):
    path, writer = tmp_path / "mine.npz", small_writer(regime="growing")
    save_writer(path, writer)
    back = read_writer(path)
    assert back.recipe == {"regime": "growing"}
    assert back.digest == writer.digest
    np.testing.assert_array_equal(back.weights(blob()), writer.weights(blob()))
    with pytest.raises(ZooError, match="no such writer file"):
        read_writer(tmp_path / "other.npz")
    good = path.read_bytes()
    for broken in (b"", b"PK", good[: len(good) // 2], b"x" * 500):
        path.write_bytes(broken)
        with pytest.raises(ZooError, match="not a writer file of `nca-zoo writer learn`"):
            read_writer(path)
    write_start(path, init.glorot(4), {}, init.glorot(5))
    with pytest.raises(ZooError, match="it holds no base"):
        read_writer(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("base", np.zeros(7, np.float32), r"base are float32 \(7,\)"),
        ("base", np.full(rule.N_PARAMS, np.nan, np.float32), "base are not finite"),
        ("patterns", np.zeros((3, 4, 4, 4), np.float16), "patterns are float16"),
        ("patterns", np.zeros((3, 4, 5, 2), np.float16), "patterns are float16"),
        ("into", np.zeros((2, 4), np.float16), r"into are float16 \(2, 4\)"),
        ("bias", np.zeros(3, np.float32), r"into are float16 \(2, 3\)"),
        ("bias", np.float32(1), r"into are float16 \(2, 3\)"),
        ("mix", np.zeros((5, 4), np.float16), r"mix are float16 \(5, 4\)"),
        ("mix", np.full((5, 5), np.inf, np.float16), "mix are not finite"),
        ("scales", np.zeros((5, 1), np.float32), r"scales are float32 \(5, 1\)"),
        ("patterns", np.zeros((3, 4, 5, 4), np.float32), "patterns are float32"),
        ("patterns", np.float16(1), "patterns are float16"),
        ("changes", np.zeros((2, rule.N_PARAMS), np.int8), "changes are int8"),
        ("changes", np.zeros((5, rule.N_PARAMS), np.float16), "changes are float16"),
        ("mean", np.zeros((4, 5), np.float32), r"mean are \(4, 5\)"),
        ("mean", np.zeros((4, 0, 4), np.float32), r"mean are \(4, 0, 4\)"),
        ("mean", np.array([{}], object), "not a writer file"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(tmp_path, name, value, message):
    path, writer = tmp_path / "mine.npz", small_writer()
    arrays = {each: getattr(writer, each) for each in ARRAYS} | {name: value}
    np.savez(path, recipe=np.array("{}"), **arrays)
    with pytest.raises(ZooError, match=message) as caught:
        read_writer(path)
    assert "\n" not in str(caught.value)


def test_written_is_a_start_that_depends_on_the_picture_alone(tmp_path):
    writer = small_writer()
    save_writer(tmp_path / "mine.npz", writer)
    start = make_init("written", "growing", start=tmp_path / "mine.npz")
    assert (start.name, start.shared) == ("written", None)
    for rng_seed, attempt in ((1, 0), (2, 0), (1, 1)):
        found = start.weights(rng_seed, attempt, blob())
        np.testing.assert_array_equal(found, writer.weights(blob()))
    other = Target(1 - blob().rgba, 4, 4)
    assert not np.array_equal(start.weights(1, 0, other), found)
    job = Job("a", blob(), start, 7)
    np.testing.assert_array_equal(job.start(0), writer.weights(blob()))


def test_a_start_that_is_not_to_be_had(tmp_path):
    save_writer(tmp_path / "mine.npz", small_writer())
    with pytest.raises(ZooError, match="no writer ships for the regime 'growing'"):
        make_init("written", "growing")
    with pytest.raises(ZooError, match="learnt from NCAs that show rgba; use --visible rgba"):
        make_init("written", "growing", start=tmp_path / "mine.npz", visible="grey")
    with pytest.raises(ZooError, match="not a start file"):
        make_init("meta", "growing", start=tmp_path / "mine.npz")


def test_the_writer_that_ships_is_small_and_starts_where_it_was_learnt():
    for name in WRITERS.values():
        assert (STARTS / f"{name}.npz").stat().st_size < 2e6
    writer = shipped_writer()
    assert writer.grid == (28, 28)
    assert writer.recipe["regime"] == DEFAULT_REGIME
    begun = make_init("meta", DEFAULT_REGIME).weights(0, 0)
    assert 0.1 < np.linalg.norm(writer.base - begun) < 2  # one zoo's NCAs are 1.6 from each other


def test_an_untrained_nca_is_judged_as_it_starts(lively_weights):
    targets = [blob(), blob(8, (3, 5)), blob(8, (5, 3))]
    writer = small_writer(lively_weights(1))
    jobs = [Job(f"{i}", t, Init("written", writer=writer), i) for i, t in enumerate(targets)]
    regime = REGIMES["growing"]
    fits = list(untrained(jobs, regime, SparseEngine(), cohort_size=2))
    assert [fit.job.id for fit in fits] == ["0", "1", "2"]
    for fit, target in zip(fits, targets, strict=True):
        np.testing.assert_array_equal(fit.weights, writer.weights(target))
        assert (fit.train_steps, fit.losses, fit.attempts) == (0, [], 1)
        *_, (_, state) = rollout(fit.weights, fit.job.seed_state(regime), 96)
        reached = psnr(state[None, ..., :4], target.rgba[None])[0]
        assert fit.psnr_96 == pytest.approx(reached, abs=0.01)
        assert fit.status == "ok" if reached > 40 else fit.status in ("below_gate", "dead")
