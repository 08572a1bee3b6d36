"""Which weights are the same automaton: the group of changes that no visible channel shows, and how
to undo them, by alignment to a reference, by a standard form, or by numbers that never change."""

__all__ = ["alignment", "group", "nearest", "procrustes"]  # modules that others may import from
