"""What a neural cellular automaton is, in numpy alone: the rule that all cells follow, and the
random numbers that say which of them fire. Everything else in the house stands on this."""

__all__ = ["noise", "record", "rule", "wounds"]  # modules that others may import from
