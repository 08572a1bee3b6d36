"""The zoo's page, in a real browser: it grows what Python grows, and answers to the hand."""

import shutil
import threading

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from rows import header, record

from nca_zoo import noise
from nca_zoo.engines.sparse import SparseEngine
from nca_zoo.init import make_init
from nca_zoo.quality import psnr, rollout_keys
from nca_zoo.rollout import Damage, rollout
from nca_zoo.rule import CHANNELS, seed_state
from nca_zoo.viewer.explorer.exhibit import make_exhibit
from nca_zoo.viewer.explorer.page import standalone_page
from nca_zoo.viewer.explorer.server import ExhibitServer
from nca_zoo.zoofile import open_zoo
from nca_zoo.zoowriter import ZooWriter

GRID = (28, 28)
SEED = (14, 13)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def start():
    """Weights that grow something persistent: the start that ships with the package."""
    return make_init("meta", "persistent").shared


@pytest.fixture(scope="module")
def exhibit(tmp_path_factory, start):
    path = tmp_path_factory.mktemp("explorer") / "zoo.h5"
    grown = dict(rollout(start, seed_state(*GRID, *SEED), 96, every=96))[96][..., :4]
    target = np.round(255 * np.clip(grown, 0, 1)).astype(np.uint8)
    with ZooWriter(path, header()) as writer:
        writer.add([
            record(
                number, GRID, target=target if number < 6 else target[:, ::-1],
                weights=start + np.float32(1e-4 * number) * (-1) ** number,
                seed_row=SEED[0], seed_col=SEED[1],
            )
            for number in range(9)
        ])  # fmt: skip
    return make_exhibit(open_zoo(path))


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Debian's chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(exhibit):
    with ExhibitServer(exhibit) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def visit(browser):
    """Open a page; at the end it must have complained of nothing and asked for nothing else."""
    pages, complaints, requests = [], [], []

    def go(url, **options):
        page = browser.new_page(**options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(url)
        page.wait_for_selector("body.ready")
        until(page, lambda: int(page.inner_text("#step")) > 2)
        pages.append((page, url))
        return page

    yield go
    for page, url in pages:
        page.close()
        own = url.split("#")[0]
        assert [other for other in requests if not other.startswith((own, "data:"))] == []
    assert complaints == []


@pytest.fixture
def page(visit, server):
    return visit(server.url)


@pytest.fixture(scope="module")
def file_url(exhibit, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "zoo.html"
    path.write_text(standalone_page(exhibit), encoding="utf-8")
    return path.as_uri()


def until(page, condition):
    """Wait until it holds. (Playwright's own way needs eval, which the page forbids.)"""
    for _ in range(400):
        if condition():
            return
        page.wait_for_timeout(25)
    pytest.fail("it never happened")


def pause(page):
    if page.inner_text("#play") == "Pause":
        page.click("#play")


def picture(page):
    """What the tank shows, (H, W, 3)."""
    flat = page.evaluate(
        "() => { const { height, width } = document.querySelector('#tank');"
        "const context = document.querySelector('#tank').getContext('2d');"
        "return [height, width, ...context.getImageData(0, 0, width, height).data] }"
    )
    return np.array(flat[2:]).reshape(flat[0], flat[1], 4)[..., :3]


GROW = """async ([weights, state, height, width, steps, seed]) => {
    const { Automaton } = await import("explore/automaton.js");
    const { rolloutKey } = await import("explore/noise.js");
    const automaton = new Automaton(height, width, Float32Array.from(weights));
    automaton.write(Float32Array.from(state));
    const key = rolloutKey(BigInt(seed));
    const began = performance.now();
    for (let step = 0; step < steps; step++) automaton.step(key, step);
    return { state: [...automaton.read()], rate: 1000 * steps / (performance.now() - began) };
}"""


def grow_in_browser(page, weights, state, steps, seed):
    height, width = state.shape[:2]
    found = page.evaluate(
        GROW,
        [weights.tolist(), state.ravel().tolist(), height, width, steps, str(seed)],
    )
    return np.array(found["state"]).reshape(state.shape), found["rate"]


def test_the_browser_grows_what_the_engine_grows(page, start, lively_weights):
    pause(page)
    for weights, grid, seed in (
        (start, GRID, 0),
        (start, GRID, 2**64 - 5),
        (lively_weights(3), (13, 17), 7),
    ):
        state = seed_state(*grid, 6, 5)
        expected = dict(rollout(weights, state, 96, seed, every=96))[96]
        found, _ = grow_in_browser(page, weights, state, 96, seed)
        assert np.abs(expected).max() > 0.3
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_cells_that_ghosts_save_are_saved_in_the_browser_too(page, lively_weights):
    pause(page)
    for number in range(4):
        draws = noise.uniform(number, 12 * 15 * CHANNELS).reshape(12, 15, CHANNELS)
        state = (0.4 * draws - 0.3).astype(np.float32)  # alpha around the threshold, mostly below
        weights = lively_weights(number, 4.0)
        key = rollout_keys(number, 1)
        expected = SparseEngine().rollout(weights[None], state[None, None], key, 0, 3)[0, 0]
        found, _ = grow_in_browser(page, weights, state, 3, number)
        assert np.array_equal(found != 0, expected != 0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_it_takes_60_steps_a_second(page, start):
    pause(page)
    state = dict(rollout(start, seed_state(*GRID, *SEED), 96, every=96))[96]
    _, rate = grow_in_browser(page, start, state, 300, 0)
    assert rate >= 60


def test_the_map_can_be_walked_by_keyboard(page):
    pause(page)
    before = page.inner_text("#grown")
    page.focus("#map")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#grown") != before)
    assert page.inner_text("#spoken").startswith(f"growing {page.inner_text('#grown')}, class ")
    page.keyboard.press("+")
    page.keyboard.press("0")


def place_of(page, exhibit, row):
    """Where the map draws an NCA, in the window."""
    box = page.locator("#map").bounding_box()
    (x, y) = exhibit.about["maps"][0]["points"][row]
    unit = 0.88 * min(box["width"], box["height"])
    return (
        box["x"] + box["width"] / 2 + (x - 0.5) * unit,
        box["y"] + box["height"] / 2 + (y - 0.5) * unit,
    )


def test_a_click_on_the_map_picks_what_lies_there(page, exhibit):
    row = 4
    place = place_of(page, exhibit, row)
    name = exhibit.about["columns"][0]["values"][row]
    page.mouse.move(*place)
    assert name in page.inner_text("#tip")
    page.mouse.click(*place)
    until(page, lambda: page.inner_text("#grown") == name)
    assert page.url.endswith(f"#{name}")
    first = picture(page)
    until(page, lambda: int(page.inner_text("#step")) > 30)
    assert (picture(page) > 128).sum() > (first > 128).sum() + 30


def test_the_score_is_that_of_python_at_the_same_step(page, exhibit):
    pause(page)
    page.click("#restart")
    for _ in range(20):
        page.click("#one")
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


def take(page, steps):
    """Press the button so many times, without waiting for a frame in between."""
    page.evaluate(
        "steps => { for (let i = 0; i < steps; i++) document.querySelector('#one').click() }", steps
    )


def over(rgba, behind):
    """A picture (H, W, 4) over a colour or colours, as bytes."""
    rgba = np.clip(rgba, 0, 1)
    return np.clip(255 * rgba[..., :3] + (1 - rgba[..., 3:4]) * np.array(behind), 0, 255)


@pytest.mark.parametrize(("place", "heals"), [((18, 14), True), ((14, 13), False)])
def test_a_wound_heals_or_does_not_as_in_python(page, exhibit, place, heals):
    wound = Damage(120, *place, 3)
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
    before = int(page.inner_text("#step"))
    page.wait_for_timeout(1000)
    assert 1 <= int(page.inner_text("#step")) - before <= 5  # 3 a second


def test_hovering_tells_what_the_map_is_coloured_by(page, exhibit):
    page.select_option("#colour", "wall_s")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    assert "wall_s 1.500 s" in page.inner_text("#tip")


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
        for _ in range(30):
            page.click("#one")
        ends[share] = picture(page)
        mixed = exhibit.weights[0] + share * (exhibit.weights[8] - exhibit.weights[0])
        state = dict(rollout(mixed, seed_state(*GRID, *SEED), 30, every=30))[30][..., :4]
        shown = np.clip(state[..., :3], 0, 1) * 255
        shown += (1 - np.clip(state[..., 3:], 0, 1)) * np.array([24, 28, 36])
        assert np.abs(np.clip(shown, 0, 255) - ends[share]).max() <= 2
    assert not np.array_equal(ends[0], ends[1])
    assert not page.is_disabled("#mix")


def test_search_and_filter_say_how_many_are_left(page):
    page.fill("#search", "class 2")
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.fill("#search", "-001")
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.fill("#search", "")
    page.select_option("#filter", "psnr_96")
    page.fill("#low", "26")
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.select_option("#filter", "split")
    page.select_option("#value", "test")
    assert page.inner_text("#count") == "2 of 9 NCAs"


def test_a_neighbour_is_one_click_away(page, exhibit):
    near = exhibit.about["maps"][0]["near"][0]
    assert page.locator("#neighbours button").count() == len(near) == 8
    name = exhibit.about["columns"][0]["values"][near[0]]
    page.locator("#neighbours button").first.click()
    until(page, lambda: page.inner_text("#grown") == name)


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


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('input, select, button, canvas')].filter(e =>"
        "!e.labels?.length && !e.ariaLabel && !e.textContent.trim() && !e.closest('button'))"
        ".map(e => e.id)"
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_file_works_from_disk_on_a_phone(visit, file_url, scheme):
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "has_touch": True}
    page = visit(file_url, **phone)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#tank").scroll_into_view_if_needed()
    pause(page)
    before = picture(page)
    box = page.locator("#tank").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 13.5 / 28, box["y"] + box["height"] * 14.5 / 28)
    assert not np.array_equal(picture(page), before)


def test_a_tap_on_the_map_brings_the_tank_into_sight(visit, file_url, exhibit):
    page = visit(file_url, viewport={"width": 360, "height": 640}, has_touch=True)
    assert page.evaluate("scrollY") == 0
    row = 4
    page.touchscreen.tap(*place_of(page, exhibit, row))
    until(page, lambda: page.inner_text("#grown") == exhibit.about["columns"][0]["values"][row])
    tank = "document.querySelector('#tank').getBoundingClientRect()"
    until(page, lambda: page.evaluate(f"{tank}.bottom <= innerHeight + 1 && {tank}.top > -1"))
    page.click("#chooseB")
    atlas = "document.querySelector('#map').getBoundingClientRect()"
    until(page, lambda: page.evaluate(f"{atlas}.top > -1"))


def test_the_file_opens_at_the_nca_that_its_address_names(visit, file_url):
    page = visit(f"{file_url}#2-001")
    assert page.inner_text("#grown") == "2-001"
