"""All pages as a site, with search, the API from docstrings, and a zoo that lives: ``make site``.

python docs/make_site.py [FOLDER] [--zoo ZOO]     # build/site and data/twenty.h5 unless given

The site's source is a copy of the repository's pages in their folders, so that links work alike on
GitHub and here; its navigation is the index in docs/README.md. Needs ``pip install -e .[docs]`` and
no network. Fails on any warning.
"""

import argparse
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = "nca_zoo"
PAGES = (  # what is copied, from the checkout's root
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "data/README.md",
    "docs/**/*.md", "docs/figures/**/*", "docs/draw_gecko.py", "benchmarks/results/*.md",
)  # fmt: skip
LIVING = "explorer/twenty.html"  # a file of its own, which the page beside it shows
EXPLORER = f"""\
# Twenty, alive

Click a digit and it grows from one cell; touch it to wound it. It needs no network:
[the page by itself]({Path(LIVING).name}), as `nca-zoo explore --html` writes it
([explore](../docs/explore.md)).

<iframe src="{Path(LIVING).name}" title="Twenty NCAs, alive"
  style="width: 100%; height: 85vh; border: 0"></iframe>
"""
SMALL = ["build", "--digits", "0-9", "--per-class", "2", "--out"]  # as start.py explore


def nca_zoo(*words: object) -> None:
    """Run a command of nca-zoo."""
    command = [sys.executable, "-m", "nca_zoo_cli.main", *map(str, words)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def copy_pages(source: Path) -> None:
    """The pages, pictures and notebooks, in the folders that they have in the checkout."""
    for pattern in PAGES:
        for path in filter(Path.is_file, CHECKOUT.glob(pattern)):
            copy = source / path.relative_to(CHECKOUT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":  # notebooks become pages
                text = path.read_text(encoding="utf-8").replace(".ipynb)", ".md)")
                copy.write_text(text, encoding="utf-8")
            else:
                shutil.copyfile(path, copy)


def copy_notebooks(source: Path) -> None:
    """Every notebook as a page: its text, its code, and what it showed when it was last run."""
    for path in sorted((CHECKOUT / "notebooks").glob("*.ipynb")):
        page = source / "notebooks" / f"{path.stem}.md"
        page.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, page.with_name(path.name))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        title, _, text = "".join(cells[0]["source"]).partition("\n")
        parts = [title, f"[The notebook itself]({path.name}), to run.", text]
        pictures = itertools.count()
        for cell in cells[1:]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(text.replace(".ipynb)", ".md)"))
            else:
                parts.append(f"```python\n{text}\n```")
                parts += [shown(output, page, pictures) for output in cell["outputs"]]
        page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def shown(output: dict[str, Any], page: Path, pictures: Iterator[int]) -> str:
    """One output of a cell as Markdown; a picture goes into a file beside the page."""
    data = output.get("data", {})
    if "image/png" in data:
        file = page.with_name(f"{page.stem}-{next(pictures)}.png")
        file.write_bytes(base64.b64decode("".join(data["image/png"])))
        return f"![]({file.name})"
    if "text/html" in data:
        return re.sub(r"<style.*?</style>\n*", "", "".join(data["text/html"]), flags=re.DOTALL)
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```"


def rooms() -> Iterator[tuple[str, list[str]]]:
    """Every room of the package with its modules, and first what stands at the root."""
    root = CHECKOUT / PACKAGE
    yield PACKAGE, _modules(root, "*.py")
    for folder in sorted(path.parent for path in root.glob("*/__init__.py")):
        yield f"{PACKAGE}.{folder.name}", _modules(folder, "**/*.py")


def _modules(folder: Path, pattern: str) -> list[str]:
    """The modules there by their full names, the room itself first."""
    names = {
        ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
        for path in folder.glob(pattern)
        if path.name == "__init__.py" or not path.name.startswith("_")
    }
    return sorted(names)


def write_api(source: Path) -> list[dict[str, str]]:
    """A page for each room, which mkdocstrings fills; returns the entries of the navigation."""
    entries = []
    for room, modules in rooms():
        name = room.removeprefix(f"{PACKAGE}.")
        page = source / "api" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        parts = [f"# `{room}`\n", *(f"::: {module}\n" for module in modules)]
        page.write_text("\n".join(parts), encoding="utf-8")
        entries.append({name: f"api/{name}.md"})
    return entries


def lists_of(index: str) -> dict[str, list[dict[str, str]]]:
    """The index's lists, each with its links as entries of the navigation."""
    found: dict[str, list[dict[str, str]]] = {}
    for part in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        links = re.findall(r"\[([^\]]+)\]\(([^)#]+\.(?:md|ipynb))\)", part)
        pages = [{name: os.path.normpath(f"docs/{target}")} for name, target in links]
        if pages:
            found[part.split("\n")[0]] = pages
    return found


def navigation(source: Path) -> list[dict[str, Any]]:
    """What stands in the site's menus; writes the pages of the API on the way."""
    lists = lists_of((source / "docs" / "README.md").read_text(encoding="utf-8"))
    project = {"Contributing": "CONTRIBUTING.md", "Changes": "CHANGELOG.md"}
    return [
        {"Home": "README.md"},
        {"Twenty, alive": "explorer/index.md"},
        {"All pages": "docs/README.md"},
        *({name: pages} for name, pages in lists.items()),
        {"API": write_api(source)},
        {"Project": [{name: page} for name, page in project.items()]},
    ]


def write_explorer(source: Path, zoo: Path) -> None:
    """The page in which a zoo lives, and the single file that it shows; a missing zoo is built."""
    if not zoo.exists():
        nca_zoo(*SMALL, zoo)
    living = source / LIVING
    living.parent.mkdir()
    nca_zoo("explore", "--zoo", zoo, "--html", living)
    living.with_name("index.md").write_text(EXPLORER, encoding="utf-8")


def main() -> None:
    """Copy, write what is made, and let MkDocs build."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/site"))
    parser.add_argument("--zoo", type=Path, default=Path("data/twenty.h5"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nca-zoo-site-") as name:
        source = Path(name, "pages")
        copy_pages(source)
        copy_notebooks(source)
        write_explorer(source, given.zoo)
        settings = {
            "INHERIT": str(CHECKOUT / "mkdocs.yml"),
            "docs_dir": str(source),
            "site_dir": str(given.folder.resolve()),
            "nav": navigation(source),
        }
        file = Path(name, "mkdocs.yml")
        file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", file]
        code = subprocess.call(
            [str(word) for word in command], env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        )
    if code:
        sys.exit(code)
    print(given.folder / "index.html")


if __name__ == "__main__":
    main()
