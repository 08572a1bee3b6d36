"""The study of docs/notes/findings.md, made by one command: ``make findings``.

python docs/make_findings.py [--per-class 30] [--only STAGE,...] [--fresh]

Builds twin zoos of the same pictures, lets the project's own functions study them, keeps every
result as JSON beside the zoos, and writes tables and figures into docs/. Stop it at any time: the
same command goes on, a build where it stopped and every finished stage not at all. Prose outside
the markers of docs/notes/findings.md stays as it is. ``--per-class 4`` is a trial of some minutes.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import findings_figures as figures
import findings_prior
import findings_tables as tables
import numpy as np
import numpy.typing as npt

import nca_zoo
from nca_zoo.automaton.record import rollout_keys
from nca_zoo.features.catalogue import find_feature
from nca_zoo.ground.files import published
from nca_zoo.life.engines import make_engine
from nca_zoo.life.healing import healing_of_whole
from nca_zoo.life.quality import GROWN_STEP, STABLE, measure
from nca_zoo.pictures.targets import restored
from nca_zoo.probing.probe import probe
from nca_zoo.probing.quantities import quantity
from nca_zoo.probing.readers import CEILING
from nca_zoo.store.zoofile import Zoo
from nca_zoo.studies.cluster import cluster
from nca_zoo.studies.forecast import forecast
from nca_zoo.studies.measuring import measure_all, measure_zoo
from nca_zoo.studies.mixing import line, survey
from nca_zoo.studies.orbit import orbit
from nca_zoo.studies.within import reliability, within
from nca_zoo.viewer.curve import write_curve
from nca_zoo.viewer.medley import line_sheet, means_sheet
from nca_zoo.viewer.video import write_png

DOCS = Path(__file__).parent
FIGURES = DOCS / "figures"
INITS, REGIMES = ("meta", "shared", "independent"), ("growing", "persistent")
LADDER = ("weights", "aligned", "procrustes", "invariants", "queries")
ORBIT = ("weights", "aligned", "invariants")
BUDGETS = (10, 30, 100)  # training steps at most
ONCE = ("--attempts", "1")  # all fits are read, so a second attempt would only cost time
COLD_LR = {"growing": "5e-3", "persistent": "4e-3"}  # a start that knows nothing needs larger steps
BLOCK = 50  # pictures of a class that are clustered together
SCORED = ("feature", "kind", "scaling", "method", "nmi")  # of a row of clusters
QUANTITIES = ("drift_400", "drift_1000", "steps_to_grow", "spread_96", "recovery")
READERS = ("logistic", "knn", "svm")
FITS = {"growing": (10, 10), "regenerating": (5, 8)}  # pictures of a class, and fits of each
INNER = {  # what may differ between fits of one picture
    "growing": ("drift_400", "steps_to_grow", "spread_96", "recovery"),
    "regenerating": ("drift_400", "steps_to_grow", "spread_96", "recovery", "heals"),
}
SOONER = (104, 112, 128, 160, 200)  # CA steps at which a drift shows that is asked for at step 400
TOLD = ("weights", "queries", "responses")
REPEATS = 5  # of the folds, dealt anew, wherever zoos of 300 are read


@dataclass(frozen=True)
class Study:
    """Where everything lies, and how large it is."""

    folder: Path
    main: Path  # the default zoo, for figures of a whole zoo
    large: Path | None  # a larger one like it, where numbers of pictures matter
    per_class: int
    digits: str
    pairs: int
    seeds: int
    jobs: int

    def twin(self, init: str, regime: str) -> Zoo:
        """The zoo of one start and regime."""
        larger_steps = () if init == "meta" else ("--lr", COLD_LR[regime])
        out = self.folder / f"{init}-{regime}.h5"
        return self.build(out, "--init", init, "--regime", regime, *ONCE, *larger_steps)

    def budget(self, steps: int) -> Path:
        """The zoo of a few training steps."""
        return self.folder / f"budget-{steps}.h5"

    def build(self, out: Path, *options: str) -> Zoo:
        """Build a zoo by the command, or finish or open it; the log stays on stderr."""
        command = [sys.executable, "-m", "nca_zoo_cli.main", "build", "--out", str(out)]
        command += ["--digits", self.digits, "--per-class", str(self.per_class)]
        command += ["--jobs", str(self.jobs), *options]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return nca_zoo.open(out, failed=True)

    def twins(self) -> dict[str, Zoo]:
        """All twin zoos, by their names."""
        return {f"{init} {regime}": self.twin(init, regime) for regime in REGIMES for init in INITS}

    def whole(self) -> Zoo:
        """The default zoo if it is there, or else the twin that is built like it."""
        if self.main.exists():
            return nca_zoo.open(self.main, failed=True)
        return self.twin("meta", "persistent")

    def most(self) -> Zoo:
        """The largest zoo that is built like the default one."""
        return nca_zoo.open(self.large, failed=True) if self.large else self.whole()


def about(zoo: Zoo) -> dict[str, Any]:
    """How a zoo came out, and how far its NCAs went from their start."""
    start = zoo.attrs["init_weights"]
    moved = None
    if len(start):
        away = np.linalg.norm(zoo.weights - start, axis=1)
        moved = float(np.nanmedian(away) / np.linalg.norm(start))
    return {
        "ncas": len(zoo),
        "passed": float(zoo.good.mean()),
        "psnr_96": float(np.nanmedian(zoo.psnr_96)),
        "psnr_400": float(np.nanmedian(zoo.psnr_400)),
        "train_steps": float(np.median(zoo.train_steps)),
        "cpu_s": float(np.nanmedian(zoo.wall_s)),
        "moved": moved,
    }


def ladder(study: Study) -> dict[str, Any]:
    """Every representation in every twin zoo: all fits, so that the pictures are the same."""
    found: dict[str, Any] = {}
    twins = study.twins()
    for name, zoo in twins.items():
        result = probe(zoo, LADDER, READERS, repeats=REPEATS, all_fits=True)
        found[name] = {"zoo": about(zoo), "probe": result.as_dict()}
    some = next(iter(twins.values()))  # the pictures are the same in all
    network, _ = findings_prior.read(some, [find_feature("pixels")], [CEILING.name], study.jobs)
    return {name: twin | {"network": network} for name, twin in found.items()}


def budgets(study: Study) -> dict[str, Any]:
    """Readability against training steps, in the default regime from the meta-learned start."""
    found = {}
    for steps in BUDGETS:
        zoo = study.build(study.budget(steps), "--steps", str(steps), "--extra-steps", "0", *ONCE)
        result = probe(zoo, ("weights",), READERS, repeats=REPEATS, all_fits=True)
        found[str(steps)] = {"zoo": about(zoo), "probe": result.as_dict()}
    return found


def curve(study: Study) -> dict[str, Any]:
    """Accuracy against sample size, in the largest zoo."""
    zoo = study.most()
    most = int(0.8 * zoo.good.sum())
    sizes = [size for size in (50, 100, 200, 400, 800, 1600, 3200) if size < 0.9 * most]
    result = probe(zoo, ("weights", "queries"), READERS, repeats=1, sizes=sizes)
    if result.curve:
        write_curve(FIGURES / "findings-curve.png", result)
    return result.as_dict()


def clusters(study: Study) -> dict[str, Any]:
    """NMI of clusters and classes in one set of pictures after the other."""
    zoo = study.most()
    zoo = zoo.subset(zoo.good)
    rank = np.empty(len(zoo), int)  # of every NCA among those of its class
    for label in np.unique(zoo.label):
        mine = np.flatnonzero(zoo.label == label)
        rank[mine] = np.arange(len(mine))
    whole = min(np.unique_counts(zoo.label).counts) // BLOCK
    found = []
    for number in range(whole):
        part = cluster(zoo.subset(rank // BLOCK == number), seeds=4)
        found.append([{k: getattr(r, k) for k in SCORED} for r in part.rows])
    return {"per_class": BLOCK, "blocks": found}


def fall(study: Study) -> dict[str, Any]:
    """The orbit test in the default zoo."""
    found = orbit(study.whole(), ORBIT).as_dict()
    figures.fall(FIGURES / "findings-orbit.png", found)
    return found


def moves(study: Study) -> dict[str, Any]:
    """Dynamics of the twins that share the meta-learned start, measured and predicted."""
    found = {}
    for regime in REGIMES:
        path = study.twin("meta", regime).path
        measure_zoo(path, study.seeds, study.jobs)
        zoo = nca_zoo.open(path, failed=True)
        known = [name for name in QUANTITIES if np.nanstd(zoo.column(name)) > 0]
        readers = ("ridge", "knn", "svm")
        result = forecast(zoo, ("weights",), known, readers, repeats=REPEATS, all_fits=True)
        found[regime] = result.as_dict()
    return found


def inside(study: Study) -> dict[str, Any]:
    """What NCAs of one picture differ in: how much, what of it is luck, and what weights tell."""
    found = {regime: fitted_again(study, regime) for regime in FITS}
    figures.within(FIGURES / "findings-within.png", found)
    return found


def fitted_again(study: Study, regime: str) -> dict[str, Any]:
    """The same of one regime."""
    pictures, fits = FITS[regime]
    path = study.folder / f"repeats-{regime}.h5"
    size = "--per-class", str(min(pictures, study.per_class)), "--repeats", str(fits)
    study.build(path, "--regime", regime, *size)
    measure_zoo(path, study.seeds, study.jobs)
    zoo = nca_zoo.open(path)
    again = measured_again(zoo, study)
    asked = [quantity(zoo, name) for name in INNER[regime]]
    agree = [reliability(one, again[one.name], zoo.picture_numbers()) for one in asked]
    known, drifts = quantity(zoo, "drift_400"), drifts_sooner(zoo, study)
    tell = [reliability(known, drift, zoo.picture_numbers()) for drift in drifts.T]
    read = within(zoo, TOLD, INNER[regime], ("ridge", "svm"), jobs=study.jobs)
    return read.as_dict() | {
        "reliability": [asdict(one) for one in agree],
        "sooner": {str(step): asdict(one) for step, one in zip(SOONER, tell, strict=True)},
    }


def drifts_sooner(zoo: Zoo, study: Study) -> npt.NDArray[np.float64]:
    """``drift_400`` as it would be at earlier steps, ``(N, steps)``, of other fire masks."""
    masks = [rollout_keys(study.seeds + seed, 1)[0] for seed in range(study.seeds)]
    engine, found = make_engine(threads=study.jobs), np.empty((len(zoo), len(SOONER)))
    for some in np.array_split(np.arange(len(zoo)), max(1, len(zoo) // 16)):
        ncas = zoo.ncas(some)
        ncas = ncas.under(np.repeat(np.stack(masks, axis=1), len(ncas), axis=0))
        states, now = engine.rollout(ncas, ncas.starts(), 0, GROWN_STEP), GROWN_STEP
        grown = np.clip(ncas.seen(states), 0, 1)
        for i, step in enumerate(SOONER):
            states, now = engine.rollout(ncas, states, now, step - now), step
            moved = np.square(np.clip(ncas.seen(states), 0, 1) - grown)
            found[some, i] = np.sqrt(moved.mean(axis=(2, 3, 4))).mean(axis=1)
    return found


def measured_again(zoo: Zoo, study: Study) -> dict[str, Any]:
    """What ``INNER`` names, of other fire masks and wounds than those of which the zoo tells."""
    found = {name: np.full(len(zoo), np.nan) for name in (*QUANTITIES, "heals")}
    rows = list(range(len(zoo)))
    for row, values in measure_all(zoo, rows, study.seeds, study.jobs, first=study.seeds):
        for name in QUANTITIES:
            found[name][row] = values[name]
    if zoo.settings.stable:  # of what does not last, nothing heals
        engine = make_engine(threads=study.jobs)
        for some in np.array_split(rows, max(1, len(rows) // 16)):
            ncas, targets = zoo.ncas(some, seed=1), restored(zoo.target[some])
            looks = measure(engine, ncas, targets, [STABLE])
            found["heals"][some] = healing_of_whole(engine, ncas, targets, looks).share
    return found


def prior(study: Study) -> dict[str, Any]:
    """What a start is worth that was learnt from fewer digits, or from other pictures."""
    return findings_prior.prior(study.build, about, study.folder, study.jobs)


def mixtures(study: Study) -> dict[str, Any]:
    """What grows between NCAs, in the default regime and in the default zoo."""
    twins = {init: study.twin(init, "persistent") for init in INITS}
    found = {  # of all fits: those few from cold starts that pass are not of all classes
        name: survey(zoo, study.pairs, jobs=study.jobs, all_fits=True)
        for name, zoo in twins.items()
    }
    zoo = study.whole()
    whole = survey(zoo, study.pairs, jobs=study.jobs)
    write_png(FIGURES / "findings-means.png", means_sheet(whole))
    good = zoo.subset(zoo.good)
    by_class = {int(c): good.id[good.label == c] for c in np.unique(good.label)}
    ends = [ids[:2] for ids in by_class.values() if len(ids) > 1][:3]
    some = [line(zoo, str(a), str(b)) for a, b in ends]
    classes = list(by_class)
    if len(classes) > 1:
        some.append(line(zoo, str(by_class[classes[0]][0]), str(by_class[classes[1]][0])))
    write_png(FIGURES / "findings-lines.png", line_sheet(some))
    return {name: result.as_dict() for name, result in {**found, "default zoo": whole}.items()}


def landscape(study: Study) -> dict[str, Any]:
    """The map of the default zoo, by the command."""
    zoo = study.whole()
    out = FIGURES / "findings-map.png"
    command = [sys.executable, "-m", "nca_zoo_cli.main", "map", "--zoo", str(zoo.path)]
    subprocess.run([*command, "--out", str(out)], check=True, stdout=sys.stderr)
    return {"ncas": int(zoo.good.sum())}


PICTURES = {  # stage -> what its figures show; a figure is called findings-NAME.png
    "ladder": {"ladder": "Accuracy of every representation in every twin zoo"},
    "curve": {"curve": "Accuracy by the number of pictures learned from"},
    "orbit": {"orbit": "Accuracy before and after scrambling"},
    "within": {
        "within": "Of what the variance of each quantity is made up, and what is read of it"
    },
    "mixing": {
        "lines": "Straight lines between NCAs of one class, and of two",
        "means": "What the mean weights of each class grow, above the mean pictures",
    },
    "map": {"map": "All NCAs of the default zoo, laid out by their weights"},
}
STAGES: dict[str, Callable[[Study], dict[str, Any]]] = {
    "ladder": ladder,
    "budgets": budgets,
    "prior": prior,
    "curve": curve,
    "clusters": clusters,
    "orbit": fall,
    "dynamics": moves,
    "within": inside,
    "mixing": mixtures,
    "map": landscape,
}


def insert(page: str, name: str, text: str) -> str:
    """The page with ``text`` between the markers of table ``name``."""
    pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
    if not re.search(pattern, page, re.DOTALL):
        raise SystemExit(f"docs/notes/findings.md has no markers for the table {name}")
    return re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", page, count=1, flags=re.DOTALL)


def main() -> None:
    """Run what is missing, then write tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("data/findings"))
    parser.add_argument("--main", type=Path, default=Path("data/zoo.h5"), help="the default zoo")
    parser.add_argument("--large", type=Path, default=Path("data/zoo-5000.h5"),
                        help="a larger one, if there is one: curve, clusters")  # fmt: skip
    parser.add_argument("--per-class", type=int, default=20, help="pictures per class of a twin")
    parser.add_argument("--digits", default="0-9")
    parser.add_argument("--pairs", type=int, default=100, help="of mixtures of each kind")
    parser.add_argument("--seeds", type=int, default=4, help="of fire masks, for dynamics")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default=",".join(STAGES), help="stages, separated by commas")
    parser.add_argument("--fresh", action="store_true", help="run finished stages again")
    parser.add_argument("--page", type=Path, default=DOCS / "notes" / "findings.md")
    given = parser.parse_args()
    large = given.large if given.large.exists() else None
    study = Study(given.folder, given.main, large, given.per_class, given.digits, given.pairs,
                  given.seeds, given.jobs)  # fmt: skip
    study.folder.mkdir(parents=True, exist_ok=True)
    FIGURES.mkdir(exist_ok=True)
    settings = json.loads(json.dumps(asdict(study), default=str))
    settings.pop("jobs")
    for name in given.only.split(","):
        if name not in STAGES:
            raise SystemExit(f"no stage is called {name!r}; there are {', '.join(STAGES)}")
        file = study.folder / f"{name}.json"
        held = json.loads(file.read_text()) if file.exists() else {}
        if given.fresh or held.get("settings") != settings:
            print(f"{name}: running", file=sys.stderr)
            began = time.monotonic()
            result = STAGES[name](study)
            held = {
                "settings": settings,
                "seconds": round(time.monotonic() - began, 1),
                "result": result,
            }
            with published(file) as part:
                part.write_text(json.dumps(held, indent=1))
        if name == "ladder":
            figures.ladder(FIGURES / "findings-ladder.png", held["result"])
        shown = [
            f"\n![{words}](../figures/findings-{picture}.png)"
            for picture, words in PICTURES.get(name, {}).items()
            if (FIGURES / f"findings-{picture}.png").exists()
        ]
        if told := tables.TABLES[name](held["result"]):  # else the page keeps what it has
            page = insert(given.page.read_text(), name, "\n".join([told, *shown]))
            given.page.write_text(page)
        print(f"{name}: {file} ({held['seconds']} s)")


if __name__ == "__main__":
    main()
