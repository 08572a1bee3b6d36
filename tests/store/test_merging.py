"""Merging zoos: every NCA once, conflicts and other settings refused by name, nothing half done."""

import errno
import json
import os

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from rows import datasets, header, record, same

from nca_zoo.building.regrow import regrow_problems
from nca_zoo.errors import ZooError
from nca_zoo.store import assemble, merging
from nca_zoo.store.merging import Merged, common_header, merge_zoos
from nca_zoo.store.schema import Header
from nca_zoo.store.settings import dotted
from nca_zoo.store.verify import verify
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

PERSISTENT = {"name": "persistent", "batch": 2, "seed_hidden": True}


def zoo(path, numbers, about=None, **changes):
    with ZooWriter(path, header() if about is None else about) as writer:
        writer.add([record(number, **changes) for number in numbers])
    return path


def settings_of(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["settings"])


def test_the_merged_zoo_is_the_one_that_was_built_whole(tmp_path):
    whole = zoo(tmp_path / "whole.h5", range(20))
    parts = [zoo(tmp_path / f"{i}.h5", range(i, 20, 3)) for i in range(3)]
    seen = []
    merged = merge_zoos(
        parts[::-1], tmp_path / "new" / "zoo.h5", progress=lambda *n: seen.append(n)
    )
    assert merged == Merged(rows=20, twins=0)
    assert same(datasets(tmp_path / "new" / "zoo.h5"), datasets(whole))
    assert settings_of(tmp_path / "new" / "zoo.h5") == settings_of(whole)
    assert verify(tmp_path / "new" / "zoo.h5") == []
    assert os.listdir(tmp_path / "new") == ["zoo.h5"]
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(total) == {done[-1]}


def test_the_same_nca_twice_comes_once(tmp_path):
    left = zoo(tmp_path / "left.h5", range(6))
    right = zoo(tmp_path / "right.h5", range(4, 9), wall_s=np.float32(9))  # fitted twice
    assert merge_zoos([left, right, left], tmp_path / "zoo.h5") == Merged(rows=9, twins=2)
    assert len(set(open_zoo(tmp_path / "zoo.h5").id)) == 9


def test_a_failed_fit_with_nan_weights_is_its_own_twin(tmp_path):
    weights = np.full(8336, np.nan, np.float32)
    paths = [zoo(tmp_path / f"{i}.h5", [1], weights=weights, status="diverged") for i in range(2)]
    assert merge_zoos(paths, tmp_path / "zoo.h5") == Merged(rows=1, twins=1)


def test_conflicts_are_reported_by_id(tmp_path):
    left = zoo(tmp_path / "left.h5", range(6))
    right = zoo(tmp_path / "right.h5", range(3, 30))
    with h5py.File(right, "r+") as file:
        ids = file["id"].asstr()[:].tolist()
        for nca_id in ("0-001", "2-001"):
            file["weights"][ids.index(nca_id), -1] += 1
    with pytest.raises(ZooError) as error:
        merge_zoos([left, right], tmp_path / "zoo.h5")
    text = str(error.value)
    assert text.startswith("0-001 is in ")
    assert "right.h5 with other weights; and 1 more: 2-001; --rename keeps both" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["left.h5", "right.h5"]


def test_an_unfinished_build_is_merged_as_far_as_it_is(tmp_path):
    with ZooWriter(tmp_path / "running.h5", header()) as writer:
        writer.add([record(0), record(1)])
        writer.add([record(2)])  # in a shard
        assert merge_zoos([tmp_path / "running.h5"], tmp_path / "zoo.h5").rows == 3
    assert len(open_zoo(tmp_path / "running.h5")) == 3


def test_a_file_that_exists_is_never_overwritten(tmp_path):
    left, right = (zoo(tmp_path / f"{i}.h5", [i]) for i in range(2))
    before = left.read_bytes()
    for out in (left, right):
        with pytest.raises(ZooError, match="exists already; name another"):
            merge_zoos([left, right], out)
    assert left.read_bytes() == before


def test_other_settings_are_refused_by_name(tmp_path):
    left = zoo(tmp_path / "left.h5", [0])
    right = zoo(tmp_path / "right.h5", [1], header(seed=3, regime=PERSISTENT | {"batch": 4}))
    with pytest.raises(ZooError, match=r"regime\.batch 2 -> 4.* seed 0 -> 3; .*--mix-settings"):
        merge_zoos([left, right], tmp_path / "zoo.h5")
    assert not (tmp_path / "zoo.h5").exists()


