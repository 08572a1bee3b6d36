"""Run the notebooks from top to bottom and keep their outputs, small: ``make notebooks``.

python notebooks/execute.py [--check] [NAME...]

Notebooks read ``zoo.h5`` in the folder NCA_ZOO_DATA (``data`` unless set), which the first builds
if need be. With ``--check`` nothing is written; a notebook that fails ends the run with its error.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
LONGEST_HTML = 20_000  # characters; the page of `live` is longer, and leaves its picture


def notebooks(names: list[str]) -> list[Path]:
    """The notebooks of those names, or all of them, in order."""
    return [FOLDER / name for name in names] or sorted(FOLDER.glob("*.ipynb"))


def run(path: Path, changes: Mapping[str, str] = MappingProxyType({})) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; raises nbclient's CellExecutionError if a cell fails.

    changes: what to run instead of words in its code, such as a smaller build.
    """
    notebook = nbformat.read(path, as_version=4)
    for words, others in changes.items():
        (cell,) = (cell for cell in notebook.cells if words in cell.source)
        cell.source = cell.source.replace(words, others)
    client = NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": FOLDER}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return slim(notebook)


def slim(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what makes a notebook big or different on every run: long HTML, times, progress."""
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec",)}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data.get("text/html", "")) > LONGEST_HTML:
                del data["text/html"]
    return notebook


def main() -> None:
    """Run the notebooks that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    for path in notebooks(arguments.names):
        print(path.name, flush=True)
        notebook = run(path)
        if not arguments.check:
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
