"""A reference that no NCA provides: the mean of a zoo, once all are aligned to it.

Generalised Procrustes analysis (Gower, 1975) with the group of nca_zoo/symmetry/group.py instead of
rotations: align all to a running mean, take the mean anew, repeat. It needs no shared start and
sees no class.
"""

import numpy as np

from nca_zoo.automaton.rule import Array
from nca_zoo.symmetry.alignment import align

ROUNDS = 4
ROWS = 48  # of which the mean is made, evenly spread over those given


def aligned_mean(
    weights: Array, seed_hidden: bool = True, rounds: int = ROUNDS, rows: int = ROWS
) -> Array:
    """The mean ``(P,)`` of aligned weights ``(N, P)``, float64.

    Starts from the row whose weights are of median length. The mean is brought to the rows'
    mean length after each round: units that are matched badly cancel, and a short reference would
    pull all scales along.
    """
    chosen = np.unique(np.linspace(0, len(weights) - 1, min(rows, len(weights))).astype(int))
    some = np.asarray(weights, np.float64)[chosen]
    lengths = np.linalg.norm(some, axis=1)
    reference = some[np.argsort(lengths, kind="stable")[len(some) // 2]]
    for _ in range(rounds):
        moved = align(some, reference, seed_hidden)
        mean = moved.mean(axis=0)
        length = np.linalg.norm(mean)
        if length == 0:
            break
        reference = mean * np.linalg.norm(moved, axis=1).mean() / length
    return reference


def disagreement(weights: Array, reference: Array) -> float:
    """Root mean squared distance of weights ``(N, P)`` from a reference, in units of its length."""
    away = np.linalg.norm(np.asarray(weights, np.float64) - reference, axis=1)
    return float(np.sqrt((away**2).mean()) / np.linalg.norm(reference))
