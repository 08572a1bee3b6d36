"""What a release carries beside the package, in ``build/release``: ``make release``.

Two zoos, built or gone on with by the commands of ``start.py``, verified; for each its card and its
digest beside it; SHA256SUMS of all. Ends by saying where the files go, and what people then type.
"""

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OUT = CHECKOUT / "build" / "release"
sys.path.append(str(CHECKOUT))
NCA_ZOO = [sys.executable, "-P", "-m", "nca_zoo_cli.main"]


def zoos() -> dict[str, list[str]]:
    """Name of each file -> the words of `nca-zoo build` that make it."""
    import start

    return {
        "digits-500.h5": start.JOBS["zoo"][0][2:],
        "digits-20.h5": start.JOBS["explore"][0][2:],
    }


def built(words: list[str]) -> Path:
    """The zoo of a build, which is made, or gone on with, if it is not there yet."""
    subprocess.run([*NCA_ZOO, "build", *words], cwd=CHECKOUT, check=True)
    named = words[words.index("--out") + 1] if "--out" in words else "data/zoo.h5"
    return CHECKOUT / named


def pack(zoo: Path, name: str, out: Path) -> None:
    """Copy a zoo to ``out``/``name``, verify the copy, and put its card and digest beside it.

    Raises CalledProcessError, after one line on stderr, if it is no whole zoo.
    """
    out.mkdir(parents=True, exist_ok=True)
    copy = Path(shutil.copyfile(zoo, out / name))
    subprocess.run([*NCA_ZOO, "verify", copy], check=True, stdout=sys.stderr)
    card = subprocess.run(
        [*NCA_ZOO, "info", "--card", copy], check=True, capture_output=True, encoding="utf-8"
    )
    copy.with_suffix(".md").write_text(card.stdout, encoding="utf-8")
    # As sha256sum writes it, and as `--zoo https://...` reads it.
    (out / f"{name}.sha256").write_text(f"{digest(copy)}  {name}\n")


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sums(out: Path) -> None:
    """SHA256SUMS of all that lies in ``out``, for ``sha256sum --check``."""
    files = sorted(file for file in out.iterdir() if file.name != "SHA256SUMS")
    (out / "SHA256SUMS").write_text("".join(f"{digest(file)}  {file.name}\n" for file in files))


def words_of(out: Path) -> str:
    """Where the files go, and what people type then."""
    tag = f"v{version('nca-zoo')}"
    where = f"https://github.com/OWNER/nca-zoo/releases/download/{tag}"
    names = [file.name for file in sorted(out.glob("*.h5"))]
    return "\n".join([
        f"{out}: {', '.join(names)}, with card and digest each.",
        f"They are files of the release, and no commit:  gh release upload {tag} {out}/*",
        "Its notes say:",
        *(f"    nca-zoo explore {where}/{name}#sha256={digest(out / name)}" for name in names),
    ])  # fmt: skip


def main() -> None:
    """Build, pack and tell."""
    shutil.rmtree(OUT, ignore_errors=True)
    for name, words in zoos().items():
        pack(built(words), name, OUT)
    sums(OUT)
    print(words_of(OUT))


if __name__ == "__main__":
    main()
