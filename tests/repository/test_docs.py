"""The pages: every command and option is in one, links lead somewhere, commands can be typed."""

import ast
import re
import shlex
from itertools import chain
from pathlib import Path

import click
import nbformat
import pytest
from click.testing import CliRunner
from commands import ALL

from nca_zoo_cli.main import COMMANDS, group

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
PAGES = sorted(
    path
    for path in chain(
        REPOSITORY.glob("*.md"), *(REPOSITORY.glob(f"{name}/**/*.md") for name in ("docs", "data"))
    )
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(path):
    """What a page says, or the text cells of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors(path):
    """What `#...` can name in a page, as GitHub makes it of headings."""
    lines = FENCE.sub("", text_of(path)).splitlines()
    heads = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in heads}


def option_names(command):
    return {
        name
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_option_of_every_command_is_in_its_page(name, command):
    page = (DOCS / f"{name.split()[0]}.md").read_text()
    for option in command.params:
        if isinstance(option, click.Option):
            longest = max(option.opts, key=len)
            assert re.search(rf"{longest}(?![\w-])", page), f"{name} {longest}"


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_has_help_with_an_example(name, command):
    result = CliRunner().invoke(group, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert f"nca-zoo {name}" in result.output


def test_the_index_names_every_page_and_notebook():
    index = DOCS / "README.md"
    linked = {
        (DOCS / target.split("#")[0]).resolve()
        for target in LINK.findall(text_of(index))
        if not target.startswith("http")
    }
    wanted = {*DOCS.rglob("*.md"), *NOTEBOOKS} - {index}
    assert {path.name for path in wanted - linked} == set()


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = FENCE.sub("", text_of(path))
    for target in LINK.findall(text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_exist(path):
    inline = re.findall(r"`([\w./-]+)`", FENCE.sub("", text_of(path)))
    named = [name for name in inline if re.match(r"(nca_zoo|tests|docs|benchmarks|cli)/", name)]
    for name in named:
        assert (REPOSITORY / name).exists(), f"{path.name}: {name}"


def typed_commands(text):
    """Every `nca-zoo ...` line of the shell blocks, and of inline code, as words."""
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("", "sh", "bash")]
    lines = chain.from_iterable(body.replace("\\\n", " ").splitlines() for body in blocks)
    inline = re.findall(r"`(nca-zoo [^`]+)`", FENCE.sub("", text))
    for line in chain(lines, inline):
        if line.startswith("nca-zoo "):
            yield shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_commands_in_the_pages_can_be_typed(path):
    known = dict(ALL)
    for words in typed_commands(text_of(path)):
        if words[0] not in COMMANDS:
            assert words[0].startswith("-"), f"{path.name}: there is no nca-zoo {words[0]}"
            continue
        name = words[0] if words[0] in known else " ".join(words[:2])
        if name not in known:
            continue  # a group by itself
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        assert options <= option_names(known[name]) | {"--help"}, f"{path.name}: {name}"


def test_every_figure_is_drawn_by_one_command_and_shown_somewhere():
    """`make all-figures`: the table of make_figures.py, and the scripts that draw one kind each."""
    tree = ast.parse((DOCS / "make_figures.py").read_text())
    tables = [node for node in tree.body if isinstance(node, ast.AnnAssign)]
    table = next(node.value for node in tables if ast.unparse(node.target) == "FIGURES")
    drawn = {ast.literal_eval(key) for key in table.keys}
    kept = {path.name for path in (DOCS / "figures").iterdir() if path.is_file()}
    assert drawn <= kept
    others = {name for name in kept - drawn if not name.startswith("findings-")}
    assert others == {"draw.png", "walking-gecko.gif"}
    shown = {Path(target).name for path in PAGES for target in LINK.findall(text_of(path))}
    fits = {path.name for path in (DOCS / "figures" / "writeup").iterdir()}
    assert kept | fits <= shown
