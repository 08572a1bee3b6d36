"""Zoos and NCAs in the formats of others: weights that were trained elsewhere come in, safetensors,
Parquet, torch, NPZ, CSV and the Distill demo's JSON go out, and cards for the hubs of datasets."""

__all__ = [
    "card",
    "exporting",
    "foreign",
    "importing",
    "trying",
]  # modules that others may import from
