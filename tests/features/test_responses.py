"""Responses, against rollouts of the plain rule and a case computed by hand."""

import numpy as np
from plain import rollout

from nca_zoo.automaton import noise, rule
from nca_zoo.features.responses import MASKS, RESPONSES, SOON, responses

GRID = (9, 8)
GROWN = 96
SMALL = 1e-3
SIZES, MOVED, SEEN, HIDDEN = (slice(16 * k, 16 * (k + 1)) for k in range(4))


def lived(weights, state, mask, first, last):
    """The state after the CA steps from ``first`` to before ``last``, in float64."""
    key = noise.fold(64, mask)
    fires = [noise.fire_mask(key, t, *GRID) for t in range(first, last)]
    return rollout(weights, state, fires)[2]


def size(values, cells):
    return np.sqrt((values**2).sum() / cells)


def test_answers_are_what_plain_rollouts_show(lively_weights):
    """Of one channel that is seen and one that is not, alone and in no matter what company."""
    weights = lively_weights(1)
    up = np.where(noise.uniform(noise.fold(64, MASKS), 72).reshape(GRID) < 0.5, -SMALL, SMALL)
    expected = []
    for mask in range(MASKS):
        grown = lived(weights, rule.seed_state(*GRID, 4, 4), mask, 0, GROWN)
        later = lived(weights, grown, mask, GROWN, GROWN + SOON)
        living = rule.alive(grown)
        cells = living.sum()
        found = {"sizes": [size(grown[..., c], cells) for c in range(16)]}
        found["moved"] = [size((later - grown)[..., c], cells) for c in range(16)]
        for channel in (3, 9):
            changed = grown.copy()
            changed[living, channel] += up[living]
            apart = lived(weights, changed, mask, GROWN, GROWN + SOON) - later
            found[f"seen {channel}"] = [size(apart[..., :4], cells) / SMALL]
            found[f"hidden {channel}"] = [size(apart[..., 4:], cells) / SMALL]
        found["cells"] = [cells, rule.alive(later).sum() / cells]
        expected.append({name: np.log(values) for name, values in found.items()})
    mean = {name: np.mean([one[name] for one in expected], axis=0) for name in expected[0]}
    answers = responses(np.stack([lively_weights(0), weights]), GRID)[1]
    close = {"rtol": 0.01, "atol": 0.01}
    np.testing.assert_allclose(answers[SIZES], mean["sizes"], **close)
    np.testing.assert_allclose(answers[MOVED], mean["moved"], **close)
    for channel in (3, 9):
        np.testing.assert_allclose(answers[SEEN][channel], mean[f"seen {channel}"], **close)
        np.testing.assert_allclose(answers[HIDDEN][channel], mean[f"hidden {channel}"], **close)
    np.testing.assert_allclose(answers[-2:], mean["cells"], **close)
    assert np.exp(answers[SEEN]).max() > 0.1  # a change does become something


def test_what_stands_still_keeps_a_change_as_it_is():
    """No update: nine cells live, one of them lit, and what is seen of a change is the change."""
    still = responses(np.zeros((1, rule.N_PARAMS)), GRID)[0]
    kept, nothing = 0, np.log(1e-6)
    np.testing.assert_allclose(still[SIZES], [*3 * [nothing], *13 * [np.log(1 / 3)]], atol=1e-5)
    np.testing.assert_allclose(still[MOVED], nothing)
    np.testing.assert_allclose(still[SEEN], [*4 * [kept], *12 * [nothing]], atol=1e-3)
    np.testing.assert_allclose(still[HIDDEN], [*4 * [nothing], *12 * [kept]], atol=1e-3)
    np.testing.assert_allclose(still[-2:], [np.log(9), 0], atol=1e-6)


def test_what_dies_or_explodes_answers_nothing(lively_weights):
    fading = np.zeros(rule.N_PARAMS, np.float32)
    fading[rule.param_slices()["b2"].start + rule.ALPHA] = -0.05
    wild = 1e30 * lively_weights(0)
    assert not responses(np.stack([fading, wild]), GRID).any()
    assert responses(np.zeros((0, rule.N_PARAMS)), GRID).shape == (0, RESPONSES)
