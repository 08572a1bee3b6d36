"""The pictures of the README and the pages, made from a zoo: ``make figures``.

python docs/make_figures.py [--zoo ZOO] [NAME...]
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from moving_figures import motion, walking, weaned, written_films
from playwright.sync_api import Page, sync_playwright
from weights_figures import reading, writing

import nca_zoo
from nca_zoo.automaton import noise, rule, signals
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import seen
from nca_zoo.automaton.wounds import Wound, wound_at_random
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.explorer.page import standalone_page
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.healing import HEAL_STEPS, RADII, WOUNDED, outcomes
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.pictures.targets import Target, restored
from nca_zoo.store.sampling import sample_classes
from nca_zoo.store.zoofile import Zoo
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES
from nca_zoo.viewer import figures, frames
from nca_zoo.viewer.channels import channel_table
from nca_zoo.viewer.figures import SMALL, Panel
from nca_zoo.viewer.frames import ContactFilm, composite, strip
from nca_zoo.viewer.video import write_gif, write_png
from nca_zoo_cli.main import group

FOLDER = Path(__file__).parent / "figures"
FPS = 20
EVERY, LAST = 2, 160  # CA steps between frames, and of the last one
HELD = 20  # frames that the grown picture stands still
STRIP_STEPS = (0, 8, 16, 32, 64, 96, 400)
CHANNEL_STEPS = (8, 32, 96)
EXAMPLE = 3  # the class whose first NCA explains the rule
HALF_GROWN = 20  # the CA step that is taken apart
LESSONS = (0, 10, 20, 40, 80, 160)  # training steps after which the picture is shown
POOL_AFTER = 20  # training steps
WOUND = Wound(200, radius=5)
HURT = {  # NCAs of the default zoo; the wound takes a third of the picture or so
    "2-000": Wound(100, 8, 16, 6),
    "3-007": Wound(100, 18, 14, 6),
    "7-012": Wound(100, 8, 16, 6),
    "8-003": Wound(100, 20, 12, 6),
}
DRAWN = [(9, 8), (13, 6), (18, 7.5), (17.5, 11), (13.5, 13), (18, 15), (19, 18.5), (15, 21.5),
         (9, 20.5)]  # fmt: skip
LEARNED = 25  # training steps in the page
AT_RANDOM, HEAL_EVERY = 8, 8  # NCAs whose wounds are shown; CA steps between frames
HEALED = 220  # the CA step at which the wounded are whole again
CODE, BETWEEN = 16, 9  # numbers of a code; NCAs from one digit to another
LIVES = (48, 96, 196, 200, 212, 240, 300, 400)  # CA steps


def growing(zoo: Zoo, path: Path) -> None:
    """Frames of two NCAs of each class growing side by side."""
    _film(path, zoo, {row: [] for row in sample_classes(zoo.label, 2)}, LAST, lines=2)


def healing(zoo: Zoo, path: Path) -> None:
    """Frames of grown NCAs that lose a circle of cells at the same moment, and grow it again."""
    wounds = {int(np.flatnonzero(zoo.id == id_)[0]): [wound] for id_, wound in HURT.items()}
    _film(path, zoo, wounds, HEALED)


def wounds(zoo: Zoo, path: Path) -> None:
    """Wounds of every kind, one to a row, of NCAs drawn at random, and what became of each."""
    rows = np.sort(np.random.default_rng(0).choice(len(zoo), AT_RANDOM, replace=False))
    ncas = Automata.grown(zoo.weights[rows], zoo.seed_states(rows), shows=zoo.trained)
    goals = restored(zoo.target[rows])
    engine = SparseEngine()
    grown = engine.rollout(ncas, ncas.starts(), 0, WOUNDED)
    panels = []
    for kind, radius in enumerate(RADII.values()):
        own = ncas.under(noise.fold(ncas.keys, noise.Stream.WOUNDS, kind))
        states = grown.copy()
        wound_at_random(states, np.full(own.keys.shape, radius), noise.uniform(own.keys, 2))
        film = [grown, states]
        for now in range(WOUNDED, WOUNDED + HEAL_STEPS, HEAL_EVERY):
            film.append(engine.rollout(own, film[-1], now, HEAL_EVERY))
        seen_last = own.seen(film[-1][:, 0])
        for i, word in enumerate(outcomes(seen_last, goals)):
            cells = composite(np.stack([states[i, 0] for states in film]), "dark", zoo.trained)
            panels.append(frames.Panel(cells, zoo.id[rows[i]], word))
    steps = [WOUNDED, *range(WOUNDED, WOUNDED + HEAL_STEPS + 1, HEAL_EVERY)]
    film = list(ContactFilm(steps, panels, columns=AT_RANDOM))
    write_gif(
        path, film[:1] * HELD + film[1:2] * (HELD // 2) + film[2:] + film[-1:] * 2 * HELD, FPS
    )


def contact_sheet(zoo: Zoo, path: Path) -> None:
    """Five NCAs of every class, as `show --digits 0-9 --sample 5` makes it."""
    panels = []
    for row in sample_classes(zoo.label, 5):
        *_, (step, state) = rollout(
            zoo.weights[row], zoo.seed_states(row), STRIP_STEPS[-1], every=400
        )
        visible = seen(state, zoo.trained)
        score = psnr(visible, restored(zoo.target[row]))
        cells = composite(visible[None], "dark")
        panels.append(frames.Panel(cells, zoo.id[row], f"{score:.1f} dB"))
    write_png(path, ContactFilm([step], panels, zoo.path.name)[0])


def page(zoo: Zoo, path: Path) -> None:
    """The explorer's page, with one NCA growing."""
    with _page(zoo, 800) as tab:
        tab.wait_for_timeout(5000)
        tab.screenshot(path=path)


