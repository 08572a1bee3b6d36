"""Of a grey NCA alpha alone is seen: what stands in R, G and B changes no picture and no number."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from readback import HEIGHT, PANEL, WIDTH, cells_of, decode, middles, read_png, read_screen
from rows import GREY, grey, header

import nca_zoo
from nca_zoo.automaton import noise
from nca_zoo.automaton.rule import ALPHA, N_PARAMS, seed_state, seen
from nca_zoo.life.dynamics import Case, measure
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.studies import orbit
from nca_zoo.symmetry.group import act, identity
from nca_zoo.viewer import figures
from nca_zoo.viewer.channels import BELOW, HIDDEN, look, named_channels, tint, views
from nca_zoo.viewer.frames import BACKGROUNDS
from nca_zoo.viewer.terminal import Screen
from nca_zoo_cli.main import group

SEED = (6, 5)
INK = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
HIDDEN_NAMES = tuple(f"hidden {n}" for n in range(1, 16))


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """A grey zoo of two NCAs, 0-000 and 1-000, with garbage in R, G and B."""
    path = tmp_path_factory.mktemp("zoo") / "grey.h5"
    with ZooWriter(path, header(target=GREY)) as writer:
        writer.add([grey(k, lively_weights(3 + k), INK, SEED) for k in range(2)])
    return path


@pytest.fixture(scope="module")
def alphas(lively_weights):
    """Alpha (H, W) at every step of what the zoo's NCAs were before the garbage came."""
    seed = seed_state(HEIGHT, WIDTH, *SEED)
    return [
        {step: state[..., ALPHA] for step, state in rollout(lively_weights(3 + k), seed, 40)}
        for k in range(2)
    ]


def run(path, *arguments, **options):
    result = CliRunner().invoke(group, ["show", *arguments, "--zoo", str(path)], **options)
    assert result.exit_code == 0, result.output
    return result.stdout


def white(alpha):
    """White ink (H, W) over the dark background: (H, W, 3)."""
    alpha = np.clip(alpha, 0, 1)[..., None]
    return 255 * alpha + (1 - alpha) * np.array(BACKGROUNDS["dark"].cells[0])


def decibels(alpha):
    return -10 * np.log10(np.mean((np.clip(alpha, 0, 1) - INK / 255) ** 2))


def close(found, expected, levels=1):
    """To a level of rounding: the garbage moves the sums of alpha by as much as float32 does."""
    return np.abs(found.astype(float) - expected).max() <= levels


def test_garbage_in_the_hidden_colours_is_not_seen():
    state = np.random.default_rng(0).normal(size=(2, 5, 6, 16))
    clean = state.copy()
    clean[..., :ALPHA] = clean[..., ALPHA : ALPHA + 1]
    np.testing.assert_array_equal(seen(state, 1), clean[..., :4])
    np.testing.assert_array_equal(seen(seen(state, 1), 1), clean[..., :4])
    np.testing.assert_array_equal(seen(state), state[..., :4])


def test_a_seed_that_stands_still_is_measured_by_alpha_alone():
    seed = seed_state(9, 9, 4, 4)
    target = seen(seed, 1)
    still = np.zeros(N_PARAMS, np.float32)
    grey = measure(Case(still, seed, target, trained=1), seeds=1)
    rgba = measure(Case(still, seed, target), seeds=1)
    assert grey["psnr_1000"] > 90
    # Three channels of four are wrong by 1 in one of 81 cells.
    assert rgba["psnr_1000"] == pytest.approx(10 * np.log10(81 * 4 / 3), abs=1e-3)


def test_the_zoo_does_hold_garbage(path, alphas):
    zoo = open_zoo(path)
    states = dict(nca_zoo.open(zoo.path, failed=True)["0-000"].rollout(40, states=True))
    np.testing.assert_allclose(states[40][..., ALPHA], alphas[0][40], atol=1e-4)
    as_rgba = look(states[40], "picture").astype(float)
    assert np.abs(as_rgba - white(alphas[0][40])).max() > 100


