"""Networks that read weights and pictures: models and their training alone. How honest their
answers are is for the room of probing."""

__all__ = ["readers"]  # modules that others may import from