def pad(zoo: Zoo, path: Path) -> None:
    """A digit drawn on the page by a line of points, and trained there for some steps."""
    with _page(zoo, 900) as tab:
        tab.click("#draw")
        while "Draw a digit" not in tab.inner_text("#padSays"):
            tab.wait_for_timeout(100)
        box = tab.locator("#paper").bounding_box()
        assert box
        side = box["width"] / zoo.grid[1]
        places = [(box["x"] + x * side, box["y"] + y * side) for x, y in DRAWN]
        tab.mouse.move(*places[0])
        tab.mouse.down()
        for place in places[1:]:
            tab.mouse.move(*place, steps=6)
        tab.mouse.up()
        tab.click("#train")
        while not _learned(tab):
            tab.wait_for_timeout(20)
        tab.screenshot(path=path)


def _learned(tab: Page) -> bool:
    """Whether the page has told of some training steps, or of all that it took."""
    words = tab.inner_text("#progress").split()
    if words and words[0].isdigit():  # on busy cores it may not show each of them
        return int(words[0]) >= LEARNED
    return tab.inner_text("#padSays").startswith("Trained")


def moments(zoo: Zoo, path: Path) -> None:
    """One NCA at seven moments, and its target."""
    row = _example(zoo)
    run = [(step, state) for step, state in _states(zoo) if step in STRIP_STEPS]
    target = restored(zoo.target[row])
    about = f"class {zoo.label[row]}"
    write_png(path, strip(run, target, zoo.id[row], about, trained=zoo.trained))


def apart(zoo: Zoo, path: Path) -> None:
    """All channels of one NCA at a few moments, as `show --channels` draws them."""
    row = _example(zoo)
    run = [(step, state) for step, state in _states(zoo) if step in CHANNEL_STEPS]
    about = (restored(zoo.target[row]), zoo.id[row], f"class {zoo.label[row]}")
    write_png(path, channel_table(run, *about, trained=zoo.trained))


def perception(zoo: Zoo, path: Path) -> None:
    """What cells see."""
    write_png(path, figures.draw(figures.perception(dict(_states(zoo))[96]), 3))


def one_step(zoo: Zoo, path: Path) -> None:
    """One CA step, taken apart."""
    key = noise.fold(0, noise.Stream.ROLLOUT)  # the masks of rollout seed 0
    fire = noise.fire_mask(key, HALF_GROWN, *zoo.grid)
    state = dict(_states(zoo))[HALF_GROWN]
    weights = zoo.weights[_example(zoo)]
    panels = figures.one_step(weights, state, fire, HALF_GROWN, zoo.trained)
    write_png(path, figures.draw(panels, len(panels)))


def channels(zoo: Zoo, path: Path) -> None:
    """All channels of a grown state."""
    panels = figures.channels(dict(_states(zoo))[96], zoo.trained)
    write_png(path, figures.draw(panels, 8, SMALL))


