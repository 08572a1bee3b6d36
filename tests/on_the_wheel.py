"""The tests, on the package as others install it.

    python tests/on_the_wheel.py [arguments of pytest]

Builds the sdist, the wheel from it, and installs that into an empty environment, which has the
libraries of this one and cannot see the checkout's code.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".venv", "data", "build", "dist", "*.egg-info", "__pycache__", "notebooks")


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
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "libraries.pth").write_text("\n".join(libraries))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet",
        "--force-reinstall", "--no-index", wheel)  # fmt: skip
    return python


def main() -> int:
    given = sys.argv[1:] or ["tests"]
    # The folder that pytest is started in is where Python looks first: not the checkout.
    given = [str(CHECKOUT / a) if (CHECKOUT / a.split("::")[0]).exists() else a for a in given]
    with tempfile.TemporaryDirectory(prefix="on-the-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        python = install(wheel, folder / "environment")
        print(f"On {wheel.name}, installed:", flush=True)
        configuration = ["-c", CHECKOUT / "pyproject.toml", "--rootdir", CHECKOUT]
        return subprocess.call([python, "-m", "pytest", *configuration, *given], cwd=folder)


if __name__ == "__main__":
    sys.exit(main())
