"""The map of the zoo's page, in a real browser: by mouse, keys and fingers, wide and narrow."""

import numpy as np
import pytest
from browsing import nearest_pair, pause, picture, place_of, until


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
    near = exhibit.about["maps"][0]["near"][0]
    assert page.locator("#neighbours button").count() == len(near) == 8
    name = exhibit.about["columns"][0]["values"][near[0]]
    page.locator("#neighbours button").first.click()
    until(page, lambda: page.inner_text("#grown") == name)


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