def training(zoo: Zoo, path: Path) -> None:
    """What grows after so many training steps, from the meta-learned and a random start."""
    panels: list[Panel] = []
    for init in ("meta", "shared"):
        for cohort in _lessons(zoo, "persistent", init, LESSONS):
            step = cohort.members[0].step
            panels.append(_judged(zoo, cohort.weights[0], f"after {step}"))
    write_png(path, figures.draw(panels, len(LESSONS)))


def pool(zoo: Zoo, path: Path) -> None:
    """The pool of states that a persistent NCA is trained on."""
    *_, cohort = _lessons(zoo, "persistent", "meta", (POOL_AFTER,))
    target = cohort.targets[0]
    states = seen(cohort.pools[0], zoo.trained)
    panels = [
        (composite(state, "dark"), f"{db:.1f} dB", "")
        for state, db in zip(states, psnr(states, target), strict=True)
    ]
    write_png(path, figures.draw(panels, 6))


def lives(zoo: Zoo, path: Path) -> None:
    """One picture, three regimes: grown, left alone, wounded."""
    row = _example(zoo)
    panels: list[Panel] = []
    for regime in ("growing", "persistent", "regenerating"):
        *_, cohort = _lessons(zoo, regime, "meta", (200,))
        run = rollout(cohort.weights[0], zoo.seed_states(row), LIVES[-1], damage=[WOUND])
        shown = [(step, state) for step, state in run if step in LIVES]
        panels += [
            (composite(state, "dark", zoo.trained), f"step {step}", "" if number else regime)
            for number, (step, state) in enumerate(shown)
        ]
    write_png(path, figures.draw(panels, len(LIVES)))


def written(*command: str) -> Callable[[Zoo, Path], None]:
    """A picture that a command of ``nca-zoo`` writes."""

    def draw(zoo: Zoo, path: Path) -> None:
        group.main([*command, "--zoo", str(zoo.path), "--out", str(path)], standalone_mode=False)

    return draw


