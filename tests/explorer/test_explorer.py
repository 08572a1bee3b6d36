"""The tank of the zoo's page, in a real browser: it grows what Python grows, and answers."""

import time

import numpy as np
import pytest
from browsing import GRID, SEED, over, pause, picture, served, take, until
from calls import walk
from wide import mostly_wide

from nca_zoo.automaton import noise
from nca_zoo.automaton.record import rollout_keys
from nca_zoo.automaton.rule import CHANNELS, seed_state
from nca_zoo.automaton.seeds import SeedKind
from nca_zoo.automaton.wounds import Wound
from nca_zoo.explorer.page import standalone_page
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.viewer.channels import tint

GROW = """async ([weights, state, height, width, steps, seed, rate]) => {
    const { Automaton } = await import("explore/automaton.js");
    const { rolloutKey } = await import("explore/noise.js");
    const automaton = new Automaton(height, width, Float32Array.from(weights), rate);
    automaton.write(Float32Array.from(state));
    const key = rolloutKey(BigInt(seed));
    const began = performance.now();
    for (let step = 0; step < steps; step++) automaton.step(key, step);
    return { state: [...automaton.read()], rate: 1000 * steps / (performance.now() - began) };
}"""


def grow_in_browser(page, weights, state, steps, seed, rate=0.5):
    height, width = state.shape[:2]
    found = page.evaluate(
        GROW,
        [weights.tolist(), state.ravel().tolist(), height, width, steps, str(seed), rate],
    )
    return np.array(found["state"]).reshape(state.shape), found["rate"]


