"""The page of NCAs of one rule: what lives becomes what it is told, as in Python."""

import numpy as np
import pytest
from browsing import GRID, SEED, over, pause, picture, served, take, until
from rows import header, record

from nca_zoo.automaton.rule import seed_state
from nca_zoo.automaton.signals import Told, heard
from nca_zoo.building.voices import rules_of
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture(scope="module")
def told_zoo(tmp_path_factory, start):
    """Two NCAs of one rule, and one of another."""
    rng = np.random.default_rng(0)
    S = rng.normal(0, 0.03, (2, 128, 2)).astype(np.float32)[[0, 0, 1]]
    s = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    target = np.zeros((3, *GRID, 4), np.uint8)
    target[0, 8:20, 10:18], target[1, 10:16, 6:22], target[2, 5:23, 12:15] = 255, 255, 255
    path = tmp_path_factory.mktemp("told") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([
            record(i, GRID, id="abc"[i], target=target[i], weights=heard(start, S[i], s[i]),
                   seed_row=SEED[0], seed_col=SEED[1])
            for i in range(3)
        ])  # fmt: skip
    zoo = open_zoo(path)
    zoo.add("S", S, "how each hidden unit hears")
    zoo.add("s", s, "what each NCA hears")
    return open_zoo(path)


def pick(page, name):
    page.fill("#search", name)
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("#nameA") == name)


def seen(state):
    return over(np.clip(state[..., :4], 0, 1), (24, 28, 36))


def test_rules_are_numbered_and_silence_is_none(told_zoo, tmp_path):
    assert rules_of(told_zoo) == [0, 0, 1]
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(0)])
    assert rules_of(open_zoo(tmp_path / "zoo.h5")) is None


def test_what_lives_becomes_what_is_picked_as_python_tells_it(told_zoo, visit):
    with served(make_exhibit(told_zoo)) as serving:
        page = visit(f"{serving.url}#a")
        pause(page)
        page.click("#restart")
        take(page, 20)
        page.check("#alive")
        pick(page, "b")
        assert page.inner_text("#step") == "20"
        take(page, 15)
        S, s = told_zoo.column("S"), told_zoo.column("s")
        become = Told(20, S[0] @ (s[1] - s[0]))
        state = seed_state(*GRID, *SEED)
        after = dict(rollout(told_zoo.weights[0], state, 35, told=[become]))[35]
        assert np.abs(picture(page) - seen(after)).max() <= 2
        without = dict(rollout(told_zoo.weights[0], state, 35))[35]
        assert np.abs(seen(after) - seen(without)).max() > 20
        error = np.mean((np.clip(after[..., :4], 0, 1) - told_zoo.target[1] / 255) ** 2)
        assert page.inner_text("#scoreA") == f"{-10 * np.log10(error):.1f} dB"
        pick(page, "c")  # of another rule: it begins anew
        assert int(page.inner_text("#step")) < 20
        pause(page)
        page.click("#restart")
        take(page, 20)
        page.uncheck("#alive")
        pick(page, "a")
        pause(page)
        assert int(page.inner_text("#step")) < 20


def test_what_hears_nothing_has_no_such_choice(page):
    assert page.is_hidden("#telling")
