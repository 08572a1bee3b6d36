"""Every format, read back by its own library, holds what the zoo holds."""

import base64
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rows import header, record
from safetensors import safe_open

from nca_zoo import choices
from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange import exporting
from nca_zoo.exchange.distill import pack, unpack
from nca_zoo.exchange.exporting import FORMATS, export
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
GRID = (9, 7)
TEXTS = {"id", "name", "split", "init", "status", "weights_sha256", "picture_sha256"}


@pytest.fixture(scope="module")
def path(tmp_path_factory, lively_weights):
    """A zoo of five NCAs, one of which failed."""
    out = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    rows = [
        record(n, GRID, weights=lively_weights(n), seed_row=4, seed_col=3, id=f"{n % 3}-{n:03d}")
        for n in range(5)
    ]
    rows[2]["status"] = "below_gate"
    with ZooWriter(out, header()) as writer:
        writer.add(rows)
    return out


@pytest.fixture
def zoo(path):
    return open_zoo(path)


def settings_in(text):
    return json.loads(text)["regime"]["batch"]


def test_safetensors_of_all(zoo, tmp_path):
    assert export(zoo, "safetensors", tmp_path / "a" / "zoo.safetensors") == [
        tmp_path / "a" / "zoo.safetensors"
    ]
    with safe_open(tmp_path / "a" / "zoo.safetensors", framework="numpy") as file:
        about = file.metadata()
        assert set(file.keys()) == set(zoo.columns) - TEXTS | {"init_weights"}
        for name in set(zoo.columns) - TEXTS:
            np.testing.assert_array_equal(file.get_tensor(name), zoo.column(name), strict=True)
        np.testing.assert_array_equal(file.get_tensor("init_weights"), zoo.attrs["init_weights"])
    for name in TEXTS:
        assert json.loads(about[name]) == zoo.column(name).tolist()
    assert json.loads(about["class_name"]) == zoo.class_name.tolist()
    assert settings_in(about["settings"]) == 2
    assert about["licence"] == "CC0"
    assert json.loads(about["columns"])["psnr_96"].endswith("[dB]")