def test_the_browser_grows_what_the_engine_grows(modules, start, lively_weights):
    for weights, grid, seed in (
        (start, GRID, 0),
        (start, GRID, 2**64 - 5),
        (lively_weights(3), (13, 17), 7),
    ):
        state = seed_state(*grid, 6, 5)
        expected = dict(rollout(weights, state, 96, seed, every=96))[96]
        found, _ = grow_in_browser(modules, weights, state, 96, seed)
        assert np.abs(expected).max() > 0.3
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rate", mostly_wide([0.75, 1.0, 0.9]))
def test_the_browser_knows_other_fire_rates(modules, lively_weights, rate):
    state, weights = seed_state(13, 17, 6, 5), lively_weights(3)
    expected = dict(rollout(weights, state, 60, 7, every=60, fire_rate=rate))[60]
    found, _ = grow_in_browser(modules, weights, state, 60, 7, rate)
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.wide
def test_cells_that_ghosts_save_are_saved_in_the_browser_too(modules, lively_weights):
    for number in range(4):
        draws = noise.uniform(number, 12 * 15 * CHANNELS).reshape(12, 15, CHANNELS)
        state = (0.4 * draws - 0.3).astype(np.float32)  # alpha around the threshold, mostly below
        weights = lively_weights(number, 4.0)
        key = rollout_keys(number, 1)
        expected = walk(SparseEngine(), weights[None], state[None, None], key, 0, 3)[0, 0]
        found, _ = grow_in_browser(modules, weights, state, 3, number)
        assert np.array_equal(found != 0, expected != 0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_it_takes_60_steps_a_second(modules, start):
    state = dict(rollout(start, seed_state(*GRID, *SEED), 96, every=96))[96]
    _, rate = grow_in_browser(modules, start, state, 300, 0)
    assert rate >= 60


def test_the_score_is_that_of_python_at_the_same_step(page, exhibit):
    pause(page)
    page.click("#restart")
    take(page, 20)
    state = dict(rollout(exhibit.weights[0], seed_state(*GRID, *SEED), 20, every=20))[20]
    target = np.frombuffer(exhibit.targets, np.uint8).reshape(-1, *GRID, 4)[0] / 255
    assert page.inner_text("#step") == "20"
    assert page.inner_text("#scoreA") == f"{psnr(state[..., :4], target):.1f} dB"


def test_the_brush_erases_and_a_click_plants_a_seed(page):
    page.select_option("#speed", "0")
    until(page, lambda: int(page.inner_text("#step")) > 60)
    pause(page)
    whole = picture(page)
    box = page.locator("#tank").bounding_box()
    lit = np.argwhere(whole.sum(-1) > 400).mean(axis=0)
    middle = (
        box["x"] + (lit[1] + 0.5) * box["width"] / 28,
        box["y"] + (lit[0] + 0.5) * box["height"] / 28,
    )
    page.mouse.click(*middle)
    wounded = picture(page)
    assert wounded.sum() < whole.sum()
    page.check("#plant")
    page.select_option("#view", "alpha")
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    assert tuple(picture(page)[0, 0]) == (255, 255, 255)
    page.click("#one")
    assert page.inner_text("#play") == "Play"


@pytest.mark.wide
@pytest.mark.parametrize(("place", "heals"), mostly_wide([((18, 14), True), ((14, 13), False)]))
def test_a_wound_heals_or_does_not_as_in_python(page, exhibit, place, heals):
    wound = Wound(120, *place, 3)
    states = dict(rollout(exhibit.weights[0], seed_state(*GRID, *SEED), 260, damage=[wound]))
    pause(page)
    page.click("#restart")
    take(page, 120)
    box = page.locator("#tank").bounding_box()
    row, col = place
    page.mouse.click(
        box["x"] + (col + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28
    )
    assert np.abs(picture(page) - over(states[120], (24, 28, 36))).max() <= 2
    hurt = float(page.inner_text("#scoreA").removesuffix(" dB"))
    take(page, 140)
    assert page.inner_text("#step") == "260"
    assert np.abs(picture(page) - over(states[260], (24, 28, 36))).max() <= 2
    later = float(page.inner_text("#scoreA").removesuffix(" dB"))
    assert (later > hurt + 3) == heals
    assert (later < hurt - 3) == (not heals)


def test_the_error_and_the_transparent_cells_can_be_seen(page, exhibit):
    pause(page)
    page.click("#restart")
    take(page, 30)
    state = dict(rollout(exhibit.weights[0], seed_state(*GRID, *SEED), 30, every=30))[30][..., :4]
    target = np.frombuffer(exhibit.targets, np.uint8).reshape(-1, *GRID, 4)[0] / 255
    page.select_option("#view", "on checks")
    rows, cols = np.indices(GRID) // 2
    checks = np.array([(44, 48, 56), (60, 64, 72)])[(rows + cols) % 2]
    assert np.abs(picture(page) - over(state, checks)).max() <= 2
    page.select_option("#view", "error")
    shown = picture(page).astype(int)
    excess = (np.clip(state, 0, 1) - target).mean(axis=-1)
    assert (shown[..., 0] > shown[..., 2])[excess > 0.2].all()  # orange: too much
    assert (shown[..., 2] > shown[..., 0])[excess < -0.2].all()  # blue: too little
    assert (np.abs(shown - (24, 28, 36)) <= 4).all(axis=-1)[np.abs(excess) < 0.01].all()
    assert (excess < -0.2).sum() > 10


def test_the_page_itself_takes_60_steps_a_second(page):
    page.select_option("#speed", "0")
    rates = set()

    def seen():
        words = page.inner_text("#rate").split()
        rates.update(int(word) for word in words[:1] if word.isdecimal())
        return max(rates, default=0) >= 60

    until(page, seen)
    page.select_option("#speed", "0.1")
    before, began = int(page.inner_text("#step")), time.monotonic()
    until(page, lambda: int(page.inner_text("#step")) > before)
    page.wait_for_timeout(1000)
    taken = int(page.inner_text("#step")) - before
    assert 1 <= taken <= 3 * (time.monotonic() - began) + 2  # 3 a second


@pytest.mark.wide
def test_going_back_shows_the_past_again(page):
    pause(page)
    page.click("#restart")
    past = [picture(page)]
    for _ in range(12):
        page.click("#one")
        past.append(picture(page))
    for step in (5, 0, 12, 7):
        page.evaluate(
            "step => { const s = document.querySelector('#scrub'); s.value = step;"
            "s.dispatchEvent(new Event('input')) }", step,
        )  # fmt: skip
        assert np.array_equal(picture(page), past[step])
    page.click("#one")
    assert page.inner_text("#step") == "8"
    assert np.array_equal(picture(page), past[8])


def test_the_slider_goes_from_a_to_b_while_it_grows(page, exhibit):
    page.click("#chooseB")
    page.fill("#search", "2-002")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#nameB") == "2-002")
    pause(page)
    slide = (
        "share => { const s = document.querySelector('#mix'); s.value = share;"
        "s.dispatchEvent(new Event('input')) }"
    )
    ends = {}
    for share in (0, 0.25, 1):
        page.evaluate(slide, share)
        page.click("#restart")
        take(page, 30)
        ends[share] = picture(page)
        mixed = exhibit.weights[0] + share * (exhibit.weights[8] - exhibit.weights[0])
        state = dict(rollout(mixed, seed_state(*GRID, *SEED), 30, every=30))[30][..., :4]
        shown = np.clip(state[..., :3], 0, 1) * 255
        shown += (1 - np.clip(state[..., 3:], 0, 1)) * np.array([24, 28, 36])
        assert np.abs(np.clip(shown, 0, 255) - ends[share]).max() <= 2
    assert not np.array_equal(ends[0], ends[1])
    assert not page.is_disabled("#mix")


@pytest.mark.wide
@pytest.mark.parametrize("standing_alone", mostly_wide([False, True]))
def test_a_grey_automaton_is_seen_by_its_alpha(
    visit, grey_exhibit, start, tmp_path, standing_alone
):
    if standing_alone:
        (tmp_path / "grey.html").write_text(standalone_page(grey_exhibit), encoding="utf-8")
        watched(visit(f"{(tmp_path / 'grey.html').as_uri()}#0-000"), grey_exhibit, start)
    else:
        with served(grey_exhibit) as serving:
            watched(visit(f"{serving.url}#0-000"), grey_exhibit, start)


def watched(page, exhibit, start):
    """Look at the first NCA of ``grey_exhibit`` in every way, whole and wounded."""
    wound = Wound(30, 14, 13, 3)
    path = dict(rollout(exhibit.weights[0], seed_state(*GRID, *SEED), 40, damage=[wound]))
    before = dict(rollout(start, seed_state(*GRID, *SEED), 40, damage=[wound]))  # without garbage
    target = np.frombuffer(exhibit.targets, np.uint8).reshape(-1, *GRID, 4)[0, ..., 3] / 255
    assert np.abs(path[40][..., :3] - path[40][..., 3:4]).max() > 0.5
    pause(page)
    page.click("#restart")
    take(page, 30)
    box = page.locator("#tank").bounding_box()
    page.mouse.click(
        box["x"] + 13.5 * box["width"] / 28, box["y"] + 14.5 * box["height"] / 28
    )  # erases
    for step in (30, 40):
        take(page, step - int(page.inner_text("#step")))
        alpha = np.clip(before[step][..., 3], 0, 1)
        assert np.abs(picture(page) - over(alpha[..., None].repeat(4, -1), (24, 28, 36))).max() <= 2
        decibels = -10 * np.log10(np.mean((alpha - target) ** 2))
        assert page.inner_text("#scoreA") == f"{decibels:.1f} dB"
    views = page.locator("#view option").all_inner_texts()
    hidden = [f"hidden {n}" for n in range(1, 16)]
    assert views == ["picture", "on checks", "error", "alive mask", "all hidden", "alpha", *hidden]
    page.select_option("#view", "on checks")
    rows, cols = np.indices(GRID) // 2
    checks = np.array([(44, 48, 56), (60, 64, 72)])[(rows + cols) % 2]
    assert np.abs(picture(page) - over(alpha[..., None].repeat(4, -1), checks)).max() <= 2
    page.select_option("#view", "error")
    assert np.abs(picture(page) - tint(alpha - target)).max() <= 2
    page.select_option("#view", "alpha")
    assert np.abs(picture(page) - tint(path[40][..., 3], (255, 255, 255))).max() <= 2
    channels = [*range(4, 16), 0, 1, 2]
    for n, channel in ((1, 4), (13, 0), (14, 1), (15, 2)):
        page.select_option("#view", f"hidden {n}")
        assert np.abs(picture(page) - tint(path[40][..., channel])).max() <= 2
    page.select_option("#view", "all hidden")
    panels = picture(page).reshape(3, 28, 5, 28, 3).swapaxes(1, 2).reshape(15, 28, 28, 3)
    for panel, channel in zip(panels, channels, strict=True):
        assert np.abs(panel - tint(path[40][..., channel])).max() <= 2
    page.check("#plant")
    box = page.locator("#tank").bounding_box()  # 5 panels across, 3 down
    across, down = (4 + 14.5 / 28) / 5, (2 + 14.5 / 28) / 3
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.select_option("#view", "alpha")
    assert tuple(picture(page)[14, 14]) == (255, 255, 255)


@pytest.mark.wide
def test_every_view_draws_something_else(page):
    until(page, lambda: int(page.inner_text("#step")) > 20)
    pause(page)
    views = page.locator("#view option").all_inner_texts()
    assert len(views) == 5 + CHANNELS
    seen = set()
    for view in views:
        page.select_option("#view", view)
        seen.add(picture(page).tobytes())
    assert len(seen) >= len(views) - 2  # grey ink: red, green and blue differ in tint alone


PLANT = """async ([weights, height, width, seed, row, col, told]) => {
    const { Life } = await import("explore/life.js");
    const life = new Life(height, width, Float32Array.from(weights), true, 0.5, 1, told);
    life.restart(seed);
    life.plant([[row, col]]);
    return [...life.automaton.read()];
}"""


@pytest.mark.wide
@pytest.mark.parametrize("told", [True, False])
def test_the_browser_tells_seeds_where_they_stand(modules, start, told):
    own = seed_state(*GRID, *SEED)
    kind = SeedKind(True, tuple(SEED) if told else None)
    for row, col in ((9, 4), (0, 27), SEED):
        expected = kind.planted(own, row, col)
        found = modules.evaluate(PLANT, [start.tolist(), *GRID, SEED, row, col, told])
        np.testing.assert_allclose(np.reshape(found, own.shape), expected, atol=1e-6)
