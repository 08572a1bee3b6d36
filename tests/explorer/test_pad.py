"""The drawing pad, without its buttons: whose page has one, and what it writes for a drawing."""

import numpy as np
import pytest
from browsing import GRID, kin_zoo, served, strokes
from rows import header

from nca_zoo.automaton.noise import fold
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seed_state
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.notebook import live
from nca_zoo.explorer.pad import make_pad
from nca_zoo.explorer.page import standalone_page, web_files, worker_source
from nca_zoo.features.nearness import directions
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.pictures.targets import make_target
from nca_zoo.training.init import shipped_writer

THREE = [(7, 9), (6, 13), (8, 18), (13, 14), (15, 18), (19, 18), (21, 12)]
FOUR = [(6, 10), (14, 9), (14, 19)]


@pytest.fixture(scope="module")
def server(kin_exhibit):
    with served(kin_exhibit) as serving:
        yield serving


@pytest.mark.wide
def test_a_page_has_a_pad_if_its_ncas_are_kin_to_what_is_written(tmp_path, kin_exhibit):
    assert kin_exhibit.about["pad"]["patterns"] == len(shipped_writer().patterns)
    regime = {"name": DEFAULT_REGIME, "seed_hidden": True}
    others = {
        "regime": {"regime": regime | {"name": "growing"}},
        "seed": {"regime": regime | {"seed_hidden": False}},
        "rate": {"regime": regime | {"fire_rate": 0.75}},
        "init": {"init": "independent"},
        "grey": {"target": {"alpha": "ink", "seed_at": "ink", "visible": "grey"}},
    }
    for name, changes in others.items():
        assert make_pad(kin_zoo(tmp_path / f"{name}.h5", changes)) is None, name
    assert make_pad(kin_zoo(tmp_path / "same.h5", {})) is not None
    assert make_pad(kin_zoo(tmp_path / "start.h5", {}, init_weights=header().init_weights)) is None
    assert make_pad(kin_zoo(tmp_path / "size.h5", {}, pad=4)) is None


def test_without_a_pad_the_page_carries_nothing_of_it(exhibit, kin_exhibit):
    for shown, carried in ((exhibit, False), (kin_exhibit, True)):
        page = standalone_page(shown)
        assert ('id="data-pad"' in page) == ('id="data-worker"' in page) == carried
    assert 1.9e6 < len(kin_exhibit.pad.data) < 2.2e6  # what a page grows by, and a third


def test_the_workers_script_is_its_modules_in_order():
    source = worker_source(web_files())
    assert "import" not in source.split("onmessage")[0].replace("import maps", "")
    order = ["class Network", "function threefry", "class Automaton", "class Tape", "class Learner"]
    places = [source.index(name) for name in order]
    assert places == sorted(places)
    assert all(source.count(name) == 1 for name in order)


DRAW = """async ([height, width, lines, radius]) => {
    const { Drawing } = await import("explore/drawing.js");
    const drawing = new Drawing(height, width);
    const past = [];
    for (const [from, to, rub] of lines) {
        drawing.begin();
        drawing.stroke(from, to, radius, rub);
        past.push([...drawing.ink]);
    }
    const [target, seed] = [[...drawing.target], drawing.seed];
    while (drawing.past.length) drawing.undo();
    return [past, target, seed, drawing.empty];
}"""


def covered(size, start, end, radius):
    """How much of each cell a line covers (H, W): the distance to many points on it, by hand."""
    share = np.linspace(0, 1, 2001)[:, None]
    points = np.array(start) + share * np.subtract(end, start)
    rows, cols = np.indices(size) + 0.5
    away = np.hypot(rows[..., None] - points[:, 0], cols[..., None] - points[:, 1]).min(axis=-1)
    return np.clip(radius + 0.5 - away, 0, 1)


def test_a_line_inks_and_rubs_out_what_it_covers(modules):
    lines = [[(3.2, 2.5), (9, 15), False], [(9, 2), (2.5, 14.1), False], [(5, 8), (7, 8), True]]
    past, _, _, empty = modules.evaluate(DRAW, [11, 17, lines, 1.1])
    ink = np.zeros((11, 17))
    for (start, end, rub), found in zip(lines, past, strict=True):
        level = 255 * covered((11, 17), start, end, 1.1)
        ink = np.minimum(ink, 255 - level) if rub else np.maximum(ink, level)
        assert np.abs(np.reshape(found, ink.shape) - ink).max() <= 1.01
    assert 0 < np.count_nonzero(ink == 255) < ink.size / 3
    assert empty  # all was undone


