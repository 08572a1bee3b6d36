"""The tests, on the package as others install it, on every core that there is.

    python tests/on_the_wheel.py [arguments of pytest]

Builds the sdist, the wheel from it, and installs that into an empty environment, which has the
libraries of this one and cannot see the checkout's code. From run to run this environment keeps
what hypothesis knows and the sparse engine's compiled kernels, while their code stays as it is.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv", "data", "build", "dist", "*.egg-info", "__pycache__", "notebooks",
            ".*_cache", ".hypothesis")  # fmt: skip
KEPT = Path(sys.prefix, "kept-by-tests")
MOST_WORKERS = 8  # each takes up to 1 GB, and the longest group of tests more than an eighth
COMPILED = "*.nb[ic]"  # numba's index and data, beside the code
BUILD = ["build", "--digits", "1", "--per-class", "1", "--steps", "1", "--extra-steps", "0",
         "--attempts", "1", "--jobs", "1", "--out", "zoo.h5"]  # fmt: skip


def run(*command: object, **options: Any) -> str:
    """What a command prints; its own words are the error if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder: Path) -> Path:
    """Make sdist and wheel in ``folder``; returns the wheel."""
    checkout = folder / "checkout"  # setuptools would leave its files in the real one
    shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns(*LEFT_OUT))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, checkout)
    shutil.rmtree(checkout)
    return next(folder.glob("*.whl"))


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment; returns its interpreter."""
    venv.create(folder, with_pip=False)
    scripts, name = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    python = folder / scripts / name
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    Path(site(python), "libraries.pth").write_text("\n".join(libraries))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet",
        "--force-reinstall", "--no-index", wheel)  # fmt: skip
    return python


def site(python: Path) -> str:
    """Where the packages of an environment are."""
    return run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()


def bring_kernels(python: Path, folder: Path) -> None:
    """Give an environment the compiled kernels: those of the last run, or else compile them.

    Left to themselves, all workers and their children would compile them at once.
    """
    digest = hashlib.sha256(f"{version('numba')} {sys.version}".encode())
    for room in ("automaton", "life/engines"):
        for path in sorted((CHECKOUT / "nca_zoo" / room).glob("*.py")):
            digest.update(path.read_bytes())
    kept = KEPT / f"kernels-{digest.hexdigest()[:16]}"
    engines = Path(site(python), "nca_zoo/life/engines")
    for path in engines.glob("*.py"):
        os.utime(path, (0, 0))  # older versions of numba know what is theirs by its time
    if not kept.exists():
        run(python, "-m", "nca_zoo_cli.main", *BUILD, cwd=folder)
        KEPT.mkdir(exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=KEPT))
        for path in (engines / "__pycache__").glob(COMPILED):
            shutil.copy(path, new)
        if not kept.exists():  # by another run of this checkout's tests
            new.rename(kept)
    for path in kept.glob(COMPILED):
        shutil.copy(path, engines / "__pycache__")


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> int:
    given = sys.argv[1:] or ["tests"]
    # The folder that pytest is started in is where Python looks first: not the checkout.
    given = [str(CHECKOUT / a) if (CHECKOUT / a.split("::")[0]).exists() else a for a in given]
    with tempfile.TemporaryDirectory(prefix="on-the-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        python = install(wheel, folder / "environment")
        bring_kernels(python, folder)
        print(f"On {wheel.name}, installed:", flush=True)
        configuration = ["-c", CHECKOUT / "pyproject.toml", "--rootdir", CHECKOUT]
        workers = ["-n", str(min(cores() + 1, MOST_WORKERS))]  # one waits: for a page, a process
        command = [python, "-m", "pytest", *configuration, *workers, *given]
        known = {"NCA_ZOO_BUILT": name, "HYPOTHESIS_STORAGE_DIRECTORY": str(KEPT / "hypothesis")}
        return subprocess.call(command, cwd=folder, env=os.environ | known)


if __name__ == "__main__":
    sys.exit(main())
