"""Does everything hold at 70,000 NCAs? Makes such a zoo and runs the commands on it.

    python benchmarks/seventy_thousand.py make FOLDER --like data/zoo.h5
    python benchmarks/seventy_thousand.py run FOLDER [NAME ...]
    python benchmarks/seventy_thousand.py pictures FOLDER
    python benchmarks/seventy_thousand.py begin FOLDER

``make`` needs 3 GB and writes ``FOLDER/zoo.h5``, all MNIST but for eight NCAs. Pictures and rows
are simulated: files of MNIST's form that repeat the 5,000 digits at hand, and rows of a real zoo,
their weights moved by noise a fifth as large as what training did. The zoo has the size and the
spread of a real one; its accuracies mean nothing. ``run`` needs 6 GB more and prints a row of the
table in docs/notes/scale.md for each command: seconds, those that its processes spent computing,
and the most memory that they held together, looked at ten times a second. ``pictures`` writes the
pictures alone, ``begin`` measures what a build of them all does before its first fit.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nca_zoo.automaton.noise import fit_seed
from nca_zoo.building import build as building
from nca_zoo.building.build import header
from nca_zoo.building.settings import BuildSettings
from nca_zoo.pictures.image_sets import read_digits
from nca_zoo.pictures.sources import Picture, load_pictures
from nca_zoo.pictures.targets import make_target, stored
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import make_init
from nca_zoo.training.regime import REGIMES

SPLITS = {"train": 60_000, "t10k": 10_000}
LEFT_OUT = 8  # NCAs, for `build` to go on with
A_TASK = 4  # rows that `build` adds at a time, as the last ones are here
IN_BULK = 512  # rows that all others are added by
TIMED = 2000  # rows
PARTS = 16
NOISE = 0.2
SETTINGS = BuildSettings(REGIMES["persistent"], make_init("meta", "persistent"))


def write_pictures(folder: Path) -> None:
    """MNIST's four files under ``folder``, of its size, repeating the digits that are at hand."""
    images, labels = read_digits(folder)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(sum(SPLITS.values())) % len(images)
    for name, count in SPLITS.items():
        chosen, order = order[:count], order[count:]
        for kind, data in (("images-idx3", images[chosen]), ("labels-idx1", labels[chosen])):
            head = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">u4").tobytes()
            (raw / f"{name}-{kind}-ubyte").write_bytes(head + data.astype(np.uint8).tobytes())


def row(zoo: Zoo, rows: np.ndarray, picture: Picture) -> dict[str, Any]:
    """A picture's row: that of one of ``rows`` of a real zoo, with noise, and its own picture."""
    rng = np.random.default_rng(picture.source_index)
    like = int(rng.choice(rows))
    target = make_target(picture.pixels)
    moved = zoo.weights[like] - zoo.attrs["init_weights"]
    noise = rng.standard_normal(len(moved), dtype=np.float32)
    return {name: zoo.column(name)[like] for name in zoo.columns} | {
        "id": picture.id,
        "weights": zoo.weights[like] + NOISE * moved.std() * noise,
        "label": picture.label,
        "source_index": picture.source_index,
        "split": picture.split,
        "seed_row": target.seed_row,
        "seed_col": target.seed_col,
        "rng_seed": fit_seed(SETTINGS.seed, picture.id),
        "init": SETTINGS.init.name,
        "target": stored(target.rgba),
        "status": "ok",
    }


def make(folder: Path, like: Path) -> None:
    """Write pictures, zoo, and the zoo again in 16 parts; says how long the writer took."""
    write_pictures(folder)
    source, pictures = load_pictures("mnist", data_dir=folder)
    real = open_zoo(like)
    real = real.subset(real.good)
    of_class = {label: np.flatnonzero(real.label == label) for label in range(10)}
    with ZooWriter(folder / "zoo.h5", header(source, SETTINGS)) as writer:
        held = writer.finished_ids()
        wanted = [picture for picture in pictures[:-LEFT_OUT] if picture.id not in held]
        for a_task, some in ((IN_BULK, wanted[:-TIMED]), (A_TASK, wanted[-TIMED:])):
            seconds = 0.0
            for i in range(0, len(some), a_task):
                task = [row(real, of_class[p.label], p) for p in some[i : i + a_task]]
                began = time.monotonic()
                writer.add(task)
                seconds += time.monotonic() - began
                print(f"{len(writer.finished_ids())} rows", end="\r", file=sys.stderr, flush=True)
            print(f"{len(some)} rows, {a_task} a task: {len(some) / seconds:.0f} rows/s")


def split(folder: Path) -> list[str]:
    """The zoo's 16 parts as files; made if they are not there yet."""
    files = [folder / f"part-{k:02d}.h5" for k in range(PARTS)]
    zoo = open_zoo(folder / "zoo.h5")
    source, _ = load_pictures("mnist", per_class=1, data_dir=folder)
    for k, file in enumerate(files):
        if not file.exists():
            mine = zoo.subset(np.arange(k, len(zoo), PARTS))
            with ZooWriter(file, header(source, SETTINGS)) as writer:
                columns = {name: mine.column(name) for name in mine.columns}
                writer.add([_record(columns, i) for i in range(len(mine))])
    return list(map(str, files))


