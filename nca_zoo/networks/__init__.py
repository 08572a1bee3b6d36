"""Networks that read weights and write them: models and their training alone. How honest their
answers are is for the rooms of probing and of studies."""

__all__ = [
    "coding",
    "end_to_end",
    "flow",
    "imagining",
    "judge",
    "learning",
    "moving",
    "readers",
    "reading",
    "steering",
    "writing",
]  # modules that others may import from
