"""Letting NCAs live, and looking how well they do: the engines that take steps and differentiate
them, rollouts with wounds on the way, and the measures of what grew."""

__all__ = [
    "dynamics",
    "engines",
    "healing",
    "quality",
    "rhythm",
    "rollout",
    "sowing",
]  # modules that others may import from
