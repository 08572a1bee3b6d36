"""NCAs among the tensors that others wrote: told by shape, whatever their names."""

import numpy as np
import pytest
import torch

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange.foreign import read_ncas, read_weights, weights_of


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
    weights = read_weights(tmp_path / "port.pt")
    told = read_weights(tmp_path / "port.pt", ["model_state_dict.kernel"], perception="interleaved")
    np.testing.assert_array_equal(told, weights)
    state = noise.uniform(5, 6 * 7 * 16).reshape(6, 7, 16).astype(np.float32) + 0.5
    ours = rule.step(weights, state, np.ones((6, 7), bool))  # every cell lives and fires
    with torch.no_grad():
        theirs = model(torch.from_numpy(state).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    alive = rule.alive(theirs)[..., None]
    np.testing.assert_allclose(ours, theirs * alive, rtol=1e-4, atol=1e-5)
    assert alive.any()


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
        ({"sobel": np.zeros((16, 1, 3, 3))}, r"'sobel' \(16, 1, 3, 3\) beyond the rule's four"),
        ({"conv": np.ones((48, 1, 3, 3))}, "are not identity and Sobel filters"),
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


@pytest.fixture
def trained(lively_weights):
    """Tensors by name, of NCA ``seed``, for torch."""

    def make(seed):
        w = rule.unflatten(lively_weights(seed))
        return {name: torch.from_numpy(tensor.copy()) for name, tensor in w.items()}

    return make


def _saved(tmp_path, held):
    torch.save(held, tmp_path / "nca.pt")
    return tmp_path / "nca.pt"


def test_a_state_dict_may_lie_anywhere_and_an_optimisers_moments_are_none(
    tmp_path, trained, lively_weights
):
    sgd = {number: {"momentum_buffer": t + 1} for number, t in enumerate(trained(1).values())}
    adam = {number: {"exp_avg": t, "exp_avg_sq": t} for number, t in enumerate(trained(1).values())}
    for around in (
        {"model_state_dict": trained(1), "optimizer_state_dict": {"state": sgd}, "epoch": 7},
        {"weights": {"of": [{"my": trained(1)}]}, "optim": {"state": adam}, "loss": [0.1, 0.2]},
        {"trainer": {"nca": trained(1), "optimizers": [{"state": sgd}]}, "seed": torch.zeros(28)},
        {"state_dict": {f"net.{name}": t for name, t in trained(1).items()}},
        {"params": trained(1), "opt_state": {"mu": trained(2), "nu": trained(3)}},
    ):
        weights = read_weights(_saved(tmp_path, around))
        np.testing.assert_array_equal(weights, lively_weights(1))


def test_several_in_a_file_all_come_and_any_can_be_left_out(tmp_path, trained, lively_weights):
    path = _saved(tmp_path, {"model": trained(1), "ema": trained(2), "step": 5})
    ncas = read_ncas(path)
    assert [nca.name for nca in ncas] == ["nca-model", "nca-ema"]
    for nca, seed in zip(ncas, (1, 2), strict=True):
        np.testing.assert_array_equal(nca.weights(nca.usual), lively_weights(seed))
    with pytest.raises(ZooError, match="holds 2 NCAs \\('nca-model', 'nca-ema'\\)"):
        read_weights(path)
    np.testing.assert_array_equal(read_weights(path, ["ema"]), lively_weights(1))
    collection = {"ncas": {"7-012": trained(3), "a.b": trained(4)}, "epoch": 3}
    assert [nca.name for nca in read_ncas(_saved(tmp_path, collection))] == ["7-012", "a.b"]


def test_two_layers_that_fit_are_in_doubt(tmp_path, trained):
    both = trained(1) | {f"teacher_{name}": tensor for name, tensor in trained(2).items()}
    with pytest.raises(ZooError, match=r"could be 'model\.W1' or 'model\.teacher_W1'; leave"):
        read_weights(_saved(tmp_path, {"model": both}))


def test_filters_beside_an_nca_are_its_own(tmp_path, trained, model):
    """Each NCA is read by the filters that lie nearest; one option more would contradict them."""
    flipped = {"w": trained(1), "kernel": model.kernel.flip(-1)}
    path = _saved(tmp_path, {"a": {"w": trained(1), "kernel": model.kernel}, "b": flipped})
    a, b = (nca.weights(next(nca.readings({}))) for nca in read_ncas(path))
    w = weights_of(rule.unflatten(a), sobel_sign="-+")
    np.testing.assert_array_equal(b, w)
    assert np.abs(a - b).max() > 0.1
    with pytest.raises(ZooError, match="say what its cells see: leave out --sobel-sign, or"):
        read_weights(_saved(tmp_path, flipped), sobel_sign="-+")
    told = read_weights(path.parent / "nca.pt", ["kernel"], perception="interleaved")
    np.testing.assert_array_equal(told, a)
    differ = {"w": trained(1), "k1": model.kernel, "k2": model.kernel.flip(-1)}
    with pytest.raises(ZooError, match="several filters that differ"):
        read_weights(_saved(tmp_path, differ))


def test_numbers_that_no_weight_can_be(trained, tmp_path):
    w = trained(1)
    w["W1"] = w["W1"].double() * 1e300
    with pytest.raises(ZooError, match=r"nca\.pt: holds weights that are not finite"):
        read_weights(_saved(tmp_path, w))


def test_another_rule_is_refused(tmp_path, trained):
    """NCAtorch's growing NCA sees a Laplacian, too, and has fewer hidden units."""
    port = {"perception.f_laplacian": torch.ones(16, 1, 3, 3),
            "update_model.model.0.weight": torch.ones(80, 64, 1, 1),
            "update_model.model.2.weight": torch.ones(16, 80, 1, 1)}  # fmt: skip
    with pytest.raises(ZooError, match=r"nothing of shape \(128, 48\) for W1; it holds 'percep"):
        read_weights(_saved(tmp_path, port))
