"""Weights from files that others wrote: told by shape, never run, refused in a line."""

import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange import foreign
from nca_zoo.exchange.distill import pack
from nca_zoo.exchange.foreign import PERCEPTIONS, read_weights, weights_of
from nca_zoo_cli.import_ import PERCEPTIONS as OFFERED


class Depthwise(torch.nn.Module):
    """An NCA as the public torch ports have it: a grouped convolution sees, 1 x 1 ones decide."""

    def __init__(self, bias=True):
        super().__init__()
        self.w1 = torch.nn.Conv2d(48, 128, 1)
        self.w2 = torch.nn.Conv2d(128, 16, 1, bias=bias)
        identity, sobel = torch.zeros(3, 3), torch.outer(torch.tensor([1.0, 2, 1]), torch.ones(3))
        identity[1, 1], sobel = 1, sobel * torch.tensor([-1.0, 0, 1]) / 8
        kernel = torch.stack([identity, sobel, sobel.T])[:, None].repeat(16, 1, 1, 1)
        self.register_buffer("kernel", kernel)

    def forward(self, x):
        seen = torch.nn.functional.conv2d(x, self.kernel, padding=1, groups=16)
        return x + self.w2(self.w1(seen).relu())


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Depthwise()


def test_a_depthwise_port_in_torch_does_the_same_here(model, tmp_path):
    torch.save({"model_state_dict": model.state_dict(), "epoch": 7}, tmp_path / "port.pt")
    weights = read_weights(tmp_path / "port.pt", "interleaved", ["kernel"])
    state = noise.uniform(5, 6 * 7 * 16).reshape(6, 7, 16).astype(np.float32) + 0.5
    ours = rule.step(weights, state, np.ones((6, 7), bool))  # every cell lives and fires
    with torch.no_grad():
        theirs = model(torch.from_numpy(state).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    alive = rule.alive(theirs)[..., None]
    np.testing.assert_allclose(ours, theirs * alive, rtol=1e-4, atol=1e-5)
    assert alive.any()


@pytest.mark.parametrize("name", ["nca.safetensors", "nca.pt", "nca.json"])
def test_our_own_weights_come_back(tmp_path, lively_weights, name):
    weights = lively_weights(2)
    path = tmp_path / name
    tensors = {n: np.ascontiguousarray(w) for n, w in rule.unflatten(weights).items()}
    if name == "nca.json":
        path.write_text(json.dumps(pack(weights)))
        np.testing.assert_allclose(read_weights(path, "interleaved"), weights, atol=2e-3)
        return
    if name == "nca.pt":
        torch.save({n: torch.from_numpy(w).requires_grad_() for n, w in tensors.items()}, path)
    else:
        save_file(tensors, path)
    np.testing.assert_array_equal(read_weights(path), weights)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_layouts_of_other_libraries(lively_weights, dtype):
    w = rule.unflatten(lively_weights(1).astype(dtype))
    tensorflow = {"kernel:0": w["W1"].T[None, None], "bias:0": w["b1"],
                  "kernel:1": w["W2"].T[None, None], "bias:1": w["b2"][None]}  # fmt: skip
    np.testing.assert_array_equal(weights_of(tensorflow), rule.flatten(w).astype(np.float32))
    del tensorflow["bias:1"]
    found = rule.unflatten(weights_of(tensorflow))
    assert (found["b2"] == 0).all()
    np.testing.assert_array_equal(found["W2"], w["W2"].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"W1": np.zeros((128, 27))},
            r"nothing of shape \(128, 48\) for W1; it holds 'W1' \(128, 27\)",
        ),
        ({"m": np.zeros((48, 128))}, "could be 'W1' or 'm'; leave one out with --ignore"),
        ({"sobel": np.zeros((48, 1, 3, 3))}, r"'sobel' \(48, 1, 3, 3\) beyond the rule's four"),
        ({"b1": np.full(128, np.nan)}, "not finite"),
        ({"W2": np.zeros((16, 128), int)}, "floating-point"),
    ],
)
def test_tensors_that_do_not_fit_are_named(lively_weights, change, words):
    with pytest.raises(ZooError, match=words):
        weights_of(rule.unflatten(lively_weights(1)) | change)


def test_only_a_tensor_that_is_there_can_be_ignored(lively_weights):
    with pytest.raises(ZooError, match="no tensor 'x' to ignore"):
        weights_of(rule.unflatten(lively_weights(1)), ignore=["x"])


def test_perceptions_are_those_that_are_offered(lively_weights):
    assert OFFERED == PERCEPTIONS
    with pytest.raises(ZooError, match="perception is 'other'; it must be blocks or interleaved"):
        weights_of(rule.unflatten(lively_weights(1)), "other")


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code from the file was run",))


def test_a_file_never_runs_code(tmp_path):
    torch.save({"W1": Trap()}, tmp_path / "trap.pt")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pt", "plain.pth"):
        with pytest.raises(ZooError, match="without running code"):
            read_weights(tmp_path / name)


def test_a_whole_model_is_refused_with_advice(tmp_path):
    torch.save(torch.nn.Linear(3, 3), tmp_path / "model.pt")
    with pytest.raises(ZooError, match=r"save model\.state_dict\(\) rather than the model"):
        read_weights(tmp_path / "model.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ZooError, match="expected a state dict of named tensors, found list"):
        read_weights(tmp_path / "list.pt")


def test_files_that_are_none(tmp_path, monkeypatch):
    for name, words in {
        "nowhere.pt": "no such file",
        "nca.h5": "the name must end in one of .safetensors",
    }.items():
        with pytest.raises(ZooError, match=words):
            read_weights(tmp_path / name)
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(ZooError, match=r"folder.pt: cannot be read"):
        read_weights(tmp_path / "folder.pt")
    monkeypatch.setattr(foreign, "MAX_BYTES", 1 << 20)
    (tmp_path / "huge.json").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ZooError, match="larger than 1 MB"):
        read_weights(tmp_path / "huge.json")


@settings(max_examples=60)
@given(data=st.data(), suffix=st.sampled_from([".safetensors", ".pt", ".json"]))
def test_damaged_files_are_one_line(data, suffix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / f"nca{suffix}"
    tensors = {name: np.zeros(shape, np.float32) for name, shape in rule.PARAM_SPEC}
    if suffix == ".json":
        path.write_text(json.dumps(pack(rule.flatten(tensors))))
    elif suffix == ".pt":
        torch.save({name: torch.from_numpy(w) for name, w in tensors.items()}, path)
    else:
        save_file(tensors, path)
    damaged = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, 999), max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        assert read_weights(path).shape == (rule.N_PARAMS,)
    except ZooError as error:
        assert str(error).startswith(str(path))
        assert str(error).isprintable()
