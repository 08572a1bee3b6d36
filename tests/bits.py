"""A process that trains ten NCAs in every regime and prints the SHA-256 of their weights as JSON.

    python tests/bits.py [--digits 0-9] [CASE ...] > tests/training/bits.json

Without names, all cases. test_bits.py compares what this prints with the table that is kept, and
runs it under other settings of BLAS, numpy and LLVM. A change that is meant to change weights makes
the table anew.
"""

import argparse
import dataclasses
import hashlib
import json
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


def digests(name: str, cache: Path, classes: str = "0-9") -> Iterator[tuple[str, str]]:
    """Ids and SHA-256 of ten NCAs, one of each digit, or of these digits."""
    regime, settings, start = case(name)
    init = make_init(start, regime.name, visible=settings.visible)
    _, pictures = load_pictures("digits", classes, 1, cache)
    jobs = [
        Job(picture.id, make_target(picture.pixels, settings), init, fit_seed(0, picture.id))
        for picture in pictures
    ]
    for fit in train(jobs, regime, SparseEngine()):
        yield fit.job.id, hashlib.sha256(fit.weights.astype("<f4").tobytes()).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--digits", default="0-9")
    parser.add_argument("names", nargs="*", default=sorted(CASES))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = {
            name: dict(sorted(digests(name, Path(folder), given.digits))) for name in given.names
        }
    print(json.dumps(table, indent=1))
