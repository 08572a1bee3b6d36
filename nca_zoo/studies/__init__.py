"""Findings about whole zoos: clusters, maps, neighbours, mixtures, orbits of symmetry, dynamics and
their forecast. Each gives its numbers as data; drawing them is for the viewer."""

__all__ = [
    "apart",
    "cluster",
    "embedding",
    "forecast",
    "imagining",
    "measuring",
    "mixing",
    "neighbours",
    "novelty",
    "orbit",
    "reading",
    "steering",
    "within",
    "writing",
]  # modules that others may import from