def test_a_film_and_its_score_are_of_alpha(path, alphas, tmp_path):
    out = tmp_path / "a.mp4"
    said = run(path, "0-000", "--steps", "40", "--out", str(out))
    db = decibels(alphas[0][40])
    assert said == f"{out}\n0-000 at step 40: PSNR {db:.1f} dB against its target\n"
    _, frames = decode(out)
    for step in (0, 20, 40):
        assert close(middles(frames[step][PANEL]), white(alphas[0][step]), 8)


def test_a_strip_and_a_contact_sheet_are_of_alpha(path, alphas, tmp_path):
    out = tmp_path / "a.png"
    run(path, "0-000", "--steps", "40", "--every", "20", "--out", str(out))
    *grown, target = cells_of(read_png(out), 4, 4, 12, 24, 40)
    for step, found in zip((0, 20, 40), grown, strict=True):
        assert close(found, white(alphas[0][step]))
    assert close(target, white(INK / 255))
    said = run(path, "0-000", "1-000", "--steps", "40", "--out", str(out))
    for alpha, found in zip(alphas, cells_of(read_png(out), 2, 2, 16, 16, 32, 40), strict=True):
        assert close(found, white(alpha[40]))
    assert f"{np.median([decibels(a[40]) for a in alphas]):.1f} dB in the median" in said


def test_channels_apart_are_alpha_and_fifteen_hidden_ones(path, alphas, tmp_path):
    out = tmp_path / "a.png"
    said = run(path, "0-000", "--channels", "--steps", "40", "--every", "40", "--out", str(out))
    assert f"PSNR {decibels(alphas[0][40]):.1f} dB" in said
    *_, (_, state) = nca_zoo.open(path, failed=True)["0-000"].rollout(40, states=True)
    found = list(cells_of(read_png(out), 17, 17 * 3, 8, 16, 32, text=14))
    assert close(found[17], white(alphas[0][40]))
    in_order = (3, *range(4, 16), 0, 1, 2)
    for panel, channel in zip(found[18:34], in_order, strict=True):
        assert close(panel, tint(state[..., channel], (255,) * 3 if channel == 3 else HIDDEN))
    assert close(found[34], white(INK / 255))
    assert close(found[35], tint(INK / 255, (255,) * 3))
    page = BACKGROUNDS["dark"].page
    assert all((panel == page).all() for panel in found[36:])  # the target has no other channel
    film = tmp_path / "a.mp4"
    run(path, "0-000", "--channels", "--steps", "40", "--every", "40", "--out", str(film))
    _, frames = decode(film)
    picture, alpha, wanted, *hidden = cells_of(frames[1], 6, 18, 12, 24, 40)
    assert close(picture, white(alphas[0][40]), 10)
    assert close(alpha, tint(alphas[0][40], (255,) * 3), 10)
    assert close(wanted, white(INK / 255), 10)
    assert close(hidden[-1], tint(state[..., 2]), 10)


def test_hidden_channels_are_named_so():
    assert tuple(named_channels(1)) == ("alpha", *HIDDEN_NAMES)
    assert views(1) == ("picture", "alive mask", "alpha", *HIDDEN_NAMES)
    assert sorted(named_channels(1).values()) == list(range(16))
    assert all(named_channels(1)[f"hidden {n}"] == 3 + n for n in range(1, 13))
    state = np.zeros((1, 1, 16))
    state[..., :3] = 1, -1, 0.5
    assert tuple(look(state, "hidden 13", trained=1)[0, 0]) == HIDDEN
    assert tuple(look(state, "hidden 14", trained=1)[0, 0]) == BELOW
    assert tuple(look(state, "picture", trained=1)[0, 0]) == BACKGROUNDS["dark"].cells[0]
    names = [name for _, name, _ in figures.channels(state, 1)]
    assert names == ["alpha", *HIDDEN_NAMES]


