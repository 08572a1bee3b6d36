"""Adam as Kingma and Ba (2015) write it: moments that are corrected one by one, then a step."""

import numpy as np
import pytest

from nca_zoo.training.adam import descend, fallen


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_steps_are_those_of_the_paper(kind):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 5, 3)).astype(kind)
    ours = rng.normal(size=(5, 3)).astype(kind)
    moments = np.zeros_like(ours), np.zeros_like(ours)
    values, m, v = ours.astype(float), 0.0, 0.0
    for t, g in enumerate(gradients.astype(float), start=1):
        rate = 0.1 * fallen(t - 1, 6)
        descend(ours, gradients[t - 1], *moments, rate, t)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        values -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(ours, values, rtol=1e-4, atol=1e-5)
    assert ours.dtype == moments[0].dtype == moments[1].dtype == kind


def test_the_step_size_falls_along_half_a_cosine():
    falls = [fallen(step, 4) for step in (0, 2, 4, 9)]
    np.testing.assert_allclose(falls, [1, 0.5, 0, 0], atol=1e-12)
    assert fallen(1, 4) == pytest.approx(0.5 + 0.5 * np.sqrt(0.5))