def test_safetensors_of_each(zoo, tmp_path):
    files = export(zoo, "safetensors", tmp_path, each=True)
    assert [file.stem for file in files] == zoo.id.tolist()
    for row, each in enumerate(files):
        with safe_open(each, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = file.metadata()
        np.testing.assert_array_equal(rule.flatten(tensors), zoo.weights[row])
        assert about["id"] == zoo.id[row]
        assert int(about["seed_row"]) == 4
        assert int(about["rng_seed"]) == zoo.rng_seed[row]
        assert settings_in(about["settings"]) == 2


def test_npz(zoo, tmp_path):
    export(zoo, "npz", tmp_path / "zoo.npz")
    with np.load(tmp_path / "zoo.npz", allow_pickle=False) as archive:
        assert set(archive) == {*zoo.columns, "class_name", "init_weights", "attributes"}
        assert archive["class_name"].tolist() == zoo.class_name.tolist()
        for name in zoo.columns:
            np.testing.assert_array_equal(archive[name], zoo.column(name))
        assert settings_in(json.loads(str(archive["attributes"]))["settings"]) == 2


def test_parquet(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "BLOCK_ROWS", 2)
    export(zoo, "parquet", tmp_path / "zoo.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "zoo.parquet")
    assert table.column_names == [*zoo.columns, "class_name"]
    assert table["class_name"].to_pylist() == zoo.class_name.tolist()
    assert str(table.schema.field("weights").type) == f"fixed_size_list<element: float>[{8336}]"
    for name in zoo.columns:
        values, field = zoo.column(name), table.schema.field(name)
        shape = tuple(json.loads(field.metadata[b"shape"]))
        assert shape == values.shape[1:]
        flat = table[name].combine_chunks()
        read = np.array(flat.flatten() if shape else flat).reshape(values.shape)
        np.testing.assert_array_equal(read, values)
    about = table.schema.metadata
    assert settings_in(about[b"settings"]) == 2
    start = np.frombuffer(about[b"init_weights"], "<f4")
    np.testing.assert_array_equal(start, zoo.attrs["init_weights"])


def test_parquet_reads_like_the_page_says(zoo, tmp_path, monkeypatch):
    export(zoo, "parquet", tmp_path / "zoo.parquet")
    export(zoo, "safetensors", tmp_path / "zoo.safetensors")
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]:
        names: dict = {}
        exec(code, names)
        np.testing.assert_array_equal(names["weights"], zoo.weights)


def test_torch(zoo, tmp_path):
    export(zoo, "torch", tmp_path / "zoo.pt")
    assert (tmp_path / "zoo.pt").stat().st_size < 1.5 * zoo.weights.nbytes  # stored once
    read = torch.load(tmp_path / "zoo.pt", weights_only=True)
    for row, nca_id in enumerate(zoo.id):
        tensors = {name: tensor.numpy() for name, tensor in read["state_dicts"][nca_id].items()}
        np.testing.assert_array_equal(rule.flatten(tensors), zoo.weights[row])
    assert read["columns"]["id"] == zoo.id.tolist()
    seeds = read["columns"]["rng_seed"].numpy().view(np.uint64)
    np.testing.assert_array_equal(seeds, zoo.rng_seed, strict=True)
    np.testing.assert_array_equal(read["init_weights"].numpy(), zoo.attrs["init_weights"])
    assert settings_in(read["attributes"]["settings"]) == 2


def test_torch_of_each_is_a_state_dict(zoo, tmp_path):
    module = torch.nn.Module()
    for name, shape in rule.PARAM_SPEC:
        module.register_parameter(name, torch.nn.Parameter(torch.zeros(shape)))
    [*_, last] = export(zoo, "torch", tmp_path, each=True)
    assert last.stat().st_size < 2 * 4 * rule.N_PARAMS  # this NCA alone
    module.load_state_dict(torch.load(last, weights_only=True))
    np.testing.assert_array_equal(module.W2.detach(), rule.unflatten(zoo.weights[-1])["W2"])


def test_the_loader_on_the_page_is_short_and_grows_the_nca(zoo, tmp_path, monkeypatch):
    code = next(c for c in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "sobel" in c)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    export(zoo, "torch", tmp_path / "zoo.pt")
    monkeypatch.chdir(tmp_path)
    fires = iter([noise.fire_mask(7, step, *GRID) for step in range(96)])
    monkeypatch.setattr(torch, "rand", lambda *_: torch.from_numpy(1.0 - next(fires)))
    names: dict = {}
    exec(code.replace("7-012", "1-004"), names)

    state = rule.seed_state(*GRID, 4, 3)
    weights = zoo.weights[zoo.index("1-004")]
    for step in range(96):
        state = rule.step(weights, state, noise.fire_mask(7, step, *GRID))
    assert state[..., 3].max() > 0.1
    np.testing.assert_allclose(names["state"][0].permute(1, 2, 0), state, rtol=1e-3, atol=1e-4)


def shader_value(layer, row, column, scale):
    """What the demo's shader reads: a texel's byte as a fraction, less 0.5, times the scale."""
    byte = base64.b64decode(layer["data_b64"])[row * layer["out_ch"] + column]
    return (byte / 255 - 0.5) * layer[scale]


def test_the_demos_json(zoo, tmp_path):
    [first, *_] = export(zoo, "distill", tmp_path, each=True)
    layers = json.loads(first.read_text())
    w = rule.unflatten(zoo.weights[0])
    for number, layer in enumerate(layers, 1):
        weight, bias = w[f"W{number}"], w[f"b{number}"]
        assert (layer["out_ch"], layer["in_ch"]) == weight.shape
        assert layer["type"] == "uint8"
        for out, into in ((0, 0), (3, 17), (15, 47)):
            near = shader_value(layer, into, out, "weight_scale")
            assert near == pytest.approx(weight[out, into], abs=layer["weight_scale"] / 509)
        near = shader_value(layer, layer["in_ch"], 5, "bias_scale")
        assert near == pytest.approx(bias[5], abs=layer["bias_scale"] / 509)


def test_the_demos_json_comes_back(lively_weights):
    weights = lively_weights(3)
    again = unpack(json.loads(json.dumps(pack(weights))))
    for name, part in rule.param_slices().items():
        error = np.abs(again[part] - weights[part]).max()
        assert error <= np.abs(weights[part]).max() / 254, name
    assert pack(again)[0]["data_b64"] == pack(weights)[0]["data_b64"]
    assert np.isfinite(unpack(pack(np.zeros(rule.N_PARAMS, np.float32)))).all()


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["in_ch", "out_ch", "type", "data_b64"]), inner)
        ),
        max_leaves=9,
    )
)
def test_what_is_no_demo_json_is_refused(layers):
    with pytest.raises(ZooError):
        unpack(layers)