def test_a_step_taken_apart_shows_alpha(path, alphas):
    zoo = open_zoo(path)
    state = dict(nca_zoo.open(zoo.path, failed=True)["0-000"].rollout(40, states=True))[39]
    fire = noise.fire_mask(noise.fold(0, noise.Stream.ROLLOUT), 39, HEIGHT, WIDTH)
    before, *_, after = figures.one_step(zoo.weights[0], state, fire, 39, zoo.trained)
    assert close(before[0], white(alphas[0][39]))
    assert close(after[0], white(alphas[0][40]))


@pytest.mark.parametrize("plain", [False, True])
def test_the_terminal_shows_alpha(path, alphas, plain):
    """A pipe gets characters alone; a terminal would get colours."""
    size = {"COLUMNS": "40", "LINES": "24"}
    said = run(path, "0-000", "--terminal", "--steps", "40", env=size).splitlines()
    *picture, caption, score = said
    assert f"PSNR {decibels(alphas[0][40]):.1f} dB" in score
    alpha = np.clip(alphas[0][40], 0, 1)
    zoo = open_zoo(path)
    state = dict(nca_zoo.open(zoo.path, failed=True)["0-000"].rollout(40, states=True))[40]
    look = {"about": "class 0", "size": (40, 24), "trained": 1}
    if plain:
        screen = Screen(zoo.target[0] / 255, "0-000", colour=False, **look)
        assert screen.draw(40, state) == [*picture, caption]
        levels = alpha.reshape(-1, 2, WIDTH).mean(axis=1) * 9
        shown = np.array([[" .:-=+*#%@".index(c) for c in line[:WIDTH]] for line in picture])
        assert np.abs(shown - levels).max() <= 0.51
        return
    *picture, _ = Screen(zoo.target[0] / 255, "0-000", **look).draw(40, state)
    rows = read_screen(picture)
    cells = white(alpha)
    for row, col in np.ndindex(HEIGHT, WIDTH):
        assert np.abs(np.subtract(rows[row // 2][col][1 + row % 2], cells[row, col])).max() <= 1


def test_scrambling_leaves_alpha_and_is_found_out_if_it_does_not(path):
    zoo = open_zoo(path)
    scrambled = orbit.scramble(zoo)
    found = orbit.standing(zoo, scrambled, steps=40)
    assert found.exact < 1e-10
    assert found.stood == 1
    assert found.moved > 0.5
    louder = np.stack([_louder_colours(weights) for weights in scrambled.weights])
    # Red, green and blue are hidden: a change of theirs that alpha never feels is none.
    assert orbit.standing(zoo, orbit.ScrambledZoo(zoo, louder), steps=40).stood == 1
    bent = scrambled.weights + np.float32(0.01)
    assert orbit.standing(zoo, orbit.ScrambledZoo(zoo, bent), steps=40).stood == 0


def test_the_exact_check_sees_alpha_alone_and_sees_it_exactly(path, monkeypatch):
    zoo = open_zoo(path)
    for change, exact in ((_louder_colours, True), (lambda w: w + 1e-6, False)):
        monkeypatch.setattr(orbit, "act", lambda element, w, change=change: change(act(element, w)))
        found = orbit.standing(zoo, zoo, steps=40).exact
        assert (found < 1e-10) == exact


def _louder_colours(weights):
    """The same NCA with red, green and blue a hundred times as large: alpha is as it was."""
    return act(replace(identity(), basis=np.diag([100.0] * 3 + [1] * 13)), weights)


def test_looking_by_hand_is_by_alpha_too(path, alphas):
    zoo = open_zoo(path)
    *_, (_, state) = rollout(zoo.weights[1], zoo.seed_states(1), 40)
    score = psnr(seen(state, zoo.trained), zoo.target[1] / 255)
    assert score == pytest.approx(decibels(alphas[1][40]), abs=1e-3)
