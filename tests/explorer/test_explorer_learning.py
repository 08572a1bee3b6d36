"""A drawing's NCA learns in the browser as it does in Python: the same masks, losses, gradients."""

import numpy as np
import pytest
from browsing import GRID

from nca_zoo.automaton import noise
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import param_slices, seed_state
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.life.quality import measure
from nca_zoo.pictures.targets import make_target
from nca_zoo.training.cohort import Cohort, Job, Member
from nca_zoo.training.init import Init
from nca_zoo.training.regime import REGIMES

REGIME = REGIMES["persistent"]
TERMS = {"batch": REGIME.batch, "pool": REGIME.pool, "lr": REGIME.lr, "caSteps": [64, 96],
         "trials": [96, 400], "stops": 27.0, "steps": 400}  # fmt: skip


def seven():
    """A picture (28, 28) of a thin 7 with soft edges, uint8."""
    ink = np.zeros(GRID, np.uint8)
    ink[7, 7:20] = 255
    ink[8, 7:20] = 130
    for row in range(9, 22):
        col = 19 - (row - 8) // 2
        ink[row, col] = 255
        ink[row, col - 1] = 90
    return ink


DIFFERENTIATE = """async ([weights, state, target, key, steps, rate, height, width]) => {
    const { Tape } = await import("explore/tape.js");
    const { Network } = await import("explore/network.js");
    const { keyOf } = await import("explore/noise.js");
    const [tape, gradient] = [new Tape(height, width, rate), new Network()];
    let found;
    for (const n of steps) {
        gradient.clear();
        found = tape.differentiate(Float32Array.from(weights), Float32Array.from(state),
            Float32Array.from(target), keyOf(BigInt(key)), n, gradient);
    }
    return [found.loss, [...gradient.flat()], [...found.state]];
}"""


@pytest.mark.wide
@pytest.mark.parametrize(
    ("lively", "rate", "steps"), [(False, 0.5, 80), (True, 0.5, 12), (True, 1.0, 9)]
)
def test_loss_and_gradients_are_those_of_the_engine(
    modules, start, lively_weights, lively, rate, steps
):
    """Of a whole rollout, of one that lights most of the grid, and of one without chance."""
    grid = (13, 17) if lively else GRID
    weights = lively_weights(5) if lively else start
    rng = np.random.default_rng(3)
    goal = rng.random((1, *grid, 4)).astype("f4") if lively else make_target(seven()).rgba[None]
    state = seed_state(*grid, 6, 5)
    nca = Automata(weights[None], state[None], np.array([[9]], np.uint64), fire_rate=rate)
    n = np.array([steps])
    expected = SparseEngine().gradients(nca, nca.starts(), at_the_end(goal, n, 1), n)
    # Before it a longer rollout on the same tape, so that nothing may be left of one.
    args = [weights, state.ravel(), goal.ravel(), "9", [steps + 5, steps], rate, *grid]
    args[:3] = [array.tolist() for array in args[:3]]
    loss, gradient, last = modules.evaluate(DIFFERENTIATE, args)
    assert loss == pytest.approx(expected.losses[0, 0], rel=1e-4)
    np.testing.assert_allclose(np.reshape(last, state.shape), expected.states[0, 0], atol=1e-4)
    for name, part in param_slices().items():
        wanted = expected.gradients[0, part]
        assert np.abs(wanted).max() > 0, name
        found = np.array(gradient)[part]
        assert np.linalg.norm(found - wanted) <= 1e-4 * np.linalg.norm(wanted), name


LEARN = """async ([weights, target, seed, key, regime, grid, steps]) => {
    const { Learner } = await import("explore/learner.js");
    const { keyOf } = await import("explore/noise.js");
    const learner = new Learner({ weights, target: Uint8Array.from(target), seed,
        key: keyOf(BigInt(key)), regime, grid });
    const [losses, ways] = [[], []];
    for (let step = 0; step < steps; step++) {
        losses.push(learner.learn());
        ways.push([...learner.weights]);
    }
    return [losses, ways, learner.look()];
}"""


@pytest.mark.wide
def test_training_steps_are_those_of_the_cohort(modules, start):
    """Pool, masks, draws, normalised gradients and Adam: the same way through weight space."""
    target = make_target(seven())
    job = Job("seven", target, Init("meta", start), 2**63 + 11)
    cohort = Cohort(REGIME, SparseEngine(), *GRID)
    cohort.add(Member(job))
    ways = []
    for _ in range(6):
        cohort.step()
        ways.append(cohort.weights[0].copy())
    levels = np.round(255 * target.rgba).astype(int).ravel().tolist()
    seed = [target.seed_row, target.seed_col]
    grid = {"height": 28, "width": 28, "fireRate": 0.5}
    args = [start.tolist(), levels, seed, str(job.rng_seed), TERMS, grid, len(ways)]
    losses, found, looks = modules.evaluate(LEARN, args)
    np.testing.assert_allclose(losses, cohort.members[0].losses, rtol=1e-4)
    for step, (way, expected) in enumerate(zip(np.array(found), ways, strict=True)):
        assert np.abs(expected - start).max() > 1e-3
        np.testing.assert_allclose(way, expected, rtol=0, atol=1e-4, err_msg=f"step {step}")
    nca = Automata.grown(ways[-1][None], job.seed_state(REGIME))
    measured = measure(SparseEngine(), nca, target.rgba[None])
    assert looks == pytest.approx([measured[name].psnr[0] for name in ("96", "400")], abs=0.02)


DRAWS = """async ([key, a, b, count]) => {
    const { fold, keyOf, uniform } = await import("explore/noise.js");
    const made = fold(keyOf(BigInt(key)), a, b);
    return [...made, ...uniform(made, count)];
}"""


@pytest.mark.wide
@pytest.mark.parametrize("key", [0, 2**64 - 5, 2**31])
def test_keys_and_draws_are_those_of_python(modules, key):
    upper, lower, *draws = modules.evaluate(DRAWS, [str(key), 4, 2**32 - 1, 5])
    expected = noise.fold(key, 4, 2**32 - 1)
    assert (upper << 32) | lower == expected
    assert draws == noise.uniform(expected, 5).tolist()
