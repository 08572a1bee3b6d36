from pathlib import Path

import pytest
from rows import build


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A zoo; files of tests that want a larger one have their own."""
    return build(tmp_path_factory.mktemp("zoo") / "zoo.h5", range(3))


@pytest.fixture
def path(whole, tmp_path) -> Path:
    """A copy to break."""
    copy = tmp_path / "zoo.h5"
    copy.write_bytes(whole.read_bytes())
    return copy
