"""``nca-zoo imagine``: NCAs that nobody trained, from those of a class."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nca_zoo.errors import ZooError

from .options import (
    FilePath,
    cores_option,
    data_folder,
    json_option,
    listed,
    png_file,
    print_json,
    progress,
    seed_option,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.networks.flow import Flow
    from nca_zoo.store.zoofile import Zoo
    from nca_zoo.studies.novelty import Comparison

TAUGHT = 20  # as studies.imagining.STEPS, which a test compares


@click.command(short_help="New NCAs, from a model of the weights of a class.")
@zoo_option
@click.option(
    "--class",
    "--classes",
    "classes",
    help="Classes by name or number, as in 7, 3,5,8 or cat,fox.  [default: all]",
)
@click.option(
    "--count", type=click.IntRange(1, 999), default=16, show_default=True, help="NCAs of each."
)
@click.option(
    "--steps",
    type=click.IntRange(0, 1000),
    default=TAUGHT,
    show_default=True,
    help="Training steps of each, at most, to stay what it grows by itself.",
)
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The zoo file.  [default: data/imagined/CLASS.h5]",
)
@click.option(
    "--sheet",
    type=FilePath(dir_okay=False),
    help="The PNG file to write, of what they grow.  [default: beside --out]",
)
@click.option("--replace", is_flag=True, help="Replace an earlier file of that name.")
@click.option(
    "--learn",
    "model_out",
    type=FilePath(dir_okay=False),
    help="Keep none: learn a flow from the zoo, and write it to this .npz; a minute, needs torch.",
)
@click.option(
    "--model",
    type=FilePath(dir_okay=False),
    help="Draw from this file of --learn, of the same zoo.  [default: a Gaussian of the class]",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Keep none: measure how good and how new they are, against what knows less.",
)
@click.option(
    "--only",
    help="With --compare: beside NCAs held out, only the rows whose names are or hold this, as "
    "flow or noise,average.",
)
@seed_option("Decides which NCAs are imagined, and fire masks.")
@cores_option(does="Threads that let NCAs live.")
@json_option
def imagine(
    zoo: Path,
    classes: str | None,
    count: int,
    steps: int,
    out: Path | None,
    sheet: Path | None,
    replace: bool,
    model_out: Path | None,
    model: Path | None,
    compare: bool,
    only: str | None,
    seed: int,
    jobs: int,
    as_json: bool,
) -> None:
    """Imagine NCAs of a class that a zoo does not hold.

    Their weights are drawn from a Gaussian, or from a flow; what they grow is read, and trained a
    few steps to stay; those that pass the gate are a zoo like any other, and a sheet of pictures.

    \b
    nca-zoo imagine --class 7 --count 16
    nca-zoo imagine --classes 3,8 --seed 1 --out threes-and-eights.h5
    nca-zoo show 7-i000 data/imagined/7.h5
    nca-zoo imagine --learn flow.npz
    nca-zoo imagine --class 7 --model flow.npz
    nca-zoo imagine --compare
    nca-zoo imagine --compare --only flow
    """
    from nca_zoo.store.zoofile import open_zoo

    if (model is not None) + (model_out is not None) + compare > 1:
        raise ZooError("--learn, --model and --compare are three things to do; name one of them")
    if only and not compare:
        raise ZooError("--only chooses rows of --compare; give both, or leave it out")
    read = open_zoo(zoo)
    if compare:
        _compare(read, steps, seed, jobs, listed(only or ""), as_json)
        return
    if model_out:
        _learn(read, model_out, as_json)
        return
    from nca_zoo.building.imagining import zoo_of_imagined
    from nca_zoo.studies.imagining import imagine as run
    from nca_zoo.viewer.medley import pictures_sheet
    from nca_zoo.viewer.video import write_png

    chosen, name = _chosen(read, classes)
    out = out or data_folder() / "imagined" / f"{name}.h5"
    sheet = png_file(sheet or out.with_suffix(".png"), "--sheet")
    flow = None if model is None else _flow_of(model, read)
    drawn_by = None if flow is None else flow.digest
    with (
        zoo_of_imagined(out, read, seed, steps, replace, drawn_by) as put,
        progress("imagine", " NCAs") as advance,
    ):
        draw = None if flow is None else flow.draw
        found = run(read, chosen, count, seed, steps, jobs, advance, draw)
        put(found.labels, found.fits)
    captions = [(fit.job.id, f"{fit.psnr_400:.1f} dB") for fit in found.fits]
    write_png(sheet, pictures_sheet([fit.grown for fit in found.fits], captions))
    if as_json:
        told = [
            {"id": fit.job.id, "psnr_96": fit.psnr_96, "psnr_400": fit.psnr_400, "heals": fit.heals}
            for fit in found.fits
        ]
        counts = {"tried": found.tried, "misread": found.misread, "failed": found.failed}
        print_json({"zoo": str(out), "sheet": str(sheet), **counts, "imagined": told})
        return
    click.echo(
        f"{out}: {len(found.fits)} NCAs; of {found.tried} imagined {found.misread} were not read "
        f"as asked, and {found.failed} did not last"
    )
    click.echo(str(sheet))
    click.echo(f"Next: nca-zoo show {found.fits[0].job.id} --zoo {out}")


def _chosen(zoo: "Zoo", classes: str | None) -> tuple[list[int], str]:
    """The numbers of the classes that are asked for, and a name for a file of them."""
    import numpy as np

    from nca_zoo.pictures.names import cleaned

    if classes is None:
        there = np.unique(zoo.label[zoo.label >= 0]).tolist()
        if not there:
            raise ZooError(f"{zoo.path}: none of its NCAs has a class")
        return there, "all"
    numbers = list(zoo.classes.chosen(classes, f"in {zoo.path}"))
    return numbers, cleaned("-".join(zoo.classes.name(number) for number in numbers))


def _learn(zoo: "Zoo", path: Path, as_json: bool) -> None:
    from nca_zoo.networks.flow import save_flow
    from nca_zoo.studies.imagining import learn_to_imagine

    path.parent.mkdir(parents=True, exist_ok=True)
    flow = learn_to_imagine(zoo)
    save_flow(path, flow)
    components, ncas, size = len(flow.axes), flow.recipe["ncas"], path.stat().st_size / 1e6
    if as_json:
        print_json({"model": str(path), "components": components, "ncas": ncas})
        return
    click.echo(f"{path}: a flow of {components} numbers, from {ncas} NCAs; {size:.1f} MB")
    click.echo(f"Next: nca-zoo imagine --model {path}")


def _flow_of(path: Path, zoo: "Zoo") -> "Flow":
    from nca_zoo.networks.flow import read_flow

    flow = read_flow(path)
    if flow.recipe.get("zoo") != zoo.digest:
        raise ZooError(
            f"{path} was learnt from another zoo than {zoo.path}; name that, or learn one of this "
            "with --learn"
        )
    return flow


def _compare(zoo: "Zoo", steps: int, seed: int, jobs: int, only: list[str], as_json: bool) -> None:
    from nca_zoo.studies.novelty import compare

    with progress("imagine", " ways") as advance:
        found = compare(zoo, steps, seed, jobs, advance, data_folder(), only)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join(table(found)))


def table(found: "Comparison") -> list[str]:
    """What was found, for people."""
    lines = [
        f"Imagined from {found.learnt_from} NCAs, beside {found.held_out} held out; judged by "
        f"support vectors that learned from {found.judge}.",
        f"Nearest known weights are {found.distance:.2f} away from NCAs held out.",
        *([f"{found.tried} were imagined for the last row."] if found.tried else []),
        "",
        f"{'':<40}{'n':>4}{'as asked':>10}  {'95 %':<11}{'at 400':>7}{'gate':>7}{'heals':>7}"
        f"{'weights':>9}{'picture':>10}{'Fréchet':>9}",
    ]
    for row in found.rows:
        span = f"{100 * row.low:.0f} to {100 * row.high:.0f}"
        lines.append(
            f"{row.name:<40}{row.n:>4}{100 * row.read:>8.0f} %  {span:<11}"
            f"{100 * row.read_400:>5.0f} %{100 * row.passed:>5.0f} %{100 * row.healed:>5.0f} %"
            f"{row.weights:>9.2f}{row.nearest_db:>7.1f} dB{row.frechet:>9.2f}"
        )
    return lines
