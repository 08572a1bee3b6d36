"""Files of every kind that is read: as others wrote them, damaged, hostile, and of other sorts."""

import io
import json
import pickle
import re
import shutil
import sys
import zipfile
from pathlib import Path

import h5py
import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import header, record
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from nca_zoo.automaton import rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange import readers
from nca_zoo.exchange.distill import pack
from nca_zoo.exchange.exporting import export
from nca_zoo.exchange.foreign import read_ncas, read_weights
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter

TRIALS = Path(__file__).parent / "trials"
CAX = {"rgba": "last", "step_size": 2.0}


def _tensors(weights):
    return {name: np.ascontiguousarray(w) for name, w in rule.unflatten(weights).items()}


def _torchs(weights):
    return {name: torch.from_numpy(w) for name, w in _tensors(weights).items()}


def _keras(path, weights):
    """As Keras lays out a model's weights in HDF5."""
    w = rule.unflatten(weights)
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = "tensorflow"
        for layer, (kernel, bias) in {"conv2d": ("W1", "b1"), "conv2d_1": ("W2", "b2")}.items():
            file[f"sequential/{layer}/kernel:0"] = w[kernel].T[None, None]
            file[f"sequential/{layer}/bias:0"] = w[bias]
        file["optimizer/vars/0"] = w["W1"].T[None, None]
        file["top_level_model_weights"] = h5py.SoftLink("/sequential")


def _flax(path, weights):
    """As Flax packs arrays: shape, type and bytes, in an extension of kind 1."""

    def packed(array):
        told = (array.shape, array.dtype.name, array.tobytes())
        return msgpack.ExtType(1, msgpack.packb(told))

    w = {name: packed(tensor) for name, tensor in _tensors(weights).items()}
    path.write_bytes(msgpack.packb({"params": w, "step": 3}))


WRITERS = {
    "nca.safetensors": lambda path, w: save_file(_tensors(w), path),
    "nca.npz": lambda path, w: np.savez(path, **_tensors(w)),
    "small.npz": lambda path, w: np.savez_compressed(path, **_tensors(w), at=np.array("here")),
    "nca.pt": lambda path, w: torch.save(_torchs(w), path),
    "old.pth": lambda path, w: torch.save(
        {n: t.requires_grad_() for n, t in _torchs(w).items()},
        path,
        _use_new_zipfile_serialization=False,
    ),
    "nca.weights.h5": _keras,
    "nca.msgpack": _flax,
}


@pytest.mark.parametrize("name", WRITERS)
def test_weights_come_back_bit_by_bit(tmp_path, lively_weights, name):
    weights = lively_weights(2)
    WRITERS[name](tmp_path / name, weights)
    found = read_weights(tmp_path / name, perception="blocks")
    np.testing.assert_array_equal(found, weights)


def test_the_demos_json_comes_back_in_eight_bits(tmp_path, lively_weights):
    (tmp_path / "nca.json").write_text(json.dumps(pack(lively_weights(2))))
    np.testing.assert_allclose(read_weights(tmp_path / "nca.json"), lively_weights(2), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "told"),
    [("0100.index", {}), ("0100.json", {}), ("cax.npz", CAX), ("cax.msgpack", CAX)],
)
def test_what_tensorflow_and_cax_wrote_is_the_same_nca(name, told):
    """See trials/README.md: each of these grew the same picture where it was written."""
    found = read_weights(TRIALS / name, **told)
    np.testing.assert_array_equal(found, read_weights(TRIALS / "nca.npz"))


@pytest.mark.parametrize("name", ["nca.safetensors", "nca.pt", "nca.msgpack"])
def test_bfloat16_is_read_for_what_it_is(tmp_path, lively_weights, name):
    halved = {n: t.bfloat16() for n, t in _torchs(lively_weights(2)).items()}
    if name.endswith("pt"):
        torch.save(halved, tmp_path / name)
    elif name.endswith("safetensors"):
        save_torch_file(halved, tmp_path / name)
    else:
        bits = {n: t.view(torch.int16).numpy() for n, t in halved.items()}
        told = {n: (b.shape, "bfloat16", b.tobytes()) for n, b in bits.items()}
        held = {n: msgpack.ExtType(1, msgpack.packb(one)) for n, one in told.items()}
        (tmp_path / name).write_bytes(msgpack.packb(held))
    found = rule.unflatten(read_weights(tmp_path / name))
    for tensor, expected in halved.items():
        np.testing.assert_array_equal(found[tensor], expected.float().numpy())


def _renamed(path, old, new):
    """A torch file whose pickle names other modules, as older libraries wrote it."""
    with zipfile.ZipFile(path) as parts:
        held = {part.filename: parts.read(part) for part in parts.infolist()}
    with zipfile.ZipFile(path, "w") as parts:
        for name, data in held.items():
            parts.writestr(name, data.replace(old, new) if name.endswith(".pkl") else data)


