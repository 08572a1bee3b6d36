"""What every room stands on and what knows nothing of NCAs: files that appear whole or not at all,
locks, interruptions that wait, and how far some work is."""

__all__ = [
    "children",
    "compiling",
    "cores",
    "files",
    "interrupts",
    "locks",
    "progress",
]  # modules that others may import from