def _record(columns: dict[str, Any], i: int) -> dict[str, Any]:
    values = {name: column[i] for name, column in columns.items()}
    return {n: str(v) if isinstance(v, np.str_) else v for n, v in values.items()}


COMMANDS = {
    "info": ["info"],
    "info of one": ["info", "7-012"],
    "card": ["info", "--card"],
    "croissant": ["info", "--croissant"],
    "verify": ["verify"],
    "build, going on": ["build", "--source", "mnist", "--digits", "0-9", "--per-class", "all"],
    "merge of 16 parts": ["merge"],
    "export parquet": ["export", "--format", "parquet", "--out", "FOLDER/zoo.parquet"],
    "map": ["map"],
    "cluster": ["cluster"],
    "neighbours": ["neighbours", "7-012"],
    "explore": ["explore", "--no-browser"],
    "probe": ["probe"],
}


def run(folder: Path, names: list[str]) -> None:
    """Measure the commands of these names, or all."""
    print("| command | seconds | CPU seconds | peak memory, MB | |\n|---|---|---|---|---|")
    for name in names or COMMANDS:
        words = [word.replace("FOLDER", str(folder)) for word in COMMANDS[name]]
        if words[0] == "merge":
            words += [*split(folder), "--out", str(folder / "merged.h5")]
        before = _cpu()
        seconds, most, code, said = measure(words, folder)
        last = said.strip().splitlines()[-1][-100:] if said.strip() else ""
        outcome = last if code else ""
        cells = f"{seconds:.1f} | {_cpu() - before:.1f} | {most / 1e6:.0f} | {outcome}"
        print(f"| {name} | {cells} |", flush=True)
        for made in ("merged.h5", "zoo.parquet"):
            (folder / made).unlink(missing_ok=True)


def _cpu() -> float:
    """CPU seconds of all processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(words: list[str], folder: Path) -> tuple[float, int, int, str]:
    """Seconds, most bytes, exit code and output of a command; a server is stopped once it serves.

    The output stays in ``folder``, named after the command.
    """
    command = [sys.executable, "-m", "nca_zoo_cli.main", *words]
    environment = os.environ | {"NCA_ZOO_DATA": str(folder), "PYTHONUNBUFFERED": "1"}
    log, began, most = folder / f"{words[0]}.log", time.monotonic(), 0
    with log.open("w") as out:
        child = subprocess.Popen(
            command, stdout=out, stderr=out, env=environment, start_new_session=True
        )
        while child.poll() is None:
            most = max(most, sum(memory(child.pid)))
            if " until Ctrl-C" in log.read_text():
                seconds = time.monotonic() - began
                child.terminate()
                child.wait()
                return seconds, most, 0, log.read_text()
            time.sleep(0.1)
    return time.monotonic() - began, most, child.returncode, log.read_text()


def memory(group: int) -> Iterator[int]:
    """Bytes that each process of a group holds, its share of what it shares with others."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and os.getpgid(int(folder.name)) == group:
                text = (folder / "smaps_rollup").read_text()
                yield 1024 * int(text.split("Pss:")[1].split()[0])
        except (OSError, IndexError, ValueError):
            continue  # it ended meanwhile


def begin(folder: Path) -> None:
    """Measure what a build of all pictures does until the first task could be handed out."""

    def first(function: Any, tasks: Iterator[Any], *_: Any) -> Iterator[Any]:
        next(tasks)
        return iter(())

    building.run = first
    began = time.process_time()
    source, pictures = load_pictures("mnist", tuple(range(10)), data_dir=folder)
    _say(f"{len(pictures)} pictures read", began)
    counts = Counter(picture.split for picture in pictures)
    began = time.process_time()
    with ZooWriter(folder / "none.h5", header(source, SETTINGS)) as writer:
        list(building.build(pictures, SETTINGS, writer))
    _say("the work sorted", began)
    print(f"split: {dict(counts)}")


def _say(what: str, began: float) -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{what}: {time.process_time() - began:.1f} CPU s, at most {most / 1e6:.0f} MB so far")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in VERBS:
        verbs.add_parser(verb).add_argument("folder", type=Path)
    verbs.choices["make"].add_argument("--like", type=Path, default=Path("data/zoo.h5"))
    verbs.choices["run"].add_argument("names", nargs="*", choices=[[], *COMMANDS])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    VERBS[given.verb](given)


VERBS = {
    "make": lambda given: make(given.folder, given.like),
    "run": lambda given: run(given.folder, given.names),
    "pictures": lambda given: write_pictures(given.folder),
    "begin": lambda given: begin(given.folder),
}


if __name__ == "__main__":
    main()
