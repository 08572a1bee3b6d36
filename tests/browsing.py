"""A zoo's page in a real browser: the fixtures and the hands of the tests that look at it."""

import contextlib
import shutil
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from rows import GREY, grey, header, record

from nca_zoo.automaton.rule import seed_state
from nca_zoo.choices import DEFAULT_REGIME
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.page import standalone_page
from nca_zoo.explorer.server import ExhibitServer
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import make_target
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import make_init, shipped_writer

GRID = (28, 28)
SEED = (14, 13)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 120_000  # no page is wrong because the machine was busy
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


@pytest.fixture(scope="session")
def start():
    """Weights that grow something persistent: the start that ships with the package."""
    return make_init("meta", "persistent").shared


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def grey_exhibit(tmp_path_factory, start):
    """A grey zoo of two whose alpha is that of ``start``, with garbage in R, G and B."""
    path = tmp_path_factory.mktemp("explorer") / "grey.h5"
    state = dict(rollout(start, seed_state(*GRID, *SEED), 96, every=96))[96]
    ink = np.round(255 * np.clip(state[..., 3], 0, 1)).astype(np.uint8)
    with ZooWriter(path, header(target=GREY)) as writer:
        writer.add([grey(number, start, ink, SEED) for number in range(2)])
    return make_exhibit(open_zoo(path))


def strokes(points, radius=1.0):
    """A picture (28, 28) of a line through points (row, column) with soft edges, uint8."""
    share = np.linspace(0, 1, 60)[:, None]
    pairs = pairwise(points)
    line = np.concatenate([np.array(a) + share * np.subtract(b, a) for a, b in pairs])
    rows, cols = np.indices(GRID) + 0.5
    away = np.hypot(rows[..., None] - line[:, 0], cols[..., None] - line[:, 1]).min(axis=-1)
    return np.round(255 * np.clip(radius + 0.5 - away, 0, 1)).astype(np.uint8)


def kin_zoo(path, changes, init_weights=None, pad=0):
    """A zoo of twelve NCAs as the shipped writer writes them, the last of which failed."""
    writer, rng = shipped_writer(), np.random.default_rng(0)
    start = make_init("meta", DEFAULT_REGIME).shared if init_weights is None else init_weights
    kin = {"regime": header().settings["regime"] | {"name": DEFAULT_REGIME}}
    with ZooWriter(path, replace(header(**kin | changes), init_weights=start)) as zoo:
        records = []
        for number in range(12):
            target = make_target(np.pad(strokes(rng.uniform(6, 22, (4, 2))), pad))
            levels = np.round(255 * target.rgba).astype(np.uint8)
            place = {"seed_row": target.seed_row, "seed_col": target.seed_col}
            own = {"weights": writer.weights(target), "target": levels, "grown": levels}
            status = "ok" if number < 11 else "below_gate"
            records.append(record(number, levels.shape[:2], status=status, **own, **place))
        zoo.add(records)
    return open_zoo(path)


@pytest.fixture(scope="session")
def kin_exhibit(tmp_path_factory):
    """An exhibit on whose page one can draw."""
    return make_exhibit(kin_zoo(tmp_path_factory.mktemp("explorer") / "kin.h5", {}))


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Debian's chromium (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@contextlib.contextmanager
def served(exhibit):
    """A server of an exhibit, at work."""
    with ExhibitServer(exhibit) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield serving
        finally:
            serving.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(exhibit):
    with served(exhibit) as serving:
        yield serving


@contextlib.contextmanager
def visiting(browser):
    """A way to open pages; at the end they must have complained and asked for nothing else."""
    pages, complaints, requests = [], [], []

    def go(url, **options):
        page = browser.new_page(**options)
        page.set_default_timeout(PATIENCE_MS)
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
        assert [other for other in requests if not other.startswith((own, "data:", "blob:"))] == []
    assert complaints == []


@pytest.fixture
def visit(browser):
    with visiting(browser) as go:
        yield go


@pytest.fixture(scope="module")
def modules(browser, server):
    """A page at rest that many tests may share: they ask its modules, and leave it as it is."""
    with visiting(browser) as go:
        page = go(f"{server.url}#0-000")
        pause(page)
        yield page


@pytest.fixture
def page(visit, server):
    """The page with the first NCA growing; otherwise one at random would."""
    return visit(f"{server.url}#0-000")


@pytest.fixture(scope="session")
def file_url(exhibit, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "zoo.html"
    path.write_text(standalone_page(exhibit), encoding="utf-8")
    return path.as_uri()


def until(page, condition):
    """Wait until it holds. (Playwright's own way needs eval, which the page forbids.)"""
    for _ in range(PATIENCE_MS // 25):
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


def place_of(page, exhibit, row):
    """Where the map draws an NCA, in the window: all are in sight, as large as they can be."""
    box = page.locator("#map").bounding_box()
    chart = exhibit.charts[0].final()
    points, tile = np.array(chart["points"]), chart["tile"]
    low, high = points.min(axis=0), points.max(axis=0)
    room = (np.array([box["width"], box["height"]]) - 28) / (high - low + tile)
    x, y = (points[row] - (low + high) / 2) * min(*room, 150 / tile)
    return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y


def take(page, steps):
    """Press the button so many times, without waiting for a frame in between."""
    page.evaluate(
        "steps => { for (let i = 0; i < steps; i++) document.querySelector('#one').click() }", steps
    )


def over(rgba, behind):
    """A picture (H, W, 4) over a colour or colours, as bytes."""
    rgba = np.clip(rgba, 0, 1)
    return np.clip(255 * rgba[..., :3] + (1 - rgba[..., 3:4]) * np.array(behind), 0, 255)


def nearest_pair(exhibit):
    """Two rows that lie near each other, but not on each other."""
    points = np.array(exhibit.charts[0].final()["points"])
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    apart[apart < 0.08] = np.inf
    return np.unravel_index(apart.argmin(), apart.shape)
