"""Touching what grows: the brush, what becomes of a wound in words, undo, death, two at once."""

import numpy as np
import pytest
from browsing import GRID, SEED, pause, picture, take, until
from wide import mostly_wide

from nca_zoo.automaton.rule import seed_state
from nca_zoo.automaton.wounds import Wound
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout

CELL = "([row, col]) => { const b = document.querySelector('%s').getBoundingClientRect();"
CELL += "return [b.left + (col + 0.5) * b.width / 28, b.top + (row + 0.5) * b.height / 28] }"


def cell(page, row, col, tank="#tank"):
    """Where a cell of the tank is, in the window."""
    return page.evaluate(CELL % tank, [row, col])


def at_step(page, step):
    """Restart, paused, and go to a step."""
    pause(page)
    page.click("#restart")
    take(page, step)


def dark(page, rows, cols):
    """Whether the tank shows its night in all these cells."""
    return (np.abs(picture(page)[rows, cols] - (24, 28, 36)) <= 1).all()


@pytest.mark.wide
def test_the_brush_is_seen_before_it_hurts(page):
    at_step(page, 60)
    before = picture(page)
    page.mouse.move(*cell(page, 10, 12))
    ring = page.locator("#glass .ring").bounding_box()
    tank = page.locator("#tank").bounding_box()
    side = tank["width"] / 28
    assert ring["width"] == pytest.approx(7 * side, abs=2)  # radius 3: 7 cells across
    x, y = cell(page, 10, 12)
    assert ring["x"] + ring["width"] / 2 == pytest.approx(x, abs=2)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(y, abs=2)
    assert np.array_equal(picture(page), before)
    page.mouse.move(5, 5)
    assert page.is_hidden("#glass .ring")


def test_a_drag_leaves_no_gaps(page):
    at_step(page, 80)
    page.evaluate("() => { document.querySelector('#radius').value = 0.5 }")
    page.mouse.move(*cell(page, 4, 4))
    page.mouse.down()
    page.mouse.move(*cell(page, 24, 24))  # one leap of the pointer
    page.mouse.up()
    diagonal = np.arange(4, 25)
    assert dark(page, diagonal, diagonal)
    page.click("#undo")
    page.check("#plant")
    page.select_option("#view", "alpha")
    page.mouse.move(*cell(page, 2, 1))
    page.mouse.down()
    page.mouse.move(*cell(page, 2, 26))
    page.mouse.up()
    assert (picture(page)[2, 1:27] == 255).all()
    assert page.inner_text("#fate") == "a seed planted at step 80"


@pytest.mark.wide
def test_undo_gives_back_what_was_before_the_stroke(page):
    at_step(page, 50)
    whole = picture(page)
    page.mouse.move(*cell(page, 10, 10))
    page.mouse.down()
    page.mouse.move(*cell(page, 18, 16), steps=5)
    page.mouse.up()
    take(page, 20)
    assert page.inner_text("#step") == "70"
    page.mouse.click(*cell(page, 20, 14))
    page.click("#undo")
    assert page.inner_text("#step") == "70"
    page.keyboard.press("u")
    assert page.inner_text("#step") == "50"
    assert np.array_equal(picture(page), whole)
    assert page.is_disabled("#undo")
    take(page, 10)
    state = dict(rollout_of_start(60))[60]
    expected = 255 * (np.clip(state[..., :3], 0, 1) + (1 - np.clip(state[..., 3:4], 0, 1)) * NIGHT)
    assert np.abs(picture(page) - np.clip(expected, 0, 255)).max() <= 2


NIGHT = np.array([24, 28, 36]) / 255


def rollout_of_start(steps, damage=()):
    from nca_zoo.training.init import make_init

    weights = make_init("meta", "persistent").shared
    return rollout(weights, seed_state(*GRID, *SEED), steps, every=1, damage=damage)


