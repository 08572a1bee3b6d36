"""Drawing on the zoo's page, in a real browser: by mouse, finger and keys, to a trained NCA."""

import numpy as np
import pytest
from browsing import GRID, pause, served, take, until

from nca_zoo.automaton.rule import seed_state
from nca_zoo.exchange.foreign import read_ncas
from nca_zoo.explorer.page import standalone_page
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.image_files import read_file
from nca_zoo.pictures.targets import make_target
from nca_zoo.training.init import shipped_writer

SEVEN = [(7, 7), (7, 20), (14, 16), (22, 13)]
FRAME = [(4, 4), (4, 23), (23, 23), (23, 4), (4, 4)]  # no digit: there is much to learn
PAPER = """() => {
    const copy = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(document.querySelector("#paper"), 0, 0);
    return [...context.getImageData(0, 0, 28, 28).data] }"""


@pytest.fixture(scope="module")
def server(kin_exhibit):
    with served(kin_exhibit) as serving:
        yield serving


@pytest.fixture(scope="module")
def kin_file(kin_exhibit, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / "kin.html"
    path.write_text(standalone_page(kin_exhibit), encoding="utf-8")
    return path.as_uri()


def opened(page):
    """The page with its pad open, ready to be drawn on."""
    page.click("#draw")
    until(page, lambda: "Draw a digit" in page.inner_text("#padSays"))
    return page


def draw(page, points):
    """Draw a line through places (row, column), in cells."""
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    places = [
        (box["x"] + x * box["width"] / 28, box["y"] + y * box["height"] / 28) for y, x in points
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def ink(page):
    """What is drawn (28, 28), told from the paper's colours."""
    shown = np.reshape(page.evaluate(PAPER), (28, 28, 4))[..., 0].astype(float)
    return np.round((shown - 24) * 255 / (255 - 24)).astype(np.uint8)


def decibels(page):
    return float(page.inner_text("#scoreA").removesuffix(" dB"))


def test_what_is_drawn_is_written_and_grows_at_once(visit, server):
    page = opened(visit(f"{server.url}#0-000"))
    assert page.is_disabled("#train")
    assert page.inner_text("#grown") == "0-000"
    draw(page, SEVEN)
    assert page.inner_text("#grown") == "drawing"
    said = page.inner_text("#padSays")
    assert said.startswith("Written in ")
    assert "Near " in said
    assert page.inner_text("#spoken") == "growing your drawing"
    assert page.locator("#neighbours button").count() == 8
    assert page.is_hidden("#known")
    pause(page)
    page.click("#restart")
    take(page, 96)
    target = make_target(ink(page))
    assert 60 < np.count_nonzero(target.rgba[..., 3] > 0.5) < 160
    weights, seed = shipped_writer().weights(target), (target.seed_row, target.seed_col)
    state = dict(rollout(weights, seed_state(*GRID, *seed), 96, every=96))[96]
    assert decibels(page) == pytest.approx(float(psnr(state[..., :4], target.rgba)), abs=0.5)


@pytest.mark.wide
@pytest.mark.parametrize("alone", [True, False])
def test_it_learns_in_a_worker(visit, server, kin_file, alone):
    page = opened(visit(f"{kin_file if alone else server.url}#0-000"))
    draw(page, FRAME)
    page.click("#train")
    assert page.inner_text("#train") == "Stop training"
    progress = lambda: page.inner_text("#progress")  # noqa: E731
    until(page, lambda: progress().startswith("5 training steps"))
    before = int(page.inner_text("#step"))
    until(page, lambda: int(page.inner_text("#step")) > before + 2)  # what lives goes on living
    until(page, lambda: int(progress().split()[0]) >= 20)
    page.click("#train")
    assert page.inner_text("#train") == "Train it further"
    taken = progress()
    assert " dB at step 96" in taken
    page.wait_for_timeout(1500)
    assert int(progress().split()[0]) <= int(taken.split()[0]) + 1  # it rests after this step
    pause(page)
    trained = grown_at_96(page)
    draw(page, [(0.5, 0.5), (0.5, 0.5)])  # a drawing that changes is written anew
    page.click("#unstroke")
    assert progress() == ""
    assert trained > grown_at_96(page) + 1


def grown_at_96(page):
    pause(page)
    page.click("#restart")
    take(page, 96)
    return decibels(page)


@pytest.mark.wide
def test_keys_draw_too_and_a_stroke_is_taken_back(visit, server):
    page = opened(visit(f"{server.url}#0-000"))
    assert page.evaluate("document.activeElement.id") == "paper"
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    assert page.is_visible("#sheet .ring")
    assert not ink(page).any()
    page.keyboard.press("Enter")
    assert page.inner_text("#spoken") == "pencil down"
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    assert page.inner_text("#grown") == "0-000"
    page.keyboard.press("Enter")
    rows, cols = np.nonzero(ink(page) == 255)
    assert (rows.min(), rows.max()) == (8, 20)
    assert set(cols) == {14}
    until(page, lambda: page.inner_text("#grown") == "drawing")
    playing = page.inner_text("#play")
    page.keyboard.press(" ")
    assert page.inner_text("#play") != playing  # keys of the page go on
    page.check("#rub")
    draw(page, [(8.5, 14.5), (12.5, 14.5)])
    assert not ink(page)[8:12, 14].any()
    page.click("#unstroke")
    assert (ink(page)[8:21, 14] == 255).all()
    page.click("#blank")
    assert not ink(page).any()
    assert page.is_disabled("#train")
    assert page.inner_text("#padSays").startswith("Draw a digit")


@pytest.mark.wide
def test_a_finger_draws_and_the_page_stays(visit, server):
    page = opened(
        visit(f"{server.url}#0-000", viewport={"width": 390, "height": 844}, has_touch=True)
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#paper").scroll_into_view_if_needed()
    box, before = page.locator("#paper").bounding_box(), page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)

    def send(kind, *places):
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in places
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", (0.5, 0.25))
    for part in range(1, 9):
        send("touchMove", (0.5, 0.25 + part / 16))
    send("touchEnd")
    until(page, lambda: page.inner_text("#grown") == "drawing")
    assert page.evaluate("scrollY") == before
    assert np.count_nonzero(ink(page) == 255) > 12


@pytest.mark.wide
def test_what_is_kept_comes_into_a_zoo(visit, server, tmp_path):
    page = opened(visit(f"{server.url}#0-000"))
    draw(page, SEVEN)
    with page.expect_download() as got:
        page.click("#keepWeights")
    assert got.value.suggested_filename == "drawing.npz"
    said = page.inner_text("#padSays")
    (tmp_path / "drawing.npz").write_bytes(got.value.path().read_bytes())
    with page.expect_download() as got:
        page.click("#keepDrawing")
    (tmp_path / "drawing.png").write_bytes(got.value.path().read_bytes())
    target = make_target(read_file(tmp_path / "drawing.png", None))
    assert np.abs(255 * target.rgba[..., 3] - ink(page)).max() < 1.1  # colours tell it to a level
    assert said.endswith(
        "nca-zoo import drawing.npz --target drawing.png "
        f"--seed-at {target.seed_row},{target.seed_col}"
    )
    with np.load(tmp_path / "drawing.npz") as file:
        assert {name: file[name].shape for name in file} == {
            "W1": (128, 48), "b1": (128,), "W2": (16, 128), "b2": (16,)
        }  # fmt: skip
    (nca,) = read_ncas(tmp_path / "drawing.npz")
    expected = shipped_writer().weights(target)
    assert np.abs(nca.weights(nca.usual) - expected).max() < 1.5e-3


@pytest.mark.wide
def test_between_a_drawing_and_an_nca_of_the_zoo(visit, server):
    page = opened(visit(f"{server.url}#0-000"))
    draw(page, SEVEN)
    page.keyboard.press("b")
    page.fill("#search", "1-002")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#nameB") == "1-002")
    assert page.inner_text("#grown") == "drawing to 1-002"
    assert page.inner_text("#mixed") == "50 % A, 50 % B"
    page.click("#train")  # it learns while it is one of two
    until(page, lambda: "training steps" in page.inner_text("#progress"))
    page.click("#dropB")
    assert page.inner_text("#grown") == "drawing"
    page.click("#random")  # another NCA: nothing learns unseen
    until(page, lambda: page.inner_text("#grown") != "drawing")
    assert page.inner_text("#train") == "Train it further"
    page.click("#again")
    assert page.inner_text("#grown") == "drawing"
    assert page.url.endswith(page.url.split("#")[1])


@pytest.mark.wide
def test_the_pad_is_put_away_and_has_a_key(visit, server):
    page = visit(f"{server.url}#0-000")
    assert page.is_hidden("#pad")
    assert page.get_attribute("#draw", "aria-expanded") == "false"
    page.keyboard.press("d")
    until(page, lambda: "Draw a digit" in page.inner_text("#padSays"))
    assert page.get_attribute("#draw", "aria-expanded") == "true"
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('#pad :is(input, button, canvas)')].filter(e =>"
        "!e.labels?.length && !e.ariaLabel && !e.textContent.trim()).map(e => e.id)"
    )
    assert nameless == []
    page.keyboard.press("d")
    assert page.is_hidden("#pad")


@pytest.mark.wide
def test_a_zoo_of_which_the_writer_knows_nothing_has_no_pad(visit, exhibit):
    with served(exhibit) as other:
        assert visit(f"{other.url}#0-000").is_hidden("#draw")
