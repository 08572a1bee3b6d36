"""One rule for all pictures, and a code for each: what is to be learnt, as it begins.

What is learnt is a writer (``nca_zoo.training.writer``) whose changes are of the hidden bias alone:
how much of each a picture has is its code, which its NCA hears as a signal. The rule, how it hears
and what finds a code for a picture are learnt together, end to end, by what grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.rule import HIDDEN, N_PARAMS
from nca_zoo.automaton.signals import B1, Floats
from nca_zoo.errors import ZooError
from nca_zoo.networks.writing import groups_of, packed, patterns_of
from nca_zoo.pictures.targets import Target, stored
from nca_zoo.training.writer import Writer, around

LOUD = 0.05  # standard deviation of what S begins with, as codes have 1


@dataclass(frozen=True)
class CoderSize:
    """How large what finds codes is."""

    components: int = 100  # patterns that it looks for in a picture, at most
    hidden: int = 256  # units


def codes_begin(
    start: Floats,
    targets: Sequence[Target],
    code: int,
    recipe: dict[str, Any],
    size: CoderSize = CoderSize(),
    seed: int = 0,
) -> Writer:
    """A writer of codes of so many numbers, as it begins: the rule is a start ``(P,)``, a code is
    how much of each of the leading patterns a picture has, and how it is heard is drawn.

    recipe: of how it is made, with the name of the regime. Raises ZooError for too few pictures.
    """
    height, width, channels = targets[0].trained.shape
    grid = (height, width)
    pictures = np.stack([around(t.trained, t.seed_row, t.seed_col, grid) for t in targets])
    groups = groups_of(np.stack([stored(target.rgba) for target in targets]), channels)
    with threadpool_limits(limits=1):
        mean, patterns, _ = patterns_of(pictures, groups, size.components)
    if not 1 <= code <= len(patterns):
        raise ZooError(
            f"codes of {code} numbers from {len(targets)} pictures of {len(patterns)} patterns; "
            f"expected 1 to {len(patterns)}, or more pictures"
        )
    key = fold(seed, Stream.INIT)
    draws = 2 * uniform(fold(key, 1), code * HIDDEN).reshape(code, HIDDEN) - 1
    changes = np.zeros((code, N_PARAMS))
    changes[:, B1] = np.sqrt(3) * LOUD * draws
    into = 2 * uniform(key, size.hidden * len(patterns)).reshape(size.hidden, -1) - 1
    mix = np.zeros((code, len(patterns) + size.hidden))
    np.fill_diagonal(mix, 1)
    into *= np.sqrt(3 / len(patterns))
    return packed(recipe, mean, patterns, into, mix, changes, start)
