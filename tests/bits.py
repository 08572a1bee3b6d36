"""A process that trains ten NCAs in every regime and prints the SHA-256 of their weights as JSON.

    python tests/bits.py [CASE ...] > tests/training/bits.json

Without names, all cases. test_bits.py compares what this prints with the table that is kept, and
runs it under other settings of BLAS, numpy and LLVM. A change that is meant to change weights makes
the table anew.
"""

import dataclasses
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nca_zoo.automaton.noise import fit_seed
from nca_zoo.life.engines.sparse import SparseEngine
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import TargetSettings, make_target
from nca_zoo.training.cohort import Job
from nca_zoo.training.init import META_STARTS, make_init
from nca_zoo.training.regime import REGIMES, Regime
from nca_zoo.training.trainer import train

DEFAULT = "regenerating-rgba"  # these go through the gate, as ten NCAs of the default zoo
CASES = {f"{regime}-{visible}" for regime in REGIMES for visible in ("rgba", "grey")}


def case(name: str) -> tuple[Regime, TargetSettings, str]:
    """A case's regime, cut short but for the default, its targets and its start."""
    regime_name, _, visible = name.partition("-")
    regime = REGIMES[regime_name]
    if name != DEFAULT:
        regime = dataclasses.replace(
            regime, batch=min(regime.batch, 4), steps=8, extra_steps=0, attempts=1, decay_at=6
        )
    opaque = regime_name == "writeup" and visible == "rgba"
    settings = TargetSettings(alpha="opaque" if opaque else "ink", visible=visible)
    return regime, settings, "meta" if (regime_name, visible) in META_STARTS else "independent"


def digests(name: str, cache: Path) -> Iterator[tuple[str, str]]:
    """Ids and SHA-256 of ten NCAs, one of each digit."""
    regime, settings, start = case(name)
    init = make_init(start, regime.name, visible=settings.visible)
    _, pictures = load_pictures("digits", per_class=1, data_dir=cache)
    jobs = [
        Job(picture.id, make_target(picture.pixels, settings), init, fit_seed(0, picture.id))
        for picture in pictures
    ]
    for fit in train(jobs, regime, SparseEngine()):
        yield fit.job.id, hashlib.sha256(fit.weights.astype("<f4").tobytes()).hexdigest()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        names = sys.argv[1:] or sorted(CASES)
        table = {name: dict(sorted(digests(name, Path(cache)))) for name in names}
    json.dump(table, sys.stdout, indent=1)
    print()
