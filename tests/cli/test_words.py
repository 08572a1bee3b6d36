"""Words become a command, its zoo and the rest: wherever the zoo stands, whatever is misspelt."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner
from commands import ALL
from rows import header, record

from nca_zoo.errors import ZooError, nearest
from nca_zoo.probing.quantities import quantity
from nca_zoo.probing.splits import can_be_probed, cross_validation
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.build import _next
from nca_zoo_cli.groups import zoo_named
from nca_zoo_cli.main import group


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made(tmp_path_factory.mktemp("zoo") / "a zoo.h5", 6)


def made(path, count, **changes):
    with ZooWriter(path, header()) as writer:
        writer.add([record(number, **changes) for number in range(count)])
    return path


def run(*words, code=0):
    result = CliRunner().invoke(group, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("words", [
    "info 1-001 --json ZOO", "info ZOO 1-001 --json", "info --json ZOO 1-001",
    "ZOO info 1-001 --json",
    "info 1-001 --zoo ZOO --json", "--zoo ZOO info 1-001 --json", "--zoo=ZOO info 1-001 --json",
    "info --json -- ZOO 1-001",
])  # fmt: skip
def test_the_zoo_may_stand_anywhere(path, words):
    said = run(*[word.replace("ZOO", str(path)) for word in words.split()])
    assert json.loads(said.stdout)["id"] == "1-001"


@pytest.mark.wide
def test_subcommands_and_values_of_options(path, tmp_path):
    for words in (("symmetry", path, "align", "1-001"), ("symmetry", "align", "1-001", path)):
        assert run(*words).stdout.startswith("1-001 lies ")
    out = tmp_path / "out.h5"  # the value of an option, and no zoo
    run("export", "--format", "npz", "--out", out, path, "1-001")
    run("export", "--format", "npz", f"--out={out}", "1-001", path)
    assert out.exists()


@pytest.mark.parametrize("words", ["info a.h5 b.h5", "info a.h5 --zoo b.h5", "a.h5 info a.h5"])
def test_two_zoos_are_one_too_many(words):
    assert "info takes one zoo, and 2 are named" in run(*words.split(), code=2).stderr


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_that_reads_a_zoo_takes_it_as_an_argument(name, command):
    takes = any("--zoo" in param.opts for param in command.params)
    assert takes or name in ("merge", "import", "fit", "draw", "metastart")  # theirs are others
    context = click.Context(command, info_name=name)
    words = zoo_named(command, context, ["x", "a.h5"])
    assert words == (["--zoo", "a.h5", "x"] if takes else ["x", "a.h5"])


@pytest.mark.parametrize(("words", "says"), [
    ("shwo 7-012", "no command 'shwo'; the nearest are show"),
    ("mix srvey", "no command 'srvey'; the nearest are survey"),
    ("mix 0-000 0-001", "did you mean `nca-zoo mix line 0-000 0-001`?"),
    ("symmetry 0-000 --json", "did you mean `nca-zoo symmetry align 0-000`?"),
    ("mix zzz", "no command 'zzz'; there are line, survey"),
    ("data/zoo.h5", "name a command, as in `nca-zoo info data/zoo.h5`"),
])  # fmt: skip
def test_a_misspelt_command_is_answered(words, says):
    said = CliRunner().invoke(group, words.split(), prog_name="nca-zoo")
    assert said.exit_code == 2
    assert says in said.stderr


def test_the_beginning_of_an_id_is_answered_with_ids(path):
    said = run("show", "1", path, code=1).stderr
    assert said == f"Error: {path}: no NCA '1'; the nearest are 1-000, 1-001\n"
    assert nearest("", ["a"]) == nearest("q", ["a"]) == ""
    assert nearest("7-0", ["17-0", "7-001"]) == "; the nearest are 7-001, 17-0"


@pytest.mark.parametrize(("count", "changes"), [
    (6, {}), (18, {}), (24, {}), (24, {"status": "below_gate"}), (24, {"label": -1}),
    (24, {"label": 1, "id": None}),
])  # fmt: skip
def test_what_build_suggests_next_works(tmp_path, count, changes):
    path = tmp_path / "a zoo.h5"
    with ZooWriter(path, header()) as writer:
        rows = [record(number) for number in range(count)]
        named = [{"id": row["id"]} if "id" in changes else {} for row in rows]
        writer.add([row | changes | name for row, name in zip(rows, named, strict=True)])
    zoo = open_zoo(path)
    first, second = (half.split("nca-zoo ")[1] for half in _next(zoo).split(" or "))
    assert f"'{path}'" in first
    good = zoo.subset(zoo.good)
    good = good.subset(np.flatnonzero(good.label >= 0))
    try:
        cross_validation(quantity(good, "class"), good.picture_numbers(), 5, 1, 0)
        possible = True
    except ZooError:
        possible = False
    assert first.startswith("probe " if possible else "explore ")
    assert can_be_probed(zoo.subset(zoo.good)) is possible
    assert possible is (count == 24 and not changes)
    assert second.split()[1] in zoo.id


@pytest.mark.parametrize(("words", "offers"), [
    ("show ZOO 1-", ["1-000", "1-001"]), ("show --zoo ZOO 2-000 1-00", ["1-000", "1-001"]),
    ("ZOO mix line 2-0", ["2-000", "2-001"]), ("show missing.h5 1", []), ("sho", ["show"]),
])  # fmt: skip
def test_shells_complete_commands_and_ids(path, words, offers):
    line = words.replace("ZOO", "'" + str(path) + "'")
    asked = {"COMP_WORDS": f"nca-zoo {line}", "COMP_CWORD": str(len(words.split()))}
    asked |= {"_NCA_ZOO_COMPLETE": "bash_complete"}
    said = CliRunner().invoke(group, env=asked, prog_name="nca-zoo")
    assert [line.split(",")[1] for line in said.stdout.split()] == offers
