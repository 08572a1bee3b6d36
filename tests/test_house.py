"""The house rules: data flows one way, one idea a file, help is fast."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nca_zoo_cli.main import group

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "nca_zoo"
# From pictures to findings: a module imports only from those above it.
ORDER = [
    *("errors", "rule", "noise", "regime"),
    *("image_sets", "image_files", "images", "share", "targets", "init"),
    *("engines", "engines.tile", "engines.planes", "engines.workspace", "engines.kernels"),
    *("engines.sparse", "engines.torch_step", "engines.lockstep", "engines.dense"),
    *("quality", "cohort", "trainer", "diary", "metastart"),
    *("schema", "layout", "filelock", "interrupts", "parts", "assemble"),
    *("zoofile", "sampling", "zoowriter", "workers", "build", "solo", "background"),
    *("merging", "distill", "exporting", "card", "foreign", "importing"),
    *("rollout", "dynamics", "measuring", "regrow", "verify"),
    *("symmetry", "alignment", "procrustes"),
    *("pictures", "queries", "tangent", "reduction", "transformers", "features", "quantities"),
    *("resampling", "splits", "kernel", "networks", "readers", "reading", "probe", "orbit"),
    *("forecast", "mixing"),
    "cluster",
    *("embedding", "neighbours"),
    *("viewer", "viewer.frames", "viewer.channels", "viewer.medley", "viewer.atlas"),
    *("viewer.curve", "viewer.video", "viewer.terminal", "viewer.window"),
    *("viewer.training", "viewer.drawing", "viewer.player", "viewer.drawing_window"),
    "figures",
    *("viewer.explorer", "viewer.explorer.places", "viewer.explorer.exhibit"),
    *("viewer.explorer.page", "viewer.explorer.server", "viewer.explorer.notebook"),
]


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imported(path):
    """Modules of the package that a file imports when it is itself imported."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nca_zoo"):
            base = node.module.removeprefix("nca_zoo").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if inner in ORDER else base


def deferred(path):
    """Imports that run only inside a function or for the type checker."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        is_checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if is_checking or isinstance(node, ast.FunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom):
                    yield inner.module


def test_a_module_imports_only_what_stands_above_it():
    for name, path in modules():
        if name == "__init__":
            continue
        assert name in ORDER, f"{name} has no place in the house"
        later = set(deferred(path))
        for other in imported(path):
            if other and f"nca_zoo.{other}" not in later:
                assert ORDER.index(other) < ORDER.index(name), f"{name} imports {other}"


def test_one_idea_a_file():
    files = [*PACKAGE.rglob("*.py"), *(REPOSITORY / "cli").rglob("*.py")]
    assert {path.name for path in files if len(path.read_text().splitlines()) > 400} == set()


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "info --help",
        "show --help",
        "probe --help",
        "fit --help",
        "draw --help",
        "dynamics --help",
        "mix survey --help",
    ],
)
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys; from nca_zoo_cli.main import group\n"
        f"try: group({command.split()!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numba', 'sklearn', 'h5py', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("module", ["zoofile", "probe", "rollout", "viewer.video", "verify"])
def test_reading_a_zoo_never_imports_torch(module):
    code = f"import sys, nca_zoo.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


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
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("Error: this needs torch, which")
    assert len(run.stderr.splitlines()) == 1


def test_what_makes_and_shows_a_zoo_never_imports_torch():
    code = (
        "import sys; from nca_zoo_cli import build, explore; "
        "import nca_zoo.build, nca_zoo.trainer, nca_zoo.engines.sparse, nca_zoo.workers; "
        "import nca_zoo.viewer.explorer.server; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
