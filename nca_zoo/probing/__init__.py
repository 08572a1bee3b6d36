"""What a vector is asked, and how honestly: quantities, folds and inner folds, readers, resampling,
and the probe that puts them together with its controls and intervals."""

__all__ = [
    "folds",
    "probe",
    "quantities",
    "readers",
    "resampling",
    "splits",
]  # modules that others may import from
