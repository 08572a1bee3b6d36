"""Variance within pictures, on zoos whose parts are known."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record
from scipy import stats

from nca_zoo.errors import ZooError
from nca_zoo.probing.quantities import Quantity
from nca_zoo.store.columns import Column
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies.measuring import columns
from nca_zoo.studies.within import reliability, share_within, within, without_means
from nca_zoo_cli.main import group

PICTURES, FITS = 24, 4
GRID = (6, 7)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """NCAs of 24 pictures, four each, whose ``drift_400`` owes to the picture and to one weight.

    ``drift_1000`` owes to the picture and to chance.
    """
    path = tmp_path_factory.mktemp("within") / "zoo.h5"
    rng = np.random.default_rng(0)
    records, known, lucky = [], [], []
    for picture in range(PICTURES):
        target = rng.integers(0, 255, (*GRID, 4)).astype(np.uint8)
        own = rng.normal(size=8336).astype(np.float32)  # of all NCAs of the picture
        for fit in range(FITS):
            row = record(picture * FITS + fit, GRID)
            shift = rng.normal() * 0.2
            weights = own + 0.01 * rng.normal(size=8336).astype(np.float32)
            weights[:3000] += np.float32(shift)
            name = f"p-{picture:03d}"
            nca_id = name if fit == 0 else f"{name}+{fit + 1:02d}"
            records.append({**row, "id": nca_id, "name": name, "repeat": fit + 1, "label": 0,
                            "source_index": picture, "target": target, "weights": weights,
                            "status": "ok"})  # fmt: skip
            known.append(own[0] + 2 * shift)
            lucky.append(own[1] + rng.normal())
    with ZooWriter(path, header()) as writer:
        writer.add(records)
        writer.consolidate()
        ids = [one["id"] for one in records]
        values = {Column(c.name, "<f4", (), c.units, c.description): v
                  for c in columns() for n, v in (("drift_400", known), ("drift_1000", lucky))
                  if c.name == n}  # fmt: skip
        writer.add_columns({c: np.array(v, np.float32) for c, v in values.items()}, ids)
        writer.consolidate()
    return path


def asked(values):
    return Quantity("drift_400", True, "", np.asarray(values, float))


def test_variances_are_those_of_the_textbook():
    """Against SciPy's F, and a case computed by hand."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(30), 5)
    values = rng.normal(size=30)[groups] * 2 + rng.normal(size=150)
    found = share_within(asked(values), groups)
    f = stats.f_oneway(*(values[groups == g] for g in range(30))).statistic
    assert 1 + 5 * found.between / found.within == pytest.approx(f)
    assert found.low < 0.2 < found.high
    assert found.low < found.share < found.high
    by_hand = share_within(asked([1, 3, 6, 8]), np.array([0, 0, 1, 1]))
    assert by_hand.within == pytest.approx(2)  # ((1-2)^2 + ... ) / 2
    assert by_hand.between == pytest.approx((25 - 2) / 2)


def test_groups_of_unlike_size_share_what_they_should():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(400), rng.integers(2, 9, 400))
    values = rng.normal(size=400)[groups] + 3 * rng.normal(size=len(groups))
    found = share_within(asked(values), groups)
    assert found.within == pytest.approx(9, rel=0.1)
    assert found.share == pytest.approx(0.9, abs=0.03)
    flat = share_within(asked(np.ones(len(groups))), groups)
    assert flat.share == flat.within == flat.between == 0


