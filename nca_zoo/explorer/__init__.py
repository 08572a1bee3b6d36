"""The page in which a whole zoo grows: a map of its NCAs, and each alive in the browser.

``web/`` is the page as a browser reads it: small ES modules, a style sheet, a template. The rule
runs in ``web/automaton.js`` with the same random masks as in Python.
"""

__all__ = ["exhibit", "notebook", "page", "server"]  # modules that others may import from