def seeds(zoo: Zoo, path: Path) -> None:
    """A 3, from three seeds on cells that are drawn."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seeded.h5"
        nca_zoo.build("digits", 3, 1, out=file, jobs=1, seeds=3)
        shown = ["show", "3-000", "--zoo", str(file), "--seeds", "3", "--out", str(path)]
        group.main(shown, standalone_mode=False)


def codes(zoo: Zoo, path: Path) -> None:
    """What grows between the codes of the first digits of two classes, under the rule that ships,
    from a seed in the middle."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "codes.h5"
        coded = nca_zoo.build("digits", per_class=1, out=file, code=CODE, jobs=1, failed=True)
        S, s, weights, ids = coded.S[0], coded.s, coded.weights, coded.id
    seed = rule.seed_state(*zoo.grid, *(side // 2 for side in zoo.grid))
    panels: list[Panel] = []
    for one in range(0, len(ids), 2):
        for share in np.linspace(0, 1, BETWEEN):
            way = signals.product(S, np.float32(share) * (s[one + 1] - s[one]))
            between = weights[one].copy()
            between[signals.B1] += way
            *_, (_, state) = rollout(between, seed, 96, every=96)
            name = {0: ids[one], 1: ids[one + 1]}.get(share, "")
            panels.append((composite(seen(state, zoo.trained), "dark"), str(name), ""))
    write_png(path, figures.draw(panels, BETWEEN, SMALL))


def few(zoo: Zoo, path: Path) -> None:
    """One digit becomes another as its 144 numbers are swapped; the rule has seen neither."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "few.h5"
        nca_zoo.build("digits", "3,8", 5, out=file, train="b1,b2", jobs=1, failed=True)
        shown = ["show", "8-004", "--zoo", str(file), "--as", "200:3-004", "--steps", "500"]
        group.main([*shown, "--out", str(path)], standalone_mode=False)


def imagined(zoo: Zoo, path: Path) -> None:
    """The first eight NCAs that are imagined of three classes."""
    with tempfile.TemporaryDirectory() as folder:
        told = ["imagine", "--zoo", str(zoo.path), "--classes", "2,4,7", "--count", "8"]
        told += ["--out", f"{folder}/imagined.h5", "--sheet", str(path)]
        group.main(told, standalone_mode=False)


FIGURES: dict[str, Callable[[Zoo, Path], None]] = {
    "growing.gif": growing,
    "motion.gif": motion,
    "walking.gif": walking,
    "seeds.png": seeds,
    "codes.png": codes,
    "few.png": few,
    "write.png": writing,
    "read.png": reading,
    "imagine.png": imagined,
    "written-films.png": written_films,
    "weaned.gif": weaned,
    "healing.gif": healing,
    "wounds.gif": wounds,
    "strip.png": moments,
    "becoming.png": written("show", "8-000", "--as", "200:3-000"),
    "sheet.png": contact_sheet,
    "channels.png": apart,
    "explore.png": page,
    "pad.png": pad,
    "rule-perception.png": perception,
    "rule-step.png": one_step,
    "rule-channels.png": channels,
    "rule-training.png": training,
    "rule-pool.png": pool,
    "rule-lives.png": lives,
    "mix-line.png": written("mix", "line", "3-000", "3-007"),
    "mix-means.png": written("mix", "survey", "--pairs", "50"),
}


@contextmanager
def _page(zoo: Zoo, height: int) -> Iterator[Page]:
    """The explorer's page of a zoo in a browser."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(standalone_page(make_exhibit(zoo)))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1280, "height": height})
        tab.goto(f"{file.as_uri()}#{zoo.id[len(zoo) * 3 // 4]}")
        tab.wait_for_selector("body.ready")
        yield tab
        browser.close()


def _film(path: Path, zoo: Zoo, lives: dict[int, list[Wound]], last: int, lines: int = 1) -> None:
    """Write a film of some rows' lives side by side, each with its wounds, to CA step ``last``."""
    panels = []
    for row, wounds in lives.items():
        run = list(
            rollout(zoo.weights[row], zoo.seed_states(row), last, every=EVERY, damage=wounds)
        )
        cells = composite(np.stack([state for _, state in run]), "dark", zoo.trained)
        panels.append(frames.Panel(cells, zoo.id[row]))
    film = list(ContactFilm([step for step, _ in run], panels, columns=len(panels) // lines))
    write_gif(path, film + film[-1:] * HELD, FPS)


def _example(zoo: Zoo) -> int:
    return int(np.flatnonzero(zoo.label == EXAMPLE)[0])


@cache
def _states(zoo: Zoo) -> list[tuple[int, np.ndarray]]:
    """Every step of the example's life."""
    row = _example(zoo)
    return list(rollout(zoo.weights[row], zoo.seed_states(row), STRIP_STEPS[-1]))


def _lessons(zoo: Zoo, regime: str, init: str, steps: Sequence[int]) -> Iterator[Cohort]:
    """Train an NCA on the example's picture, without a gate: the cohort after so many steps."""
    row = _example(zoo)
    place = int(zoo.seed_row[row]), int(zoo.seed_col[row])
    target = Target(restored(zoo.target[row]), *place, zoo.trained)
    job = Job(
        str(zoo.id[row]),
        target,
        make_init(init, regime, visible=zoo.visible),
        int(zoo.rng_seed[row]),
    )
    cohort = Cohort(REGIMES[regime], SparseEngine(), *target.trained.shape)
    cohort.add(Member(job))
    for step in range(max(steps) + 1):
        if step in steps:
            yield cohort
        cohort.step()


def _judged(zoo: Zoo, weights: np.ndarray, caption: str) -> Panel:
    """What these weights grow by step 96, and its PSNR."""
    row = _example(zoo)
    *_, (_, state) = rollout(weights, zoo.seed_states(row), 96, every=96)
    visible = seen(state, zoo.trained)
    db = psnr(visible, restored(zoo.target[row]))
    return composite(visible, "dark"), caption, f"{db:.1f} dB"


@cache
def _good(path: str) -> Zoo:
    zoo = nca_zoo.open(path, failed=True)
    return zoo.subset(zoo.good)


def main() -> None:
    """Draw the figures that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zoo", default="data/zoo.h5", help="default: data/zoo.h5")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(FIGURES):
        parser.error(f"no figure is called {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    FOLDER.mkdir(exist_ok=True)
    zoo = _good(arguments.zoo)
    for name in arguments.names or FIGURES:
        print(FOLDER / name, flush=True)
        FIGURES[name](zoo, FOLDER / name)


if __name__ == "__main__":
    main()
