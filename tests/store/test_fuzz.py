"""Everything that a person types or hands over, made up at random: an answer or one clear line."""

import io
import zipfile
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rows import header, record

from nca_zoo.automaton import rule
from nca_zoo.automaton.wounds import Wound, parse_wound
from nca_zoo.building.share import parse_share
from nca_zoo.errors import ZooError
from nca_zoo.pictures.classes import Classes, numbered
from nca_zoo.pictures.image_files import read_file
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import glorot, read_start, write_start

quick = settings(max_examples=150)
on_disk = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
near = st.one_of(st.text(), st.text("0123456789-,:/. +e٣", max_size=20))  # and what looks right


def one_clear_line(error: pytest.ExceptionInfo[ZooError] | ZooError) -> None:
    text = str(getattr(error, "value", error))
    assert text.isprintable(), repr(text)
    assert 0 < len(text) < 500


FEW = Classes({0: "0", 1: "one", 2: "Fox", 7: "12", 300: "猫, 犬"})


def attempt(call, *given):
    """What a call gives, or None if it refuses with one clear line; anything else fails."""
    try:
        return call(*given)
    except ZooError as error:
        one_clear_line(error)
        return None


@quick
@given(near)
def test_classes(text):
    classes = attempt(FEW.chosen, text)
    if classes is not None:
        assert list(classes) == sorted(set(classes))
        assert all(0 <= number <= 32767 for number in classes)
        assert set(classes) <= set(FEW)


@quick
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), min_size=1, max_size=5))
def test_classes_that_are_right(ranges):
    text = ",".join(f"{first}-{first + more}" if more else f"{first}" for first, more in ranges)
    expected = {n for first, more in ranges for n in range(first, first + more + 1)}
    assert numbered([str(n) for n in range(400)]).chosen(text) == tuple(sorted(expected))


@quick
@given(near)
def test_parts(text):
    share = attempt(parse_share, text)
    assert share is None or 1 <= share.number <= share.of


@quick
@given(near)
def test_damage(text):
    damage = attempt(parse_wound, text)
    assert damage is None or isinstance(damage, Wound)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(5)])
    return open_zoo(path)


@quick
@given(st.one_of(st.text(), st.text("012-\x1b\n<", max_size=6)))
def test_ids(zoo, text):
    row = attempt(zoo.index, text)
    assert (row is not None) == (text in set(zoo.id.tolist()))


@cache
def picture(kind: str) -> bytes:
    memory = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(memory, kind)
    return memory.getvalue()


@st.composite
def broken(draw, whole: bytes):
    """``whole`` with bytes changed, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.integers(0, 8))
        data[place : place + size] = draw(st.binary(max_size=8))
    return bytes(data[: draw(st.one_of(st.none(), st.integers(0, len(data))))])


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp"])
def test_image_files(tmp_path, kind):
    @on_disk
    @given(broken(picture(kind)), st.sampled_from([None, 12]))
    def check(data, size):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(data)
        pixels = attempt(read_file, path, size)
        if pixels is not None:
            assert pixels.dtype == np.uint8
            assert pixels.ndim in (2, 3)

    check()


def idx(array: np.ndarray) -> bytes:
    sides = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sides + array.astype(np.uint8).tobytes()


FILES = {
    "train-images-idx3-ubyte": idx(np.arange(3 * 5 * 4).reshape(3, 5, 4)),
    "train-labels-idx1-ubyte": idx(np.array([0, 1, 4])),
    "t10k-images-idx3-ubyte": idx(np.arange(2 * 5 * 4).reshape(2, 5, 4)),
    "t10k-labels-idx1-ubyte": idx(np.array([1, 4])),
}


@pytest.mark.parametrize("which", FILES)
def test_idx_files(tmp_path, which):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)

    def load():
        return load_pictures("mnist", data_dir=tmp_path)[1]

    @on_disk
    @given(broken(FILES[which]))
    def check(data):
        for name, content in FILES.items():
            (raw / name).write_bytes(data if name == which else content)
        pictures = attempt(load)
        if pictures is not None:
            assert len({picture.id for picture in pictures}) == len(pictures)

    check()


def test_start_files(tmp_path):
    path = tmp_path / "start.npz"
    write_start(path, glorot(4), {"rounds": 3}, glorot(5))
    whole = path.read_bytes()

    @on_disk
    @given(broken(whole))
    def check(data):
        path.write_bytes(data)
        found = attempt(read_start, path)
        if found is not None:
            assert found[0].shape == (rule.N_PARAMS,)
            assert np.isfinite(found[0]).all()

    check()


def test_a_start_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    path = tmp_path / "start.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (10**8,)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("weights.npy", "w") as member,
    ):
        member.write(head.getvalue())
        for _ in range(40):
            member.write(bytes(10**6))
    with pytest.raises(ZooError, match="unpacks to more than") as error:
        read_start(path)
    one_clear_line(error)