@pytest.mark.parametrize("numpy_1", [False, True])
def test_numbers_and_arrays_of_numpy_beside_tensors(tmp_path, lively_weights, numpy_1):
    w = _torchs(lively_weights(2))
    logs = {"loss": np.float64(0.5), "best": np.float32(1), "step": np.int64(3), "on": np.bool_(1),
            "losses": np.arange(9.0), "names": np.array(["a", "bc"])}  # fmt: skip
    torch.save({"model": w, **logs}, tmp_path / "nca.pt")
    if numpy_1:
        _renamed(tmp_path / "nca.pt", b"numpy._core.", b"numpy.core.")
    np.testing.assert_array_equal(read_weights(tmp_path / "nca.pt"), lively_weights(2))
    torch.save({"model": w, "objects": np.array([Trap()], object)}, tmp_path / "trap.pt")
    with pytest.raises(ZooError, match="without running code"):
        read_weights(tmp_path / "trap.pt")


@pytest.fixture
def zoo(tmp_path, lively_weights):
    path = tmp_path / "zoo.h5"
    grey = {"alpha": "ink", "visible": "grey"}
    with ZooWriter(path, header(target=grey)) as writer:
        writer.add([record(number, weights=lively_weights(number)) for number in (7, 8, 9)])
    return open_zoo(path)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "torch"])
def test_a_whole_zoo_as_we_export_it_comes_back_by_its_ids(tmp_path, zoo, kind):
    for some in (zoo, zoo.subset([1])):
        (file,) = export(some, kind, tmp_path / f"whole.{'pt' if kind == 'torch' else kind}")
        ncas = read_ncas(file)
        assert [n.name for n in ncas] == (some.id.tolist() if len(some) > 1 else ["whole"])
        assert {nca.visible for nca in ncas} == {"grey"}
        for nca, weights in zip(ncas, some.weights, strict=True):
            np.testing.assert_array_equal(nca.weights(nca.usual), weights)


def test_stacked_weights_without_ids_are_numbered(tmp_path, lively_weights):
    both = np.stack([lively_weights(1), lively_weights(2)])
    np.savez(tmp_path / "two.npz", anything=both)
    ncas = read_ncas(tmp_path / "two.npz")
    assert [nca.name for nca in ncas] == ["two-0", "two-1"]
    np.testing.assert_array_equal(ncas[1].weights(ncas[1].usual), both[1])


def test_a_zoo_itself_is_for_merge(zoo):
    with pytest.raises(ZooError, match=r"zoo\.h5: a zoo: `nca-zoo merge` puts it into another"):
        read_weights(zoo.path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code from the file was run",))


def test_a_file_never_runs_code(tmp_path):
    torch.save({"W1": Trap()}, tmp_path / "trap.pt")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pt", "plain.pth"):
        with pytest.raises(ZooError, match="without running code"):
            read_weights(tmp_path / name)
    np.savez(tmp_path / "trap.npz", W1=np.array([Trap()], object))
    with pytest.raises(ZooError, match="array of Python objects"):
        read_weights(tmp_path / "trap.npz")


def test_a_torch_that_is_not_safe_reads_no_torch_files(tmp_path, monkeypatch, lively_weights):
    torch.save(_torchs(lively_weights(1)), tmp_path / "nca.pt")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    for version in ("2.9.1+cu130", "2.5.0"):
        monkeypatch.setattr(torch, "__version__", version)
        with pytest.raises(ZooError, match=re.escape(version) + r" .*pip install 'torch>=2\.10'"):
            read_weights(tmp_path / "nca.pt")


def test_a_whole_model_is_refused_with_advice(tmp_path):
    torch.save(torch.nn.Linear(3, 3), tmp_path / "model.pt")
    with pytest.raises(ZooError, match=r"save model\.state_dict\(\) rather than the model"):
        read_weights(tmp_path / "model.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ZooError, match="expected a state dict of named tensors, found list"):
        read_weights(tmp_path / "list.pt")


def _claiming(shape):
    """An array's header in an NPZ file, with nothing behind it."""
    head = io.BytesIO()
    told = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, told)
    return head.getvalue()


def test_what_claims_to_be_huge_is_not_believed(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as parts:
        parts.writestr("W1.npy", _claiming((1 << 40, 128)))
    with pytest.raises(ZooError, match="larger than its file"):
        read_weights(tmp_path / "claims.npz")
    monkeypatch.setattr(readers, "MAX_BYTES", 1 << 20)
    zeros = np.zeros((1 << 20, 2), np.float32)
    np.savez_compressed(tmp_path / "bomb.npz", W1=zeros)
    torch.save({"W1": torch.zeros(1).expand(1 << 30)}, tmp_path / "spread.pt")
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file["W1"] = zeros
    (tmp_path / "huge.json").write_bytes(bytes((1 << 20) + 1))
    for name in ("bomb.npz", "spread.pt", "bomb.h5", "huge.json"):
        with pytest.raises(ZooError, match=f"{re.escape(name)}: larger than 1 MB"):
            read_weights(tmp_path / name)


def test_hdf5_that_names_other_files_is_not_followed(tmp_path, lively_weights):
    _keras(tmp_path / "nca.h5", lively_weights(1))
    (tmp_path / "secret").write_bytes(bytes(6144 * 4))
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("nca.h5", "/sequential")
        secret = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("outside", (128, 48), "f4", external=secret)
    with pytest.raises(ZooError, match="'outside': its data lie in other files, which are not"):
        read_weights(tmp_path / "names.h5")
    with h5py.File(tmp_path / "names.h5", "a") as file:
        del file["outside"]
        file.create_dataset("bomb", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    with pytest.raises(ZooError, match="'bomb': compressed or filtered"):
        read_weights(tmp_path / "names.h5")
    with h5py.File(tmp_path / "names.h5", "a") as file:
        del file["bomb"]
    with pytest.raises(ZooError, match="it holds no tensors"):
        read_weights(tmp_path / "names.h5")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "expected a list of two layers"),
        ({"modelTopology": 3}, "neither an NCA of the Distill demo nor a graph of TensorFlow"),
        ({"modelTopology": {"node": []}, "weightsManifest": [1]}, "weights lie in other files"),
        ({"modelTopology": {"node": []}, "weightsManifest": []}, "nothing of shape"),
        ("text", "expected a list of two layers"),
    ],
)
def test_json_of_others(tmp_path, value, words):
    (tmp_path / "other.json").write_text(json.dumps(value))
    with pytest.raises(ZooError, match=words):
        read_weights(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtype": "DT_HALF"}, "is of type 'DT_HALF', not of float32"),
        ({"tensorContent": "AAAA"}, "cannot be read"),
        ({"tensorContent": "AAAAAA=="}, "is cut short or damaged"),
        ({"tensorShape": {"dim": [{"size": str(10**30)}]}}, "is cut short or damaged"),
    ],
)
def test_a_graph_whose_constants_lie(tmp_path, change, words):
    graph = json.loads((TRIALS / "0100.json").read_text())
    nodes = graph["modelTopology"]["node"]
    big = max(nodes, key=lambda node: len(json.dumps(node)))
    big["attr"]["value"]["tensor"] |= change
    (tmp_path / "lies.json").write_text(json.dumps(graph))
    with pytest.raises(ZooError, match=words):
        read_weights(tmp_path / "lies.json")


