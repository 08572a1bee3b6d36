"""Growing stored NCAs again: do they still do what the zoo says of them?"""

from collections.abc import Iterator

import numpy as np

from nca_zoo.automaton.rule import compared
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN_STEP, STABLE_STEP, measure, rollout_keys
from nca_zoo.pictures.targets import restored
from nca_zoo.store.zoofile import Zoo

# What rounding may move: another processor or engine adds up in another order, and a rollout
# carries that on.
DB_96 = 0.1
DB_400 = 1.0
LEVELS = 1.0  # of 255, on average over a picture


def regrow_problems(zoo: Zoo) -> Iterator[str]:
    """The good NCAs of a zoo that miss their stored picture or PSNR; a line each.

    The PSNR at step 400 counts only where the gate of the zoo's regime asked for one, of every NCA.
    """
    zoo = zoo.subset(zoo.good)
    if not len(zoo):
        return
    try:
        seeds = zoo.seed_states()
        stable = zoo.attrs["regime"]["gate"].get("pass_400") is not None
    except (KeyError, TypeError, AttributeError):
        yield f"{zoo.path}: attribute settings: expected a regime that says how its NCAs grow"
        return
    keys = rollout_keys(0, len(zoo))
    targets = restored(zoo.target)[..., compared(zoo.trained)]
    again = measure(make_engine("sparse"), zoo.weights.copy(), seeds, targets, keys, to_400=stable)
    drawn = np.clip(again.grown, 0, 1) * 255
    off = np.abs(drawn - zoo.grown).mean(axis=(1, 2, 3))
    for row, nca_id in enumerate(zoo.id):
        if off[row] > LEVELS:
            yield f"{zoo.path}: {nca_id} grows another picture, off by {off[row]:.1f} of 255 a cell"
        for step, found, held, most in (
            (GROWN_STEP, again.psnr_96[row], zoo.psnr_96[row], DB_96),
            (STABLE_STEP, again.psnr_400[row], zoo.psnr_400[row], DB_400),
        ):
            if (step == GROWN_STEP or stable) and not abs(found - held) <= most:
                yield (
                    f"{zoo.path}: {nca_id} reaches {found:.2f} dB at step {step}, "
                    f"not {held:.2f} dB as stored"
                )
