"""Looking at NCAs: frames, films, sheets, the terminal, windows, and the figures that explain the
rule. Takes states and pictures; computes nothing that a study would report."""
