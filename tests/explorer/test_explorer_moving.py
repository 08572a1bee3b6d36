"""The page of a zoo whose targets move: the clock is heard, and what is due moves along."""

import numpy as np
import pytest
from browsing import GRID, SEED, over, pause, picture, served, strokes, take
from moving_zoo import MOTIONS, PERIOD, moving_zoo

from nca_zoo.automaton.rule import seed_state
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.page import standalone_page
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout

GROW = """async ([weights, height, width, seed, hidden, rate, period, steps]) => {
    const { Life } = await import("explore/life.js");
    const life = new Life(height, width, Float32Array.from(weights), hidden, rate, period);
    life.restart(seed);
    for (let step = 0; step < steps; step++) life.grow();
    return [...life.present];
}"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, start):
    ink = np.stack([strokes([(6, 10), (20, 14)]), strokes([(7, 9), (15, 18), (20, 10)])])
    path = tmp_path_factory.mktemp("moving") / "zoo.h5"
    return moving_zoo(path, ink, MOTIONS[8:11:2], weights=start, seed=SEED)


@pytest.fixture(scope="module")
def moving_exhibit(zoo):
    return make_exhibit(zoo)


@pytest.fixture
def moving_page(visit, moving_exhibit):
    with served(moving_exhibit) as serving:
        yield visit(f"{serving.url}#0-000")


def alone(zoo, row, steps):
    """The states of an NCA, by the engine."""
    look = zoo.seed_states(row), steps, 0, 1, (), zoo.fire_rate, zoo.signal([row])
    return dict(rollout(zoo.weights[row], *look))


def target(page):
    """What is due, as the page shows it beside the tank, (H, W, 3); by a copy, to be read often."""
    flat = page.evaluate(
        "() => { const shown = document.querySelector('#targetA');"
        "const copy = new OffscreenCanvas(shown.width, shown.height);"
        "const context = copy.getContext('2d', { willReadFrequently: true });"
        "context.drawImage(shown, 0, 0);"
        "return [...context.getImageData(0, 0, copy.width, copy.height).data] }"
    )
    return np.array(flat).reshape(*GRID, 4)[..., :3]


def test_the_browser_hears_the_clock_as_the_engine_does(moving_page, zoo, moving_exhibit):
    pause(moving_page)
    steps = PERIOD + 5
    expected = alone(zoo, 1, steps)[steps]
    deaf = dict(rollout(zoo.weights[1], zoo.seed_states(1), steps, fire_rate=1.0))[steps]
    assert np.abs(expected - deaf).max() > 0.05
    for rate, told in ((1.0, expected), (0.5, None)):
        if told is None:
            look = zoo.seed_states(1), steps, 0, steps, (), rate, zoo.signal([1])
            told = dict(rollout(zoo.weights[1], *look))[steps]
        given = moving_exhibit.weights[1].tolist(), *GRID, list(SEED), True, rate, PERIOD, steps
        found = np.array(moving_page.evaluate(GROW, list(given))).reshape(told.shape)
        assert np.abs(told).max() > 0.3
        np.testing.assert_allclose(found, told, rtol=0, atol=1e-4)


def test_what_is_due_moves_along_and_is_what_scores_are_against(moving_page, zoo):
    pause(moving_page)
    moving_page.click("#restart")
    states, seen = alone(zoo, 0, 12), []
    for step in (0, 4, 12):
        take(moving_page, step - int(moving_page.inner_text("#step")))
        due = zoo.due(step, 0)
        np.testing.assert_array_equal(zoo.film[0, step] / np.float32(255), due)
        assert np.abs(target(moving_page) - over(due, (24, 28, 36))).max() <= 1
        assert moving_page.inner_text("#scoreA") == f"{psnr(states[step][..., :4], due):.1f} dB"
        assert np.abs(picture(moving_page) - over(states[step], (24, 28, 36))).max() <= 2
        seen.append(target(moving_page))
    assert np.abs(seen[1] - seen[2]).max() > 100
    moving_page.evaluate(
        "() => { const s = document.querySelector('#scrub'); s.value = 4;"
        "s.dispatchEvent(new Event('input')) }"
    )
    assert np.array_equal(target(moving_page), seen[1])


@pytest.mark.wide
def test_a_page_of_its_own_holds_films_and_clocks(visit, zoo, moving_exhibit, tmp_path):
    (tmp_path / "zoo.html").write_text(standalone_page(moving_exhibit), encoding="utf-8")
    page = visit(f"{(tmp_path / 'zoo.html').as_uri()}#1-000")
    pause(page)
    page.click("#restart")
    take(page, 6)
    assert np.abs(target(page) - over(zoo.due(6, 1), (24, 28, 36))).max() <= 1
    assert np.abs(picture(page) - over(alone(zoo, 1, 6)[6], (24, 28, 36))).max() <= 2


def test_films_of_white_ink_are_one_number_a_cell(zoo, moving_exhibit):
    assert moving_exhibit.about["period"] == PERIOD
    assert moving_exhibit.films.shape == (2, PERIOD, *GRID, 1)
    assert moving_exhibit.film_of(1) == zoo.film[1, ..., 3].tobytes()
    assert moving_exhibit.weights.shape == (2, 8336 + 512)
    assert moving_exhibit.pad is None
    assert np.array_equal(seed_state(*GRID, *SEED), zoo.seed_states(0))