def words_of(target, states, wound, usual):
    """What became of a wound by the written definition, from Python's own rollout."""
    scores = {step: psnr(state[..., :4], target) for step, state in states.items()}
    whole = max(psnr_before(states, wound, target), usual)
    at = f"wounded at step {wound.step}"
    last = max(states)
    back = [step for step in range(wound.step, last + 1) if scores[step] < whole - 3]
    if not back or back[-1] < last:
        return f"{at}: healed after {(back[-1] + 1 if back else wound.step) - wound.step} steps"
    moved = {
        (down, right): psnr(states[last][..., :4], np.roll(target, (down, right), (0, 1)))
        for down in range(-3, 4)
        for right in range(-3, 4)
    }
    best = max(moved, key=moved.get)
    if moved[best] >= whole - 3:
        return f"{at}: whole, moved by ({best[0]}, {best[1]})"
    return f"{at}: scarred"


def psnr_before(states, wound, target):
    unharmed = dict(rollout_of_start(wound.step))[wound.step]
    return psnr(unharmed[..., :4], target)


@pytest.mark.parametrize("place", mostly_wide([((14, 13),), ((18, 14),), ((9, 16),)]))
def test_what_became_of_a_wound_is_said_in_words(page, exhibit, place):
    wound = Wound(120, *place, 3)
    states = {step: s for step, s in rollout_of_start(320, [wound]) if step >= wound.step}
    target = np.frombuffer(exhibit.targets, np.uint8).reshape(-1, *GRID, 4)[0] / 255
    at_step(page, 120)
    page.mouse.click(*cell(page, *place))
    take(page, 10)
    assert page.inner_text("#fate") == "wounded at step 120: 10 steps ago, not yet healed"
    take(page, 190)
    said = page.inner_text("#fate")
    if not np.any(states[320][..., 3] > 0.1):
        assert said.startswith("wounded at step 120: died ")
    else:
        assert said == words_of(target, states, wound, usual=20)
    assert page.inner_text("#spoken") == said  # and aloud


JUDGE = """async (scores) => {
    const { Touch } = await import("explore/wounds.js");
    const touch = new Touch("wound", 100, null, 30);
    const said = [];
    for (const [step, alive, score, moved] of scores) {
        touch.judge(step, alive, score, () => ({ score: moved, by: [0, -1] }));
        said.push(touch.words(step).replace("wounded at step 100: ", ""));
    }
    return said;
}"""


# (step, alive, dB, dB if it may be moved) as they are seen, and what is said in the end.
JUDGED = [
    ([(100, True, 29, 0), (110, True, 29, 0)], "10 steps ago, not yet healed"),
    ([(100, True, 29, 0), (116, True, 27, 0)], "healed after 0 steps"),
    ([(100, True, 10, 0), (140, True, 27, 0), (150, True, 28, 0)], "healed after 40 steps"),
    ([(100, True, 10, 0), (299, True, 20, 28)], "199 steps ago, not yet healed"),
    ([(100, True, 10, 0), (300, True, 20, 27)], "whole, moved by (0, -1)"),
    ([(100, True, 10, 0), (300, True, 20, 26.9)], "scarred"),
    ([(100, True, 10, 0), (300, True, 20, 20), (400, True, 28, 20)], "healed after 300 steps"),
    ([(100, True, 10, 0), (140, True, 28, 0), (301, True, 20, 20)], "scarred"),
    ([(100, True, 10, 0), (105, False, 8, 0)], "died 5 steps later"),
    ([(100, False, 8, 0), (101, False, 8, 0)], "died at once"),
    ([(100, True, 10, 0), (140, True, 28, 0), (120, True, 9, 0)],
     "20 steps ago, not yet healed"),
]  # fmt: skip


def test_the_words_follow_their_definition(modules):
    for seen, said in JUDGED:
        assert modules.evaluate(JUDGE, [list(one) for one in seen])[-1] == said, seen
    drag = (
        "async () => { const { Touch } = await import('explore/wounds.js');"
        "const touch = new Touch('wound', 100, null, 30); touch.since = 130;"
        "return touch.words(150) }"
    )
    assert modules.evaluate(drag) == "wounded at steps 100 to 130: 20 steps ago, not yet healed"


MOVE = """async ([flat, target, height, width]) => {
    const { Looks } = await import("explore/views.js");
    const state = new Float32Array(height * width * 16);
    flat.forEach((value, i) => { state[16 * Math.floor(i / 4) + (i % 4)] = value; });
    return new Looks(4).bestMove(state, Uint8Array.from(target), height, width);
}"""


