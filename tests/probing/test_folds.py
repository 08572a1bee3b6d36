"""What reading keeps in memory: not what every side has learned."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from small_zoo import probe, small_zoo

from nca_zoo.errors import ZooError
from nca_zoo.features import transformers

pytestmark = pytest.mark.usefixtures("quick_readers")


@pytest.mark.wide
@pytest.mark.parametrize("feature", ["procrustes", "aligned"])
def test_transformed_weights_go_with_the_last_side_that_reads_them(
    monkeypatch: pytest.MonkeyPatch, feature: str
) -> None:
    """Ten sides: each has a mean of its own; rows that come first are shared by many."""
    made: list[Any] = []
    held = []

    def align(weights: np.ndarray, reference: np.ndarray, _: bool) -> np.ndarray:
        moved = weights - reference.astype(np.float32)
        made.append(weakref.ref(moved))
        held.append(sum(ref() is not None for ref in made))
        return moved

    monkeypatch.setattr(transformers, "align", align)
    monkeypatch.setattr(transformers, "aligned_mean", lambda weights, _: weights.mean(axis=0))
    probe(small_zoo(), features=[feature], folds=5, repeats=2)
    if feature == "procrustes":
        assert len(made) == 10
        assert max(held) <= 3
    else:
        assert len(made) <= 4  # the same first rows, transformed once
    assert not any(ref() is not None for ref in made)


@pytest.mark.wide
def test_a_feature_that_cannot_be_made_ends_the_probe_while_workers_start(
    recwarn: pytest.WarningsRecorder,
) -> None:
    zoo = small_zoo()
    zoo.attrs["init_weights"] = np.zeros(0, np.float32)
    with pytest.raises(ZooError, match="delta needs a zoo whose NCAs share one start"):
        probe(zoo, features=["delta"], jobs=2)
    gc.collect()  # joblib says what it has to say when its results are given up
    assert not list(recwarn)
    assert probe(zoo, features=["b1"], readers=["knn"], repeats=1, jobs=2).n == 60
