"""``nca-zoo metastart``: meta-learn the shared start that `build` uses."""

import dataclasses
from pathlib import Path

import click

from nca_zoo.building.settings import tensors
from nca_zoo.choices import ENGINES
from nca_zoo.life.engines import make_engine
from nca_zoo.pictures.sources import load_pictures, meta_pictures
from nca_zoo.pictures.targets import TargetSettings, target_of
from nca_zoo.training.init import start_weights, write_start
from nca_zoo.training.metastart import Recipe, inner, meta_learn
from nca_zoo.training.regime import REGIMES

from .options import FilePath, cores_option, data_folder, progress_bar, scale_option, strict_option
from .training_options import tell, visible_option

DEFAULT = Recipe()
CHECKPOINT_ROUNDS = 10
EARLY_ROUNDS = 2  # kept in the file, to compare a short rerun with


@click.command(short_help="Meta-learn the shared start that `build` uses.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    required=True,
    help="The start file to write, an .npz; holds the latest start at every moment.",
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
    help="Learn a start for `build --train` with these: the other tensors are learnt in common.  "
    "[default: all]",
)
@click.option("--rounds", default=DEFAULT.rounds, show_default=True)
@click.option("--tasks", default=DEFAULT.tasks, show_default=True, help="Pictures a round.")
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
    engine: str,
    device: str,
    threads: int,
    **recipe: float,
) -> None:
    """Meta-learn weights from which the NCA of any picture is a few training steps away.

    Each round trains NCAs of a few random pictures from the start, for --first-steps training
    steps in the first round and --last-steps in the last, and moves the start towards their mean
    by --first-rate to --last-rate (Reptile). With --train, tensors that are not fitted to each
    picture are one for all pictures of a round and learn from all of them.

    \b
    nca-zoo metastart --out my-start.npz --source fashion
    nca-zoo build --source fashion --start my-start.npz --out fashion.h5
    nca-zoo metastart --visible grey --regime growing --out grey.npz
    nca-zoo metastart --regime regenerating --start persistent --out healing.npz
    nca-zoo metastart --train b1,b2 --start persistent --out few.npz
    """
    chosen = Recipe(**recipe)  # type: ignore[arg-type]
    taught = REGIMES[regime]
    if train is not None:
        taught = dataclasses.replace(taught, train=tensors(train))
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
    told = {
        "source": source or "digits from the 401st of each class on, training split",
        "pictures": len(targets),
        "regime": inner(taught, chosen).step_settings(),
        "recipe": dataclasses.asdict(chosen),
        **({} if visible == "rgba" else {"visible": visible}),
        **({} if start is None else {"start": start}),
    }
    begins = None if start is None else start_weights(start)
    rounds = meta_learn(targets, taught, make_engine(engine, device, threads), chosen, begins)
    with progress_bar(total=chosen.rounds, unit="round") as shown:
        for done in rounds:
            shown.set_postfix_str(f"loss {done.loss:.4f}", refresh=False)
            shown.update()
            if done.number <= EARLY_ROUNDS:
                early = done.weights
            if done.number % CHECKPOINT_ROUNDS == 0 or done.number == chosen.rounds:
                write_start(out, done.weights, told | {"rounds_done": done.number}, early)
    click.echo(f"{out}: {chosen.rounds} rounds over {len(targets)} pictures, loss {done.loss:.4f}")
