"""``nca-zoo verify``: check a zoo file from end to end."""

from pathlib import Path

import click

from nca_zoo.ground.progress import Progress

from .options import json_option, print_json, progress_bar, zoo_option


@click.command()
@zoo_option
@click.option(
    "--sample",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Grow so many NCAs again and compare them with what the file says.",
)
@click.option("--all", "grow_all", is_flag=True, help="Grow all of them again.")
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="First clear the mark of a program that died while it had the file open for writing.",
)
@json_option
def verify(zoo: Path, sample: int, grow_all: bool, mend: bool, as_json: bool) -> None:
    """Check a zoo file from end to end.

    Reads every byte, in a process of its own: form, types and shapes, the checksum of every chunk
    and of the weights of every NCA, every id and value.
    Prints one line for each problem and exits with 1 if there is any.

    \b
    nca-zoo verify
    nca-zoo verify --sample 20
    nca-zoo verify --zoo data/growing.h5 --all
    nca-zoo verify --repair
    """
    from nca_zoo.store.verify import repair
    from nca_zoo.store.verify import verify as problems_of
    from nca_zoo.store.zoofile import open_zoo

    for file in repair(zoo) if mend else ():
        click.echo(f"{file}: a program died while it had this open; its mark is cleared", err=True)
    regrow = None
    if sample or grow_all:
        from nca_zoo.building.regrow import regrow_problems

        regrow = regrow_problems
    with progress_bar(desc="verify", delay=2, leave=False) as shown:

        def advance(what: str) -> Progress:
            shown.unit = f" {what}"

            def tell(done: int, total: int) -> None:
                shown.total = total
                shown.update(done - shown.n)

            return tell

        problems = problems_of(zoo, regrow, None if grow_all else sample, True, advance)
    if as_json:
        print_json({"zoo": str(zoo), "ok": not problems, "problems": problems})
    elif problems:
        click.echo("\n".join(problems))
    else:
        held = open_zoo(zoo)
        good = int(held.good.sum())
        regrown = good if grow_all else min(sample, good)
        again = f"; {regrown} grown again" if regrow else ""
        click.echo(f"{zoo}: all is well: {len(held)} NCAs, {len(held.columns)} columns{again}")
    if problems:
        raise SystemExit(1)