def test_mixed_settings_say_what_differs_and_what_does_not(tmp_path):
    left = zoo(tmp_path / "left.h5", [0])
    right = zoo(tmp_path / "right.h5", [1], header(seed=3))
    third = zoo(tmp_path / "third.h5", [2], header(seed=5, regime=PERSISTENT))
    merge_zoos([left, right], tmp_path / "two.h5", mix_settings=True)
    mixed = settings_of(tmp_path / "two.h5")
    assert mixed.pop("mixed") == {"seed": [0, 3]}
    assert mixed == {name: v for name, v in settings_of(left).items() if name != "seed"}
    merge_zoos([tmp_path / "two.h5", third], tmp_path / "three.h5", mix_settings=True)
    mixed = settings_of(tmp_path / "three.h5")
    assert mixed["mixed"] == {
        "seed": [0, 3, 5],
        "regime.gate.pass_400": [20.0, None],
        "regime.gate.stop_96": ["inf", None],
    }
    assert mixed["regime"] == PERSISTENT | {"gate": {}}
    merged = open_zoo(tmp_path / "three.h5")
    assert merged.seed_states(0).shape == (3, 4, 16)  # they can still be grown
    assert len(merged.attrs["init_weights"]) == 8336
    with pytest.raises(ZooError, match="built with other settings"):
        ZooWriter(tmp_path / "three.h5", header())
    regrown = verify(tmp_path / "three.h5", regrow_problems)
    assert regrown  # these rows are made up and grow no such pictures,
    assert not [problem for problem in regrown if "attribute" in problem]  # but they can be judged


def test_texts_that_differ_are_listed_and_a_start_that_differs_is_left_out():
    one, other = header(), header()
    object.__setattr__(other, "init_weights", one.init_weights + 1)
    object.__setattr__(other, "licence", "MIT")
    object.__setattr__(other, "versions", {"numpy": "1.26", "torch": "2.4"})
    object.__setattr__(other, "created", "2020-01-01T00:00:00+00:00")
    common = common_header([one, other])
    assert common.licence == "CC0; MIT"
    assert common.source == one.source
    assert common.versions == {"numpy": "1.26; 2.0", "torch": "2.4"}
    assert common.init_weights.shape == (0,)
    assert common.created == other.created
    assert common.settings == one.settings


NAMES = st.sampled_from(["regime", "seed", "mixed", "a", "b"])
VALUES = st.recursive(
    st.none() | st.integers(-3, 3) | st.text("ab.", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=3))
def test_a_common_header_claims_only_what_all_say(each):
    """Whatever settings files have, even ones that no build writes."""
    each = [settings for settings in each if isinstance(settings.get("regime", {}), dict)]
    assume(each)
    headers = [Header(settings, "", "", "", {}) for settings in each]
    common = common_header(headers).settings
    claimed = dotted({name: value for name, value in common.items() if name != "mixed"})
    for settings in each:
        told = dotted(settings)
        assert all(told.get(name) == value for name, value in claimed.items() if value != {})
    if "mixed" not in each[0]:
        assert common_header(headers[:1]).settings == headers[0].settings


def test_seeds_that_differ_cannot_be_mixed(tmp_path):
    left = zoo(tmp_path / "left.h5", [0])
    alpha_alone = header(regime=PERSISTENT | {"seed_hidden": False})
    right = zoo(tmp_path / "right.h5", [1], alpha_alone)
    with pytest.raises(ZooError, match="seed cells differ"):
        merge_zoos([left, right], tmp_path / "zoo.h5", mix_settings=True)


@pytest.mark.parametrize("rate", [0.5, 0.75])
def test_cells_that_fire_at_other_rates_cannot_be_mixed(tmp_path, rate):
    """A zoo that says nothing means one half."""
    left = zoo(tmp_path / "left.h5", [0])
    right = zoo(tmp_path / "right.h5", [1], header(regime=PERSISTENT | {"fire_rate": rate}))
    if rate == 0.5:
        merge_zoos([left, right], tmp_path / "zoo.h5", mix_settings=True)
        return
    with pytest.raises(ZooError, match="fire at other rates"):
        merge_zoos([left, right], tmp_path / "zoo.h5", mix_settings=True)


@pytest.mark.parametrize("mix", [False, True])
@pytest.mark.parametrize("other", [{"alpha": "ink"}, {"alpha": "ink", "visible": "rgba"}, None])
def test_grey_and_rgba_cannot_be_mixed(tmp_path, mix, other):
    """Whatever an RGBA zoo says: nothing, rgba, or nothing of targets at all, if imported."""
    about = header() if other is None else header(target=other)
    rgba = zoo(tmp_path / "rgba.h5", [0], about)
    grey = zoo(tmp_path / "grey.h5", [1], header(target={"alpha": "ink", "visible": "grey"}))
    for pair in ([rgba, grey], [grey, rgba]):
        with pytest.raises(ZooError, match=r"some grey \(target\.visible\)"):
            merge_zoos(pair, tmp_path / "zoo.h5", mix_settings=mix)
    assert sorted(os.listdir(tmp_path)) == ["grey.h5", "rgba.h5"]


