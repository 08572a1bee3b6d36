"""`nca-zoo show --signal`: an NCA of several pictures that is told to become another."""

import numpy as np
import pytest
from commands import run
from PIL import Image
from rows import header, record

from nca_zoo.automaton.signals import heard
from nca_zoo.automaton.wounds import circle
from nca_zoo.building.becoming import hearing
from nca_zoo.life.quality import psnr
from nca_zoo.life.rollout import rollout
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture(scope="module", params=[0, 2])
def zoo(tmp_path_factory, request):
    """Two pictures that one NCA hears, some steps into its training."""
    folder = tmp_path_factory.mktemp("voices")
    for name, left in (("a", 1), ("b", 3)):
        ink = np.zeros((9, 8), np.uint8)
        ink[2:7, left : left + 4] = 255
        Image.fromarray(ink).save(folder / f"{name}.png")
    out = folder / "ab.h5"
    quickly = ["--steps", 6, "--extra-steps", 0, "--attempts", 1, "--film", "none"]
    pictures = [folder / "a.png", folder / "b.png"]
    run("fit", *pictures, *quickly, "--code", request.param, "--out", out)
    return open_zoo(out)


def show(zoo, folder, *options, code=0):
    out = ["--steps", 12, "--every", 4, "--out", folder / "a.png", "--seed", 5]
    return run("show", "a", "--zoo", zoo.path, *options, *out, code=code)


def test_told_another_id_it_goes_on_as_that_one(zoo, tmp_path, strips):
    said = show(zoo, tmp_path, "--signal", "4:b").stdout
    ((states, target, about),) = strips
    a, b = zoo.index("a"), zoo.index("b")
    alone = dict(rollout(zoo.weights[a], zoo.seed_states(a), 4, 5))
    assert np.array_equal(states[4], alone[4][..., :4])
    changed = [hearing(zoo, "4:b").told(zoo, a)]
    np.testing.assert_allclose(changed[0].weights, zoo.weights[b], atol=1e-6)
    expected = dict(rollout(zoo.weights[a], zoo.seed_states(a), 12, 5, told=changed))
    assert np.array_equal(states[12], expected[12][..., :4])
    assert np.array_equal(target(4), zoo.due(0, a))
    assert np.array_equal(target(5), zoo.due(0, b))
    assert about == "b"
    assert f"PSNR {psnr(states[12], zoo.due(0, b)):.1f} dB against that of b" in said


def test_numbers_between_two_and_a_part_of_the_cells(zoo, tmp_path, strips):
    S, s = zoo.column("S"), zoo.column("s")
    a, shared = zoo.index("a"), zoo.weights[0] - heard(np.zeros(8336, "f4"), S[0], s[0])
    middle = s.mean(axis=0)
    numbers = ",".join(str(float(number)) for number in middle)
    show(zoo, tmp_path, "--signal", numbers)
    show(zoo, tmp_path, "--signal", f"4:{numbers}@3,4,2")
    (whole, target, _), (part, *_) = strips
    between = heard(shared, S[0], middle)
    expected = dict(rollout(between, zoo.seed_states(a), 12, 5))[12]
    np.testing.assert_allclose(whole[12], expected[..., :4], atol=1e-4)
    assert np.array_equal(target, zoo.due(0, a))
    voice = hearing(zoo, f"4:{numbers}@3,4,2")
    assert circle(9, 8, *voice.circle).sum() == 13
    told = [voice.told(zoo, a)]
    expected = dict(rollout(zoo.weights[a], zoo.seed_states(a), 12, 5, told=told))
    assert np.array_equal(part[12], expected[12][..., :4])


def test_what_is_no_signal_is_said_in_a_line(zoo, tmp_path):
    d = zoo.column("s").shape[1]
    for signal, words in (
        ("c", f"'c' is neither an id of {zoo.path} nor {d} numbers"),
        ("0,1,2,3", f"nor {d} numbers"),
        ("nan,0", f"nor {d} numbers"),
        ("12:b", "becoming another at step 12 would never be seen"),
        ("4:b@1", "is not understood"),
    ):
        assert words in show(zoo, tmp_path, "--signal", signal, code=1).output
    window = run("show", "a", "--zoo", zoo.path, "--window", "--signal", "4:b", code=2)
    assert "leave out --window or --signal and --as" in window.output
    alone = tmp_path / "alone.h5"
    with ZooWriter(alone, header()) as writer:
        writer.add([record(0, (9, 8), id="a")])
    said = run("show", "a", "--zoo", alone, "--signal", "0,1", code=1).output
    assert "its NCAs hear no signal" in said
