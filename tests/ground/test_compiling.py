"""Compiled code where its cache is broken, cut, or cannot be."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MODULE = """
from nca_zoo.ground.compiling import forgive_caches
forgive_caches()
from numba import njit, vectorize

@njit(cache=True)
def triple(x):
    return 3 * x

@vectorize(["int64(int64)"], cache=True)
def square(x):
    return x * x
"""
ASK = """
import kept
print(kept.triple(14), kept.square(5), sum(kept.triple.stats.cache_hits.values()))
"""
# Asks again as a process does that comes later: the module is read anew, and so is its cache.
HARM = """
import sys
from pathlib import Path

def asked():
    import kept
    del sys.modules['kept']
    return kept.triple(14), kept.square(5), sum(kept.triple.stats.cache_hits.values())

def emptied(path): path.write_bytes(b"")

def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

def cut(path): path.write_bytes(path.read_bytes()[:-40])

def overwritten(path): path.write_bytes(b"never a pickle" * 20)

def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()

print("whole", *asked(), *asked())
for harm in (emptied, flipped, cut, overwritten, replaced_by_a_folder):  # the last for good
    harmed = list(Path("__pycache__").glob("kept.*.KIND"))
    assert len(harmed) == 2, harmed
    for path in harmed:
        harm(path)
    print(harm.__name__, *asked(), *asked())
"""
MENDED = "42 25 0 42 25 1"


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., str]:
    """Run the module in a child; what it prints: a result and how often the cache was of use."""
    (tmp_path / "kept.py").write_text(MODULE)

    def run(code: str = ASK, **environment: str) -> str:
        given = {**os.environ, "PYTHONPATH": str(tmp_path), **environment}
        given.pop("NUMBA_CACHE_DIR", None)
        child = subprocess.run(
            [sys.executable, "-c", code], env=given, cwd=tmp_path, capture_output=True, text=True
        )
        assert child.returncode == 0, child.stderr
        return " ".join(child.stdout.split())

    return run


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_broken_caches_are_made_anew(ask: Callable[..., str], kind: str) -> None:
    kinds = ("whole", "emptied", "flipped", "cut", "overwritten")
    mended = " ".join(f"{harm} {MENDED}" for harm in kinds)
    assert ask(HARM.replace("KIND", kind)) == f"{mended} replaced_by_a_folder 42 25 0 42 25 0"


@pytest.mark.wide
def test_without_a_place_nothing_is_kept(ask: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
    assert ask(**nowhere) == "42 25 0"
    assert ask(**nowhere) == "42 25 0"


@pytest.mark.wide
def test_without_a_home_no_folder_named_like_one_appears(
    ask: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    no_home = "import os; os.path.expanduser = lambda path: path\n" + ASK
    assert ask(no_home) == "42 25 0"
    assert {path.name for path in tmp_path.iterdir()} == {"kept.py", "__pycache__"}


@pytest.mark.wide
@pytest.mark.parametrize("module", ["nca_zoo.life.engines.kernels", "nca_zoo.studies.embedding"])
def test_kernels_and_maps_have_such_caches(ask: Callable[..., str], module: str) -> None:
    code = (
        f"import {module} as used\n"
        "from numba.core import dispatcher\n"
        "getattr(used, '_umap', lambda: None)()\n"
        "print(dispatcher.FunctionCache.__module__)"
    )
    assert ask(code) == "nca_zoo.ground.compiling"


@pytest.mark.wide
def test_no_garbage_is_collected_while_code_is_compiled_and_afterwards_it_is(
    ask: Callable[..., str],
) -> None:
    """Also if a compilation fails, or one begins within another; and who wants none gets none."""
    code = """
import gc
import kept
from numba import njit, types
from numba.extending import overload

states = []
def seen(x): pass

@overload(seen)
def _(x):
    states.append(gc.isenabled())
    if not isinstance(x, types.Integer):
        raise TypeError
    return lambda x: x

@njit
def inner(x):
    return seen(x)

@njit
def outer(x):
    return inner(x) + seen(x)

outer(1)
states.append(gc.isenabled())
try:
    outer(1.5)
except Exception:
    states.append(gc.isenabled())
gc.disable()
outer(types.int8(1)) if False else kept.triple(1.5)
print(sorted(set(states[:-2])), states[-2:], states.count(True), gc.isenabled())
"""
    assert ask(code) == "[False, True] [False, True] 2 False"