def test_what_is_left_out_is_rgba(tmp_path):
    silent = zoo(tmp_path / "silent.h5", [0], header(target={"alpha": "ink"}))
    rgba = zoo(tmp_path / "rgba.h5", [1], header(target={"alpha": "ink", "visible": "rgba"}))
    assert merge_zoos([silent, rgba], tmp_path / "zoo.h5").rows == 2
    with ZooWriter(tmp_path / "zoo.h5", header(target={"alpha": "ink", "visible": "rgba"})):
        pass
    words = r"target\.visible rgba -> grey; use the same settings, or another --out"
    with pytest.raises(ZooError, match=words):
        ZooWriter(silent, header(target={"alpha": "ink", "visible": "grey"}))


def test_grey_zoos_merge_and_stay_grey(tmp_path):
    grey = {"alpha": "ink", "visible": "grey"}
    left = zoo(tmp_path / "left.h5", [0], header(target=grey | {"seed_at": "ink"}))
    right = zoo(tmp_path / "right.h5", [1], header(target=grey | {"seed_at": "center"}))
    merge_zoos([left, right], tmp_path / "zoo.h5", mix_settings=True)
    assert settings_of(tmp_path / "zoo.h5")["target"] == grey
    assert open_zoo(tmp_path / "zoo.h5").visible == "grey"
    third = zoo(tmp_path / "third.h5", [2])
    with pytest.raises(ZooError, match="which NCA shows what"):
        merge_zoos([tmp_path / "zoo.h5", third], tmp_path / "all.h5", mix_settings=True)


def test_other_sizes_are_refused(tmp_path):
    left = zoo(tmp_path / "left.h5", [0])
    with ZooWriter(tmp_path / "right.h5", header()) as writer:
        writer.add([record(1, grid=(5, 5))])
    with pytest.raises(ZooError, match=r"right.h5: sizes .* has"):
        merge_zoos([left, tmp_path / "right.h5"], tmp_path / "zoo.h5", mix_settings=True)


def test_columns_measured_later_are_carried_on(tmp_path):
    paths = [zoo(tmp_path / f"{i}.h5", [i]) for i in range(3)]
    for path, width in zip(paths, (2, 3), strict=False):
        with h5py.File(path, "r+") as file:
            file["drift"] = np.ones((1, width), np.float32)
    merge_zoos(paths[1:], tmp_path / "zoo.h5")
    np.testing.assert_array_equal(open_zoo(tmp_path / "zoo.h5").drift, [[1] * 3, [np.nan] * 3])
    with pytest.raises(ZooError, match=r"1.h5: drift is <f4 \(3,\), but <f4 \(2,\) in .*0.h5"):
        merge_zoos(paths, tmp_path / "other.h5")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    left, right = (zoo(tmp_path / f"{i}.h5", [i]) for i in range(2))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(assemble.os, "fsync", full)
    with pytest.raises(ZooError, match="No space left on device"):
        merge_zoos([left, right], tmp_path / "zoo.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.h5", "1.h5"]


def test_what_a_killed_merge_left_does_no_harm(tmp_path):
    left, right = (zoo(tmp_path / f"{i}.h5", [i]) for i in range(2))
    for name in ("zoo.h5.tmp", "zoo.h5.lock"):
        (tmp_path / name).write_bytes(b"half a file")
    assert merge_zoos([left, right], tmp_path / "zoo.h5").rows == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.h5", "1.h5", "zoo.h5"]


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "MOST_FILES", 2)
    paths = [zoo(tmp_path / f"{i}.h5", [i]) for i in range(3)]
    with pytest.raises(ZooError, match=r"3 files are too many .* up to 2 at a time"):
        merge_zoos(paths, tmp_path / "zoo.h5")


def run(*arguments):
    return CliRunner().invoke(group, ["merge", *map(str, arguments)])


def test_the_command(tmp_path):
    left = zoo(tmp_path / "left.h5", range(4))
    right = zoo(tmp_path / "right.h5", range(3, 6), header(seed=1))
    out = tmp_path / "zoo.h5"
    refused = run(left, right, "--out", out)
    assert refused.exit_code == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    done = run(left, right, "--out", out, "--mix-settings")
    assert done.exit_code == 0, done.output
    assert "6 NCAs of 2 zoos; 1 was there twice" in done.stdout
    assert "Mixed settings: seed" in done.stdout
    as_json = json.loads(run(left, "--out", tmp_path / "copy.h5", "--json").stdout)
    assert as_json == {
        "zoo": str(tmp_path / "copy.h5"),
        "ncas": 4,
        "twins": 0,
        "renamed": 0,
        "mixed": {},
    }
    missing = run(left, tmp_path / "nowhere.h5", "--out", tmp_path / "other.h5")
    assert missing.exit_code == 1
    assert "nowhere.h5: no such file" in missing.stderr
