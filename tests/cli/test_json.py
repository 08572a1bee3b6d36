"""What ``--json`` prints is JSON of the shape that docs/commands.md tells, of every command."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import ALL
from PIL import Image
from rows import header, record
from wide import mostly_wide
from written_zoo import written_zoo

from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
GRID, SEED = (9, 8), {"seed_row": 4, "seed_col": 4}
QUICKLY = "--regime growing --init shared --steps 1 --extra-steps 0 --attempts 1"
PROBED = "--features b1 --readers knn --folds 2"

# Words of every command that prints findings, but for --json. ZOO: a zoo; BOX: an empty folder
SLOW = (
    "cluster", "dynamics", "imagine", "imagine --compare", "imagine --learn", "mix survey", "probe",
    "reader test", "steer --test", "symmetry orbit",
)  # fmt: skip
CALLS = {
    "build": f"--source PICTURES --per-class all --out BOX/built.h5 --jobs 1 {QUICKLY}",
    "info": "ZOO",
    "verify": "ZOO",
    "show": "0-000 1-001 ZOO --steps 2 --out BOX/a.png",
    "probe": f"ZOO {PROBED} --repeats 1 --sizes 10",
    "cluster": "ZOO --features b1 --seeds 1",
    "neighbours": "0-000 ZOO",
    "merge": "ZOO --out BOX/merged.h5",
    "write": "PICTURE --zoo ZOO --out BOX/written.h5",
    "writer test": "ZOO --components 2 --jobs 1",
    "reader test": "ZOO --steps 2",
    "imagine --learn": "BOX/flow.npz DIGITS",
    "imagine": "DIGITS --class 7 --count 1 --steps 0 --out BOX/imagined.h5",
    "imagine --compare": "DIGITS --steps 5 --only average --jobs 1",
    "steer": "7-100 DIGITS --slant 1 --points 2 --out BOX/strip.png",
    "steer --test": "DIGITS --jobs 1",
    "import": "WEIGHTS --grid 9,8 --out BOX/imported.h5",
    "dynamics": "ZOO --seeds 1 --features b1 --readers knn --folds 2 --predict drift_400",
    "mix line": "0-000 1-001 ZOO --points 2 --jobs 1 --out BOX/line.png",
    "mix survey": "ZOO --pairs 10 --jobs 1 --out BOX/survey.png",
    "symmetry orbit": "ZOO --features weights --steps 2 --folds 2",
    "symmetry align": "0-000 --to 1-001 ZOO",
    "symmetry apart": "TWINS --pairs 1 --starts 1 --jobs 1",
    "fit": f"PICTURE --out BOX/fitted.h5 --film none {QUICKLY}",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, lively_weights, kept_digits):
    box = tmp_path_factory.mktemp("json")
    with ZooWriter(box / "zoo.h5", header()) as writer:
        writer.add([
            record(i, GRID, weights=lively_weights(i), **SEED) for i in range(24)
        ])  # fmt: skip
    with ZooWriter(box / "twins.h5", header()) as writer:  # two fits of one picture
        writer.add([
            record(0, GRID, id=nca_id, repeat=i, weights=lively_weights(i), **SEED)
            for i, nca_id in enumerate(("0-000", "0-000+02"), 1)
        ])  # fmt: skip
    ink = np.random.default_rng(0).integers(100, 256, (6, 6), np.uint8)
    (box / "pictures").mkdir()
    Image.fromarray(ink).save(box / "pictures" / "a.png")
    weights = lively_weights(0)
    ends = np.cumsum([128 * 48, 128, 16 * 128])
    W1, b1, W2, b2 = np.split(weights, ends)
    np.savez(box / "nca.npz", W1=W1.reshape(128, 48), b1=b1, W2=W2.reshape(16, 128), b2=b2)
    return {
        "ZOO": box / "zoo.h5",
        "TWINS": box / "twins.h5",
        "DIGITS": written_zoo(box / "digits.h5", kept_digits, 28).path,
        "BOX": box,
        "PICTURES": box / "pictures",
        "PICTURE": box / "pictures" / "a.png",
        "WEIGHTS": box / "nca.npz",
    }


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def told():
    """``{command: {path: keys}}`` of the table in the page."""
    shapes = {}
    rows = re.findall(r"^\| `([a-z -]+)` \| (?:`(\S+)` )?\| (.+) \|$", PAGE.read_text(), re.M)
    for command, path, words in rows:
        keys = shapes.setdefault(command, {}).setdefault(path, set())
        keys.update(re.findall(r"(?<!as )`([a-z_0-9]+)`", words))
        if other := re.match("as `(.+?)`", words):
            keys.update(shapes_of(other[1], rows))
    return shapes


def shapes_of(command, rows):
    return {
        key
        for name, path, words in rows
        if name == command and not path
        for key in re.findall("`([a-z_0-9]+)`", words)
    }


def at(found, path):
    """The objects at a path such as ``.rows[]``."""
    objects = [found]
    for step in filter(None, path.split(".")):
        objects = [one[step.removesuffix("[]")] for one in objects]
        if step.endswith("[]"):
            objects = [one for several in objects for one in several]
    return [one for one in objects if one is not None]


def test_every_command_that_has_json_is_told_and_tried():
    having = {name for name, command in ALL if any("--json" in p.opts for p in command.params)}
    assert set(CALLS) == set(told())
    assert having == {name.split(" --")[0] for name in CALLS}
    without = {name for name, _ in ALL} - having
    find_nothing = {"explore", "map", "export", "draw", "metastart", "writer learn"}
    assert without == find_nothing


@pytest.mark.usefixtures("brief_flows")
@pytest.mark.parametrize("command", mostly_wide(sorted(CALLS, key=SLOW.__contains__), -len(SLOW)))
def test_json_has_the_shape_that_is_told(places, command):
    words = re.sub(r"[A-Z]{3,}", lambda name: str(places[name[0]]), CALLS[command]).split()
    run = CliRunner().invoke(group, [*command.split(), *words, "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout, parse_constant=refuse)
    for path, keys in told()[command].items():
        objects = at(found, path)
        assert objects, path
        assert all(set(one) == keys for one in objects), (path, set(objects[0]) ^ keys)
