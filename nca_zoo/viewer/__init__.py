"""Looking at NCAs: frames, films, sheets, the terminal, windows, and the figures that explain the
rule. Takes states and pictures; computes nothing that a study would report."""

__all__ = [
    "atlas",
    "channels",
    "curve",
    "drawing",
    "drawing_window",
    "figures",
    "frames",
    "medley",
    "terminal",
    "training",
    "video",
    "window",
]  # modules that others may import from
