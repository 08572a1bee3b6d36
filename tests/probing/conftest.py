from dataclasses import replace

import pytest

from nca_zoo.features.reduction import MAX_COMPONENTS
from nca_zoo.probing.readers import READERS, REGRESSORS, Reader


@pytest.fixture
def quick_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers with one setting to choose from: test_readers.py is about the choice."""
    for known in (READERS, REGRESSORS):
        for name, reader in known.items():
            if isinstance(reader, Reader):
                setting = replace(reader.settings[0], components=MAX_COMPONENTS, unit=False)
                few = replace(reader, settings=(setting,), scalings=("standardise",))
                monkeypatch.setitem(known, name, few)
