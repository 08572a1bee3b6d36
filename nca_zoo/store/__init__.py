"""The zoo file: its schema, reading and writing it so that nothing finished is lost, merging,
checking. Rows go in and come out as arrays; what they mean is for others to know."""

__all__ = [
    "assemble",
    "beside",
    "columns",
    "hdf5",
    "merging",
    "parts",
    "sampling",
    "schema",
    "settings",
    "table",
    "verify",
    "zoofile",
    "zoowriter",
]  # modules that others may import from
