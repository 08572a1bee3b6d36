"""The form of the pages: guides are short and begin with an example; lab notes stand apart."""

import math
import re
from pathlib import Path

import pytest

from nca_zoo_cli.main import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
GUIDES, NOTES = sorted(DOCS.glob("*.md")), sorted((DOCS / "notes").glob("*.md"))
ACROSS, MOST_LINES, MOST_IN_CELL = 120, 110, 160  # two screens; a line or two
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def cells(text):
    """What stands in the cells of a page's tables."""
    for line in FENCE.sub("", text).splitlines():
        if line.startswith("|"):
            yield from (cell.strip() for cell in line.strip("| ").split("|"))


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_a_guide_fits_on_two_screens(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(max(1, math.ceil(len(line) / ACROSS)) for line in lines) <= MOST_LINES


@pytest.mark.parametrize("path", [*GUIDES, *NOTES], ids=lambda path: path.name)
def test_no_cell_of_a_table_is_longer_than_a_line_or_two(path):
    assert [
        cell for cell in cells(path.read_text(encoding="utf-8")) if len(cell) > MOST_IN_CELL
    ] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_shows_before_it_lists(name):
    """An example, and a picture or what the command prints, stand before the first option."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    before = text[: text.index("\n| option")]
    assert re.search(rf"^nca-zoo {name}", before, re.MULTILINE)
    assert "](figures/" in before or "```text" in before or before.count("```") >= 4, name


def test_the_index_has_a_list_to_learn_from_one_to_look_up_and_one_of_notes():
    lists = re.split(r"^## ", (DOCS / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {part.split("\n")[0]: set(re.findall(r"\]\(([^)#]+\.md)", part)) for part in lists[1:]}
    learn, reference, notes = found["Learn"], found["Reference"], found["Lab notes"]
    assert not learn & reference
    assert learn | reference == {path.name for path in GUIDES} - {"README.md"}
    assert notes == {f"notes/{path.name}" for path in NOTES}


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_dates_and_machines_are_for_the_notes(path):
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|EPYC|Xeon", path.read_text(encoding="utf-8"))
