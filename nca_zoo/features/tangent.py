"""One gradient at the shared start: what a picture does to the weights before any training.

A control for everything that is read from trained weights: it has seen the same start and the same
picture, but no fit (nca_zoo/features/catalogue.py).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nca_zoo.automaton.noise import FIRE_RATE
from nca_zoo.automaton.record import Automata
from nca_zoo.automaton.rule import N_PARAMS, param_slices
from nca_zoo.ground.cores import usable_cores
from nca_zoo.life.engines import make_engine
from nca_zoo.life.engines.goals import at_the_end
from nca_zoo.pictures.targets import restored

Vectors = npt.NDArray[np.float32]

CA_STEPS = 80  # the middle of what training draws
AT_ONCE = 64  # NCAs whose states are held


def start_gradients(
    start: Vectors,
    seed_of: Callable[[int], Vectors],
    targets: npt.NDArray[np.uint8],
    fire_rate: float = FIRE_RATE,
) -> Vectors:
    """The first training gradient of every NCA, ``(N, P)``, each tensor divided by its own norm.

    start: ``(P,)``; seed_of: the seed state ``(H, W, 16)`` of a row; targets: ``(N, H, W, C)`` as
    stored, of the visible channels that are trained. One rollout of 80 CA steps from the seed under
    the fire masks of rollout seed 0, the same for all; the loss is that of the last state. Where
    nothing lives the gradient is 0, and so it is set where the rollout explodes.
    """
    engine = make_engine(threads=usable_cores())
    found = np.empty((len(targets), N_PARAMS), np.float32)
    for first in range(0, len(targets), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        count = len(targets[rows])
        seeds = np.stack([seed_of(first + i) for i in range(count)])
        ncas = Automata.grown(np.repeat(start[None], count, axis=0), seeds, fire_rate=fire_rate)
        steps = np.full(count, CA_STEPS)
        goals = at_the_end(restored(targets[rows]), steps, 1)
        found[rows] = engine.gradients(ncas, ncas.starts(), goals, steps).gradients
    found[~np.isfinite(found).all(axis=1)] = 0
    for tensor in param_slices().values():
        length = np.sqrt(np.einsum("np,np->n", *2 * [found[:, tensor]], dtype=np.float64))
        found[:, tensor] /= (length + 1e-8)[:, None]
    return found
