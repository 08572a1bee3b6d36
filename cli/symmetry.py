"""``nca-zoo symmetry``: change weights without changing what grows, and undo such changes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .groups import Group
from .options import (
    NCA_ID,
    cores_option,
    json_option,
    listed,
    print_json,
    progress,
    seed_option,
    validation_options,
    zoo_option,
)

if TYPE_CHECKING:
    from nca_zoo.studies.apart import Apart
    from nca_zoo.studies.orbit import Orbit


starts_option = click.option(
    "--starts",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="From how many places to search.",
)


@click.group(cls=Group)
def symmetry() -> None:
    """Scramble or align weights without changing what grows.

    \b
    nca-zoo symmetry orbit                     what do readers lose on scrambled weights?
    nca-zoo symmetry align 7-012 --to 7-003    how near can two NCAs come?
    nca-zoo symmetry apart --zoo twins.h5      and how near those of one picture?
    """


@symmetry.command()
@zoo_option
@click.option(
    "--features",
    default="weights,aligned,canonical,invariants",
    show_default=True,
    help="What to read, separated by commas, as in `nca-zoo probe`.",
)
@click.option(
    "--steps", type=click.IntRange(1), default=96, show_default=True, help="CA steps to compare."
)
@click.option(
    "--spread",
    type=click.FloatRange(0, 4),
    default=1.0,
    show_default=True,
    help="How far to scramble: scales go from 2^-SPREAD to 2^SPREAD.",
)
@validation_options("Decides elements, fire masks, folds and resamples.")
@json_option
def orbit(
    zoo: Path,
    features: str,
    folds: int,
    repeats: int,
    steps: int,
    spread: float,
    seed: int,
    as_json: bool,
) -> None:
    """Scramble every NCA by a random symmetry, check that rollouts stand, and read them again.

    \b
    nca-zoo symmetry orbit
    nca-zoo symmetry orbit --features weights,aligned --repeats 3
    nca-zoo symmetry orbit --zoo data/growing.h5 --json
    """
    # Imported here so that --help does not wait for scikit-learn.
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.orbit import orbit as run_orbit

    names = listed(features)
    opened = open_zoo(zoo)
    with progress("orbit", " folds") as advance:
        result = run_orbit(opened, names, folds, repeats, seed, spread, steps, progress=advance)
    if as_json:
        print_json(result.as_dict())
    else:
        click.echo("\n".join([*stands(result), "", *falls(result)]))


def stands(result: "Orbit") -> list[str]:
    """How far the weights moved, and how little what grows."""
    s = result.standing
    return [
        f"{s.n} NCAs scrambled; weights moved {s.moved:.1f} times their norm (median).",
        f"Visible channels after {s.steps} steps moved by {s.exact:.0e} in float64, "
        f"in float32 by {s.median:.0e} (median) and {s.worst:.0e} (worst); "
        f"{100 * s.stood:.1f} % of NCAs by no more than 1/255 anywhere.",
    ]


def falls(result: "Orbit") -> list[str]:
    """Accuracies in % before and after, with their intervals; raw pixels for comparison."""
    before, after = result.before, result.after
    span = f"{100 * before.coverage:.0f} % interval"
    lines = [
        f"{before.n} pictures, {before.folds} folds x {before.repeats} repeats.",
        f"{'feature':<12}{'reader':<10}{'before':>8}   {span:<16}{'scrambled':>9}   {span}",
    ]
    for old, new in zip(before.rows, after.rows, strict=True):
        if old.kind == "weights" or old.feature == "pixels":
            was, now = (f"{100 * row.low:.1f} to {100 * row.high:.1f}" for row in (old, new))
            lines.append(
                f"{old.feature:<12}{old.reader:<10}{100 * old.accuracy:>6.1f} %   {was:<16}"
                f"{100 * new.accuracy:>7.1f} %   {now}"
            )
    return lines


@symmetry.command()
@click.argument("nca_id", metavar="ID", type=NCA_ID)
@zoo_option
@click.option(
    "--to",
    metavar="ID",
    type=NCA_ID,
    help="The NCA to align to.  [default: the zoo's start, or its first "
    "NCA if there is no shared start to align to]",
)
@starts_option
@json_option
def align(nca_id: str, zoo: Path, to: str | None, starts: int, as_json: bool) -> None:
    """Say how near one NCA comes to another, or to the zoo's start, by symmetries alone.

    \b
    nca-zoo symmetry align 7-012
    nca-zoo symmetry align 7-012 --to 7-003
    """
    import numpy as np

    from nca_zoo.features.catalogue import alignment_start
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.symmetry.nearest import nearest

    opened = open_zoo(zoo)
    weights = opened.subset([opened.index(nca_id)]).weights[0].astype(np.float64)
    chosen = opened.subset([opened.index(to) if to else 0])
    reference = chosen.weights[0] if to else alignment_start(chosen)
    is_start = not to and np.array_equal(reference, opened.attrs["init_weights"])
    name = "the start" if is_start else str(chosen.id[0])
    nearby = nearest(weights, reference, opened.seed_hidden, starts)
    element = nearby.element
    found = {
        "reference": name,
        "distance_before": float(np.linalg.norm(weights - reference) / np.linalg.norm(reference)),
        "distance_after": nearby.distance,
        "starts": list(nearby.starts),
        "units_moved": int((element.permutation != np.arange(len(element.permutation))).sum()),
        "permutation": element.permutation.tolist(),
        "scales": element.scales.tolist(),
        "basis": element.basis.tolist(),
    }
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{nca_id} lies {found['distance_before']:.3f} from {name}, aligned "
        f"{found['distance_after']:.3f} (in units of the latter's norm; the least of {starts} "
        f"starts); {found['units_moved']} of {len(element.permutation)} units moved."
    )


@symmetry.command()
@zoo_option
@click.option(
    "--pairs", type=click.IntRange(1), default=12, show_default=True, help="Pictures, at most."
)
@starts_option
@click.option("--all-fits", is_flag=True, help="Compare NCAs whose fit failed, too.")
@seed_option("Decides starts, noise, fire masks and resamples.")
@cores_option(does="Processes.")
@json_option
def apart(
    zoo: Path, pairs: int, starts: int, all_fits: bool, seed: int, jobs: int, as_json: bool
) -> None:
    """Say how far apart NCAs of one picture are, up to a symmetry, and what lies between them.

    Needs pictures that were fitted twice. Searches as `align` does, and says beside what the same
    search finds of scrambled copies with noise of known size.

    \b
    nca-zoo build --per-class 2 --repeats 2 --init independent --regime growing --out twins.h5
    nca-zoo symmetry apart --zoo twins.h5
    """
    from nca_zoo.store.zoofile import open_zoo
    from nca_zoo.studies.apart import apart as compare

    opened = open_zoo(zoo)
    with progress("apart", " searches") as advance:
        found = compare(opened, starts, pairs, seed, all_fits=all_fits, jobs=jobs, progress=advance)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo("\n".join([*distances(found), "", *copies(found)]))


WORDS = {
    "before": "distance as they are",
    "distance": "distance, nearest image",
    "barrier_before": "barrier as they are",
    "barrier": "barrier, nearest image",
}


def distances(found: "Apart") -> list[str]:
    """Mean distances and barriers, of one picture and of two."""
    span = f"{100 * found.coverage:.0f} % interval"
    lines = [
        "Distances in units of the reference's norm; barriers in mean squared error at step 96.",
        f"{'pairs of':<16}{'':<26}{'mean':>9}   {span:<20}{'n':>3}",
    ]
    for m in found.means:
        who = "one picture" if m.same_picture else "two pictures"
        interval = f"{m.low:.4f} to {m.high:.4f}"
        lines.append(f"{who:<16}{WORDS[m.what]:<26}{m.mean:>9.4f}   {interval:<20}{m.n:>3}")
    return lines


def copies(found: "Apart") -> list[str]:
    """What the search finds where the answer is known."""
    lines = [
        "Scrambled copies with noise, sought by the same search; noise in units of the norm.",
        f"{'noise':<9}{'found / noise':>14}{'worst':>9}{'units recognised':>19}{'n':>5}",
    ]
    for p in found.planted:
        lines.append(f"{p.size:<9g}{p.found:>14.3f}{p.worst:>9.3f}{100 * p.units:>17.1f} %{p.n:>5}")
    return lines
