"""Others' conventions: an NCA as they run it, and the same one as it is read, do the same."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from nca_zoo.automaton import noise, rule
from nca_zoo.errors import ZooError
from nca_zoo.exchange.conventions import TRIED, Convention, seen_by, variants

OURS = Convention()
SOBEL_X = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
IDENTITY = np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])


def filters_of(convention):
    """The three filters (3, 3, 3) of a code base, in its order."""
    signs = {"+": 1.0, "-": -1.0}
    x = SOBEL_X * convention.sobel_scale * signs[convention.sobel_sign[0]]
    y = SOBEL_X.T * convention.sobel_scale * signs[convention.sobel_sign[1]]
    return np.stack([IDENTITY, x, y] if convention.sobel == "xy" else [IDENTITY, y, x])


def their_step(layers, state, convention):
    """One step (H, W, 16) of an NCA as its code base runs it, in torch, all cells firing."""
    x = torch.from_numpy(state.astype(np.float64)).permute(2, 0, 1)[None]
    filters = torch.from_numpy(filters_of(convention))[:, None]
    if convention.perception == "interleaved":
        kernel = filters.repeat(16, 1, 1, 1)
        seen = torch.nn.functional.conv2d(x, kernel, padding=1, groups=16)
    else:
        each = [
            torch.nn.functional.conv2d(x, f[None].repeat(16, 1, 1, 1), padding=1, groups=16)
            for f in filters
        ]
        seen = torch.cat(each, dim=1)
    w = {name: torch.from_numpy(tensor.astype(np.float64)) for name, tensor in layers.items()}
    hidden = torch.einsum("oc,bchw->bohw", w["W1"], seen) + w["b1"][:, None, None]
    update = torch.einsum("oc,bchw->bohw", w["W2"], hidden.relu()) + w["b2"][:, None, None]
    after = x + convention.step_size * update
    alpha = 3 if convention.rgba == "first" else 15

    def alive(state):
        return torch.nn.functional.max_pool2d(state[:, alpha][:, None], 3, 1, 1) > 0.1

    return (after * (alive(x) & alive(after)))[0].permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def layers(lively_weights):
    return rule.unflatten(lively_weights(5))


@pytest.mark.parametrize("setting", TRIED)
def test_what_is_read_does_what_theirs_did(layers, setting):
    """Every setting of every convention, each beside two others of all the rest."""
    bases = (OURS, Convention("interleaved", "yx", "-+", 0.25, "last", 2.0))
    for base in bases:
        for value in (*TRIED[setting], *((0.37,) if setting.endswith(("scale", "size")) else ())):
            convention = replace(base, **{setting: value})
            state = noise.uniform(7, 6 * 5 * 16).reshape(6, 5, 16).astype(np.float32)
            order = [*range(4, 16), *range(4)] if convention.rgba == "last" else [*range(16)]
            theirs = their_step(layers, state[..., order], convention)
            ours = rule.step(convention.weights(layers), state, np.ones((6, 5), bool))
            assert np.abs(ours).max() > 0.5
            np.testing.assert_allclose(ours[..., order], theirs, rtol=1e-4, atol=1e-5)


def test_ours_changes_nothing(layers):
    np.testing.assert_array_equal(OURS.weights(layers), rule.flatten(layers))


def test_every_variant_is_another_and_the_usual_comes_first(layers):
    usual = Convention(perception="interleaved", sobel_scale=0.5)
    tried = list(variants(usual, {}))
    count = np.prod([len(values) for values in TRIED.values()])
    assert tried[0] == usual  # though its scale is none that is tried otherwise
    assert len(set(tried)) == len(tried) == count + count // 3
    read = {convention.weights(layers).tobytes() for convention in tried}
    assert len(read) == len(tried)
    settled = list(variants(usual, {"sobel": "yx", "rgba": "last", "step_size": 1.0}))
    assert settled[0] == replace(usual, sobel="yx", rgba="last")
    assert {(c.sobel, c.rgba, c.step_size) for c in settled} == {("yx", "last", 1.0)}


@pytest.mark.parametrize("changes", [{}, {"sobel": "yx"}, {"sobel_sign": "-+"},
                                     {"sobel_sign": "+-", "sobel_scale": 1.0}])  # fmt: skip
def test_filters_in_a_file_say_what_is_seen(changes):
    convention = Convention(perception="interleaved", **changes)
    torchs = np.tile(filters_of(convention)[:, None], (16, 1, 1, 1)).astype(np.float32)
    jax = torchs.transpose(2, 3, 1, 0)
    tensorflow = np.tile(filters_of(convention).transpose(1, 2, 0)[:, :, None], (1, 1, 16, 1))
    whole = np.zeros((48, 16, 3, 3))  # a plain convolution: nothing from the other channels
    for output in range(48):
        whole[output, output // 3] = torchs[output, 0]
    for filters in (torchs, jax, tensorflow, whole, whole.transpose(2, 3, 1, 0)):
        np.testing.assert_allclose(seen_by(filters), convention.seen(), atol=1e-12)


def test_filters_in_blocks_of_a_plain_convolution():
    whole = np.zeros((48, 16, 3, 3))
    for number, kernel in enumerate(filters_of(OURS)):
        whole[16 * number + np.arange(16), np.arange(16)] = kernel
    np.testing.assert_allclose(seen_by(whole), OURS.seen(), atol=1e-12)


def test_other_shapes_are_no_filters_and_learnt_ones_are_refused():
    assert seen_by(np.zeros((128, 48))) is None
    assert seen_by(np.zeros((16, 1, 3, 3))) is None
    learnt = noise.uniform(3, 48 * 9).reshape(48, 1, 3, 3)
    for filters in (learnt, np.full((48, 1, 3, 3), np.nan)):
        with pytest.raises(ZooError, match="not identity and Sobel filters"):
            seen_by(filters)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"perception": "x"}, "perception is 'x'; it must be blocks or interleaved"),
        ({"sobel": "xx"}, "sobel is 'xx'; it must be xy or yx"),
        ({"sobel_sign": "+"}, "sobel_sign is '\\+'"),
        ({"rgba": "middle"}, "rgba is 'middle'; it must be first or last"),
        ({"sobel_scale": 0.0}, "sobel_scale is 0.0; it must be a number above 0"),
        ({"step_size": float("nan")}, "step_size is nan"),
    ],
)
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(ZooError, match=words):
        Convention(**changes)


def test_a_reading_is_named_as_it_is_typed():
    other = Convention(sobel="yx", sobel_scale=0.25, step_size=2)
    assert other.options(OURS) == "--sobel yx --sobel-scale 0.25 --step-size 2"
    assert OURS.options(OURS) == ""
    assert set(asdict(other)) == set(TRIED)
