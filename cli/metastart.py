"""``nca-zoo metastart``: meta-learn the shared start that `build` uses."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nca_zoo.automaton.seeds import MOST_SEEDS
from nca_zoo.building.settings import (
    as_films_ask,
    as_seeds_ask,
    as_starts_ask,
    as_synchrony_asks,
    in_step,
    motion_settings,
    tensors,
)
from nca_zoo.choices import ENGINES
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import Engine, make_engine
from nca_zoo.networks.end_to_end import Course
from nca_zoo.pictures.films import Film, film_of
from nca_zoo.pictures.motions import MotionSettings
from nca_zoo.pictures.sources import Picture, load_pictures, meta_pictures, target_of
from nca_zoo.pictures.targets import Target, TargetSettings
from nca_zoo.training.init import META_STARTS, find_start, read_early, read_start, write_start
from nca_zoo.training.metastart import Moves, Recipe, inner, meta_learn
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo.training.rooms import RoomCourse, Rooms

from .going import learn_on, stoppable
from .options import FilePath, cores_option, data_folder, progress_bar, scale_option, strict_option
from .training_options import moving, tell, visible_option

DEFAULT, ROOMS = Recipe(), RoomCourse()
RULE_ROUNDS, RULE_TASKS, RULE_BENT = 12_000, 8, 31  # of learning one rule (docs/notes/codes.md) ...
RULE_RATES = (5e-4, 1e-3, 3e-4)  # ... of what finds a picture's numbers, of what they change, of it
NOT_OF_RULES = ("seeds", "first_steps", "last_steps", "first_rate", "last_rate", "lr", "fall",
                "batch", "fire_rate", "motion", "period", "clock")  # fmt: skip
NOT_OF_ROOMS = (*NOT_OF_RULES, "regime", "start", "train", "code", "visible")
PIECES = 50  # of a round of several seeds, training steps that begin amid pieces of the picture
CHECKPOINT_ROUNDS = 10
DEALT = 5  # places of `mixed` from turn to turn: a round of eight has all kinds, both ways round
EARLY_ROUNDS = 2  # kept in the file, to compare a short rerun with


@click.command(short_help="Meta-learn the shared start that `build` uses.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    required=True,
    help="The start file to write, an .npz; holds the latest start at every moment, and the same "
    "command goes on from there.",
)
@click.option("--regime", type=click.Choice(list(REGIMES)), default="persistent", show_default=True)
@click.option(
    "--start",
    help="Where the first round begins: one that ships, such as persistent, or a start file.  "
    "[default: a random draw]",
)
@click.option(
    "--source",
    help="Pictures to learn from, all of their training split.  "
    "[default: the digits from the 401st of each class on]",
)
@click.option("--size", type=int, help="Resize pictures of --source to SIZE x SIZE cells.")
@scale_option
@strict_option
@visible_option
@click.option(
    "--train",
    metavar="TENSORS",
    help="Learn one rule for `build --train` with these, and what writes them for a picture.",
)
@click.option(
    "--code",
    type=click.IntRange(1),
    metavar="N",
    help="Learn one rule for `build --code N`, and what finds the N numbers of a picture.",
)
@click.option(
    "--rooms",
    type=click.IntRange(2, MOST_SEEDS),
    metavar="N",
    help="Learn to carry places from up to N seeds, before any picture: where --seeds begins.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2, MOST_SEEDS),
    metavar="N",
    help="Learn for growths from up to N seeds, from a --start of --rooms.",
)
@moving
@click.option("--batch", type=int, help="Examples per training step.  [default: the regime's]")
@click.option(
    "--fire-rate",
    type=float,
    metavar="RATE",
    help="Chance of a cell to be updated in a step.  [default: 0.5, or what --motion and --seeds "
    "ask for]",
)
@click.option(
    "--rounds",
    type=int,
    show_default=f"{DEFAULT.rounds}; of one rule: {RULE_ROUNDS}; of rooms: {ROOMS.steps}",
    help="Of training; of --train, --code and --rooms a training step each.",
)
@click.option(
    "--tasks",
    type=int,
    show_default=f"{DEFAULT.tasks}; of one rule: {RULE_TASKS}; of rooms: {ROOMS.begun}",
    help="Pictures a round.",
)
@click.option("--first-steps", default=DEFAULT.first_steps, show_default=True)
@click.option("--last-steps", default=DEFAULT.last_steps, show_default=True)
@click.option("--first-rate", default=DEFAULT.first_rate, show_default=True)
@click.option("--last-rate", default=DEFAULT.last_rate, show_default=True)
@click.option("--lr", default=DEFAULT.lr, show_default=True, help="Adam's step size.")
@click.option(
    "--fall",
    default=DEFAULT.fall,
    show_default=True,
    help="Share of it to which the step size falls within a round.",
)
@click.option("--seed", default=DEFAULT.seed, show_default=True, help="Decides all random draws.")
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@click.option("--device", default="cpu", show_default=True)
@cores_option("--threads")
def metastart(
    out: Path,
    regime: str,
    start: str | None,
    source: str | None,
    size: int | None,
    scale: float | None,
    strict: bool,
    visible: str,
    train: str | None,
    code: int | None,
    rooms: int | None,
    seeds: int | None,
    motion: str | None,
    period: int | None,
    clock: str | None,
    batch: int | None,
    fire_rate: float | None,
    engine: str,
    device: str,
    threads: int,
    rounds: int | None,
    tasks: int | None,
    **recipe: float,
) -> None:
    """Meta-learn weights from which the NCA of any picture is a few training steps away.

    Each round trains NCAs of a few random pictures from the start, for --first-steps training
    steps in the first round and --last-steps in the last, and moves the start towards their mean
    by --first-rate to --last-rate (Reptile). With --motion pictures move, mixed: each time that one
    is drawn in another way; and how the clock is heard is learnt.

    With --code one rule is learnt for all pictures, how its cells hear a code of N numbers, and
    what finds a picture's code, end to end by what grows: see `nca-zoo writer learn`. With --train
    likewise, and what writes these tensors for a picture; the other tensors are the rule.

    \b
    nca-zoo metastart --out my-start.npz --source fashion
    nca-zoo build --source fashion --start my-start.npz --out fashion.h5
    nca-zoo metastart --visible grey --regime growing --out grey.npz
    nca-zoo metastart --regime regenerating --start persistent --out healing.npz
    nca-zoo metastart --train b1,b2 --regime regenerating --out few.npz
    nca-zoo metastart --motion mixed --start persistent --out moving.npz
    nca-zoo metastart --code 16 --regime regenerating --out code.npz
    nca-zoo metastart --rooms 3 --out rooms.npz
    nca-zoo metastart --seeds 3 --start rooms.npz --rounds 60 --out places.npz
    """
    one_rule = code is not None or train is not None
    usual = (RULE_ROUNDS, RULE_TASKS) if one_rule else (DEFAULT.rounds, DEFAULT.tasks)
    if rooms is not None:
        usual = ROOMS.steps, ROOMS.begun
    rounds = usual[0] if rounds is None else rounds
    tasks = usual[1] if tasks is None else tasks
    chosen = Recipe(rounds, tasks, **recipe)  # type: ignore[arg-type]
    moves = motion_settings({"motion": motion, "period": period, "clock": clock})
    taught = REGIMES[regime]
    if moves is not None:
        if moves.clock == "none":
            raise ZooError(
                "NCAs without a clock are weaned from one: learn a start with it, without --clock"
            )
        taught = dataclasses.replace(taught, **as_films_ask(taught))
    if seeds is not None:
        asked = as_seeds_ask(taught, seeds, fire_rate, moves is not None)
        taught = dataclasses.replace(taught, **asked, pieces=PIECES)
    if moves is None and seeds is None:
        asked = as_synchrony_asks() if in_step(taught, fire_rate) else as_starts_ask(taught)
        taught = dataclasses.replace(taught, **asked)
    if batch is not None:
        taught = taught.of_batch(batch)
    if fire_rate is not None:
        taught = dataclasses.replace(taught, fire_rate=fire_rate)
    opaque = regime == "writeup" and visible == "rgba"
    settings = TargetSettings("opaque" if opaque else "ink", visible=visible)  # type: ignore[arg-type]
    if source is None:
        pictures = meta_pictures(data_folder())
    else:
        _, every = load_pictures(
            source,
            data_dir=data_folder(),
            size=size,
            scale=scale,
            target=settings,
            strict=strict,
            tell=tell,
        )
        pictures = [picture for picture in every if picture.split == "train"]
    targets = [target_of(picture, settings) for picture in pictures]
    origin = source or "digits from the 401st of each class on, training split"
    learns = make_engine(engine, device, threads)
    if rooms is not None:
        _refuse(NOT_OF_ROOMS, "--rooms learns to carry places, in another way")
        course = RoomCourse(rounds, tasks, rooms, seed=chosen.seed)
        _learn_rooms(out, targets, origin, learns, course)
        return
    if one_rule:
        _refuse(NOT_OF_RULES, "--code and --train learn one rule, in another way")
        if code is not None and train is not None:
            raise ZooError("a code is all that is fitted; leave --train or --code out")
        rules = Course(rounds, tasks, *RULE_RATES, bent=RULE_BENT, seed=chosen.seed)
        if train is not None:
            taught = dataclasses.replace(taught, train=tensors(train))
        _learn_rule(out, code, rules, taught, visible, start, targets, origin, learns)
        return
    told = {
        "source": origin,
        "pictures": len(targets),
        "regime": inner(taught, chosen).step_settings(),
        "recipe": dataclasses.asdict(chosen),
        **({} if visible == "rgba" else {"visible": visible}),
        **({} if start is None else {"start": start}),
        **({} if moves is None else {"motion": moves.as_dict()}),
    }
    begins = None if start is None else find_start(start)
    if before := rounds_done(out, told):
        tell(f"{out}: goes on after {before} rounds")
        begins, early = find_start(str(out)), read_early(out)
    films = None if moves is None else films_of(pictures, targets, settings, moves)
    learning = meta_learn(targets, taught, learns, chosen, begins, films, before)
    bar = progress_bar(total=chosen.rounds, initial=before, unit="round")
    safe = before
    with stoppable(lambda: safe, chosen.rounds, "round", out) as heed, bar as shown:
        for done in learning:
            shown.set_postfix_str(f"loss {done.loss:.4f}", refresh=False)
            shown.update()
            if done.number <= EARLY_ROUNDS:
                early = done.weights
            if done.number % CHECKPOINT_ROUNDS == 0 or done.number == chosen.rounds:
                so_far = told | {"rounds_done": done.number}
                write_start(out, done.weights, so_far, early, done.clock)
                safe = done.number
            heed()
    click.echo(f"{out}: {chosen.rounds} rounds over {len(targets)} pictures, loss {done.loss:.4f}")


def _refuse(names: Sequence[str], why: str) -> None:
    """Raise ZooError for an option of Reptile, or of other starts, that was given."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise ZooError(f"{why}; leave --{option} out, or that")


