"""``nca-zoo writer``: learn to write weights from a zoo, and say how well that goes."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.choices import MIXED, MOTIONS
from nca_zoo.errors import ZooError

from .groups import Group
from .options import (
    FilePath,
    cores_option,
    data_folder,
    json_option,
    print_json,
    progress,
    sample_option,
    sampled,
    seed_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.networks.end_to_end import Course, EndToEnd
    from nca_zoo.pictures.targets import Target, TargetSettings
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.studies.writing import BothWays
    from nca_zoo.training.writer import Writer

PATTERNS = 100  # as networks.writing.COMPONENTS, which a test compares ...
PATTERNS_OF_MANY = 224  # ... and Size.components
BENT = 31  # copies of each picture
SEEN_MOVING = 256  # films that tell how large a usual swing is

_components = click.option(
    "--components",
    type=click.IntRange(1),
    help=f"Patterns that the writer looks for in a picture.  [default: {PATTERNS}, end to end "
    f"{PATTERNS_OF_MANY}]",
)


@click.group(cls=Group)
def writer() -> None:
    """From a picture to weights in one pass: learn a writer, and test it.

    \b
    nca-zoo writer learn --out my-writer.npz         from the NCAs of a zoo
    nca-zoo writer test                              on pictures that it has not seen
    nca-zoo writer test --writer shipped
    """


@writer.command()
@zoo_option
@click.option(
    "--out", type=FilePath(dir_okay=False), required=True, help="The writer file to write, an .npz."
)
@_components
@click.option(
    "--end-to-end",
    "steps",
    type=click.IntRange(0),
    default=0,
    show_default="0: linear",
    metavar="STEPS",
    help="Then learn from what grows for so many training steps; 1,000 take some 3 minutes of one "
    "core.",
)
@click.option(
    "--source",
    help="Pictures to learn from end to end, all of their training split.  [default: the zoo's]",
)
@click.option(
    "--bent",
    type=click.IntRange(0),
    default=BENT,
    show_default=True,
    metavar="N",
    help="Of each picture learn end to end from so many bent copies, too.",
)
@click.option(
    "--motion",
    type=click.Choice((*MOTIONS, MIXED)),
    help="Learn to write for targets that move, end to end, from a writer for stills; no zoo "
    "teaches then.",
)
@click.option(
    "--start",
    metavar="WRITER",
    help="The writer for stills that learning for targets that move begins at: a file, or the name "
    "of one that ships. By default the one that ships.",
)
@seed_option("Decides the random draws of learning end to end.")
@cores_option("--threads", does="Threads that let NCAs live.")
def learn(
    zoo: Path,
    out: Path,
    components: int | None,
    steps: int,
    source: str | None,
    bent: int,
    motion: str | None,
    start: str | None,
    seed: int,
    threads: int,
) -> None:
    """Learn to write from the good NCAs of a zoo's training split, which must share one start.

    End to end, what is written grows, and what is wrong with it goes back through the rollout into
    the writer. The same line goes on after an interruption.

    \b
    nca-zoo writer learn --out my-writer.npz
    nca-zoo writer learn --end-to-end 10000 --source digits --out my-writer.npz
    nca-zoo writer learn --motion mixed --end-to-end 13000 --source digits --out moving-writer.npz
    nca-zoo write 7.png --writer my-writer.npz
    nca-zoo build --init written --start my-writer.npz --out written.h5
    """
    from nca_zoo.networks.end_to_end import OF_FILMS, Course
    from nca_zoo.networks.writing import learn_writer
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.training.writer import save_writer

    from .going import learn_on

    out.parent.mkdir(parents=True, exist_ok=True)
    if motion is not None:
        if not steps:
            raise ZooError("--motion is learnt end to end; say how long, as in --end-to-end 10000")
        course = dataclasses.replace(OF_FILMS, steps=steps, bent=bent, seed=seed)
        source = source or "digits"
        lessons = lessons_of_films(motion, course, start, source, threads)
        learn_on(lessons, out, "nca-zoo writer learn")
        save_writer(out, lessons.writer(source))
        megabytes = out.stat().st_size / 1e6
        click.echo(f"{out}: for targets that move; {megabytes:.1f} MB")
        return
    if start is not None:
        raise ZooError("--start goes with --motion; writers for stills begin at the zoo's start")
    if source and not steps:
        raise ZooError("--source goes with --end-to-end; a linear writer learns from a zoo alone")
    opened = open_zoo(zoo)
    if steps:
        course, most = Course(steps, bent=bent, seed=seed), components or PATTERNS_OF_MANY
        made = _end_to_end(opened, out, most, course, source, threads)
    else:
        made = learn_writer(opened, components or PATTERNS)
    save_writer(out, made)
    size = out.stat().st_size / 1e6
    click.echo(
        f"{out}: {len(made.patterns)} patterns, from {made.recipe['ncas']} NCAs; {size:.1f} MB"
    )


def _end_to_end(
    zoo: "Zoo",
    out: Path,
    components: int,
    course: "Course",
    source: str | None,
    threads: int,
) -> "Writer":
    """A writer learnt end to end; until it is done, what going on needs lies beside ``out``."""
    from nca_zoo.life.engines import make_engine
    from nca_zoo.networks.end_to_end import EndToEnd
    from nca_zoo.networks.writing import Size, beginning, targets_of, taught

    from .going import learn_on

    targets = targets_of(taught(zoo)) if source is None else _alike(zoo, source)
    begun = beginning(zoo, targets, Size(components), course.seed)
    lessons = EndToEnd(begun, targets, make_engine(threads=threads), course)
    learn_on(lessons, out, "nca-zoo writer learn")
    return lessons.writer(source or zoo.settings.source)


def lessons_of_films(
    motion: str,
    course: "Course",
    start: str | None = None,
    source: str = "digits",
    threads: int = 1,
) -> "EndToEnd":
    """A writer for films in training, begun from one for stills: that which ships, unless named.

    Raises ZooError for a start that is no such writer.
    """
    from nca_zoo.automaton.noise import Stream, fold
    from nca_zoo.automaton.rule import TENSORS
    from nca_zoo.building.settings import UNTOUCHED, as_films_ask
    from nca_zoo.life.engines import make_engine
    from nca_zoo.networks.end_to_end import EndToEnd
    from nca_zoo.networks.moving import films_begin
    from nca_zoo.pictures.films import Film, in_motion
    from nca_zoo.pictures.motions import MotionSettings
    from nca_zoo.pictures.targets import TargetSettings
    from nca_zoo.training.init import find_writer, shipped_writer
    from nca_zoo.training.regime import REGIMES

    stills = shipped_writer() if start is None else find_writer(start)
    if stills.for_films or stills.touched != TENSORS:
        kind = "a writer for films" if stills.for_films else "one rule for all"
        raise ZooError(f"{start}: {kind}; one for films is learnt from a writer for stills")
    look, how = TargetSettings(visible=stills.visible), MotionSettings(motion)  # type: ignore[arg-type]
    targets = _training_targets(look, stills.grid[0], source)
    asked = as_films_ask(REGIMES[UNTOUCHED])
    recipe = {"seed_hidden": stills.recipe["seed_hidden"], "visible": stills.visible}
    recipe |= {"regime": UNTOUCHED, "motion": how.as_dict()}
    recipe |= {name: asked[name] for name in ("loss", "ca_steps", "fire_rate")}

    def moves(target: "Target", turn: int, key: int) -> tuple[Film, "Target"]:
        return in_motion(target, how, turn, key, look)

    key = fold(course.seed, Stream.META, 2)
    some = [moves(targets[i % len(targets)], i, int(fold(key, i)))[0] for i in range(SEEN_MOVING)]
    begun = films_begin(stills, [each.frames for each in some], recipe, course.seed)
    return EndToEnd(begun, targets, make_engine(threads=threads), course, moves)


def _alike(zoo: "Zoo", source: str) -> list["Target"]:
    """Targets of the training split of a source, made as the zoo's."""
    from nca_zoo.pictures.targets import TargetSettings

    flat = zoo.settings.flat
    settings = TargetSettings(
        flat.get("target.alpha", "ink"),
        flat.get("target.seed_at", "ink"),
        zoo.visible,  # type: ignore[arg-type]
    )
    size = zoo.grid[0] if zoo.grid[0] == zoo.grid[1] else None
    return _training_targets(settings, size, source)


