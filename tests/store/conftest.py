from pathlib import Path

import pytest
from rows import header, record

from nca_zoo.store.zoowriter import ZooWriter


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, header()) as writer:
        writer.add([record(number) for number in range(3)])
    return path


@pytest.fixture
def path(whole, tmp_path) -> Path:
    """A copy to break."""
    copy = tmp_path / "zoo.h5"
    copy.write_bytes(whole.read_bytes())
    return copy