def test_a_picture_that_moved_is_recognised(modules):
    rng = np.random.default_rng(0)
    target = np.zeros((13, 17, 4), np.uint8)
    target[4:9, 4:12] = rng.integers(0, 256, (5, 8, 4))
    for by in ((0, 0), (0, -1), (2, 3), (-3, 1)):
        state = np.roll(target / 255, by, (0, 1)) + rng.normal(0, 0.01, target.shape)
        args = [state.ravel().tolist(), target.ravel().tolist(), 13, 17]
        found = modules.evaluate(MOVE, args)
        assert tuple(found["by"]) == by
        expected = psnr(state, np.roll(target / 255, by, (0, 1)))
        assert found["score"] == pytest.approx(float(expected), abs=1e-3)


def wipe(page):
    """Drag the brush over the whole tank."""
    page.mouse.move(*cell(page, 4, 4))
    page.mouse.down()
    for row in range(4, 28, 6):
        page.mouse.move(*cell(page, row, 4))
        page.mouse.move(*cell(page, row, 24))
    page.mouse.up()


def test_death_is_said_and_nothing_counts_on(page):
    at_step(page, 40)
    page.evaluate("() => { document.querySelector('#radius').value = 8 }")
    wipe(page)
    note = page.locator("#glass .note")
    assert "Died at step 40." in note.inner_text()
    assert page.inner_text("#fate") == "wounded at step 40: died at once"
    assert page.inner_text("#play") == "Play"
    note.get_by_role("button", name="Back to before it was touched").click()
    assert page.inner_text("#step") == "40"
    assert page.is_hidden("#glass .note")
    assert (picture(page).astype(int).sum(-1) > 300).any()
    wipe(page)
    note.get_by_role("button", name="Restart").click()
    until(page, lambda: int(page.inner_text("#step")) > 3)  # it grows again
    assert page.inner_text("#play") == "Pause"


@pytest.mark.wide
def test_two_side_by_side_take_the_same_steps_and_wounds(page, exhibit):
    page.click("#chooseB")
    page.fill("#search", "1-002")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#nameB") == "1-002")
    page.click("#compare")
    assert page.inner_text("#grown") == "0-000 and 1-002"
    at_step(page, 100)
    page.mouse.click(*cell(page, 18, 14, "#tankB"))
    take(page, 10)
    targets = np.frombuffer(exhibit.targets, np.uint8).reshape(-1, *GRID, 4) / 255
    second = exhibit.about["columns"][0]["values"].index("1-002")
    for letter, row in (("A", 0), ("B", second)):
        wound = Wound(100, 18, 14, 3)
        seed = seed_state(*GRID, *SEED)
        state = dict(rollout(exhibit.weights[row], seed, 110, every=110, damage=[wound]))[110]
        said = float(page.inner_text(f"#score{letter}").removesuffix(" dB"))
        assert said == pytest.approx(float(psnr(state[..., :4], targets[row])), abs=0.06)
    assert page.inner_text("#fate").count("wounded at step 100") == 2
    page.click("#compare")
    assert page.is_hidden("#glassB")
    assert page.inner_text("#mixed") == "50 % A, 50 % B"


@pytest.mark.wide
def test_all_hidden_moves_nothing_and_its_panels_enlarge(page):
    pause(page)
    boxes = [page.locator(name).bounding_box() for name in ("#glass", "#play", "#trace")]
    page.select_option("#view", "all hidden")
    again = [page.locator(name).bounding_box() for name in ("#glass", "#play", "#trace")]
    assert again == boxes
    labels = page.locator("#glass .panels button")
    assert labels.all_inner_texts() == [str(n) for n in range(1, 13)]
    last = labels.nth(11).bounding_box()
    canvas = page.locator("#tank").bounding_box()  # 4 panels across, 3 down
    assert last["x"] == pytest.approx(canvas["x"] + 0.75 * canvas["width"], abs=2)
    assert last["y"] == pytest.approx(canvas["y"] + canvas["height"] * 2 / 3, abs=2)
    labels.nth(4).click()
    assert page.input_value("#view") == "hidden 5"
    page.click("#allHidden")
    assert page.input_value("#view") == "all hidden"
