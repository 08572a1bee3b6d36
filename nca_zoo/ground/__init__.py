"""What every room stands on and what knows nothing of NCAs: files that appear whole or not at all,
locks, interruptions that wait, how far some work is, and arithmetic that is the same everywhere."""

__all__ = [
    "archives",
    "arithmetic",
    "children",
    "compiling",
    "cores",
    "files",
    "interrupts",
    "locks",
    "memory",
    "progress",
]  # modules that others may import from
