"""Ways through the zoo's page: keys, windows of many sizes, class mode, what one takes away."""

import io
import json
import subprocess

import numpy as np
import pytest
from browsing import pause, picture, take, until
from PIL import Image
from wide import mostly_wide

WIDE, NOTEBOOK, PHONE, TURNED = (1280, 800), (900, 760), (390, 844), (844, 390)


def window(size, **options):
    return {"viewport": {"width": size[0], "height": size[1]}, **options}


def box(page, name):
    return page.evaluate(f"document.querySelector('{name}').getBoundingClientRect().toJSON()")


def steps(page):
    return int(page.inner_text("#step"))


def test_space_plays_wherever_the_focus_is(page):
    pause(page)
    for name in ("#restart", "#map", "#tank", "#mix", "#fit", "summary + dl"):
        page.evaluate("name => document.querySelector(name).focus()", name)
        before = page.inner_text("#play")
        step = steps(page)
        page.keyboard.press(" ")
        assert page.inner_text("#play") != before, name
        assert steps(page) >= step, name  # the button was not pressed
    page.focus("#search")
    before = page.inner_text("#play")
    page.keyboard.press(" ")
    assert page.inner_text("#play") == before
    assert page.input_value("#search") == " "


def test_enter_acts_on_the_tank_and_keys_do_what_help_says(page):
    pause(page)
    page.click("#restart")
    take(page, 60)
    whole = picture(page)
    page.focus("#tank")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.is_visible("#glass .ring")
    page.keyboard.press("Enter")
    assert not np.array_equal(picture(page), whole)
    page.keyboard.press("u")
    assert np.array_equal(picture(page), whole)
    page.keyboard.press(".")
    assert page.inner_text("#step") == "61"
    page.keyboard.press("r")
    assert page.inner_text("#step") == "0"
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert page.is_hidden("#help")