def test_what_another_measuring_shows_again_is_the_ncas_own():
    """Half of the variance within pictures is the NCA's, half is luck: r is a half."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(300), 6)
    own = 9 * rng.normal(size=300)[groups] + rng.normal(size=1800)
    first, again = own + rng.normal(size=(2, 1800))
    found = reliability(asked(first), again, groups)
    assert found.r == pytest.approx(0.5, abs=0.06)
    assert found.low < 0.5 < found.high < found.low + 0.15
    assert (found.n, found.n_ncas) == (300, 1800)
    centred = [v - np.array([v[groups == g].mean() for g in range(300)])[groups]
               for v in (first, again)]  # fmt: skip
    assert found.r == pytest.approx(stats.pearsonr(*centred).statistic)
    again[:6], first[6] = np.nan, np.nan
    fewer = reliability(asked(first), again, groups)
    assert (fewer.n, fewer.n_ncas) == (299, 1793)
    assert reliability(asked(np.ones(1800)), own, groups).r == 0


@pytest.mark.wide
def test_the_part_within_pictures_is_read_from_weights_alone(path):
    found = within(open_zoo(path), jobs=1)
    shares = {s.quantity: s for s in found.shares}
    assert list(shares) == ["drift_400", "drift_1000"]
    assert shares["drift_400"].n == PICTURES
    assert shares["drift_400"].n_ncas == PICTURES * FITS
    assert shares["drift_400"].share == pytest.approx(0.16 / 1.16, abs=0.1)
    assert shares["drift_1000"].share == pytest.approx(0.5, abs=0.2)
    r2 = {(row.quantity, row.feature): row for row in found.rows}
    assert r2["drift_400", "weights"].r2 > 0.8
    assert r2["drift_400", "weights"].kind == "weights"
    assert r2["drift_1000", "weights"].r2 < 0.1  # chance is nobody's
    for control in ("grown", "shuffled"):
        assert r2["drift_400", control].r2 < 0.1
        assert r2["drift_400", control].kind == "control"


def test_pictures_with_one_known_ncas_are_left_out(path):
    zoo = open_zoo(path)
    kept = [i for i, name in enumerate(zoo.id) if "+" not in name or not name.startswith("p-000")]
    found = within(zoo.subset(kept), quantities=["drift_400"], jobs=1)
    assert found.shares[0].n == PICTURES - 1
    with pytest.raises(ZooError, match="build with --repeats"):
        within(zoo.subset(zoo.repeat == 1), jobs=1)
    with pytest.raises(ZooError, match="status is no number"):
        within(zoo, quantities=["status"], jobs=1)


def test_means_are_taken_away_picture_by_picture():
    values = np.array([[1.0, 5], [3, 5], [10, 0]])
    left = without_means(values, np.array([7, 7, 2]))
    np.testing.assert_array_equal(left, [[-1, 0], [1, 0], [0, 0]])


@pytest.mark.parametrize("study", ["within.within", "forecast.forecast"])
def test_the_command_hands_on_what_it_was_told(path, monkeypatch, study):
    """Both kinds of prediction keep to --jobs, and read failed fits if that was asked."""
    told = {}

    def asked(zoo, *settings, **given):
        told.update(given)
        raise ZooError("seen enough")

    monkeypatch.setattr("nca_zoo.studies.measuring.measure_zoo", lambda *a: 0)
    monkeypatch.setattr("nca_zoo_cli.dynamics.summary", lambda zoo: {})
    monkeypatch.setattr(f"nca_zoo.studies.{study}", asked)
    call = ["dynamics", "--zoo", str(path), "--all-fits", "--jobs", "1"]
    run = CliRunner().invoke(group, [*call, *["--within"] * study.startswith("within")])
    assert run.stderr.endswith("seen enough\n")
    assert (told["all_fits"], told["jobs"]) == (True, 1)


@pytest.mark.wide
def test_the_command_tells_it(path, monkeypatch):
    from nca_zoo.studies import measuring

    monkeypatch.setattr(measuring, "measure_zoo", lambda *a: 0)
    monkeypatch.setattr("nca_zoo_cli.dynamics.summary", lambda zoo: {})
    run = CliRunner().invoke(group, ["dynamics", "--zoo", str(path), "--within", "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)["within"]
    assert {s["quantity"] for s in told["shares"]} == {"drift_400", "drift_1000"}
    run = CliRunner().invoke(group, ["dynamics", "--zoo", str(path), "--within"])
    assert "variance within" in run.output
    assert "R2 of the part within pictures, other pictures learned from: 5 folds x 1." in run.output
