"""The house rules: data flows one way, one idea a file, help is fast."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nca_zoo_cli.main import group

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "nca_zoo"
MOST_FILES, MOST_LINES = 15, 400  # of a room, of a file


def test_a_room_imports_only_from_those_below_it():
    """The contracts in pyproject.toml, as import-linter sees them."""
    code = "from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", code, "--no-cache"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def others_imports():
    """What rooms, and the command line, import from other rooms: (file, room, module)."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    files = [*PACKAGE.rglob("*.py"), *(REPOSITORY / "cli").rglob("*.py")]
    for path in files:
        own = path.relative_to(PACKAGE).parts[0] if PACKAGE in path.parents else "cli"
        for node in ast.walk(ast.parse(path.read_text())):
            name = (getattr(node, "module", None) or "").split(".")
            if isinstance(node, ast.ImportFrom) and name[0] == "nca_zoo" and name[1:2]:
                modules = name[2:3] or [alias.name for alias in node.names]
                if name[1] in rooms - {own}:
                    yield from ((path.name, name[1], module) for module in modules)


def test_a_room_says_which_of_its_modules_are_for_others():
    found = list(others_imports())
    assert len(found) > 300
    for file, room, module in found:
        said = importlib.import_module(f"nca_zoo.{room}").__all__
        assert module in said, f"{file} imports {room}.{module}"


def test_rooms_have_few_files_and_say_what_they_are_for():
    rooms = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    assert len(rooms) > 10
    for room in rooms:
        assert len(list(room.glob("*.py"))) <= MOST_FILES, room
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
        assert text is not None, room
        assert len(text.split()) > 15, room


def test_tests_stand_in_rooms_of_the_same_names():
    rooms = {path.parent.name for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert rooms - {"cli", "repository"} <= {path.name for path in PACKAGE.iterdir()}


def test_one_idea_a_file():
    files = [p for name in ("nca_zoo", "cli", "tests") for p in (REPOSITORY / name).rglob("*.py")]
    long = {path.name for path in files if len(path.read_text().splitlines()) > MOST_LINES}
    assert long == set()


HELP = [
    "--help",
    "info --help",
    "show --help",
    "probe --help",
    "fit --help",
    "draw --help",
    "dynamics --help",
    "mix survey --help",
]


@pytest.fixture(scope="module")
def imported():
    """What is heavy and there after each of these commands, given to one process in order."""
    code = (
        "import json, sys; from nca_zoo_cli.main import group\n"
        f"for command in {HELP!r}:\n"
        "    try: group(command.split())\n"
        "    except SystemExit: pass\n"
        "    heavy = {'torch', 'numba', 'sklearn', 'h5py', 'scipy'} & set(sys.modules)\n"
        "    print(json.dumps([command, sorted(heavy)]), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return dict(json.loads(line) for line in run.stderr.splitlines())


@pytest.mark.parametrize("command", HELP)
def test_help_imports_nothing_heavy(command, imported):
    heavy = imported[command]
    assert not heavy, heavy


def test_reading_growing_showing_and_building_zoos_never_imports_torch():
    """One process imports them all, one after the other, and names the first by which it came."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{name} imports torch')"
    )
    names = (
        *("store.zoofile", "store.verify", "life.rollout", "viewer.video", "probing.probe"),
        *("building.build", "building.workers", "training.trainer", "life.engines.sparse"),
        "explorer.server",
    )
    modules = [*(f"nca_zoo.{name}" for name in names), "nca_zoo_cli.build", "nca_zoo_cli.explore"]
    run = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_wrong_usage_exits_with_2():
    assert CliRunner().invoke(group, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(group, ["show"]).exit_code == 2


def test_the_package_opens_zoos_without_importing_anything_else():
    code = "import sys, nca_zoo; assert 'h5py' not in sys.modules; nca_zoo.open"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_torch_what_needs_it_says_so(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from nca_zoo_cli.main import group; "
        f"group(['build', '--engine', 'dense', '--out', {str(tmp_path / 'zoo.h5')!r}])"
    )
    nobody = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    run = subprocess.run([sys.executable, "-c", code], **nobody)
    assert run.returncode == 1
    assert run.stderr.startswith("Error: this needs torch, which")
    assert run.stderr.endswith("-m pip install 'nca-zoo[torch]'\n")
    assert len(run.stderr.splitlines()) == 1