def test_escape_leaves_the_choice_of_b(page):
    page.keyboard.press("b")
    assert page.get_attribute("#chooseB", "aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.get_attribute("#chooseB", "aria-pressed") == "false"
    page.click("#lasso")
    page.keyboard.press("Escape")
    assert page.get_attribute("#lasso", "aria-pressed") == "false"


@pytest.mark.wide
def test_keys_of_one_character_can_be_switched_off_for_good(page):
    page.click("#keys")
    page.uncheck("#letters")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("?")
    assert page.get_attribute("#chooseB", "aria-pressed") == "false"
    assert page.is_hidden("#help")
    page.keyboard.press(" ")
    page.reload()
    until(page, lambda: page.inner_text("#nameA") != "")
    assert not page.is_checked("#letters")
    page.click("#keys")
    page.check("#letters")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    assert page.get_attribute("#chooseB", "aria-pressed") == "true"


def test_after_a_choice_by_mouse_keys_are_the_pages_and_after_one_by_key_the_lists(page):
    pause(page)
    take(page, 5)
    for start, step in (("pointerdown", 0), ("keydown", 7)):
        take(page, 7)
        page.focus("#speed")
        page.dispatch_event("#speed", start)
        page.select_option("#speed", "4" if step else "0.25")
        page.keyboard.press("r")
        assert steps(page) == step


@pytest.mark.wide
def test_it_opens_on_a_good_one_at_random(visit, server, exhibit):
    ids = exhibit.about["columns"][0]["values"]
    for _ in range(2):
        page = visit(server.url)
        assert page.inner_text("#grown") in ids
        page.close()  # pages that nobody looks at take the others' time
    lucky = (
        "async () => { const { loadZoo } = await import('explore/source.js'); const zoo ="
        "await loadZoo(); zoo.column.status.values = zoo.ids.map((_, row) => row === 4 ? 'ok' : "
        "'dead'); return zoo.ids.map((_, row) => zoo.good(row)) }"
    )
    page = visit(server.url)
    assert page.evaluate(lucky) == [row == 4 for row in range(9)]
    seen = set()
    for _ in range(12):
        page.click("#random")
        page.wait_for_timeout(50)
        seen.add(page.inner_text("#grown"))
    assert len(seen) > 2


@pytest.mark.parametrize("size", mostly_wide([(NOTEBOOK,), (TURNED,)]))
def test_the_automaton_and_its_controls_lie_side_by_side(visit, server, size):
    page = visit(server.url, **window(size))
    tank, play = box(page, "#tank"), box(page, "#play")
    assert tank["bottom"] <= size[1] + 1
    assert play["left"] >= tank["right"]
    assert play["bottom"] <= size[1]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.is_visible("#what")


@pytest.mark.wide
def test_on_a_phone_the_tank_is_on_top_and_a_swipe_scrolls(visit, server):
    page = visit(server.url, **window(PHONE, has_touch=True))
    assert box(page, "#tank")["bottom"] < box(page, "#play")["top"] < PHONE[1]
    assert box(page, "#search")["width"] > 0.6 * PHONE[0]  # its hint is to be read
    pause(page)
    touch = page.context.new_cdp_session(page)

    def swipe(name, x_by, y_by, hold=0):
        area = box(page, name)
        x, y = area["x"] + area["width"] / 2, area["y"] + min(area["height"] / 2, 200)

        def send(kind, *points):
            places = [{"x": a, "y": b} for a, b in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        send("touchStart", (x, y))
        page.wait_for_timeout(hold)
        for part in range(1, 9):
            send("touchMove", (x + x_by * part / 8, y + y_by * part / 8))
        send("touchEnd")
        page.wait_for_timeout(300)

    whole = picture(page)
    for _ in range(5):
        swipe("#tank", 0, -150)
        if page.evaluate("scrollY") > 50:
            break
        page.click("#undo")  # the machine was so busy that the finger seemed to rest
    assert page.evaluate("scrollY") > 50
    assert np.array_equal(picture(page), whole)  # nothing was hurt
    for hold in (500, 1500, 4500):  # a busy machine sees late that a finger rests
        page.evaluate("scrollTo(0, 0)")
        swipe("#tank", 0, -60, hold)  # a finger that rests first brushes
        if page.evaluate("scrollY") == 0:
            break
    assert page.evaluate("scrollY") == 0
    assert not np.array_equal(picture(page), whole)
    page.click("#undo")
    assert np.array_equal(picture(page), whole)
    swipe("#tank", 80, 0)  # sideways there is nothing to scroll
    assert not np.array_equal(picture(page), whole)
    page.locator("#map").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    swipe("#map", 0, 120)
    assert page.evaluate("scrollY") < before - 30


@pytest.mark.wide
def test_the_wheel_is_the_pages_where_the_page_scrolls(visit, server):
    page = visit(server.url, **window(NOTEBOOK))
    page.locator("#map").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    area = box(page, "#map")
    page.mouse.move(area["x"] + 50, area["y"] + 50)
    page.mouse.wheel(0, -200)
    until(page, lambda: page.evaluate("scrollY") < before)


@pytest.mark.wide
def test_class_mode_is_large_and_goes_on_by_keys(visit, server):
    page = visit(f"{server.url}#0-000", **window(WIDE))  # of another class than is asked for
    page.keyboard.press("c")
    tank = box(page, "#tank")
    assert tank["height"] > 0.7 * WIDE[1]
    assert tank["width"] == pytest.approx(tank["height"], abs=1)
    for hidden in ("#map", "#trace", "#chooseB", "#line"):
        assert page.is_hidden(hidden)
    assert box(page, "#play")["bottom"] <= WIDE[1]
    page.keyboard.press("2")
    until(page, lambda: page.inner_text("#grown").startswith("2-"))
    first = page.inner_text("#grown")
    page.keyboard.press("PageDown")
    until(page, lambda: page.inner_text("#grown") != first)
    page.keyboard.press("PageUp")
    until(page, lambda: page.inner_text("#grown") == first)
    page.keyboard.press("Escape")
    assert page.is_visible("#map")
    assert "at=" not in page.url  # the map, which nobody saw, looks where it did


def test_full_screen_and_back(page):
    page.click("#full")
    until(page, lambda: page.evaluate("document.fullscreenElement !== null"))
    assert page.evaluate("document.body.classList.contains('large')")
    assert page.get_attribute("#full", "aria-pressed") == "true"
    page.evaluate("document.exitFullscreen()")
    until(page, lambda: page.is_visible("#map"))
    page.keyboard.press("c")
    page.keyboard.press("f")  # from class mode, too
    until(page, lambda: page.evaluate("document.fullscreenElement !== null"))
    assert page.evaluate("document.body.classList.contains('large')")
    page.keyboard.press("f")
    until(page, lambda: page.is_visible("#map"))


@pytest.mark.wide
def test_the_focus_stays_where_things_go_away(visit, server):
    page = visit(f"{server.url}#0-000&b=2-001", **window(WIDE))
    pause(page)
    page.evaluate("document.querySelector('#radius').value = 8")
    focused = "() => document.activeElement.id || document.activeElement.textContent"

    def press(name):
        page.focus(name)
        page.keyboard.press("Enter")
        return page.evaluate(focused)

    assert press("#dropB") == "chooseB"
    press("#tank")  # the seed alone lives, and the brush is as large as it is
    note = "#glass .note button"
    assert page.is_visible(note)
    assert press(note) == "tank"
    assert press("#tank") == "tank"
    assert press("#undo") == "play"
    before = page.inner_text("#grown")
    page.focus("#neighbours button:nth-child(2)")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#grown") != before)
    assert page.evaluate(focused) == page.inner_text("#neighbours button:nth-child(2)").replace(
        "\n", ""
    )
    press("#large")
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "large"
    assert box(page, "#large")["bottom"] <= WIDE[1]


@pytest.mark.wide
def test_what_has_the_focus_is_not_under_the_tank(visit, server):
    page = visit(f"{server.url}#0-000&b=2-001", **window(WIDE))
    on_top = (
        "name => { const e = document.querySelector(name); e.focus();"
        "const b = e.getBoundingClientRect();"
        "const [x, y] = [b.x + b.width / 2, b.y + b.height / 2];"
        "return e.contains(document.elementFromPoint(x, y)) }"
    )
    for name in ("#keys", "summary", "#chooseB", "#dropB", "#mix", "#speed", "#scrub", "#play"):
        assert page.evaluate(on_top, name), name


@pytest.mark.wide
def test_a_link_restores_selection_b_mixture_and_view(visit, server, page):
    page.click("#chooseB")
    page.fill("#search", "2-001")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#nameB") == "2-001")
    page.evaluate(
        "() => { const s = document.querySelector('#mix'); s.value = 0.3;"
        "s.dispatchEvent(new Event('input')) }"
    )
    page.select_option("#view", "alive mask")
    page.select_option("#colour", "psnr_96")
    page.select_option("#feature", "pixels")
    until(page, lambda: page.evaluate("document.querySelector('#map').width") > 0)
    page.focus("#map")
    page.keyboard.press("+")
    page.wait_for_timeout(400)
    page.click("#copy")
    copied = ("link copied", "the link is the page's address")
    until(page, lambda: page.inner_text("#kept") in copied)
    other = visit(page.url)
    until(other, lambda: other.inner_text("#nameB") == "2-001")
    assert other.inner_text("#nameA") == "0-000"
    assert other.inner_text("#mixed") == "70 % A, 30 % B"
    chosen = [other.input_value(name) for name in ("#view", "#colour", "#feature")]
    assert chosen == ["alive mask", "psnr_96", "pixels"]
    assert "at=" in page.url
    other.wait_for_timeout(500)
    assert other.url == page.url
    beside = visit(f"{server.url}#0-000&b=2-001&beside=1")
    until(beside, lambda: beside.is_visible("#glassB"))


@pytest.mark.wide
def test_an_address_that_makes_no_sense_opens_the_page(visit, server):
    for end in ("#%", "#nobody&b=7", "#0-000&b=%E0&mix=x&view=smell&at=1 2", "#&&=&"):
        page = visit(server.url + end)
        assert page.inner_text("#grown") != ""
        page.close()


def test_a_picture_is_saved_as_it_is_seen(page):
    pause(page)
    page.click("#restart")
    take(page, 40)
    shown = picture(page)
    with page.expect_download() as got:
        page.click("#picture")
    assert got.value.suggested_filename == "0-000-step-40.png"
    saved = np.asarray(Image.open(io.BytesIO(got.value.path().read_bytes())).convert("RGB"))
    scale = saved.shape[0] // 28
    assert saved.shape == (28 * scale, 28 * scale, 3)
    assert saved.shape[0] >= 480
    assert np.array_equal(saved[scale // 2 :: scale, scale // 2 :: scale], shown)


@pytest.mark.wide
def test_a_film_is_saved_and_another_program_reads_it(page):
    if page.is_hidden("#film"):
        pytest.skip("this browser records no films")
    page.click("#film")
    assert page.inner_text("#kept") == "filming"
    before = steps(page)
    until(page, lambda: steps(page) > before + 30)
    with page.expect_download() as got:
        page.click("#film")
    import imageio_ffmpeg

    path = got.value.path()
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo"]
    frames = subprocess.run(
        [*ffmpeg, "-pix_fmt", "gray", "-"], capture_output=True, check=True
    ).stdout
    size = 28 * 18
    seen = np.frombuffer(frames, np.uint8).reshape(-1, size, size)
    assert len(seen) > 5
    assert np.abs(seen[-1].astype(int) - seen[0]).max() > 20  # it grows


def test_the_ways_of_an_address_there_and_back(page):
    read = (
        "async (given) => { const { readAddress, writeAddress } = await "
        "import('explore/address.js'); return readAddress(writeAddress(given)) }"
    )
    for given in ({"id": "7-012"}, {"id": "ä&=# %", "b": "c&d=1", "mix": "0.25"}):
        assert page.evaluate(read, given) == json.loads(json.dumps(given))
