"""TensorFlow's checkpoints: what another writer wrote is read, and what is damaged is refused."""

import shutil
from pathlib import Path

import bundles
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nca_zoo.automaton import rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange import tensor_bundle
from nca_zoo.exchange.foreign import read_ncas, read_weights

TRIALS = Path(__file__).parent / "trials"
VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def tensors(lively_weights):
    """An NCA's tensors as the notebook's checkpoint names and shapes them."""
    w = rule.unflatten(lively_weights(3))
    named = {}
    for layer, (weight, bias) in enumerate((("W1", "b1"), ("W2", "b2"))):
        at = f"dmodel/layer_with_weights-{layer}"
        named[f"{at}/kernel/{VALUE}"] = w[weight].T[None, None]
        named[f"{at}/bias/{VALUE}"] = w[bias]
    return named


def test_the_sum_is_that_of_rfc_3720():
    for data, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"", 0)):
        assert bundles.crc32c(data) == crc
        assert tensor_bundle.masked_crc32c(data) == bundles.masked(data)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_what_another_writer_wrote_is_read(tmp_path, tensors, lively_weights, shards):
    more = {"step": np.int64(7)[None], "half": np.float16([0.5, 2]), "double": np.arange(3.0)}
    index = bundles.write(tmp_path / "0100", tensors | more, shards)
    found = tensor_bundle.read(index, 1 << 20)
    assert set(found) == set(tensors | more)
    for name, tensor in (tensors | more).items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype
    weights = read_weights(index, ["half", "double"], perception="blocks")
    np.testing.assert_array_equal(weights, lively_weights(3))


def test_any_of_its_names_will_do_and_it_is_read_as_the_notebook_has_it(tmp_path):
    for file in TRIALS.glob("0100.*"):
        shutil.copy(file, tmp_path / file.name.replace("0100", "v1.5"))
    names = ("v1.5", "v1.5.index", "v1.5.data-00000-of-00001", "v1.5.json")
    expected = read_weights(TRIALS / "nca.npz")
    for name in names:
        (nca,) = read_ncas(tmp_path / name)
        assert nca.name == "v1.5"
        assert nca.usual.perception == "interleaved"
        np.testing.assert_array_equal(nca.weights(nca.usual), expected)


def test_an_optimisers_moments_are_no_weights(tmp_path, tensors, lively_weights):
    slots = {
        name.replace(VALUE, f".OPTIMIZER_SLOT/optimizer/{moment}/{VALUE}"): tensor + 1
        for name, tensor in tensors.items()
        for moment in "mv"
    }
    index = bundles.write(tmp_path / "adam", tensors | slots)
    np.testing.assert_array_equal(read_weights(index, perception="blocks"), lively_weights(3))


KERNEL = f"dmodel/layer_with_weights-0/kernel/{VALUE}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crc": 1}, "is damaged: its checksum does not fit"),
        ({"shape": (1, 1, 48, 2**40)}, "is cut short or damaged"),
        ({"shape": (0, 1)}, "is cut short or damaged"),
        ({"size": 2**50}, "claims 11258999068[0-9]+ bytes of tensors; an NCA has 33 KB"),
        ({"size": 30_000}, "is cut short or damaged"),
    ],
)
def test_an_entry_that_lies_is_refused(tmp_path, tensors, changes, words):
    index = bundles.write(tmp_path / "nca", tensors, changes={KERNEL: changes})
    with pytest.raises(ZooError, match=words):
        read_weights(index)


def test_files_that_are_none_or_of_others(tmp_path, tensors):
    index = bundles.write(tmp_path / "nca", tensors)
    for damaged, words in (
        (b"", "not the index of a TensorFlow checkpoint"),
        (bytes(100), "not the index of a TensorFlow checkpoint"),
        (b"\xff" * 92 + index.read_bytes()[-8:], "a number has no end"),
    ):
        (tmp_path / "none.index").write_bytes(damaged)
        with pytest.raises(ZooError, match=words):
            read_weights(tmp_path / "none.index")
    with pytest.raises(ZooError, match="big-endian"):
        read_weights(bundles.write(tmp_path / "big", tensors, endian=1))
    with pytest.raises(ZooError, match="is compressed, as TensorFlow never writes it"):
        read_weights(bundles.write(tmp_path / "small", tensors, kind=1))
    (tmp_path / "nca.data-00000-of-00001").unlink()
    with pytest.raises(ZooError, match=r"nca\.data-00000-of-00001: no such file"):
        read_weights(index)


def test_a_part_that_is_not_there_is_not_looked_for(tmp_path, tensors):
    pairs = [(b"", bundles.field(1, 1))]
    pairs += [(name.encode(), bundles.entry(t, 99_999, 0)) for name, t in tensors.items()]
    (tmp_path / "nca.index").write_bytes(bundles.table(pairs))
    with pytest.raises(ZooError, match="lies in part 99999 of 1"):
        read_weights(tmp_path / "nca.index")


@settings(max_examples=150)
@given(data=st.data(), part=st.sampled_from(["index", "data-00000-of-00001"]))
def test_every_flipped_bit_is_found_or_harmless(data, part, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    for file in TRIALS.glob("0100.*"):
        shutil.copy(file, folder / file.name)
    path = folder / f"0100.{part}"
    damaged = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged[: data.draw(st.sampled_from([len(damaged), place]))])
    try:
        weights = read_weights(folder / "0100.index")
    except ZooError as error:
        assert str(error).startswith(str(folder / "0100"))
        assert str(error).isprintable()
    else:  # padding of the footer, or the object graph behind the tensors
        np.testing.assert_array_equal(weights, read_weights(TRIALS / "nca.npz"))
