"""What a neural cellular automaton is, in numpy alone: the rule that all cells follow, the random
numbers that say which of them fire, what they grow from, and what they hear. Everything else in the
house stands on this."""

__all__ = [
    "noise",
    "record",
    "rule",
    "seeds",
    "signals",
    "wounds",
]  # modules that others may import from
