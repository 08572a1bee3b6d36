"""One rule for all pictures, and few numbers for each: what is to be learnt, as it begins.

What is learnt is a writer (``nca_zoo.training.writer``) whose changes are of some tensors alone;
the others are one rule for all pictures. If it is the hidden bias, how much of each change a
picture has is its code, which its NCA hears as a signal. The rule, the changes and what finds how
much of each a picture has are learnt together, end to end, by what grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from nca_zoo.automaton.noise import Stream, fold, uniform
from nca_zoo.automaton.rule import N_PARAMS, param_slices
from nca_zoo.automaton.signals import Floats
from nca_zoo.errors import ZooError
from nca_zoo.networks.writing import groups_of, packed, patterns_of
from nca_zoo.pictures.targets import Target, stored
from nca_zoo.training.writer import Writer, around

CODE = ("b1",)  # the tensor that a code changes
# Standard deviation of what all changes of a tensor add up to, as they begin: what b2 adds to a
# cell it adds in every step, and trained NCAs of one start differ by 0.01 a weight.
LOUD = {"b1": 0.2, "b2": 0.02}
ELSE = 0.01


@dataclass(frozen=True)
class FinderSize:
    """How large what finds a picture's numbers is."""

    components: int = 100  # patterns that it looks for in a picture, at most
    hidden: int = 256  # units


FEW_SIZE = FinderSize(224)  # of what finds more numbers than a code has


def rule_begins(
    start: Floats,
    targets: Sequence[Target],
    changes: int | None,
    recipe: dict[str, Any],
    tensors: Sequence[str] = CODE,
    size: FinderSize = FinderSize(),
    seed: int = 0,
) -> Writer:
    """A writer of so many changes of these tensors, as it begins: the rule is a start ``(P,)``, the
    numbers of a picture are how much of each leading pattern it has, and changes are drawn.

    changes: None is one for each of their numbers, or for each pattern, if these are fewer. recipe:
    of how it is made, with the name of the regime. Raises ZooError for too few pictures.
    """
    height, width, channels = targets[0].trained.shape
    grid = (height, width)
    pictures = np.stack([around(t.trained, t.seed_row, t.seed_col, grid) for t in targets])
    groups = groups_of(np.stack([stored(target.rgba) for target in targets]), channels)
    with threadpool_limits(limits=1):
        mean, patterns, _ = patterns_of(pictures, groups, size.components)
    parts = [param_slices()[name] for name in tensors]
    if changes is None:
        changes = min(sum(part.stop - part.start for part in parts), len(patterns))
    if not 1 <= changes <= len(patterns):
        raise ZooError(
            f"codes of {changes} numbers from {len(targets)} pictures of {len(patterns)} patterns; "
            f"expected 1 to {len(patterns)}, or more pictures"
        )
    key = fold(seed, Stream.INIT)
    drawn = np.zeros((changes, N_PARAMS))
    for turn, (name, part) in enumerate(zip(tensors, parts, strict=True), 1):
        draws = uniform(fold(key, turn), changes * (part.stop - part.start)).reshape(changes, -1)
        drawn[:, part] = np.sqrt(3 / changes) * LOUD.get(name, ELSE) * (2 * draws - 1)
    into = 2 * uniform(key, size.hidden * len(patterns)).reshape(size.hidden, -1) - 1
    into *= np.sqrt(3 / len(patterns))
    mix = np.zeros((changes, len(patterns) + size.hidden))
    np.fill_diagonal(mix, 1)
    return packed(recipe, mean, patterns, into, mix, drawn, start)
