"""Columns that were added take their units and descriptions to wherever a zoo goes."""

import json

import numpy as np
import pyarrow.parquet
import pytest
import torch
from click.testing import CliRunner
from rows import header, record
from safetensors import safe_open

from nca_zoo.errors import ZooError
from nca_zoo.exchange.card import card, croissant
from nca_zoo.exchange.exporting import export
from nca_zoo.explorer.exhibit import make_exhibit
from nca_zoo.store import zoowriter
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

N = 4
ADDED = {
    "lean": np.linspace(-1, 1, N),
    "turns": np.arange(N - 1),  # the last NCA has none
    "word": ["a|b", "<b>", "é", ""],
    "whether": np.arange(N) > 1,
    "place": np.arange(2.0 * N).reshape(N, 2),
}


@pytest.fixture
def zoo(tmp_path):
    path = tmp_path / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(N)])
    zoo = open_zoo(path)
    for name, values in ADDED.items():
        some = zoo.subset(np.arange(len(values)))
        some.add(name, values, f"what {name} is", "deg|ees", made_by="by hand")
    return open_zoo(path)


def test_what_is_known(zoo):
    assert zoo.known("turns").tolist() == [True, True, True, False]
    assert zoo.known("word").tolist() == [True, True, True, False]
    assert zoo.known("lean").all()
    assert zoo.known("whether").all()
    assert zoo.known("place").shape == (N,)
    assert zoo.subset([]).known("place").shape == (0,)  # of none, none


def test_safetensors_npz_and_torch(zoo, tmp_path):
    for kind in ("safetensors", "npz", "torch"):
        export(zoo, kind, tmp_path / f"zoo.{kind}")
    with safe_open(tmp_path / "zoo.safetensors", framework="numpy") as file:
        about = file.metadata()
        for name in ("lean", "turns", "whether", "place"):
            np.testing.assert_array_equal(file.get_tensor(name), zoo.column(name))
    assert json.loads(about["word"]) == ADDED["word"]
    told = json.loads(about["columns"])["lean"]
    assert told.startswith("what lean is [deg|ees] (by hand, nca-zoo ")
    assert json.loads(about["missing"])["turns"] == np.iinfo(int).min
    with np.load(tmp_path / "zoo.npz", allow_pickle=False) as archive:
        assert archive["word"].tolist() == ADDED["word"]
        np.testing.assert_array_equal(archive["place"], zoo.place)
        attributes = json.loads(str(archive["attributes"]))
        assert "what place is" in attributes["columns"]
    read = torch.load(tmp_path / "zoo.torch", weights_only=True)
    np.testing.assert_array_equal(read["columns"]["lean"].numpy(), zoo.lean)


def test_parquet_and_csv(zoo, tmp_path):
    export(zoo, "parquet", tmp_path / "zoo.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "zoo.parquet")
    field = table.schema.field("lean").metadata
    assert field[b"units"] == b"deg|ees"
    assert field[b"description"] == b"what lean is"
    assert field[b"made_by"] == b"by hand"
    assert table.schema.field("psnr_96").metadata[b"units"] == b"dB"
    assert table["word"].to_pylist() == ADDED["word"]
    assert table["whether"].to_pylist() == [False, False, True, True]
    export(zoo, "csv", tmp_path / "zoo.csv")
    assert "lean,turns,whether,word" in (tmp_path / "zoo.csv").read_text().splitlines()[0]


def test_card_and_croissant(zoo):
    (line,) = (line for line in card(zoo).splitlines() if line.startswith("| `lean`"))
    assert line.startswith("| `lean` | float64 | deg\\|ees | what lean is (by hand, nca-zoo ")
    assert "| `place` | float64 (2) |" in card(zoo)
    fields = {field["name"]: field for field in croissant(zoo)["recordSet"][0]["field"]}
    assert "place" not in fields
    assert fields["lean"]["description"].startswith("what lean is (by hand")
    assert fields["lean"]["description"].endswith("[deg|ees]")
    assert fields["whether"]["dataType"] == "sc:Boolean"
    assert fields["word"]["dataType"] == "sc:Text"


def test_a_card_is_of_one_file(zoo, monkeypatch):
    monkeypatch.setattr(zoowriter, "SMALL_BYTES", 0)
    monkeypatch.setattr(zoowriter, "LARGE_SHARE", 0)
    zoo.add("later", np.zeros(N))
    with pytest.raises(ZooError, match=r"columns that were added lie beside it .*consolidate\(\)"):
        card(zoo)
    zoo.consolidate()
    assert "| `later`" in card(zoo)


def test_the_page_of_the_explorer(zoo):
    shown = {column["name"]: column for column in make_exhibit(zoo, ["b2"]).about["columns"]}
    assert "place" not in shown
    assert shown["lean"]["units"] == "deg|ees"
    assert shown["lean"]["description"] == "what lean is"
    assert shown["lean"]["number"]
    assert not shown["lean"]["classes"]
    assert shown["turns"]["values"] == [0, 1, 2, None]
    assert shown["label"]["classes"]
    assert shown["whether"]["values"] == ["False", "False", "True", "True"]


def test_info_says_what_was_added(zoo):
    text = CliRunner().invoke(group, ["info", "--zoo", str(zoo.path)]).stdout
    (line,) = (line for line in text.splitlines() if line.startswith("place"))
    assert "float64 (2,), deg|ees  what place is (by hand, nca-zoo " in line
    told = json.loads(CliRunner().invoke(group, ["info", "--json", "--zoo", str(zoo.path)]).stdout)
    assert [column["name"] for column in told["further"]] == sorted(ADDED)
    assert told["kept"] == []
    one = CliRunner().invoke(group, ["info", "0-000", "--zoo", str(zoo.path)]).stdout
    assert "deg|ees" in one
