"""What an NCA should grow: pictures from sets and from files, their classes and splits, and how a
picture becomes a target with a seed cell."""

__all__ = [
    "classes",
    "films",
    "folders",
    "image_files",
    "image_sets",
    "levels",
    "motions",
    "names",
    "sources",
    "targets",
]  # modules that others may import from