def test_forms_that_are_not_there(zoo, tmp_path):
    for kind, each in (("npz", True), ("parquet", True), ("distill", False)):
        with pytest.raises(ZooError, match="no such form"):
            export(zoo, kind, tmp_path / "out", each)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named(zoo, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ZooError, match=r"needs pyarrow.*nca-zoo\[export\]"):
        export(zoo, "parquet", tmp_path / "zoo.parquet")
    assert list(tmp_path.iterdir()) == []


def test_what_is_cut_short_leaves_the_older_file(zoo, tmp_path, monkeypatch):
    out = tmp_path / "zoo.npz"
    out.write_text("older")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.np, "savez", full)
    with pytest.raises(ZooError, match=r"zoo.npz: cannot be written: No space left"):
        export(zoo, "npz", out)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("zoo.npz", "older")]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_files_have_the_usual_permissions(zoo, tmp_path, kind):
    (tmp_path / "usual").touch()
    export(zoo, kind, tmp_path / "out")
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("usual", "out")}
    assert len(modes) == 1


def run(path, *arguments, code=0):
    command = ["export", "--zoo", path, *arguments]
    result = CliRunner().invoke(group, [str(argument) for argument in command])
    assert result.exit_code == code, result.output
    return result


def test_the_command_takes_what_passed_unless_told(path, tmp_path):
    assert set(choices.FORMATS) == set(FORMATS)
    result = run(path, "--format", "npz", "--out", tmp_path / "good.npz")
    assert (
        result.stdout == f"{tmp_path / 'good.npz'}: 4 NCAs; 1 that did not pass the gate left out\n"
    )
    run(path, "--format", "npz", "--out", tmp_path / "all.npz", "--all-fits")
    with np.load(tmp_path / "good.npz") as good, np.load(tmp_path / "all.npz") as every:
        assert (len(good["id"]), len(every["id"])) == (4, 5)
    run(path, "--format", "distill", "2-002", "0-000", "--out", tmp_path / "demo")
    assert sorted(os.listdir(tmp_path / "demo")) == ["0-000.json", "2-002.json"]
    assert "no NCA '2-001'" in run(path, "--format", "distill", "2-001", code=1).stderr
    assert "no such form" in run(path, "--format", "npz", "--each", code=1).stderr


@pytest.mark.parametrize(
    "module",
    [
        "exchange.exporting",
        "exchange.importing",
        "exchange.foreign",
        "store.merging",
        "building.share",
    ],
)
def test_torch_is_for_its_own_format_alone(module):
    code = f"import sys, nca_zoo.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_files_lie_beside_the_zoo_unless_told(path):
    run(path, "--format", "torch")
    run(path, "--format", "distill", "0-000")
    assert (path.parent / "zoo.pt").exists()
    assert (path.parent / "zoo-distill" / "0-000.json").exists()
