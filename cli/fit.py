"""``nca-zoo fit``: train one NCA on any picture, and show how it learned."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_zoo.building.settings import AS_IS, SCALED, as_it_moves, picture_to_fit
from nca_zoo.errors import ZooError

from .options import (
    FilePath,
    background_option,
    cores_option,
    data_folder,
    json_option,
    print_json,
    progress_bar,
    scale_option,
)
from .training_options import SOLO, moving, solo_settings, tell, training_options

if TYPE_CHECKING:
    from nca_zoo.training.diary import Diary, Page
    from nca_zoo.training.regime import Regime
    from nca_zoo.training.trainer import Fit

FILM_STEPS = 400  # CA steps; every one is a frame, in a GIF every fourth
GIF_EVERY = 4
FPS = {"mp4": 30, "gif": 25}


@click.command(short_help="Train one NCA on any picture, or several, and show how it learned.")
@click.argument("pictures", nargs=-1, required=True, type=FilePath())
@click.option(
    "--size",
    type=int,
    help=f"Scale to SIZE x SIZE cells.  [default: as it is; pictures of more than {AS_IS} pixels "
    f"a side: {SCALED}]",
)
@scale_option
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The zoo file; the pictures go beside it.  [default: data/fit/NAME.h5]",
)
@click.option("--replace", is_flag=True, help="Replace an earlier fit of that name.")
@click.option(
    "--film",
    type=click.Choice(["mp4", "gif", "none"]),
    default="mp4",
    show_default=True,
    help=f"The animation: {FILM_STEPS} CA steps from the seed.",
)
@background_option
@click.option(
    "--rows",
    help="Training steps that are rows of the sheet, such as 0,100,400.  "
    "[default: 0,10,20,50,100,200,500 ...]",
)
@cores_option("--threads")
@click.option(
    "--code",
    type=int,
    default=0,
    help="Of several pictures: learn a signal of so many numbers for each.  "
    "[default: one of so many, 1 0 0 ...]",
)
@moving
@click.option(
    "--morph",
    type=FilePath(dir_okay=False),
    metavar="OTHER",
    help="Let the picture fade into another and back.",
)
@training_options(**SOLO)
@json_option
def fit(
    pictures: tuple[Path, ...],
    size: int | None,
    scale: float | None,
    out: Path | None,
    replace: bool,
    film: str,
    background: str,
    rows: str | None,
    threads: int,
    code: int,
    morph: Path | None,
    as_json: bool,
    **training: Any,
) -> None:
    """Train one NCA to grow a picture, an image file, and show how it learned.

    \b
    nca-zoo fit gecko.png
    nca-zoo fit photo.jpg --size 32 --film gif
    nca-zoo fit gecko.png --regime growing --out data/fit/gecko-growing.h5
    nca-zoo fit digit.png --regime writeup --steps 800 --rows 0,50,100,200,400,800
    nca-zoo fit gecko.png heart.png star.png --size 40
    nca-zoo fit walking.gif --period 96
    nca-zoo fit three.png --motion sway
    nca-zoo fit three.png --size 28 --motion sway --clock none --init written

    Of several pictures one NCA grows each on a signal of its own: the zoo has a row for each, which
    differ in b1 alone. An animated file, a folder of frames, and a picture with --motion or --morph
    is a target that moves: the NCA learns to move along.

    Writes a zoo of one NCA, the animation, a training sheet and the loss curve. Training ends at
    the quality gate. Ctrl-C ends it at once and keeps what has been learned.
    """

    from nca_zoo.building.build import make_job
    from nca_zoo.building.solo import fit_alone, zoo_of_one
    from nca_zoo.ground.interrupts import noted
    from nca_zoo.training.diary import Diary

    keep = _steps(rows)
    if len(pictures) > 1:
        if rows:
            raise ZooError("--rows is for one picture: several have no training sheet")
        if as_json:
            raise ZooError("--json is for one picture; `nca-zoo info --json` tells of the zoo")
        if morph is not None:
            raise ZooError("--morph is for one picture and another that it becomes")
        _fit_several(pictures, size, scale, out, replace, film, background, threads, code, training)
        return
    if code:
        raise ZooError(
            "--code is for several pictures; name more than one, or give each of a folder a code "
            "with `nca-zoo build --code`"
        )
    (picture,) = pictures
    source, drawn = picture_to_fit(picture, size, tell, scale)
    other = None if morph is None else picture_to_fit(morph, size, tell, scale)[1]
    training, drawn = as_it_moves(training, drawn, other)
    settings = solo_settings(training, drawn.pixels)
    out = _zoo_file(out, drawn.id)
    job = make_job(drawn, settings)
    with (
        zoo_of_one(out, source, settings, size, replace, scale) as put,
        noted() as interrupted,
        progress_bar(total=settings.regime.steps, desc=drawn.id, unit="step") as shown,
    ):
        diary = Diary(keep, partial(_tell, shown), interrupted)
        done = fit_alone(job, settings, threads, diary, tell)
        put(drawn, done)
    written = chain(
        _write(out, done, diary, background),
        _write_film(out, done, film, settings.regime, background),
    )
    if as_json:
        print_json(_findings(out, done, list(written)))
        raise SystemExit(int(interrupted()))
    height, width = drawn.pixels.shape[:2]
    also, then = f"{100 * done.heals:.0f} % of wounds heal", "--damage 200"
    if (seeds := settings.regime.seeds) > 1:
        also += f", {100 * done.sows:.0f} % of growths from other seeds are whole"
        then = f"--seeds {seeds}"
    click.echo(
        f"{out}: {drawn.id}, {width} x {height} cells, {done.status.replace('_', ' ')} after "
        f"{done.train_steps} training steps; PSNR {done.psnr_96:.1f} dB at step 96, "
        f"{done.psnr_400:.1f} dB at step {FILM_STEPS}; {also}"
    )
    if done.train_steps >= settings.regime.steps and (waited := settings.regime.gate.waits_for):
        click.echo(f"Trained until its steps were spent, waiting for {waited}.")
    for path in written:
        click.echo(path)
    if interrupted():
        click.echo(f"Stopped after {done.train_steps} training steps; kept as it is.", err=True)
        raise SystemExit(1)
    click.echo(f"Next: nca-zoo show {drawn.id} --zoo {out} {then}")


def _zoo_file(out: Path | None, name: str) -> Path:
    out = out or data_folder() / "fit" / f"{name}.h5"
    if out.suffix != ".h5":
        raise ZooError(f"--out {out}: the name of the zoo file must end in .h5")
    return out


def _fit_several(
    paths: tuple[Path, ...],
    size: int | None,
    scale: float | None,
    out: Path | None,
    replace: bool,
    film: str,
    background: str,
    threads: int,
    code: int,
    training: dict[str, Any],
) -> None:
    """Train one NCA to grow each of several pictures on a signal."""
    from dataclasses import replace as changed

    from nca_zoo.building.together import (
        fit_together,
        several_settings,
        together,
        zoo_of_several,
    )
    from nca_zoo.ground.interrupts import noted
    from nca_zoo.training.diary import Diary

    found = [picture_to_fit(path, size, tell, scale) for path in paths]
    source = changed(found[0][0], name=", ".join(source.name for source, _ in found))
    drawn = [picture for _, picture in found]
    settings = several_settings(training, [picture.pixels for picture in drawn])
    group = together(drawn, settings, code)
    name = "+".join(picture.id for picture in drawn[:3]) + ("+" if len(drawn) > 3 else "")
    out = _zoo_file(out, name)
    with (
        zoo_of_several(out, source, group, settings, size, replace, scale) as put,
        noted() as interrupted,
        progress_bar(total=settings.regime.steps, desc=name, unit="step") as bar,
    ):
        diary = Diary((), partial(_tell, bar), interrupted)
        fits = fit_together(group, settings, threads, diary, tell)
        put(fits)
    for done in fits:
        click.echo(
            f"{out}: {drawn[done.place].id}, {done.status.replace('_', ' ')} after "
            f"{done.train_steps} training steps; PSNR {done.psnr_96:.1f} dB at step 96, "
            f"{done.psnr_400:.1f} dB at step {FILM_STEPS}"
        )
        one = changed(done, job=group.jobs[done.place])
        path = out.with_name(f"{out.stem}-{drawn[done.place].id}.h5")
        for made in _write_film(path, one, film, settings.regime, background):
            click.echo(made)
    if interrupted():
        click.echo(f"Stopped after {fits[0].train_steps} training steps; kept as it is.", err=True)
        raise SystemExit(1)
    click.echo(f"Next: nca-zoo show {drawn[0].id} --zoo {out} --damage 200")


def _findings(out: Path, done: "Fit", files: list[Path]) -> dict[str, Any]:
    return {
        "zoo": str(out),
        "id": done.job.id,
        "status": done.status,
        "train_steps": done.train_steps,
        "attempts": done.attempts,
        "psnr_96": done.psnr_96,
        "psnr_400": done.psnr_400,
        "heals": done.heals,
        "files": [str(path) for path in files],
    }


def _steps(rows: str | None) -> frozenset[int] | None:
    if rows is None:
        return None
    if not all(piece.strip().isdecimal() for piece in rows.split(",")):
        raise ZooError(f"--rows {rows!r} is not understood; write training steps: 0,100,400")
    return frozenset(int(piece) for piece in rows.split(","))


def _tell(shown: Any, attempt: int, step: int, loss: float, page: "Page | None") -> None:
    """Bring the bar to a training step: its loss, and the last PSNR that was seen."""
    if shown.disable:
        return
    if step == 1 and attempt:
        shown.reset()
        shown.set_description(f"{shown.desc.split(' (')[0]} (attempt {attempt + 1})", refresh=False)
    if step > shown.total:
        shown.total = step  # of the extra steps, nobody knows how many it will take
    if page is not None:
        shown.seen = f", PSNR {page.psnr_96:.1f} dB"
    shown.set_postfix_str(f"loss {loss:.5f}{getattr(shown, 'seen', '')}", refresh=False)
    shown.update(step - shown.n)


def _write(out: Path, done: "Fit", diary: "Diary", background: str) -> Iterator[Path]:
    """The pictures beside the zoo: yields each file when it is written."""
    from nca_zoo.viewer.training import loss_curve, training_sheet
    from nca_zoo.viewer.video import write_png

    target, name = done.job.target, done.job.id
    steps = len(done.losses)
    sheet, curve = (out.with_name(f"{out.stem}-{what}.png") for what in ("sheet", "loss"))
    pages = diary.of(done)
    write_png(sheet, training_sheet(pages, target.rgba, name, background, target.channels))
    yield sheet
    write_png(curve, loss_curve(done.losses, f"{name}: loss of {steps} training steps"))
    yield curve


def _write_film(
    out: Path, done: "Fit", film: str, regime: "Regime", background: str
) -> Iterator[Path]:
    """The animation beside the zoo."""
    from nca_zoo.automaton.rule import seen
    from nca_zoo.life.rollout import rollout
    from nca_zoo.viewer.frames import Film
    from nca_zoo.viewer.video import write_gif, write_mp4

    if film == "none":
        return
    target, name, steps = done.job.target, done.job.id, len(done.losses)
    every = GIF_EVERY if film == "gif" else 1
    # What is seen is a quarter of a state, and a film has hundreds.
    grown = [
        (step, seen(state, target.channels).copy())
        for step, state in rollout(
            done.weights,
            done.job.seed_state(regime),
            FILM_STEPS,
            every=every,
            fire_rate=regime.fire_rate,
            signal=done.changing,
        )
    ]
    path = out.with_suffix(f".{film}")
    write = write_gif if film == "gif" else write_mp4
    about = f"{steps} training steps"
    goal = target.rgba if done.job.film is None else done.job.film.due
    write(path, Film(grown, goal, name, about, background, target.channels), FPS[film])
    yield path
