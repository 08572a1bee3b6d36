"""The study's script: tables say what the results say, prose stays, finished stages are kept."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def scripts(monkeypatch):
    """The scripts of docs/, imported as they import each other."""
    monkeypatch.syspath_prepend(str(DOCS))
    import findings_figures
    import findings_tables
    import make_findings

    yield make_findings, findings_tables, findings_figures
    for name in ("make_findings", "findings_tables", "findings_figures", "findings_prior"):
        sys.modules.pop(name, None)


def row(feature, score, reader="knn", kind="weights"):
    spread = {"score": score, "low": score - 0.02, "high": score + 0.02, "n": 50}
    return {"feature": feature, "kind": kind, "reader": reader, **spread}


def zoo(moved=0.25, **scores):
    """A twin zoo in which features were read with these accuracies."""
    about = {"ncas": 50, "passed": 0.9, "psnr_96": 25, "psnr_400": 24, "train_steps": 80}
    rows = [row(feature, score) for feature, score in scores.items() if feature != "pixels"]
    rows += [row(f, 0.1, "logistic") for f in scores if f != "pixels"]  # never the best
    rows.append(row("pixels", scores.get("pixels", 0.85), kind="control"))
    return {"zoo": about | {"moved": moved}, "probe": {"rows": rows, "n": 50}}


@pytest.fixture
def results():
    return {
        "shared growing": zoo(weights=0.9, aligned=0.9),
        "independent growing": zoo(None, weights=0.2, aligned=0.55, invariants=0.9),
    }


def test_the_ladder_holds_the_best_reader_and_the_gap_that_is_closed(scripts, results):
    text = scripts[1].ladder(results)
    assert "| `weights` | 90.0 % (88.0 to 92.0) | 20.0 % (18.0 to 22.0) |" in text
    assert "| `invariants` | - | 90.0 % (88.0 to 92.0) |" in text
    assert "growing: of the 70.0 points" in text
    assert "`aligned` 50 %, `invariants` 100 % are recovered" in text
    assert text.index("`invariants`") < text.index("`pixels`")


def test_no_gap_is_said_to_be_none(scripts, results):
    results["independent growing"] = zoo(None, weights=0.95)
    assert "no gap" in scripts[1].ladder(results)


def test_the_lead_in_clusters_is_taken_within_each_set(scripts):
    def row(feature, nmi, scaling="soft"):
        what = {"feature": feature, "scaling": scaling, "method": "kmeans", "kind": ""}
        return what | {"nmi": nmi}

    blocks = [
        [row("weights", pixels + lead), row("pixels", pixels), row("pixels", 0.1, "centre")]
        + [row(name, 0.05) for name in ("centred", "grown")]
        + [r | {"method": "hdbscan"} for r in (row("weights", 0.3), row("pixels", 0.4 * lead))]
        for pixels, lead in ((0.3, 0.1), (0.5, 0.2), (0.4, 0.3))
    ]
    assert not scripts[1].clusters({"per_class": 50, "blocks": blocks[:1]})  # of one set no lead
    text = scripts[1].clusters({"per_class": 50, "blocks": blocks})
    # mean 0.2, standard deviation 0.1; t of 2 degrees of freedom at 97.5 %: 4.303
    assert "kmeans, weights (soft) minus pixels soft, set by set: +0.200 (-0.048 to +0.448)" in text
    assert "above 0 in 3 of 3" in text
    assert "| `weights` | kmeans | 0.600 (0.173) |" in text


def test_what_fits_of_a_picture_differ_in_stands_beside_what_is_luck(scripts, tmp_path):
    span = {"low": 0.1, "high": 0.3}
    name = {"quantity": "drift_400"}
    found = {
        "shares": [name | {"share": 0.25, "n": 8, "n_ncas": 160} | span],
        "reliability": [name | {"r": 0.5} | span],
        "sooner": {"128": {"r": 0.6} | span},
        "rows": [name | {"feature": f, "r2": r2} | span for f, r2 in (("weights", 0.01),
                 ("responses", 0.2))],
    }  # fmt: skip
    scripts[2].within(tmp_path / "within.png", {"growing": found})
    assert (tmp_path / "within.png").stat().st_size > 5000
    text = scripts[1].within({"growing": found})
    assert "| other masks agree, r | R2, weights | R2, responses |" in text
    assert "| growing | `drift_400` | 8 / 160 | 25 % (10 to 30) | 0.50 (0.10 to 0.30) |" in text
    assert "| 0.01 (0.10 to 0.30) | 0.20 (0.10 to 0.30) |" in text
    assert "| drift by step | 128 |\n|---|---|\n| growing | 0.60 (0.10 to 0.30) |" in text


def test_starts_stand_by_what_they_were_learnt_from(scripts):
    read = [row("weights", 0.8), row("pixels", 0.7, "svm", "control")]
    of = {"rows": read, "zoo": {"psnr_96": 25, "psnr_400": 24, "passed": 0.5}}
    text = scripts[1].prior({"10 digits": of})
    expected = "| 10 digits | 80.0 % (78.0 to 82.0) | - | 70.0 % (68.0 to 72.0) | - | 25.0 / 24.0 |"
    assert expected in text


def test_pictures_that_a_start_is_learnt_from_are_many_and_unlike_each_other(scripts):
    """Ink on an empty border, as digits are."""
    import findings_prior

    drawn = findings_prior.shapes(20)
    assert len(np.unique(drawn.reshape(20, -1), axis=0)) == 20
    assert ((drawn > 127).mean(axis=(1, 2)) > 0.02).all()
    assert not drawn[:, [0, -1]].any()
    np.testing.assert_array_equal(drawn, findings_prior.shapes(20))


def test_figures_are_drawn(scripts, results, tmp_path):
    scripts[2].ladder(tmp_path / "ladder.png", results)
    rows = [row("weights", 0.9), row("aligned", 0.9), row("pixels", 0.8, kind="control")]
    fallen = [row("weights", 0.1), row("aligned", 0.9), row("pixels", 0.8, kind="control")]
    found = {"before": {"rows": rows}, "after": {"rows": fallen}}
    scripts[2].fall(tmp_path / "orbit.png", found)
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "orbit.png").stat().st_size > 5000
    assert "| `weights` | knn | 90.0 % (88.0 to 92.0) | 10.0 %" in scripts[1].orbit(found)


def test_the_page_has_a_place_for_every_table(scripts):
    page = (DOCS / "notes" / "findings.md").read_text()
    make, tables, _ = scripts
    assert tables.TABLES.keys() == make.STAGES.keys()
    for name in make.STAGES:
        before, after = page.split(f"<!-- table: {name} -->")
        changed = make.insert(page, name, r"a \1 table")
        assert changed.startswith(before)
        assert r"a \1 table" in changed
        assert changed.endswith(after.split("<!-- end -->", 1)[1])
    with pytest.raises(SystemExit, match="no markers"):
        make.insert(page, "nonsense", "")


def test_finished_stages_are_kept_and_others_run(scripts, results, tmp_path, monkeypatch):
    make = scripts[0]
    runs = []

    def stage(study):
        runs.append(study.per_class)
        return results

    monkeypatch.setattr(make, "STAGES", {"ladder": stage})
    monkeypatch.setattr(make, "FIGURES", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: ladder -->\nold\n<!-- end -->\nafter\n")

    def run(*options):
        fixed = ["--folder", str(tmp_path / "f"), "--page", str(page)]
        monkeypatch.setattr(sys, "argv", ["make_findings.py", *fixed, *options])
        make.main()

    run()
    run("--jobs", "1")  # changes no number
    assert runs == [20]
    run("--per-class", "4")
    run("--per-class", "4", "--fresh")
    assert runs == [20, 4, 4]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    assert "90.0 %" in text
    assert json.loads((tmp_path / "f" / "ladder.json").read_text())["result"] == results
    monkeypatch.setitem(scripts[1].TABLES, "ladder", lambda result: "")
    run()
    assert page.read_text() == text  # of too few pictures a table says nothing, and the page stays
