"""Maps of a zoo: where NCAs lie, who is near, what is kept for the next time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.explorer import places
from nca_zoo.explorer.chart import NEIGHBOURS, Chart
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.features.nearness import directions
from nca_zoo.pictures.classes import Classes
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture
def zoo(tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(40)])
    return open_zoo(tmp_path / "zoo.h5")


@pytest.fixture
def umap(monkeypatch):
    """Stands in for UMAP, which takes ten seconds to start: says how often it was asked."""
    asked = []

    def lay_out(reduced, seed=0):
        asked.append(len(reduced))
        return np.ascontiguousarray(reduced[:, 2:4])

    monkeypatch.setattr(places, "by_umap", lay_out)
    return asked


def groups(count):
    """Vectors of two groups far from each other, and which group each is of."""
    rng = np.random.default_rng(0)
    group_of = np.arange(count) % 2
    return (rng.normal(size=(count, 30)) + 20 * group_of[:, None]).astype(np.float32), group_of


@pytest.mark.parametrize("count", [1, 2, 3, 20, 500])
def test_every_picture_of_a_small_zoo_has_a_place_of_its_own(count):
    vectors, group_of = groups(count)
    points, tile = places.arrange(places.by_components(directions(vectors)))
    assert points.shape == (count, 2)
    assert points.min() >= tile / 2 - 1e-6
    assert points.max() <= 1 - tile / 2 + 1e-6
    apart = np.abs(points[:, None] - points[None]).max(axis=-1) + np.eye(count)
    assert apart.min() >= tile - 1e-6  # squares of that side do not overlap
    if count > 3:
        middle = [points[group_of == group].mean(axis=0) for group in (0, 1)]
        assert np.linalg.norm(middle[1] - middle[0]) > 3 * tile


def test_one_that_lies_far_off_does_not_push_a_few_others_into_a_corner():
    flat = np.random.default_rng(0).normal(size=(29, 2)).astype(np.float32)
    flat[3] = 90, -90
    points, _ = places.arrange(flat)
    others = np.delete(points, 3, axis=0)
    assert np.ptp(others, axis=0).min() > 0.6
    for axis, sign in ((0, 1), (1, -1)):
        order = np.corrcoef(np.argsort(np.argsort(sign * flat[:, axis])), points[:, axis])[0, 1]
        assert order > 0.85
    alike, _ = places.arrange(np.zeros((20, 2), np.float32))  # no order: in the middle, all of them
    assert np.abs(alike.mean(axis=0) - 0.5).max() < 0.1


def test_a_large_zoo_is_not_put_on_a_grid(monkeypatch):
    monkeypatch.setattr(places, "MOST_SETTLED", 39)
    flat = places.by_components(directions(groups(40)[0]))
    points, tile = places.arrange(flat)
    assert tile is None
    assert np.ptp(points, axis=0).max() == pytest.approx(1, abs=1e-5)
    assert points.min() >= -1e-6
    scale = np.ptp(flat[:, 0])
    np.testing.assert_allclose(np.diff(points[:, 0]), np.diff(flat[:, 0]) / scale, atol=1e-5)
    np.testing.assert_allclose(np.diff(points[:, 1]), -np.diff(flat[:, 1]) / scale, atol=1e-5)
    points, _ = places.arrange(np.zeros((40, 2), np.float32))
    assert points == pytest.approx(0.5)


def test_first_by_components_then_by_umap_and_the_next_time_at_once(zoo, umap):
    chart = Chart(zoo, "weights")
    first = chart.first()
    assert first["method"] == "principal components"
    assert umap == []
    final = chart.final()
    assert (final["method"], umap) == ("UMAP", [40])
    assert chart.final() is final
    assert chart.first() is final
    assert final["points"] != first["points"]
    assert (final["near"], final["apart"]) == (first["near"], first["apart"])
    assert len(final["near"][0]) == len(final["apart"][0]) == NEIGHBOURS
    json.dumps(final, allow_nan=False)
    assert zoo.path.with_name("zoo.h5.layouts").joinpath("weights.npz").is_file()
    assert Chart(open_zoo(zoo.path), "weights").first() == final
    assert umap == [40]


def test_a_kept_layout_counts_for_the_same_vectors_alone(zoo, umap):
    Chart(zoo, "weights").final()
    part = zoo.subset(np.arange(35))
    assert Chart(part, "weights").first()["method"] == "principal components"
    assert len(Chart(part, "weights").final()["points"]) == 35
    assert umap == [40, 35]


def test_a_kept_layout_outlives_another_rounding(zoo, umap):
    """Sums of BLAS differ in their last bits from one number of threads to the next."""
    Chart(zoo, "weights").final()
    chart = Chart(zoo, "weights")
    vars(chart)["_reduced"] = chart._reduced * np.float32(1 + 1e-6)
    assert chart.first()["method"] == "UMAP"
    assert umap == [40]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no zip", None])
def test_what_is_kept_may_be_damaged_or_absent(zoo, umap, content):
    chart = Chart(zoo, "weights")
    path = zoo.path.with_name("zoo.h5.layouts") / "weights.npz"
    path.parent.mkdir()
    if content is None:
        np.savez(path, key=chart._key, places=np.array([{}], object))  # nothing runs from a file
    else:
        path.write_bytes(content)
    assert chart.first()["method"] == "principal components"
    assert chart.final()["method"] == "UMAP"
    assert Chart(zoo, "weights").first()["method"] == "UMAP"


def test_a_layout_that_cannot_be_kept_is_still_shown(zoo, umap):
    zoo.path.with_name("zoo.h5.layouts").write_text("a file where the folder would be")
    assert Chart(zoo, "weights").final()["method"] == "UMAP"


def test_few_ncas_need_no_umap(zoo, umap):
    chart = Chart(zoo.subset(np.arange(29)), "pixels")
    assert chart.final() is chart.first()
    assert umap == []


def test_an_unknown_feature_is_said_at_once(zoo):
    with pytest.raises(ZooError, match="no feature 'smell'"):
        make_exhibit(zoo, ["smell"])


@pytest.mark.wide
def test_the_first_map_loads_nothing_slow(zoo):
    code = (
        "import sys\n"
        "from nca_zoo.explorer.exhibit import make_exhibit\n"
        "from nca_zoo.explorer.server import ExhibitServer\n"
        "from nca_zoo.store.zoofile import open_zoo\n"
        "exhibit = make_exhibit(open_zoo(sys.argv[1]))\n"
        "ExhibitServer(exhibit).find('/map/0/first')\n"
        "print(*{'sklearn', 'umap', 'numba', 'pandas', 'torch', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(zoo.path)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.stdout.split() == []


def test_classes_have_the_names_that_the_zoo_gives_them(zoo, monkeypatch):
    assert make_exhibit(zoo).about["classNames"] == {"0": "0", "1": "1", "2": "2"}
    monkeypatch.setattr(zoo, "classes", Classes({0: "cat", 2: "dog"}))
    assert make_exhibit(zoo).about["classNames"] == {"0": "cat", "2": "dog"}
