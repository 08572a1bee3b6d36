"""The map of the zoo's page, in a real browser: by mouse, keys and fingers, wide and narrow."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from browsing import nearest_pair, pause, picture, place_of, served, until
from wide import mostly_wide

from nca_zoo.explorer.page import standalone_page


def rectangle(name):
    """JavaScript for where an element is in the window."""
    return f"document.querySelector('{name}').getBoundingClientRect()"


def test_the_map_can_be_walked_by_keyboard(page):
    pause(page)
    before = page.inner_text("#grown")
    page.focus("#map")
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):  # whatever side it lies on
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        if page.inner_text("#grown") != before:
            break
    until(page, lambda: page.inner_text("#grown") != before)
    assert page.inner_text("#spoken").startswith(f"growing {page.inner_text('#grown')}, class ")
    page.keyboard.press("+")
    page.keyboard.press("0")


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


def test_the_map_zooms_about_the_pointer_and_pans(page, exhibit):
    names = exhibit.about["columns"][0]["values"]
    row = nearest_pair(exhibit)[0]
    x, y = place_of(page, exhibit, row)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -900)
    page.mouse.move(x + 1, y)
    assert page.inner_text("#tip").startswith(names[row])
    page.mouse.down()
    page.mouse.move(x + 31, y + 20, steps=4)
    page.mouse.up()
    page.mouse.move(x + 30, y + 20)
    assert page.inner_text("#tip").startswith(names[row])
    page.click("#fit")
    page.mouse.move(x, y)
    assert page.inner_text("#tip").startswith(names[row])


@pytest.mark.wide
def test_two_fingers_spread_the_map(visit, file_url, exhibit):
    page = visit(file_url, has_touch=True)
    names = exhibit.about["columns"][0]["values"]
    one, two = nearest_pair(exhibit)
    (x, y), (u, v) = place_of(page, exhibit, one), place_of(page, exhibit, two)
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": a, "y": b, "id": i} for i, (a, b) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = page.inner_text("#grown")
    fingers("touchStart", (x, y))
    fingers("touchStart", (x, y), (x, y + 40))
    for far in (45, 50, 55, 60):
        fingers("touchMove", (x, y), (x, y + far))
    fingers("touchEnd")
    page.mouse.move(x + 1.5 * (u - x), y + 1.5 * (v - y))
    until(page, lambda: page.inner_text("#tip").startswith(names[two]))
    assert page.inner_text("#grown") == before  # a pinch picks nothing


def test_hovering_tells_what_the_map_is_coloured_by(page, exhibit):
    page.select_option("#colour", "wall_s")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    assert "wall_s 1.500 s" in page.inner_text("#tip")


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
    chart = exhibit.charts[0].final()
    near, apart = chart["near"][0], chart["apart"][0]
    assert len(near) == 8
    until(page, lambda: page.locator("#neighbours button").count() == 8)
    name = exhibit.about["columns"][0]["values"][near[0]]
    said = page.locator("#neighbours button").all_inner_texts()
    assert [float(text.split("\n")[1]) for text in said] == pytest.approx(apart, rel=0.05)
    page.locator("#neighbours button").first.click()
    until(page, lambda: page.inner_text("#grown") == name)


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('input, select, button, canvas')].filter(e =>"
        "!e.labels?.length && !e.ariaLabel && !e.textContent.trim() && !e.closest('button'))"
        ".map(e => e.id)"
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", mostly_wide(["light", "dark"]))
def test_one_file_works_from_disk_on_a_phone(visit, file_url, scheme):
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "has_touch": True}
    page = visit(file_url, **phone)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(f"{rectangle('#play')}.bottom <= innerHeight")  # tank and buttons on top
    pause(page)
    before = picture(page)
    box = page.locator("#tank").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 13.5 / 28, box["y"] + box["height"] * 14.5 / 28)
    assert not np.array_equal(picture(page), before)


@pytest.mark.wide
def test_a_tap_on_the_map_brings_the_tank_into_sight(visit, file_url, exhibit):
    page = visit(file_url, viewport={"width": 360, "height": 640}, has_touch=True)
    page.locator("#map").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 100
    row = 4
    page.touchscreen.tap(*place_of(page, exhibit, row))
    until(page, lambda: page.inner_text("#grown") == exhibit.about["columns"][0]["values"][row])
    tank = "document.querySelector('#tank').getBoundingClientRect()"
    until(page, lambda: page.evaluate(f"{tank}.bottom <= innerHeight + 1 && {tank}.top > -1"))
    page.locator("#chooseB").click()
    atlas = "document.querySelector('#map').getBoundingClientRect()"
    until(page, lambda: page.evaluate(f"{atlas}.top > -1"))


@pytest.mark.wide
def test_the_file_opens_at_the_nca_that_its_address_names(visit, file_url):
    page = visit(f"{file_url}#2-001")
    assert page.inner_text("#grown") == "2-001"


@pytest.mark.wide
@pytest.mark.parametrize("size", mostly_wide([((1280, 720),), ((900, 760),), ((390, 844),)]))
def test_no_picture_covers_another_and_the_ring_covers_nobody(visit, server, exhibit, size):
    page = visit(server.url, viewport=dict(zip(("width", "height"), size, strict=True)))
    pause(page)
    box = page.locator("#map").bounding_box()
    places = np.array([place_of(page, exhibit, row) for row in range(9)])
    chart = exhibit.charts[0].final()
    apart = np.abs(places[:, None] - places[None]).max(axis=-1) + 1e9 * np.eye(9)
    points = np.array(chart["points"])
    unit = np.linalg.norm(places[1] - places[0]) / np.linalg.norm(points[1] - points[0])
    ring = (0.8 + 2 * 0.08) * chart["tile"] * unit  # its outer side, in pixels
    assert apart.min() >= ring
    for axis, name in enumerate("xy"):
        length = box[("width", "height")[axis]]
        assert places[:, axis].min() >= box[name] + ring / 2
        assert places[:, axis].max() <= box[name] + length - ring / 2


def test_the_legend_keeps_classes_at_a_click(page):
    two = page.locator("#legend button", has_text="2")
    two.click()
    assert page.inner_text("#count") == "3 of 9 NCAs"
    assert two.get_attribute("aria-pressed") == "true"
    page.locator("#legend button", has_text="0").click()
    assert page.inner_text("#count") == "6 of 9 NCAs"
    two.click()
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.click("#fit")
    assert page.inner_text("#count") == "9 NCAs"


@pytest.mark.wide
def test_a_lasso_keeps_what_it_goes_around(page, exhibit):
    row = 5
    x, y = place_of(page, exhibit, row)
    page.click("#lasso")
    page.mouse.move(x - 12, y - 12)
    page.mouse.down()
    for place in ((x + 12, y - 12), (x + 12, y + 12), (x - 12, y + 12)):
        page.mouse.move(*place)
    page.mouse.up()
    assert page.inner_text("#count") == "1 of 9 NCAs"
    assert page.get_attribute("#lasso", "aria-pressed") == "false"
    page.click("#random")
    name = exhibit.about["columns"][0]["values"][row]
    until(page, lambda: page.inner_text("#grown") == name)  # of what is shown
    page.click("#fit")
    assert page.inner_text("#count") == "9 NCAs"


@pytest.mark.wide
def test_classes_are_called_by_their_names(visit, exhibit, tmp_path):
    named = replace(exhibit, about={**exhibit.about, "classNames": {"0": "Katze", "2": "<b>dog"}})
    (tmp_path / "named.html").write_text(standalone_page(named), encoding="utf-8")
    page = visit(f"{(tmp_path / 'named.html').as_uri()}#2-001")
    assert page.locator("#legend button").all_inner_texts() == ["Katze", "1", "<b>dog"]
    assert page.inner_text("#spoken") == "growing 2-001, class <b>dog"
    page.fill("#search", "katze")
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.fill("#search", "class 1")
    assert page.inner_text("#count") == "3 of 9 NCAs"
    page.fill("#search", "")
    page.mouse.move(*place_of(page, exhibit, 1))
    assert "class Katze" in page.inner_text("#tip")


class Slow:
    """A map whose final layout waits to be let go."""

    name = "weights"

    def __init__(self, chart):
        self.quick = chart.final()
        self.go = threading.Event()

    def first(self):
        return self.quick | {"method": "principal components"}

    def final(self):
        assert self.go.wait(60)
        return self.quick | {"method": "UMAP", "points": self.quick["points"][::-1]}


@pytest.mark.wide
@pytest.mark.parametrize("motion", mostly_wide(["no-preference", "reduce"]))
def test_the_better_map_takes_the_place_of_the_first(visit, exhibit, motion):
    slow = Slow(exhibit.charts[0])
    about = {**exhibit.about, "maps": ["weights"]}
    with served(replace(exhibit, about=about, charts=(slow,))) as serving:
        page = visit(serving.url, reduced_motion=motion)
        page.mouse.move(*place_of(page, exhibit, 8))
        until(page, lambda: page.inner_text("#tip").startswith("2-002"))
        page.mouse.down()
        assert page.is_hidden("#tip")  # in nobody's way
        page.mouse.up()
        assert page.inner_text("#method").startswith("by principal components")
        slow.go.set()
        until(page, lambda: page.inner_text("#method") == "by UMAP")
        if motion == "no-preference":
            page.wait_for_timeout(1000)
        page.mouse.move(5, 5)
        page.mouse.move(*place_of(page, exhibit, 8))  # where the first one lies now
        assert page.inner_text("#tip").startswith("0-000")
