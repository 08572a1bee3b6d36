"""An NCA as a vector: its weights in many forms, the controls that see its picture alone, and how
vectors are scaled and reduced before anybody reads them."""

__all__ = [
    "catalogue",
    "descriptors",
    "measures",
    "nearness",
    "queries",
    "reduction",
    "transformers",
]  # modules that others may import from
