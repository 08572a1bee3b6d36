"""Zoos and NCAs in the formats of others: weights that were trained elsewhere come in, safetensors,
Parquet, torch, NPZ, CSV and the Distill demo's JSON go out, and cards for the hubs of datasets; and
whole zoos that lie at an address."""

__all__ = [
    "card",
    "exporting",
    "fetching",
    "foreign",
    "importing",
    "trying",
]  # modules that others may import from