def _training_targets(settings: "TargetSettings", size: int | None, source: str) -> list["Target"]:
    from nca_zoo.pictures.sources import load_pictures, target_of

    from .training_options import tell

    _, pictures = load_pictures(
        source, data_dir=data_folder(), size=size, target=settings, tell=tell
    )
    return [target_of(one, settings) for one in pictures if one.split == "train"]


@writer.command()
@zoo_option
@_components
@click.option(
    "--writer",
    "learnt",
    type=FilePath(dir_okay=False),
    help="Test this one, too: a file of `nca-zoo writer learn`, or `shipped`.",
)
@seed_option("Decides fire masks and resamples.")
@sample_option()
@cores_option(does="Threads that let NCAs live.")
@json_option
def test(
    zoo: Path,
    components: int | None,
    learnt: Path | None,
    seed: int,
    sample: int | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Write weights for the test pictures of a zoo and read them back, against what knows less.

    \b
    nca-zoo writer test
    nca-zoo writer test --writer shipped
    nca-zoo writer test --zoo data/growing.h5 --json
    """
    from nca_zoo.features.catalogue import readable
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.writing import both_ways
    from nca_zoo.training.init import shipped_writer
    from nca_zoo.training.writer import read_writer

    other = None
    if learnt is not None:
        ships = learnt == Path("shipped") and not learnt.exists()
        other = shipped_writer() if ships else read_writer(learnt)
    read = sampled(readable(open_zoo(zoo)), sample)
    with progress("write", " ways") as advance:
        found = both_ways(read, components or PATTERNS, seed, jobs, advance, other)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join(table(found)))


def table(found: "BothWays") -> list[str]:
    """What was found, for people."""
    lines = [
        f"Learnt from {found.learnt_from} NCAs; {found.held_out} other pictures. "
        "PSNR in dB, medians, and their 95 % intervals.",
        "",
        f"{'weights':<34}{'step 96':>8}   {'interval':<14}{'step 400':>9}{'20 dB at both':>15}",
    ]
    for row in found.written:
        lines.append(
            f"{row.name:<34}{row.median:>8.1f}   {row.low:.1f} to {row.high:<6.1f}"
            f"{row.lasting:>9.1f}{100 * (row.solid or 0):>13.0f} %"
        )
    lines += ["", f"{'pictures':<34}{'PSNR':>8}   {'interval':<14}"]
    for row in found.read:
        lines.append(f"{row.name:<34}{row.median:>8.1f}   {row.low:.1f} to {row.high:.1f}")
    return lines
