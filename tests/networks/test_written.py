"""Weights that are a linear map of their pictures, by construction: both ways find the map."""

from dataclasses import replace

import numpy as np
import pytest
from rows import header, record

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.errors import ZooError
from nca_zoo.networks.reading import PictureReader
from nca_zoo.networks.writing import Size, beginning, learn_writer, seen_centred, targets_of
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import glorot

GRID, N, SHAPES = (7, 6), 60, 4
START = glorot(1)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Pictures of four shapes in any strength, some moved by a cell; weights to match."""
    rng = np.random.default_rng(0)
    shapes = rng.uniform(0, 1, (SHAPES, 5, 4)).astype(np.float32)
    changes = rng.normal(0, 0.02, (SHAPES, N_PARAMS)).astype(np.float32)
    rows = []
    for i in range(N):
        strength = rng.uniform(0, 0.5, SHAPES).astype(np.float32)
        down, right = int(rng.integers(3)), int(rng.integers(3))
        ink = np.zeros(GRID, np.float32)
        ink[down : down + 5, right : right + 4] = np.tensordot(strength, shapes, 1) / 2
        rows.append(
            record(
                i,
                GRID,
                weights=(START + strength @ changes).astype(np.float32),
                target=np.repeat(np.rint(255 * ink).astype(np.uint8)[..., None], 4, axis=-1),
                seed_row=down + 2,
                seed_col=right + 2,
            )
        )
    path = tmp_path_factory.mktemp("zoo") / "zoo.h5"
    with ZooWriter(path, replace(header(), init_weights=START)) as writer:
        writer.add(rows)
    return open_zoo(path)


def test_a_linear_map_is_found_and_writes_for_pictures_it_has_not_seen(zoo):
    known, new = zoo.subset(np.arange(40)), zoo.subset(np.arange(40, N))
    writer = learn_writer(known, components=SHAPES)
    written = np.stack([writer.weights(target) for target in targets_of(new)])
    off = np.linalg.norm(written - new.weights, axis=1)
    apart = np.linalg.norm(known.weights.mean(axis=0) - new.weights, axis=1)
    assert (off < 0.1 * np.median(apart)).all()
    taught = known.subset(known.split == "train")
    assert writer.recipe["ncas"] == len(taught) < 40
    assert writer.recipe["zoo"] == taught.digest


@pytest.mark.wide
def test_channels_that_say_the_same_share_each_pattern(zoo, tmp_path):
    assert learn_writer(zoo).patterns.shape[-1] == 1  # all four do
    columns = {name: zoo.column(name) for name in ("weights", "seed_row", "seed_col")}
    with ZooWriter(tmp_path / "opaque.h5", replace(header(), init_weights=START)) as writer:
        for i in range(N):
            target = zoo.target[i].copy()
            target[..., 3] = 255
            own = {name: column[i] for name, column in columns.items()}
            writer.add([record(i, GRID, target=target, **own)])
    patterns = learn_writer(open_zoo(tmp_path / "opaque.h5")).patterns
    assert patterns.shape[-1] == 4
    for channel in (1, 2):
        np.testing.assert_array_equal(patterns[..., channel], patterns[..., 0])
    assert not patterns[..., 3].any()  # which says nothing


def test_what_is_to_be_learnt_end_to_end_begins_as_a_linear_writer(zoo):
    size = Size(components=SHAPES, hidden=6, changes=SHAPES)
    begun, linear = beginning(zoo, targets_of(zoo), size), learn_writer(zoo, SHAPES)
    assert (begun.into.shape, begun.mix.shape) == ((6, SHAPES), (SHAPES, SHAPES + 6))
    apart = zoo.weights.std(axis=0).max()
    for target in targets_of(zoo)[:5]:
        off = np.abs(begun.weights(target) - linear.weights(target)).max()
        assert off < 0.05 * apart
    assert begun.recipe == linear.recipe


def test_the_same_zoo_gives_the_same_writer(zoo):
    assert learn_writer(zoo).digest == learn_writer(zoo).digest
    assert learn_writer(zoo, 2).digest != learn_writer(zoo).digest


def test_pictures_are_read_from_weights_that_were_not_seen(zoo):
    pictures = seen_centred(zoo)
    reader = PictureReader(components=SHAPES).fit(zoo.weights[:40], pictures[:40])
    read = reader.read(zoo.weights[40:])
    assert read.shape == pictures[40:].shape
    off = np.abs(read - pictures[40:]).mean()
    assert off < 0.2 * np.abs(pictures[:40].mean(axis=0) - pictures[40:]).mean()
    with pytest.raises(ValueError, match="once it is fitted"):
        PictureReader().read(zoo.weights)


def test_what_no_writer_can_be_learnt_from(zoo, tmp_path):
    with pytest.raises(ZooError, match="components is 0; it must be 1 or more"):
        learn_writer(zoo, 0)
    with pytest.raises(ZooError, match="a writer needs 10 NCAs and there are 8"):
        learn_writer(zoo.subset(np.arange(11)))  # of which 0, 5 and 10 are for testing
    own_starts = replace(header(), init_weights=np.zeros(0, np.float32))
    with ZooWriter(tmp_path / "own.h5", own_starts) as writer:
        writer.add([record(i, GRID) for i in range(15)])
    with pytest.raises(ZooError, match="a writer needs a zoo whose NCAs share one start"):
        learn_writer(open_zoo(tmp_path / "own.h5"))
    blank = np.full((*GRID, 4), 200, np.uint8)
    with ZooWriter(tmp_path / "same.h5", header()) as writer:
        writer.add([record(i, GRID, target=blank, seed_row=3, seed_col=3) for i in range(15)])
    with pytest.raises(ZooError, match="different pictures, and these are all the same"):
        learn_writer(open_zoo(tmp_path / "same.h5"))
