"""Set up nca-zoo and do one thing with it, on a machine that has Python 3.11 or newer.

    python3 start.py explore  a small zoo of 20 NCAs, alive in the browser: touch them
    python3 start.py          a zoo of 500 NCAs, what their weights know, and one of them as a video
    python3 start.py test     the tests, the linter and the type checker; or, minutes longer,
                    --wide    with the widest sweeps: builds killed, files traced, benchmarks

What is needed is installed into the folder .venv, once. torch, which is gigabytes, only the tests
bring: growing, looking and probing do without it, and what needs it says so.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SMALL = "data/twenty.h5"
JOBS = {
    "explore": [
        ["nca-zoo", "build", "--digits", "0-9", "--per-class", "2", "--out", SMALL],
        ["nca-zoo", "explore", "--zoo", SMALL],
    ],
    "zoo": [
        ["nca-zoo", "build", "--digits", "0-9", "--per-class", "50"],
        ["nca-zoo", "probe"],
        ["nca-zoo", "show", "7-012", "--steps", "400"],
    ],
}
TESTS = ["python", "tests/on_the_wheel.py", "tests"]
CHECKS = [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]]
NARROW = ["-m", "not wide"]
SIZES = {
    "": "about 0.25 GB to download, 0.9 GB on disk",
    "[dev]": "with torch gigabytes to download, on Linux some 6 GB on disk",
}
STAGES = ("Collecting", "Processing", "Downloading", "Using cached", "Building", "Installing")
AFTERWARDS = """
The zoo is data/zoo.h5 and the video data/show/7-012.mp4. Try next:

    {scripts}/nca-zoo show 3-007 --terminal           watch one grow, here
    {scripts}/nca-zoo show 8-003 --damage 200:20,12,6 and heal
    {scripts}/nca-zoo explore                         all of them, alive in the browser
    {scripts}/nca-zoo info                            what the file holds
    {scripts}/nca-zoo --help
"""


def install(job: str) -> None:
    """Make the environment, or bring it up to date with pyproject.toml: all that a job needs."""
    extra = "[dev]" if job == "test" else ""
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes()).hexdigest()
    stamp = ENVIRONMENT / "installed"
    if stamp.exists() and stamp.read_text() in (wanted, f"{wanted}[dev]")[bool(extra) :]:
        return
    check_venv()
    import venv  # which some Pythons lack

    print(f"Installing into .venv, minutes: {SIZES[extra]}.", flush=True)
    venv.create(ENVIRONMENT, with_pip=True)
    pip("install", "--no-compile", "--editable", f".{extra}")  # compiled when it is first used
    stamp.write_text(wanted + extra)


def check_venv() -> None:
    """Debian and Ubuntu take venv and ensurepip out of Python and into a package of their own."""
    if all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        return
    package = f"python3.{sys.version_info.minor}-venv"
    sys.exit(
        "This Python cannot make environments (no venv module); install what is missing, on "
        f"Debian and Ubuntu with: sudo apt-get install {package}"
    )


def pip(*words: str) -> None:
    """Run the environment's pip; of what it says, show on a terminal the line it is at."""
    command = [SCRIPTS / "python", "-m", "pip", "--disable-pip-version-check", *words]
    command += ["--progress-bar", "off"]
    began, said = time.monotonic(), []
    with subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        for line in child.stdout:
            said.append(line.strip())
            if sys.stdout.isatty() and said[-1].startswith(STAGES):
                now = f"{time.monotonic() - began:4.0f} s  {said[-1]}"
                print(
                    f"\r{now[: shutil.get_terminal_size().columns - 1]}\x1b[K", end="", flush=True
                )
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")
    if child.returncode:
        errors = [line for line in said if line.startswith("ERROR")] or said[-3:]
        sys.exit("\n".join(["pip could not install what is needed:", *errors]))
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def find_screen() -> subprocess.Popen | None:
    """See that the tests of windows and pages have a browser, a screen and a mouse; or skip.

    Returns what installs them, if that is possible: it goes on beside pip.
    """
    needed = {
        "chromium": any(map(shutil.which, BROWSERS)),
        "xvfb": bool(shutil.which("Xvfb")),
        "xdotool": bool(shutil.which("xdotool")),
    }
    missing = [name for name, there in needed.items() if not there]
    if not missing:
        return None
    words = ", ".join(missing)
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print(f"Installing {words}, for the tests of windows and pages.", flush=True)
        both = f"apt-get update -qq; apt-get install -qq -y {' '.join(missing)}"
        return subprocess.Popen(["sh", "-c", both], stdout=subprocess.DEVNULL)
    print(f"Tests of windows and pages are skipped without {words}: please install.")
    return None


def run(command: list[str]) -> None:
    """Run a command of the environment; what it says it says itself, and its failure is ours."""
    if command[0] != "python":
        print(f"\n$ {' '.join(command)}", flush=True)
    status = subprocess.call([SCRIPTS / command[0], *command[1:]], cwd=HERE)
    if status:
        sys.exit(status)


def test(wide: bool) -> None:
    """Run the tests beside linter and type checker; these speak first, each by itself."""
    tests = begin([*TESTS, *([] if wide else NARROW)])
    failed = []
    for command, check in [(command, begin(command)) for command in CHECKS]:
        said, _ = check.communicate()
        print(f"\n$ {' '.join(command)}\n{said.decode()}", end="", flush=True)
        if check.returncode:
            failed.append(" ".join(command))
    if not wide:
        print("\nThe widest sweeps are left out. With them: python3 start.py test --wide")
    print("\n$ python tests/on_the_wheel.py", flush=True)
    while piece := tests.stdout.read1():
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    if failed:
        sys.exit(f"Failed, see above the tests: {', '.join(failed)}")
    sys.exit(tests.wait())


def begin(command: list[str]) -> subprocess.Popen:
    """Start a command of the environment; what it says waits in a pipe."""
    given = [SCRIPTS / command[0], *command[1:]]
    return subprocess.Popen(given, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main() -> None:
    job = sys.argv[1] if len(sys.argv) > 1 else "zoo"
    wide = sys.argv[1:] == ["test", "--wide"]
    if job not in [*JOBS, "test"] or (len(sys.argv) > 2 and not wide):
        sys.exit(__doc__)
    if sys.version_info < (3, 11):
        sys.exit(f"nca-zoo needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    screen = find_screen() if job == "test" else None
    install(job)
    try:
        if screen:
            screen.wait()
        if job == "test":
            test(wide)
        for command in JOBS[job]:
            run(command)
    except KeyboardInterrupt:  # the command has said what there is to say
        sys.exit(1)
    if job == "zoo":
        print(AFTERWARDS.format(scripts=SCRIPTS.relative_to(HERE)))


if __name__ == "__main__":
    main()