def test_a_graph_that_goes_in_circles_or_says_things_in_short(tmp_path, lively_weights):
    w = rule.unflatten(lively_weights(1))
    nodes = []
    for number, (kernel, bias) in enumerate((("W1", "b1"), ("W2", "b2"))):
        for op, name in (("Conv2D", kernel), ("BiasAdd", bias)):
            tensor = w[name].T[None, None] if op == "Conv2D" else np.zeros_like(w[name])
            shape = {"dim": [{"size": str(side)} for side in tensor.shape]}
            told = {"floatVal": tensor.ravel().tolist() if op == "Conv2D" else [0.25]}
            value = {"tensor": {"dtype": "DT_FLOAT", "tensorShape": shape} | told}
            nodes += [{"op": "Const", "name": name, "attr": {"value": value}},
                      {"op": op, "name": f"{op}{number}", "input": ["x", name]}]  # fmt: skip
    nodes += [{"op": "Identity", "name": "a", "input": ["b"]},
              {"op": "Identity", "name": "b", "input": ["a"]},
              {"op": "MatMul", "name": "c", "input": ["x", "a"]}]  # fmt: skip
    (tmp_path / "short.json").write_text(json.dumps({"modelTopology": {"node": nodes}}))
    found = rule.unflatten(read_weights(tmp_path / "short.json", perception="blocks"))
    np.testing.assert_array_equal(found["W1"], w["W1"])
    assert (found["b1"] == 0.25).all()


def test_files_that_are_none(tmp_path):
    (tmp_path / "folder.pt").mkdir()
    for name, words in {
        "nowhere.pt": "no such file",
        "nca.txt": "the name must end in one of .safetensors",
        "train_log/0100": "the name must end in one of",
        "folder.pt": "a folder; what Orbax keeps",
    }.items():
        with pytest.raises(ZooError, match=words):
            read_weights(tmp_path / name)


@pytest.mark.parametrize("module", ["safetensors", "msgpack"])
def test_a_library_that_is_missing_is_named(tmp_path, lively_weights, monkeypatch, module):
    name = f"nca.{module}"
    WRITERS[name](tmp_path / name, lively_weights(1))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ZooError, match=f"needs {module}, which is not installed"):
        read_weights(tmp_path / name)


@pytest.mark.wide
@settings(max_examples=200)
@given(data=st.data(), name=st.sampled_from([*WRITERS, "nca.json", "0100.json"]))
def test_damaged_files_are_one_line(data, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / name
    zeros = np.zeros(rule.N_PARAMS, np.float32)
    if name == "0100.json":
        shutil.copy(TRIALS / name, path)
    elif name == "nca.json":
        path.write_text(json.dumps(pack(zeros)))
    else:
        WRITERS[name](path, zeros)
    damaged = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(-999, 2999), max_size=4)):  # headers and trailers
        damaged[place % len(damaged)] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.one_of(st.none(), st.floats(0, 1)))
    path.write_bytes(damaged[: None if cut is None else int(cut * len(damaged))])
    try:
        assert read_weights(path).shape == (rule.N_PARAMS,)
    except ZooError as error:
        assert str(error).startswith(str(path))
        assert str(error).isprintable()