@pytest.mark.parametrize("number", range(6))
def test_a_drawing_is_a_target_by_the_rule_of_pictures(modules, number):
    rng = np.random.default_rng(number)
    size = rng.integers(5, 14, 2)
    ends = rng.random((3, 2, 2)) * size
    lines = [[*line.tolist(), False] for line in ends]
    radius = rng.uniform(0.1, 0.4) if number % 2 else 1.0  # thin: no cell has half ink
    past, target, seed, _ = modules.evaluate(DRAW, [*size.tolist(), lines, radius])
    ink = np.array(past[-1], np.uint8).reshape(size)
    expected = make_target(ink)
    assert np.array_equal(np.reshape(target, (*size, 4)), np.round(255 * expected.rgba))
    assert seed == [expected.seed_row, expected.seed_col]


WRITE = """async ([ink, height, width]) => {
    const { Writer } = await import("explore/writing.js");
    const { Drawing } = await import("explore/drawing.js");
    const { loadZoo } = await import("explore/source.js");
    const zoo = await loadZoo();
    const writer = new Writer(zoo.pad, await zoo.padData(), zoo);
    const drawing = new Drawing(height, width);
    drawing.ink.set(ink);
    const found = writer.find(drawing);
    return [[...writer.write(found)], writer.kin(found, 4)];
}"""


@pytest.mark.parametrize("lines", [THREE, FOUR, [(20, 3), (26, 26)]])
def test_it_writes_what_python_writes_and_knows_its_kin(modules, kin_exhibit, lines):
    ink = strokes(lines)
    target = make_target(ink)
    weights, kin = modules.evaluate(WRITE, [ink.ravel().tolist(), *GRID])
    expected = shipped_writer().weights(target)
    # Two bytes a number: off by a tenth of what one training step moves a weight, and as good.
    assert np.abs(weights - expected).max() < 1e-4
    seed = seed_state(*GRID, target.seed_row, target.seed_col)
    both = Automata.grown(np.stack([expected, np.float32(weights)]), seed)
    both = both.under(fold(both.keys, np.arange(9)))  # a cell on the verge of life may tip in one
    grown = SparseEngine().rollout(both, both.starts(), 0, 96)[..., :4]
    assert np.median(np.abs(np.diff(psnr(grown, target.rgba), axis=0))) < 0.1
    zoo = kin_exhibit.pad.zoo
    vectors = np.concatenate([zoo.weights, expected[None]])
    known = np.append(zoo.good, False)
    seen = directions(vectors, known)
    apart = np.linalg.norm(seen[:-1] - seen[-1], axis=1)
    apart[~zoo.good] = np.inf
    assert kin["rows"] == np.argsort(apart)[:4].tolist()
    np.testing.assert_allclose(kin["apart"], np.sort(apart)[:4], atol=0.02)


def test_of_a_picture_of_the_zoo_the_nearest_is_itself(modules, kin_exhibit):
    zoo = kin_exhibit.pad.zoo
    for row in np.flatnonzero(zoo.good)[[0, 3, 7]].tolist():
        _, kin = modules.evaluate(WRITE, [zoo.target[row, ..., 3].ravel().tolist(), *GRID])
        assert kin["rows"][0] == row


PLACE = """async ([points, tile, rows, apart]) => {
    const { Guest } = await import("explore/guest.js");
    return new Guest(new Uint8Array(4 * 28 * 28), 28, 28, { rows, apart }).place(points, tile);
}"""


def test_a_guest_stands_among_its_kin_and_on_nobody(modules):
    corner = [(x, y) for x in range(3) for y in range(3)]  # kin; one of them stands far away
    far = [(20, 20), (21, 20), (22, 22)]
    points = (np.array(corner + far) * 0.04 + 0.1).tolist()
    rows, apart = [0, 1, 4, 9], [0.5, 0.5, 0.5, 0.5]
    loose = modules.evaluate(PLACE, [points, None, rows, apart])
    assert loose in points[:5]
    settled = modules.evaluate(PLACE, [points, 0.04, rows, apart])
    away = np.abs(np.array(points) - settled).max(axis=1)
    assert away.min() == pytest.approx(0.04, abs=1e-6)  # a free place beside them
    assert np.abs(np.array(loose) - settled).max() < 0.13
    near = modules.evaluate(PLACE, [points, None, [0, 9], [1.0, 0.1]])
    assert near == points[9]  # who is nearer counts more


def test_an_nca_that_failed_is_nobodys_kin(modules, kin_exhibit):
    zoo = kin_exhibit.pad.zoo
    (failed,) = np.flatnonzero(~zoo.good).tolist()
    _, kin = modules.evaluate(WRITE, [zoo.target[failed, ..., 3].ravel().tolist(), *GRID])
    assert failed not in kin["rows"]


def test_where_a_page_must_stay_small_it_has_no_pad(kin_exhibit):
    assert make_exhibit(kin_exhibit.pad.zoo, draws=False).pad is None
    assert "data-pad" not in live(kin_exhibit.pad.zoo).page
