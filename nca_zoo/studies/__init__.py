"""Findings about whole zoos: clusters, maps, neighbours, mixtures, orbits of symmetry, dynamics and
their forecast. Each gives its numbers as data; drawing them is for the viewer."""

__all__ = [
    "apart",
    "cluster",
    "embedding",
    "forecast",
    "measuring",
    "mixing",
    "neighbours",
    "orbit",
    "within",
    "writing",
]  # modules that others may import from
