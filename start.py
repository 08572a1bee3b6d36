"""Set up nca-zoo and do one thing with it, on a machine that has Python 3.11 or newer.

    python3 start.py explore  a small zoo of 20 NCAs, alive in the browser: touch them
    python3 start.py          a zoo of 500 NCAs, what their weights know, and one of them as a video
    python3 start.py test     the tests, the linter and the type checker; or, minutes longer,
                    --wide    with the widest sweeps: builds killed, files traced, benchmarks

What is needed is installed into the folder .venv, once. The first does without torch, which is
gigabytes and which neither growing nor looking uses; the others install it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
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
    project = (HERE / "pyproject.toml").read_bytes()
    wanted = hashlib.sha256(project).hexdigest()
    levels = ["explore", "zoo", "test"]  # each has what those before it have
    stamp = ENVIRONMENT / "installed"
    there = stamp.read_text().split() if stamp.exists() else []
    if there and there[0] == wanted and there[-1] in levels[levels.index(job) :]:
        return
    print("Installing into .venv: minutes, most of which is the download.", flush=True)
    venv.create(ENVIRONMENT, with_pip=True)
    pip = ["python", "-m", "pip", "install", "--quiet"]
    if job == "explore":
        import tomllib  # not in the older Pythons that `main` speaks to

        needed = tomllib.loads(project.decode())["project"]["dependencies"]
        run([*pip, *(name for name in needed if not name.startswith("torch"))])
        run([*pip, "--no-deps", "--editable", "."])
    else:
        run([*pip, "--editable", ".[dev]" if job == "test" else "."])
    stamp.write_text(f"{wanted} {job}")


def find_screen() -> None:
    """See that the tests of windows and pages have a browser, a screen and a mouse; or skip."""
    needed = {
        "chromium": any(map(shutil.which, BROWSERS)),
        "xvfb": bool(shutil.which("Xvfb")),
        "xdotool": bool(shutil.which("xdotool")),
    }
    missing = [name for name, there in needed.items() if not there]
    if not missing:
        return
    words = ", ".join(missing)
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print(f"Installing {words}, for the tests of windows and pages.", flush=True)
        subprocess.call(["apt-get", "update", "-qq"])
        subprocess.call(["apt-get", "install", "-qq", "-y", *missing])
    else:
        print(f"Tests of windows and pages are skipped without {words}: please install.")


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
    install(job)
    try:
        if job == "test":
            find_screen()
            test(wide)
        for command in JOBS[job]:
            run(command)
    except KeyboardInterrupt:  # the command has said what there is to say
        sys.exit(1)
    if job == "zoo":
        print(AFTERWARDS.format(scripts=SCRIPTS.relative_to(HERE)))


if __name__ == "__main__":
    main()