def _learn_rooms(
    out: Path, targets: Sequence[Target], source: str, engine: Engine, course: RoomCourse
) -> None:
    """Learn a start for several seeds."""
    lessons = Rooms(targets, engine, course)
    out.parent.mkdir(parents=True, exist_ok=True)
    learn_on(lessons, out, "nca-zoo metastart")
    recipe = {"source": source, "seeds": lessons.told}
    write_start(out, lessons.weights, recipe, lessons.early)
    click.echo(f"{out}: {course.steps} rounds in rooms of {len(targets)} pictures")


def _learn_rule(
    out: Path,
    code: int | None,
    course: Course,
    regime: Regime,
    visible: str,
    start: str | None,
    targets: Sequence[Target],
    source: str,
    engine: Engine,
) -> None:
    """Learn one rule, and what writes codes, or the regime's tensors; from a start that ships
    unless given."""
    from nca_zoo.networks.coding import CODE, FEW_SIZE, FinderSize, rule_begins
    from nca_zoo.networks.end_to_end import EndToEnd
    from nca_zoo.training.writer import save_writer

    name = start or META_STARTS.get((regime.name, visible))
    if name is None:
        raise ZooError(f"no start ships for the regime {regime.name!r}; say --start")
    recipe = {"regime": regime.name, "seed_hidden": regime.seed_hidden, "visible": visible}
    recipe |= {"fire_rate": regime.fire_rate, "start": name}
    tensors, size = (CODE, FinderSize()) if code else (regime.train, FEW_SIZE)
    rule = find_start(name).weights(0, 0)
    begun = rule_begins(rule, targets, code, recipe, tensors, size, course.seed)
    lessons = EndToEnd(begun, targets, engine, course)
    out.parent.mkdir(parents=True, exist_ok=True)
    learn_on(lessons, out, "nca-zoo metastart")
    save_writer(out, lessons.writer(source))
    megabytes = out.stat().st_size / 1e6
    what = f"codes of {code} numbers" if code else ",".join(regime.train)
    click.echo(f"{out}: {what}, from {len(targets)} pictures; {megabytes:.1f} MB")


def rounds_done(out: Path, told: dict[str, Any]) -> int:
    """How many rounds of this very recipe a start file has behind it, of those that are not all."""
    if not out.exists():
        return 0
    _, recipe = read_start(out)
    rounds = int(recipe.pop("rounds_done", 0))
    same = recipe == json.loads(json.dumps(told)) and rounds < told["recipe"]["rounds"]
    return rounds if same else 0


def films_of(
    pictures: Sequence[Picture],
    targets: Sequence[Target],
    look: TargetSettings,
    motion: MotionSettings,
) -> Moves:
    """How pictures move: what ``mixed`` deals out is dealt by turns, not by their places."""

    def film(place: int, turn: int, key: int) -> tuple[Film, Target]:
        picture = dataclasses.replace(pictures[place], source_index=DEALT * turn)
        return film_of(picture, targets[place], look, motion, key)

    return film
