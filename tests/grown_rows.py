"""NCAs of which it is known what they grow: those along two directions from one."""

import numpy as np
from rows import record

from nca_zoo.automaton.rule import param_slices, seed_state
from nca_zoo.life.rollout import rollout

GRID, SEED = (9, 8), {"seed_row": 4, "seed_col": 4}


def grown_rows(base, n, column):
    """Rows of n NCAs of two classes around weights ``base``; ``column`` shows what each grows."""
    rng = np.random.default_rng(0)
    directions = np.zeros((2, len(base)), np.float32)
    directions[:, param_slices()["b2"]] = rng.normal(0, 2e-3, (2, 16))
    seed = seed_state(*GRID, *SEED.values(), True)
    made = []
    for i in range(n):
        weights = base + rng.uniform(-1, 1, 2).astype(np.float32) @ directions
        *_, (_, state) = rollout(weights, seed, 96)
        grown = np.rint(255 * np.clip(state[..., :4], 0, 1)).astype(np.uint8)
        made.append(record(i, GRID, weights=weights, label=i % 2, **{column: grown}, **SEED))
    return made
