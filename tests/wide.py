"""The widest sweeps: a few of their cases in every run, all of them in those that ask for it."""

import pytest


def mostly_wide(cases, quick=1):
    """Cases for ``parametrize``; those after the first ``quick`` are marked ``wide``."""
    tuples = [case if isinstance(case, tuple) else (case,) for case in cases]
    first = [pytest.param(*case) for case in tuples[:quick]]
    return [*first, *(pytest.param(*case, marks=pytest.mark.wide) for case in tuples[quick:])]
