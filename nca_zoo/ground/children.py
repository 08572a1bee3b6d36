"""Python processes of ours: what lies in the current folder is no module to them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def isolated_children() -> Iterator[None]:
    """Processes that libraries start meanwhile do not look for modules in the current folder.

    Python does so first of all unless told otherwise: a ``numpy.py`` that lies beside a zoo would
    be run.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = before
