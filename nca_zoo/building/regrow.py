"""Growing stored NCAs again: do they still do what the zoo says of them?"""

from collections.abc import Iterator

import numpy as np

from nca_zoo.automaton.rule import compared
from nca_zoo.errors import ZooError
from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, STABLE, measure
from nca_zoo.store.zoofile import Zoo

# What rounding may move: another processor or engine adds up in another order, and a rollout
# carries that on.
MOST_DB = {GROWN: 0.1, STABLE: 1.0}
LEVELS = 1.0  # of 255, on average over a picture


def regrow_problems(zoo: Zoo) -> Iterator[str]:
    """The good NCAs of a zoo that miss their stored picture or PSNR; a line each.

    The PSNR at step 400 counts only where the gate of the zoo's regime asked for one, of every NCA.
    """
    zoo = zoo.subset(zoo.good)
    if not len(zoo):
        return
    try:
        ncas, stable = zoo.ncas(), zoo.settings.stable
    except ZooError as error:
        words = str(error).removeprefix(f"{zoo.path}: ")
        yield f"{zoo.path}: attribute settings: {words}"
        return
    moving, seen = zoo.moving, compared(zoo.trained)
    trials = [GROWN, STABLE] if stable else [GROWN]
    looks = measure(
        make_engine("sparse"),
        ncas,
        lambda step: zoo.due(step)[..., seen],
        trials,
        period=moving.period if moving else 1,
    )
    drawn = np.clip(looks[GROWN.name].pictures, 0, 1) * 255
    off = np.abs(drawn - zoo.grown).mean(axis=(1, 2, 3))
    for row, nca_id in enumerate(zoo.id):
        if off[row] > LEVELS:
            yield f"{zoo.path}: {nca_id} grows another picture, off by {off[row]:.1f} of 255 a cell"
        for trial in trials:
            found = looks[trial.name].psnr[row]
            held = zoo.column(f"psnr_{trial.name}")[row]
            if not abs(found - held) <= MOST_DB[trial]:
                yield (
                    f"{zoo.path}: {nca_id} reaches {found:.2f} dB at step {trial.steps}, "
                    f"not {held:.2f} dB as stored"
                )
