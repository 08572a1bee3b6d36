"""A zoo among datasets: its card, Croissant, and Hugging Face's own reader of its file."""

import csv
import hashlib
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from rows import header, record

from nca_zoo.errors import ZooError
from nca_zoo.exchange.card import card, croissant
from nca_zoo.exchange.exporting import metadata_csv
from nca_zoo.store.parts import shards_folder
from nca_zoo.store.schema import Header
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

ODD = 'a "source": | of <b>no</b> #licence\\ & none: [x]'


@pytest.fixture
def zoo(tmp_path):
    with ZooWriter(tmp_path / "zoo.h5", header()) as writer:
        writer.add([record(number) for number in range(7)])
    return open_zoo(tmp_path / "zoo.h5")


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def described(header: Header, **texts) -> Header:
    for name, text in texts.items():
        object.__setattr__(header, name, text)
    return header


def test_hugging_face_reads_the_card(zoo):
    hub = pytest.importorskip("huggingface_hub")
    result = run("info", "--card", "--zoo", zoo.path)
    read = hub.DatasetCard(result.stdout)
    assert read.data.license == "cc0-1.0"
    assert read.data.size_categories == ["n<1K"]
    assert read.data.to_dict()["configs"][0]["data_files"][0]["path"] == "zoo.h5"
    assert hashlib.sha256(zoo.path.read_bytes()).hexdigest() in read.text
    for name in zoo.columns:
        assert f"| `{name}` |" in read.text


def test_a_card_of_mnist_says_whose_it_is(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    texts = {"source": "digits: 5,000 digits of MNIST (...)", "licence": "CC BY-SA 3.0"}
    with ZooWriter(tmp_path / "zoo.h5", described(header(), **texts)) as writer:
        writer.add([record(0)])
    read = hub.DatasetCard(card(open_zoo(tmp_path / "zoo.h5")))
    assert read.data.license == "cc-by-sa-3.0"
    assert "Yann LeCun, Corinna Cortes" in read.text


def test_a_card_says_what_is_visible(zoo, tmp_path):
    with ZooWriter(tmp_path / "grey.h5", header(target={"visible": "grey"})) as writer:
        writer.add([record(0)])
    grey = open_zoo(tmp_path / "grey.h5")
    for made, words in ((zoo, "RGBA, the first four"), (grey, "alpha alone, the fourth")):
        assert f"| visible channels | {words}" in card(made)
        assert f"Visible channels: {words}" in croissant(made)["description"]


def test_odd_texts_stay_texts(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    with ZooWriter(tmp_path / "z'oo: #1.h5", described(header(), source=ODD, licence=ODD)) as w:
        w.add([record(0)])
    odd = open_zoo(tmp_path / "z'oo: #1.h5")
    read = hub.DatasetCard(card(odd))
    assert read.data.license == "other"
    assert read.data.to_dict()["configs"][0]["data_files"][0]["path"] == "z'oo: #1.h5"
    assert "<b>" not in read.text.partition("| source |")[2].partition("\n")[0]
    assert croissant(odd)["license"] == ODD


def test_mlcroissant_finds_no_fault_and_reads_the_records(zoo, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        mlc = pytest.importorskip("mlcroissant")
        made = run("info", "--croissant", "--zoo", zoo.path, "--url", "https://example.org/zoo")
        (tmp_path / "croissant.json").write_text(made.stdout)
        (tmp_path / "zoo.csv").write_text(metadata_csv(zoo), newline="")
        read = mlc.Dataset(jsonld=tmp_path / "croissant.json")
        issues = read.metadata.ctx.issues
        assert (issues.errors, issues.warnings) == (set(), set())
        records = list(read.records("ncas"))
    assert [row["ncas/id"].decode() for row in records] == zoo.id.tolist()
    assert [row["ncas/rng_seed"] for row in records] == zoo.rng_seed.tolist()
    np.testing.assert_allclose([row["ncas/psnr_96"] for row in records], zoo.psnr_96, rtol=1e-6)


def test_checksums_are_those_of_the_files(zoo, tmp_path):
    result = run("export", "--format", "csv", "--all-fits", "--zoo", zoo.path)
    assert result.exit_code == 0, result.output
    for file in croissant(zoo)["distribution"]:
        content = (tmp_path / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    with (tmp_path / "zoo.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == zoo.id.tolist()
    assert [int(row["rng_seed"]) for row in rows] == zoo.rng_seed.tolist()
    assert [np.float32(row["psnr_400"]) for row in rows] == zoo.psnr_400.tolist()


def test_hugging_face_datasets_reads_the_file_itself(zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own libraries
        datasets = pytest.importorskip("datasets")
        (tmp_path / "dataset").mkdir()
        (tmp_path / "dataset" / "README.md").write_text(card(zoo))
        zoo.path.rename(tmp_path / "dataset" / "zoo.h5")
        read = datasets.load_dataset(
            str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache")
        ).with_format("numpy")
    again = open_zoo(tmp_path / "dataset" / "zoo.h5")
    assert set(read.column_names) == set(again.columns)
    np.testing.assert_array_equal(np.stack(read["weights"]), again.weights)
    np.testing.assert_array_equal(np.stack(read["target"]), again.target)
    assert list(map(_text, read["id"])) == again.id.tolist()
    assert [int(seed) for seed in read["rng_seed"]] == again.rng_seed.tolist()


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def test_an_unfinished_zoo_is_no_dataset_yet(zoo):
    shards_folder(zoo.path).mkdir()
    (shards_folder(zoo.path) / "00000001.h5").write_bytes(zoo.path.read_bytes())
    for write in (card, croissant):
        with pytest.raises(ZooError, match="not finished"):
            write(zoo)


def test_one_thing_at_a_time(zoo):
    assert run("info", "--card", "--croissant", "--zoo", zoo.path).exit_code == 2
    assert run("info", "0-000", "--card", "--zoo", zoo.path).exit_code == 2
    assert run("info", "0-000", "--json", "--zoo", zoo.path).exit_code == 0
