"""nca-zoo: a population of neural cellular automata, one per picture, and their weights as data.

>>> zoo = nca_zoo.open("data/zoo.h5")
>>> X, y = zoo.xy()
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nca_zoo.store.zoofile import Zoo


def open(path: "str | Path" = "data/zoo.h5") -> "Zoo":
    """Open a zoo for reading: see ``nca_zoo.store.zoofile.open_zoo``."""
    from nca_zoo.store.zoofile import open_zoo

    return open_zoo(path)
